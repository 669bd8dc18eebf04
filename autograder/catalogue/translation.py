"""Chapter 10: what the exercises on training and measuring a translator ask of a candidate."""

import math
from collections import Counter
from itertools import groupby

import numpy as np

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.reference import translation

ASSIGNMENT = "10-translator"
COUNTED = Tolerance(reason="whole numbers, which must agree exactly")


# ---- plan_batches --------------------------------------------------------------------------------------------------


def plan_cases(rng):
    yield Case("the worked example", {"lengths": [(2, 3), (5, 6), (2, 2), (1, 3)], "tokens": 12})
    for about, pairs, (low, high), tokens in [
        ("one pair", 1, (2, 9), 30),
        ("9 pairs, room for few", 9, (1, 8), 26),
        ("24 pairs, room for several", 24, (2, 15), 70),
        ("40 pairs of very different lengths", 40, (1, 40), 110),
        ("all pairs are longer than the budget", 3, (9, 14), 17),
        ("all pairs fit into one batch", 6, (1, 9), 200),
    ]:
        lengths = rng.integers(low, high + 1, size=(pairs, 2)).tolist()
        yield Case(f"{about}, a budget of {tokens}", {"lengths": [tuple(pair) for pair in lengths], "tokens": tokens})
    m, t = rng.integers(3, 8, size=2).tolist()
    yield Case(
        "7 pairs of equal lengths, and three of them fill the budget exactly",
        {"lengths": [(m, t)] * 7, "tokens": 3 * (m + t)},
    )
    yield Case(
        "short sources and long targets",
        {"lengths": [(1, 12), (2, 11), (1, 10), (2, 12)], "tokens": 26 + int(rng.integers(2))},
    )
    # The pair with the long source comes second: its batch is as wide as its source and as the other one's target.
    yield Case(
        "a long source beside a long target",
        {"lengths": [(2, 9), (9, 8), (3, 3), (4, 3), (8, 2)], "tokens": 2 * 17 + int(rng.integers(2))},
    )


def _ordered(lengths, key):
    return sorted(range(len(lengths)), key=lambda i: key(*lengths[i]))


def _planned(key=lambda m, t: (t, m), cost=None, room=lambda cost, tokens: cost <= tokens):
    """A wrong ``plan_batches``: another order, another cost of a batch, another test whether there is room."""

    def padded(pairs):
        return len(pairs) * (max(m for m, _ in pairs) + max(t for _, t in pairs))

    def candidate(lengths, tokens):
        batches = []
        for i in _ordered(lengths, key):
            together = [lengths[k] for k in [*(batches[-1] if batches else []), i]]
            if batches and room((cost or padded)(together), tokens):
                batches[-1].append(i)
            else:
                batches.append([i])
        return batches

    return candidate


def _planned_one_late(lengths, tokens):
    batches, batch, m, t = [], [], 0, 0
    for i in _ordered(lengths, lambda m, t: (t, m)):
        batch.append(i)
        m, t = max(m, lengths[i][0]), max(t, lengths[i][1])
        if len(batch) * (m + t) >= tokens:
            batches.append(batch)
            batch, m, t = [], 0, 0
    return [*batches, batch] if batch else batches


def _planned_running(forget=True, keep_last=True, guard=True, alone=True):
    """`plan_batches` with a running maximum, and what is easily forgotten on the way."""

    def candidate(lengths, tokens):
        batches, batch, m, t = [], [], 0, 0
        for i in _ordered(lengths, lambda m, t: (t, m)):
            if not alone and sum(lengths[i]) > tokens:
                continue
            m, t = max(m, lengths[i][0]), max(t, lengths[i][1])
            if (batch or not guard) and (len(batch) + 1) * (m + t) > tokens:
                batches.append(batch)
                batch = []
                m, t = lengths[i] if forget else (m, t)
            batch = [*batch, i]
        return [*batches, batch] if keep_last and batch else batches

    return candidate


def _planned_places(lengths, tokens):
    place = iter(range(len(lengths)))
    return [[next(place) for _ in batch] for batch in translation.plan_batches(lengths, tokens)]


PLAN_BATCHES = Exercise(
    name="plan_batches",
    assignment=ASSIGNMENT,
    section="nmt-batches",
    points=2,
    difficulty=3,
    minutes=20,
    reference=translation.plan_batches,
    probe=probe.call,
    cases=plan_cases,
    mistakes=[
        Mistake(
            "padding not counted",
            _planned(cost=lambda pairs: sum(m + t for m, t in pairs)),
            "You add up the real tokens. The memory of a batch goes by the padded matrices: short pairs beside a long "
            "one cost as much as the long one.",
            "nmt-batches",
        ),
        Mistake(
            "only the sources counted",
            _planned(cost=lambda pairs: len(pairs) * max(m for m, _ in pairs)),
            "A batch has two padded matrices, and your budget sees only that of the sources.",
            "nmt-batches",
        ),
        Mistake(
            "only the targets counted",
            _planned(cost=lambda pairs: len(pairs) * max(t for _, t in pairs)),
            "A batch has two padded matrices, and your budget sees only that of the targets.",
            "nmt-batches",
        ),
        Mistake(
            "the larger matrix alone counted",
            _planned(cost=lambda pairs: len(pairs) * max(map(max, pairs))),
            "You compare the larger of the two padded matrices with the budget. (Some programs do.) Here both "
            "together have to fit.",
            "nmt-batches",
        ),
        Mistake(
            "the longest pair in place of two longest sides",
            _planned(cost=lambda pairs: len(pairs) * max(m + t for m, t in pairs)),
            "The longest source and the longest target of a batch need not stand in the same pair. Each matrix is "
            "padded to its own longest.",
            "nmt-batches",
        ),
        Mistake(
            "a budget of sentences",
            _planned(cost=len),
            "You count pairs. The budget counts tokens, so that a batch of short sentences has many of them.",
            "nmt-batches",
        ),
        Mistake(
            "a full batch refused",
            _planned(room=lambda cost, tokens: cost < tokens),
            "A batch that costs exactly the budget is still within it.",
            "nmt-batches",
        ),
        Mistake(
            "closed one pair too late",
            _planned_one_late,
            "You notice that a batch is too large when the pair is in it already. Ask before you add.",
            "nmt-batches",
        ),
        Mistake(
            "not ordered by length",
            _planned(key=lambda m, t: 0),
            "Your batches hold neighbours in the corpus. Neighbours in length need less padding.",
            "nmt-batches",
        ),
        Mistake(
            "ordered by the source first",
            _planned(key=lambda m, t: (m, t)),
            "You order by m and then by t. Here the target comes first.",
            "nmt-batches",
        ),
        Mistake(
            "equal targets not ordered by their sources",
            _planned(key=lambda m, t: t),
            "Among targets of the same length yours take the sources as they come, long beside short.",
            "nmt-batches",
        ),
        Mistake(
            "ordered by both lengths together",
            _planned(key=lambda m, t: m + t),
            "You order by m + t. A long source with a short target then stands beside the opposite, and both "
            "matrices get padding.",
            "nmt-batches",
        ),
        Mistake(
            "from long to short",
            _planned(key=lambda m, t: (-t, -m)),
            "Your order is the other way round. (That is useful too: what does not fit into memory fails at once.) "
            "Here the short ones come first.",
            "nmt-batches",
        ),
        Mistake(
            "places in the sorted list",
            _planned_places,
            "The batches have the right sizes, but the numbers in them count along the sorted pairs. They should say "
            "where a pair stands in the list that you were given.",
            "nmt-batches",
        ),
        Mistake(
            "the longest lengths kept for the next batch",
            _planned_running(forget=False),
            "You remember the longest source and target, and a new batch begins with those of the one before it.",
            "nmt-batches",
        ),
        Mistake(
            "the last batch lost",
            _planned_running(keep_last=False),
            "The batch that is being filled when the pairs run out is not in your list.",
            "nmt-batches",
        ),
        Mistake(
            "an empty batch in front of a long pair",
            _planned_running(guard=False),
            "Where the very first pair exceeds the budget, you close a batch that has nothing in it.",
            "nmt-batches",
        ),
        Mistake(
            "long pairs left out",
            _planned_running(alone=False),
            "A pair that alone exceeds the budget is missing from your batches. Every pair is in some batch.",
            "nmt-batches",
        ),
    ],
    alternatives=[_planned_running(), _planned()],
    tolerance=COUNTED,
)


