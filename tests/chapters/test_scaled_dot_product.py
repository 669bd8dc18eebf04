"""Chapter 6's reference code against torch, against the plain formulas, and what the chapter claims about them."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reference import scaled_dot_product as sdp

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
leading = st.lists(st.integers(1, 3), max_size=2).map(tuple)
quickly = settings(deadline=None, max_examples=40)
precisely = {torch.float32: {"atol": 2e-5, "rtol": 1e-4}, torch.float64: {"atol": 1e-12, "rtol": 1e-10}}


def scores(seed, *shape, spread=3.0):
    return np.random.default_rng(seed).normal(scale=spread, size=shape)


# ---- the softmax ---------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, st.floats(1e-3, 1e3), st.floats(-1e4, 1e4))
def test_tempered_softmax_is_torch_softmax_of_z_over_T_at_any_level(seed, rows, n, T, level):
    z = level + scores(seed, rows, n)
    expected = torch.softmax(torch.from_numpy((z - level) / T), -1).numpy()
    np.testing.assert_allclose(sdp.tempered_softmax(z, T), expected, rtol=1e-6, atol=1e-9)


@quickly
@given(seeds, sizes, st.integers(2, 6))
def test_temperature_limits_are_argmax_and_average(seed, rows, n):
    z = scores(seed, rows, n)
    np.testing.assert_allclose(sdp.tempered_softmax(z, 1e-9), np.eye(n)[z.argmax(-1)], atol=1e-6)
    np.testing.assert_allclose(sdp.tempered_softmax(z, 1e9), 1 / n, atol=1e-6)


def test_at_temperature_zero_the_largest_share():
    np.testing.assert_allclose(sdp.tempered_softmax(np.array([5.0, 5.0, 1.0]), 1e-6), [0.5, 0.5, 0])


@quickly
@given(seeds, st.integers(2, 6))
def test_entropy_never_falls_as_temperature_rises_and_stays_between_0_and_log_n(seed, n):
    z = scores(seed, n)
    entropies = [sdp.attention_entropy(sdp.tempered_softmax(z, T)) for T in np.geomspace(1e-3, 1e3, 40)]
    assert (np.diff(entropies) >= -1e-12).all()
    assert min(entropies) >= 0 and max(entropies) <= math.log(n) + 1e-12


@quickly
@given(seeds, st.integers(2, 8), st.floats(0.02, 0.98), st.integers(-6, 6))
def test_temperature_for_entropy_finds_it_at_any_scale(seed, n, share, exponent):
    z = scores(seed, n) * 10.0**exponent
    T = sdp.temperature_for_entropy(z, share * math.log(n))
    assert sdp.attention_entropy(sdp.tempered_softmax(z, T)) == pytest.approx(share * math.log(n), abs=1e-9)


@quickly
@given(seeds, sizes, sizes, st.sampled_from([0.0, 1000.0, -1000.0]))
def test_log_sum_exp_is_torchs_and_restores_the_softmax(seed, rows, n, level):
    z = level + scores(seed, rows, n)
    lse = sdp.log_sum_exp(z)
    np.testing.assert_allclose(lse, torch.logsumexp(torch.from_numpy(z), -1).numpy(), rtol=1e-12)
    np.testing.assert_allclose(np.exp(z - lse[:, None]), sdp.tempered_softmax(z), atol=1e-9)
    assert (z.max(-1) <= lse + 1e-9).all() and (lse <= z.max(-1) + math.log(n) + 1e-9).all()


def test_log_sum_exp_of_nothing_is_minus_infinity():
    assert sdp.log_sum_exp(np.array([[-np.inf, -np.inf], [0, 0]])).tolist() == [-np.inf, math.log(2)]


def test_softmax_and_log_sum_exp_keep_the_dtype_and_survive_half_precision():
    z = np.float16([3, 12, 10])
    assert sdp.tempered_softmax(z, 1.0).dtype == np.float16 and np.isfinite(sdp.tempered_softmax(z, 1.0)).all()
    assert sdp.log_sum_exp(z).dtype == np.float16 and float(sdp.log_sum_exp(z)) == pytest.approx(12.13, abs=0.02)


# ---- its Jacobian --------------------------------------------------------------------------------------------------


@quickly
@given(seeds, st.integers(2, 8), st.floats(-4, 6))
def test_the_jacobian_is_bounded_by_a_quarter_and_a_half(seed, n, log_spread):
    p = sdp.tempered_softmax(scores(seed, n, spread=2**log_spread))
    J = np.diag(p) - np.outer(p, p)
    z = torch.from_numpy(np.log(np.maximum(p, 1e-300)))
    np.testing.assert_allclose(J, torch.autograd.functional.jacobian(torch.nn.Softmax(0), z).numpy(), atol=1e-12)
    assert np.abs(J).max() <= 0.25 + 1e-12
    assert np.linalg.norm(J, 2) <= 0.5 + 1e-12
    assert np.linalg.eigvalsh(J).min() >= -1e-12


def test_the_bounds_are_reached_by_two_words_at_one_half_each():
    p = np.array([0.5, 0.5, 0, 0])
    assert np.linalg.norm(np.diag(p) - np.outer(p, p), 2) == pytest.approx(0.5)
    p = np.full(4, 0.25)
    assert np.linalg.norm(np.diag(p) - np.outer(p, p), 2) == pytest.approx(0.25)


# ---- variances -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d_k", [1, 16, 256])
@pytest.mark.parametrize(("deviation_q", "deviation_k"), [(1, 1), (2, 3)])
def test_the_variance_of_a_score_is_the_width_times_both_variances(d_k, deviation_q, deviation_k):
    q, k = np.random.default_rng(0).normal(size=(2, 20_000, d_k))
    variance = (deviation_q * q * deviation_k * k).sum(-1).var()
    assert variance == pytest.approx(d_k * (deviation_q * deviation_k) ** 2, rel=0.06)


def test_queries_and_keys_that_agree_have_scores_with_a_mean_that_grows_with_the_width():
    rng = np.random.default_rng(0)
    for d_k in (16, 256):
        q, noise = rng.normal(size=(2, 5000, d_k))
        assert (q * (0.5 * q + math.sqrt(0.75) * noise)).sum(-1).mean() == pytest.approx(0.5 * d_k, rel=0.03)


# ---- the layer -----------------------------------------------------------------------------------------------------


def inputs(seed, before, t, m, d_k, d_v, dtype, spread=1.0):
    generator = torch.Generator().manual_seed(seed)
    Q, K, V = (torch.randn(*before, *s, dtype=dtype, generator=generator) for s in [(t, d_k), (m, d_k), (m, d_v)])
    return [leaf.requires_grad_() for leaf in (Q * spread, K, V)]


def gradients(C, leaves):
    cotangent = torch.cos(torch.arange(C.numel(), dtype=torch.float64) * 1.7).reshape(C.shape).to(C)
    return torch.autograd.grad((C * cotangent).sum(), leaves, retain_graph=True)


def assert_same(ours, theirs, leaves, dtype):
    torch.testing.assert_close(ours, theirs, **precisely[dtype])
    for one, other in zip(gradients(ours, leaves), gradients(theirs, leaves), strict=True):
        torch.testing.assert_close(one, other, **precisely[dtype])


@pytest.mark.parametrize("dtype", precisely)
@quickly
@given(seeds, leading, sizes, sizes, sizes, sizes, st.sampled_from([1.0, 30.0]))
def test_attention_and_its_gradients_equal_torchs(dtype, seed, before, t, m, d_k, d_v, spread):
    leaves = inputs(seed, before, t, m, d_k, d_v, dtype, spread)
    ours = sdp.scaled_dot_product_attention(*leaves)
    assert ours.shape == (*before, t, d_v) and ours.dtype == dtype
    assert_same(ours, F.scaled_dot_product_attention(*leaves), leaves, dtype)


@pytest.mark.parametrize("dtype", precisely)
@quickly
@given(seeds, leading, sizes, sizes, sizes, sizes, st.data())
def test_masks_of_any_broadcast_shape_with_empty_rows_equal_torchs(dtype, seed, before, t, m, d_k, d_v, data):
    leaves = inputs(seed, before, t, m, d_k, d_v, dtype)
    full = (*before, t, m)
    shape = tuple(1 if data.draw(st.booleans()) else n for n in full)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6
    ours = sdp.scaled_dot_product_attention(*leaves, mask)
    library = F.scaled_dot_product_attention(*leaves, attn_mask=mask.expand(full))
    assert_same(ours, library, leaves, dtype)
    additive = torch.zeros(full, dtype=dtype).masked_fill(~mask, -torch.inf)
    assert_same(ours, F.scaled_dot_product_attention(*leaves, attn_mask=additive), leaves, dtype)
    nowhere = ~mask.expand(full).any(-1)
    assert (ours[nowhere] == 0).all()
    assert all(gradient.isfinite().all() for gradient in gradients(ours, leaves))


@quickly
@given(seeds, sizes, sizes)
def test_is_causal_starts_its_triangle_at_the_top_left(seed, t, m):
    leaves = inputs(seed, (2,), t, m, 3, 2, torch.float64)
    ours = sdp.scaled_dot_product_attention(*leaves, torch.ones(t, m, dtype=torch.bool).tril())
    assert_same(ours, F.scaled_dot_product_attention(*leaves, is_causal=True), leaves, torch.float64)


@quickly
@given(seeds, sizes, sizes)
def test_another_scale_is_another_length_of_the_queries(seed, t, m):
    leaves = Q, K, V = inputs(seed, (2,), t, m, 4, 3, torch.float64)
    ours = sdp.scaled_dot_product_attention(Q * 0.1 * math.sqrt(4), K, V)
    assert_same(ours, F.scaled_dot_product_attention(Q, K, V, scale=0.1), leaves, torch.float64)


@quickly
@given(seeds, sizes, sizes)
def test_what_stands_at_masked_keys_does_not_matter(seed, t, m):
    Q, K, V = inputs(seed, (2,), t, m, 3, 2, torch.float64)
    mask = torch.rand(2, 1, m, generator=torch.Generator().manual_seed(seed)) < 0.6
    hidden = ~mask.transpose(1, 2)  # [batch, m, 1]
    other = sdp.scaled_dot_product_attention(Q, K.masked_fill(hidden, 1e3), V.masked_fill(hidden, 1e3), mask)
    torch.testing.assert_close(sdp.scaled_dot_product_attention(Q, K, V, mask), other, atol=0, rtol=0)


def test_inputs_are_left_alone():
    leaves = [leaf.detach() for leaf in inputs(0, (2,), 3, 4, 5, 2, torch.float64)]
    before = [leaf.clone() for leaf in leaves]
    sdp.scaled_dot_product_attention(*leaves, torch.zeros(3, 4, dtype=torch.bool))
    assert all(torch.equal(one, other) for one, other in zip(leaves, before, strict=True))


def test_other_ways_to_mask_an_empty_row_spoil_a_gradient():
    """What the chapter's table says of three ways that look right."""
    leaves = inputs(0, (), 2, 3, 4, 2, torch.float64)
    mask = torch.tensor([[True, True, False], [False] * 3])
    additive = torch.zeros(2, 3, dtype=torch.float64).masked_fill(~mask, -torch.inf)

    def finite(layer):
        return [bool(g.isfinite().all()) for g in torch.autograd.grad(layer(*leaves)[0].sum(), leaves)]

    def filled(Q, K, V):
        return (Q @ K.T / 2).masked_fill(~mask, -torch.inf).softmax(-1) @ V

    assert finite(filled) == finite(lambda *leaves: filled(*leaves).nan_to_num(0)) == [True, True, False]
    added = finite(lambda Q, K, V: torch.where(mask, (Q @ K.T / 2 + additive).softmax(-1), 0.0) @ V)
    assert added == [False, False, True]
    assert finite(lambda *leaves: sdp.scaled_dot_product_attention(*leaves, mask)) == [True, True, True]


