"""Chapter 4: what the exercises on queries, keys and values ask of a candidate."""

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import qkv

ASSIGNMENT = "04-qkv"


def np_softmax(scores, axis=-1):
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


# ---- soft_lookup -------------------------------------------------------------------------------------------------


def lookup_cases(rng):
    yield Case(
        "the worked example",
        {
            "query": np.array([1.0, 0.0]),
            "keys": np.array([[np.log(9.0), 5.0], [0.0, 2.0]]),
            "values": np.array([[10.0, 0.0], [20.0, 4.0]]),
            "temperature": 2.0,
        },
    )
    # Keys and values are equally wide, so that exchanged ones give wrong numbers and not an exception.
    for m, d, temperature, dtype in [(1, 2, 1.0, np.float64), (5, 3, 0.4, np.float32), (4, 2, 3.0, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"{m} entries of {d} numbers, temperature {temperature}, {np.dtype(dtype)}",
            {"query": draw(d), "keys": draw(m, d), "values": draw(m, d), "temperature": temperature},
        )
    yield Case(
        "keys of 2 numbers, values of 4",
        {"query": draw(2), "keys": draw(3, 2), "values": draw(3, 4), "temperature": 0.7},
    )
    yield Case(
        "a temperature so low that exp overflows",
        {"query": 3 + draw(2) ** 2, "keys": 1 + draw(4, 2) ** 2, "values": draw(4, 2), "temperature": 1e-3},
    )
    yield Case("temperature 0", {"query": draw(3), "keys": draw(5, 3), "values": draw(5, 3), "temperature": 0.0})
    best = np.array([2.0, 1.0])
    yield Case(
        "temperature 0, two keys equally good",
        {
            "query": best,
            "keys": np.stack([-best, best, draw(2) / 9, best]),
            "values": draw(4, 2),
            "temperature": 0.0,
        },
    )


def _lookup(weigh):
    """A wrong ``soft_lookup`` whose weights for a temperature above 0 come from ``weigh(scores, temperature)``."""

    def candidate(query, keys, values, temperature):
        if temperature == 0:
            return qkv.soft_lookup(query, keys, values, 0)
        return weigh(keys @ query, keys.dtype.type(temperature)) @ values

    return candidate


def _lookup_of_keys(query, keys, values, temperature):
    return qkv.soft_lookup(query, keys, keys, temperature)


def _lookup_by_values(query, keys, values, temperature):
    return qkv.soft_lookup(query, values, values, temperature)


def _lookup_hard(query, keys, values, temperature):
    return values[(keys @ query).argmax()]


def _lookup_first_of_equals(query, keys, values, temperature):
    if temperature == 0:
        return values[(keys @ query).argmax()]
    return qkv.soft_lookup(query, keys, values, temperature)


def _lookup_sum_of_equals(query, keys, values, temperature):
    if temperature == 0:
        scores = keys @ query
        return values[scores == scores.max()].sum(0)
    return qkv.soft_lookup(query, keys, values, temperature)


def _lookup_zero_divides(query, keys, values, temperature):
    scores = keys @ query
    return np_softmax(scores / scores.dtype.type(temperature)) @ values


def _lookup_weights(query, keys, values, temperature):
    return qkv.soft_lookup(query, keys, np.eye(len(keys), dtype=keys.dtype), temperature)


def _lookup_overflow(scores, temperature):
    e = np.exp(scores / temperature)
    return e / e.sum()


def _lookup_loops(query, keys, values, temperature):
    scores = [k @ query for k in keys]
    if temperature == 0:
        return np.mean([v for v, s in zip(values, scores, strict=True) if s == max(scores)], axis=0)
    weights = [np.exp((s - max(scores)) / keys.dtype.type(temperature)) for s in scores]
    return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)


def _lookup_torch(query, keys, values, temperature):
    scores = torch.from_numpy(keys) @ torch.from_numpy(query)
    if temperature == 0:
        return values[(scores == scores.max()).numpy()].mean(0)
    return ((scores / temperature).softmax(0) @ torch.from_numpy(values)).numpy()


# ---- attention_layer ---------------------------------------------------------------------------------------------