# ---- learning_rate -------------------------------------------------------------------------------------------------


def rate_cases(rng):
    yield Case("the worked example", {"step": 1, "warmup": 4, "steps": 12})
    warmup, rest = int(rng.integers(6, 20)), int(rng.integers(30, 90))
    steps = warmup + rest
    for about, step in [
        ("the first step", 0),
        ("in the middle of the warm-up", warmup // 2),
        ("the last step of the warm-up", warmup - 1),
        ("the first step after the warm-up", warmup),
        ("a third of the way down", warmup + rest // 3),
        ("two thirds of the way down", warmup + 2 * rest // 3),
        ("the last step", steps - 1),
        ("one after the last step", steps),
    ]:
        about = f"{about}: step {step} of {steps}, warm-up {warmup}"
        yield Case(about, {"step": step, "warmup": warmup, "steps": steps})
    yield Case(f"a warm-up of one step: step 0 of {rest}", {"step": 0, "warmup": 1, "steps": rest})


def _rate(up=lambda step, warmup, steps: (step + 1) / warmup, down=None):
    """A wrong ``learning_rate``: another way up, or another way down."""

    def line(step, warmup, steps):
        return (steps - step) / (steps - warmup)

    def candidate(step, warmup, steps):
        return up(step, warmup, steps) if step < warmup else (down or line)(step, warmup, steps)

    return candidate


def _rate_of_the_paper(step, warmup, steps):
    return min((step + 1) / warmup, (warmup / (step + 1)) ** 0.5)


def _rate_by_min(step, warmup, steps):
    return min((step + 1) / warmup, (steps - step) / (steps - warmup))


def _rate_by_interpolation(step, warmup, steps):
    return float(np.interp(step, [-1, warmup - 1, warmup, steps], [0, 1, 1, 0]))


LEARNING_RATE = Exercise(
    name="learning_rate",
    assignment=ASSIGNMENT,
    section="nmt-training",
    points=1,
    difficulty=1,
    minutes=8,
    reference=translation.learning_rate,
    probe=probe.call,
    cases=rate_cases,
    mistakes=[
        Mistake(
            "the first step has the rate 0",
            _rate(up=lambda step, warmup, steps: step / warmup),
            "Steps are counted from 0, so your first batch is read for nothing, and the warm-up never reaches the top.",
            "nmt-training",
        ),
        Mistake(
            "no warm-up",
            _rate(up=lambda step, warmup, steps: 1.0),
            "Yours begins at the top. It should climb there during the first steps.",
            "nmt-training",
        ),
        Mistake(
            "no decay",
            _rate(down=lambda step, warmup, steps: 1.0),
            "After the warm-up yours stays at the top. It should be 0 at the end.",
            "nmt-training",
        ),
        Mistake(
            "the decay counted from the first step",
            _rate(down=lambda step, warmup, steps: (steps - step) / steps),
            "At the end of the warm-up your rate jumps. How many steps does the way down have?",
            "nmt-training",
        ),
        Mistake(
            "up once more in place of down",
            _rate(down=lambda step, warmup, steps: (step - warmup) / (steps - warmup)),
            "After the warm-up your rate falls to 0 at once and climbs to 1 at the end.",
            "nmt-training",
        ),
        Mistake(
            "the warm-up multiplied with the decay",
            _rate(up=lambda step, warmup, steps: (step + 1) / warmup * (steps - step) / (steps - warmup)),
            "During the warm-up yours is pulled down already: the two lines come one after the other.",
            "nmt-training",
        ),
        Mistake(
            "whole numbers divided",
            _rate(up=lambda step, warmup, steps: float((step + 1) // warmup)),
            "Your warm-up is 0 until its last step. Which division is //?",
            "nmt-training",
        ),
        Mistake(
            "the root of the paper",
            _rate_of_the_paper,
            "That is the schedule of the Transformer's paper, which falls with the root of the step and never reaches "
            "0. Here the way down is a line.",
            "nmt-training",
        ),
        Mistake(
            "down along a cosine",
            _rate(
                down=lambda step, warmup, steps: 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))),
            ),
            "That is cosine decay, a good schedule too. Here the way down is a line.",
            "nmt-training",
        ),
    ],
    alternatives=[_rate_by_min, _rate_by_interpolation],
)


# ---- combine_gradients ---------------------------------------------------------------------------------------------


def combine_cases(rng):
    yield Case("the worked example", {"G": np.array([[1.0, 2.0], [5.0, 6.0]]), "tokens": np.array([3, 1])})
    for about, shape, tokens, dtype in [
        ("one part", (4,), [7], np.float64),
        ("3 parts", (5,), [9, 2, 30], np.float32),
        ("4 parts, matrices", (2, 3), [1, 50, 8, 20], np.float64),
        ("3 parts with equally many tokens", (3, 2), [6, 6, 6], np.float32),
        ("5 parts, arrays with three axes", (2, 1, 4), [3, 11, 5, 40, 2], np.float64),
    ]:
        G = rng.normal(size=(len(tokens), *shape)).astype(dtype)
        yield Case(f"{about}, tokens {tokens}, {np.dtype(dtype)}", {"G": G, "tokens": np.array(tokens)})
    for about, shape, tokens, dtype in [
        ("the second part has no tokens", (3,), [4, 0, 12], np.float64),
        ("two parts of four have no tokens", (2, 3), [0, 5, 17, 0], np.float32),
    ]:
        G = rng.normal(size=(len(tokens), *shape)).astype(dtype)
        G[np.array(tokens) == 0] = np.nan
        yield Case(f"{about}, {np.dtype(dtype)}", {"G": G, "tokens": np.array(tokens)})


def _real(G, tokens):
    """The parts that have tokens, and how many, so that they can be multiplied."""
    n = tokens[tokens > 0].astype(G.dtype)
    return G[tokens > 0], n.reshape(-1, *[1] * (G.ndim - 1))


def _combined_mean(G, tokens):
    return G.mean(0)


def _combined_mean_of_real(G, tokens):
    return _real(G, tokens)[0].mean(0)


def _combined_over_all_parts(G, tokens):
    return np.nan_to_num(G).mean(0)


def _combined_sum(G, tokens):
    return _real(G, tokens)[0].sum(0)


def _combined_weighted_sum(G, tokens):
    G, n = _real(G, tokens)
    return (n * G).sum(0)


def _combined_divided_by_tokens(G, tokens):
    G, n = _real(G, tokens)
    return G.sum(0) / n.sum()


def _combined_with_nan(G, tokens):
    share = (tokens / tokens.sum()).astype(G.dtype)
    return np.tensordot(share, G, axes=1)


def _combined_weighted_mean_of_parts(G, tokens):
    G, n = _real(G, tokens)
    return (n * G).mean(0) / n.mean() / len(n)


def _combined_average(G, tokens):
    real = tokens > 0
    return np.average(G[real], axis=0, weights=tokens[real]).astype(G.dtype)


def _combined_in_a_loop(G, tokens):
    total = np.zeros_like(G[0])
    for g, n in zip(G, tokens.tolist(), strict=True):
        if n:
            total += n * g
    return total / int(tokens.sum())


COMBINE_GRADIENTS = Exercise(
    name="combine_gradients",
    assignment=ASSIGNMENT,
    section="nmt-mean",
    points=2,
    difficulty=2,
    minutes=12,
    reference=translation.combine_gradients,
    probe=probe.call,
    cases=combine_cases,
    mistakes=[
        Mistake(
            "a mean of the parts' means",
            _combined_mean,
            "Every part counts the same in yours. Then a token of a part with few tokens pulls harder than one of a "
            "part with many.",
            "nmt-mean",
        ),
        Mistake(
            "a mean of the means of those parts that have tokens",
            _combined_mean_of_real,
            "Empty parts are left out, and that is right. But among the others each counts the same, whether it has 2 "
            "tokens or 40.",
            "nmt-mean",
        ),
        Mistake(
            "divided by the number of parts, the empty ones too",
            _combined_over_all_parts,
            "You set the gradient of an empty part to 0 and take the mean. It still counts as a part, and the parts "
            "still count the same.",
            "nmt-mean",
        ),
        Mistake(
            "added up",
            _combined_sum,
            "Cut the batch into twice as many parts, and yours is twice as large.",
            "nmt-mean",
        ),
        Mistake(
            "weighted, and not divided",
            _combined_weighted_sum,
            "Your parts have the right weights among each other, but the weights do not sum to 1.",
            "nmt-mean",
        ),
        Mistake(
            "divided by the tokens, though the parts are means already",
            _combined_divided_by_tokens,
            "That would be right for gradients of sums. These are of means: each has been divided by its own number "
            "of tokens.",
            "nmt-mean",
        ),
        Mistake(
            "divided by the number of parts as well",
            _combined_weighted_mean_of_parts,
            "Your weights are right, and then you divide once more, by the number of parts.",
            "nmt-mean",
        ),
        Mistake(
            "zero times NaN",
            _combined_with_nan,
            "A part without tokens has the weight 0 in yours, but 0 · NaN is NaN. Leave such a part out before you "
            "multiply.",
            "nmt-mean",
        ),
    ],
    alternatives=[_combined_average, _combined_in_a_loop],
)


# ---- scaled_step ---------------------------------------------------------------------------------------------------


def step_probe(candidate, **inputs):
    """Call the function and name what it returns: each array of W, the scale, and the count."""
    result = candidate(**inputs)
    if isinstance(result, tuple) and len(result) == 3 and isinstance(result[0], (list, tuple)):
        return {f"W[{i}]": w for i, w in enumerate(result[0])} | {"scale": result[1], "good": result[2]}
    return probe.parts(result)


def step_cases(rng):
    yield Case(
        "the worked example",
        {
            "W": [np.array([1.0, 2.0]), np.array([[5.0]])],
            "G": [np.array([24.0, 0.0]), np.array([[32.0]])],
            "scale": 8.0,
            "good": 6,
            "lr": 0.5,
            "clip": 2.5,
            "interval": 10,
        },
    )
    for about, shapes, scale, size, (good, interval), spoilt, dtype in [
        ("small gradients, nothing to clip", [(3,), (2, 4)], 16.0, 0.05, (2, 5), None, np.float32),
        ("large gradients", [(2, 3), (4,), (1,)], 64.0, 5.0, (0, 5), None, np.float64),
        ("a scale below 1", [(5,)], 0.25, 0.1, (3, 9), None, np.float64),
        ("the last good step of the interval", [(2, 2), (3,)], 32.0, 0.05, (4, 5), None, np.float64),
        ("the last good step of the interval, large gradients", [(3, 2)], 32.0, 3.0, (0, 1), None, np.float32),
        ("one entry is inf", [(2, 3), (4,)], 128.0, 0.1, (3, 5), np.inf, np.float32),
        ("one entry is -inf", [(3,), (2,), (2, 2)], 64.0, 2.0, (4, 5), -np.inf, np.float64),
        ("one entry is NaN", [(4,), (3, 2)], 1024.0, 0.1, (1, 5), np.nan, np.float64),
    ]:
        W = [rng.normal(size=shape).astype(dtype) for shape in shapes]
        G = [(scale * size * rng.uniform(0.5, 1, shape) * rng.choice([-1, 1], shape)).astype(dtype) for shape in shapes]
        if spoilt is not None:
            G[-1].flat[-1] = spoilt
        inputs = {"W": W, "G": G, "scale": scale, "good": good, "lr": 0.3, "clip": 1.0, "interval": interval}
        yield Case(f"{about}, {np.dtype(dtype)}", inputs)


def _clipped(G, clip):
    norm = math.sqrt(sum(float((g**2).sum()) for g in G))
    return [g * min(1.0, clip / norm) if norm else g for g in G]


def _finite(G):
    return all(np.isfinite(g).all() for g in G)


def _stepped(
    unscale=lambda g, scale: g / scale,
    usable=_finite,
    mend=lambda G: G,
    clipped=_clipped,
    clip_first=False,
    sign=-1,
    after_overflow=lambda scale, good: (scale / 2, 0),
    after_interval=lambda scale, good: (scale * 2, 0),
    apart=False,
):
    """A wrong ``scaled_step``: the right one with some of its steps replaced."""

    def candidate(W, G, scale, good, lr, clip, interval):
        G = mend(G)
        if clip_first and usable(G):
            G = clipped(G, clip)
        G = [unscale(g, scale) for g in G]
        if apart and not usable(G):
            G = [g if np.isfinite(g).all() else 0 * np.nan_to_num(g) for g in G]
            W = [w - lr * g for w, g in zip(W, clipped(G, clip), strict=True)]
            return (W, *after_overflow(scale, good))
        if not usable(G):
            return ([w.copy() for w in W], *after_overflow(scale, good))
        if not clip_first:
            G = clipped(G, clip)
        W = [w + sign * lr * g for w, g in zip(W, G, strict=True)]
        good += 1
        return (W, *(after_interval(scale, good) if good == interval else (scale, good)))

    return candidate


def _stepped_by_norm(W, G, scale, good, lr, clip, interval):
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in G])) / scale
    if not math.isfinite(norm):
        return list(W), scale * 0.5, 0
    factor = float(lr / scale * (clip / norm if norm > clip else 1))
    grown = good + 1 == interval
    return [w - factor * g for w, g in zip(W, G, strict=True)], scale * (1 + grown), 0 if grown else good + 1


