"""Chapter 9: what the exercises on the Transformer ask of a candidate."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import transformer
from autograder.reference.multi_head_attention import merge_heads, split_heads

ASSIGNMENT = "09-transformer"


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


# ---- layer_norm --------------------------------------------------------------------------------------------------


def norm_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[[1.0, 1.0, -1.0, 3.0]]]),
            "gain": np.array([1.0, 1.0, 3.0, 2.0]),
            "bias": np.array([0.0, 5.0, 0.0, 1.0]),
            "eps": 2.0,
        },
    )
    for batch, n, d_model, eps, dtype in [
        (3, 4, 5, 0.1, np.float64),
        (2, 3, 7, 0.5, np.float32),
        (4, 4, 4, 0.2, np.float64),
        (2, 5, 6, 1e-5, np.float32),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {n} positions, width {d_model}, eps = {eps:g}, {np.dtype(dtype)}",
            {"X": draw(batch, n, d_model) + dtype(2), "gain": draw(d_model), "bias": draw(d_model), "eps": eps},
        )
    X = normal(rng, np.float64)(2, 3, 4)
    X[0, 1] = 3.0
    yield Case(
        "a position whose numbers are all equal",
        {"X": X, "gain": rng.normal(size=4), "bias": rng.normal(size=4), "eps": 0.01},
    )


def _norm(axes=-1, correction=0, root=None, centre=True):
    """A wrong ``layer_norm``: the right one with some of its steps replaced."""

    def candidate(X, gain, bias, eps):
        mu = X.mean(axes, keepdim=True)
        variance = X.var(axes, correction=correction, keepdim=True)
        scale = (variance + eps).sqrt() if root is None else root(variance, eps)
        return gain * (X - mu if centre else X) / scale + bias

    return candidate


def _norm_root_mean_square(X, gain, bias, eps):
    return gain * X / (X.square().mean(-1, keepdim=True) + eps).sqrt() + bias


def _norm_without_gain_and_bias(X, gain, bias, eps):
    return _norm()(X, torch.ones_like(gain), torch.zeros_like(bias), eps)


def _norm_without_bias(X, gain, bias, eps):
    return _norm()(X, gain, torch.zeros_like(bias), eps)


def _norm_gain_first(X, gain, bias, eps):
    return _norm()(gain * X + bias, torch.ones_like(gain), torch.zeros_like(bias), eps)


def _norm_library(X, gain, bias, eps):
    return F.layer_norm(X, X.shape[-1:], gain, bias, eps)


def _norm_loops(X, gain, bias, eps):
    rows = []
    for x in X.reshape(-1, X.shape[-1]):
        centred = x - x.sum() / len(x)
        rows.append(centred * gain * torch.rsqrt((centred @ centred) / len(x) + eps) + bias)
    return torch.stack(rows).reshape(X.shape)


def _norm_moments(X, gain, bias, eps):
    mu = torch.einsum("bnd->bn", X)[..., None] / X.shape[-1]
    variance = torch.var(X, dim=2, unbiased=False, keepdim=True)
    return torch.addcmul(bias, (X - mu) / torch.sqrt(eps + variance), gain)


# ---- feed_forward_block ------------------------------------------------------------------------------------------


def block_cases(rng):
    yield Case(
        "the worked example",
        {
            "X": np.array([[[1.0, 3.0]]]),
            "W_1": np.array([[1.0, 0.0], [0.0, -1.0]]),
            "b_1": np.array([0.0, 1.0]),
            "W_2": np.array([[2.0, 1.0], [1.0, 1.0]]),
            "b_2": np.array([2.0, -1.0]),
            "gain": np.array([1.0, 2.0]),
            "bias": np.array([0.0, 1.0]),
            "pre_norm": False,
        },
    )
    for batch, n, d_model, d_ff, pre_norm, dtype in [
        (2, 3, 4, 6, False, np.float64),
        (2, 3, 4, 6, True, np.float64),
        (3, 2, 5, 8, True, np.float32),
        (1, 4, 6, 9, False, np.float32),
        (2, 1, 5, 3, True, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{'pre' if pre_norm else 'post'}-norm, batch {batch}, {n} positions, d_model = {d_model}, d_ff = {d_ff}, "
            f"{np.dtype(dtype)}",
            {
                "X": 2 * draw(batch, n, d_model) + dtype(1),
                "W_1": draw(d_model, d_ff),
                "b_1": draw(d_ff),
                "W_2": draw(d_ff, d_model),
                "b_2": draw(d_model),
                "gain": draw(d_model),
                "bias": draw(d_model),
                "pre_norm": pre_norm,
            },
        )


def _block(inner=torch.relu, outer=None, first=None, biases=(1, 1), post=None, pre=None, swap=False):
    """A wrong ``feed_forward_block``: the right one with some of its steps replaced.

    ``post`` and ``pre`` take X, the network and the norm.
    """

    def candidate(X, W_1, b_1, W_2, b_2, gain, bias, pre_norm):
        def ffn(X):
            hidden = inner((first or (lambda X: X))(X) @ W_1 + biases[0] * b_1)
            out = hidden @ W_2 + biases[1] * b_2
            return outer(out) if outer else out

        def norm(X):
            return transformer.layer_norm(X, gain, bias)

        if pre_norm != swap:
            return pre(X, ffn, norm) if pre else X + ffn(norm(X))
        return post(X, ffn, norm) if post else norm(X + ffn(X))

    return candidate


def _block_library(X, W_1, b_1, W_2, b_2, gain, bias, pre_norm):
    def norm(X):
        return F.layer_norm(X, gain.shape, gain, bias)

    N = norm(X) if pre_norm else X
    out = X + F.linear(F.relu(F.linear(N, W_1.T, b_1)), W_2.T, b_2)
    return out if pre_norm else norm(out)


def _block_by_position(X, W_1, b_1, W_2, b_2, gain, bias, pre_norm):
    """One position after the other: the network is position-wise."""
    out = [
        transformer.feed_forward_block(x[None, None], W_1, b_1, W_2, b_2, gain, bias, pre_norm) for x in X.flatten(0, 1)
    ]
    return torch.cat(out).reshape(X.shape)


def _block_einsum(X, W_1, b_1, W_2, b_2, gain, bias, pre_norm):
    norm = torch.nn.LayerNorm(len(gain), dtype=X.dtype)
    weights = {"weight": gain, "bias": bias}
    N = torch.func.functional_call(norm, weights, (X,)) if pre_norm else X
    hidden = (torch.einsum("bnd,df->bnf", N, W_1) + b_1).clamp(min=0)
    out = X + torch.einsum("bnf,fd->bnd", hidden, W_2) + b_2
    return out if pre_norm else torch.func.functional_call(norm, weights, (out,))


# ---- embed_tokens ------------------------------------------------------------------------------------------------


def embed_cases(rng):
    yield Case(
        "the worked example",
        {
            "tokens": np.array([[2, 0]]),
            "E": np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]]),
            "PE": np.array([[0.0, 1.0, 0.0, 1.0], [5.0, 5.0, 5.0, 5.0], [7.0, 8.0, 9.0, 10.0]]),
            "start": 1,
        },
    )
    for batch, n, V, d_model, start, dtype in [
        (2, 3, 7, 6, 0, np.float64),
        (3, 4, 9, 5, 2, np.float32),
        (4, 1, 8, 3, 5, np.float64),
        (1, 5, 6, 8, 1, np.float32),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {n} tokens from position {start}, {V} words, d_model = {d_model}, {np.dtype(dtype)}",
            {
                "tokens": rng.integers(V, size=(batch, n)),
                "E": draw(V, d_model),
                "PE": draw(10, d_model),
                "start": start,
            },
        )


def _embed(scale, place=None, both=False):
    """A wrong ``embed_tokens``: ``scale`` takes E; ``place`` the rows of PE from tokens and start."""

    def candidate(tokens, E, PE, start):
        rows = PE[start : start + tokens.shape[1]] if place is None else place(tokens, PE, start)
        return scale(E) * (E[tokens] + rows) if both else scale(E) * E[tokens] + rows

    return candidate


def _root(E):
    return E.shape[1] ** 0.5


def _embed_one_hot(tokens, E, PE, start):
    one_hot = F.one_hot(tokens, len(E)).to(E)
    return math.sqrt(E.shape[-1]) * one_hot @ E + PE.narrow(0, start, tokens.shape[-1])


def _embed_library(tokens, E, PE, start):
    places = torch.arange(tokens.shape[1]) + start
    return torch.add(PE[places][None], F.embedding(tokens, E), alpha=E.shape[1] ** 0.5)


# ---- decoder_layer -----------------------------------------------------------------------------------------------


def call_layer(candidate, Y, X, real, W_self, W_cross, W_ff, gains):
    """Call the layer with sublayers made of the matrices; pull gradients back to Y, X and all of them."""

    def wired(Y, X, real, W_self, W_cross, W_ff, gains):
        def attention(W):
            def attend(X_q, X, mask):
                scores = X_q @ W @ X.transpose(1, 2) / X.shape[-1] ** 0.5
                return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ X @ W

            return attend

        def norm(gain):
            return lambda X: torch.nn.functional.layer_norm(X, gain.shape, gain)

        return candidate(
            Y,
            X,
            real,
            attention(W_self),
            attention(W_cross),
            lambda X: torch.relu(X @ W_ff),
            [norm(gain) for gain in gains],
        )

    inputs = {"Y": Y, "X": X, "real": real, "W_self": W_self, "W_cross": W_cross, "W_ff": W_ff, "gains": gains}
    return probe.with_gradients(wired, inputs, {})


def wiring_cases(rng):
    yield Case(
        "the worked example",
        {
            "Y": np.array([[[1.0, 3.0]]]),
            "X": np.array([[[4.0, 0.0], [0.0, 9.0]]]),
            "real": np.array([[True, False]]),
            "W_self": np.array([[1.0, 0.0], [0.0, 1.0]]),
            "W_cross": np.array([[1.0, 0.0], [0.0, 1.0]]),
            "W_ff": np.array([[2.0, 0.0], [0.0, 2.0]]),
            "gains": np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 3.0]]),
        },
    )
    for t, lengths, d_model, dtype in [
        (3, [4, 2], 5, np.float64),
        (2, [3, 1, 5], 4, np.float32),
        (4, [4, 3], 3, np.float64),
        (5, [2], 6, np.float32),
    ]:
        draw, batch, m = normal(rng, dtype), len(lengths), max(lengths)
        yield Case(
            f"{t} target positions, sources of {', '.join(map(str, lengths))} real tokens, d_model = {d_model}, "
            f"{np.dtype(dtype)}",
            {
                "Y": draw(batch, t, d_model),
                "X": draw(batch, m, d_model),
                "real": np.arange(m) < np.array(lengths)[:, None],
                "W_self": draw(d_model, d_model),
                "W_cross": draw(d_model, d_model),
                "W_ff": draw(d_model, d_model),
                "gains": 1 + draw(3, d_model) / dtype(4),
            },
        )


def _ones(t, m):
    return torch.ones(1, t, m, dtype=torch.bool)


def _wired(
    look=None, keep=None, causal=torch.tril, order=(0, 1, 2), pre_norm=False, norm_of=(0, 1, 2), residual=(1, 1, 1)
):
    """A wrong ``decoder_layer``: the right one with some of its steps replaced.

    ``look`` does the cross-attention from (attention, Y, X, real); ``keep`` picks its residual from (Y, what the layer
    was given, X).
    """

    def candidate(Y, X, real, self_attention, cross_attention, feed_forward, norms):
        given, t = Y, Y.shape[1]

        def cross(N):
            return look(cross_attention, N, X, real) if look else cross_attention(N, X, real[:, None])

        sublayers = [
            lambda N: self_attention(N, N, causal(_ones(t, t))),
            cross,
            feed_forward,
        ]
        for number in order:
            norm = norms[norm_of[number]]
            kept = keep(Y, given) if keep and number == 1 else Y
            out = sublayers[number](norm(Y) if pre_norm else Y)
            Y = kept + out if pre_norm else norm(residual[number] * kept + out)
        return Y

    return candidate


def _wired_prepared_masks(Y, X, real, self_attention, cross_attention, feed_forward, norms):
    batch, t, m = len(Y), Y.shape[1], X.shape[1]
    place = torch.arange(t)
    causal = (place[None, :] <= place[:, None]).expand(batch, t, t)
    for sublayer, norm in zip(
        [
            lambda N: self_attention(N, N, causal),
            lambda N: cross_attention(N, X, real.unsqueeze(1).expand(batch, t, m)),
            feed_forward,
        ],
        norms,
        strict=True,
    ):
        Y = norm(sublayer(Y) + Y)
    return Y


def _wired_by_sentence(Y, X, real, self_attention, cross_attention, feed_forward, norms):
    """Each sentence by itself, its padding cut off."""
    out = []
    for y, x, true in zip(Y, X, real, strict=True):
        y, x = y[None], x[None, true]
        y = norms[0](y + self_attention(y, y, ~torch.ones(y.shape[1], y.shape[1], dtype=torch.bool).triu(1)))
        y = norms[1](y + cross_attention(y, x, torch.ones(y.shape[1], x.shape[1], dtype=torch.bool)))
        out.append(norms[2](y + feed_forward(y)))
    return torch.cat(out)


# ---- cached_attention --------------------------------------------------------------------------------------------


def cache_cases(rng):
    yield Case(
        "the worked example",
        {
            "X_new": np.array([[[1.0]]]),
            "K_past": np.array([[[[np.log(3.0)]]]]),
            "V_past": np.array([[[[4.0]]]]),
            "W_Q": np.array([[1.0]]),
            "W_K": np.array([[0.0]]),
            "W_V": np.array([[8.0]]),
            "W_O": np.array([[2.0]]),
            "h": 1,
        },
    )
    for batch, t, p, h, d_k, d_v, d_model, dtype in [
        (2, 1, 3, 2, 2, 3, 4, np.float64),
        (3, 2, 4, 3, 4, 2, 5, np.float32),
        (2, 3, 0, 2, 3, 2, 6, np.float64),
        (1, 3, 3, 2, 2, 2, 4, np.float64),
        (2, 1, 0, 3, 2, 2, 4, np.float32),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, {t} new positions behind {p}, {h} heads, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {
                "X_new": draw(batch, t, d_model),
                "K_past": draw(batch, h, p, d_k),
                "V_past": draw(batch, h, p, d_v),
                "W_Q": draw(d_model, h * d_k) / dtype(d_model**0.5),
                "W_K": draw(d_model, h * d_k) / dtype(d_model**0.5),
                "W_V": draw(d_model, h * d_v),
                "W_O": draw(h * d_v, d_model),
                "h": h,
            },
        )


def _cached(join=None, see=None, give=None, keys_of="W_K", root=True, project=True, split=split_heads):
    """A wrong ``cached_attention``: the right one with some of its steps replaced.

    ``join`` takes what is kept and what is new; ``see`` the numbers of new and of earlier positions; ``give`` picks
    what is returned from (past, new, all); ``split`` cuts the width into heads.
    """

    def candidate(X_new, K_past, V_past, W_Q, W_K, W_V, W_O, h):
        Q = split(X_new @ W_Q, h)
        K_new = split(X_new @ (W_K if keys_of == "W_K" else W_Q), h)
        V_new = split(X_new @ W_V, h)
        K, V = (
            (join or (lambda past, new: torch.cat([past, new], dim=2)))(*pair)
            for pair in [(K_past, K_new), (V_past, V_new)]
        )
        p, t = K_past.shape[2], X_new.shape[1]
        may = see(t, p) if see else torch.ones(t, p + t, dtype=torch.bool).tril(p)
        scores = Q @ K.transpose(-2, -1) / (K.shape[-1] ** 0.5 if root else 1)
        alpha = scores.masked_fill(~may[:, -K.shape[2] :], -torch.inf).softmax(-1)
        C = merge_heads(alpha @ V)
        kept = give or (lambda past, new, whole: whole)
        return C @ W_O if project else C, kept(K_past, K_new, K), kept(V_past, V_new, V)

    return candidate


def _cached_one_at_a_time(X_new, K_past, V_past, W_Q, W_K, W_V, W_O, h):
    """Each new position by itself, over what is kept by then: no mask is needed."""
    K, V, rows = K_past, V_past, []
    for x in X_new.split(1, dim=1):
        K = torch.cat([K, split_heads(x @ W_K, h)], 2)
        V = torch.cat([V, split_heads(x @ W_V, h)], 2)
        alpha = (split_heads(x @ W_Q, h) @ K.mT / math.sqrt(K.shape[-1])).softmax(-1)
        rows.append(merge_heads(alpha @ V) @ W_O)
    return torch.cat(rows, 1), K, V


def _cached_library(X_new, K_past, V_past, W_Q, W_K, W_V, W_O, h):
    def split(P):
        return P.unflatten(-1, (h, -1)).movedim(2, 1)

    K = torch.cat((K_past, split(X_new @ W_K)), -2)
    V = torch.cat((V_past, split(X_new @ W_V)), -2)
    p, t = K_past.shape[2], X_new.shape[1]
    may = torch.arange(p + t)[None, :] <= p + torch.arange(t)[:, None]
    C = F.scaled_dot_product_attention(split(X_new @ W_Q), K, V, attn_mask=may)
    return C.movedim(1, 2).flatten(2) @ W_O, K, V


# ---- smoothed_cross_entropy --------------------------------------------------------------------------------------


def smoothed_cases(rng):
    yield Case(
        "the worked example",
        {
            "logits": np.array([[[0.0, np.log(2.0), 0.0], [9.0, 0.0, 0.0]]]),
            "y": np.array([[1, 0]]),
            "epsilon": 0.3,
            "pad": 0,
        },
    )
    for lengths, V, epsilon, pad, dtype in [
        ([4, 2], 7, 0.1, 0, np.float64),
        ([3, 5, 1], 5, 0.25, 4, np.float32),
        ([3, 3], 6, 0.4, 0, np.float64),
        ([2, 4], 9, 0.0, 0, np.float32),
    ]:
        t = max(lengths)
        y = rng.integers(V - 1, size=(len(lengths), t))
        y = np.where(np.arange(t) < np.array(lengths)[:, None], y + (y >= pad), pad)
        yield Case(
            f"targets of {', '.join(map(str, lengths))} tokens, {V} words, ε = {epsilon:g}, pad {pad}, "
            f"{np.dtype(dtype)}",
            {"logits": 2 * normal(rng, dtype)(len(lengths), t, V), "y": y, "epsilon": epsilon, "pad": pad},
        )


def _smoothed(true=None, uniform=None, share=None, reduce=None):
    """A wrong ``smoothed_cross_entropy``: the right one with some of its steps replaced."""

    def candidate(logits, y, epsilon, pad):
        log_p = logits.log_softmax(-1)
        a, b = share(epsilon) if share else (1 - epsilon, epsilon)
        of_true = log_p.gather(-1, y[:, :, None])[:, :, 0]
        of_all = uniform(log_p, of_true, logits) if uniform else log_p.mean(-1)
        loss, real = -a * of_true - b * of_all, y != pad
        return reduce(loss, real, a * of_true, b * of_all) if reduce else loss[real].mean()

    return candidate


def _smoothed_without_pad_column(logits, y, epsilon, pad):
    log_p, V = logits.log_softmax(-1), logits.shape[-1]
    target = torch.full_like(log_p, epsilon / (V - 2))
    target.scatter_(-1, y[:, :, None], 1 - epsilon)
    target[:, :, pad] = 0
    return -(target * log_p).sum(-1)[y != pad].mean()


def _smoothed_twice_softmax(logits, y, epsilon, pad):
    return transformer.smoothed_cross_entropy(logits.softmax(-1), y, epsilon, pad)


def _smoothed_library(logits, y, epsilon, pad):
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=pad, label_smoothing=epsilon)


def _smoothed_distribution(logits, y, epsilon, pad):
    V = logits.shape[-1]
    target = (1 - epsilon) * F.one_hot(y, V).to(logits) + epsilon / V
    loss = torch.einsum("btv,btv->bt", target, -F.log_softmax(logits, -1)) * (y != pad)
    return loss.sum() / (y != pad).sum()


def _smoothed_loops(logits, y, epsilon, pad):
    losses = []
    for row, words in zip(logits, y.tolist(), strict=True):
        for z, word in zip(row, words, strict=True):
            if word != pad:
                log_p = z - torch.logsumexp(z, 0)
                losses.append(-(1 - epsilon) * log_p[word] - epsilon * log_p.sum() / len(z))
    return torch.stack(losses).mean()


# ---- parameter_count ---------------------------------------------------------------------------------------------


def count_cases(rng):
    names = ("V", "d_model", "layers", "d_ff", "h", "d_k", "d_v")

    def case(about, *sizes):
        return Case(about, {name: int(size) for name, size in zip(names, sizes, strict=True)})

    yield case("the worked example", 5, 2, 1, 3, 1, 1, 1)
    yield case("the base model with 37,000 words", 37_000, 512, 6, 2048, 8, 64, 64)
    yield case("keys narrower than values, as in the paper's row (B)", 37_000, 512, 6, 2048, 8, 16, 64)
    for number in range(1, 4):
        V, d_model, layers, d_ff, h, d_k, d_v = rng.integers((20, 5, 2, 7, 2, 2, 2), (90, 30, 9, 60, 7, 9, 9))
        yield case(f"odd sizes, number {number}", V, d_model, layers, d_ff, h, d_k, d_v)


def _count(biases=True, norms=(2, 3), attentions=(1, 2), w_o=True, tables=1, whole=False, gains=2, values=True, once=0):
    """A wrong ``parameter_count``: the right one with some of its terms replaced."""

    def candidate(V, d_model, layers, d_ff, h, d_k, d_v):
        if whole:
            d_k = d_v = d_model
        if not values:
            d_v = d_k
        b = int(biases)
        attention = 2 * (d_model + b) * h * d_k + (d_model + b) * h * d_v + w_o * (h * d_v + b) * d_model
        inner = (d_model + b) * d_ff + (d_ff + b) * d_model
        norm = gains * d_model
        encoder = attentions[0] * attention + inner + norms[0] * norm
        decoder = attentions[1] * attention + inner + norms[1] * norm
        return tables * V * d_model + layers * (encoder + decoder) + once * norm

    return candidate


def _count_output_bias(V, d_model, layers, d_ff, h, d_k, d_v):
    return transformer.parameter_count(V, d_model, layers, d_ff, h, d_k, d_v) + V


def _count_one_stack(V, d_model, layers, d_ff, h, d_k, d_v):
    """``layers`` shared out: half of them encoder, half decoder."""
    whole = transformer.parameter_count(V, d_model, layers, d_ff, h, d_k, d_v)
    return V * d_model + (whole - V * d_model) // 2


def _count_listed(V, d_model, layers, d_ff, h, d_k, d_v):
    """Every tensor's shape written down."""
    linear = [(d_model, h * d_k), (h * d_k,)] * 2 + [(d_model, h * d_v), (h * d_v,), (h * d_v, d_model), (d_model,)]
    network = [(d_model, d_ff), (d_ff,), (d_ff, d_model), (d_model,)]
    norm = [(d_model,), (d_model,)]
    layer = 3 * linear + 2 * network + 5 * norm
    return sum(math.prod(shape) for shape in [(V, d_model)] + layers * layer)


