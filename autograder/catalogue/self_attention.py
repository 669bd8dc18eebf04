"""Chapter 5: what the exercises on self-attention ask of a candidate."""

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import self_attention as ref

ASSIGNMENT = "05-self-attention"


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


def real_tokens(*lengths, n):
    """The mask of a padded batch: row b has lengths[b] real tokens, then padding."""
    return np.arange(n) < np.array(lengths)[:, None]  # [batch, n]


def causal(n):
    return np.tril(np.ones((n, n), dtype=bool))


# ---- self_attention ----------------------------------------------------------------------------------------------


def layer_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[[0.0, 1.0], [1.0, 2.0]]]),
            "W_Q": np.array([[np.log(3.0)], [0.0]]),
            "W_K": np.array([[1.0], [0.0]]),
            "W_V": np.array([[0.0], [4.0]]),
            "mask": np.ones((2, 2), dtype=bool),
        },
    )
    for lengths, n, d, d_k, d_v, dtype in [
        ((1,), 1, 3, 2, 4, np.float64),
        ((5, 2, 3), 5, 4, 4, 4, np.float32),
        ((4, 1), 4, 5, 3, 2, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{len(lengths)} sentences of {lengths} real tokens padded to {n}, d = {d}, d_k = {d_k}, d_v = {d_v}, "
            f"{np.dtype(dtype)}",
            {
                "X": draw(len(lengths), n, d),
                "W_Q": draw(d, d_k),
                "W_K": draw(d, d_k),
                "W_V": draw(d, d_v),
                "mask": np.repeat(real_tokens(*lengths, n=n)[:, None, :], n, axis=1),
            },
        )
    draw = normal(rng, np.float64)
    weights = {"W_Q": draw(3, 4), "W_K": draw(3, 4), "W_V": draw(3, 5)}
    yield Case("a causal mask, [n, n], for all sentences", {"X": draw(2, 6, 3), **weights, "mask": causal(6)})
    mask = rng.random((2, 4, 4)) < 0.5
    mask[:, np.arange(4), rng.permutation(4)] = True
    yield Case("a mask without any pattern", {"X": draw(2, 4, 3), **weights, "mask": mask})
    yield Case("scores of several hundred", {"X": 20 * draw(2, 3, 3), **weights, "mask": causal(3)})


def _layer(weigh, scale=lambda W: 1):
    """A wrong ``self_attention`` whose weights are ``weigh(scores, mask)`` and whose other steps are right."""

    def candidate(X, W_Q, W_K, W_V, mask):
        A = weigh((X @ W_Q) @ (X @ W_K).transpose(1, 2) / scale(W_Q), mask)
        return A @ (X @ W_V), A

    return candidate


def _hide(scores, mask):
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)


def _layer_exchanged(X, W_Q, W_K, W_V, mask):
    return ref.self_attention(X, W_K, W_Q, W_V, mask)


def _layer_one_matrix(X, W_Q, W_K, W_V, mask):
    return ref.self_attention(X, W_Q, W_Q, W_V, mask)


def _layer_no_values(X, W_Q, W_K, W_V, mask):
    _, A = ref.self_attention(X, W_Q, W_K, W_V, mask)
    return A @ X, A


def _layer_cut_off(X, W_Q, W_K, W_V, mask):
    _, A = ref.self_attention(X, W_Q, W_K, W_V, mask)
    return A.detach() @ (X @ W_V), A.detach()


def _layer_library(X, W_Q, W_K, W_V, mask):
    eye = torch.eye(X.shape[1], dtype=X.dtype).expand(len(X), -1, -1)
    return (
        F.scaled_dot_product_attention(X @ W_Q, X @ W_K, X @ W_V, attn_mask=mask, scale=1.0),
        F.scaled_dot_product_attention(X @ W_Q, X @ W_K, eye, attn_mask=mask, scale=1.0),
    )


def _layer_loops(X, W_Q, W_K, W_V, mask):
    n = X.shape[1]
    C, A = [], []
    for X_b, mask_b in zip(X, mask.expand(len(X), n, n), strict=True):
        for x_j, allowed in zip(X_b, mask_b, strict=True):
            some = X_b[allowed]  # only the tokens that x_j may look at
            weights = torch.softmax(torch.stack([(x_i @ W_K) @ (x_j @ W_Q) for x_i in some]), 0)
            A.append(torch.zeros(n, dtype=X.dtype).index_put((torch.nonzero(allowed)[:, 0],), weights))
            C.append(sum(a * (x_i @ W_V) for a, x_i in zip(weights, some, strict=True)))
    return torch.stack(C).reshape(*X.shape[:2], -1), torch.stack(A).reshape(len(X), n, n)