SCALED_STEP = Exercise(
    name="scaled_step",
    assignment=ASSIGNMENT,
    section="nmt-precision",
    points=3,
    difficulty=4,
    minutes=25,
    reference=translation.scaled_step,
    probe=step_probe,
    cases=step_cases,
    mistakes=[
        Mistake(
            "not unscaled",
            _stepped(unscale=lambda g, scale: g),
            "G is the gradient of scale times the loss. Your step is larger by that factor, until clipping hides it.",
            "nmt-precision",
        ),
        Mistake(
            "multiplied by the scale",
            _stepped(unscale=lambda g, scale: g * scale),
            "The loss was multiplied by the scale, and its gradient with it. You multiply again.",
            "nmt-precision",
        ),
        Mistake(
            "clipped before unscaling",
            _stepped(clip_first=True),
            "You compare the norm of the scaled gradient with clip. Almost every step is cut then, and by the scale "
            "too much.",
            "nmt-precision",
        ),
        Mistake(
            "not clipped",
            _stepped(clipped=lambda G, clip: G),
            "A large gradient makes a large step in yours, whatever clip says.",
            "nmt-precision",
        ),
        Mistake(
            "clipped entry by entry",
            _stepped(clipped=lambda G, clip: [np.clip(g, -clip, clip) for g in G]),
            "You cut single numbers, which turns the direction of the step. Only the length should change.",
            "nmt-precision",
        ),
        Mistake(
            "each array clipped by itself",
            _stepped(clipped=lambda G, clip: [_clipped([g], clip)[0] for g in G]),
            "You cut each array to the norm clip. Together they are one long vector, which has one norm.",
            "nmt-precision",
        ),
        Mistake(
            "stretched to the norm",
            _stepped(clipped=lambda G, clip: [g * (clip / math.sqrt(sum(float((g**2).sum()) for g in G))) for g in G]),
            "Small gradients become larger in yours. Clipping only ever makes them smaller.",
            "nmt-precision",
        ),
        Mistake(
            "steps in spite of an overflow",
            _stepped(usable=lambda G: True),
            "An infinite gradient, or one that is NaN, reaches your weights, and they never recover.",
            "nmt-precision",
        ),
        Mistake(
            "overflow set to a number",
            _stepped(mend=lambda G: [np.nan_to_num(g, nan=0.0, posinf=0.0, neginf=0.0) for g in G]),
            "You put a number where the gradient is not finite, and step. Nothing is known about that gradient: the "
            "step is to be left out, and the scale is too large.",
            "nmt-precision",
        ),
        Mistake(
            "only NaN looked for",
            _stepped(usable=lambda G: not any(np.isnan(g).any() for g in G)),
            "An overflow is infinite at first. You look for NaN alone.",
            "nmt-precision",
        ),
        Mistake(
            "only infinity looked for",
            _stepped(usable=lambda G: not any(np.isinf(g).any() for g in G)),
            "inf − inf is NaN, so an overflow deep in the network may reach you as NaN. You look for infinity alone.",
            "nmt-precision",
        ),
        Mistake(
            "only the spoilt array left out",
            _stepped(apart=True),
            "On an overflow your other arrays still step. All weights belong to one step: it is taken or it is not.",
            "nmt-precision",
        ),
        Mistake(
            "the scale not lowered",
            _stepped(after_overflow=lambda scale, good: (scale, 0)),
            "After an overflow your scale is what it was, so the next step will overflow again.",
            "nmt-precision",
        ),
        Mistake(
            "the scale never grows",
            _stepped(after_interval=lambda scale, good: (scale, good)),
            "After many good steps a larger scale would do, and save more of the small gradients.",
            "nmt-precision",
        ),
        Mistake(
            "counting goes on after an overflow",
            _stepped(after_overflow=lambda scale, good: (scale / 2, good)),
            "good counts steps in a row, and an overflow ends the row.",
            "nmt-precision",
        ),
        Mistake(
            "counting goes on after the scale has grown",
            _stepped(after_interval=lambda scale, good: (scale * 2, good)),
            "Once the scale has grown, a new row begins. Yours would grow again when, or never?",
            "nmt-precision",
        ),
        Mistake(
            "uphill",
            _stepped(sign=1),
            "You add the gradient, and the loss rises.",
            "nmt-precision",
        ),
    ],
    alternatives=[_stepped_by_norm, _stepped()],
)


