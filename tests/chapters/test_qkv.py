"""Chapter 4's reference code against torch, against the formulas as loops, and the chapter's claims about scores."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reference import qkv

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
quickly = settings(deadline=None, max_examples=40)


def tensors(seed, *shapes, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=dtype, generator=generator, requires_grad=True) for shape in shapes]


def layer_inputs(seed, batch, m, t, d_in, d_in_prime, d_k, d_v, dtype=torch.float64):
    """X, X′, W_Q, W_K, W_V."""
    shapes = (batch, m, d_in), (batch, t, d_in_prime), (d_in_prime, d_k), (d_in, d_k), (d_in, d_v)
    return tensors(seed, *shapes, dtype=dtype)


def to_numpy(*values):
    return [value.detach().numpy() for value in values]


# ---- the layer -----------------------------------------------------------------------------------------------------


@quickly
@given(seeds, *[sizes] * 7, st.sampled_from([torch.float64, torch.float32]))
def test_the_layer_and_its_gradients_equal_torch_attention_at_scale_one(seed, batch, m, t, d, d_prime, d_k, d_v, dtype):
    leaves = X, X_prime, W_Q, W_K, W_V = layer_inputs(seed, batch, m, t, d, d_prime, d_k, d_v, dtype)
    C, alpha = qkv.attention_layer(*leaves)
    library = F.scaled_dot_product_attention(X_prime @ W_Q, X @ W_K, X @ W_V, scale=1.0)
    tolerance = {"atol": 1e-10, "rtol": 1e-8} if dtype == torch.float64 else {"atol": 1e-3, "rtol": 1e-3}
    torch.testing.assert_close(C, library, **tolerance)
    torch.testing.assert_close(alpha.sum(-1), torch.ones(batch, t, dtype=dtype))
    torch.testing.assert_close(alpha @ (X @ W_V), C, **tolerance)
    cotangent = torch.randn_like(C)
    for ours, theirs in zip(
        torch.autograd.grad((C * cotangent).sum(), leaves),
        torch.autograd.grad((library * cotangent).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, **tolerance)


@quickly
@given(seeds, *[sizes] * 6)
def test_the_layer_is_its_formula_word_by_word(seed, m, t, d, d_prime, d_k, d_v):
    X, X_prime, W_Q, W_K, W_V = layer_inputs(seed, 1, m, t, d, d_prime, d_k, d_v)
    C, alpha = qkv.attention_layer(X, X_prime, W_Q, W_K, W_V)
    for j, x_prime in enumerate(X_prime[0]):
        e = torch.stack([((x_prime @ W_Q) @ (x @ W_K)).exp() for x in X[0]])
        torch.testing.assert_close(alpha[0, j], e / e.sum())
        torch.testing.assert_close(C[0, j], sum(a * (x @ W_V) for a, x in zip(e / e.sum(), X[0], strict=True)))


@quickly
@given(seeds, *[sizes] * 6)
def test_columns_are_the_rows_on_their_side(seed, m, t, d, d_prime, d_k, d_v):
    leaves = layer_inputs(seed, 1, m, t, d, d_prime, d_k, d_v)
    C, alpha = (part[0].detach().numpy() for part in qkv.attention_layer(*leaves))
    X, X_prime, W_Q, W_K, W_V = to_numpy(leaves[0][0], leaves[1][0], *leaves[2:])
    C_columns, alpha_columns = qkv.attention_columns(X.T, X_prime.T, W_Q.T, W_K.T, W_V.T)
    np.testing.assert_allclose(C_columns, C.T, atol=1e-12)
    np.testing.assert_allclose(alpha_columns, alpha.T, atol=1e-12)
    np.testing.assert_allclose(alpha_columns.sum(axis=0), 1)


def test_the_module_is_the_function_with_transposed_weights():
    leaves = X, X_prime, W_Q, W_K, W_V = layer_inputs(7, 2, 5, 3, 4, 6, 2, 7)
    layer = qkv.AttentionLayer(4, 6, 2, 7).double()
    for linear, W in [(layer.query, W_Q), (layer.key, W_K), (layer.value, W_V)]:
        linear.weight.data = W.detach().T
    for ours, theirs in zip(layer(X, X_prime), qkv.attention_layer(*leaves), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert sorted(name for name, _ in layer.named_parameters()) == ["key.weight", "query.weight", "value.weight"]


@quickly
@given(seeds, sizes, st.integers(2, 5), sizes, sizes)
def test_a_context_depends_on_its_own_query_and_on_no_order_of_the_source(seed, m, t, d, d_v):
    X, X_prime, W_Q, W_K, W_V = layer_inputs(seed, 1, m, t, d, d, d, d_v)
    C, alpha = qkv.attention_layer(X, X_prime, W_Q, W_K, W_V)
    order = torch.randperm(m, generator=torch.Generator().manual_seed(seed))
    C_shuffled, alpha_shuffled = qkv.attention_layer(X[:, order], X_prime, W_Q, W_K, W_V)
    torch.testing.assert_close(C_shuffled, C)
    torch.testing.assert_close(alpha_shuffled, alpha[:, :, order])
    changed = X_prime.detach().clone()
    changed[:, 0] += 1
    torch.testing.assert_close(qkv.attention_layer(X, changed, W_Q, W_K, W_V)[0][:, 1:], C[:, 1:])


@quickly
@given(seeds, *[sizes] * 6)
def test_the_gradients_by_hand_are_what_autograd_finds(seed, m, t, d, d_prime, d_k, d_v):
    leaves = X, X_prime, W_Q, W_K, W_V = layer_inputs(seed, 1, m, t, d, d_prime, d_k, d_v)
    C, _ = qkv.attention_layer(*leaves)
    G = torch.randn_like(C)
    expected = torch.autograd.grad((C * G).sum(), [W_Q, W_K, W_V])
    found = qkv.attention_layer_backward(*to_numpy(X[0], X_prime[0], W_Q, W_K, W_V, G[0]))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-10)


def test_queries_and_keys_learn_nothing_when_all_values_are_alike_or_both_are_zero():
    X, X_prime, W_Q, W_K, W_V, G = to_numpy(*layer_inputs(3, 1, 4, 3, 2, 2, 2, 3), *tensors(4, (3, 3)))
    for matrices in [(W_Q, W_K, 0 * W_V), (0 * W_Q, 0 * W_K, W_V)]:
        dW_Q, dW_K, dW_V = qkv.attention_layer_backward(X[0], X_prime[0], *matrices, G)
        assert not dW_Q.any() and not dW_K.any() and dW_V.any()


# ---- the soft dictionary -------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes, st.floats(0.05, 20))
def test_soft_lookup_is_torch_attention_with_a_shorter_query(seed, m, d_k, d_v, temperature):
    query, keys, values = tensors(seed, (d_k,), (m, d_k), (m, d_v))
    library = F.scaled_dot_product_attention(query[None], keys, values, scale=1 / temperature)[0]
    found = qkv.soft_lookup(*to_numpy(query, keys, values), temperature)
    np.testing.assert_allclose(found, library.detach().numpy(), atol=1e-10)


@quickly
@given(seeds, sizes, sizes, sizes)
def test_soft_lookup_ends_in_the_nearest_value_and_in_the_plain_average(seed, m, d_k, d_v):
    query, keys, values = to_numpy(*tensors(seed, (d_k,), (m, d_k), (m, d_v)))
    hard = qkv.soft_lookup(query, keys, values, 0)
    np.testing.assert_array_equal(hard, values[(keys @ query).argmax()])
    gap = np.diff(np.sort(keys @ query))[-1] if m > 1 else 1.0
    np.testing.assert_allclose(qkv.soft_lookup(query, keys, values, gap / 50), hard, atol=1e-12)
    np.testing.assert_allclose(qkv.soft_lookup(query, keys, values, 1e9), values.mean(0), atol=1e-6)


def test_soft_lookup_shares_between_equal_keys_and_stays_in_float32():
    query, keys = np.float32([1, 1]), np.float32([[1, 0], [0, 1], [-1, 0]])
    values = np.float32([[2], [4], [100]])
    for temperature in (0, 1e-4):
        found = qkv.soft_lookup(query, keys, values, temperature)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, [3])


# ---- kernel regression ---------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, st.floats(0.2, 5))
def test_kernel_regression_is_attention_with_fixed_keys_and_values(seed, m, t, sigma):
    x, y, q = tensors(seed, (m,), (m,), (t,))
    queries = torch.stack([q, torch.ones_like(q)], 1)
    keys = torch.stack([x, -(x**2) / 2], 1) / sigma**2
    library = F.scaled_dot_product_attention(queries, keys, y[:, None], scale=1.0)[:, 0]
    found = qkv.kernel_regression(*to_numpy(x, y, q), sigma)
    np.testing.assert_allclose(found, library.detach().numpy(), atol=1e-9)


def test_kernel_regression_far_away_is_the_nearest_point():
    x, y = np.array([0.0, 1.0, 5.0]), np.array([7.0, 8.0, 9.0])
    np.testing.assert_allclose(qkv.kernel_regression(x, y, np.array([-1e4, 1e4]), 0.5), [7, 9])


# ---- what one matrix cannot say ------------------------------------------------------------------------------------

RING = np.array([1, 2, 0])  # rock → paper → scissors → rock


@quickly
@given(seeds, sizes, sizes, sizes)
def test_one_matrix_gives_symmetric_scores_in_which_one_of_two_prefers_itself(seed, n, d, d_k):
    x, W = to_numpy(*tensors(seed, (n, d), (d, d_k)))
    scores = x @ W @ (x @ W).T
    np.testing.assert_allclose(scores, scores.T, atol=1e-12)
    itself = np.diag(scores)
    assert (np.outer(itself, itself) >= scores**2 - 1e-9).all()
    assert (np.maximum(itself[:, None], itself) >= scores - 1e-9).all()


@quickly
@given(seeds, sizes, st.booleans())
def test_a_symmetric_score_never_goes_round_a_ring(seed, d_k, definite):
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(3, d_k)) * rng.lognormal(size=(3, 1))
    D = 1 if definite else rng.choice([-1, 1], size=d_k)
    scores = (W * D) @ W.T
    others = np.delete(scores.ravel(), [0, 4, 8]).reshape(3, 2)  # each for the two that it is not
    assert (scores[[0, 1, 2], RING] >= others.max(axis=1)).sum() < 3


def test_one_matrix_can_be_right_for_two_of_a_ring():
    u = np.array([[1, 0], [2, 1], [1.5, 10]])
    assert ((u @ u.T).argmax(axis=1) == RING).tolist() == [True, True, False]


@quickly
@given(seeds, sizes, sizes)
def test_a_context_whose_keys_are_its_values_leans_towards_the_query(seed, m, d):
    query, keys = to_numpy(*tensors(seed, (d,), (m, d)))
    c = qkv.soft_lookup(query, keys, keys, 1.0)
    assert query @ c >= query @ keys.mean(0) - 1e-12


@quickly
@given(seeds, st.integers(1, 9), st.integers(1, 3))
def test_the_rank_of_the_scores_is_at_most_d_k_and_one_number_finds_two_words(seed, n, d_k):
    W_Q, W_K = to_numpy(*tensors(seed, (n, d_k), (n, d_k)))
    scores = W_Q @ W_K.T
    assert np.linalg.matrix_rank(scores) <= d_k
    if d_k == 1:
        assert len(set(scores.argmax(axis=1))) <= 2


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_two_numbers_are_enough_for_any_relation(n):
    target = np.random.default_rng(n).integers(n, size=n)
    W_Q, W_K = qkv.circle_matrices(target, sharpness=3000.0)
    scores = torch.from_numpy(W_Q @ W_K.T)
    assert (scores.softmax(-1)[torch.arange(n), torch.from_numpy(target)] > 0.99).all()
    np.testing.assert_allclose(np.linalg.norm(W_K, axis=1), 1)
    np.testing.assert_allclose(W_K[0], [1, 0])