def layer_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[[1.0, 0.0], [0.0, 1.0]]]),
            "X_prime": np.array([[[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]]),
            "W_Q": np.array([[0.0], [0.5]]),
            "W_K": np.array([[0.0], [np.log(3.0)]]),
            "W_V": np.array([[8.0, 0.0, 2.0], [0.0, 4.0, 2.0]]),
        },
    )
    # X and X′ are equally wide, and once equally long, so that exchanged ones give wrong numbers and not an exception.
    for batch, m, t, d_in, d_k, d_v, dtype in [
        (1, 1, 2, 3, 2, 4, np.float64),
        (3, 4, 4, 5, 2, 2, np.float32),
        (2, 5, 3, 4, 4, 4, np.float64),
        (2, 2, 5, 3, 6, 5, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {m} source and {t} target words, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "X": draw(batch, m, d_in),
                "X_prime": draw(batch, t, d_in),
                "W_Q": draw(d_in, d_k),
                "W_K": draw(d_in, d_k),
                "W_V": draw(d_in, d_v),
            },
        )
    yield Case(
        "source words of 2 numbers, target words of 3",
        {"X": draw(2, 4, 2), "X_prime": draw(2, 3, 3), "W_Q": draw(3, 2), "W_K": draw(2, 2), "W_V": draw(2, 5)},
    )


def _scores(X, X_prime, W_Q, W_K):
    return X_prime @ W_Q @ (X @ W_K).transpose(1, 2)


def _layer_keys_from_target(X, X_prime, W_Q, W_K, W_V):
    alpha = _scores(X_prime, X_prime, W_Q, W_K).softmax(-1)
    return alpha @ (X @ W_V), alpha


def _layer_values_from_target(X, X_prime, W_Q, W_K, W_V):
    alpha = _scores(X, X_prime, W_Q, W_K).softmax(-1)
    return alpha @ (X_prime @ W_V), alpha


def _layer_all_from_source(X, X_prime, W_Q, W_K, W_V):
    return qkv.attention_layer(X, X, W_Q, W_K, W_V)


def _layer_inputs_exchanged(X, X_prime, W_Q, W_K, W_V):
    return qkv.attention_layer(X_prime, X, W_Q, W_K, W_V)


def _layer_matrices_exchanged(X, X_prime, W_Q, W_K, W_V):
    return qkv.attention_layer(X, X_prime, W_K, W_Q, W_V)


def _layer_values_not_projected(X, X_prime, W_Q, W_K, W_V):
    alpha = _scores(X, X_prime, W_Q, W_K).softmax(-1)
    return alpha @ X, alpha


def _layer_of_keys(X, X_prime, W_Q, W_K, W_V):
    alpha = _scores(X, X_prime, W_Q, W_K).softmax(-1)
    return alpha @ (X @ W_K), alpha


def _layer_over_queries(X, X_prime, W_Q, W_K, W_V):
    alpha = _scores(X, X_prime, W_Q, W_K).softmax(1)
    return alpha @ (X @ W_V), alpha


def _layer_scaled(X, X_prime, W_Q, W_K, W_V):
    return qkv.attention_layer(X, X_prime, W_Q / W_Q.shape[1] ** 0.5, W_K, W_V)


def _layer_no_softmax(X, X_prime, W_Q, W_K, W_V):
    scores = _scores(X, X_prime, W_Q, W_K)
    return scores @ (X @ W_V), scores


def _layer_alpha_transposed(X, X_prime, W_Q, W_K, W_V):
    C, alpha = qkv.attention_layer(X, X_prime, W_Q, W_K, W_V)
    return C, alpha.transpose(1, 2)


def _layer_no_alpha_gradient(X, X_prime, W_Q, W_K, W_V):
    alpha = _scores(X, X_prime, W_Q, W_K).softmax(-1).detach()
    return alpha @ (X @ W_V), alpha


def _layer_library(X, X_prime, W_Q, W_K, W_V):
    Q, K = X_prime @ W_Q, X @ W_K
    everyone = torch.eye(X.shape[1], dtype=X.dtype).expand(len(X), -1, -1)
    return (
        F.scaled_dot_product_attention(Q, K, X @ W_V, scale=1.0),
        F.scaled_dot_product_attention(Q, K, everyone, scale=1.0),
    )


def _layer_einsum(X, X_prime, W_Q, W_K, W_V):
    scores = torch.einsum("btd,dk,ek,bme->btm", X_prime, W_Q, W_K, X)
    alpha = scores.softmax(2)
    return torch.einsum("btm,bme,ev->btv", alpha, X, W_V), alpha


def _layer_loops(X, X_prime, W_Q, W_K, W_V):
    C, alpha = [], []
    for X_b, X_prime_b in zip(X, X_prime, strict=True):
        for x in X_prime_b:
            e = torch.stack([((x @ W_Q) @ (x_i @ W_K)).exp() for x_i in X_b])
            alpha.append(e / e.sum())
            C.append(sum(a * (x_i @ W_V) for a, x_i in zip(alpha[-1], X_b, strict=True)))
    batch, t = X_prime.shape[:2]
    return torch.stack(C).reshape(batch, t, -1), torch.stack(alpha).reshape(batch, t, -1)


# ---- attention_columns -------------------------------------------------------------------------------------------