# ---- normalised_beam_search ----------------------------------------------------------------------------------------


def beam_cases(rng):
    # After <bos>: 3 (-0.4) or 4 (-0.8). After 4 the end is near, after 3 comes 4 first.
    worked = np.full((5, 5), -9.0)
    worked[1, [3, 4]] = -0.4, -0.8
    worked[3, 4] = -0.6
    worked[4, 2] = -0.1
    shared = {"width": 2, "alpha": 1.0, "longest": 4, "bos": 1, "eos": 2}
    yield Case("the worked example", {"table": worked, **shared})
    yield Case("the worked example with alpha = 0, plain log p", {"table": worked, **shared, "alpha": 0.0})

    def model(*steps):
        """A table from {(word, next): log p} for each number of words so far."""
        table = np.full((len(steps), 6, 6), -9.0)
        for page, step in zip(table, steps, strict=True):
            for (word, following), log_p in step.items():
                page[word, following] = log_p
        return table

    early = model(  # [2] ends at once and takes no place: [4] goes on and ends well
        {(1, 3): -0.7, (1, 2): -0.9, (1, 4): -1.1},
        {(3, 5): -2.0, (3, 4): -2.4, (4, 5): -0.2, (4, 3): -4.0, (2, 2): -0.1},
        {(5, 2): -0.3, (5, 4): -3.0, (3, 2): -3.0, (4, 2): -3.0, (2, 2): -0.1},
    )
    yield Case("a sentence that ends early costs the beam no place", {"table": early, **shared})
    later = model(  # [3, 2] is first, [3, 4, 2] has the best log p, [4, 3, 5, 2] the best score
        {(1, 3): -0.5, (1, 4): -0.7, (1, 5): -2.5},
        {(3, 4): -0.3, (3, 2): -1.5, (4, 3): -0.3, (5, 3): -1.0},
        {(4, 2): -0.7, (3, 5): -0.2},
        {(5, 2): -0.4},
    )
    yield Case("three sentences end, the best one last", {"table": later, **shared, "width": 3, "longest": 6})
    limit = model(  # [4, 2] is finished, [3, 5, 3] would be better and isn't
        {(1, 3): -0.2, (1, 4): -0.9}, {(3, 5): -0.2, (4, 2): -0.6, (4, 5): -1.0}, {(5, 3): -0.2}
    )
    yield Case("the limit comes while others are unfinished", {"table": limit, **shared, "longest": 3})
    family = model(  # both that go on begin with 3, and the second of them ends well
        {(1, 3): -0.2, (1, 4): -2.0}, {(3, 5): -0.6, (3, 4): -0.9, (4, 5): -0.1}, {(5, 2): -2.0, (4, 2): -0.1}
    )
    yield Case("two hypotheses with the same beginning", {"table": family, **shared})
    enough = model(  # [3, 2] and [4, 2] are two, so the search ends before [3, 5, 3, 2] can
        {(1, 3): -0.3, (1, 4): -0.5}, {(3, 2): -1.0, (4, 2): -1.0, (3, 5): -1.3}, {(5, 3): -0.05}, {(3, 2): -0.05}
    )
    yield Case("two sentences end in one round", {"table": enough, **shared})
    for about, width, alpha, longest, V, urge, (bos, eos), dtype in [
        ("a beam of width 3", 3, 0.6, 9, 6, 0.6, (1, 2), np.float64),
        ("a beam of width 4, alpha above 1", 4, 1.4, 10, 7, 0.4, (1, 2), np.float32),
        ("a beam of width 2, bos 4 and eos 0", 2, 1.0, 12, 6, 0.4, (4, 0), np.float64),
        ("a beam of width 5, more than the vocabulary has", 5, 0.8, 7, 4, 0.4, (1, 2), np.float64),
        ("a beam of width 5", 5, 1.2, 9, 8, 1.2, (0, 5), np.float64),
        ("a beam of width 1", 1, 1.0, 9, 5, 0.5, (1, 2), np.float32),
        ("a beam of width 3, the limit comes soon", 3, 1.2, 3, 6, 0.2, (1, 2), np.float64),
        ("a beam of width 2, <eos> never comes", 2, 0.7, 5, 5, -99.0, (1, 2), np.float64),
    ]:
        logits = rng.normal(size=(4, V, V))
        logits[:, :, eos] += urge
        table = (logits - np.log(np.exp(logits).sum(-1, keepdims=True))).astype(dtype)
        inputs = {"table": table, "width": width, "alpha": alpha, "longest": longest, "bos": bos, "eos": eos}
        yield Case(f"{about}, {np.dtype(dtype)}", inputs)