def _layer_einsum(X, W_Q, W_K, W_V, mask):
    scores = torch.einsum("bnd,dk,ek,bme->bnm", X, W_Q, W_K, X)
    A = torch.where(mask, scores, torch.finfo(X.dtype).min).softmax(2)
    return torch.einsum("bnm,bmd,dv->bnv", A, X, W_V), A


# ---- attention_mask ----------------------------------------------------------------------------------------------


def mask_cases(rng):
    yield Case("the worked example", {"tokens": np.array([[7, 4, 0]]), "pad": 0, "causal": True})
    for lengths, n, pad, is_causal in [
        ((1,), 1, 0, True),
        ((3, 1, 4), 5, 0, False),
        ((5, 2), 5, 9, True),
        ((4, 6, 1, 3), 6, 0, True),
    ]:
        tokens = rng.integers(1, 9, (len(lengths), n))
        tokens[~real_tokens(*lengths, n=n)] = pad
        kind = "causal" if is_causal else "not causal"
        yield Case(
            f"{len(lengths)} sentences of {lengths} real tokens padded to {n}, padding is {pad}, {kind}",
            {"tokens": tokens, "pad": pad, "causal": is_causal},
        )
    tokens = rng.integers(1, 9, (2, 4))
    tokens[0, :2] = tokens[1, 1] = 0
    yield Case("padding in front, and in the middle", {"tokens": tokens, "pad": 0, "causal": True})


def _square(tokens):
    return torch.ones(tokens.shape[1], tokens.shape[1], dtype=torch.bool)


def _keys(tokens, pad):
    return (tokens != pad)[:, None, :] & _square(tokens)


def _mask_inverted(tokens, pad, causal):
    return ~ref.attention_mask(tokens, pad, causal)


def _mask_padding_inverted(tokens, pad, causal):
    real = (tokens == pad)[:, None, :] & _square(tokens)
    return real & _square(tokens).tril() if causal else real


def _mask_causal_blocked(tokens, pad, causal):
    return _keys(tokens, pad) & (_square(tokens).triu(1) if causal else True)


def _mask_transposed(tokens, pad, causal):
    return _keys(tokens, pad) & (_square(tokens).triu() if causal else True)


def _mask_not_oneself(tokens, pad, causal):
    return _keys(tokens, pad) & (_square(tokens).tril(-1) if causal else True)


def _mask_next_too(tokens, pad, causal):
    return _keys(tokens, pad) & (_square(tokens).tril(1) if causal else True)


def _mask_only_padding(tokens, pad, causal):
    return _keys(tokens, pad)


def _mask_only_causal(tokens, pad, causal):
    allowed = _square(tokens).tril() if causal else _square(tokens)
    return allowed.expand(len(tokens), -1, -1).clone()


def _mask_always_causal(tokens, pad, causal):
    return ref.attention_mask(tokens, pad, True)


def _mask_queries(tokens, pad, causal):
    return (tokens != pad)[:, :, None] & (_square(tokens).tril() if causal else _square(tokens))


def _mask_both(tokens, pad, causal):
    return ref.attention_mask(tokens, pad, causal) & (tokens != pad)[:, :, None]


def _mask_or(tokens, pad, causal):
    return _keys(tokens, pad) | _square(tokens).tril() if causal else _keys(tokens, pad)


def _mask_one_row(tokens, pad, causal):
    real = (tokens != pad)[:, None, :]  # [batch, 1, n]
    return real & _square(tokens).tril() if causal else real


def _mask_indices(tokens, pad, causal):
    i = torch.arange(tokens.shape[1])
    allowed = i[None, :] <= i[:, None] if causal else i[None, :] >= 0 * i[:, None]
    return torch.stack([allowed & (row != pad) for row in tokens])


def _mask_loops(tokens, pad, causal):
    batch, n = tokens.shape
    return torch.tensor(
        [
            [[bool(tokens[b, i] != pad) and (i <= j or not causal) for i in range(n)] for j in range(n)]
            for b in range(batch)
        ]
    )


# ---- mean_pool ---------------------------------------------------------------------------------------------------


def pool_cases(rng):
    yield Case(
        "the worked example",
        {"C": np.array([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]]), "mask": real_tokens(2, n=3)},
    )
    for lengths, n, d, dtype in [((1,), 1, 3, np.float64), ((5, 2, 3), 5, 4, np.float32), ((4, 1), 6, 2, np.float64)]:
        yield Case(
            f"{len(lengths)} sentences of {lengths} real tokens padded to {n}, d = {d}, {np.dtype(dtype)}",
            {"C": normal(rng, dtype)(len(lengths), n, d), "mask": real_tokens(*lengths, n=n)},
        )
    draw = normal(rng, np.float64)
    yield Case(
        "real tokens not in one block", {"C": draw(3, 5, 2), "mask": rng.permuted(real_tokens(2, 3, 1, n=5), axis=1)}
    )
    C = draw(2, 4, 3)
    C[0, 2:] = np.inf
    yield Case("infinity where there is padding", {"C": C, "mask": real_tokens(2, 4, n=4)})


