"""Chapter 7's references against torch's own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autograder.reference.multi_head_attention import MultiHeadAttention, merge_heads, split_heads

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