def _searched(
    ends=lambda extended, width, eos: [h for h in extended[:width] if h[0][-1] == eos],
    goes_on=lambda extended, width, eos: [h for h in extended if h[0][-1] != eos][:width],
    enough=lambda finished, width: len(finished) >= width,
    divisor=lambda n, alpha: n**alpha,
    read=lambda words, bos: [bos, *words],
    fall_back=lambda finished, going_on: finished or going_on,
    choose=lambda candidates, alpha: max(candidates, key=lambda h: h[2]),
    shown=lambda words, bos, eos: words,
    told=lambda log_p, score: score,
):
    """A wrong ``normalised_beam_search``: the right one with some of its steps replaced.

    Hypotheses are (words, log p, score).
    """

    def candidate(step, width, alpha, longest, bos, eos):
        going_on, finished = [([], 0.0, 0.0)], []
        for n in range(1, longest + 1):
            extended = []
            for words, log_p, _ in going_on:
                for word, more in enumerate(step(read(words, bos)).tolist()):
                    extended.append(([*words, word], log_p + more, (log_p + more) / divisor(n, alpha)))
            extended.sort(key=lambda h: -h[1])
            finished += ends(extended, width, eos)
            going_on = goes_on(extended, width, eos)
            if enough(finished, width) or not going_on:
                break
        words, log_p, score = choose(fall_back(finished, going_on), alpha)
        return shown(words, bos, eos), told(log_p, score)

    return candidate


def _heirs_apart(extended, width, eos):
    """The best heir of each hypothesis, once there are several of them."""
    alive = [h for h in extended if h[0][-1] != eos]
    if len(alive[0][0]) == 1:
        return alive[:width]
    family = sorted(alive, key=lambda h: h[0][:-1])
    return [max(heirs, key=lambda h: h[1]) for _, heirs in groupby(family, key=lambda h: h[0][:-1])]


def _searched_greedily(step, width, alpha, longest, bos, eos):
    return translation.normalised_beam_search(step, 1, alpha, longest, bos, eos)


def _searched_with_pruning(step, width, alpha, longest, bos, eos):
    """Stops as soon as no open hypothesis can win: its log p only falls, and n is at most ``longest``."""
    beam, best, ended = {(bos,): 0.0}, None, 0
    for n in range(1, longest + 1):
        options = [(p + float(q), (*words, w)) for words, p in beam.items() for w, q in enumerate(step(words))]
        options.sort(reverse=True)
        for log_p, words in options[:width]:
            if words[-1] == eos:
                ended += 1
                best = max(filter(None, [best, (log_p / n**alpha, words)]))
        beam = {words: log_p for log_p, words in [o for o in options if o[1][-1] != eos][:width]}
        if ended >= width or (best and best[0] >= max(beam.values()) / longest**alpha):
            break
    score, words = best or max((log_p / longest**alpha, words) for words, log_p in beam.items())
    return list(words[1:]), score


