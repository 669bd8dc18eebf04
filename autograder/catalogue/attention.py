"""Chapter 3: what the exercises on attention between decoder and encoder ask of a candidate."""

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import attention

ASSIGNMENT = "03-attention"


def np_softmax(scores, axis=-1):
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


def real_tokens(*lengths, m):
    """The mask of a padded batch: row b has lengths[b] real tokens, then padding."""
    return np.arange(m) < np.array(lengths)[:, None]  # [batch, m]


def many(number, thing):
    """How many in words for a case's title: "one query", "4 queries"."""
    plural = f"{thing[:-1]}ies" if thing.endswith("y") else f"{thing}s"
    return f"one {thing}" if number == 1 else f"{number} {plural}"


def sentences(lengths, m):
    """A padded batch in words for a case's title: "3 sentences of 5, 2 and 4 words", "…, padded to 6"."""
    *first, last = map(str, lengths)
    counts = f"{', '.join(first)} and {last} words" if first else many(lengths[0], "word")
    return f"{many(len(lengths), 'sentence')} of {counts}" + (f", padded to {m}" if m > max(lengths) else "")


def alike(batch, m):
    """The same for sentences of equal length."""
    return f"{many(batch, 'sentence')} of {many(m, 'word')}"


# ---- additive_scores ---------------------------------------------------------------------------------------------


