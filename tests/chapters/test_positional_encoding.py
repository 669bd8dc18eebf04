"""Chapter 8's references against the formulas, torch and brute force, and the chapter's claims."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reference import positional_encoding as pos
from autograder.reference.positional_encoding import sinusoidal_encoding

few = settings(deadline=None, max_examples=30)
dtypes = pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])


def exact(n, d_model, start=0):
    """The paper's formula entry by entry, in double precision."""
    return np.array(
        [
            [
                (math.cos if column % 2 else math.sin)((start + row) / 10000 ** ((column - column % 2) / d_model))
                for column in range(d_model)
            ]
            for row in range(n)
        ]
    )


# ---- sinusoids -----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 40))
def test_sinusoids_are_the_papers(n, d_model, start):
    """Odd widths and widths of 1 too."""
    PE = sinusoidal_encoding(n, d_model, start)
    assert PE.shape == (n, d_model) and PE.dtype == torch.float32
    np.testing.assert_allclose(PE, exact(n, d_model, start), rtol=0, atol=1e-5)


@few
@given(st.integers(0, 50), st.integers(-30, 30), st.sampled_from([2, 4, 6, 10]))
def test_a_step_of_k_is_a_rotation(position, k, d_model):
    """PE(p + k) = PE(p) M_k, with M_k the same for all p, and M_k turns back what M_-k turns."""
    M = pos.rotation_matrix(d_model, k)
    before, after = exact(1, d_model, position), exact(1, d_model, position + k)
    np.testing.assert_allclose(before @ M, after, rtol=0, atol=1e-12)
    np.testing.assert_allclose(M @ M.T, np.eye(d_model), rtol=0, atol=1e-12)
    np.testing.assert_allclose(M.T, pos.rotation_matrix(d_model, -k), rtol=0, atol=1e-12)
    np.testing.assert_allclose(M @ M, pos.rotation_matrix(d_model, 2 * k), rtol=0, atol=1e-12)


@few
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(1, 6))
def test_the_dot_product_depends_on_the_distance(p, q, shift, pairs):
    """For even widths: Σ cos ω_i (p − q), and the length of every encoding is √(d_model / 2)."""
    d_model = 2 * pairs
    at = lambda position: exact(1, d_model, position)[0]  # noqa: E731
    omega = 10000.0 ** (-2 * np.arange(pairs) / d_model)
    assert abs(at(p) @ at(q) - np.cos(omega * (p - q)).sum()) < 1e-10
    assert abs(at(p) @ at(q) - at(p + shift) @ at(q + shift)) < 1e-10
    assert abs(at(p) @ at(p) - d_model / 2) < 1e-10


def test_an_odd_width_spoils_the_dot_product():
    """The last sine has no cosine, so that the product of neighbours depends on where they stand."""
    PE = exact(100, 3)
    assert np.ptp((PE[:-1] * PE[1:]).sum(1)) > 0.01


# ---- a learned table -----------------------------------------------------------------------------------------------


@few
@given(st.integers(2, 8), st.integers(2, 20), st.integers(1, 4), st.integers(0, 99))
def test_stretched_tables_are_torchs_interpolation(n_old, n, d, seed):
    table = torch.from_numpy(np.random.default_rng(seed).normal(size=(n_old, d)))
    expected = F.interpolate(table.T[None], size=n, mode="linear", align_corners=True)[0].T
    np.testing.assert_allclose(pos.stretch_table(table.numpy(), n), expected, rtol=0, atol=1e-12)


# ---- Shaw ----------------------------------------------------------------------------------------------------------


def drawn(batch, h, t, m, d_k, d_v, c, dtype, seed=0):
    torch.manual_seed(seed)
    shapes = [(batch, h, t, d_k), (batch, h, m, d_k), (batch, h, m, d_v), (2 * c + 1, d_k), (2 * c + 1, d_v)]
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes]


def distance_rows(t, m, c):
    """Row of the table for query i and key j, one by one."""
    rows = [[min(max(j - (m - t + i), -c), c) + c for j in range(m)] for i in range(t)]
    return torch.tensor(rows).reshape(t, m)