NORMALISED_BEAM_SEARCH = Exercise(
    name="normalised_beam_search",
    assignment=ASSIGNMENT,
    section="nmt-decoding",
    points=4,
    difficulty=5,
    minutes=40,
    reference=translation.normalised_beam_search,
    probe=probe.call_with_table,
    cases=beam_cases,
    mistakes=[
        Mistake(
            "not normalised",
            _searched(divisor=lambda n, alpha: 1),
            "Your score is plain log p, which falls with every word. So the short sentence wins.",
            "nmt-decoding",
        ),
        Mistake(
            "normalised after choosing",
            _searched(choose=lambda found, alpha: max(found, key=lambda h: h[1])),
            "You choose by log p, and divide what has won. The division has to come before the choice.",
            "nmt-decoding",
        ),
        Mistake(
            "alpha has no effect",
            _searched(divisor=lambda n, alpha: n),
            "You divide by n, whatever alpha is.",
            "nmt-decoding",
        ),
        Mistake(
            "<eos> not counted in the length",
            _searched(divisor=lambda n, alpha: max(n - 1, 1) ** alpha),
            "Your n is too small by one. The end of a sentence is a token that the model had to choose, and its "
            "log-probability is in the sum.",
            "nmt-decoding",
        ),
        Mistake(
            "<bos> counted in the length",
            _searched(divisor=lambda n, alpha: (n + 1) ** alpha),
            "Your n is too large by one. <bos> is given, not chosen.",
            "nmt-decoding",
        ),
        Mistake(
            "multiplied by the length",
            _searched(divisor=lambda n, alpha: n**-alpha),
            "log p is negative, so multiplying by a length makes a long sentence worse still.",
            "nmt-decoding",
        ),
        Mistake(
            "the paper's 5 in it",
            _searched(divisor=lambda n, alpha: ((5 + n) / 6) ** alpha),
            "That is the formula of Wu and others with its constants. Here it is n to the power alpha.",
            "nmt-decoding",
        ),
        Mistake(
            "the running sum divided each round",
            _searched(
                goes_on=lambda extended, width, eos: [
                    (words, score, score) for words, _, score in extended if words[-1] != eos
                ][:width],
            ),
            "A hypothesis that goes on carries its divided score, and is divided again in the next round. Keep log p, "
            "and divide only to compare.",
            "nmt-decoding",
        ),
        Mistake(
            "stops at the first sentence that ends",
            _searched(enough=lambda finished, width: bool(finished)),
            "The first to end is rarely the best. Go on until width have ended.",
            "nmt-decoding",
        ),
        Mistake(
            "goes on though width have ended",
            _searched(enough=lambda finished, width: False),
            "You search to the limit each time. Once width sentences have ended, the search is over.",
            "nmt-decoding",
        ),
        Mistake(
            "finished sentences take a place in the beam",
            _searched(goes_on=lambda extended, width, eos: [h for h in extended[:width] if h[0][-1] != eos]),
            "In a round in which a sentence ends, fewer than width of yours go on. (Chapter 2 did so.) Here the next "
            "best takes the place.",
            "nmt-decoding",
        ),
        Mistake(
            "every <eos> ends a sentence",
            _searched(ends=lambda extended, width, eos: [h for h in extended if h[0][-1] == eos]),
            "Every hypothesis can write <eos>, however unlikely. In yours all of these count as finished. Only those "
            "among the best width extensions do.",
            "nmt-decoding",
        ),
        Mistake(
            "goes on after <eos>",
            _searched(goes_on=lambda extended, width, eos: extended[:width]),
            "A sentence that has ended is extended in yours.",
            "nmt-decoding",
        ),
        Mistake(
            "each hypothesis keeps its own best word",
            _searched(goes_on=_heirs_apart),
            "After the first round, each hypothesis of yours has exactly one heir that goes on. Let all extensions "
            "compete.",
            "nmt-decoding",
        ),
        Mistake(
            "greedy: the width has no effect",
            _searched_greedily,
            "Your answer is that of width 1.",
            "nmt-decoding",
        ),
        Mistake(
            "an unfinished hypothesis chosen",
            _searched(fall_back=lambda finished, going_on: finished + going_on),
            "Your answer has no <eos>, though another hypothesis has ended. What goes on counts only if nothing is "
            "finished.",
            "nmt-decoding",
        ),
        Mistake(
            "no answer if nothing ends",
            _searched(fall_back=lambda finished, going_on: finished),
            "At the limit it may be that nothing has ended. There is an answer then, too.",
            "nmt-decoding",
        ),
        Mistake(
            "the model is shown the last word only",
            _searched(read=lambda words, bos: [bos, *words][-1:]),
            "You give step the last word. It wants all words so far, with <bos> in front.",
            "nmt-decoding",
        ),
        Mistake(
            "<bos> in the result",
            _searched(shown=lambda words, bos, eos: [bos, *words]),
            "Your words begin with <bos>. The model reads it and never writes it.",
            "nmt-decoding",
        ),
        Mistake(
            "<eos> left out of the result",
            _searched(shown=lambda words, bos, eos: words[:-1] if words[-1] == eos else words),
            "The words are right, but their <eos> is missing. (A program drops it when it shows the text.)",
            "nmt-decoding",
        ),
        Mistake(
            "log p in place of the score",
            _searched(told=lambda log_p, score: log_p),
            "The words are right. The number beside them is log p, and the score is asked for.",
            "nmt-decoding",
        ),
    ],
    alternatives=[_searched_with_pruning, _searched()],
    tolerance=Tolerance(reason="sums of a few log-probabilities; the words must agree exactly"),
)


# ---- clipped_matches -----------------------------------------------------------------------------------------------

WORDS = ["the", "The", "cat", "dog", "sat", "on", "mat"]


def match_cases(rng):
    yield Case(
        "the worked example",
        {
            "hypothesis": ["the", "the", "the", "cat"],
            "references": [["the", "cat", "is", "on", "the", "mat"], ["a", "cat", "sat", "there"]],
            "n": 1,
        },
    )
    for about, length, lengths, words, n in [
        ("single words, one reference", 9, [8], 4, 1),
        ("single words, three references", 12, [9, 13, 10], 4, 1),
        ("pairs of words, one reference", 14, [16], 3, 2),
        ("pairs of words, two references", 15, [12, 17], 3, 2),
        ("three words, two references", 18, [16, 19], 2, 3),
        ("four words, one reference", 20, [22], 2, 4),
        ("a translation as long as n", 3, [7], 2, 3),
        ("a translation shorter than n", 2, [9], 3, 4),
    ]:
        some = rng.permutation(WORDS)[:words].tolist()
        yield Case(
            f"{about}, n = {n}",
            {
                "hypothesis": rng.choice(some, length).tolist(),
                "references": [rng.choice(some, m).tolist() for m in lengths],
                "n": n,
            },
        )
    first, second = rng.choice(WORDS[2:], 2, replace=False).tolist()
    yield Case(
        "the same letters, otherwise cut",
        {
            "hypothesis": [first, second + "s", "and", first],
            "references": [[first + second, "s", "and", first], [first, second, "sand"]],
            "n": 2,
        },
    )
    yield Case(
        "The and the",
        {
            "hypothesis": ["The", first, "The", second, second, second],
            "references": [["the", first, "and", "The", second], ["The", second, second]],
            "n": 1,
        },
    )
    yield Case(
        "the right words in another order",
        {"hypothesis": [second, first, "the"], "references": [["the", first, second]], "n": 2},
    )
    yield Case(
        "a copy of the reference",
        {"hypothesis": [first, "sat", second, "sat"], "references": [[first, "sat", second, "sat"]], "n": 3},
    )