def columns_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
            "X_prime": np.array([[1.0, 0.0]]),
            "W_Q": np.array([[1.0]]),
            "W_K": np.array([[np.log(2.0), 0.0]]),
            "W_V": np.array([[4.0, 8.0], [0.0, 4.0]]),
        },
    )
    # The second case is square all over, so that forgotten transposes give wrong numbers and not an exception.
    for m, t, d, d_prime, d_k, d_v, dtype in [
        (1, 2, 3, 2, 2, 4, np.float64),
        (3, 3, 3, 3, 3, 3, np.float64),
        (5, 3, 2, 4, 3, 2, np.float32),
        (4, 4, 5, 5, 2, 6, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{m} source and {t} target words, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "X": draw(d, m),
                "X_prime": draw(d_prime, t),
                "W_Q": draw(d_k, d_prime),
                "W_K": draw(d_k, d),
                "W_V": draw(d_v, d),
            },
        )
    yield Case(
        "scores near 1000",
        {
            "X": 10 + draw(2, 4),
            "X_prime": 10 + draw(2, 3),
            "W_Q": np.array([[2.0, 2.0], [1.0, 3.0]]),
            "W_K": np.array([[1.0, 2.0], [0.0, 1.0]]),
            "W_V": draw(3, 2),
        },
    )


def _columns(weigh):
    """A wrong ``attention_columns`` whose [m, t] weights come from ``weigh(scores)``."""

    def candidate(X, X_prime, W_Q, W_K, W_V):
        alpha = weigh((W_K @ X).T @ (W_Q @ X_prime))
        return W_V @ X @ alpha, alpha

    return candidate


def _columns_overflow(scores):
    e = np.exp(scores)
    return e / e.sum(axis=0)


def _columns_returned_as_rows(X, X_prime, W_Q, W_K, W_V):
    C, alpha = qkv.attention_columns(X, X_prime, W_Q, W_K, W_V)
    return np.ascontiguousarray(C.T), np.ascontiguousarray(alpha.T)


def _columns_computed_as_rows(X, X_prime, W_Q, W_K, W_V):
    alpha = np_softmax(X_prime @ W_Q @ (X @ W_K).T)
    return alpha @ (X @ W_V), alpha


def _columns_alpha_as_row(X, X_prime, W_Q, W_K, W_V):
    C, alpha = qkv.attention_columns(X, X_prime, W_Q, W_K, W_V)
    return C, np.ascontiguousarray(alpha.T)


def _columns_not_projected(X, X_prime, W_Q, W_K, W_V):
    _, alpha = qkv.attention_columns(X, X_prime, W_Q, W_K, W_V)
    return X @ alpha, alpha


def _columns_scaled(X, X_prime, W_Q, W_K, W_V):
    return qkv.attention_columns(X, X_prime, W_Q / np.sqrt(len(W_Q)).astype(X.dtype), W_K, W_V)


def _columns_by_rows(X, X_prime, W_Q, W_K, W_V):
    alpha = np_softmax(X_prime.T @ W_Q.T @ (X.T @ W_K.T).T)  # [t, m]
    return (alpha @ (X.T @ W_V.T)).T, alpha.T


def _columns_one_at_a_time(X, X_prime, W_Q, W_K, W_V):
    K, V = W_K @ X, W_V @ X
    alpha = [np_softmax(K.T @ (W_Q @ x)) for x in X_prime.T]
    return np.stack([V @ a for a in alpha], axis=1), np.stack(alpha, axis=1)


# ---- kernel_regression -------------------------------------------------------------------------------------------