@dtypes
@pytest.mark.parametrize("sizes", [(2, 3, 5, 5, 4, 3, 2), (1, 2, 2, 7, 3, 5, 3), (2, 1, 1, 4, 2, 2, 6)])
def test_relative_attention_is_sdpa_with_a_bias(sizes, dtype, atol):
    """Scores as an additive mask; the values' part from the weights. Outputs and the five gradients."""
    *_, t, m, _d_k, _d_v, c = sizes
    leaves = Q, K, V, A_K, A_V = drawn(*sizes, dtype)
    row = distance_rows(t, m, c)
    causal = torch.ones(t, m, dtype=torch.bool).tril(m - t)
    bias = torch.einsum("bhtd,tmd->bhtm", Q, A_K[row]) / Q.shape[-1] ** 0.5
    bias = bias.masked_fill(~causal, -torch.inf)
    ones = torch.eye(m, dtype=dtype).expand(*K.shape[:2], m, m)
    alpha = F.scaled_dot_product_attention(Q, K, ones, attn_mask=bias)
    expected = F.scaled_dot_product_attention(Q, K, V, attn_mask=bias) + torch.einsum("bhtm,tmd->bhtd", alpha, A_V[row])
    got = pos.relative_attention(*leaves, causal[None])
    torch.testing.assert_close(got, expected, rtol=0, atol=10 * atol)
    G = torch.randn_like(got)
    for one, two in zip(*(torch.autograd.grad((C * G).sum(), leaves) for C in (got, expected)), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=100 * atol)


@few
@given(st.integers(1, 5), st.integers(0, 4), st.integers(1, 4), st.integers(0, 99))
def test_relative_attention_by_loops(t, earlier, c, seed):
    m = t + earlier
    Q, K, V, A_K, A_V = (x.detach() for x in drawn(1, 1, t, m, 3, 2, c, torch.float64, seed))
    mask = torch.rand(1, t, m, generator=torch.Generator().manual_seed(seed)) < 0.6
    mask[..., 0] = True
    got = pos.relative_attention(Q, K, V, A_K, A_V, mask)[0, 0]
    row = distance_rows(t, m, c)
    for i in range(t):
        scores = [Q[0, 0, i] @ (K[0, 0, j] + A_K[row[i, j]]) / 3**0.5 for j in range(m)]
        weights = torch.tensor([math.exp(s) * bool(mask[0, i, j]) for j, s in enumerate(scores)])
        values = torch.stack([V[0, 0, j] + A_V[row[i, j]] for j in range(m)])
        torch.testing.assert_close(got[i], (weights / weights.sum()).double() @ values, rtol=0, atol=1e-6)


# ---- ALiBi ---------------------------------------------------------------------------------------------------------


def test_slopes_are_the_papers():
    np.testing.assert_allclose(pos.alibi_slopes(8), [2.0**-a for a in range(1, 9)])
    np.testing.assert_allclose(pos.alibi_slopes(16), [2.0 ** (-a / 2) for a in range(1, 17)])
    np.testing.assert_allclose(pos.alibi_slopes(1), [2.0**-8])
    np.testing.assert_allclose(pos.alibi_slopes(12), [*pos.alibi_slopes(8), *pos.alibi_slopes(16)[0:8:2]])
    np.testing.assert_allclose(pos.alibi_slopes(3), [*pos.alibi_slopes(2), pos.alibi_slopes(4)[0]])


@given(st.integers(1, 40))
def test_slopes_are_different_and_between_zero_and_one(h):
    slopes = pos.alibi_slopes(h)
    assert len(slopes) == h == len(set(slopes)) and (slopes > 0).all() and (slopes < 1).all()


@pytest.mark.parametrize(("h", "t", "m"), [(4, 5, 5), (3, 2, 6), (6, 1, 4)])
def test_alibi_is_a_causal_mask_and_a_penalty(h, t, m):
    bias = pos.alibi_bias(h, t, m)
    slopes = pos.alibi_slopes(h)
    for a in range(h):
        for i in range(t):
            for j in range(m):
                back = m - t + i - j
                assert bias[a, i, j] == (-slopes[a] * back if back >= 0 else -math.inf)


def test_alibi_gives_the_decayed_average():
    """With equal content the weights of head a fall by e^(−slope) a step."""
    weights = torch.from_numpy(pos.alibi_bias(8, 6, 6)).softmax(-1)
    ratio = weights[:, 5, :5] / weights[:, 5, 1:]
    expected = torch.from_numpy(np.exp(-pos.alibi_slopes(8)))[:, None].expand(8, 5)
    torch.testing.assert_close(ratio, expected)