def _ngrams(words, n):
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def _matched(
    ngrams=_ngrams,
    allowed=lambda counts: max(counts),
    total=lambda found, hypothesis, references, n: len(found),
    kept=list,
):
    """A wrong ``clipped_matches``: other n-grams, another limit of each, another total."""

    def candidate(hypothesis, references, n):
        found = ngrams(hypothesis, n)
        limits = [Counter(kept(ngrams(reference, n))) for reference in references]
        matches = sum(
            min(count, allowed([limit[gram] for limit in limits])) for gram, count in Counter(kept(found)).items()
        )
        return matches, total(kept(found), hypothesis, references, n)

    return candidate


def _matched_by_place(hypothesis, references, n):
    found = _ngrams(hypothesis, n)
    others = [_ngrams(reference, n) for reference in references]
    right = sum(any(i < len(other) and other[i] == gram for other in others) for i, gram in enumerate(found))
    return right, len(found)


def _matched_by_hand(hypothesis, references, n):
    matches = 0
    left = [_ngrams(reference, n) for reference in references]
    limits = {gram: max(grams.count(gram) for grams in left) for grams in left for gram in grams}
    for gram in _ngrams(hypothesis, n):
        if limits.get(gram, 0) > 0:
            limits[gram] -= 1
            matches += 1
    return matches, max(0, len(hypothesis) - n + 1)


CLIPPED_MATCHES = Exercise(
    name="clipped_matches",
    assignment=ASSIGNMENT,
    section="nmt-evaluation",
    points=2,
    difficulty=2,
    minutes=15,
    reference=translation.clipped_matches,
    probe=probe.call,
    cases=match_cases,
    mistakes=[
        Mistake(
            "not clipped",
            _matched(allowed=lambda counts: math.inf if max(counts) else 0),
            'By your count, "the the the the" is a perfect translation of any sentence with a "the" in it.',
            "nmt-evaluation",
        ),
        Mistake(
            "each n-gram counted once",
            _matched(kept=set),
            "You count different n-grams. One that stands twice in the translation and twice in the reference is "
            "right twice.",
            "nmt-evaluation",
        ),
        Mistake(
            "the references' counts added up",
            _matched(allowed=sum),
            "With two references yours allows an n-gram as often as both together have it. One reference at a time "
            "says how often it may stand there.",
            "nmt-evaluation",
        ),
        Mistake(
            "only the first reference looked at",
            _matched(allowed=lambda counts: counts[0]),
            "A word that only another reference has is wrong in yours.",
            "nmt-evaluation",
        ),
        Mistake(
            "right in every reference only",
            _matched(allowed=min),
            "Yours asks all references to agree. Each is a good translation by itself, so it is enough if one has it.",
            "nmt-evaluation",
        ),
        Mistake(
            "n-grams compared place by place",
            _matched_by_place,
            "One word more at the beginning, and nothing of yours is right any more. Where an n-gram stands does not "
            "matter.",
            "nmt-evaluation",
        ),
        Mistake(
            "the order within an n-gram ignored",
            _matched(ngrams=lambda words, n: [tuple(sorted(gram)) for gram in _ngrams(words, n)]),
            '"cat the" counts as "the cat" in yours.',
            "nmt-evaluation",
        ),
        Mistake(
            "words glued together",
            _matched(ngrams=lambda words, n: ["".join(gram) for gram in _ngrams(words, n)]),
            "You join the words of an n-gram without anything between them, so other words with the same letters are "
            "equal to them.",
            "nmt-evaluation",
        ),
        Mistake(
            "capitals ignored",
            _matched(ngrams=lambda words, n: _ngrams([word.lower() for word in words], n)),
            '"The" and "the" are two words here. Ignoring capitals gives a higher number that compares with nothing.',
            "nmt-four",
        ),
        Mistake(
            "the total is the reference's",
            _matched(total=lambda found, hypothesis, references, n: len(_ngrams(references[0], n))),
            "You divide by what the reference has, which is recall. Precision asks how much of the translation is "
            "right.",
            "nmt-evaluation",
        ),
        Mistake(
            "the last n-gram missed",
            _matched(ngrams=lambda words, n: _ngrams(words[:-1], n)),
            "Count by hand how many pairs of neighbours four words have.",
            "nmt-evaluation",
        ),
        Mistake(
            "the total is the number of words",
            _matched(total=lambda found, hypothesis, references, n: len(hypothesis)),
            "Four words have three pairs of neighbours.",
            "nmt-evaluation",
        ),
        Mistake(
            "a negative total",
            _matched(total=lambda found, hypothesis, references, n: len(hypothesis) - n + 1),
            "A translation that is shorter than n has no n-grams, and not fewer than none.",
            "nmt-evaluation",
        ),
    ],
    alternatives=[_matched_by_hand, _matched()],
    tolerance=COUNTED,
)


# ---- corpus_bleu ---------------------------------------------------------------------------------------------------


def counted_sentences(rng, lengths, share=(0.8, 0.6, 0.5, 0.45)):
    """Counts as they come from sentences of these lengths: fewer and fewer n-grams, fewer and fewer of them right."""
    totals = np.array([[max(0, h - n) for n in range(4)] for h in lengths])
    matches = np.minimum(rng.binomial(totals, share), totals)
    return np.minimum.accumulate(matches, axis=1), totals


def bleu_cases(rng):
    yield Case(
        "the worked example",
        {
            "matches": np.array([[4, 3, 2, 1], [2, 1, 0, 0]]),
            "totals": np.array([[4, 3, 2, 1], [4, 3, 2, 1]]),
            "hypothesis_lengths": np.array([4, 4]),
            "reference_lengths": np.array([4, 6]),
        },
    )
    for about, sentences, (low, high), more in [
        ("5 sentences, too short", 5, (7, 16), 3),
        ("12 sentences, too short", 12, (5, 30), 2),
        ("8 sentences, too long", 8, (6, 20), -2),
        ("one sentence as long as its reference", 1, (12, 14), 0),
    ]:
        h = rng.integers(low, high, size=sentences)
        matches, totals = counted_sentences(rng, h)
        matches[0] = totals[0] - 1  # so that each order has some
        r = h + more + (rng.integers(-1, 2, size=sentences) if sentences > 1 else 0)
        yield Case(about, {"matches": matches, "totals": totals, "hypothesis_lengths": h, "reference_lengths": r})
    h = np.array([3, 9, 2, 8])
    matches, totals = counted_sentences(rng, h, (0.9, 0.8, 0.8, 0.8))
    matches[1] = totals[1] - int(rng.integers(1, 3))
    r = np.array([6, 7, 6, 7])
    yield Case(
        "short sentences without any 4 words in a row, and long ones",
        {"matches": matches, "totals": totals, "hypothesis_lengths": h, "reference_lengths": r},
    )
    h = rng.integers(6, 12, size=6)
    matches, totals = counted_sentences(rng, h)
    matches[0, :3] = totals[0, :3] - 1
    matches[:, 3] = 0
    yield Case(
        "no 4 words in a row are right",
        {"matches": matches, "totals": totals, "hypothesis_lengths": h, "reference_lengths": h + 1},
    )
    h = rng.integers(1, 4, size=5)
    matches, totals = counted_sentences(rng, h, (1, 1, 1, 1))
    yield Case(
        "no sentence has 4 words",
        {"matches": matches, "totals": totals, "hypothesis_lengths": h, "reference_lengths": h + 1},
    )