def regression_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([0.0, 2.0]),
            "y": np.array([4.0, 8.0]),
            "x_new": np.array([1.0, 0.0]),
            "sigma": 2.0,
        },
    )
    for m, t, sigma, dtype in [(1, 3, 0.5, np.float64), (6, 6, 0.3, np.float32), (5, 2, 1.7, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"{m} known points, {t} new ones, sigma {sigma}, {np.dtype(dtype)}",
            {"x": draw(m), "y": draw(m), "x_new": draw(t), "sigma": sigma},
        )
    yield Case(
        "new points far away from all known ones",
        {"x": draw(4), "y": draw(4), "x_new": np.array([50.0, -80.0, 0.1]), "sigma": 0.8},
    )


def _regression(weigh):
    """A wrong ``kernel_regression`` whose [t, m] weights come from ``weigh(differences, sigma)``."""

    def candidate(x, y, x_new, sigma):
        return weigh(x_new[:, None] - x, x.dtype.type(sigma)) @ y

    return candidate


def _regression_not_normalised(u, sigma):
    return np.exp(-(u**2) / (2 * sigma**2))


def _regression_as_density(u, sigma):
    return np.exp(-(u**2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma * u.shape[1]).astype(u.dtype)


def _regression_underflow(u, sigma):
    e = np.exp(-(u**2) / (2 * sigma**2))
    return e / e.sum(1, keepdims=True)


def _regression_nearest(u, sigma):
    return (np.abs(u) == np.abs(u).min(1, keepdims=True)).astype(u.dtype)


def _regression_loops(x, y, x_new, sigma):
    sigma = x.dtype.type(sigma)
    found = []
    for q in x_new:
        nearest = min((q - k) ** 2 for k in x)
        kernel = [np.exp((nearest - (q - k) ** 2) / (2 * sigma**2)) for k in x]
        found.append(sum(w * v for w, v in zip(kernel, y, strict=True)) / sum(kernel))
    return np.array(found, dtype=x.dtype)


def _regression_library(x, y, x_new, sigma):
    x, y, x_new = map(torch.from_numpy, (x, y, x_new))
    Q = torch.stack([x_new, torch.ones_like(x_new)], 1)  # [t, 2]
    K = torch.stack([x / sigma**2, -(x**2) / (2 * sigma**2)], 1)  # [m, 2]
    return F.scaled_dot_product_attention(Q, K, y[:, None], scale=1.0)[:, 0].numpy()


# ---- circle_matrices ---------------------------------------------------------------------------------------------


def circle_cases(rng):
    yield Case("the worked example", {"target": np.array([1, 2, 3, 0]), "sharpness": 5.0})
    yield Case("one word, which finds itself", {"target": np.array([0]), "sharpness": 2.0})
    for n, sharpness in [(3, 1.5), (7, 12.0)]:
        yield Case(
            f"{n} words, each finds another one or itself, sharpness {sharpness}",
            {"target": rng.permutation(n), "sharpness": sharpness},
        )
    yield Case(
        "9 words, several find the same one", {"target": rng.integers(9, size=9), "sharpness": float(rng.uniform(3, 9))}
    )


def _on_circle(n, step=None):
    angles = np.arange(n) * (2 * np.pi / n if step is None else step)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _circle_keys_moved(target, sharpness):
    W = _on_circle(len(target))
    return sharpness * W, W[target]


def _circle_symmetric(target, sharpness):
    W = _on_circle(len(target))
    return sharpness * W, W


def _circle_both_sharp(target, sharpness):
    W = sharpness * _on_circle(len(target))
    return W[target], W


def _circle_not_sharp(target, sharpness):
    W = _on_circle(len(target))
    return W[target], W


def _circle_endpoint(target, sharpness):
    W = _on_circle(len(target), 2 * np.pi / max(len(target) - 1, 1))
    return sharpness * W[target], W


def _circle_half(target, sharpness):
    W = _on_circle(len(target), np.pi / len(target))
    return sharpness * W[target], W


def _circle_degrees(target, sharpness):
    W = _on_circle(len(target), 360 / len(target))
    return sharpness * W[target], W


def _circle_wrong_way(target, sharpness):
    W = _on_circle(len(target))
    queries = np.zeros_like(W)
    queries[target] = W
    return sharpness * queries, W


def _circle_complex(target, sharpness):
    keys = np.exp(2j * np.pi * np.arange(len(target)) / len(target))
    queries = sharpness * keys[target]
    return np.stack([queries.real, queries.imag], 1), np.stack([keys.real, keys.imag], 1)


# ---- attention_layer_backward ------------------------------------------------------------------------------------


def backward_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[1.0], [3.0]]),
            "X_prime": np.array([[2.0]]),
            "W_Q": np.array([[0.0]]),
            "W_K": np.array([[5.0]]),
            "W_V": np.array([[1.0]]),
            "G": np.array([[1.0]]),
        },
    )
    # Some sizes agree, so that exchanged matrices and forgotten transposes give wrong numbers and not an exception.
    for m, t, d, d_k, d_v, dtype in [
        (1, 3, 2, 3, 4, np.float64),
        (4, 4, 3, 3, 3, np.float64),
        (5, 2, 4, 3, 2, np.float32),
        (2, 6, 3, 2, 5, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{m} source and {t} target words, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "X": draw(m, d),
                "X_prime": draw(t, d),
                "W_Q": draw(d, d_k),
                "W_K": draw(d, d_k),
                "W_V": draw(d, d_v),
                "G": draw(t, d_v),
            },
        )
    yield Case(
        "source words of 2 numbers, target words of 3",
        {
            "X": draw(4, 2),
            "X_prime": draw(3, 3),
            "W_Q": draw(3, 4),
            "W_K": draw(2, 4),
            "W_V": draw(2, 1),
            "G": draw(3, 1),
        },
    )


def backward_probe(candidate, **inputs):
    result = candidate(**inputs)
    if isinstance(result, (tuple, list)) and len(result) == 3:
        return dict(zip(("dW_Q", "dW_K", "dW_V"), result, strict=True))
    return probe.parts(result)