# ---- RoPE ----------------------------------------------------------------------------------------------------------


@dtypes
@few
@given(sizes=st.tuples(*[st.integers(1, 3)] * 3, st.integers(1, 4)), seed=st.integers(0, 99))
def test_rope_is_a_complex_product(dtype, atol, sizes, seed):
    """Outputs and gradients, positions of each sentence's own."""
    torch.manual_seed(seed)
    batch, h, n, pairs = sizes
    X = torch.randn(batch, h, n, 2 * pairs, dtype=dtype, requires_grad=True)
    positions = torch.randint(0, 50, (batch, n))
    theta = 10000.0 ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    unit = torch.polar(torch.ones(batch, 1, n, pairs, dtype=torch.float64), positions[:, None, :, None] * theta)
    z = torch.view_as_complex(X.unflatten(-1, (pairs, 2))) * unit.to(torch.complex64 if atol > 1e-6 else unit.dtype)
    expected = torch.view_as_real(z).flatten(-2)
    got = pos.rotary_embedding(X, positions)
    assert got.dtype == dtype
    torch.testing.assert_close(got, expected, rtol=0, atol=atol)
    G = torch.randn_like(got)
    for one, two in zip(*(torch.autograd.grad((Y * G).sum(), X) for Y in (got, expected)), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=atol)


@few
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 99))
def test_rotary_scores_depend_on_the_distance_alone(p, q, shift, seed):
    torch.manual_seed(seed)
    x, y = torch.randn(2, 1, 1, 1, 6, dtype=torch.float64)

    def score(p, q):
        turned = [pos.rotary_embedding(v, torch.tensor([[at]])) for v, at in ((x, p), (y, q))]
        return (turned[0] * turned[1]).sum()

    torch.testing.assert_close(score(p, q), score(p + shift, q + shift), rtol=0, atol=1e-10)
    assert abs(pos.rotary_embedding(x, torch.tensor([[p]])).norm() - x.norm()) < 1e-12


def test_rope_turns_by_the_rotation_of_the_sinusoids():
    """The same matrices: x at position k, turned, is x M_−k, since RoPE turns (x, y) and PE has (sin, cos)."""
    x = torch.randn(1, 1, 1, 8, dtype=torch.float64)
    turned = pos.rotary_embedding(x, torch.tensor([[5]]))[0, 0, 0]
    np.testing.assert_allclose(turned, x[0, 0, 0].numpy() @ pos.rotation_matrix(8, -5), rtol=0, atol=1e-12)


def by_halves(X, positions):
    """RoPE in the other layout: pairs (i, i + d_k/2)."""
    d_k = X.shape[-1]
    theta = 10000.0 ** (-torch.arange(0, d_k, 2, dtype=torch.float64) / d_k)
    angle = positions[:, None, :, None] * theta
    x, y = X.chunk(2, -1)
    return torch.cat([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], -1)


@pytest.mark.parametrize("d_k", [2, 6, 8])
def test_converted_weights_give_the_same_scores(d_k):
    torch.manual_seed(3)
    h, n, d_model = 3, 4, 5
    X = torch.randn(1, n, d_model, dtype=torch.float64)
    W_Q, W_K = torch.randn(2, d_model, h * d_k, dtype=torch.float64)
    positions = torch.arange(n)[None]

    def scores(W_Q, W_K, turn):
        Q, K = (turn((X @ W).unflatten(-1, (h, d_k)).transpose(1, 2), positions) for W in (W_Q, W_K))
        return Q @ K.transpose(-2, -1)

    converted = [torch.from_numpy(pos.to_interleaved(W.numpy(), h)) for W in (W_Q, W_K)]
    expected = scores(W_Q, W_K, by_halves)
    torch.testing.assert_close(scores(*converted, pos.rotary_embedding), expected, rtol=0, atol=1e-12)
    if d_k > 2:
        assert (scores(W_Q, W_K, pos.rotary_embedding) - expected).abs().max() > 0.01