def _penalty(h, r):
    return min(1.0, math.exp(1 - r / h))


def _scored(
    penalty=lambda h, r: _penalty(h.sum(), r.sum()),
    precisions=lambda matches, totals: matches.sum(0) / totals.sum(0),
    mean=lambda p: np.exp(np.log(p).mean()),
    usable=lambda matches: matches.sum(0).all(),
    factor=100,
):
    """A wrong ``corpus_bleu``: another penalty, other precisions, another mean of them."""

    def candidate(matches, totals, hypothesis_lengths, reference_lengths):
        if not usable(matches):
            return 0.0
        p = precisions(matches, totals)
        return float(factor * penalty(hypothesis_lengths, reference_lengths) * mean(p))

    return candidate


def _of_sentences(matches, totals):
    return (matches / np.maximum(totals, 1)).mean(0)


def _scored_sentence_by_sentence(matches, totals, hypothesis_lengths, reference_lengths):
    one = _scored()
    rows = zip(matches, totals, hypothesis_lengths, reference_lengths, strict=True)
    return float(np.mean([one(m[None], a[None], h[None], r[None]) for m, a, h, r in rows]))


def _scored_without_empty_orders(matches, totals, hypothesis_lengths, reference_lengths):
    there = matches.sum(0) > 0
    return _scored(usable=lambda matches: True)(
        matches[:, there], totals[:, there], hypothesis_lengths, reference_lengths
    )


def _scored_smoothed(matches, totals, hypothesis_lengths, reference_lengths):
    p = (matches.sum(0) + 1) / (totals.sum(0) + 1)
    return float(100 * _penalty(hypothesis_lengths.sum(), reference_lengths.sum()) * np.exp(np.log(p).mean()))


def _scored_by_logarithms(matches, totals, hypothesis_lengths, reference_lengths):
    p = matches.sum(0) / totals.sum(0)
    mean = sum(math.log(precision) for precision in p) / 4
    return float(100 * _penalty(hypothesis_lengths.sum(), reference_lengths.sum()) * math.exp(mean))


def _scored_by_product(matches, totals, hypothesis_lengths, reference_lengths):
    product = 1.0
    for right, all_ in zip(matches.T.tolist(), totals.T.tolist(), strict=True):
        product *= sum(right) / max(1, sum(all_))
    h, r = int(sum(hypothesis_lengths)), int(sum(reference_lengths))
    return 100 * product**0.25 * (math.exp(1 - r / h) if h < r else 1)


CORPUS_BLEU = Exercise(
    name="corpus_bleu",
    assignment=ASSIGNMENT,
    section="nmt-evaluation",
    points=3,
    difficulty=3,
    minutes=20,
    reference=translation.corpus_bleu,
    probe=probe.call,
    cases=bleu_cases,
    mistakes=[
        Mistake(
            "a mean of the sentences' BLEU",
            _scored_sentence_by_sentence,
            "You score each sentence and take the mean. A sentence without four right words in a row has 0 then. "
            "BLEU belongs to a corpus.",
            "nmt-four",
        ),
        Mistake(
            "precisions of sentences averaged",
            _scored(precisions=_of_sentences),
            "You divide in each sentence and average the quotients, so that a short sentence weighs as much as a long "
            "one. What is added up first?",
            "nmt-evaluation",
        ),
        Mistake(
            "no brevity penalty",
            _scored(penalty=lambda h, r: 1.0),
            "Leave half of every translation unwritten, the unsure half, and your number rises.",
            "nmt-evaluation",
        ),
        Mistake(
            "long translations punished",
            _scored(penalty=lambda h, r: _penalty(r.sum(), h.sum())),
            "c and r stand the wrong way round. Precision punishes what is too long already; the penalty is for what "
            "is too short.",
            "nmt-evaluation",
        ),
        Mistake(
            "long translations rewarded",
            _scored(penalty=lambda h, r: math.exp(1 - r.sum() / h.sum())),
            "Where the translations are longer than the references, your factor is larger than 1. A penalty never is.",
            "nmt-evaluation",
        ),
        Mistake(
            "the ratio in place of the exponential",
            _scored(penalty=lambda h, r: min(1.0, h.sum() / r.sum())),
            "Your penalty is c / r. Look at the formula again: with c = r / 2 it should be about 0.37.",
            "nmt-evaluation",
        ),
        Mistake(
            "a penalty for each sentence",
            _scored(penalty=lambda h, r: float(np.mean([_penalty(*pair) for pair in zip(h, r, strict=True)]))),
            "Yours punishes each short sentence, though another may be long. Here the lengths of the whole corpus "
            "are compared.",
            "nmt-evaluation",
        ),
        Mistake(
            "the arithmetic mean",
            _scored(mean=np.mean),
            "You add the four precisions and divide. They are to be multiplied, and then comes a root.",
            "nmt-evaluation",
        ),
        Mistake(
            "the root forgotten",
            _scored(mean=np.prod),
            "You multiply the four precisions. What makes a mean of a product of four?",
            "nmt-evaluation",
        ),
        Mistake(
            "a share in place of a percentage",
            _scored(factor=1),
            "Your number is between 0 and 1. BLEU is told between 0 and 100.",
            "nmt-evaluation",
        ),
        Mistake(
            "orders without a match left out",
            _scored_without_empty_orders,
            "Where no four words in a row are right, you take the mean of the other three, and the score jumps up.",
            "nmt-evaluation",
        ),
        Mistake(
            "smoothed",
            _scored_smoothed,
            "You add 1 to the counts. That is done for single sentences; a corpus is counted as it is.",
            "nmt-four",
        ),
        Mistake(
            "nothing divided by nothing",
            _scored(usable=lambda matches: True),
            "Right unless no sentence has four words. Then you divide 0 by 0, which is NaN.",
            "nmt-evaluation",
        ),
        Mistake(
            "the logarithm of 0",
            _scored_by_logarithms,
            "Right while every precision is larger than 0. A precision of 0 has no logarithm, and BLEU is 0 then.",
            "nmt-evaluation",
        ),
    ],
    alternatives=[_scored_by_product, _scored()],
)


EXERCISES = [
    PLAN_BATCHES,
    LEARNING_RATE,
    COMBINE_GRADIENTS,
    SCALED_STEP,
    NORMALISED_BEAM_SEARCH,
    CLIPPED_MATCHES,
    CORPUS_BLEU,
]
