"""The prelude: what the exercises on embeddings, word2vec and byte pair encoding ask of a candidate."""

from collections import Counter
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.reference import text_to_vectors as t2v

ASSIGNMENT = "00-text-to-vectors"
EXACT = Tolerance(reason="ids and strings must agree exactly; nothing is rounded")


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


# ---- embed ---------------------------------------------------------------------------------------------------------


def embed_cases(rng):
    yield Case(
        "the worked example",
        {"ids": np.array([[2, 0]]), "W": np.array([[9.0, 9.0], [1.0, 2.0], [3.0, 4.0]]), "pad": 0},
    )
    for lengths, m, V, d, pad, dtype in [
        ((3,), 3, 5, 2, 0, np.float64),
        ((2, 5, 3), 5, 8, 3, 0, np.float32),
        ((4, 1), 4, 9, 6, 3, np.float64),
        ((1, 6, 2, 3), 7, 6, 4, 5, np.float32),
    ]:
        words = [i for i in range(V) if i != pad]
        ids = np.full((len(lengths), m), pad)
        for row, n in zip(ids, lengths, strict=True):
            row[:n] = rng.choice(words, size=n)
        yield Case(
            f"sentences of {lengths} words padded to {m}, {V} rows of {d} numbers, pad {pad}, {np.dtype(dtype)}",
            {"ids": ids, "W": normal(rng, dtype)(V, d), "pad": pad},
        )
    yield Case(
        "the same word several times, and no padding",
        {"ids": np.array([[1, 1, 2], [2, 1, 1]]), "W": normal(rng, np.float64)(7, 5), "pad": 0},
    )


def embed_padding_kept(ids, W, pad):
    return W[ids]


def embed_padding_index(ids, W, pad):
    return F.embedding(ids, W, padding_idx=pad)


def embed_pad_is_zero(ids, W, pad):
    return t2v.embed(ids, W, 0)


def embed_zeroes_the_table(ids, W, pad):
    W[pad] = 0
    return W[ids]


def embed_frozen(ids, W, pad):
    return t2v.embed(ids, W.detach(), pad)


def embed_from_one(ids, W, pad):
    return W[ids - 1] * (ids != pad)[:, :, None]


def embed_scaled(ids, W, pad):
    return t2v.embed(ids, W, pad) * W.shape[1] ** 0.5


def embed_narrow_one_hot(ids, W, pad):
    return (F.one_hot(ids).to(W) * (ids != pad)[:, :, None]) @ W


def embed_inverted(ids, W, pad):
    return W[ids] * (ids == pad)[:, :, None]


EMBED = Exercise(
    name="embed",
    assignment=ASSIGNMENT,
    section="t2v-embedding",
    points=1,
    difficulty=1,
    minutes=8,
    reference=t2v.embed,
    probe=probe.call_with_gradients,
    cases=embed_cases,
    mistakes=[
        Mistake(
            "padding gets the table's row",
            embed_padding_kept,
            "Padding is no word, but your output has a vector for it, the row pad of W. It should get zeros, and that "
            "row no gradient.",
            "t2v-embedding",
        ),
        Mistake(
            "padding_idx stops the gradient only",
            embed_padding_index,
            "padding_idx keeps the gradient from the row pad of W, but the row itself is still looked up. Whatever "
            "stands in it, zeros have to come out.",
            "t2v-embedding",
        ),
        Mistake(
            "pad taken to be 0",
            embed_pad_is_zero,
            "The id of padding is an argument. In some cases it is not 0, and there word 0 is a word like any other.",
            "t2v-embedding",
        ),
        Mistake(
            "W edited in place",
            embed_zeroes_the_table,
            "The output is right, but you wrote zeros into the table itself, which belongs to the caller. Zero the "
            "rows that you have looked up.",
            "t2v-embedding",
        ),
        Mistake(
            "the table gets no gradient",
            embed_frozen,
            "The numbers are right, but no gradient reaches W, so it would never learn. .detach(), .data, and "
            "nn.Embedding.from_pretrained without freeze=False cut it off.",
            "t2v-gradient",
        ),
        Mistake(
            "ids counted from 1",
            embed_from_one,
            "Each word got the row before its own, and word 0 the last one. Ids count from 0.",
            "t2v-embedding",
        ),
        Mistake(
            "multiplied by √d",
            embed_scaled,
            "Every number is √d times too large. The Transformer does that to its embeddings (chapter 9); a lookup "
            "doesn't.",
            "t2v-embedding",
        ),
        Mistake(
            "one-hot rows too short",
            embed_narrow_one_hot,
            "F.one_hot makes rows as long as the largest id that it sees. The last words of the vocabulary may not "
            "occur in this batch. How long must a one-hot row be?",
            "t2v-one-hot",
        ),
        Mistake(
            "mask inverted",
            embed_inverted,
            "You kept the padding and zeroed the words. Where is your condition True?",
            "t2v-embedding",
        ),
    ],
    alternatives=[
        lambda ids, W, pad: (F.one_hot(ids, len(W)).to(W) @ W).masked_fill((ids == pad)[:, :, None], 0),
        lambda ids, W, pad: torch.where((ids == pad)[..., None], torch.zeros_like(W[0]), F.embedding(ids, W)),
        lambda ids, W, pad: torch.stack(
            [torch.stack([0 * W[i] if i == pad else W[i] for i in row]) for row in ids.tolist()]
        ),
    ],
    framework="torch",
)


# ---- skip_gram_pairs -----------------------------------------------------------------------------------------------