# ---- the way back --------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes, sizes, sizes)
def test_attention_gradients_are_autograds(seed, batch, t, m, d_k, d_v):
    leaves = inputs(seed, (batch,), t, m, d_k, d_v, torch.float64)
    C = F.scaled_dot_product_attention(*leaves)
    G = torch.randn(C.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = torch.autograd.grad((C * G).sum(), leaves)
    found = sdp.attention_gradients(*(leaf.detach().numpy() for leaf in leaves), G.numpy())
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-12, rtol=1e-9)


def test_attention_gradients_stay_in_float32():
    arrays = [leaf.detach().numpy() for leaf in inputs(0, (2,), 3, 4, 5, 2, torch.float32)]
    assert all(g.dtype == np.float32 for g in sdp.attention_gradients(*arrays, np.ones((2, 3, 2), np.float32)))


# ---- the online softmax --------------------------------------------------------------------------------------------


def plain(Q, K, V, mask):
    tensors = (torch.from_numpy(a) for a in (Q, K, V, mask))
    return sdp.scaled_dot_product_attention(*tensors).numpy()


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@quickly
@given(
    seed=seeds,
    t=sizes,
    m=st.integers(1, 12),
    d_k=st.sampled_from([1, 4, 16]),
    block=st.integers(1, 14),
    factor=st.sampled_from([1, 1000]),
    share=st.floats(0, 1),
)
def test_online_attention_is_plain_attention(dtype, atol, seed, t, m, d_k, block, factor, share):
    rng = np.random.default_rng(seed)
    # Eighths, and widths with a whole root: scores of any size are exact, so only the softmax's own rounding is left.
    Q, K = (np.round(8 * rng.normal(size=(n, d_k))).astype(dtype) / 8 for n in (t, m))
    V, mask = rng.normal(size=(m, 3)).astype(dtype), rng.random((t, m)) < share
    mask[:, : m // 2] &= rng.random((t, 1)) < 0.5  # whole blocks without anything to see
    found = sdp.online_softmax_attention(factor * Q, K, V, mask, block)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, plain(factor * Q, K, V, mask), atol=atol, rtol=0)
    assert (found[~mask.any(-1)] == 0).all()


def test_scores_may_rise_or_fall_by_hundreds_from_block_to_block():
    for order in (1, -1):
        K = np.linspace(-900 * order, 900 * order, 7)[:, None]
        V, mask = np.arange(7.0)[:, None], np.ones((1, 7), bool)
        for block in range(1, 9):
            found = sdp.online_softmax_attention(np.ones((1, 1)), K, V, mask, block)
            np.testing.assert_allclose(found, plain(np.ones((1, 1)), K, V, mask), atol=1e-12)


def peak(function, *arguments):
    tracemalloc.start()
    function(*arguments)
    _, largest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return largest


def test_its_memory_grows_with_the_length_and_not_with_the_square():
    rng = np.random.default_rng(0)
    used = []
    for n in (512, 1024, 2048):
        Q, K, V = rng.normal(size=(3, n, 16)).astype(np.float32)
        used.append(peak(sdp.online_softmax_attention, Q, K, V, np.ones((n, n), bool), 64))
        assert used[-1] < 4 * n * n  # bytes of all scores
    assert used[1] / used[0] < 2.2 and used[2] / used[1] < 2.2
