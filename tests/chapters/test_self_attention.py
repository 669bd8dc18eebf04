"""Chapter 5's reference code against torch, against the formulas as loops, and against what must hold for any input."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autograder.reference import self_attention as ref

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
quickly = settings(deadline=None, max_examples=40)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def tensors(seed, *shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes]


def any_mask(seed, batch, n):
    """A mask [batch, n, n] with any pattern and at least one True in each row."""
    rng = np.random.default_rng(seed)
    mask = rng.random((batch, n, n)) < 0.5
    mask[:, np.arange(n), rng.integers(n, size=n)] = True
    return torch.from_numpy(mask)


def assert_same(ours, theirs, leaves, dtype=torch.float64):
    """Outputs and the gradients of every leaf, for an uneven loss."""
    close = {"atol": 1e-10, "rtol": 1e-8} if dtype == torch.float64 else {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(ours, theirs, **close)
    cotangent = torch.randn_like(ours)
    for one, other in zip(
        torch.autograd.grad((ours * cotangent).sum(), leaves),
        torch.autograd.grad((theirs * cotangent).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(one, other, **close)


# ---- the layer -----------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes, sizes, sizes)
def test_the_layer_is_torch_attention_at_scale_one(seed, batch, n, d, d_k, d_v):
    leaves = X, W_Q, W_K, W_V = tensors(seed, (batch, n, d), (d, d_k), (d, d_k), (d, d_v))
    mask = any_mask(seed, batch, n)
    C, A = ref.self_attention(X, W_Q, W_K, W_V, mask)
    library = F.scaled_dot_product_attention(X @ W_Q, X @ W_K, X @ W_V, attn_mask=mask, scale=1.0)
    assert_same(C, library, leaves)
    assert (A[~mask] == 0).all()
    torch.testing.assert_close(A.sum(-1), torch.ones(batch, n, dtype=A.dtype))


@dtypes
@pytest.mark.parametrize("causal", [False, True])
def test_the_layer_is_multihead_attention_with_one_head_and_the_scale_undone(dtype, causal):
    batch, n, d = 3, 7, 6
    leaves = X, W_Q, W_K, W_V = tensors(1, (batch, n, d), (d, d), (d, d), (d, d), dtype=dtype)
    tokens = torch.where(torch.arange(n) < torch.tensor([[7], [4], [1]]), 5, 0)
    C, A = ref.self_attention(X, W_Q, W_K, W_V, ref.attention_mask(tokens, 0, causal))
    module = nn.MultiheadAttention(d, 1, bias=False, batch_first=True, dtype=dtype)
    parameters = {
        "in_proj_weight": torch.cat([W_Q * d**0.5, W_K, W_V], 1).T,
        "out_proj.weight": torch.eye(d, dtype=dtype),
    }
    masks = {"key_padding_mask": tokens == 0}
    if causal:
        masks["attn_mask"] = ~torch.ones(n, n, dtype=torch.bool).tril()
    library, weights = torch.func.functional_call(module, parameters, (X, X, X), masks)
    assert_same(C, library, leaves, dtype)
    torch.testing.assert_close(A, weights, atol=1e-4 if dtype == torch.float32 else 1e-10, rtol=1e-4)
    assert C.dtype == A.dtype == dtype


@quickly
@given(seeds, sizes, sizes, sizes)
def test_the_layer_is_its_formula_word_by_word(seed, batch, n, d):
    X, W_Q, W_K, W_V = tensors(seed, (batch, n, d), (d, 3), (d, 3), (d, 2))
    mask = any_mask(seed, batch, n)
    C, _ = ref.self_attention(X, W_Q, W_K, W_V, mask)
    for b in range(batch):
        for j in range(n):
            allowed = X[b][mask[b, j]]
            scores = torch.stack([(x @ W_K) @ (X[b, j] @ W_Q) for x in allowed])
            weights = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(C[b, j], sum(a * (x @ W_V) for a, x in zip(weights, allowed, strict=True)))


@quickly
@given(seeds, sizes, sizes)
def test_shuffling_the_words_shuffles_the_contexts_and_nothing_else(seed, batch, n):
    X, *W = tensors(seed, (batch, n, 3), (3, 4), (3, 4), (3, 2))
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    mask = any_mask(seed, batch, n)
    C, A = ref.self_attention(X, *W, mask)
    C_shuffled, A_shuffled = ref.self_attention(X[:, order], *W, mask[:, order][:, :, order])
    torch.testing.assert_close(C_shuffled, C[:, order])
    torch.testing.assert_close(A_shuffled, A[:, order][:, :, order])


def test_with_a_causal_mask_that_stays_the_order_counts():
    X, *W = tensors(0, (1, 5, 3), (3, 4), (3, 4), (3, 2))
    mask = torch.ones(5, 5, dtype=torch.bool).tril()
    order = torch.tensor([4, 3, 2, 1, 0])
    C, C_shuffled = ref.self_attention(X, *W, mask)[0], ref.self_attention(X[:, order], *W, mask)[0]
    assert not torch.allclose(C_shuffled, C[:, order])


# ---- masks ---------------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, st.integers(1, 7), st.booleans())
def test_a_mask_is_real_and_not_in_the_future_entry_by_entry(seed, batch, n, causal):
    tokens = torch.randint(0, 4, (batch, n), generator=torch.Generator().manual_seed(seed))
    mask = ref.attention_mask(tokens, 3, causal)
    assert mask.shape == (batch, n, n) and mask.dtype == torch.bool
    for b in range(batch):
        for j in range(n):
            for i in range(n):
                assert mask[b, j, i] == (tokens[b, i] != 3 and (i <= j or not causal))


@quickly
@given(seeds, st.integers(1, 6), st.integers(0, 4), st.booleans())
def test_a_sentence_means_the_same_alone_and_beside_a_longer_one(seed, n, more, causal):
    X, *W = tensors(seed, (1, n + more, 3), (3, 4), (3, 4), (3, 2))
    tokens = torch.tensor([[1] * n + [0] * more])
    together, _ = ref.self_attention(X, *W, ref.attention_mask(tokens, 0, causal))
    alone, _ = ref.self_attention(X[:, :n], *W, ref.attention_mask(tokens[:, :n], 0, causal))
    torch.testing.assert_close(together[:, :n], alone)
    pooled = ref.mean_pool(together, tokens != 0)
    torch.testing.assert_close(pooled, alone.mean(1))


# ---- what depends on what ------------------------------------------------------------------------------------------


def layer_with(mask, seed=0, d=4):
    W = [w.detach() for w in tensors(seed, (d, 3), (d, 3), (d, 5))]
    return lambda X: ref.self_attention(X[None], *W, mask)[0][0]


@quickly
@given(seeds, st.integers(1, 6))
def test_every_output_depends_on_what_its_row_of_the_mask_allows_and_on_itself(seed, n):
    """Also where a query may not look at itself: it still asks. Unless there is only one to ask."""
    mask = any_mask(seed, 1, n)[0]
    (X,) = tensors(seed, (n, 4))
    expected = mask | (torch.eye(n, dtype=torch.bool) & (mask.sum(1, keepdim=True) > 1))
    assert torch.equal(ref.dependence(layer_with(mask), X.detach()), expected)


@pytest.mark.parametrize(("diagonal", "leaks"), [(0, 0), (1, 5), (-1, 0)])
def test_the_leak_test_finds_a_mask_that_is_off_by_one(diagonal, leaks):
    mask = torch.ones(6, 6, dtype=torch.bool).tril(diagonal)
    mask[0, 0] = True  # so that no row is empty
    (X,) = tensors(3, (6, 4))
    assert ref.dependence(layer_with(mask), X.detach()).triu(1).sum() == leaks


def test_a_mask_after_the_softmax_leaks_everything():
    X, W_Q, W_K, W_V = (t.detach() for t in tensors(4, (6, 4), (4, 3), (4, 3), (4, 5)))
    mask = torch.ones(6, 6, dtype=torch.bool).tril()

    def layer(X):
        return (((X @ W_Q) @ (X @ W_K).T).softmax(-1) * mask) @ (X @ W_V)

    assert ref.dependence(layer, X).all()


def test_dependence_knows_an_rnn_a_convolution_and_a_running_sum():
    (X,) = (t.detach() for t in tensors(5, (7, 4), dtype=torch.float32))
    torch.manual_seed(0)
    rnn, convolution = nn.RNN(4, 4, batch_first=True), nn.Conv1d(4, 4, 3, padding=1)
    lower = torch.ones(7, 7, dtype=torch.bool).tril()
    with torch.no_grad():
        assert torch.equal(ref.dependence(lambda x: rnn(x[None])[0][0], X), lower)
        assert torch.equal(ref.dependence(lambda x: x.cumsum(0), X), lower)
        found = ref.dependence(lambda x: convolution(x.T[None])[0].T, X)
    distance = (torch.arange(7)[:, None] - torch.arange(7)).abs()
    assert torch.equal(found, distance <= 1)


@quickly
@given(seeds, st.integers(1, 5), sizes, sizes, sizes)
def test_the_jacobian_by_hand_is_autograds(seed, n, d, d_k, d_v):
    X, *W = (t.detach() for t in tensors(seed, (n, d), (d, d_k), (d, d_k), (d, d_v)))
    mask = torch.ones(n, n, dtype=torch.bool)
    expected = torch.autograd.functional.jacobian(lambda X: ref.self_attention(X[None], *W, mask)[0][0], X)
    found = ref.attention_jacobian(*(t.numpy() for t in (X, *W)))
    np.testing.assert_allclose(found, expected.permute(0, 2, 1, 3).numpy(), atol=1e-10)


def test_the_jacobian_keeps_float32_and_survives_large_scores():
    X, *W = (20 * t.detach().numpy() for t in tensors(6, (4, 3), (3, 2), (3, 2), (3, 2), dtype=torch.float32))
    J = ref.attention_jacobian(X, *W)
    assert J.dtype == np.float32 and np.isfinite(J).all()


# ---- one new token -------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, st.integers(1, 6), sizes, sizes)
def test_token_by_token_gives_the_rows_of_the_causal_layer(seed, batch, n, d_k, d_v):
    leaves = X, W_Q, W_K, W_V = tensors(seed, (batch, n, 3), (3, d_k), (3, d_k), (3, d_v))
    whole, _ = ref.self_attention(X, W_Q, W_K, W_V, torch.ones(n, n, dtype=torch.bool).tril())
    K, V, rows = X.new_zeros(batch, 0, d_k), X.new_zeros(batch, 0, d_v), []
    for x in X.unbind(1):
        c, K, V = ref.attend_newest(x, K, V, W_Q, W_K, W_V)
        rows.append(c)
    torch.testing.assert_close(K, X @ W_K)
    assert_same(torch.stack(rows, 1), whole, leaves)


# ---- pooling -------------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, st.integers(1, 6))
def test_pooling_is_the_mean_of_the_real_rows_whatever_stands_at_padding(seed, batch, n):
    (C,) = tensors(seed, (batch, n, 3))
    real = torch.rand(batch, n, generator=torch.Generator().manual_seed(seed)) < 0.6
    real[:, 0] = True
    spoilt = C.masked_fill(~real[:, :, None], torch.nan)
    pooled = ref.mean_pool(spoilt, real)
    for b in range(batch):
        torch.testing.assert_close(pooled[b], C[b][real[b]].mean(0))
    (gradient,) = torch.autograd.grad(pooled.sum(), C)
    assert gradient.isfinite().all() and (gradient[~real] == 0).all()


# ---- what the chapter says of widths -------------------------------------------------------------------------------


def test_unscaled_scores_spread_with_the_root_of_the_width():
    generator = torch.Generator().manual_seed(0)
    for d in (4, 64, 1024):
        Q, K = torch.randn(2, 4000, d, generator=generator)
        assert abs((Q * K).sum(-1).std() / d**0.5 - 1) < 0.05