def pairs_cases(rng):
    yield Case("the worked example", {"sentences": [[3, 1, 4], [1, 5]], "window": 1})

    def drawn(*lengths, V=6):  # few words, so that a word meets itself
        return [rng.integers(V, size=n).tolist() for n in lengths]

    yield Case("one sentence of 5 words, window 2", {"sentences": [[7, 2, 9, 4, 8]], "window": 2})
    yield Case("a word beside itself", {"sentences": [[5, 5, 2, 5]], "window": 2})
    yield Case("sentences of 6, 2 and 4 words, window 2", {"sentences": drawn(6, 2, 4), "window": 2})
    yield Case("sentences of 9 and 7 words, window 3", {"sentences": drawn(9, 7), "window": 3})
    yield Case("sentences shorter than the window", {"sentences": drawn(2, 3, 1), "window": 5})
    yield Case("sentences of one word: no pairs", {"sentences": drawn(1, 1), "window": 2})


def pairs_from(offsets, same=lambda i, j, sentence: i == j, turned=False):
    """A wrong `skip_gram_pairs`: ``offsets`` gives the context places of a centre, ``same`` what to leave out."""

    def candidate(sentences, window):
        pairs = [
            (sentence[i], sentence[j])
            for sentence in sentences
            for i in range(len(sentence))
            for j in offsets(i, len(sentence), window)
            if not same(i, j, sentence)
        ]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)[:, :: -1 if turned else 1]

    return candidate


def inside(i, n, window):
    return range(max(0, i - window), min(n, i + window + 1))


def pairs_across_sentences(sentences, window):
    return t2v.skip_gram_pairs([[word for sentence in sentences for word in sentence]], window)