def _pool_padded_length(C, mask):
    return C.masked_fill(~mask[:, :, None], 0).mean(1)


def _pool_everything(C, mask):
    return C.mean(1)


def _pool_sum(C, mask):
    return C.masked_fill(~mask[:, :, None], 0).sum(1)


def _pool_all_tokens(C, mask):
    return C.masked_fill(~mask[:, :, None], 0).sum(1) / mask.sum()


def _pool_times_mask(C, mask):
    return (C * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)


def _pool_inverted(C, mask):
    return C.masked_fill(mask[:, :, None], 0).sum(1) / (~mask).sum(1, keepdim=True)


def _pool_rows(C, mask):
    return torch.stack([C_b[mask_b].mean(0) for C_b, mask_b in zip(C, mask, strict=True)])


def _pool_where(C, mask):
    weights = mask.to(C.dtype) / mask.sum(1, keepdim=True)
    return torch.einsum("bn,bnd->bd", weights, torch.where(mask[:, :, None], C, torch.zeros_like(C)))


# ---- dependence --------------------------------------------------------------------------------------------------


def ask_about_layer(candidate, layer, X, W_Q, W_K, W_V, mask):
    """The candidate is asked about a layer [n, d] -> [n, d_out] that is made here, from what ``layer`` says of it."""

    def attend(X, mask):
        A = (X @ W_Q) @ (X @ W_K).T
        return A.masked_fill(~mask, -torch.inf).softmax(-1) @ (X @ W_V)

    def made(X):
        if layer == "attention":
            return attend(X, mask)
        if layer == "mask after the softmax":
            return ((X @ W_Q) @ (X @ W_K).T).softmax(-1).masked_fill(~mask, 0) @ (X @ W_V)
        if layer == "running sum":
            return (X @ W_V).cumsum(0)
        if layer == "centred":  # what is the same in all entries of a token is not seen
            return attend(X - X.mean(-1, keepdim=True), mask)
        if layer == "shares":  # the outputs of a token always sum to 1
            return attend(X, mask).softmax(-1)
        if layer == "last entry":  # attention in which only the last entry of a token counts
            return attend(torch.cat([torch.zeros_like(X[:, :-1]), X[:, -1:]], -1), mask)
        raise ValueError(layer)

    return {"result": candidate(made, X)}


def dependence_cases(rng):
    yield Case(
        "the worked example: a running sum",
        {
            "layer": "running sum",
            "X": np.array([[1.0], [2.0]]),
            "W_Q": np.array([[1.0]]),
            "W_K": np.array([[1.0]]),
            "W_V": np.array([[1.0]]),
            "mask": np.ones((2, 2), dtype=bool),
        },
    )

    def layer(kind, n, d, mask, dtype=np.float64, X=None):
        draw = normal(rng, dtype)
        X = draw(n, d) if X is None else X
        W_Q, W_K, W_V = (draw(d, width) / np.sqrt(d).astype(dtype) for width in (3, 3, 4))
        return {"layer": kind, "X": X, "W_Q": W_Q, "W_K": W_K, "W_V": W_V, "mask": mask}

    yield Case("self-attention without a mask, 3 tokens", layer("attention", 3, 2, np.ones((3, 3), dtype=bool)))
    yield Case("causal self-attention, 5 tokens, float32", layer("attention", 5, 3, causal(5), np.float32))
    yield Case(
        "a mask that lets every token see the next one", layer("attention", 4, 5, np.tril(np.ones((4, 4)), 1) > 0)
    )
    yield Case("the last two of 5 tokens are padding", layer("attention", 5, 2, real_tokens(3, n=5).repeat(5, axis=0)))
    yield Case("a causal mask after the softmax", layer("mask after the softmax", 4, 3, causal(4)))
    eighths = rng.integers(-16, 17, (4, 4)) / 8  # so that subtracting a mean is exact
    yield Case("a layer that subtracts each token's mean first", layer("centred", 4, 4, causal(4), X=eighths))
    yield Case("a layer whose outputs sum to 1", layer("shares", 4, 3, causal(4)))
    yield Case("a layer that uses only the last entry of a token", layer("last entry", 4, 3, causal(4)))


def _depends(change=lambda x: x + 1 + x.abs(), moved=lambda after, before: (after != before).any(-1)):
    """A ``dependence`` with another way to change a token, or to compare the outputs."""

    def candidate(layer, X):
        before, columns = layer(X), []
        for i in range(len(X)):
            changed = X.clone()
            changed[i] = change(X[i])
            columns.append(moved(layer(changed), before))
        return torch.stack(columns, dim=1)

    return candidate