def additive_cases(rng):
    yield Case(
        "the worked example",
        {
            "h": np.array([[[1.0, 0.0], [0.0, 1.0]]]),
            "s": np.array([[1.0]]),
            "W": np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.5]]),
            "v": np.array([1.0, 2.0]),
        },
    )
    for batch, m, d, d_a, dtype in [(1, 1, 3, 2, np.float64), (3, 5, 2, 4, np.float32), (2, 4, 5, 3, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"{alike(batch, m)}, states of {d} numbers, d_a = {d_a}, {np.dtype(dtype)}",
            {"h": draw(batch, m, d), "s": draw(batch, d), "W": draw(2 * d, d_a), "v": draw(d_a)},
        )
    yield Case(
        "encoder states of 3 numbers, decoder states of 2",
        {"h": draw(2, 3, 3), "s": draw(2, 2), "W": draw(5, 4), "v": draw(4)},
    )
    yield Case(
        "weights so large that tanh is saturated",
        {"h": draw(2, 3, 4), "s": draw(2, 4), "W": 40 * draw(8, 5), "v": draw(5)},
    )


def _pairs(h, s):
    return np.concatenate([h, np.repeat(s[:, None], h.shape[1], axis=1)], axis=-1)


def _additive_no_tanh(h, s, W, v):
    return _pairs(h, s) @ W @ v


def _additive_no_v(h, s, W, v):
    return np.tanh(_pairs(h, s) @ W).sum(-1)


def _additive_tanh_last(h, s, W, v):
    return np.tanh(_pairs(h, s) @ W @ v)


def _additive_state_first(h, s, W, v):
    return np.tanh(np.concatenate([np.repeat(s[:, None], h.shape[1], axis=1), h], axis=-1) @ W) @ v


def _additive_softmaxed(h, s, W, v):
    return np_softmax(attention.additive_scores(h, s, W, v))


def _additive_split(h, s, W, v):
    d_h = h.shape[-1]
    return np.tanh(h @ W[:d_h] + (s @ W[d_h:])[:, None]) @ v


def _additive_loops(h, s, W, v):
    return np.array(
        [[v @ np.tanh(W.T @ np.concatenate([h_i, s_b])) for h_i in h_b] for h_b, s_b in zip(h, s, strict=True)]
    )


# ---- key_query_scores --------------------------------------------------------------------------------------------


def key_query_cases(rng):
    yield Case(
        "the worked example",
        {
            "h": np.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]]),
            "s": np.array([[2.0, 1.0]]),
            "W_K": np.array([[1.0], [3.0]]),
            "W_Q": np.array([[1.0], [-1.0]]),
        },
    )
    # Encoder and decoder states are equally wide, so that exchanged matrices give wrong numbers and not an exception.
    for batch, m, d, d_k, dtype in [(1, 1, 2, 3, np.float64), (3, 4, 5, 2, np.float32), (2, 5, 3, 6, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"{alike(batch, m)}, states of {d} numbers, d_k = {d_k}, {np.dtype(dtype)}",
            {"h": draw(batch, m, d), "s": draw(batch, d), "W_K": draw(d, d_k), "W_Q": draw(d, d_k)},
        )


def _key_query_exchanged(h, s, W_K, W_Q):
    return attention.key_query_scores(h, s, W_Q, W_K)


def _key_query_one_matrix(h, s, W_K, W_Q):
    return attention.key_query_scores(h, s, W_K, W_K)


def _key_query_plain(h, s, W_K, W_Q):
    return np.einsum("bmd,bd->bm", h, s)


def _key_query_scaled(h, s, W_K, W_Q):
    return attention.key_query_scores(h, s, W_K, W_Q) / np.sqrt(W_K.shape[1]).astype(h.dtype)


def _key_query_softmaxed(h, s, W_K, W_Q):
    return np_softmax(attention.key_query_scores(h, s, W_K, W_Q))


def _key_query_bilinear(h, s, W_K, W_Q):
    return np.einsum("bmd,de,be->bm", h, W_K @ W_Q.T, s)


def _key_query_loops(h, s, W_K, W_Q):
    return np.array([[(h_i @ W_K) @ (s_b @ W_Q) for h_i in h_b] for h_b, s_b in zip(h, s, strict=True)])


# ---- masked_softmax ----------------------------------------------------------------------------------------------


def softmax_cases(rng):
    yield Case(
        "the worked example",
        {"scores": np.log(np.array([[[1.0, 3.0, 5.0], [2.0, 2.0, 9.0]]])), "mask": real_tokens(2, m=3)},
    )
    for lengths, t, m, dtype in [((4,), 1, 4, np.float64), ((2, 5, 3), 4, 5, np.float32), ((1, 3), 2, 4, np.float64)]:
        yield Case(
            f"{sentences(lengths, m)}, {many(t, 'query')}, {np.dtype(dtype)}",
            {"scores": normal(rng, dtype)(len(lengths), t, m), "mask": real_tokens(*lengths, m=m)},
        )
    draw = normal(rng, np.float64)
    yield Case(
        "padding between the real tokens",
        {"scores": draw(2, 3, 5), "mask": rng.permuted(real_tokens(2, 3, m=5), axis=1)},
    )
    yield Case("scores near 1000", {"scores": 1000 + 3 * draw(2, 3, 4), "mask": real_tokens(4, 4, m=4)})
    above = draw(2, 2, 4)
    above += np.array([-400, -400, -400, 400])  # exp overflows for none of them, but exp(-800) is 0
    yield Case("scores at padding far above all others", {"scores": above, "mask": real_tokens(3, 3, m=4)})
    yield Case("a sentence without a real token", {"scores": draw(2, 2, 3), "mask": real_tokens(2, 0, m=3)})


def _softmax_over_queries(scores, mask):
    e = np.where(mask[:, None], np.exp(scores - scores.max(axis=1, keepdims=True)), 0)
    total = e.sum(axis=1, keepdims=True)
    return e / np.where(total > 0, total, 1)


def _softmax_no_mask(scores, mask):
    return np_softmax(scores)


def _softmax_inverted(scores, mask):
    return attention.masked_softmax(scores, ~mask)


def _softmax_mask_after(scores, mask):
    return np_softmax(scores) * mask[:, None]


def _softmax_scores_zeroed(scores, mask):
    return np_softmax(scores * mask[:, None])


def _softmax_empty_nan(scores, mask):
    return np_softmax(np.where(mask[:, None], scores, -np.inf))


def _softmax_empty_uniform(scores, mask):
    return np_softmax(np.where(mask[:, None], scores, -1e9))


def _softmax_overflow(scores, mask):
    e = np.where(mask[:, None], np.exp(scores), 0)
    total = e.sum(-1, keepdims=True)
    return e / np.where(total > 0, total, 1)


def _softmax_naive(scores, mask):
    e = np.exp(scores) * mask[:, None]
    return e / e.sum(-1, keepdims=True)


def _softmax_top_of_padding_nan(scores, mask):
    e = np.exp(scores - scores.max(-1, keepdims=True)) * mask[:, None]
    return e / e.sum(-1, keepdims=True)


def _softmax_top_of_padding(scores, mask):
    e = np.where(mask[:, None], np.exp(scores - scores.max(-1, keepdims=True)), 0)
    total = e.sum(-1, keepdims=True)
    return e / np.where(total > 0, total, 1)


def _softmax_not_normalised(scores, mask):
    scores = np.where(mask[:, None], scores, -np.inf)
    top = scores.max(-1, keepdims=True)
    return np.exp(scores - np.where(np.isfinite(top), top, 0))


def _softmax_in_place(scores, mask):
    alpha = attention.masked_softmax(scores, mask)
    scores[np.broadcast_to(~mask[:, None], scores.shape)] = -np.inf
    return alpha


def _softmax_rows(scores, mask):
    alpha = np.zeros_like(scores)
    for b, row in enumerate(mask):
        if row.any():
            for j in range(scores.shape[1]):
                alpha[b, j, row] = np_softmax(scores[b, j, row])
    return alpha


def _softmax_torch(scores, mask):
    scores = torch.from_numpy(scores).masked_fill(~torch.from_numpy(mask)[:, None], -torch.inf)
    return scores.softmax(-1).nan_to_num(0).numpy()


def _softmax_large_negative(scores, mask):
    return np_softmax(np.where(mask[:, None], scores, -1e30)) * mask[:, None]


# ---- attention_contexts ------------------------------------------------------------------------------------------


def contexts_cases(rng):
    yield Case(
        "the worked example",
        {
            "h": np.array([[[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]]),
            "S": np.array([[[0.0], [1.0]]]),
            "W_K": np.array([[np.log(3.0)], [0.0]]),
            "W_Q": np.array([[1.0]]),
            "mask": real_tokens(2, m=3),
        },
    )
    for lengths, t, m, d_h, d_s, d_k, dtype in [
        ((3,), 1, 3, 2, 4, 5, np.float64),
        ((2, 5, 3), 4, 5, 3, 2, 6, np.float32),
        ((1, 4), 3, 4, 5, 3, 2, np.float64),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"{sentences(lengths, m)}, {many(t, 'decoder state')}, {np.dtype(dtype)}",
            {
                "h": draw(len(lengths), m, d_h),
                "S": draw(len(lengths), t, d_s),
                "W_K": draw(d_h, d_k),
                "W_Q": draw(d_s, d_k),
                "mask": real_tokens(*lengths, m=m),
            },
        )


def _with(weigh):
    """A wrong ``attention_contexts`` whose weights come from ``weigh(scores, keep)`` and whose context is right."""

    def candidate(h, S, W_K, W_Q, mask):
        alpha = weigh(S @ W_Q @ (h @ W_K).transpose(1, 2), mask[:, None, :])
        return alpha @ h, alpha

    return candidate


def _hide(scores, keep):
    return scores.masked_fill(~keep, -torch.inf)


def _contexts_of_keys(h, S, W_K, W_Q, mask):
    _, alpha = attention.attention_contexts(h, S, W_K, W_Q, mask)
    return alpha @ (h @ W_K), alpha


def _contexts_scaled(h, S, W_K, W_Q, mask):
    return attention.attention_contexts(h, S, W_K, W_Q / W_Q.shape[1] ** 0.5, mask)


def _contexts_no_alpha_gradient(h, S, W_K, W_Q, mask):
    _, alpha = attention.attention_contexts(h, S, W_K, W_Q, mask)
    return alpha.detach() @ h, alpha.detach()


def _contexts_library(h, S, W_K, W_Q, mask):
    return (
        F.scaled_dot_product_attention(S @ W_Q, h @ W_K, h, attn_mask=mask[:, None, :], scale=1.0),
        F.scaled_dot_product_attention(
            S @ W_Q,
            h @ W_K,
            torch.eye(h.shape[1], dtype=h.dtype).expand(len(h), -1, -1),
            attn_mask=mask[:, None, :],
            scale=1.0,
        ),
    )


def _contexts_loops(h, S, W_K, W_Q, mask):
    C, alpha = [], []
    for h_b, S_b, real in zip(h, S, mask, strict=True):
        for s in S_b:
            a = torch.stack(
                [
                    (h_i @ W_K) @ (s @ W_Q) if ok else h_i.sum() * 0 - torch.inf
                    for h_i, ok in zip(h_b, real, strict=True)
                ]
            )
            alpha.append(a.exp() / a.exp().sum())
            C.append(sum(a_i * h_i for a_i, h_i in zip(alpha[-1], h_b, strict=True)))
    return torch.stack(C).reshape(*S.shape[:2], -1), torch.stack(alpha).reshape(*S.shape[:2], -1)


def _contexts_einsum(h, S, W_K, W_Q, mask):
    scores = torch.einsum("btd,dk,ek,bme->btm", S, W_Q, W_K, h)
    alpha = scores.masked_fill(~mask[:, None], torch.finfo(h.dtype).min).softmax(2)
    return torch.einsum("btm,bmd->btd", alpha, h), alpha


# ---- attention_step ----------------------------------------------------------------------------------------------


def step_cases(rng):
    yield Case(
        "the worked example",
        {
            "y": np.array([[0.1]]),
            "s": np.array([[0.0]]),
            "h": np.array([[[1.0], [-1.0], [5.0]]]),
            "mask": real_tokens(2, m=3),
            "W": np.array([[1.0], [1.0]]),
            "v": np.array([0.0]),
            "W_s": np.array([[1.0], [2.0], [3.0]]),
            "b": np.array([0.2]),
        },
    )
    # Encoder and decoder states are equally wide, so that s and c exchanged give wrong numbers and not an exception.
    for lengths, m, d_y, d, d_a, dtype in [
        ((3,), 3, 2, 4, 5, np.float64),
        ((2, 5, 3), 5, 4, 3, 2, np.float32),
        ((1, 4), 4, 3, 2, 6, np.float64),
    ]:
        draw, batch = normal(rng, dtype), len(lengths)
        yield Case(
            f"{sentences(lengths, m)}, states of {d} numbers, {np.dtype(dtype)}",
            {
                "y": draw(batch, d_y),
                "s": draw(batch, d),
                "h": draw(batch, m, d),
                "mask": real_tokens(*lengths, m=m),
                "W": draw(2 * d, d_a),
                "v": draw(d_a),
                "W_s": draw(d_y + 2 * d, d),
                "b": draw(d),
            },
        )


def _step_weights(s, h, mask, W, v):
    pairs = torch.cat([h, s[:, None].expand(-1, h.shape[1], -1)], -1)
    return _hide(torch.tanh(pairs @ W) @ v, mask).softmax(-1)


def _step_exchanged(y, s, h, mask, W, v, W_s, b):
    alpha = _step_weights(s, h, mask, W, v)
    c = torch.einsum("bm,bmd->bd", alpha, h)
    return torch.tanh(torch.cat([y, c, s], -1) @ W_s + b), c, alpha


def _step_no_tanh(y, s, h, mask, W, v, W_s, b):
    alpha = _step_weights(s, h, mask, W, v)
    c = torch.einsum("bm,bmd->bd", alpha, h)
    return torch.cat([y, s, c], -1) @ W_s + b, c, alpha


def _step_no_mask(y, s, h, mask, W, v, W_s, b):
    return attention.attention_step(y, s, h, torch.ones_like(mask), W, v, W_s, b)


def _step_last_state(y, s, h, mask, W, v, W_s, b):
    alpha = _step_weights(s, h, mask, W, v)
    c = h[torch.arange(len(h)), mask.sum(1) - 1]
    return torch.tanh(torch.cat([y, s, c], -1) @ W_s + b), c, alpha


def _step_old_context_lost(y, s, h, mask, W, v, W_s, b):
    alpha = _step_weights(s, h, mask, W, v)
    c = torch.einsum("bm,bmd->bd", alpha, h)
    return torch.tanh(torch.cat([y, s, 0 * c], -1) @ W_s + b), c, alpha


def _step_scores_no_tanh(y, s, h, mask, W, v, W_s, b):
    pairs = torch.cat([h, s[:, None].expand(-1, h.shape[1], -1)], -1)
    alpha = _hide(pairs @ W @ v, mask).softmax(-1)
    c = torch.einsum("bm,bmd->bd", alpha, h)
    return torch.tanh(torch.cat([y, s, c], -1) @ W_s + b), c, alpha


def _step_asked_with_new_state(y, s, h, mask, W, v, W_s, b):
    s, _, _ = attention.attention_step(y, s, h, mask, W, v, W_s, b)
    alpha = _step_weights(s, h, mask, W, v)
    return s, torch.einsum("bm,bmd->bd", alpha, h), alpha


def _step_split(y, s, h, mask, W, v, W_s, b):
    d_h, d_y, d_s = h.shape[-1], y.shape[-1], s.shape[-1]
    scores = torch.tanh(h @ W[:d_h] + (s @ W[d_h:]).unsqueeze(1)) @ v
    alpha = torch.softmax(torch.where(mask, scores, torch.full_like(scores, -torch.inf)), dim=1)
    c = (alpha.unsqueeze(-1) * h).sum(1)
    return (y @ W_s[:d_y] + s @ W_s[d_y : d_y + d_s] + c @ W_s[d_y + d_s :] + b).tanh(), c, alpha


# ---- score_gradient ----------------------------------------------------------------------------------------------


def gradient_cases(rng):
    yield Case(
        "the worked example",
        {
            "scores": np.log(np.array([[1.0, 3.0]])),
            "h": np.array([[[4.0, 0.0], [0.0, 8.0]]]),
            "g": np.array([[1.0, 0.0]]),
        },
    )
    for batch, m, d_h, dtype in [(1, 4, 3, np.float64), (3, 5, 2, np.float32), (2, 3, 6, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(
            f"{alike(batch, m)}, states of {d_h} numbers, {np.dtype(dtype)}",
            {"scores": draw(batch, m), "h": draw(batch, m, d_h), "g": draw(batch, d_h)},
        )
    yield Case("sentences of one word", {"scores": draw(2, 1), "h": draw(2, 1, 3), "g": draw(2, 3)})
    yield Case("scores near 1000", {"scores": 1000 + draw(2, 4), "h": draw(2, 4, 3), "g": draw(2, 3)})


def _gradient_straight_through(scores, h, g):
    return np.einsum("bmd,bd->bm", h, g)


def _gradient_no_mean(scores, h, g):
    return np_softmax(scores) * np.einsum("bmd,bd->bm", h, g)


def _gradient_diagonal(scores, h, g):
    alpha = np_softmax(scores)
    return alpha * (1 - alpha) * np.einsum("bmd,bd->bm", h, g)


def _gradient_no_alpha(scores, h, g):
    c = np.einsum("bm,bmd->bd", np_softmax(scores), h)
    return np.einsum("bmd,bd->bm", h - c[:, None], g)


def _gradient_sign(scores, h, g):
    return -attention.score_gradient(scores, h, g)


def _gradient_plain_average(scores, h, g):
    return np_softmax(scores) * np.einsum("bmd,bd->bm", h - h.mean(1, keepdims=True), g)


def _gradient_overflow(scores, h, g):
    alpha = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    c = np.einsum("bm,bmd->bd", alpha, h)
    return alpha * np.einsum("bmd,bd->bm", h - c[:, None], g)


def _gradient_jacobian(scores, h, g):
    alpha = np_softmax(scores)
    J = alpha[:, :, None] * (np.eye(scores.shape[1], dtype=scores.dtype) - alpha[:, None, :])  # [batch, m, m]
    return np.einsum("bij,bjd,bd->bi", J, h, g)


def _gradient_autograd(scores, h, g):
    leaf = torch.from_numpy(scores).requires_grad_()
    c = torch.einsum("bm,bmd->bd", leaf.softmax(-1), torch.from_numpy(h))
    return torch.autograd.grad((c * torch.from_numpy(g)).sum(), leaf)[0].numpy()


EXERCISES = [
    Exercise(
        name="additive_scores",
        assignment=ASSIGNMENT,
        section="att-additive",
        points=1,
        difficulty=2,
        minutes=10,
        reference=attention.additive_scores,
        probe=probe.call,
        cases=additive_cases,
        mistakes=[
            Mistake(
                "tanh forgotten",
                _additive_no_tanh,
                "Your score is linear in h and s. So s adds one and the same number to every score, and the softmax "
                "does not see it. What stands between W and v in the formula?",
                "att-additive",
            ),
            Mistake(
                "v forgotten",
                _additive_no_v,
                "You add the d_a hidden numbers up. The score weighs them first; by which parameter?",
                "att-additive",
            ),
            Mistake(
                "tanh around the whole score",
                _additive_tanh_last,
                "Your scores stay between -1 and 1. Only the hidden layer is squashed; v comes after it.",
                "att-additive",
            ),
            Mistake(
                "s put before h",
                _additive_state_first,
                "The first d_h rows of W belong to h. In what order does the formula join the two?",
                "att-additive",
            ),
            Mistake(
                "softmax taken already",
                _additive_softmaxed,
                "Your rows sum to 1: those are weights. This function returns scores, one step earlier.",
                "att-weights",
            ),
        ],
        alternatives=[_additive_split, _additive_loops],
    ),
    Exercise(
        name="key_query_scores",
        assignment=ASSIGNMENT,
        section="att-key-query",
        points=1,
        difficulty=1,
        minutes=8,
        reference=attention.key_query_scores,
        probe=probe.call,
        cases=key_query_cases,
        mistakes=[
            Mistake(
                "W_K and W_Q exchanged",
                _key_query_exchanged,
                "Which of the two is the one that asks: the decoder's s or the encoder's h? It gets W_Q.",
                "att-key-query",
            ),
            Mistake(
                "one matrix for both",
                _key_query_one_matrix,
                "You never use W_Q. Keys and queries have a matrix each.",
                "att-key-query",
            ),
            Mistake(
                "h · s without the matrices",
                _key_query_plain,
                "You multiply the raw states. Make the key out of h and the query out of s first.",
                "att-key-query",
            ),
            Mistake(
                "divided by √d_k",
                _key_query_scaled,
                "The scaled product is chapter 6's. Here the score is the plain inner product.",
                "att-key-query",
            ),
            Mistake(
                "softmax taken already",
                _key_query_softmaxed,
                "Your rows sum to 1: those are weights. This function returns scores, one step earlier.",
                "att-weights",
            ),
        ],
        alternatives=[_key_query_bilinear, _key_query_loops],
    ),
    Exercise(
        name="masked_softmax",
        assignment=ASSIGNMENT,
        section="att-padding",
        points=2,
        difficulty=3,
        minutes=20,
        reference=attention.masked_softmax,
        probe=probe.call,
        cases=softmax_cases,
        mistakes=[
            Mistake(
                "softmax over the queries",
                _softmax_over_queries,
                "Add your weights up along the last axis: a query's weights over the source words must sum to 1.",
                "att-weights",
            ),
            Mistake(
                "padding gets weight",
                _softmax_no_mask,
                "Your weights are those of a softmax without any mask. Is it used at all? If you add a large negative "
                "number to the padding's scores, look at its exponent: -1e-9 is almost nothing, -1e9 is meant.",
                "att-padding",
            ),
            Mistake(
                "mask inverted",
                _softmax_inverted,
                "You kept the padding and dropped the words. In this course True means a real token.",
                "att-padding",
            ),
            Mistake(
                "mask after the softmax",
                _softmax_mask_after,
                "Your padding is 0, but the rest no longer sums to 1: padding had taken its share. Mask earlier.",
                "att-padding",
            ),
            Mistake(
                "masked scores set to 0",
                _softmax_scores_zeroed,
                "A score of 0 is not a weight of 0: exp(0) = 1. Which score has exp(score) = 0?",
                "att-padding",
            ),
            Mistake(
                "a fully masked row gives NaN",
                _softmax_empty_nan,
                "With no real token, -inf - (-inf) or 0/0 turns up somewhere. What does the docstring ask for then?",
                "att-padding",
            ),
            Mistake(
                "a fully masked row spread over the padding",
                _softmax_empty_uniform,
                "If all scores are the same large negative number, they are equal, and equal scores share the weight. "
                "Padding must get exactly 0 even then.",
                "att-padding",
            ),
            Mistake(
                "exp overflows",
                _softmax_overflow,
                "exp(1000) is infinite. Subtracting one number from all scores of a row leaves its softmax as it is. "
                "Which number keeps every exponent at 0 or below?",
                "att-weights",
            ),
            Mistake(
                "exp overflows, and 0/0 in a fully masked row",
                _softmax_naive,
                "This is the formula as printed, and it breaks twice: exp(1000) is infinite, and a row without a real "
                "token divides 0 by 0. Subtract each row's largest real score first, and look at what you divide by.",
                "att-padding",
            ),
            Mistake(
                "the maximum taken over padding too",
                _softmax_top_of_padding,
                "If padding has the largest score, all real words underflow to 0 once you subtract it. Whose maximum "
                "is it?",
                "att-padding",
            ),
            Mistake(
                "the maximum taken over padding too, and 0/0",
                _softmax_top_of_padding_nan,
                "Two kinds of row divide 0 by 0 here. One has no real token. In the other, padding has the largest "
                "score, and all real words underflow to 0 once you subtract it.",
                "att-padding",
            ),
            Mistake(
                "α not normalised",
                _softmax_not_normalised,
                "Your rows do not sum to 1. What is the softmax's denominator?",
                "att-weights",
            ),
            Mistake(
                "scores edited in place",
                _softmax_in_place,
                "The weights are right, but you wrote into the array that you were given. Its owner still needs it; "
                "np.where makes a new one.",
                "att-padding",
            ),
        ],
        alternatives=[_softmax_rows, _softmax_torch, _softmax_large_negative],
    ),
    Exercise(
        name="attention_contexts",
        assignment=ASSIGNMENT,
        section="att-all-queries",
        points=2,
        difficulty=3,
        minutes=20,
        reference=attention.attention_contexts,
        probe=probe.call_with_gradients,
        cases=contexts_cases,
        mistakes=[
            Mistake(
                "context from the keys",
                _contexts_of_keys,
                "Keys are only for finding. What do you average, once the weights are known?",
                "att-context",
            ),
            Mistake(
                "softmax over the queries",
                _with(lambda scores, keep: scores.softmax(1) * keep),
                "Every decoder state shares out one unit of weight over the source. Along which axis do yours sum to "
                "1?",
                "att-weights",
            ),
            Mistake(
                "padding gets weight",
                _with(lambda scores, keep: scores.softmax(-1)),
                "You do not use the mask. Change a padded state and your context moves.",
                "att-padding",
            ),
            Mistake(
                "mask inverted",
                _with(lambda scores, keep: _hide(scores, ~keep).softmax(-1)),
                "You hid the words and kept the padding. True means a real token, and masked_fill fills where it "
                "finds True.",
                "att-padding",
            ),
            Mistake(
                "mask after the softmax",
                _with(lambda scores, keep: scores.softmax(-1) * keep),
                "Padding took its share before you removed it, so the rest sums to less than 1. Mask the scores.",
                "att-padding",
            ),
            Mistake(
                "α not normalised",
                _with(lambda scores, keep: scores.exp() * keep),
                "Your weights are positive but their sum is not 1. Divide each row by its sum.",
                "att-weights",
            ),
            Mistake(
                "scores used as weights",
                _with(lambda scores, keep: scores * keep),
                "Some of your weights are negative. A score becomes a weight only after the softmax.",
                "att-weights",
            ),
            Mistake(
                "divided by √d_k",
                _contexts_scaled,
                "The scaled product is chapter 6's. Here the score is the plain inner product.",
                "att-key-query",
            ),
            Mistake(
                "α cut off from the graph",
                _contexts_no_alpha_gradient,
                "The numbers are right, but no gradient reaches W_K and W_Q, so they would never learn. Look for "
                "detach, no_grad, .data or a detour through NumPy.",
                "att-gradient",
            ),
        ],
        alternatives=[_contexts_library, _contexts_loops, _contexts_einsum],
        framework="torch",
    ),
    Exercise(
        name="attention_step",
        assignment=ASSIGNMENT,
        section="att-state-update",
        points=3,
        difficulty=4,
        minutes=25,
        reference=attention.attention_step,
        probe=probe.call_with_gradients,
        cases=step_cases,
        mistakes=[
            Mistake(
                "c put before s",
                _step_exchanged,
                "The rows of W_s belong to y, then s, then c. In what order do you join them?",
                "att-state-update",
            ),
            Mistake(
                "the new state has no tanh",
                _step_no_tanh,
                "Your new state is not bounded. It is still the RNN of chapter 1, with one more input.",
                "att-state-update",
            ),
            Mistake(
                "padding gets weight",
                _step_no_mask,
                "You do not use the mask. Where it is False, α must be 0.",
                "att-padding",
            ),
            Mistake(
                "c is the last state",
                _step_last_state,
                "That is chapter 2's code: the last state, whatever α says. Average all states with the weights α.",
                "att-context",
            ),
            Mistake(
                "c never reaches the new state",
                _step_old_context_lost,
                "α and c are right, but s' would be the same without them. c is one of the three inputs of the update.",
                "att-state-update",
            ),
            Mistake(
                "tanh forgotten in the scores",
                _step_scores_no_tanh,
                "Without tanh the state s adds the same number to every score, and α does not depend on s at all.",
                "att-additive",
            ),
            Mistake(
                "asked with the new state",
                _step_asked_with_new_state,
                "s' is right, but your α and c are those of the next step. Return the ones that s' was made from.",
                "att-state-update",
            ),
        ],
        alternatives=[_step_split],
        framework="torch",
    ),
    Exercise(
        name="score_gradient",
        assignment=ASSIGNMENT,
        section="att-gradient",
        points=3,
        difficulty=4,
        minutes=25,
        reference=attention.score_gradient,
        probe=probe.call,
        cases=gradient_cases,
        mistakes=[
            Mistake(
                "the softmax passed over",
                _gradient_straight_through,
                "h_i · g is the gradient with respect to α_i. The softmax stands between α and the scores.",
                "att-gradient",
            ),
            Mistake(
                "the mean not subtracted",
                _gradient_no_mean,
                "Your entries do not sum to 0. They must: adding one number to all scores changes nothing, since "
                "raising one weight lowers the others.",
                "att-gradient",
            ),
            Mistake(
                "only the Jacobian's diagonal",
                _gradient_diagonal,
                "α_i (1 − α_i) says how score i moves its own weight. It moves all other weights too.",
                "att-gradient",
            ),
            Mistake(
                "α_i forgotten",
                _gradient_no_alpha,
                "A word whose weight is nearly 0 should get almost no gradient. Yours gets as much as any.",
                "att-gradient",
            ),
            Mistake(
                "wrong sign",
                _gradient_sign,
                "All your signs are reversed. If h_i points along g more than c does, a higher score raises the loss.",
                "att-gradient",
            ),
            Mistake(
                "the plain average instead of c",
                _gradient_plain_average,
                "You subtract the mean of the h_i with equal weights. Which average does the decoder see?",
                "att-gradient",
            ),
            Mistake(
                "exp overflows",
                _gradient_overflow,
                "exp(1000) is infinite. Subtract each row's largest score first; the softmax stays the same.",
                "att-weights",
            ),
        ],
        alternatives=[_gradient_jacobian, _gradient_autograd],
    ),
]