# ---- what the chapter says beyond its functions --------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 4, -2])
def test_a_rotation_as_query_matrix_looks_k_words_back(k):
    PE = exact(20, 64)
    looks_at = (PE @ pos.rotation_matrix(64, -k) @ PE.T).argmax(1)
    inside = [p for p in range(20) if 0 <= p - k < 20]
    assert [looks_at[p] for p in inside] == [p - k for p in inside]


def test_sines_alone_cannot_be_moved_on_by_a_matrix():
    both, sines = exact(300, 32), exact(300, 64)[:, 0::2]
    missed = []
    for E in (both, sines):
        M, *_ = np.linalg.lstsq(E[:-1], E[1:], rcond=None)
        missed.append(abs(E[:-1] @ M - E[1:]).max())
    assert missed[0] < 1e-8 and missed[1] > 0.1


@few
@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 99))
def test_skewing_picks_the_row_of_each_distance(n, d, seed):
    """Row l of E is for distance l − (n − 1); only keys that are not later count."""
    torch.manual_seed(seed)
    Q, E = torch.randn(2, n, d)
    skewed = F.pad(Q @ E.T, (1, 0)).reshape(n + 1, n)[1:]
    for i in range(n):
        for j in range(i + 1):
            torch.testing.assert_close(skewed[i, j], Q[i] @ E[j - i + n - 1])


def rotary_output(Q, K, V, positions, mask, values=False):
    turn = lambda X: pos.rotary_embedding(X, positions)  # noqa: E731
    return F.scaled_dot_product_attention(turn(Q), turn(K), turn(V) if values else V, attn_mask=mask)


def test_moving_a_sentence_changes_nothing_unless_values_are_turned():
    torch.manual_seed(5)
    Q, K, V = torch.randn(3, 1, 2, 5, 6, dtype=torch.float64)
    at = torch.arange(5)[None]
    for values in (False, True):
        here, there = (rotary_output(Q, K, V, at + start, None, values) for start in (0, 30))
        assert torch.allclose(here, there, rtol=0, atol=1e-10) is not values


def test_positions_that_count_real_words_are_right_with_any_padding():
    """On the left RoPE needs no counting, with a hole it does."""
    torch.manual_seed(6)
    Q, K, V = torch.randn(3, 1, 1, 4, 6, dtype=torch.float64)
    alone = rotary_output(Q, K, V, torch.arange(4)[None], torch.ones(4, 4).bool().tril())[:, :, -1]
    for real, needs_counting in [([0, 0, 1, 1, 1, 1], False), ([1, 1, 1, 0, 0, 1], True)]:
        real = torch.tensor([real], dtype=torch.bool)
        padded = torch.zeros(3, 1, 1, 6, 6, dtype=torch.float64)
        padded[:, :, :, real[0]] = torch.stack([Q, K, V])
        mask = (torch.ones(6, 6).bool().tril() & real[:, None]) | torch.eye(6, dtype=torch.bool)
        counted = (real.cumsum(1) - 1).clamp(min=0)
        got = [rotary_output(*padded, at, mask[:, None])[:, :, -1] for at in (counted, torch.arange(6)[None])]
        torch.testing.assert_close(got[0], alone, rtol=0, atol=1e-12)
        assert torch.allclose(got[1], alone, rtol=0, atol=1e-12) is not needs_counting


def test_one_word_at_a_time_with_a_cache_is_the_whole_sentence():
    """Shaw and ALiBi take the queries for the last positions; sinusoids start where the cache ends."""
    Q, K, V, A_K, A_V = (x.detach() for x in drawn(2, 3, 6, 6, 4, 5, 2, torch.float64))
    causal = torch.ones(1, 6, 6, dtype=torch.bool).tril()
    whole = pos.relative_attention(Q, K, V, A_K, A_V, causal)
    for p in range(6):
        past = K[:, :, : p + 1], V[:, :, : p + 1]
        one = pos.relative_attention(Q[:, :, p : p + 1], *past, A_K, A_V, causal[:, p : p + 1, : p + 1])
        torch.testing.assert_close(one, whole[:, :, p : p + 1], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(pos.alibi_bias(6, 1, p + 1)[:, 0], pos.alibi_bias(6, 6, 6)[:, p, : p + 1])
        assert torch.equal(sinusoidal_encoding(1, 7, start=p)[0], sinusoidal_encoding(6, 7)[p])