def _backward(d_scores_from):
    """A wrong backward pass whose ∂L/∂scores comes from ``d_scores_from(alpha, d_alpha)``, [t, m] both."""

    def candidate(X, X_prime, W_Q, W_K, W_V, G):
        alpha = np_softmax(X_prime @ W_Q @ (X @ W_K).T)
        d_scores = d_scores_from(alpha, G @ (X @ W_V).T)
        return X_prime.T @ (d_scores @ (X @ W_K)), X.T @ (d_scores.T @ (X_prime @ W_Q)), X.T @ alpha.T @ G

    return candidate


def _backward_mean_over_queries(alpha, d_alpha):
    return alpha * (d_alpha - (alpha * d_alpha).sum(0, keepdims=True))


def _backward_queries_and_keys_exchanged(X, X_prime, W_Q, W_K, W_V, G):
    dW_Q, dW_K, dW_V = qkv.attention_layer_backward(X, X_prime, W_Q, W_K, W_V, G)
    return dW_K, dW_Q, dW_V


def _backward_values_untransposed(X, X_prime, W_Q, W_K, W_V, G):
    dW_Q, dW_K, _ = qkv.attention_layer_backward(X, X_prime, W_Q, W_K, W_V, G)
    return dW_Q, dW_K, X.T @ np_softmax(X_prime @ W_Q @ (X @ W_K).T) @ G


def _backward_values_without_alpha(X, X_prime, W_Q, W_K, W_V, G):
    dW_Q, dW_K, _ = qkv.attention_layer_backward(X, X_prime, W_Q, W_K, W_V, G)
    return dW_Q, dW_K, np.repeat(X.sum(0)[:, None], G.shape[1], axis=1) * G.sum(0)


def _backward_other_matrix(X, X_prime, W_Q, W_K, W_V, G):
    alpha = np_softmax(X_prime @ W_Q @ (X @ W_K).T)
    d_alpha = G @ (X @ W_V).T
    d_scores = alpha * (d_alpha - (alpha * d_alpha).sum(1, keepdims=True))
    return X_prime.T @ d_scores @ X, X.T @ d_scores.T @ X_prime, X.T @ alpha.T @ G


def _backward_to_projections(X, X_prime, W_Q, W_K, W_V, G):
    alpha = np_softmax(X_prime @ W_Q @ (X @ W_K).T)
    d_alpha = G @ (X @ W_V).T
    d_scores = alpha * (d_alpha - (alpha * d_alpha).sum(1, keepdims=True))
    return d_scores @ (X @ W_K), d_scores.T @ (X_prime @ W_Q), alpha.T @ G


def _backward_autograd(X, X_prime, W_Q, W_K, W_V, G):
    X, X_prime, G = map(torch.from_numpy, (X, X_prime, G))
    leaves = [torch.from_numpy(W).requires_grad_() for W in (W_Q, W_K, W_V)]
    C = F.scaled_dot_product_attention(X_prime @ leaves[0], X @ leaves[1], X @ leaves[2], scale=1.0)
    return tuple(g.numpy() for g in torch.autograd.grad((C * G).sum(), leaves))


def _backward_jacobian(X, X_prime, W_Q, W_K, W_V, G):
    alpha = np_softmax(X_prime @ W_Q @ (X @ W_K).T)
    J = alpha[:, :, None] * (np.eye(len(X), dtype=X.dtype) - alpha[:, None, :])  # [t, m, m]
    dM = np.einsum("tx,tij,jy,yv,tv,iz->xz", X_prime, J, X, W_V, G, X, optimize=True)  # of M = W_Q W_Kᵀ
    return dM @ W_K, dM.T @ W_Q, np.einsum("ti,ix,tv->xv", alpha, X, G)


