"""The exercises of the sample assignment: two that need nothing but arithmetic."""

import math

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake


def double(x):
    return 2 * x


def root(x):
    return math.sqrt(x)


def numbers(rng):
    yield Case("the worked example", {"x": 16.0})
    for _ in range(3):
        yield Case("a number drawn at random", {"x": float(rng.uniform(3, 9))})


def exercise(reference, points, mistake, instead_of=()):
    name = reference.__name__
    return Exercise(
        name=name, assignment="00-sample", section="sample", points=points, difficulty=1, minutes=1,
        reference=reference, probe=probe.call, cases=numbers, mistakes=[mistake],
        instead_of=instead_of,
    )  # fmt: skip


DOUBLERS = ("operator.mul", "statistics.fmean")  # one written in C, one in Python

EXERCISES = [
    exercise(double, 2, Mistake("squared", lambda x: x * x, "Twice a number is not its square."), DOUBLERS),
    exercise(root, 3, Mistake("halved", lambda x: x / 2, "Half of a number is not its root.")),
]