def _count_simplified(V, d_model, layers, d_ff, h, d_k, d_v):
    attention = 2 * h * (d_k + d_v) * d_model + h * (2 * d_k + d_v) + d_model
    return V * d_model + layers * (3 * attention + 2 * (2 * d_model * d_ff + d_ff + d_model) + 10 * d_model)


EXERCISES = [
    Exercise(
        name="layer_norm",
        assignment=ASSIGNMENT,
        section="tr-norm",
        points=2,
        difficulty=2,
        minutes=15,
        reference=transformer.layer_norm,
        probe=probe.call_with_gradients,
        cases=norm_cases,
        mistakes=[
            Mistake(
                "unbiased variance",
                _norm(correction=1),
                "Your variance is a little too large: torch's var divides by one less than the count unless told "
                "otherwise. Which of the two does the formula have?",
                "tr-norm",
            ),
            Mistake(
                "eps outside the root",
                _norm(root=lambda variance, eps: variance.sqrt() + eps),
                "eps is added to the standard deviation in yours. Look where it stands in the formula.",
                "tr-norm",
            ),
            Mistake(
                "torch.std with eps added to it",
                _norm(correction=1, root=lambda variance, eps: variance.sqrt() + eps),
                "Two small things at once: torch's std divides by one less than the count, and eps stands outside the "
                "root. Compare both with the formula.",
                "tr-norm",
            ),
            Mistake(
                "eps forgotten",
                _norm(root=lambda variance, eps: variance.sqrt()),
                "Without eps a position whose numbers are all equal is divided by 0.",
                "tr-norm",
            ),
            Mistake(
                "the root forgotten",
                _norm(root=lambda variance, eps: variance + eps),
                "You divide by the variance. The result should have variance 1.",
                "tr-norm",
            ),
            Mistake(
                "norm over the batch",
                _norm(axes=0),
                "A sentence's result depends on the other sentences of its batch. That is another norm. Over which "
                "axis are the mean and the variance taken here?",
                "tr-norm-axis",
            ),
            Mistake(
                "norm over the positions",
                _norm(axes=1),
                "A word's result depends on the words behind it: with this norm a decoder sees the future. Over which "
                "axis are the mean and the variance taken?",
                "tr-norm-axis",
            ),
            Mistake(
                "norm over positions and width together",
                _norm(axes=(1, 2)),
                "You take one mean and one variance for a whole sentence. Every position has its own.",
                "tr-norm-axis",
            ),
            Mistake(
                "the mean not subtracted",
                _norm(centre=False),
                "You divide by the standard deviation, but the mean is still there.",
                "tr-norm",
            ),
            Mistake(
                "root mean square in place of the standard deviation",
                _norm_root_mean_square,
                "That is RMSNorm, which large models use today. LayerNorm subtracts the mean first.",
                "tr-norm",
            ),
            Mistake(
                "gain and bias forgotten",
                _norm_without_gain_and_bias,
                "Your result is normalised, and then nothing. Two vectors are left over.",
                "tr-norm",
            ),
            Mistake(
                "bias forgotten",
                _norm_without_bias,
                "The gain is there. One vector is left over.",
                "tr-norm",
            ),
            Mistake(
                "gain and bias before the norm",
                _norm_gain_first,
                "You normalise what has been scaled and shifted already. The norm undoes a good part of that.",
                "tr-norm",
            ),
        ],
        alternatives=[_norm_library, _norm_loops, _norm_moments],
        framework="torch",
        instead_of=("torch.nn.functional.layer_norm",),
    ),
    Exercise(
        name="feed_forward_block",
        assignment=ASSIGNMENT,
        section="tr-ffn",
        points=2,
        difficulty=3,
        minutes=20,
        reference=transformer.feed_forward_block,
        probe=probe.call_with_gradients,
        cases=block_cases,
        mistakes=[
            Mistake(
                "ReLU missing",
                _block(inner=lambda X: X),
                "Your network is linear: two matrices in a row are one. What stands between them?",
                "tr-ffn",
            ),
            Mistake(
                "ReLU behind the second matrix",
                _block(inner=lambda X: X, outer=torch.relu),
                "Your network can only ever add to a word, never take away. Where does the ReLU stand?",
                "tr-ffn",
            ),
            Mistake(
                "ReLU behind both matrices",
                _block(outer=torch.relu),
                "Your network can only ever add to a word, never take away. One ReLU is enough.",
                "tr-ffn",
            ),
            Mistake(
                "ReLU before the first matrix",
                _block(inner=lambda X: X, first=torch.relu),
                "You cut off the negative numbers of the word itself. It is the hidden layer that is cut.",
                "tr-ffn",
            ),
            Mistake(
                "b_1 forgotten",
                _block(biases=(0, 1)),
                "The hidden layer has a bias.",
                "tr-ffn",
            ),
            Mistake(
                "b_2 forgotten",
                _block(biases=(1, 0)),
                "The output of the network has a bias.",
                "tr-ffn",
            ),
            Mistake(
                "pre-norm: the residual taken behind the norm",
                _block(pre=lambda X, ffn, norm: norm(X) + ffn(norm(X))),
                "In pre-norm nothing may stand in the way of X: it is added as it came in. Yours is normed first, as "
                "one writes when the normed X overwrites X.",
                "tr-residual",
            ),
            Mistake(
                "post-norm: the network's output normed by itself",
                _block(post=lambda X, ffn, norm: X + norm(ffn(X))),
                "In post-norm it is the sum that is normed.",
                "tr-residual",
            ),
            Mistake(
                "pre-norm: the network's output normed, not its input",
                _block(pre=lambda X, ffn, norm: X + norm(ffn(X))),
                "In pre-norm the norm stands in front of the network. Yours stands behind it.",
                "tr-residual",
            ),
            Mistake(
                "pre-norm: normed before and after",
                _block(pre=lambda X, ffn, norm: norm(X + ffn(norm(X)))),
                "In pre-norm a block has one norm, in front of the network. Yours has a second one behind the sum.",
                "tr-residual",
            ),
            Mistake(
                "the residual forgotten",
                _block(
                    post=lambda X, ffn, norm: norm(ffn(X)),
                    pre=lambda X, ffn, norm: ffn(norm(X)),
                ),
                "What came in is lost. The network's output is a change to X.",
                "tr-residual",
            ),
            Mistake(
                "pre-norm and post-norm exchanged",
                _block(swap=True),
                "You do what is asked for, each where the other is asked for.",
                "tr-residual",
            ),
            Mistake(
                "always post-norm",
                _block(pre=lambda X, ffn, norm: norm(X + ffn(X))),
                "With pre_norm=True yours does the same as without.",
                "tr-residual",
            ),
            Mistake(
                "always pre-norm",
                _block(post=lambda X, ffn, norm: X + ffn(norm(X))),
                "With pre_norm=False yours does the same as with it.",
                "tr-residual",
            ),
        ],
        alternatives=[_block_library, _block_by_position, _block_einsum],
        framework="torch",
    ),
    Exercise(
        name="embed_tokens",
        assignment=ASSIGNMENT,
        section="tr-embed",
        points=1,
        difficulty=2,
        minutes=10,
        reference=transformer.embed_tokens,
        probe=probe.call_with_gradients,
        cases=embed_cases,
        mistakes=[
            Mistake(
                "√d_model forgotten",
                _embed(lambda E: 1.0),
                "The embeddings come in as they are in the table. There, their entries are small.",
                "tr-embed",
            ),
            Mistake(
                "divided by √d_model",
                _embed(lambda E: 1 / _root(E)),
                "Scores of attention are divided by a root. Here something small is to be made larger.",
                "tr-embed",
            ),
            Mistake(
                "d_model in place of its root",
                _embed(lambda E: E.shape[1]),
                "Your factor is the width itself.",
                "tr-embed",
            ),
            Mistake(
                "the root of the number of words",
                _embed(lambda E: len(E) ** 0.5),
                "Your factor is the root of how many rows the table has. It should depend on the width of a row.",
                "tr-embed",
            ),
            Mistake(
                "the positions scaled too",
                _embed(_root, both=True),
                "Only the word is scaled. The position's numbers are of the right size already.",
                "tr-embed",
            ),
            Mistake(
                "positions counted from 0 each time",
                _embed(_root, lambda tokens, PE, start: PE[: tokens.shape[1]]),
                "Your first token always stands at position 0. While a decoder writes with a cache it is handed one "
                "token at a time, and `start` says how many came before.",
                "tr-cache-position",
            ),
            Mistake(
                "all tokens at the first position",
                _embed(_root, lambda tokens, PE, start: PE[start]),
                "Every token gets the row of the first. They stand one behind the other.",
                "tr-embed",
            ),
            Mistake(
                "positions forgotten",
                _embed(_root, lambda tokens, PE, start: 0 * PE[0]),
                "Nothing says where a token stands.",
                "tr-embed",
            ),
        ],
        alternatives=[_embed_one_hot, _embed_library],
        framework="torch",
    ),
    Exercise(
        name="decoder_layer",
        assignment=ASSIGNMENT,
        section="tr-layers",
        points=3,
        difficulty=4,
        minutes=30,
        reference=transformer.decoder_layer,
        probe=call_layer,
        cases=wiring_cases,
        mistakes=[
            Mistake(
                "keys and values of the cross-attention from the decoder",
                _wired(look=lambda attend, N, X, real: attend(N, N, _ones(N.shape[1], N.shape[1]).tril())),
                "Your second attention never looks at the encoder's output: X has no gradient. Who asks there, and who "
                "is asked?",
                "tr-layers",
            ),
            Mistake(
                "cross-attention with the target's causal mask",
                _wired(look=lambda attend, N, X, real: attend(N, X, _ones(N.shape[1], X.shape[1]).tril())),
                "In your second attention the first word sees only the first source word. The source is complete "
                "before the target begins, and none of it is the future.",
                "tr-layers",
            ),
            Mistake(
                "cross-attention with both masks",
                _wired(
                    look=lambda attend, N, X, real: attend(N, X, real[:, None] & _ones(N.shape[1], X.shape[1]).tril())
                ),
                "The padding of the source is hidden, and that is right. But the first word sees only the first source "
                "word.",
                "tr-layers",
            ),
            Mistake(
                "padding of the source not hidden",
                _wired(look=lambda attend, N, X, real: attend(N, X, _ones(N.shape[1], X.shape[1]))),
                "What stands at the padding of the source changes your result.",
                "tr-layers",
            ),
            Mistake(
                "the future not hidden",
                _wired(causal=lambda ones: ones),
                "A word of the target sees the words behind it, which it has yet to write.",
                "tr-layers",
            ),
            Mistake(
                "the past hidden in place of the future",
                _wired(causal=torch.triu),
                "Your mask is the wrong triangle: the first word sees all, the last one only itself.",
                "tr-layers",
            ),
            Mistake(
                "cross-attention before self-attention",
                _wired(order=(1, 0, 2)),
                "You look at the source first. In the paper a word first looks at the words written before it.",
                "tr-layers",
            ),
            Mistake(
                "norms in front of the sublayers",
                _wired(pre_norm=True),
                "That is pre-norm. Here the paper's post-norm is asked for.",
                "tr-residual",
            ),
            Mistake(
                "one norm for all three",
                _wired(norm_of=(0, 0, 0)),
                "You use the first norm three times. Each sublayer has a norm of its own.",
                "tr-layers",
            ),
            Mistake(
                "no residual around the cross-attention",
                _wired(residual=(1, 0, 1)),
                "Behind your second attention nothing is left of the word itself.",
                "tr-residual",
            ),
            Mistake(
                "no residual around the network",
                _wired(residual=(1, 1, 0)),
                "Behind your feed-forward network nothing is left of what came in.",
                "tr-residual",
            ),
            Mistake(
                "no residual connections",
                _wired(residual=(0, 0, 0)),
                "Each sublayer's output takes the place of what came in. It is to be added.",
                "tr-residual",
            ),
            Mistake(
                "the second residual from the layer's input",
                _wired(keep=lambda Y, given: given),
                "Around your second attention goes what came into the layer. It is what came out of the first "
                "sublayer that goes around.",
                "tr-layers",
            ),
        ],
        alternatives=[_wired_prepared_masks, _wired_by_sentence],
        framework="torch",
    ),
    Exercise(
        name="smoothed_cross_entropy",
        assignment=ASSIGNMENT,
        section="tr-smoothing",
        points=2,
        difficulty=3,
        minutes=20,
        reference=transformer.smoothed_cross_entropy,
        probe=probe.call_with_gradients,
        cases=smoothed_cases,
        mistakes=[
            Mistake(
                "PAD counted in the loss",
                _smoothed(reduce=lambda loss, real, a, b: loss.mean()),
                "What stands at padding changes your loss.",
                "tr-smoothing",
            ),
            Mistake(
                "label smoothing over PAD",
                _smoothed(reduce=lambda loss, real, a, b: -a[real].mean() - b.mean()),
                "The part with the true word leaves padding out, and the part with all words does not.",
                "tr-smoothing",
            ),
            Mistake(
                "averaged over the padded length",
                _smoothed(reduce=lambda loss, real, a, b: (loss * real).sum() / real.numel()),
                "You leave padding out of the sum, but count it when you divide.",
                "tr-smoothing",
            ),
            Mistake(
                "summed, not averaged",
                _smoothed(reduce=lambda loss, real, a, b: loss[real].sum()),
                "Your loss grows with the number of tokens.",
                "tr-smoothing",
            ),
            Mistake(
                "not smoothed",
                _smoothed(share=lambda epsilon: (1, 0)),
                "Your loss does not depend on ε.",
                "tr-smoothing",
            ),
            Mistake(
                "the true word's share not reduced",
                _smoothed(share=lambda epsilon: (1, epsilon)),
                "The shares of your target sum to 1 + ε.",
                "tr-smoothing",
            ),
            Mistake(
                "shares exchanged",
                _smoothed(share=lambda epsilon: (epsilon, 1 - epsilon)),
                "With ε = 0 yours asks for all words alike. It should then be plain cross-entropy.",
                "tr-smoothing",
            ),
            Mistake(
                "ε for the other words only",
                _smoothed(
                    uniform=lambda log_p, true, logits: (log_p.sum(-1) - true) / (log_p.shape[-1] - 1),
                ),
                "You share ε among the other words. This is a convention too, but here (and in PyTorch) the true word "
                "gets its part of ε as well.",
                "tr-smoothing",
            ),
            Mistake(
                "nothing for <pad>",
                _smoothed_without_pad_column,
                "Your smoothed target gives neither <pad> nor the true word a part of ε. Here all V words get one: "
                "padding *positions* are left out, the *word* <pad> is not.",
                "tr-smoothing",
            ),
            Mistake(
                "summed over the vocabulary",
                _smoothed(uniform=lambda log_p, true, logits: log_p.sum(-1)),
                "Every word gets ε in yours. All of them together get ε.",
                "tr-smoothing",
            ),
            Mistake(
                "logits in place of log-probabilities",
                _smoothed(uniform=lambda log_p, true, logits: logits.mean(-1)),
                "In the part with all words you average logits. Add a constant to all logits, and your loss changes.",
                "tr-smoothing",
            ),
            Mistake(
                "softmax taken twice",
                _smoothed_twice_softmax,
                "You hand probabilities to something that takes logits.",
                "tr-smoothing",
            ),
        ],
        alternatives=[_smoothed_library, _smoothed_distribution, _smoothed_loops],
        framework="torch",
    ),
    Exercise(
        name="cached_attention",
        assignment=ASSIGNMENT,
        section="tr-cache",
        points=3,
        difficulty=4,
        minutes=30,
        reference=transformer.cached_attention,
        probe=probe.call_with_gradients,
        cases=cache_cases,
        mistakes=[
            Mistake(
                "cache appended along the batch",
                _cached(join=lambda past, new: torch.cat([past, new], dim=0)),
                "torch.cat joins along the first axis unless told otherwise, and that is the batch. Which axis of "
                "[batch, h, p, d_k] counts positions?",
                "tr-cache",
            ),
            Mistake(
                "new before old",
                _cached(join=lambda past, new: torch.cat([new, past], dim=2)),
                "Your new keys stand before the old ones, so the mask hides the wrong ones.",
                "tr-cache",
            ),
            Mistake(
                "the cache not used",
                _cached(join=lambda past, new: new),
                "Your new positions see only each other. What was kept is lost.",
                "tr-cache",
            ),
            Mistake(
                "new positions do not see themselves",
                _cached(see=lambda t, p: torch.ones(t, p + t, dtype=torch.bool).tril(p - 1)),
                "A position may look at itself too.",
                "tr-cache",
            ),
            Mistake(
                "mask without the offset",
                _cached(see=lambda t, p: torch.ones(t, p + t, dtype=torch.bool).tril()),
                "Your first new position sees only the first position of all. With p positions before it, it sees "
                "p + 1.",
                "tr-cache",
            ),
            Mistake(
                "no mask among the new",
                _cached(see=lambda t, p: torch.ones(t, p + t, dtype=torch.bool)),
                "With one new position no mask is needed. With several, the first must not see the second.",
                "tr-cache",
            ),
            Mistake(
                "old keys and values returned",
                _cached(give=lambda past, new, whole: past),
                "The output is right, but what you hand back has not grown: the next step will not see this one.",
                "tr-cache",
            ),
            Mistake(
                "new keys and values alone returned",
                _cached(give=lambda past, new, whole: new),
                "The output is right, but what you hand back holds the new positions only.",
                "tr-cache",
            ),
            Mistake(
                "queries kept as keys",
                _cached(keys_of="W_Q"),
                "You append the new positions' queries to the keys.",
                "tr-cache",
            ),
            Mistake(
                "heads by view without transpose",
                _cached(split=lambda P, h: P.reshape(P.shape[0], h, P.shape[1], -1)),
                "Your heads are cut across the positions: the numbers of one position land in several places. Cut the "
                "last axis alone, and then move the heads forward (chapter 7).",
                "tr-cache",
            ),
            Mistake(
                "not scaled",
                _cached(root=False),
                "Your scores are not divided by anything.",
                "tr-cache",
            ),
            Mistake(
                "W_O forgotten",
                _cached(project=False),
                "You return the heads side by side. One matrix is left over.",
                "tr-cache",
            ),
        ],
        alternatives=[_cached_one_at_a_time, _cached_library],
        framework="torch",
    ),
    Exercise(
        name="parameter_count",
        assignment=ASSIGNMENT,
        section="tr-count",
        points=2,
        difficulty=3,
        minutes=20,
        reference=transformer.parameter_count,
        probe=probe.call,
        cases=count_cases,
        mistakes=[
            Mistake(
                "biases forgotten",
                _count(biases=False),
                "Every linear map of a layer has a bias.",
                "tr-count",
            ),
            Mistake(
                "norms forgotten",
                _count(norms=(0, 0)),
                "Each norm has a gain and a bias.",
                "tr-count",
            ),
            Mistake(
                "a norm without its bias",
                _count(gains=1),
                "A norm learns two vectors.",
                "tr-count",
            ),
            Mistake(
                "two norms in a decoder layer",
                _count(norms=(2, 2)),
                "A decoder layer has a norm for each of its sublayers.",
                "tr-count",
            ),
            Mistake(
                "one attention in a decoder layer",
                _count(attentions=(1, 1)),
                "A decoder layer looks twice: at the target, and at the source.",
                "tr-count",
            ),
            Mistake(
                "W_O forgotten",
                _count(w_o=False),
                "An attention has four matrices.",
                "tr-count",
            ),
            Mistake(
                "the embeddings counted three times",
                _count(tables=3),
                "Source, target and output layer share one matrix.",
                "tr-tying",
            ),
            Mistake(
                "the output layer counted apart",
                _count(tables=2),
                "The output layer is the embedding transposed.",
                "tr-tying",
            ),
            Mistake(
                "a bias for every word",
                _count_output_bias,
                "The layer before the softmax has no bias here.",
                "tr-tying",
            ),
            Mistake(
                "heads of full width",
                _count(whole=True),
                "Each head is d_k wide, not d_model.",
                "tr-count",
            ),
            Mistake(
                "values as wide as keys",
                _count(values=False),
                "W_V and the rows of W_O go by d_v.",
                "tr-count",
            ),
            Mistake(
                "a last norm behind each stack",
                _count(once=2),
                "Pre-norm has a norm behind each stack. Post-norm, which is asked for, ends with one anyway.",
                "tr-residual",
            ),
            Mistake(
                "the layers shared between encoder and decoder",
                _count_one_stack,
                "There are so many layers on each side.",
                "tr-count",
            ),
        ],
        alternatives=[_count_listed, _count_simplified],
    ),
]