EXERCISES = [
    Exercise(
        name="soft_lookup",
        assignment=ASSIGNMENT,
        section="qkv-dictionary",
        points=2,
        difficulty=2,
        minutes=15,
        reference=qkv.soft_lookup,
        probe=probe.call,
        cases=lookup_cases,
        mistakes=[
            Mistake(
                "the keys delivered",
                _lookup_of_keys,
                "The weights are right, but you average what the entries are found by. What do they contain?",
                "qkv-roles",
            ),
            Mistake(
                "the values compared with the query",
                _lookup_by_values,
                "An entry is found by its key. You score the values.",
                "qkv-roles",
            ),
            Mistake(
                "temperature ignored",
                _lookup(lambda scores, temperature: np_softmax(scores)),
                "Your answer is the same at every temperature above 0. What is divided by it, and when?",
                "qkv-temperature",
            ),
            Mistake(
                "multiplied by the temperature",
                _lookup(lambda scores, temperature: np_softmax(scores * temperature)),
                "Yours gets sharper when it gets hotter. A high temperature must make all weights alike.",
                "qkv-temperature",
            ),
            Mistake(
                "temperature after the softmax",
                _lookup(lambda scores, temperature: np_softmax(scores) / temperature),
                "Your weights do not sum to 1 unless the temperature is 1. It belongs to the scores.",
                "qkv-temperature",
            ),
            Mistake(
                "always the best entry",
                _lookup_hard,
                "That is the lookup at temperature 0. Above 0 every entry has a share.",
                "qkv-dictionary",
            ),
            Mistake(
                "weights not normalised",
                _lookup(lambda scores, temperature: np.exp((scores - scores.max()) / temperature)),
                "Your weights are positive but their sum is not 1.",
                "qkv-dictionary",
            ),
            Mistake(
                "division by temperature 0",
                _lookup_zero_divides,
                "Above 0 all is right. At 0 you divide by zero and return NaN: that case is a limit, treat it apart.",
                "qkv-temperature",
            ),
            Mistake(
                "the first of equally good keys",
                _lookup_first_of_equals,
                "At temperature 0 equally good keys share the weight, as they do at every temperature above it. "
                "argmax knows only the first of them.",
                "qkv-temperature",
            ),
            Mistake(
                "equally good values added up",
                _lookup_sum_of_equals,
                "At temperature 0 with two best keys you return the sum of their values. Weights sum to 1.",
                "qkv-temperature",
            ),
            Mistake(
                "exp overflows",
                _lookup(_lookup_overflow),
                "A score of 10 at temperature 0.001 is 10,000 to exp. Adding one number to all scores changes no "
                "weight: which number keeps exp finite?",
                "qkv-temperature",
            ),
            Mistake(
                "the weights returned",
                _lookup_weights,
                "Your result has one number for each entry: those are the weights. Average the values with them.",
                "qkv-dictionary",
            ),
        ],
        alternatives=[_lookup_loops, _lookup_torch],
    ),
    Exercise(
        name="attention_layer",
        assignment=ASSIGNMENT,
        section="qkv-layer",
        points=2,
        difficulty=2,
        minutes=15,
        reference=qkv.attention_layer,
        probe=probe.call_with_gradients,
        cases=layer_cases,
        mistakes=[
            Mistake(
                "keys from X′",
                _layer_keys_from_target,
                "You look for the words of X′ among themselves. Which of the two sequences is searched?",
                "qkv-layer",
            ),
            Mistake(
                "values from X′",
                _layer_values_from_target,
                "The weights are right. What they average has to come from the words that were found.",
                "qkv-layer",
            ),
            Mistake(
                "everything from X",
                _layer_all_from_source,
                "You never use X′. Three matrices from one X is self-attention, a special case; here the queries "
                "come from somewhere else.",
                "qkv-same-x",
            ),
            Mistake(
                "X and X′ exchanged",
                _layer_inputs_exchanged,
                "You have one context for each word of X. There must be one for each word that asks.",
                "qkv-layer",
            ),
            Mistake(
                "W_Q and W_K exchanged",
                _layer_matrices_exchanged,
                "X′ asks, X is asked. Which matrix makes queries?",
                "qkv-layer",
            ),
            Mistake(
                "values not projected",
                _layer_values_not_projected,
                "You average the rows of X as they are. A value is made by a matrix of its own, as a key is.",
                "qkv-roles",
            ),
            Mistake(
                "context made from the keys",
                _layer_of_keys,
                "A key is what a word is found by. What is delivered when it is found?",
                "qkv-roles",
            ),
            Mistake(
                "softmax over the queries",
                _layer_over_queries,
                "Each word that asks shares out one unit of weight over the source. Along which axis do yours sum to "
                "1?",
                "qkv-layer",
            ),
            Mistake(
                "divided by √d_k",
                _layer_scaled,
                "The scaled product is chapter 6's. Here the score is the plain inner product.",
                "qkv-layer",
            ),
            Mistake(
                "scores used as weights",
                _layer_no_softmax,
                "Some of your weights are negative. A score becomes a weight only after the softmax.",
                "qkv-layer",
            ),
            Mistake(
                "α returned transposed",
                _layer_alpha_transposed,
                "C is right. In rows, α has one row for each word that asks; yours is the matrix of the notes that "
                "write in columns.",
                "qkv-columns",
            ),
            Mistake(
                "α cut off from the graph",
                _layer_no_alpha_gradient,
                "The numbers are right, but no gradient reaches W_Q and W_K, so they would never learn. Look for "
                "detach, no_grad, .data or a detour through NumPy.",
                "qkv-torch",
            ),
        ],
        alternatives=[_layer_library, _layer_einsum, _layer_loops],
        framework="torch",
    ),
    Exercise(
        name="attention_columns",
        assignment=ASSIGNMENT,
        section="qkv-columns",
        points=2,
        difficulty=3,
        minutes=15,
        reference=qkv.attention_columns,
        probe=probe.call,
        cases=columns_cases,
        mistakes=[
            Mistake(
                "softmax over the queries",
                _columns(lambda scores: np_softmax(scores, axis=1)),
                "Your rows sum to 1. In this notation the weights of one query are a column.",
                "qkv-columns",
            ),
            Mistake(
                "C and α returned as rows",
                _columns_returned_as_rows,
                "The numbers are right but they lie on their side. Everything here is a column, C and α too.",
                "qkv-columns",
            ),
            Mistake(
                "only α returned as rows",
                _columns_alpha_as_row,
                "C is right. α has as many rows as there are source words, and a column for each query.",
                "qkv-columns",
            ),
            Mistake(
                "the formulas for rows used",
                _columns_computed_as_rows,
                "You multiply from the right and run the softmax along rows. That fits X as [m, d]; this X is [d, m].",
                "qkv-columns",
            ),
            Mistake(
                "values not projected",
                _columns_not_projected,
                "You average the columns of X as they are. Where does W_V come in?",
                "qkv-roles",
            ),
            Mistake(
                "divided by √d_k",
                _columns_scaled,
                "The scaled product is chapter 6's. Here the score is the plain inner product.",
                "qkv-layer",
            ),
            Mistake(
                "α not normalised",
                _columns(lambda scores: np.exp(scores - scores.max(axis=0))),
                "Your weights are positive, but the columns do not sum to 1.",
                "qkv-columns",
            ),
            Mistake(
                "exp overflows",
                _columns(_columns_overflow),
                "exp(1000) is infinite. Subtract each query's largest score first; the softmax stays the same.",
                "qkv-columns",
            ),
        ],
        alternatives=[_columns_by_rows, _columns_one_at_a_time],
    ),
    Exercise(
        name="kernel_regression",
        assignment=ASSIGNMENT,
        section="qkv-kernel",
        points=2,
        difficulty=3,
        minutes=20,
        reference=qkv.kernel_regression,
        probe=probe.call,
        cases=regression_cases,
        mistakes=[
            Mistake(
                "not normalised",
                _regression(_regression_not_normalised),
                "You add up the y_i with weights whose sum is not 1, so the curve rises where points are dense.",
                "qkv-kernel",
            ),
            Mistake(
                "the constant of the density instead of the sum",
                _regression(_regression_as_density),
                "1/√(2π)σ makes the kernel a density. Here the weights of one new point must sum to 1 over the known "
                "points.",
                "qkv-kernel",
            ),
            Mistake(
                "normalised over the new points",
                _regression(lambda u, sigma: np_softmax(-(u**2) / (2 * sigma**2), axis=0)),
                "Each new point shares out one unit of weight over the known ones. Along which axis do yours sum to 1?",
                "qkv-kernel",
            ),
            Mistake(
                "σ not squared",
                _regression(lambda u, sigma: np_softmax(-(u**2) / (2 * sigma))),
                "Your width has the unit of x². In the exponent stands a squared distance; by what must it be divided "
                "so that the unit cancels?",
                "qkv-kernel",
            ),
            Mistake(
                "the 2 forgotten",
                _regression(lambda u, sigma: np_softmax(-(u**2) / sigma**2)),
                "Your curve is that of a smaller width, σ/√2. Compare the exponent with the formula.",
                "qkv-kernel",
            ),
            Mistake(
                "wrong sign",
                _regression(lambda u, sigma: np_softmax(u**2 / (2 * sigma**2))),
                "In yours the farthest point has the most weight.",
                "qkv-kernel",
            ),
            Mistake(
                "distance not squared",
                _regression(lambda u, sigma: np_softmax(-np.abs(u) / (2 * sigma**2))),
                "Your kernel has a peak like a tent. A Gaussian is flat at the top: look at the power of the distance.",
                "qkv-kernel",
            ),
            Mistake(
                "always the nearest point",
                _regression(_regression_nearest),
                "That is the limit of a very small σ. Every known point has a share.",
                "qkv-kernel",
            ),
            Mistake(
                "0/0 far away",
                _regression(_regression_underflow),
                "Near the known points all is right. Far away every exp is 0 and you return NaN. What may be added to "
                "all scores of a row?",
                "qkv-kernel",
            ),
        ],
        alternatives=[_regression_loops, _regression_library],
    ),
    Exercise(
        name="circle_matrices",
        assignment=ASSIGNMENT,
        section="qkv-rank",
        points=2,
        difficulty=3,
        minutes=20,
        reference=qkv.circle_matrices,
        probe=probe.call,
        cases=circle_cases,
        mistakes=[
            Mistake(
                "the keys moved, not the queries",
                _circle_keys_moved,
                "Your keys depend on the relation. They must stand in order, word 0 at angle 0; it is the query that "
                "points elsewhere.",
                "qkv-rank",
            ),
            Mistake(
                "everybody finds himself",
                _circle_symmetric,
                "Your query points at the word's own key. Where does target come in?",
                "qkv-one-matrix",
            ),
            Mistake(
                "the relation the wrong way round",
                _circle_wrong_way,
                "You send word target[a] to a. Read it again: a asks, and target[a] is to be found.",
                "qkv-rank",
            ),
            Mistake(
                "sharpness in both matrices",
                _circle_both_sharp,
                "Your scores grow with the square of sharpness. The keys stay on the unit circle.",
                "qkv-rank",
            ),
            Mistake(
                "sharpness forgotten",
                _circle_not_sharp,
                "The right word is ahead, but only just. How do you make a query sharper?",
                "qkv-temperature",
            ),
            Mistake(
                "first and last key at the same place",
                _circle_endpoint,
                "Angle 2π is angle 0 again: your last word stands on the first. n steps go once round the circle.",
                "qkv-rank",
            ),
            Mistake(
                "half a circle",
                _circle_half,
                "Your keys fill half the circle only. How many radians is once round?",
                "qkv-rank",
            ),
            Mistake(
                "degrees",
                _circle_degrees,
                "cos and sin take radians.",
                "qkv-rank",
            ),
        ],
        alternatives=[_circle_complex],
    ),
    Exercise(
        name="attention_layer_backward",
        assignment=ASSIGNMENT,
        section="qkv-gradient",
        points=4,
        difficulty=5,
        minutes=40,
        reference=qkv.attention_layer_backward,
        probe=backward_probe,
        cases=backward_cases,
        mistakes=[
            Mistake(
                "the softmax passed over",
                _backward(lambda alpha, d_alpha: d_alpha),
                "dW_V is right. G Vᵀ is the gradient with respect to α; the softmax stands between α and the scores.",
                "qkv-gradient",
            ),
            Mistake(
                "the mean not subtracted",
                _backward(lambda alpha, d_alpha: alpha * d_alpha),
                "dW_V is right. Each row of your gradient of the scores must sum to 0, since weights only change "
                "hands. Yours does not.",
                "qkv-gradient",
            ),
            Mistake(
                "only the Jacobian's diagonal",
                _backward(lambda alpha, d_alpha: alpha * (1 - alpha) * d_alpha),
                "dW_V is right. A score moves its own weight, and all other weights of its row too.",
                "qkv-gradient",
            ),
            Mistake(
                "the mean taken over the queries",
                _backward(_backward_mean_over_queries),
                "dW_V is right. The mean that you subtract belongs to one query: it is a sum over the source.",
                "qkv-gradient",
            ),
            Mistake(
                "α forgotten in the softmax's gradient",
                _backward(lambda alpha, d_alpha: d_alpha - (alpha * d_alpha).sum(1, keepdims=True)),
                "dW_V is right. A word whose weight is nearly 0 should move its score very little.",
                "qkv-gradient",
            ),
            Mistake(
                "wrong sign at the scores",
                _backward(lambda alpha, d_alpha: alpha * ((alpha * d_alpha).sum(1, keepdims=True) - d_alpha)),
                "dW_V is right; dW_Q and dW_K have all their signs reversed.",
                "qkv-gradient",
            ),
            Mistake(
                "dW_Q and dW_K exchanged",
                _backward_queries_and_keys_exchanged,
                "You return the gradient of W_K in the place of that of W_Q. Which of them is made with X′?",
                "qkv-gradient",
            ),
            Mistake(
                "α not transposed in dW_V",
                _backward_values_untransposed,
                "dW_Q and dW_K are right. Value i gets a share of every query's G: the sum runs over the queries.",
                "qkv-gradient",
            ),
            Mistake(
                "α left out of dW_V",
                _backward_values_without_alpha,
                "dW_Q and dW_K are right. A value that nobody looks at should get no gradient; yours all get the same.",
                "qkv-gradient",
            ),
            Mistake(
                "W_K and W_Q left out at the end",
                _backward_other_matrix,
                "You stopped at the gradient of the product W_Q W_Kᵀ. W_Q meets the keys, not the rows of X.",
                "qkv-gradient",
            ),
            Mistake(
                "gradients of Q, K and V",
                _backward_to_projections,
                "You return the gradients of Q, K and V. One step further back stand the matrices.",
                "qkv-gradient",
            ),
        ],
        alternatives=[_backward_autograd, _backward_jacobian],
    ),
]
