"""Chapter 7's references against torch's own."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autograder.reference.multi_head_attention import (
    MultiHeadAttention,
    grouped_query_attention,
    head_contributions,
    merge_heads,
    multi_head_attention,
    pack_heads,
    prune_heads,
    split_heads,
)

EXACT = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-10, "atol": 1e-12}}


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), st.integers(1, 5))
def test_a_head_is_a_slice_of_the_width(batch, h, n, d_k):
    X = torch.randn(batch, n, h * d_k)
    heads = split_heads(X, h)
    assert heads.shape == (batch, h, n, d_k)
    for a in range(h):
        assert torch.equal(heads[:, a], X[:, :, a * d_k : (a + 1) * d_k])
    assert torch.equal(merge_heads(heads), X)


def copied(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    """torch's module with our weights."""
    theirs = nn.MultiheadAttention(ours.query.in_features, ours.h, batch_first=True, dtype=ours.query.weight.dtype)
    projections = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([projection.weight.data for projection in projections])
    theirs.in_proj_bias.data = torch.cat([projection.bias.data for projection in projections])
    theirs.out_proj.load_state_dict(ours.output.state_dict())
    return theirs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mask", ["none", "padding", "causal", "each its own"])
def test_equals_torch_with_copied_weights(mask, dtype):
    torch.manual_seed(0)
    batch, t, m, d_model, h = 2, 4, 4, 12, 3
    ours = MultiHeadAttention(d_model, h).to(dtype)
    for projection in (ours.query, ours.key, ours.value, ours.output):
        nn.init.normal_(projection.bias)
    theirs = copied(ours)
    may = {
        "none": None,
        "padding": (torch.arange(m) < torch.tensor([4, 2])[:, None])[:, None],  # [batch, 1, m]
        "causal": torch.ones(1, t, m, dtype=torch.bool).tril(),
        "each its own": torch.rand(batch, t, m) < 0.6,
    }[mask]
    if mask == "each its own":
        may[:, :, 0] = True  # torch's module gives NaN where a query may attend to nothing
    X_q = torch.randn(batch, t, d_model, dtype=dtype, requires_grad=True)
    X = torch.randn(batch, m, d_model, dtype=dtype, requires_grad=True)
    blocked = None if may is None else ~may.expand(batch, t, m).repeat_interleave(h, 0)
    expected = theirs(X_q, X, X, attn_mask=blocked, need_weights=False)[0]
    g = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, [X_q, X, theirs.in_proj_weight, theirs.out_proj.weight], g)
    actual = ours(X_q, X, may)
    got = torch.autograd.grad(
        actual, [X_q, X, ours.query.weight, ours.key.weight, ours.value.weight, ours.output.weight], g
    )
    torch.testing.assert_close(actual, expected, **EXACT[dtype])
    for mine, true in zip([got[0], got[1], torch.cat(got[2:5]), got[5]], wanted, strict=True):
        torch.testing.assert_close(mine, true, **EXACT[dtype])


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="3 heads cannot share a width of 8"):
        MultiHeadAttention(8, 3)


# ---- the layer as a function ---------------------------------------------------------------------------------------


def drawn(batch, t, m, h, d_k, d_v, d_model, dtype=torch.float64):
    """X_q, X, the four matrices, and a mask in which each query may attend to something."""
    mask = torch.rand(batch, t, m) < 0.6
    mask[torch.arange(batch)[:, None], torch.arange(t), torch.randint(m, (batch, t))] = True
    shapes = [(batch, t, d_model), (batch, m, d_model), (d_model, h * d_k), (d_model, h * d_k), (d_model, h * d_v)]
    leaves = [torch.randn(*shape, dtype=dtype, requires_grad=True) for shape in [*shapes, (h * d_v, d_model)]]
    return leaves, mask


def agree(actual, expected, leaves, dtype=torch.float64):
    """Two outputs and their gradients with respect to the same tensors."""
    torch.testing.assert_close(actual, expected, **EXACT[dtype])
    g = torch.randn_like(expected)
    got = torch.autograd.grad(actual, leaves, g, allow_unused=True)
    for mine, true in zip(got, torch.autograd.grad(expected, leaves, g, allow_unused=True), strict=True):
        torch.testing.assert_close(mine, true, **EXACT[dtype])


