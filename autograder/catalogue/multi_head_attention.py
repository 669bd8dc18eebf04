"""Chapter 7: what the exercises on heads ask of a candidate."""

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import multi_head_attention as mha

ASSIGNMENT = "07-multi-head-attention"


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


# ---- split_heads -------------------------------------------------------------------------------------------------


def split_cases(rng):
    yield Case("the worked example", {"X": np.arange(1.0, 9.0).reshape(1, 2, 4), "h": 2})
    for batch, n, h, d_k, dtype in [(1, 3, 3, 2, np.float64), (3, 5, 2, 4, np.float32), (2, 4, 5, 3, np.float64)]:
        yield Case(
            f"batch {batch}, {n} positions, {h} heads of width {d_k}, {np.dtype(dtype)}",
            {"X": normal(rng, dtype)(batch, n, h * d_k), "h": h},
        )
    yield Case("one head", {"X": normal(rng, np.float64)(2, 3, 4), "h": 1})
    yield Case("heads of width 1", {"X": normal(rng, np.float64)(2, 3, 4), "h": 4})


def _split_view(X, h):
    batch, n, d_model = X.shape
    return X.reshape(batch, h, n, d_model // h)


def _split_interleaved(X, h):
    batch, n, d_model = X.shape
    return X.reshape(batch, n, d_model // h, h).permute(0, 3, 1, 2)


def _split_not_moved(X, h):
    batch, n, d_model = X.shape
    return X.reshape(batch, n, h, d_model // h)


def _split_width_h(X, h):
    batch, n, d_model = X.shape
    return X.reshape(batch, n, d_model // h, h).transpose(1, 2)


def _split_positions(X, h):
    batch, n, d_model = X.shape
    return X.reshape(batch, n, h, d_model // h).permute(2, 0, 1, 3)


def _split_chunks(X, h):
    return torch.stack(X.chunk(h, dim=-1), dim=1)


def _split_loops(X, h):
    d_k = X.shape[-1] // h
    return torch.stack([torch.stack([x[:, a * d_k : (a + 1) * d_k] for a in range(h)]) for x in X])


def _split_unflatten(X, h):
    return X.unflatten(-1, (h, -1)).movedim(2, 1)


# ---- merge_heads -------------------------------------------------------------------------------------------------


def merge_cases(rng):
    yield Case("the worked example", {"X": np.array([[[[1.0, 2.0], [5.0, 6.0]], [[3.0, 4.0], [7.0, 8.0]]]])})
    for batch, h, n, d_k, dtype in [(1, 3, 3, 2, np.float64), (3, 2, 5, 4, np.float32), (2, 5, 4, 3, np.float64)]:
        yield Case(
            f"batch {batch}, {h} heads of width {d_k}, {n} positions, {np.dtype(dtype)}",
            {"X": normal(rng, dtype)(batch, h, n, d_k)},
        )
    yield Case("one head", {"X": normal(rng, np.float64)(2, 1, 3, 4)})


def _merge_view(X):
    batch, h, n, d_k = X.shape
    return X.reshape(batch, n, h * d_k)


def _merge_interleaved(X):
    batch, h, n, d_k = X.shape
    return X.permute(0, 2, 3, 1).reshape(batch, n, h * d_k)


def _merge_last_first(X):
    return mha.merge_heads(X.flip(1))


def _merge_average(X):
    return X.mean(1)


def _merge_stacked(X):
    batch, h, n, d_k = X.shape
    return X.reshape(batch, h * n, d_k)


def _merge_cat(X):
    return torch.cat(X.unbind(1), dim=-1)


def _merge_flatten(X):
    return X.permute(0, 2, 1, 3).flatten(2)


# ---- multi_head_attention ----------------------------------------------------------------------------------------


def may_attend(rng, *shape):
    """A random mask with at least one True and, where there is room, one False in each row."""
    mask = rng.random(shape) < 0.5
    first = rng.integers(shape[-1], size=shape[:-1])[..., None]
    np.put_along_axis(mask, first, True, -1)
    if shape[-1] > 1:
        np.put_along_axis(mask, (first + 1) % shape[-1], False, -1)
    return mask


def matrices(draw, d_model, h, d_k, d_v):
    """Scores of a size at which no softmax is one-hot: a missing root must show."""
    return {
        "W_Q": draw(d_model, h * d_k) / d_model**0.25,
        "W_K": draw(d_model, h * d_k) / d_model**0.25,
        "W_V": draw(d_model, h * d_v),
        "W_O": draw(h * d_v, d_model),
        "h": h,
    }


def float_matrices(made, dtype):
    return {name: W if name == "h" else W.astype(dtype) for name, W in made.items()}


def layer_cases(rng):
    yield Case(
        "the worked example",
        {
            "X_q": np.array([[[1.0, 0.0]]]),
            "X": np.array([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]]),
            "W_Q": np.array([[np.log(3.0), 0.0], [0.0, 0.0]]),
            "W_K": np.array([[1.0, 0.0], [0.0, 1.0]]),
            "W_V": np.array([[4.0, 2.0], [0.0, 6.0]]),
            "W_O": np.array([[1.0, 2.0], [0.0, 5.0]]),
            "h": 2,
            "mask": np.array([[[True, True, False]]]),
        },
    )
    for batch, t, m, h, d_k, d_v, d_model, dtype in [
        (1, 3, 3, 2, 2, 2, 4, np.float64),
        (3, 2, 5, 3, 4, 2, 6, np.float32),
        (2, 4, 4, 2, 3, 4, 8, np.float64),
        (2, 3, 1, 2, 2, 2, 4, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {t} queries, {m} keys, {h} heads, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "X_q": draw(batch, t, d_model),
                "X": draw(batch, m, d_model),
                **float_matrices(matrices(draw, d_model, h, d_k, d_v), dtype),
                "mask": may_attend(rng, batch, t, m),
            },
        )
    draw = normal(rng, np.float64)
    X = draw(2, 4, 6)
    yield Case(
        "self-attention with a causal mask of shape [1, n, n]",
        {"X_q": X, "X": X, **matrices(draw, 6, 3, 2, 2), "mask": np.tril(np.ones((1, 4, 4), dtype=bool))},
    )
    yield Case(
        "a padding mask of shape [batch, 1, m], width 5 for the words and 2 heads of width 3",
        {
            "X_q": draw(2, 3, 5),
            "X": draw(2, 4, 5),
            **matrices(draw, 5, 2, 3, 3),
            "mask": np.array([[[True, True, True, True]], [[True, True, False, False]]]),
        },
    )


def _layer(split=mha.split_heads, merge=mha.merge_heads, root=None, weigh=None, project=None):
    """A wrong ``multi_head_attention``: the right one with some of its steps replaced."""

    def candidate(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
        Q, K, V = split(X_q @ W_Q, h), split(X @ W_K, h), split(X @ W_V, h)
        scores = Q @ K.transpose(-2, -1) / (K.shape[-1] ** 0.5 if root is None else root(X_q, W_Q))
        hide = mask[..., None, :, :]
        alpha = weigh(scores, hide) if weigh else scores.masked_fill(~hide, -torch.inf).softmax(-1)
        C = merge(alpha @ V)
        return C @ W_O if project is None else project(C, W_O), alpha

    return candidate


def _layer_from_queries(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    return mha.multi_head_attention(X_q, X_q, W_Q, W_K, W_V, W_O, h, mask)


def _layer_roles_exchanged(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    return mha.multi_head_attention(X_q, X, W_K, W_Q, W_V, W_O, h, mask)


def _layer_sliced_first(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    def part(M, W):
        """Head a is columns a of M through block (a, a) of W."""
        blocks = [w.chunk(h, dim=-1)[a] for a, w in enumerate(W.chunk(h, dim=0))]
        return torch.stack([x @ w for x, w in zip(M.chunk(h, dim=-1), blocks, strict=True)], dim=1)

    Q, K, V = part(X_q, W_Q), part(X, W_K), part(X, W_V)
    scores = Q @ K.transpose(-2, -1) / K.shape[-1] ** 0.5
    alpha = scores.masked_fill(~mask[..., None, :, :], -torch.inf).softmax(-1)
    return mha.merge_heads(alpha @ V) @ W_O, alpha


def _layer_one_head(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    return mha.multi_head_attention(X_q, X, W_Q, W_K, W_V, W_O, 1, mask)


def _layer_weights_averaged(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    C, alpha = mha.multi_head_attention(X_q, X, W_Q, W_K, W_V, W_O, h, mask)
    return C, alpha.mean(1)


def _layer_loops(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    heads, weights = [], []
    for w_q, w_k, w_v in zip(W_Q.chunk(h, 1), W_K.chunk(h, 1), W_V.chunk(h, 1), strict=True):
        scores = X_q @ w_q @ (X @ w_k).transpose(1, 2) / w_k.shape[1] ** 0.5
        weights.append(torch.where(mask, scores, torch.full_like(scores, -torch.inf)).softmax(-1))
        heads.append(weights[-1] @ (X @ w_v))
    return torch.cat(heads, -1) @ W_O, torch.stack(weights, 1)


def _layer_einsum(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    d_model = len(W_Q)
    w_q, w_k, w_v = (W.reshape(d_model, h, -1) for W in (W_Q, W_K, W_V))
    scores = torch.einsum("btd,dak,eak,bme->batm", X_q, w_q, w_k, X) / w_k.shape[-1] ** 0.5
    alpha = scores.masked_fill(~mask[:, None], torch.finfo(X.dtype).min).softmax(-1)
    return torch.einsum("batm,bmd,dav,avo->bto", alpha, X, w_v, W_O.reshape(h, -1, d_model)), alpha


def _layer_library(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    Q, K, V = mha.split_heads(X_q @ W_Q, h), mha.split_heads(X @ W_K, h), mha.split_heads(X @ W_V, h)
    one_hot = torch.eye(X.shape[1], dtype=X.dtype).expand(*K.shape[:2], -1, -1)
    alpha = F.scaled_dot_product_attention(Q, K, one_hot, attn_mask=mask[:, None])
    C = F.scaled_dot_product_attention(Q, K, V, attn_mask=mask[:, None])
    return C.transpose(1, 2).flatten(2) @ W_O, alpha


# ---- head_contributions ------------------------------------------------------------------------------------------


def contributions_cases(rng):
    yield Case(
        "the worked example",
        {
            "heads": np.array([[[[1.0, 2.0]], [[3.0, 0.0]]]]),
            "W_O": np.array([[1.0, 0.0], [0.0, 2.0], [5.0, 1.0], [7.0, 6.0]]),
        },
    )
    for batch, h, t, d_v, d_model, dtype in [
        (1, 3, 2, 2, 5, np.float64),
        (3, 2, 4, 3, 6, np.float32),
        (2, 4, 3, 2, 8, np.float64),
        (2, 2, 2, 5, 3, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {h} heads of width {d_v}, {t} queries, d_model = {d_model}, {np.dtype(dtype)}",
            {"heads": draw(batch, h, t, d_v), "W_O": draw(h * d_v, d_model)},
        )
    yield Case("one head", {"heads": draw(2, 1, 3, 4), "W_O": draw(4, 5)})


def _contributions_interleaved(heads, W_O):
    _, h, _, d_v = heads.shape
    return np.einsum("bhtv,vhd->bhtd", heads, W_O.reshape(d_v, h, -1))


def _contributions_first_rows(heads, W_O):
    return heads @ W_O[: heads.shape[-1]]


def _contributions_summed(heads, W_O):
    return mha.head_contributions(heads, W_O).sum(1)


def _contributions_shared(heads, W_O):
    return mha.head_contributions(heads, W_O) / heads.shape[1]


def _contributions_backwards(heads, W_O):
    return mha.head_contributions(heads, W_O.reshape(heads.shape[1], heads.shape[3], -1)[::-1].reshape(W_O.shape))


def _contributions_equal_parts(heads, W_O):
    whole = mha.head_contributions(heads, W_O).sum(1, keepdims=True)
    return np.repeat(whole, heads.shape[1], axis=1) / heads.shape[1]


def _contributions_zeroed(heads, W_O):
    """All other heads silenced, the whole of W_O applied, one head after the other."""
    out = []
    for a in range(heads.shape[1]):
        only = np.zeros_like(heads)
        only[:, a] = heads[:, a]
        batch, h, t, d_v = heads.shape
        out.append(only.transpose(0, 2, 1, 3).reshape(batch, t, h * d_v) @ W_O)
    return np.stack(out, axis=1)


def _contributions_loops(heads, W_O):
    d_v = heads.shape[-1]
    return np.stack([heads[:, a] @ W_O[a * d_v : (a + 1) * d_v] for a in range(heads.shape[1])], axis=1)


# ---- pack_heads --------------------------------------------------------------------------------------------------


def pack_cases(rng):
    yield Case(
        "the worked example",
        {
            "W_Q": np.array([[[1.0], [2.0]], [[3.0], [4.0]]]),
            "W_K": np.array([[[5.0], [6.0]], [[7.0], [8.0]]]),
            "W_V": np.array([[[9.0], [10.0]], [[11.0], [12.0]]]),
            "W_O": np.array([[13.0, 14.0], [15.0, 16.0]]),
        },
    )
    for h, d_k, dtype in [(2, 2, np.float64), (3, 2, np.float32), (2, 5, np.float64), (4, 3, np.float32)]:
        draw, d_model = normal(rng, dtype), h * d_k
        yield Case(
            f"{h} heads of width {d_k}, {np.dtype(dtype)}",
            {name: draw(h, d_model, d_k) for name in ("W_Q", "W_K", "W_V")} | {"W_O": draw(d_model, d_model)},
        )
    yield Case("one head", {name: draw(1, 3, 3) for name in ("W_Q", "W_K", "W_V")} | {"W_O": draw(3, 3)})


def _pack_not_transposed(W_Q, W_K, W_V, W_O):
    packed, out = mha.pack_heads(W_Q, W_K, W_V, W_O)
    return packed.T, out


def _pack_out_not_transposed(W_Q, W_K, W_V, W_O):
    return mha.pack_heads(W_Q, W_K, W_V, W_O.T)


def _pack_stacked_below(W_Q, W_K, W_V, W_O):
    return np.concatenate([W.reshape(-1, W.shape[1]) for W in (W_Q, W_K, W_V)]), W_O.T


def _pack_reshaped(W_Q, W_K, W_V, W_O):
    return np.concatenate([W.reshape(W.shape[1], -1).T for W in (W_Q, W_K, W_V)]), W_O.T


def _pack_by_head(W_Q, W_K, W_V, W_O):
    return np.concatenate([w.T for of_a_head in zip(W_Q, W_K, W_V, strict=True) for w in of_a_head]), W_O.T


def _pack_k_first(W_Q, W_K, W_V, W_O):
    return mha.pack_heads(W_K, W_Q, W_V, W_O)


def _pack_interleaved(W_Q, W_K, W_V, W_O):
    return np.concatenate([W.transpose(2, 0, 1).reshape(-1, W.shape[1]) for W in (W_Q, W_K, W_V)]), W_O.T


def _pack_axes(W_Q, W_K, W_V, W_O):
    return np.concatenate([W.transpose(0, 2, 1).reshape(-1, W.shape[1]) for W in (W_Q, W_K, W_V)]), W_O.T.copy()


def _pack_rows(W_Q, W_K, W_V, W_O):
    return np.array([w[:, j] for W in (W_Q, W_K, W_V) for w in W for j in range(w.shape[1])]), np.transpose(W_O)


# ---- prune_heads -------------------------------------------------------------------------------------------------


def prune_cases(rng):
    yield Case(
        "the worked example",
        {
            "W_Q": np.array([[1.0, 2.0], [3.0, 4.0]]),
            "W_K": np.array([[5.0, 6.0], [7.0, 8.0]]),
            "W_V": np.array([[9.0, 10.0], [11.0, 12.0]]),
            "W_O": np.array([[13.0, 14.0], [15.0, 16.0]]),
            "h": 2,
            "keep": [1],
        },
    )
    for d_model, h, d_k, d_v, keep, dtype in [
        (6, 3, 2, 2, [0, 2], np.float64),
        (8, 4, 2, 2, [1], np.float32),
        (5, 4, 3, 2, [0, 1, 3], np.float64),
        (7, 5, 2, 4, [2, 3], np.float32),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{h} heads of which {len(keep)} stay, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "W_Q": draw(d_model, h * d_k),
                "W_K": draw(d_model, h * d_k),
                "W_V": draw(d_model, h * d_v),
                "W_O": draw(h * d_v, d_model),
                "h": h,
                "keep": keep,
            },
        )
    yield Case(
        "all heads stay",
        {"W_Q": draw(4, 6), "W_K": draw(4, 6), "W_V": draw(4, 3), "W_O": draw(3, 4), "h": 3, "keep": [0, 1, 2]},
    )


def _columns(W, h, keep):
    return W.reshape(len(W), h, -1)[:, keep].reshape(len(W), -1)


def _prune_the_others(W_Q, W_K, W_V, W_O, h, keep):
    return mha.prune_heads(W_Q, W_K, W_V, W_O, h, [a for a in range(h) if a not in keep])


def _prune_w_o_columns(W_Q, W_K, W_V, W_O, h, keep):
    return *(_columns(W, h, keep) for W in (W_Q, W_K, W_V)), _columns(W_O, h, keep)


def _prune_w_o_whole(W_Q, W_K, W_V, W_O, h, keep):
    return *(_columns(W, h, keep) for W in (W_Q, W_K, W_V)), W_O.copy()


def _prune_zeroed(W_Q, W_K, W_V, W_O, h, keep):
    def blank(W):
        parts = W.reshape(len(W), h, -1)
        return (parts * np.isin(np.arange(h), keep)[:, None]).astype(W.dtype).reshape(W.shape)

    return blank(W_Q), blank(W_K), blank(W_V), blank(W_O.T).T


def _prune_interleaved(W_Q, W_K, W_V, W_O, h, keep):
    def columns(W):
        return W.reshape(len(W), -1, h)[:, :, keep].reshape(len(W), -1)

    return columns(W_Q), columns(W_K), columns(W_V), columns(W_O.T).T


def _prune_from_one(W_Q, W_K, W_V, W_O, h, keep):
    return mha.prune_heads(W_Q, W_K, W_V, W_O, h, [a - 1 for a in keep])


def _prune_rescaled(W_Q, W_K, W_V, W_O, h, keep):
    *inner, W_O = mha.prune_heads(W_Q, W_K, W_V, W_O, h, keep)
    return *inner, W_O * W_O.dtype.type(h / len(keep))


def _prune_first(W_Q, W_K, W_V, W_O, h, keep):
    return mha.prune_heads(W_Q, W_K, W_V, W_O, h, list(range(len(keep))))


def _prune_split(W_Q, W_K, W_V, W_O, h, keep):
    def chosen(W, axis):
        parts = np.split(W, h, axis=axis)
        return np.concatenate([parts[a] for a in keep], axis=axis)

    return chosen(W_Q, 1), chosen(W_K, 1), chosen(W_V, 1), chosen(W_O, 0)


def _prune_index(W_Q, W_K, W_V, W_O, h, keep):
    def index(width):
        return np.concatenate([np.arange(a * width, (a + 1) * width) for a in keep])

    k, v = index(W_Q.shape[1] // h), index(W_V.shape[1] // h)
    return W_Q[:, k], W_K[:, k], W_V[:, v], W_O[v]


def _prune_mask(W_Q, W_K, W_V, W_O, h, keep):
    k = np.repeat(np.isin(np.arange(h), keep), W_Q.shape[1] // h)
    v = np.repeat(np.isin(np.arange(h), keep), W_V.shape[1] // h)
    return W_Q[:, k], W_K[:, k], W_V[:, v], W_O[v, :]


# ---- grouped_query_attention -------------------------------------------------------------------------------------


def grouped_matrices(draw, d_model, h, g, d_k, d_v):
    return {
        "W_Q": draw(d_model, h * d_k) / d_model**0.25,
        "W_K": draw(d_model, g * d_k) / d_model**0.25,
        "W_V": draw(d_model, g * d_v),
        "W_O": draw(h * d_v, d_model),
        "h": h,
        "g": g,
    }


def grouped_cases(rng):
    yield Case(
        "the worked example",
        {
            "X_q": np.array([[[1.0]]]),
            "X": np.array([[[1.0], [2.0]]]),
            "W_Q": np.array([[0.0, np.log(3.0), 0.0, 0.0]]),
            "W_K": np.array([[1.0, 0.0]]),
            "W_V": np.array([[4.0, 8.0]]),
            "W_O": np.array([[1.0], [1.0], [0.0], [2.0]]),
            "h": 4,
            "g": 2,
            "mask": np.array([[[True, True]]]),
        },
    )
    for batch, t, m, h, g, d_k, d_v, d_model, dtype in [
        (2, 3, 4, 4, 2, 2, 2, 8, np.float64),
        (3, 2, 5, 6, 3, 3, 2, 5, np.float32),
        (1, 4, 3, 6, 2, 2, 3, 4, np.float64),
        (2, 2, 3, 3, 1, 2, 2, 6, np.float64),
        (2, 3, 3, 2, 2, 3, 2, 4, np.float32),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{h} query heads, {g} of keys and values, {t} queries, {m} keys, d_k = {d_k}, {np.dtype(dtype)}",
            {
                "X_q": draw(batch, t, d_model),
                "X": draw(batch, m, d_model),
                **{
                    name: W if isinstance(W, int) else W.astype(dtype)
                    for name, W in grouped_matrices(draw, d_model, h, g, d_k, d_v).items()
                },
                "mask": may_attend(rng, batch, t, m),
            },
        )


def _grouped(keys=None, values=None, root=None, weigh=None, project=None):
    """A wrong ``grouped_query_attention``: the right one with some of its steps replaced."""

    def right(M, h, g):
        return M.repeat_interleave(h // g, dim=1)

    def candidate(X_q, X, W_Q, W_K, W_V, W_O, h, g, mask):
        Q = mha.split_heads(X_q @ W_Q, h)
        K = (keys or right)(mha.split_heads(X @ W_K, g), h, g)
        V = (values or right)(mha.split_heads(X @ W_V, g), h, g)
        scores = Q @ K.transpose(-2, -1) / (K.shape[-1] ** 0.5 if root is None else root(X_q, W_Q))
        hide = mask[..., None, :, :]
        alpha = weigh(scores, hide) if weigh else scores.masked_fill(~hide, -torch.inf).softmax(-1)
        C = mha.merge_heads(alpha @ V)
        return C @ W_O if project is None else project(C, W_O)

    return candidate


def _in_turn(M, h, g):
    return M.repeat(1, h // g, 1, 1)


def _first_only(M, h, g):
    return M[:, :1].expand(-1, h, -1, -1)


def _averaged(M, h, g):
    return M.mean(1, keepdim=True).expand(-1, h, -1, -1)


def _grouped_copied_matrices(X_q, X, W_Q, W_K, W_V, W_O, h, g, mask):
    """Multi-head attention whose matrices hold each group's block several times."""

    def copied(W):
        return W.reshape(len(W), g, 1, -1).expand(-1, -1, h // g, -1).reshape(len(W), -1)

    return mha.multi_head_attention(X_q, X, W_Q, copied(W_K), copied(W_V), W_O, h, mask)[0]


def _grouped_broadcast(X_q, X, W_Q, W_K, W_V, W_O, h, g, mask):
    """No copies: the queries get an axis for the group, and keys and values are broadcast along the other."""
    Q = mha.split_heads(X_q @ W_Q, h).unflatten(1, (g, h // g))  # [batch, g, h/g, t, d_k]
    K = mha.split_heads(X @ W_K, g).unsqueeze(2)
    V = mha.split_heads(X @ W_V, g).unsqueeze(2)
    scores = Q @ K.mT / K.shape[-1] ** 0.5
    alpha = scores.masked_fill(~mask[:, None, None], -torch.inf).softmax(-1)
    return mha.merge_heads((alpha @ V).flatten(1, 2)) @ W_O


def _grouped_loops(X_q, X, W_Q, W_K, W_V, W_O, h, g, mask):
    q, k, v, o = W_Q.chunk(h, 1), W_K.chunk(g, 1), W_V.chunk(g, 1), W_O.chunk(h, 0)
    out = 0
    for a in range(h):
        b = a // (h // g)
        scores = X_q @ q[a] @ (X @ k[b]).mT / k[b].shape[1] ** 0.5
        out = out + scores.masked_fill(~mask, -torch.inf).softmax(-1) @ (X @ v[b]) @ o[a]
    return out


EXERCISES = [
    Exercise(
        name="split_heads",
        assignment=ASSIGNMENT,
        section="mha-walk",
        points=1,
        difficulty=2,
        minutes=10,
        reference=mha.split_heads,
        probe=probe.call_with_gradients,
        cases=split_cases,
        mistakes=[
            Mistake(
                "heads by view without transpose",
                _split_view,
                "The shape is right, but your first head holds whole words and no slices of words: the numbers of one "
                "position have come under different heads. Cut the width first, then move an axis.",
                "mha-view",
            ),
            Mistake(
                "heads interleaved",
                _split_interleaved,
                "Your first head holds every h-th column. It should hold the first d_k columns. Which of the two new "
                "axes comes last when you cut the width?",
                "mha-walk",
            ),
            Mistake(
                "the heads' axis not moved",
                _split_not_moved,
                "You have [batch, n, h, d_k]. The heads belong before the positions.",
                "mha-walk",
            ),
            Mistake(
                "width and number of heads exchanged",
                _split_width_h,
                "Your result has d_model / h heads of width h. h is how many heads there are.",
                "mha-walk",
            ),
            Mistake(
                "heads before the batch",
                _split_positions,
                "You have [h, batch, n, d_k]. The batch stays in front.",
                "mha-walk",
            ),
        ],
        alternatives=[_split_chunks, _split_loops, _split_unflatten],
        framework="torch",
    ),
    Exercise(
        name="merge_heads",
        assignment=ASSIGNMENT,
        section="mha-walk",
        points=1,
        difficulty=2,
        minutes=8,
        reference=mha.merge_heads,
        probe=probe.call_with_gradients,
        cases=merge_cases,
        mistakes=[
            Mistake(
                "reshaped without transpose",
                _merge_view,
                "The shape is right, but a row of your result is made of several positions of one head. Move the axes "
                "back before you merge them.",
                "mha-view",
            ),
            Mistake(
                "heads interleaved",
                _merge_interleaved,
                "Your row holds the first number of every head, then the second of every head. It should hold all of "
                "the first head, then all of the second.",
                "mha-walk",
            ),
            Mistake(
                "last head first",
                _merge_last_first,
                "You put the heads side by side in the opposite order. W_O's first rows belong to the first head.",
                "mha-output",
            ),
            Mistake(
                "heads averaged",
                _merge_average,
                "An average of the heads is one pattern again. The heads are put side by side, so that the width is "
                "h times theirs.",
                "mha-output",
            ),
            Mistake(
                "heads one below the other",
                _merge_stacked,
                "You have h·n rows. A position is still one row, wider than before.",
                "mha-walk",
            ),
        ],
        alternatives=[_merge_cat, _merge_flatten],
        framework="torch",
    ),
    Exercise(
        name="multi_head_attention",
        assignment=ASSIGNMENT,
        section="mha-formula",
        points=3,
        difficulty=4,
        minutes=30,
        reference=mha.multi_head_attention,
        probe=probe.call_with_gradients,
        cases=layer_cases,
        mistakes=[
            Mistake(
                "√d_model in place of √d_k",
                _layer(root=lambda X_q, W_Q: X_q.shape[-1] ** 0.5),
                "The root is of the width over which one score is summed. A head sums over its own width only.",
                "mha-formula",
            ),
            Mistake(
                "the root of all heads' width",
                _layer(root=lambda X_q, W_Q: W_Q.shape[-1] ** 0.5),
                "You divide by the root of h·d_k, the width of the whole projection. How many products does a score of "
                "one head add up?",
                "mha-formula",
            ),
            Mistake(
                "not scaled",
                _layer(root=lambda X_q, W_Q: 1.0),
                "Your scores are not divided by anything. Each head is chapter 6's scaled attention.",
                "mha-formula",
            ),
            Mistake(
                "W_O forgotten",
                _layer(project=lambda C, W_O: C),
                "You return the heads side by side. One matrix is left over.",
                "mha-output",
            ),
            Mistake(
                "W_O transposed",
                _layer(project=lambda C, W_O: C @ W_O.T),
                "W_O has h·d_v rows, one for each column of the concatenated heads. It multiplies as it is.",
                "mha-output",
            ),
            Mistake(
                "heads by view without transpose",
                _layer(split=_split_view, merge=_merge_view),
                "The shapes are right, but positions and heads are mixed up. Compare one head with its own columns of "
                "the projection.",
                "mha-view",
            ),
            Mistake(
                "split right, merged without transpose",
                _layer(merge=_merge_view),
                "Up to the heads' results all is right. Then rows of different positions get into one row.",
                "mha-view",
            ),
            Mistake(
                "heads concatenated in the wrong order",
                _layer(merge=_merge_last_first),
                "Your first head meets the last rows of W_O. It belongs to the first ones.",
                "mha-output",
            ),
            Mistake(
                "heads interleaved",
                _layer(merge=_merge_interleaved),
                "Before W_O your row holds the first number of every head, then the second of every head.",
                "mha-output",
            ),
            Mistake(
                "mask inverted",
                _layer(weigh=lambda scores, may: scores.masked_fill(may, -torch.inf).softmax(-1)),
                "You hide what may be looked at. True means may attend here; masked_fill fills where it finds True.",
                "mha-torch",
            ),
            Mistake(
                "mask not used",
                _layer(weigh=lambda scores, may: scores.softmax(-1)),
                "Weight goes where the mask is False.",
                "mha-formula",
            ),
            Mistake(
                "softmax over the queries",
                _layer(weigh=lambda scores, may: scores.masked_fill(~may, -torch.inf).softmax(-2).nan_to_num(0)),
                "In each head, a query's weights over the keys sum to 1. Along which axis do yours?",
                "mha-formula",
            ),
            Mistake(
                "softmax over the heads",
                _layer(weigh=lambda scores, may: scores.masked_fill(~may, -torch.inf).softmax(1).nan_to_num(0)),
                "Your heads share one unit of weight for each pair of words. Each head has a softmax of its own, over "
                "the keys.",
                "mha-formula",
            ),
            Mistake(
                "keys and values from the query side",
                _layer_from_queries,
                "All three projections are taken of X_q in yours. Who asks, and who is asked?",
                "mha-uses",
            ),
            Mistake(
                "W_Q and W_K exchanged",
                _layer_roles_exchanged,
                "X_q asks: it goes through W_Q.",
                "mha-formula",
            ),
            Mistake(
                "X sliced before projecting",
                _layer_sliced_first,
                "Your first head sees only the first columns of X. Every head sees the whole of X; what is cut is the "
                "projection.",
                "mha-slices",
            ),
            Mistake(
                "one head",
                _layer_one_head,
                "You treat the whole width as one head. There should be h rows of weights for each query.",
                "mha-formula",
            ),
            Mistake(
                "weights averaged over the heads",
                _layer_weights_averaged,
                "The output is right. The weights are asked for head by head: [batch, h, t, m].",
                "mha-torch",
            ),
        ],
        alternatives=[_layer_loops, _layer_einsum, _layer_library],
        framework="torch",
        instead_of=("torch.nn.functional.scaled_dot_product_attention", "torch.nn.MultiheadAttention"),
    ),
    Exercise(
        name="head_contributions",
        assignment=ASSIGNMENT,
        section="mha-output",
        points=2,
        difficulty=3,
        minutes=15,
        reference=mha.head_contributions,
        probe=probe.call,
        cases=contributions_cases,
        mistakes=[
            Mistake(
                "W_O's rows interleaved",
                _contributions_interleaved,
                "The rows of W_O are in the order of the concatenated heads: all rows of the first head come first.",
                "mha-output",
            ),
            Mistake(
                "the same rows for all heads",
                _contributions_first_rows,
                "You use the first d_v rows of W_O for every head. Each head has rows of its own.",
                "mha-output",
            ),
            Mistake(
                "summed already",
                _contributions_summed,
                "That is the output of the layer. Asked for are its parts, one for each head.",
                "mha-output",
            ),
            Mistake(
                "divided by the number of heads",
                _contributions_shared,
                "Your parts sum to the output divided by h. The heads are summed, not averaged.",
                "mha-output",
            ),
            Mistake(
                "last rows first",
                _contributions_backwards,
                "Your first head goes through the last rows of W_O. It belongs to the first d_v.",
                "mha-output",
            ),
            Mistake(
                "the output in equal parts",
                _contributions_equal_parts,
                "Your parts sum to the output, but they are all the same. Each head makes its own.",
                "mha-output",
            ),
        ],
        alternatives=[_contributions_zeroed, _contributions_loops],
    ),
    Exercise(
        name="pack_heads",
        assignment=ASSIGNMENT,
        section="mha-torch",
        points=2,
        difficulty=3,
        minutes=20,
        reference=mha.pack_heads,
        probe=probe.call,
        cases=pack_cases,
        mistakes=[
            Mistake(
                "in_proj_weight not transposed",
                _pack_not_transposed,
                "PyTorch stores a weight as [out, in] and multiplies by its transpose. Yours is [in, out].",
                "mha-torch",
            ),
            Mistake(
                "out_proj.weight not transposed",
                _pack_out_not_transposed,
                "in_proj_weight is right. out_proj is an nn.Linear too, and stores its weight as [out, in].",
                "mha-torch",
            ),
            Mistake(
                "heads stacked without transposing each",
                _pack_stacked_below,
                "Your matrices lie in the right order, but each row mixes entries of different columns. A row of "
                "in_proj_weight is one column of one head's matrix.",
                "mha-torch",
            ),
            Mistake(
                "[h, d_model, d_k] reshaped to [d_model, h·d_k]",
                _pack_reshaped,
                "A reshape does not put matrices side by side, it only reads the same numbers in other rows. Move the "
                "axis of the heads first, or concatenate.",
                "mha-view",
            ),
            Mistake(
                "packed head by head",
                _pack_by_head,
                "You have Q, K, V of the first head, then Q, K, V of the second. PyTorch wants Q of all heads first.",
                "mha-torch",
            ),
            Mistake(
                "K before Q",
                _pack_k_first,
                "in_proj_weight holds Q in its first third, then K, then V.",
                "mha-torch",
            ),
            Mistake(
                "heads interleaved",
                _pack_interleaved,
                "You take the first column of every head, then the second of every head. The first comes whole, then "
                "the next.",
                "mha-torch",
            ),
        ],
        alternatives=[_pack_axes, _pack_rows],
    ),
    Exercise(
        name="prune_heads",
        assignment=ASSIGNMENT,
        section="mha-prune",
        points=2,
        difficulty=3,
        minutes=20,
        reference=mha.prune_heads,
        probe=probe.call,
        cases=prune_cases,
        mistakes=[
            Mistake(
                "the other heads kept",
                _prune_the_others,
                "You removed the heads in keep. They are the ones that stay.",
                "mha-prune",
            ),
            Mistake(
                "W_O cut by columns",
                _prune_w_o_columns,
                "The columns of W_O are the entries of the output, which belong to no head. Where does a head enter "
                "W_O?",
                "mha-output",
            ),
            Mistake(
                "W_O left whole",
                _prune_w_o_whole,
                "The concatenated heads are narrower now, so W_O no longer fits behind them.",
                "mha-output",
            ),
            Mistake(
                "zeroed and not removed",
                _prune_zeroed,
                "The output is the same, but nothing has become smaller or cheaper. Take the columns out.",
                "mha-prune",
            ),
            Mistake(
                "every h-th column",
                _prune_interleaved,
                "A head is a block of neighbouring columns, not every h-th one.",
                "mha-slices",
            ),
            Mistake(
                "heads counted from 1",
                _prune_from_one,
                "Head 0 is the first block of columns.",
                "mha-prune",
            ),
            Mistake(
                "W_O scaled up",
                _prune_rescaled,
                "You made up for the missing heads by a factor. The output is a sum over heads; what remains should be "
                "what these heads add to it.",
                "mha-output",
            ),
            Mistake(
                "the first heads kept",
                _prune_first,
                "You keep as many heads as asked, but always the first ones.",
                "mha-prune",
            ),
        ],
        alternatives=[_prune_split, _prune_index, _prune_mask],
    ),
    Exercise(
        name="grouped_query_attention",
        assignment=ASSIGNMENT,
        section="mha-variants",
        points=3,
        difficulty=4,
        minutes=25,
        reference=mha.grouped_query_attention,
        probe=probe.call_with_gradients,
        cases=grouped_cases,
        mistakes=[
            Mistake(
                "groups taken in turn",
                _grouped(keys=_in_turn, values=_in_turn),
                "Your query heads 0, 1, 2, 3 use key heads 0, 1, 0, 1. Neighbouring query heads form a group and share "
                "one key head: repeat each head before you go to the next.",
                "mha-variants",
            ),
            Mistake(
                "values taken in turn",
                _grouped(values=_in_turn),
                "The keys are grouped right, the values are not. A query head takes both from the same head.",
                "mha-variants",
            ),
            Mistake(
                "only the first key head used",
                _grouped(keys=_first_only, values=_first_only),
                "All your query heads use the first head of keys and values. That is multi-query attention, g = 1.",
                "mha-variants",
            ),
            Mistake(
                "key heads averaged",
                _grouped(keys=_averaged, values=_averaged),
                "You average the heads of keys and values, and all queries get the same. Each group has its own.",
                "mha-variants",
            ),
            Mistake(
                "√d_model in place of √d_k",
                _grouped(root=lambda X_q, W_Q: X_q.shape[-1] ** 0.5),
                "The root is of the width over which one score is summed, that of one head.",
                "mha-formula",
            ),
            Mistake(
                "the root of all heads' width",
                _grouped(root=lambda X_q, W_Q: W_Q.shape[-1] ** 0.5),
                "You divide by the root of h·d_k, the width of the whole projection. How many products does a score of "
                "one head add up?",
                "mha-formula",
            ),
            Mistake(
                "not scaled",
                _grouped(root=lambda X_q, W_Q: 1.0),
                "Your scores are not divided by anything. Each head is chapter 6's scaled attention.",
                "mha-formula",
            ),
            Mistake(
                "mask inverted",
                _grouped(weigh=lambda scores, may: scores.masked_fill(may, -torch.inf).softmax(-1)),
                "You hide what may be looked at. True means may attend; masked_fill fills where it finds True.",
                "mha-torch",
            ),
            Mistake(
                "mask not used",
                _grouped(weigh=lambda scores, may: scores.softmax(-1)),
                "Weight goes where the mask is False.",
                "mha-formula",
            ),
            Mistake(
                "W_O forgotten",
                _grouped(project=lambda C, W_O: C),
                "You return the heads side by side. One matrix is left over.",
                "mha-output",
            ),
        ],
        alternatives=[_grouped_copied_matrices, _grouped_broadcast, _grouped_loops],
        framework="torch",
    ),
]