def pairs_by_distance(sentences, window):
    pairs = []
    for s in sentences:
        for offset in [*range(-window, 0), *range(1, window + 1)]:
            pairs += [(s[i], s[i + offset]) for i in range(len(s)) if 0 <= i + offset < len(s)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def pairs_flat_if_none(sentences, window):
    return np.array(t2v.skip_gram_pairs(sentences, window).tolist())


def pairs_by_slices(sentences, window):
    pairs = []
    for s in sentences:
        for i, word in enumerate(s):
            pairs += [[word, other] for other in s[max(i - window, 0) : i] + s[i + 1 : i + 1 + window]]
    return np.array(pairs).reshape(len(pairs), 2).astype(int)


SKIP_GRAM_PAIRS = Exercise(
    name="skip_gram_pairs",
    assignment=ASSIGNMENT,
    section="t2v-skip-gram",
    points=2,
    difficulty=2,
    minutes=15,
    reference=t2v.skip_gram_pairs,
    probe=probe.call,
    cases=pairs_cases,
    mistakes=[
        Mistake(
            "the centre paired with itself",
            pairs_from(inside, lambda i, j, sentence: False),
            "Among your pairs is each word with itself. The easiest way to predict it is to copy it, and nothing is "
            "learned from that.",
            "t2v-skip-gram",
        ),
        Mistake(
            "only one side of the window",
            pairs_from(lambda i, n, window: range(i, min(n, i + window + 1))),
            "You look at the words after the centre. The window reaches to both sides.",
            "t2v-skip-gram",
        ),
        Mistake(
            "pairs across the end of a sentence",
            pairs_across_sentences,
            "You pair the last words of a sentence with the first ones of the next. They stand side by side in the "
            "file, not in the language.",
            "t2v-skip-gram",
        ),
        Mistake(
            "the last place of the window missing",
            pairs_from(lambda i, n, window: range(max(0, i - window), min(n, i + window))),
            "range stops before its second argument. How far to the right does your window reach?",
            "t2v-skip-gram",
        ),
        Mistake(
            "the window wraps round at the start",
            pairs_from(lambda i, n, window: range(i - window, min(n, i + window + 1))),
            "At the start of a sentence i - window is negative, and a negative index counts from the end: Python "
            "doesn't complain.",
            "t2v-skip-gram",
        ),
        Mistake(
            "context and centre exchanged",
            pairs_from(inside, turned=True),
            "Each pair is the wrong way round: the centre comes first, the context second.",
            "t2v-skip-gram",
        ),
        Mistake(
            "equal words skipped",
            pairs_from(inside, lambda i, j, sentence: sentence[i] == sentence[j]),
            "A word may stand in the window of the same word, two places on. Leave out the same place, not the same "
            "word.",
            "t2v-skip-gram",
        ),
        Mistake(
            "no pairs, and no second axis",
            pairs_flat_if_none,
            "np.array of an empty list has the shape (0,) and floats in it. Where there is no pair, an int array "
            "with no rows and two columns is asked for.",
            "t2v-skip-gram",
        ),
        Mistake(
            "the right pairs in another order",
            pairs_by_distance,
            "You go through the distances first. The order asked for is: by sentence, by the centre's place, by the "
            "context's place.",
            "t2v-skip-gram",
        ),
    ],
    alternatives=[pairs_by_slices],
    tolerance=EXACT,
)


# ---- negative_sampling_loss ----------------------------------------------------------------------------------------


def loss_cases(rng):
    yield Case(
        "the worked example",
        {
            "W_in": np.array([[1.0], [5.0]]),
            "W_out": np.array([[0.0], [np.log(3.0)]]),
            "centres": np.array([0]),
            "contexts": np.array([1]),
            "negatives": np.array([[0]]),
        },
    )
    for batch, K, V, d, dtype, scale in [
        (1, 3, 4, 2, np.float64, 1),
        (3, 2, 6, 4, np.float32, 1),
        (5, 4, 7, 3, np.float64, 1),
        (2, 5, 5, 6, np.float64, 0.1),
        (4, 3, 6, 5, np.float32, 30),
        (3, 2, 8, 6, np.float64, 40),
    ]:
        large = ", products in the hundreds and thousands" * (scale > 1)
        yield Case(
            f"batch {batch}, {K} negatives, {V} words, {d} numbers a word, {np.dtype(dtype)}{large}",
            {
                "W_in": (scale * rng.normal(size=(V, d))).astype(dtype),
                "W_out": (scale * rng.normal(size=(V, d))).astype(dtype),
                "centres": rng.integers(V, size=batch),
                "contexts": rng.integers(V, size=batch),
                "negatives": rng.integers(V, size=(batch, K)),
            },
        )
    # 1 - σ(50) is rounded to 0, σ(-50) is not.
    W_in, W_out = rng.normal(size=(4, 2)) / 20 + 5, rng.normal(size=(4, 2)) / 20 + 5
    yield Case(
        "products near 50, float64",
        {
            "W_in": W_in,
            "W_out": W_out,
            "centres": np.array([3, 1]),
            "contexts": np.array([0, 2]),
            "negatives": np.array([[1], [3]]),
        },
    )


def _products(W_in, W_out, centres, contexts, negatives):
    """v · u: [batch] and v · u_k: [batch, K]."""
    v = W_in[centres]
    return (v * W_out[contexts]).sum(-1), torch.einsum("bkd,bd->bk", W_out[negatives], v)


def loss_negatives_pulled(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -(F.logsigmoid(true) + F.logsigmoid(false).sum(-1)).mean()


def loss_summed(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -(F.logsigmoid(true) + F.logsigmoid(-false).sum(-1)).sum()


def loss_negatives_averaged(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -(F.logsigmoid(true) + F.logsigmoid(-false).mean(-1)).mean()


def loss_softmax(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -torch.cat([true[:, None], false], 1).log_softmax(1)[:, 0].mean()


def loss_overflow(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -(torch.log(torch.sigmoid(true)) + torch.log(1 - torch.sigmoid(false)).sum(-1)).mean()


def loss_overflow_minus(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -(torch.log(torch.sigmoid(true)) + torch.log(torch.sigmoid(-false)).sum(-1)).mean()


def loss_no_log(*args, **kwargs):
    true, false = _products(*args, **kwargs)
    return -(torch.sigmoid(true) + torch.sigmoid(-false).sum(-1)).mean()


def loss_one_matrix(W_in, W_out, centres, contexts, negatives):
    return t2v.negative_sampling_loss(W_in, W_in, centres, contexts, negatives)


def loss_maximised(*args, **kwargs):
    return -t2v.negative_sampling_loss(*args, **kwargs)


def loss_no_negatives(W_in, W_out, centres, contexts, negatives):
    return t2v.negative_sampling_loss(W_in, W_out, centres, contexts, negatives[:, :0])


def loss_matrices_exchanged(W_in, W_out, centres, contexts, negatives):
    return t2v.negative_sampling_loss(W_out, W_in, centres, contexts, negatives)


def loss_softplus(W_in, W_out, centres, contexts, negatives):
    true, false = _products(W_in, W_out, centres, contexts, negatives)
    return (F.softplus(-true) + F.softplus(false).sum(1)).sum() / len(centres)


def loss_library(W_in, W_out, centres, contexts, negatives):
    every = torch.cat([contexts[:, None], negatives], 1)  # [batch, 1 + K]
    x = torch.bmm(F.embedding(every, W_out), F.embedding(centres, W_in)[:, :, None])[:, :, 0]
    target = torch.zeros_like(x)
    target[:, 0] = 1
    return F.binary_cross_entropy_with_logits(x, target, reduction="sum") / len(centres)


def loss_loops(W_in, W_out, centres, contexts, negatives):
    total = 0
    for c, o, noise in zip(centres.tolist(), contexts.tolist(), negatives.tolist(), strict=True):
        total = total - F.logsigmoid(W_in[c] @ W_out[o])
        for k in noise:
            total = total - F.logsigmoid(-W_in[c] @ W_out[k])
    return total / len(centres)


NEGATIVE_SAMPLING_LOSS = Exercise(
    name="negative_sampling_loss",
    assignment=ASSIGNMENT,
    section="t2v-negative-sampling",
    points=2,
    difficulty=3,
    minutes=20,
    reference=t2v.negative_sampling_loss,
    probe=probe.call_with_gradients,
    cases=loss_cases,
    mistakes=[
        Mistake(
            "the negatives are pulled, not pushed",
            loss_negatives_pulled,
            "Your loss falls when v · u_k grows, so the noise words are drawn to the centre like the true one. Their "
            "product should become small: what is the sign under the sigmoid?",
            "t2v-negative-sampling",
        ),
        Mistake(
            "summed over the batch",
            loss_summed,
            "With twice as many pairs your loss is twice as large, and so is each step of training. The mean over the "
            "batch is asked for.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "the negatives averaged",
            loss_negatives_averaged,
            "You took the mean of the K noise terms. In the formula they are summed: K of them weigh K times as much "
            "as one.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "softmax in place of the sigmoid",
            loss_softmax,
            "You let the true word compete with its K negatives for one unit of probability. Here each product is a "
            "question of its own, true pair or noise, answered by a sigmoid.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "log of a sigmoid that is 0",
            loss_overflow_minus,
            "Far below zero the sigmoid is rounded to 0, and the log of 0 is minus infinity. There is a function that "
            "takes the log and the sigmoid in one.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "log of one minus a sigmoid that is 1",
            loss_overflow,
            "1 - σ(x) is rounded to 0 long before σ(-x) is, and the log of 0 is minus infinity. Use that the two are "
            "equal, and take the log and the sigmoid in one function.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "logarithm forgotten",
            loss_no_log,
            "You add up probabilities. The probability that all the answers are right is a product, and its log is "
            "the sum of the logs.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "W_in used on both sides",
            loss_one_matrix,
            "Contexts and negatives are looked up in W_out. With one matrix a word would have to be like itself, "
            "although it seldom stands beside itself.",
            "t2v-two-matrices",
        ),
        Mistake(
            "the two matrices exchanged",
            loss_matrices_exchanged,
            "Centres are rows of W_in, contexts and negatives rows of W_out. Yours are the other way round.",
            "t2v-two-matrices",
        ),
        Mistake(
            "wrong sign of the whole loss",
            loss_maximised,
            "Yours is the log-probability. Training makes a loss small, so the loss is minus that.",
            "t2v-negative-sampling",
        ),
        Mistake(
            "negatives ignored",
            loss_no_negatives,
            "Without the noise words the loss is smallest when all vectors are alike and long: every product is then "
            "large.",
            "t2v-negative-sampling",
        ),
    ],
    alternatives=[loss_softplus, loss_library, loss_loops],
    framework="torch",
)


# ---- negative_sampling_gradient ------------------------------------------------------------------------------------


def gradient_cases(rng):
    yield Case(
        "the worked example",
        {
            "v": np.array([[1.0]]),
            "u": np.array([[np.log(3.0)]]),
            "N": np.array([[[0.0], [-np.log(3.0)]]]),
        },
    )
    for batch, K, d, dtype, scale in [
        (1, 1, 3, np.float64, 1),
        (3, 4, 2, np.float32, 1),
        (2, 5, 6, np.float64, 1),
        (4, 3, 5, np.float32, 25),
        (3, 2, 4, np.float64, 60),
    ]:
        large = ", products in the hundreds and thousands" * (scale > 1)
        v, u, N = ((scale * rng.normal(size=s)).astype(dtype) for s in [(batch, d), (batch, d), (batch, K, d)])
        yield Case(
            f"batch {batch}, {K} negatives, {d} numbers a word, {np.dtype(dtype)}{large}", {"v": v, "u": u, "N": N}
        )


def gradient_with(true=lambda s: s - 1, false=lambda s: s):
    """A wrong `negative_sampling_gradient`: what dL/d(v · u) and dL/d(v · u_k) are made of the sigmoid."""

    def candidate(v, u, N):
        a = true(t2v.sigmoid((v * u).sum(-1, keepdims=True)))
        b = false(t2v.sigmoid(N @ v[:, :, None]))
        return a * u + (b * N).sum(1), a * v, b * v[:, None]

    return candidate


def gradient_overflow(v, u, N):
    def sigmoid(x):
        return np.exp(x) / (1 + np.exp(x))

    a, b = sigmoid((v * u).sum(-1, keepdims=True)) - 1, sigmoid(N @ v[:, :, None])
    return a * u + (b * N).sum(1), a * v, b * v[:, None]


def gradient_true_word_only(v, u, N):
    _, du, dN = t2v.negative_sampling_gradient(v, u, N)
    a = t2v.sigmoid((v * u).sum(-1, keepdims=True)) - 1
    return a * u, du, dN


def gradient_exchanged(v, u, N):
    dv, du, dN = t2v.negative_sampling_gradient(v, u, N)
    return du, dv, dN


def gradient_ascent(v, u, N):
    return tuple(-g for g in t2v.negative_sampling_gradient(v, u, N))


def gradient_averaged_negatives(v, u, N):
    a, b = t2v.sigmoid((v * u).sum(-1, keepdims=True)) - 1, t2v.sigmoid(N @ v[:, :, None]) / N.shape[1]
    return a * u + (b * N).sum(1), a * v, b * v[:, None]


def gradient_batch_mean(v, u, N):
    return tuple(g / g.dtype.type(len(v)) for g in t2v.negative_sampling_gradient(v, u, N))


def gradient_own_vectors(v, u, N):
    a, b = t2v.sigmoid((v * u).sum(-1, keepdims=True)) - 1, t2v.sigmoid(N @ v[:, :, None])
    return a * u + (b * N).sum(1), a * u, b * N


def gradient_autograd(v, u, N):
    v, u, N = (torch.from_numpy(x).requires_grad_() for x in (v, u, N))
    loss = -F.logsigmoid((v * u).sum()) if v.ndim == 1 else -F.logsigmoid((v * u).sum(-1)).sum()
    loss = loss - F.logsigmoid(-torch.einsum("bkd,bd->bk", N, v)).sum()
    return tuple(g.numpy() for g in torch.autograd.grad(loss, (v, u, N)))


def gradient_loops(v, u, N):
    def sigmoid(x):
        return (1 + np.tanh(x / 2)) / 2

    dv, du, dN = np.zeros_like(v), np.zeros_like(u), np.zeros_like(N)
    for b in range(len(v)):
        g = -sigmoid(-(v[b] @ u[b]))
        dv[b], du[b] = g * u[b], g * v[b]
        for k in range(N.shape[1]):
            g = sigmoid(v[b] @ N[b, k])
            dv[b] += g * N[b, k]
            dN[b, k] = g * v[b]
    return dv, du, dN


NEGATIVE_SAMPLING_GRADIENT = Exercise(
    name="negative_sampling_gradient",
    assignment=ASSIGNMENT,
    section="t2v-by-hand",
    points=3,
    difficulty=4,
    minutes=25,
    reference=t2v.negative_sampling_gradient,
    probe=probe.call,
    cases=gradient_cases,
    mistakes=[
        Mistake(
            "the true word is pushed away",
            gradient_with(true=lambda s: s),
            "For the true word the derivative of -log σ(x) is wanted. It is negative everywhere: a larger product "
            "lowers the loss.",
            "t2v-by-hand",
        ),
        Mistake(
            "the negatives are pulled",
            gradient_with(false=lambda s: s - 1),
            "For a noise word the derivative of -log σ(-x) is wanted, not that of -log σ(x). Mind the inner minus.",
            "t2v-by-hand",
        ),
        Mistake(
            "uphill: all signs reversed",
            gradient_ascent,
            "This is the gradient of the log-probability. That of the loss has the other sign.",
            "t2v-by-hand",
        ),
        Mistake(
            "v hears nothing of the negatives",
            gradient_true_word_only,
            "v stands in K + 1 products, and each of them has a say in its gradient. Yours comes from the true word "
            "alone.",
            "t2v-by-hand",
        ),
        Mistake(
            "the gradients of v and u exchanged",
            gradient_exchanged,
            "The derivative of v · u with respect to v is u. Your first two results stand in each other's place.",
            "t2v-by-hand",
        ),
        Mistake(
            "each word moved along itself",
            gradient_own_vectors,
            "The derivative of v · u_k with respect to u_k is v, not u_k: the words move along the centre's vector.",
            "t2v-by-hand",
        ),
        Mistake(
            "the negatives averaged",
            gradient_averaged_negatives,
            "The K noise terms of the loss are a sum, so none of their gradients is divided by K.",
            "t2v-by-hand",
        ),
        Mistake(
            "divided by the batch",
            gradient_batch_mean,
            "Here each pair of the batch has a loss of its own; no mean is taken over them.",
            "t2v-by-hand",
        ),
        Mistake(
            "the sigmoid overflows",
            gradient_overflow,
            "exp of a large number is infinite, and infinite over infinite is NaN. Write the sigmoid so that exp is "
            "never taken of a large positive number, or so that an infinity in a denominator gives 0.",
            "t2v-by-hand",
        ),
    ],
    alternatives=[
        gradient_autograd,
        gradient_loops,
        lambda v, u, N: (
            (1 / (1 + np.exp(-(v * u).sum(-1, keepdims=True))) - 1) * u
            + np.einsum("bk,bkd->bd", 1 / (1 + np.exp(-np.einsum("bkd,bd->bk", N, v))), N),
            (1 / (1 + np.exp(-(v * u).sum(-1, keepdims=True))) - 1) * v,
            (1 / (1 + np.exp(-np.einsum("bkd,bd->bk", N, v))))[:, :, None] * v[:, None],
        ),
    ],
    tolerance=Tolerance(
        float32=(1e-4, 1e-4),
        reason="the sum over the negatives may be added in another order; vectors are up to 100 long",
    ),
)


# ---- nearest_neighbours --------------------------------------------------------------------------------------------


def neighbours_cases(rng):
    yield Case(
        "the worked example", {"W": np.array([[1.0, 0.0], [3.0, 4.0], [0.0, 2.0]]), "ids": np.array([0]), "k": 2}
    )
    for V, d, n, k, dtype in [(5, 3, 1, 1, np.float64), (12, 4, 3, 5, np.float32), (9, 6, 4, 8, np.float64)]:
        draw = normal(rng, dtype)
        # Rows of very different lengths, so that a product without norms finds the long ones.
        W = draw(V, d) * np.exp(1.5 * draw(V, 1))
        yield Case(
            f"{V} rows of {d} numbers, {n} asked for, k = {k}, {np.dtype(dtype)}",
            {"W": W, "ids": rng.choice(V, size=n, replace=False), "k": k},
        )
    W = normal(rng, np.float64)(8, 5)
    W[3] = 0
    yield Case("a row of zeros, as for padding", {"W": W, "ids": np.array([0, 6]), "k": 7})
    W = normal(rng, np.float64)(7, 3)
    W[4] = 2 * W[1]
    yield Case("two rows in exactly the same direction", {"W": W, "ids": np.array([1, 4]), "k": 3})


def _ranked(scores, ids, k, reported=None, itself=False):
    """The k highest of each row of scores, without the row's own id."""
    ranked = scores.astype(np.float64)
    if not itself:
        ranked[np.arange(len(ids)), ids] = -np.inf
    neighbours = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    return neighbours, np.take_along_axis(scores if reported is None else reported, neighbours, axis=1)


def _unit(W, axis=1):
    norms = np.linalg.norm(W, axis=axis, keepdims=True)
    return W / np.where(norms > 0, norms, 1)


def neighbours_dot(W, ids, k):
    return _ranked(W[ids] @ W.T, ids, k)


def neighbours_itself(W, ids, k):
    # In exact arithmetic a word is its own nearest neighbour; rounding must not let a twin come first.
    cosines = _unit(W)[ids] @ _unit(W).T
    ranked = cosines.astype(np.float64)
    ranked[np.arange(len(ids)), ids] = np.inf
    return _ranked(ranked, ids, k, cosines, itself=True)


def neighbours_first_dropped(W, ids, k):
    cosines = _unit(W)[ids] @ _unit(W).T
    order = np.argsort(-cosines.round(5), axis=1, kind="stable")[:, 1 : k + 1]
    return order, np.take_along_axis(cosines, order, axis=1)


def neighbours_last_dropped(W, ids, k):
    cosines = _unit(W)[ids] @ _unit(W).T
    order = np.argsort(cosines.round(5), axis=1, kind="stable")[:, ::-1][:, 1 : k + 1]
    return order, np.take_along_axis(cosines, order, axis=1)


def neighbours_farthest(W, ids, k):
    cosines = _unit(W)[ids] @ _unit(W).T
    return _ranked(-cosines, ids, k, cosines)


def neighbours_euclidean(W, ids, k):
    distances = np.linalg.norm(W[ids][:, None] - W[None], axis=-1)
    return _ranked(-distances, ids, k, _unit(W)[ids] @ _unit(W).T)


def neighbours_distances(W, ids, k):
    cosines = _unit(W)[ids] @ _unit(W).T
    return _ranked(cosines, ids, k, 1 - cosines)


def neighbours_half_normed(W, ids, k):
    return _ranked(W[ids] @ _unit(W).T, ids, k)


def neighbours_columns_normed(W, ids, k):
    U = _unit(W, axis=0)
    return _ranked(U[ids] @ U.T, ids, k)


def neighbours_zero_over_zero(W, ids, k):
    U = W / np.linalg.norm(W, axis=1, keepdims=True)
    return _ranked(U[ids] @ U.T, ids, k)


def neighbours_torch(W, ids, k):
    W = torch.from_numpy(W)
    cosines = F.cosine_similarity(W[ids][:, None], W[None], dim=-1, eps=1e-12)
    best = cosines.scatter(1, torch.from_numpy(ids)[:, None], -2).topk(k, dim=1)
    return best.indices.numpy(), best.values.numpy()


def neighbours_loops(W, ids, k):
    rows, values = [], []
    for i in ids:
        cosines = {
            j: float(W[i] @ W[j]) / max(float(np.sqrt((W[i] ** 2).sum() * (W[j] ** 2).sum())), 1e-300)
            for j in range(len(W))
            if j != i
        }
        rows.append(sorted(cosines, key=cosines.get, reverse=True)[:k])
        values.append([cosines[j] for j in rows[-1]])
    return np.array(rows), np.array(values, dtype=W.dtype)


NEAREST_NEIGHBOURS = Exercise(
    name="nearest_neighbours",
    assignment=ASSIGNMENT,
    section="t2v-neighbours",
    points=2,
    difficulty=2,
    minutes=15,
    reference=t2v.nearest_neighbours,
    probe=probe.call,
    cases=neighbours_cases,
    mistakes=[
        Mistake(
            "inner products, not cosines",
            neighbours_dot,
            "A long vector has large products with everybody. A cosine compares directions only: what has to be "
            "divided out?",
            "t2v-neighbours",
        ),
        Mistake(
            "the word itself included",
            neighbours_itself,
            "The first neighbour that you find is the word itself, with cosine 1. It has to be left out, by its place "
            "and not by its cosine: another word may have cosine 1 too.",
            "t2v-neighbours",
        ),
        Mistake(
            "the first of the list left out, whoever it is",
            neighbours_first_dropped,
            "You sort, and take the first one for the word itself. If another word has the same direction, it may be "
            "that one. Leave the word out by its place.",
            "t2v-neighbours",
        ),
        Mistake(
            "the last of the list left out, whoever it is",
            neighbours_last_dropped,
            "You sort upwards, turn round, and take the first one for the word itself. If another word has the same "
            "direction, it may be that one. Leave the word out by its place.",
            "t2v-neighbours",
        ),
        Mistake(
            "the farthest, not the nearest",
            neighbours_farthest,
            "Sorting goes from small to large, and the nearest word has the largest cosine.",
            "t2v-neighbours",
        ),
        Mistake(
            "ranked by Euclidean distance",
            neighbours_euclidean,
            "The cosines are right but the ranking goes by the distance between the end points, in which length "
            "counts. Two vectors of one direction and different length are far apart by that.",
            "t2v-neighbours",
        ),
        Mistake(
            "1 minus the cosine returned",
            neighbours_distances,
            "You return a distance, small for the nearest. The cosine itself is asked for, near 1 for the nearest.",
            "t2v-neighbours",
        ),
        Mistake(
            "divided by one norm of two",
            neighbours_half_normed,
            "Your order is right and your numbers aren't cosines: they go beyond 1. Which of the two lengths is still "
            "in them?",
            "t2v-neighbours",
        ),
        Mistake(
            "columns normalised in place of rows",
            neighbours_columns_normed,
            "A word is a row of W, so each row is divided by its own length. You divided by the columns' lengths.",
            "t2v-neighbours",
        ),
        Mistake(
            "0/0 for a row of zeros",
            neighbours_zero_over_zero,
            "A row of zeros has no direction, and dividing it by its length gives NaN. Its cosine with every word is "
            "taken to be 0 here.",
            "t2v-neighbours",
        ),
    ],
    alternatives=[neighbours_torch, neighbours_loops],
)


# ---- bpe_merges ----------------------------------------------------------------------------------------------------


STEMS = ["eat", "heat", "read", "draw", "sing", "wash", "work", "walk", "drink", "think", "teach", "bake"]
ENDINGS = ["", "s", "er", "ers", "ing", "able"]


def some_words(rng, n):
    """Counts of n different words, put together from stems and endings, in random order."""
    stems, endings = rng.integers(len(STEMS), size=4 * n), rng.integers(len(ENDINGS), size=4 * n)
    words = list(dict.fromkeys(STEMS[i] + ENDINGS[j] for i, j in zip(stems, endings, strict=True)))[:n]
    return {word: int(count) for word, count in zip(words, rng.integers(1, 30, size=n), strict=False)}


def merges_cases(rng):
    yield Case("the worked example", {"counts": {"eat": 3, "eats": 2, "heat": 1}, "n": 3})
    yield Case(
        "a frequent word against many rare ones", {"counts": {"on": 9, "at": 1, "hat": 1, "cat": 1, "rat": 1}, "n": 2}
    )
    yield Case("all pairs equally frequent", {"counts": {"zy": 2, "ba": 2, "mn": 2}, "n": 4})
    yield Case("overlapping pairs", {"counts": {"aaaa": 2, "bc": 7, "aaa": 1}, "n": 7})
    yield Case("the same pair several times in a word", {"counts": {"banana": 2, "cot": 3, "cow": 2, "nab": 1}, "n": 6})
    yield Case("a symbol that ends like another", {"counts": {"xab": 5, "xa": 9, "ab": 4, "cab": 3}, "n": 5})
    yield Case("more merges asked for than there are", {"counts": {"it": 2, "is": 1}, "n": 20})
    for n, merges in [(6, 8), (15, 25)]:
        yield Case(f"{n} words, {merges} merges", {"counts": some_words(rng, n), "n": merges})
    yield Case("Chinese words", {"counts": {"汉堡": 3, "早上": 4, "晚上": 4, "上海": 2}, "n": 3})


def merges_by(
    count=lambda symbols, n: {p: n * c for p, c in Counter(pairwise(symbols)).items()},
    choose=lambda frequency: min(frequency, key=lambda pair: (-frequency[pair], pair)),
    join=t2v.merge,
    end=(t2v.END,),
):
    """A `bpe_merges` with one part done otherwise: counting a word's pairs, choosing, joining, the end of a word."""

    def candidate(counts, n):
        words = {word: [*word, *end] for word in counts}
        merges = []
        for _ in range(n):
            frequency = Counter()
            for word, symbols in words.items():
                frequency.update(count(symbols, counts[word]))
            if not frequency:
                break
            merges.append(choose(frequency))
            words = {word: join(symbols, merges[-1]) for word, symbols in words.items()}
        return merges

    return candidate


def count_without_overlap(symbols, n):
    found, i = Counter(), 0
    while i + 1 < len(symbols):
        pair = (symbols[i], symbols[i + 1])
        found[pair] += n
        i += 2 if pair == tuple(symbols[i + 1 : i + 3]) else 1
    return found


def join_as_text(symbols, pair):
    return " ".join(symbols).replace(" ".join(pair), "".join(pair)).split(" ")


def join_first_only(symbols, pair):
    for i in range(len(symbols) - 1):
        if (symbols[i], symbols[i + 1]) == tuple(pair):
            return [*symbols[:i], symbols[i] + symbols[i + 1], *symbols[i + 2 :]]
    return symbols


def turned(symbols):
    return [symbol[::-1] for symbol in symbols[::-1]]


def join_from_the_right(symbols, pair):
    return turned(t2v.merge(turned(symbols), tuple(turned(pair))))


def join_in_place(symbols, pair):
    symbols, i = list(symbols), 0
    while i < len(symbols) - 1:
        if symbols[i] == pair[0] and symbols[i + 1] == pair[1]:
            symbols[i : i + 2] = [pair[0] + pair[1]]
        i += 1
    return symbols


def merges_pairs_as_strings(counts, n):
    return ["".join(pair) for pair in t2v.bpe_merges(counts, n)]


def choose_sorted(frequency):
    most = max(frequency.values())
    return sorted(pair for pair, n in frequency.items() if n == most)[0]


BPE_MERGES = Exercise(
    name="bpe_merges",
    assignment=ASSIGNMENT,
    section="t2v-bpe",
    points=3,
    difficulty=3,
    minutes=30,
    reference=t2v.bpe_merges,
    probe=probe.call,
    cases=merges_cases,
    mistakes=[
        Mistake(
            "word frequencies ignored",
            merges_by(count=lambda symbols, n: Counter(pairwise(symbols))),
            "You count in how many places of the word list a pair stands. A word that occurs nine times counts nine "
            "times.",
            "t2v-bpe",
        ),
        Mistake(
            "each pair counted once a word",
            merges_by(count=lambda symbols, n: {p: n for p in pairwise(symbols)}),
            "A pair may stand in a word twice, as in banana. It then counts twice for each time the word occurs.",
            "t2v-bpe",
        ),
        Mistake(
            "ties go to the pair met first",
            merges_by(choose=lambda frequency: max(frequency, key=frequency.get)),
            "When two pairs are equally frequent, yours depends on the order of the words in the dict. The first in "
            "alphabetical order is asked for.",
            "t2v-bpe",
        ),
        Mistake(
            "ties go to the last pair in alphabetical order",
            merges_by(choose=lambda frequency: max(frequency, key=lambda pair: (frequency[pair], pair))),
            "max of (count, pair) takes the last pair in alphabetical order among equals. The first is asked for.",
            "t2v-bpe",
        ),
        Mistake(
            "no end of word",
            merges_by(end=()),
            'Each word ends with the symbol "</w>", which takes part in merges like any other. Without it nobody can '
            "tell where a word ends.",
            "t2v-bpe",
        ),
        Mistake(
            "merged with str.replace",
            merges_by(join=join_as_text),
            'Joined by spaces, "xa b" contains "a b", so replacing text also cuts into symbols that only end in a. '
            "Compare whole symbols.",
            "t2v-bpe",
        ),
        Mistake(
            "only the first place in a word merged",
            merges_by(join=join_first_only),
            "The pair may stand in a word more than once, and all of them are merged before the next count.",
            "t2v-bpe",
        ),
        Mistake(
            "merged from the right",
            merges_by(join=join_from_the_right),
            "In aaa the pair a a overlaps itself. Merging goes from left to right: aa a, not a aa.",
            "t2v-bpe",
        ),
        Mistake(
            "overlapping pairs counted once",
            merges_by(count=count_without_overlap),
            "aaa has two neighbouring pairs a a. Only one can be merged, but both are counted here.",
            "t2v-bpe",
        ),
        Mistake(
            "joined strings returned",
            merges_pairs_as_strings,
            "The two halves of each merge are needed later, to encode. Return pairs, not the symbols that they make.",
            "t2v-bpe",
        ),
    ],
    alternatives=[merges_by(), merges_by(choose=choose_sorted, join=join_in_place)],
    tolerance=EXACT,
)


# ---- bpe_encode ----------------------------------------------------------------------------------------------------


def encode_cases(rng):
    heat = [("a", "t"), ("e", "at"), ("eat", "</w>")]
    yield Case("the worked example", {"word": "heats", "merges": heat})
    yield Case("no merges: characters", {"word": "tea", "merges": []})
    yield Case("a character that no merge knows", {"word": "eäté", "merges": heat})
    yield Case(
        "a longer symbol, but learnt later",
        {"word": "abcd", "merges": [("b", "c"), ("a", "b"), ("bc", "d"), ("ab", "c")]},
    )
    yield Case("overlapping pairs", {"word": "aaaaaaa", "merges": [("a", "a"), ("aa", "aa"), ("b", "a")]})
    yield Case(
        "the same pair several times",
        {"word": "banana", "merges": [("n", "a"), ("b", "a"), ("na", "na"), ("na", "</w>")]},
    )
    yield Case("a symbol that ends like another", {"word": "xabab", "merges": [("x", "a"), ("a", "b"), ("xa", "b")]})
    for n in (10, 40):
        merges = distinct(t2v.bpe_merges(some_words(rng, 14), n))
        words = list(some_words(rng, 3))
        for word in words[: 1 + (n > 10)]:
            yield Case(f"the word {word}, {len(merges)} merges", {"word": word, "merges": merges})
    yield Case(
        "Chinese", {"word": "今天早上", "merges": [("早", "上"), ("天", "</w>"), ("今", "天"), ("早上", "</w>")]}
    )


def distinct(merges):
    """The merges without those that make a symbol already made: then other orders of work give the same result."""
    made = set()
    return [p for p in merges if "".join(p) not in made and not made.add("".join(p))]


def encode_by(join=t2v.merge, order=list, end=(t2v.END,)):
    """A `bpe_encode` with one part done otherwise."""

    def candidate(word, merges):
        symbols = [*word, *end]
        for pair in order(merges):
            symbols = join(symbols, pair)
        return symbols

    return candidate


def encode_longest_match(word, merges):
    known = {"".join(pair) for pair in merges}
    word, symbols = word + t2v.END, []
    while word:
        ends = range(len(word), 1, -1)
        length = next((n for n in ends if word[:n] in known or word[:n] == t2v.END), 1)
        symbols.append(word[:length])
        word = word[length:]
    return symbols


def encode_stops_early(word, merges):
    symbols = [*word, t2v.END]
    for pair in merges:
        merged = t2v.merge(symbols, pair)
        if merged == symbols:
            break
        symbols = merged
    return symbols


def encode_join_result(word, merges):
    return " ".join(t2v.bpe_encode(word, merges))


def encode_by_rank(word, merges):
    rank = {pair: i for i, pair in enumerate(merges)}
    symbols = [*word, t2v.END]
    while fitting := [pair for pair in pairwise(symbols) if pair in rank]:
        symbols = t2v.merge(symbols, min(fitting, key=rank.get))
    return symbols


BPE_ENCODE = Exercise(
    name="bpe_encode",
    assignment=ASSIGNMENT,
    section="t2v-bpe-encode",
    points=2,
    difficulty=3,
    minutes=15,
    reference=t2v.bpe_encode,
    probe=probe.call,
    cases=encode_cases,
    mistakes=[
        Mistake(
            "the longest match first",
            encode_longest_match,
            "You take the longest known symbol from the left. BPE goes through the merges in the order in which they "
            "were learnt, and an early merge may make a longer one impossible.",
            "t2v-bpe-encode",
        ),
        Mistake(
            "merges in reverse order",
            encode_by(order=lambda merges: merges[::-1]),
            "The last merge needs symbols that the earlier ones make. Begin with the first one learnt.",
            "t2v-bpe-encode",
        ),
        Mistake(
            "merges in alphabetical order",
            encode_by(order=sorted),
            "You sorted the merges. Their order is the order of learning, and it matters.",
            "t2v-bpe-encode",
        ),
        Mistake(
            "no end of word",
            encode_by(end=()),
            'The word has to end with the symbol "</w>" before the first merge, as it did in training.',
            "t2v-bpe-encode",
        ),
        Mistake(
            "only the first place merged",
            encode_by(join=join_first_only),
            "A merge applies wherever its pair stands, not at the first place only.",
            "t2v-bpe-encode",
        ),
        Mistake(
            "merged with str.replace",
            encode_by(join=join_as_text),
            'Joined by spaces, "xa b" contains "a b". Compare whole symbols, not text.',
            "t2v-bpe-encode",
        ),
        Mistake(
            "merged from the right",
            encode_by(join=join_from_the_right),
            "In aaa the pair a a overlaps itself. Merging goes from left to right: aa a, not a aa.",
            "t2v-bpe-encode",
        ),
        Mistake(
            "stops at the first merge that doesn't fit",
            encode_stops_early,
            "A merge that does not occur in this word changes nothing. The next one may still fit.",
            "t2v-bpe-encode",
        ),
        Mistake(
            "one string returned",
            encode_join_result,
            "The symbols are right; return them as a list of strings, not joined by spaces.",
            "t2v-bpe-encode",
        ),
    ],
    alternatives=[encode_by(join=join_in_place), encode_by_rank],
    tolerance=EXACT,
)


EXERCISES = [
    EMBED,
    SKIP_GRAM_PAIRS,
    NEGATIVE_SAMPLING_LOSS,
    NEGATIVE_SAMPLING_GRADIENT,
    NEAREST_NEIGHBOURS,
    BPE_MERGES,
    BPE_ENCODE,
]