def _first_entry(x):
    return torch.cat([x[:1] + 1, x[1:]])


def _dependence_transposed(layer, X):
    return ref.dependence(layer, X).T


def _dependence_not_put_back(layer, X):
    before, changed, columns = layer(X), X.clone(), []
    for i in range(len(X)):
        changed[i] += 1 + changed[i].abs()
        columns.append((layer(changed) != before).any(-1))
    return torch.stack(columns, dim=1)


def _dependence_last_output(layer, X):
    return ref.dependence(layer, X)[-1:].expand(len(X), -1).clone()


def _dependence_inverted(layer, X):
    return ~ref.dependence(layer, X)


def _dependence_future_only(layer, X):
    return ref.dependence(layer, X).triu(1)


def _dependence_jacobian(layer, X):
    J = torch.autograd.functional.jacobian(layer, X)  # [n, d_out, n, d]
    return J.abs().amax(dim=(1, 3)) > 1e-12


def _dependence_random(layer, X):
    torch.manual_seed(0)
    n = len(X)
    found = torch.zeros(n, n, dtype=torch.bool)
    for i in range(n):
        for _ in range(3):
            changed = X.clone()
            changed[i] = torch.randn_like(X[i])
            found[:, i] |= ~torch.isclose(layer(changed), layer(X), rtol=1e-6, atol=1e-7).all(-1)
    return found


# ---- attend_newest -----------------------------------------------------------------------------------------------


def newest_cases(rng):
    yield Case(
        "the worked example",
        {
            "x": np.array([[1.0, 0.0]]),
            "K": np.array([[[0.0]]]),
            "V": np.array([[[8.0]]]),
            "W_Q": np.array([[1.0], [0.0]]),
            "W_K": np.array([[np.log(3.0)], [0.0]]),
            "W_V": np.array([[4.0], [0.0]]),
        },
    )
    for batch, n, d, d_k, d_v, dtype in [
        (2, 0, 3, 2, 4, np.float64),
        (3, 4, 4, 3, 3, np.float32),
        (1, 5, 2, 4, 3, np.float64),
        (2, 3, 5, 3, 3, np.float64),
    ]:
        draw = normal(rng, dtype)
        before = "no token before" if n == 0 else f"{n} tokens before"
        yield Case(
            f"batch {batch}, {before}, d = {d}, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "x": draw(batch, d),
                "K": draw(batch, n, d_k),
                "V": draw(batch, n, d_v),
                "W_Q": draw(d, d_k),
                "W_K": draw(d, d_k),
                "W_V": draw(d, d_v),
            },
        )


def _newest(weights=None, grow=True, front=False, cut=False, key=None):
    """A wrong ``attend_newest``; each argument spoils one step."""

    def candidate(x, K, V, W_Q, W_K, W_V):
        k, v = (x @ (W_Q if key else W_K))[:, None], (x @ W_V)[:, None]
        more_K = torch.cat([k, K] if front else [K, k], 1)
        more_V = torch.cat([v, V] if front else [V, v], 1)
        if cut:
            more_K, more_V = more_K.detach(), more_V.detach()
        scores = (more_K @ (x @ W_Q)[:, :, None])[:, :, 0]
        alpha = weights(scores, W_Q.shape[1]) if weights else scores.softmax(-1)
        c = (alpha[:, None] @ more_V)[:, 0]
        return (c, more_K, more_V) if grow else (c, K, V)

    return candidate


def _newest_without_itself(x, K, V, W_Q, W_K, W_V):
    alpha = (K @ (x @ W_Q)[:, :, None]).softmax(1)
    c = (alpha * V).sum(1)
    return c, torch.cat([K, (x @ W_K)[:, None]], 1), torch.cat([V, (x @ W_V)[:, None]], 1)


def _newest_inputs_kept(x, K, V, W_Q, W_K, W_V):
    if x.shape[1] != K.shape[2] or x.shape[1] != V.shape[2]:
        raise RuntimeError("Sizes of tensors must match except in dimension 1.")
    return _newest()(x, torch.cat([K, x[:, None]], 1), torch.cat([V, x[:, None]], 1), W_Q, W_K, W_V)


def _newest_whole_row(x, K, V, W_Q, W_K, W_V):
    """Through the library, with the new key and value put in place by indexing."""
    batch, n, d_k = K.shape
    all_K, all_V = K.new_zeros(batch, n + 1, d_k), V.new_zeros(batch, n + 1, V.shape[2])
    all_K[:, :n], all_K[:, n] = K, x @ W_K
    all_V[:, :n], all_V[:, n] = V, x @ W_V
    c = F.scaled_dot_product_attention((x @ W_Q).unsqueeze(1), all_K, all_V, scale=1.0)
    return c.squeeze(1), all_K, all_V


