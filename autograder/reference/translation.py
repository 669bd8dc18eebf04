"""Chapter 10: what stands around the network when a translator is trained and measured.

Batches by token count, the schedule of the learning rate, gradients of unequal parts, a step with loss scaling, beam
search with length normalisation, BLEU's counts and BLEU. Plain Python and NumPy, on lists of ids or of words; the
program that does the same fast, for millions of sentences, is `translator`, and the tests hold the two together.
"""

import math
from collections import Counter

import numpy as np

# ---- batches -------------------------------------------------------------------------------------------------------


def plan_batches(lengths, tokens):
    """Which pairs form a batch: neighbours in length, as many as fit into a budget of ``tokens`` with their padding.

    A batch is padded to its longest source and its longest target, and costs (pairs) · (longest m + longest t). The
    pairs are taken in the order of t, then of m, then as given; each joins the batch before it if that stays within the
    budget, and begins a new one otherwise. So a pair that alone exceeds the budget is a batch of its own.
    lengths: a list of (m, t), ints, t with <eos>; tokens: an int -> a list of batches, each a list of places in
    ``lengths``.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i][1], lengths[i][0]))  # stable: equal ones as given
    batches = []
    for i in order:
        together = [*batches[-1], i] if batches else [i]
        longest_m = max(lengths[k][0] for k in together)
        longest_t = max(lengths[k][1] for k in together)
        if batches and len(together) * (longest_m + longest_t) <= tokens:
            batches[-1] = together
        else:
            batches.append([i])
    return batches


# ---- training ------------------------------------------------------------------------------------------------------


def learning_rate(step, warmup, steps):
    """The share of the largest learning rate at a step: up in a line over the warm-up, then down in a line to 0.

    (step + 1) / warmup while step < warmup, then (steps − step) / (steps − warmup).
    step: an int from 0 to ``steps``; warmup: an int from 1 to ``steps`` − 1 -> a float.
    """
    if step < warmup:
        return (step + 1) / warmup
    return (steps - step) / (steps - warmup)


def combine_gradients(G, tokens):
    """The gradient of a loss that is a mean over all tokens, from those of parts that each took a mean of their own.

    Σ_a n_a G_a / Σ_a n_a: a part counts by its n_a real target tokens. A part without any, whose mean is 0 / 0 and
    whose gradient is NaN, is left out.
    G: [parts, ...], floating; tokens: [parts], int64, not all 0 -> [...], the dtype of G.
    """
    real = tokens > 0  # [parts]
    share = (tokens[real] / tokens.sum()).astype(G.dtype)  # [real parts]
    return np.tensordot(share, G[real], axes=1)  # [real parts] @ [real parts, ...]


def scaled_step(W, G, scale, good, lr, clip, interval):
    """One step of gradient descent with loss scaling (Micikevicius and others, 2018) and clipping.

    In 16 bits small gradients vanish, so the loss is multiplied by ``scale`` before it is differentiated. Unscale G; if
    any number is not finite, leave W as it is and halve the scale. Otherwise clip all gradients together to the norm
    ``clip`` and step W ← W − lr · G; after ``interval`` steps in a row that went well, double the scale.
    W, G: lists of arrays of equal shapes; scale, lr, clip: floats; good: an int, how many steps in a row went well
    before; interval: an int, at least 1 -> new W, scale, good.
    """
    G = [g / scale for g in G]
    if not all(np.isfinite(g).all() for g in G):
        return [w.copy() for w in W], scale / 2, 0
    norm = math.sqrt(sum(float((g**2).sum()) for g in G))
    shrink = min(1.0, clip / norm) if norm else 1.0
    W = [w - lr * shrink * g for w, g in zip(W, G, strict=True)]
    good += 1
    return (W, scale * 2, 0) if good == interval else (W, scale, good)


# ---- decoding ------------------------------------------------------------------------------------------------------


def normalised_beam_search(step, width, alpha, longest, bos, eos):
    """The best sentence that a beam finds, where the score is log p / n^alpha (Wu and others, 2016, without their 5).

    step: a function of the words so far, a list of ints that begins with ``bos``; it returns the log-probabilities of
    the next one, [V]. Each round extends every open hypothesis by every word. Of all extensions the best ``width`` are
    looked at, and those that end in ``eos`` are finished. The best ``width`` of the others go on: a finished sentence
    costs the beam no place. Ends when ``width`` or more are finished, or when n = ``longest``; if nothing is finished
    then, what goes on counts as finished.
    Returns (words, score): a list of ints, without ``bos`` and with its ``eos``, which counts in n; a float.
    """
    going_on, finished = [([], 0.0)], []  # (words, log p); (words, score)
    for n in range(1, longest + 1):
        extended = [
            ([*words, word], log_p + float(more))
            for words, log_p in going_on
            for word, more in enumerate(step([bos, *words]))
        ]
        extended.sort(key=lambda hypothesis: -hypothesis[1])
        finished += [(words, log_p / n**alpha) for words, log_p in extended[:width] if words[-1] == eos]
        going_on = [hypothesis for hypothesis in extended if hypothesis[0][-1] != eos][:width]
        if len(finished) >= width:
            break
    if not finished:
        finished = [(words, log_p / longest**alpha) for words, log_p in going_on]
    return max(finished, key=lambda hypothesis: hypothesis[1])


# ---- evaluation ----------------------------------------------------------------------------------------------------


def clipped_matches(hypothesis, references, n):
    """How many n-grams of a translation are right, each at most as often as one reference has it; and how many it has.

    Source: Papineni and others (2002), section 2.1.1. An n-gram is n neighbouring words, in their order.
    hypothesis: a list of words; references: a list of such lists; n: an int -> (matches, total), ints.
    """

    def ngrams(words):
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    counts = ngrams(hypothesis)
    allowed = Counter()
    for reference in references:
        allowed |= ngrams(reference)  # for each n-gram the larger count
    return (counts & allowed).total(), counts.total()


def corpus_bleu(matches, totals, hypothesis_lengths, reference_lengths):
    """BLEU = 100 · BP · (p_1 p_2 p_3 p_4)^(1/4), all of it from sums over the corpus (Papineni and others, 2002).

    p_n = Σ matches / Σ totals over the sentences; BP = min(1, exp(1 − r/c)), c and r the lengths of all hypotheses and
    all references in words. 0 where some p_n is 0 or has nothing to divide (no smoothing).
    matches, totals: [sentences, 4], int64, the column n − 1 for n-grams; hypothesis_lengths, reference_lengths:
    [sentences], int64 -> a float from 0 to 100.
    """
    right, all_ = matches.sum(0), totals.sum(0)  # [4], [4]
    if not right.all():
        return 0.0
    c, r = hypothesis_lengths.sum(), reference_lengths.sum()
    BP = min(1.0, math.exp(1 - r / c))
    return float(100 * BP * np.exp(np.log(right / all_).mean()))
