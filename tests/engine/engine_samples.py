"""Exercises of the tests' own, one for each thing that an exercise may ask for: no test here needs a chapter."""

import numpy as np
import torch

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.judge import judge
from autograder.probe import observe


def exercise(reference, cases, mistakes=(), use=probe.call, framework="numpy", name="", **more):
    """An `Exercise` with the fields that do not matter here filled in. ``cases`` is a list of inputs."""

    def drawn(rng):
        return [Case(f"case {i}", inputs) for i, inputs in enumerate(cases)]

    return Exercise(
        name=name or reference.__name__,
        assignment="01-rnn",
        section="rnn-recurrence",
        points=2,
        difficulty=1,
        minutes=5,
        reference=reference,
        probe=use,
        cases=drawn,
        mistakes=[Mistake(m.__name__, m, f"the hint of {m.__name__}") for m in mistakes],
        framework=framework,
        **more,
    )


def verdict(of, candidate, seconds=10.0):
    """The verdict on a candidate."""
    return judge(of, lambda inputs: observe(of.probe, candidate, inputs, of.framework, of.expects, seconds))


def complaint(of, candidate):
    """The first complaint about a candidate, None if it passes."""
    failures = verdict(of, candidate).failures
    return failures[0].complaint if failures else None


# ---- one array in, one array out ----------------------------------------------------------------------------------


def center(x):
    """[n, d] -> [n, d], each row minus its mean."""
    return x - x.mean(axis=1, keepdims=True)


def by_column(x):
    return x - x.mean(axis=0, keepdims=True)


def not_subtracted(x):
    return x.mean(axis=1, keepdims=True) + 0 * x


rng = np.random.default_rng(5)
CENTER = exercise(
    center,
    [
        {"x": np.array([[1.0, 3.0], [5.0, 5.0]])},
        {"x": rng.normal(size=(3, 4))},
        {"x": rng.normal(size=(4, 3)).astype(np.float32)},
        {"x": rng.normal(size=(5, 1))},
    ],
    [by_column, not_subtracted],
)


# ---- two independent mistakes -------------------------------------------------------------------------------------


def masked_total(x, mask):
    """[n], [n] -> number: the sum of the entries where mask is True; 0 for an empty x."""
    return float(x[mask].sum())


def unmasked(x, mask):
    return float(x.sum())


def minus_one_when_empty(x, mask):
    return float(x[mask].sum()) if x.size else -1.0


MASKED_TOTAL = exercise(
    masked_total,
    [
        {"x": np.array([1.0, 2.0]), "mask": np.array([True, True])},
        {"x": np.array([1.0, 2.0, 4.0]), "mask": np.array([True, False, True])},
        {"x": np.array([]), "mask": np.array([], bool)},
    ],
    [unmasked, minus_one_when_empty],
)


# ---- torch, with gradients ----------------------------------------------------------------------------------------


def gate(x, w):
    """[n, d], [d] -> [n, d]: x times the sigmoid of w."""
    return x * torch.sigmoid(w)


def gate_detached(x, w):
    return x * torch.sigmoid(w.detach())


GATE = exercise(
    gate,
    [{"x": rng.normal(size=(2, 3)), "w": rng.normal(size=3)}, {"x": rng.normal(size=(4, 2)), "w": rng.normal(size=2)}],
    [gate_detached],
    use=probe.call_with_gradients,
    framework="torch",
)


# ---- a module -----------------------------------------------------------------------------------------------------


class Affine(torch.nn.Module):
    """x W + b, with W [d_in, d_out]."""

    def __init__(self, d_in, d_out):
        super().__init__()
        self.W = torch.nn.Parameter(torch.zeros(d_in, d_out))
        self.b = torch.nn.Parameter(torch.zeros(d_out))

    def forward(self, x):
        return x @ self.W + self.b


class AffineNoBias(Affine):
    def forward(self, x):
        return x @ self.W + 0 * self.b


AFFINE = exercise(
    Affine,
    [
        {
            "arguments": {"d_in": 2, "d_out": 3},
            "parameters": {"W": rng.normal(size=(2, 3)), "b": rng.normal(size=3)},
            "x": rng.normal(size=(4, 2)),
        }
    ],
    [AffineNoBias],
    use=probe.module_with_gradients,
    framework="torch",
)


# ---- several results, dicts, lists, text --------------------------------------------------------------------------


def extremes(x):
    return x.min(axis=0), x.max(axis=0)


EXTREMES = exercise(extremes, [{"x": rng.normal(size=(3, 2))}])


def moments(x):
    return {"mean": x.mean(axis=0), "var": x.var(axis=0)}


MOMENTS = exercise(moments, [{"x": rng.normal(size=(3, 2))}])


def words(text):
    return text.split()


WORDS = exercise(words, [{"text": "I want to eat"}, {"text": ""}])


def rows(x):
    """A list of arrays of unequal lengths."""
    return [x[:i] for i in range(len(x) + 1)]


ROWS = exercise(rows, [{"x": np.array([1.0, 2.0, 3.0])}])


# ---- a callback, and an object with methods -----------------------------------------------------------------------


def greedy(step, first, steps):
    tokens = [first]
    for _ in range(steps):
        tokens.append(int(np.argmax(step(tokens))))
    return tokens


GREEDY = exercise(
    greedy,
    [{"table": np.log(rng.dirichlet(np.ones(5), size=(3, 5))), "first": 2, "steps": 4}],
    use=probe.call_with_table,
)


class Counter:
    def __init__(self, start):
        self.n = start

    def add(self, k):
        self.n += k
        return self.n


COUNTER = exercise(
    Counter, [{"arguments": {"start": 3}, "calls": [("add", {"k": 2}), ("add", {"k": 5})]}], use=probe.call_methods
)

ALL = [CENTER, MASKED_TOTAL, GATE, AFFINE, EXTREMES, MOMENTS, WORDS, ROWS, GREEDY, COUNTER]