def _newest_loops(x, K, V, W_Q, W_K, W_V):
    K = torch.cat((K, (x @ W_K).unsqueeze(1)), dim=-2)
    V = torch.cat((V, (x @ W_V).unsqueeze(1)), dim=-2)
    rows = []
    for q, K_b, V_b in zip(x @ W_Q, K, V, strict=True):
        e = torch.exp(K_b @ q - (K_b @ q).max().detach())
        rows.append(sum(e_i * v for e_i, v in zip(e, V_b, strict=True)) / e.sum())
    return torch.stack(rows), K, V


# ---- attention_jacobian ------------------------------------------------------------------------------------------


def jacobian_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[1.0], [-1.0]]),
            "W_Q": np.array([[0.0]]),
            "W_K": np.array([[1.0]]),
            "W_V": np.array([[2.0]]),
        },
    )
    for n, d, d_k, d_v, dtype in [
        (1, 3, 2, 4, np.float64),
        (4, 3, 3, 3, np.float32),
        (3, 2, 5, 4, np.float64),
        (5, 4, 2, 3, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{n} token{'s' * (n > 1)}, d = {d}, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {"X": draw(n, d), "W_Q": draw(d, d_k), "W_K": draw(d, d_k), "W_V": draw(d, d_v)},
        )
    yield Case(
        "scores of several hundred",
        {"X": 20 * draw(3, 4), "W_Q": draw(4, 2), "W_K": draw(4, 2), "W_V": draw(4, 3)},
    )


def _jacobian(value=1, key=1, query=1, query_everywhere=False, centre=True, own_only=False):
    """`attention_jacobian` in three terms, each of which can be spoilt."""

    def candidate(X, W_Q, W_K, W_V):
        Q, K, V = X @ W_Q, X @ W_K, X @ W_V
        A = Q @ K.T
        e = np.exp(A - A.max(1, keepdims=True))
        A = e / e.sum(1, keepdims=True)
        n = len(X)
        C = (A @ V)[:, None] if centre else np.zeros_like(V)[:, None]
        weighted = A[:, :, None] * (V[None] - C)
        J = value * A[:, :, None, None] * W_V.T + key * weighted[:, :, :, None] * (Q @ W_K.T)[:, None, None]
        of_query = query * weighted.transpose(0, 2, 1) @ (K @ W_Q.T)  # [n, d_v, d]
        if query_everywhere:
            return J + of_query[:, None]
        J[np.arange(n), np.arange(n)] += of_query
        return J * np.eye(n, dtype=X.dtype)[:, :, None, None] if own_only else J

    return candidate


def _jacobian_transposed(X, W_Q, W_K, W_V):
    return ref.attention_jacobian(X, W_Q, W_K, W_V).transpose(1, 0, 2, 3).copy()


def _jacobian_query_key_exchanged(X, W_Q, W_K, W_V):
    return ref.attention_jacobian(X, W_K, W_Q, W_V)


def _jacobian_overflow(X, W_Q, W_K, W_V):
    Q, K, V = X @ W_Q, X @ W_K, X @ W_V
    e = np.exp(Q @ K.T)
    A = e / e.sum(1, keepdims=True)
    weighted = A[:, :, None] * (V[None] - (A @ V)[:, None])
    J = A[:, :, None, None] * W_V.T + weighted[:, :, :, None] * (Q @ W_K.T)[:, None, None]
    J[np.arange(len(X)), np.arange(len(X))] += weighted.transpose(0, 2, 1) @ (K @ W_Q.T)
    return J


def _jacobian_autograd(X, W_Q, W_K, W_V):
    matrices = [torch.from_numpy(W) for W in (W_Q, W_K, W_V)]
    mask = torch.ones(len(X), len(X), dtype=torch.bool)

    def layer(X):
        return ref.self_attention(X[None], *matrices, mask)[0][0]

    J = torch.autograd.functional.jacobian(layer, torch.from_numpy(X))  # [n, d_v, n, d]
    return J.permute(0, 2, 1, 3).numpy()


def _jacobian_loops(X, W_Q, W_K, W_V):
    n, d = X.shape
    Q, K, V = X @ W_Q, X @ W_K, X @ W_V
    J = np.zeros((n, n, W_V.shape[1], d), X.dtype)
    for j in range(n):
        scores = K @ Q[j]
        e = np.exp(scores - scores.max())
        alpha = e / e.sum()
        for i in range(n):
            d_scores = np.zeros((n, d), X.dtype)  # of score l by x_i
            d_scores[i] += W_K @ Q[j]
            if i == j:
                d_scores += K @ W_Q.T
            d_alpha = alpha[:, None] * (d_scores - alpha @ d_scores)
            J[j, i] = alpha[i] * W_V.T + V.T @ d_alpha
    return J


EXERCISES = [
    Exercise(
        name="self_attention",
        assignment=ASSIGNMENT,
        section="self-layer",
        points=2,
        difficulty=2,
        minutes=15,
        reference=ref.self_attention,
        probe=probe.call_with_gradients,
        cases=layer_cases,
        mistakes=[
            Mistake(
                "divided by √d_k",
                _layer(_hide, lambda W: W.shape[1] ** 0.5),
                "The scaled product is chapter 6's. Here the score is the plain inner product.",
                "self-layer",
            ),
            Mistake(
                "softmax over the queries",
                _layer(lambda scores, mask: scores.masked_fill(~mask, -torch.inf).softmax(1)),
                "Your columns sum to 1, and a column that nobody may look at is NaN. Each query shares out one unit of "
                "weight over the tokens that it may look at: which axis is that?",
                "self-hand",
            ),
            Mistake(
                "softmax over the queries, with a large negative number for -∞",
                _layer(lambda scores, mask: scores.masked_fill(~mask, -1e9).softmax(1)),
                "Your columns sum to 1, and columns of padding still get weight. Each query shares out one unit of it "
                "over the tokens that it may look at: which axis is that?",
                "self-hand",
            ),
            Mistake(
                "queries and keys exchanged",
                _layer_exchanged,
                "Row j of A belongs to the query of token j. In yours it belongs to the key of token j, since W_Q and "
                "W_K have changed places or the wrong factor of the product is transposed.",
                "self-hand",
            ),
            Mistake(
                "keys made with W_Q",
                _layer_one_matrix,
                "You never use W_K, so that A is symmetric before the softmax. Queries and keys have a matrix each.",
                "self-hand",
            ),
            Mistake(
                "W_V forgotten",
                _layer_no_values,
                "You average the raw x_i. What is delivered is the value of a token.",
                "self-layer",
            ),
            Mistake(
                "mask not used",
                _layer(lambda scores, mask: scores.softmax(-1)),
                "Where the mask is False your weights are not 0.",
                "self-masks",
            ),
            Mistake(
                "mask inverted",
                _layer(lambda scores, mask: _hide(scores, ~mask)),
                "You look just where one must not. True means may attend, and masked_fill fills where it finds True.",
                "self-conventions",
            ),
            Mistake(
                "mask after the softmax",
                _layer(lambda scores, mask: scores.softmax(-1) * mask),
                "The forbidden tokens took their share before you removed it, so the rest sums to less than 1.",
                "self-leak",
            ),
            Mistake(
                "masked scores set to 0",
                _layer(lambda scores, mask: (scores * mask).softmax(-1)),
                "A score of 0 is not a weight of 0: exp(0) = 1. Which score has exp(score) = 0?",
                "self-masks",
            ),
            Mistake(
                "mask transposed",
                _layer(lambda scores, mask: _hide(scores, mask.transpose(-2, -1)).nan_to_num(0)),
                "Rows of the mask are queries, columns are what they may look at. Yours are the other way round.",
                "self-causal",
            ),
            Mistake(
                "A cut off from the graph",
                _layer_cut_off,
                "The numbers are right, but no gradient reaches W_Q and W_K. Look for detach, no_grad, .data or a "
                "detour through NumPy.",
                "self-torch",
            ),
        ],
        alternatives=[_layer_library, _layer_loops, _layer_einsum],
        framework="torch",
    ),
    Exercise(
        name="attention_mask",
        assignment=ASSIGNMENT,
        section="self-combine",
        points=2,
        difficulty=2,
        minutes=15,
        reference=ref.attention_mask,
        probe=probe.call,
        cases=mask_cases,
        mistakes=[
            Mistake(
                "True and False exchanged",
                _mask_inverted,
                "Every entry of yours is the opposite. Here True means may attend, as in scaled_dot_product_attention; "
                "nn.MultiheadAttention would want yours.",
                "self-conventions",
            ),
            Mistake(
                "only padding may be looked at",
                _mask_padding_inverted,
                "Your causal half is right. In the other half True stands at padding, not at the words.",
                "self-padding",
            ),
            Mistake(
                "only the future may be looked at",
                _mask_causal_blocked,
                "The triangle that you keep is the part to block: a token sees nothing but what comes after it.",
                "self-causal",
            ),
            Mistake(
                "the triangle transposed",
                _mask_transposed,
                "Every token sees itself and the future. Row j is the query: along a row, where is the past?",
                "self-causal",
            ),
            Mistake(
                "a token may not see itself",
                _mask_not_oneself,
                "The diagonal is missing. The first token then has nothing at all to look at.",
                "self-causal",
            ),
            Mistake(
                "every token sees the next one",
                _mask_next_too,
                "Off by one: token j also sees token j + 1, which is just the one that a language model has to guess.",
                "self-leak",
            ),
            Mistake(
                "the argument causal not used",
                _mask_only_padding,
                "Padding is right, but causal=True changes nothing in your mask.",
                "self-causal",
            ),
            Mistake(
                "padding not masked",
                _mask_only_causal,
                "Your mask does not depend on the tokens. Columns of padding must be False.",
                "self-padding",
            ),
            Mistake(
                "always causal",
                _mask_always_causal,
                "With causal=False every token may look at all real tokens, those after it included.",
                "self-padding",
            ),
            Mistake(
                "one row for all queries",
                _mask_one_row,
                "With causal=False all rows are equal, and you return one of them, [batch, 1, n]. It would broadcast, "
                "but [batch, n, n] is asked for.",
                "self-combine",
            ),
            Mistake(
                "rows of padding blocked in place of columns",
                _mask_queries,
                "You forbid the padding to look. What must be forbidden is to look at the padding: which axis is that?",
                "self-padding",
            ),
            Mistake(
                "rows of padding blocked too",
                _mask_both,
                "The columns are right. But rows of padding have become all False, and a softmax over nothing is NaN. "
                "Leave them as other rows.",
                "self-combine",
            ),
            Mistake(
                "combined with or",
                _mask_or,
                "A token may be looked at if it is real and not in the future. You let either of the two do.",
                "self-combine",
            ),
        ],
        alternatives=[_mask_indices, _mask_loops],
        framework="torch",
    ),
    Exercise(
        name="mean_pool",
        assignment=ASSIGNMENT,
        section="self-classifier",
        points=1,
        difficulty=2,
        minutes=10,
        reference=ref.mean_pool,
        probe=probe.call_with_gradients,
        cases=pool_cases,
        mistakes=[
            Mistake(
                "divided by the padded length",
                _pool_padded_length,
                "Padding adds nothing to your sum, but it still counts in what you divide by: the same sentence gets "
                "another vector beside a longer one.",
                "self-classifier",
            ),
            Mistake(
                "padding averaged in",
                _pool_everything,
                "You do not use the mask. Change what stands at padding and your result moves.",
                "self-classifier",
            ),
            Mistake(
                "summed, not averaged",
                _pool_sum,
                "Your result grows with the sentence. Divide by how many tokens it has.",
                "self-classifier",
            ),
            Mistake(
                "divided by the tokens of the whole batch",
                _pool_all_tokens,
                "mask.sum() counts the real tokens of all sentences together. Each sentence needs its own count.",
                "self-classifier",
            ),
            Mistake(
                "padding multiplied by 0",
                _pool_times_mask,
                "0 times infinity is NaN. Padding may hold anything, so put zeros in its place instead of multiplying.",
                "self-classifier",
            ),
            Mistake(
                "mask inverted",
                _pool_inverted,
                "You average the padding. True means a real token, and masked_fill fills where it finds True.",
                "self-classifier",
            ),
        ],
        alternatives=[_pool_rows, _pool_where],
        framework="torch",
    ),
    Exercise(
        name="dependence",
        assignment=ASSIGNMENT,
        section="self-leak",
        points=3,
        difficulty=3,
        minutes=25,
        reference=ref.dependence,
        probe=ask_about_layer,
        cases=dependence_cases,
        mistakes=[
            Mistake(
                "transposed",
                _dependence_transposed,
                "Your rows are inputs and your columns outputs. Entry (j, i) is about output j and input i.",
                "self-leak",
            ),
            Mistake(
                "the changed token not put back",
                _dependence_not_put_back,
                "When you test token i, the tokens before it still carry their change. Start from X each time.",
                "self-leak",
            ),
            Mistake(
                "the same number added to all entries",
                _depends(change=lambda x: x + 1),
                "A layer that subtracts each token's mean does not notice your change. Move the entries by different "
                "amounts.",
                "self-leak",
            ),
            Mistake(
                "only the first entry changed",
                _depends(change=_first_entry),
                "A layer may use other entries of a token than the first. Change them all.",
                "self-leak",
            ),
            Mistake(
                "outputs compared by their sum",
                _depends(moved=lambda after, before: ~torch.isclose(after.sum(-1), before.sum(-1), atol=1e-6)),
                "Outputs can change while their sum stays, as after a softmax. Compare entry by entry.",
                "self-leak",
            ),
            Mistake(
                "True only if every entry moves",
                _depends(moved=lambda after, before: ~torch.isclose(after, before, atol=1e-3).any(-1)),
                "One entry that stays does not make an output independent. When does c_j count as moved?",
                "self-leak",
            ),
            Mistake(
                "independence in place of dependence",
                _dependence_inverted,
                "True is to mean that the output moves.",
                "self-leak",
            ),
            Mistake(
                "only the future reported",
                _dependence_future_only,
                "The lower triangle and the diagonal are wanted too; that a layer must not see ahead is the caller's "
                "business.",
                "self-leak",
            ),
            Mistake(
                "only the last output looked at",
                _dependence_last_output,
                "All your rows are the same. Compare each output with its own former value.",
                "self-leak",
            ),
        ],
        alternatives=[_dependence_jacobian, _dependence_random],
        framework="torch",
    ),
    Exercise(
        name="attend_newest",
        assignment=ASSIGNMENT,
        section="self-causal",
        points=3,
        difficulty=3,
        minutes=20,
        reference=ref.attend_newest,
        probe=probe.call_with_gradients,
        cases=newest_cases,
        mistakes=[
            Mistake(
                "the new token does not see itself",
                _newest_without_itself,
                "With no token before, there is nothing left to look at. The causal mask keeps its diagonal.",
                "self-causal",
            ),
            Mistake(
                "put in front",
                _newest(front=True),
                "c is right, but the newest key and value belong at the end: the cache is in the order of the tokens.",
                "self-causal",
            ),
            Mistake(
                "the old K and V returned",
                _newest(grow=False),
                "c is right, but the next token will not find this one. Return what has grown.",
                "self-causal",
            ),
            Mistake(
                "divided by √d_k",
                _newest(weights=lambda scores, d_k: (scores / d_k**0.5).softmax(-1)),
                "The scaled product is chapter 6's. Here the score is the plain inner product.",
                "self-layer",
            ),
            Mistake(
                "weights not normalised",
                _newest(weights=lambda scores, d_k: scores.exp()),
                "Your weights do not sum to 1. What is the softmax's denominator?",
                "self-hand",
            ),
            Mistake(
                "scores used as weights",
                _newest(weights=lambda scores, d_k: scores),
                "Some of your weights are negative. A score becomes a weight only after the softmax.",
                "self-hand",
            ),
            Mistake(
                "the new key made with W_Q",
                _newest(key=True),
                "The new token asks with its query and is found by its key. You store the query.",
                "self-hand",
            ),
            Mistake(
                "no gradient into the cache",
                _newest(cut=True),
                "The numbers are right, but W_K and W_V learn nothing. Look for detach, .data or no_grad.",
                "self-torch",
            ),
        ],
        alternatives=[_newest_whole_row, _newest_loops],
        framework="torch",
    ),
    Exercise(
        name="attention_jacobian",
        assignment=ASSIGNMENT,
        section="self-every",
        points=4,
        difficulty=5,
        minutes=40,
        reference=ref.attention_jacobian,
        probe=probe.call,
        cases=jacobian_cases,
        mistakes=[
            Mistake(
                "weights taken as fixed",
                _jacobian(key=0, query=0),
                "You have x_i as a value. But x_i also changes the weights: it is a key for every query, and a query "
                "itself.",
                "self-every",
            ),
            Mistake(
                "x_i as a key forgotten",
                _jacobian(key=0),
                "If x_i changes, so does its key, and with it how much weight every query gives it.",
                "self-every",
            ),
            Mistake(
                "x_j as the query forgotten",
                _jacobian(query=0),
                "Your off-diagonal blocks are right. On the diagonal x_j asks the question too, and all weights move.",
                "self-every",
            ),
            Mistake(
                "x_i as a value forgotten",
                _jacobian(value=0),
                "You have how the weights move. What they are put on moves as well.",
                "self-every",
            ),
            Mistake(
                "the query's part in every block",
                _jacobian(query_everywhere=True),
                "Only x_j is the query of c_j. For i ≠ j the query does not move.",
                "self-every",
            ),
            Mistake(
                "c_j not subtracted",
                _jacobian(centre=False),
                "Raising one score lowers all other weights. In chapter 3's gradient, what is taken from h_i?",
                "self-every",
            ),
            Mistake(
                "only the diagonal blocks",
                _jacobian(own_only=True),
                "Every c_j moves with every x_i, not only with its own.",
                "self-every",
            ),
            Mistake(
                "inputs before outputs",
                _jacobian_transposed,
                "The first axis is the output's token j, the second the input's token i.",
                "self-every",
            ),
            Mistake(
                "W_Q and W_K exchanged",
                _jacobian_query_key_exchanged,
                "Row j of the weights belongs to the query of token j.",
                "self-hand",
            ),
            Mistake(
                "exp overflows",
                _jacobian_overflow,
                "exp(1000) is infinite. Subtract each row's largest score first; the softmax stays the same.",
                "self-hand",
            ),
        ],
        alternatives=[_jacobian_autograd, _jacobian_loops],
    ),
]