@settings(deadline=None, max_examples=30)
@given(*(st.integers(1, 4) for _ in range(7)), st.integers(0, 2**31))
def test_the_function_is_one_attention_a_head(batch, t, m, h, d_k, d_v, d_model, seed):
    """Against one loop for each sentence, head and query, as the formula is printed."""
    torch.manual_seed(seed)
    leaves, mask = drawn(batch, t, m, h, d_k, d_v, d_model)
    X_q, X, W_Q, W_K, W_V, W_O = leaves
    actual, alpha = multi_head_attention(*leaves, h, mask)
    expected, weights = torch.zeros_like(X_q), torch.zeros(batch, h, t, m, dtype=X.dtype)
    for b in range(batch):
        for j in range(t):
            heads = []
            for a in range(h):
                k, v = slice(a * d_k, (a + 1) * d_k), slice(a * d_v, (a + 1) * d_v)
                scores = [(X_q[b, j] @ W_Q[:, k]) @ (x @ W_K[:, k]) / d_k**0.5 for x in X[b]]
                e = torch.stack([s.exp() if may else s * 0 for s, may in zip(scores, mask[b, j], strict=True)])
                weights[b, a, j] = e / e.sum()
                heads.append(e / e.sum() @ (X[b] @ W_V[:, v]))
            expected[b, j] = torch.cat(heads) @ W_O
    torch.testing.assert_close(alpha, weights, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_module_is_the_function_with_biases(dtype):
    torch.manual_seed(1)
    leaves, mask = drawn(2, 3, 5, 3, 4, 4, 12, dtype)
    module = MultiHeadAttention(12, 3).to(dtype)
    for projection, W in zip((module.query, module.key, module.value, module.output), leaves[2:], strict=True):
        projection.weight.data = W.data.T.clone()
        projection.bias.data.zero_()
    agree(module(*leaves[:2], mask), multi_head_attention(*leaves, 3, mask)[0], leaves[:2], dtype)


def test_slices_of_one_projection_are_separate_projections_but_slices_of_x_are_not():
    X, W = torch.randn(2, 5, 12).double(), torch.randn(12, 12).double()
    heads = split_heads(X @ W, 3)
    separate = torch.stack([X @ W_a for W_a in W.split(4, dim=1)], 1)
    torch.testing.assert_close(heads, separate, rtol=0, atol=1e-12)
    for column in range(12):  # every head is made of every column of X
        nudged = X.clone()
        nudged[:, 0, column] += 1
        assert ((split_heads(nudged @ W, 3) - heads).abs().amax((0, 2, 3)) > 1e-3).all()


def test_permuting_the_words_permutes_the_outputs():
    torch.manual_seed(2)
    leaves, _ = drawn(2, 5, 5, 2, 3, 3, 6)
    X, order, all_may = leaves[1], torch.randperm(5), torch.ones(1, 5, 5, dtype=torch.bool)
    plain, _ = multi_head_attention(X, X, *leaves[2:], 2, all_may)
    shuffled, _ = multi_head_attention(X[:, order], X[:, order], *leaves[2:], 2, all_may)
    torch.testing.assert_close(shuffled, plain[:, order])


# ---- one average is half an answer ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.floats(0.02, 0.98), st.integers(0, 2**31))
def test_one_average_of_two_independent_values_misses_half_of_them(share, seed):
    """The chapter's proof, by least squares: what is missed of a and what is missed of b sum to 1."""
    rng = np.random.default_rng(seed)
    a, b = np.linalg.qr(rng.normal(size=(50, 2)))[0].T  # exactly uncorrelated, of equal variance
    c = share * a + (1 - share) * b
    missed = [1 - (c @ value) ** 2 / (c @ c) / (value @ value) for value in (a, b)]
    assert abs(sum(missed) - 1) < 1e-9


# ---- variants and work on heads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("h", "g"), [(6, 6), (6, 3), (6, 2), (6, 1), (1, 1)])
def test_grouped_is_multi_head_with_repeated_keys_and_values(h, g, dtype):
    torch.manual_seed(3)
    leaves, mask = drawn(2, 3, 4, h, 2, 3, 5, dtype)
    leaves[3] = torch.randn(5, g * 2, dtype=dtype, requires_grad=True)
    leaves[4] = torch.randn(5, g * 3, dtype=dtype, requires_grad=True)
    repeated = [W.unflatten(1, (g, -1)).repeat_interleave(h // g, 1).flatten(1) for W in leaves[3:5]]
    expected, _ = multi_head_attention(*leaves[:3], *repeated, leaves[5], h, mask)
    agree(grouped_query_attention(*leaves, h, g, mask), expected, leaves, dtype)


@pytest.mark.skipif("enable_gqa" not in (F.scaled_dot_product_attention.__doc__ or ""), reason="an older torch")
def test_grouped_is_torchs():
    torch.manual_seed(4)
    leaves, mask = drawn(2, 3, 4, 6, 2, 3, 5)
    X_q, X, W_Q, _, _, W_O = leaves
    W_K, W_V = torch.randn(5, 2 * 2).double(), torch.randn(5, 2 * 3).double()
    Q, K, V = split_heads(X_q @ W_Q, 6), split_heads(X @ W_K, 2), split_heads(X @ W_V, 2)
    C = F.scaled_dot_product_attention(Q, K, V, attn_mask=mask[:, None], enable_gqa=True)
    actual = grouped_query_attention(X_q, X, W_Q, W_K, W_V, W_O, 6, 2, mask)
    agree(actual, merge_heads(C) @ W_O, [X_q, X, W_Q, W_O])


@settings(deadline=None, max_examples=30)
@given(*(st.integers(1, 4) for _ in range(5)))
def test_the_heads_contributions_sum_to_the_output(batch, h, t, d_v, d_model):
    rng = np.random.default_rng(0)
    heads, W_O = rng.normal(size=(batch, h, t, d_v)), rng.normal(size=(h * d_v, d_model))
    parts = head_contributions(heads, W_O)
    np.testing.assert_allclose(parts.sum(1), merge_heads(torch.from_numpy(heads)).numpy() @ W_O, atol=1e-12)
    for a in range(h):
        np.testing.assert_allclose(parts[:, a], heads[:, a] @ W_O[a * d_v : (a + 1) * d_v], atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("h", "d_k"), [(1, 3), (2, 2), (4, 3)])
def test_packed_heads_do_in_torch_what_the_function_does(h, d_k, dtype):
    rng, d_model = np.random.default_rng(0), h * d_k
    W_Q, W_K, W_V = rng.normal(size=(3, h, d_model, d_k)).astype(dtype)
    W_O = rng.normal(size=(d_model, d_model)).astype(dtype)
    in_proj, out_proj = (torch.from_numpy(np.ascontiguousarray(W)) for W in pack_heads(W_Q, W_K, W_V, W_O))
    theirs = nn.MultiheadAttention(d_model, h, bias=False, batch_first=True, dtype=in_proj.dtype)
    theirs.in_proj_weight.data, theirs.out_proj.weight.data = in_proj, out_proj
    X = torch.randn(2, 5, d_model, dtype=in_proj.dtype)
    expected, weights = theirs(X, X, X, average_attn_weights=False)
    side_by_side = [torch.from_numpy(np.concatenate(list(W), 1)) for W in (W_Q, W_K, W_V)]
    everywhere = torch.ones(1, 5, 5, dtype=torch.bool)
    actual, alpha = multi_head_attention(X, X, *side_by_side, torch.from_numpy(W_O), h, everywhere)
    torch.testing.assert_close(actual, expected, **EXACT[in_proj.dtype])
    torch.testing.assert_close(alpha, weights, **EXACT[in_proj.dtype])


@pytest.mark.parametrize("keep", [[0], [2], [0, 2], [1, 2], [0, 1, 2]])
def test_a_pruned_layer_is_the_sum_of_what_its_heads_add(keep):
    torch.manual_seed(5)
    leaves, mask = drawn(2, 3, 4, 3, 2, 5, 7)
    X_q, X, W_Q, W_K, W_V, W_O = (leaf.detach() for leaf in leaves)
    small = [torch.from_numpy(W) for W in prune_heads(*(W.numpy() for W in (W_Q, W_K, W_V, W_O)), 3, keep)]
    actual, _ = multi_head_attention(X_q, X, *small, len(keep), mask)
    _, alpha = multi_head_attention(X_q, X, W_Q, W_K, W_V, W_O, 3, mask)
    parts = head_contributions((alpha @ split_heads(X @ W_V, 3)).numpy(), W_O.numpy())
    np.testing.assert_allclose(actual, parts[:, keep].sum(1), atol=1e-12)
