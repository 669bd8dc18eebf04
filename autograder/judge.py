"""Compares what a candidate did with what the reference does, and names the mistake when it is a known one.

The judge never runs a candidate itself: it is handed ``ask``, a function from a case to an `Observation`, which may reach into
another process. The reference and the known mistakes are run here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.probe import Observation, Value, observe

PRACTICE_SEED = 2017  # the student's own check; grading draws other cases from another seed


@dataclass(frozen=True)
class Complaint:
    """What is wrong with one observation. ``kind`` is one of the words that `report` has a sentence for."""

    kind: str  # unsolved exception missing type dtype shape nan no-gradient edited value
    what: str = ""  # the value or input that it is about
    expected: Value | None = None
    actual: Value | None = None
    message: str = ""


@dataclass(frozen=True)
class Failure:
    """One case that the candidate did not pass."""

    case: Case
    complaint: Complaint
    expected: Observation
    actual: Observation


@dataclass(frozen=True)
class Verdict:
    """The outcome for one exercise: how many cases passed, the failures (smallest first) and the diagnosis."""

    exercise: Exercise
    total: int
    failures: tuple[Failure, ...]
    diagnosis: Mistake | None = None

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def points(self) -> float:
        """All or nothing: a wrong softmax axis is right on every 1 × 1 input, and deserves nothing for that."""
        return float(self.exercise.points) if self.passed else 0.0


def judge(exercise: Exercise, ask: Callable[[Mapping[str, Any]], Observation], seed: int = PRACTICE_SEED) -> Verdict:
    """Ask the candidate every case and compare with the reference."""
    cases = list(exercise.cases(np.random.default_rng(seed)))
    actual = [ask(case.inputs) for case in cases]
    expected = [run(exercise, exercise.reference, case) for case in cases]
    failures = [
        Failure(case, complaint, want, got)
        for case, want, got in zip(cases, expected, actual, strict=True)
        if (complaint := complain(want, got, exercise.tolerance))
    ]
    failures.sort(key=lambda failure: size(failure.case.inputs))
    diagnosis = diagnose(exercise, cases, actual) if failures else None
    return Verdict(exercise, len(cases), tuple(failures), diagnosis)


def run(exercise: Exercise, candidate: Callable, case: Case) -> Observation:
    """One of our own candidates (the reference, a known mistake) on one case, in this process."""
    return observe(exercise.probe, candidate, case.inputs, exercise.framework)


def complain(expected: Observation, actual: Observation, tolerance: Tolerance) -> Complaint | None:
    """The first thing wrong with ``actual``, or None. ``expected`` is the reference's own observation."""
    if expected.fault:
        raise RuntimeError(f"the reference itself failed: {expected.fault.message}")
    if actual.fault:
        return Complaint(actual.fault.kind, message=actual.fault.message)
    for name, want in expected.values.items():
        got = actual.values.get(name)
        if got is None:
            return Complaint("missing", name, want)
        if complaint := complain_value(name, want, got, tolerance):
            return complaint
    if extra := set(actual.values) - set(expected.values):
        return Complaint("missing", min(extra), None, actual.values[min(extra)])
    edited = set(actual.edited) - set(expected.edited)
    return Complaint("edited", min(edited)) if edited else None


def complain_value(name: str, want: Value, got: Value, tolerance: Tolerance) -> Complaint | None:
    def complaint(kind):
        return Complaint(kind, name, want, got)

    if got.kind == "none" and want.kind != "none" and name.startswith("gradient of "):
        return complaint("no-gradient")
    scalars = {want.kind, got.kind} == {"number", "array"} and want.array.ndim == got.array.ndim == 0
    if got.kind != want.kind and not scalars:
        return complaint("type")
    if want.array is None:
        return None
    if got.array.dtype.kind != want.array.dtype.kind and want.kind not in ("number", "sequence"):
        return complaint("dtype")
    if got.array.shape != want.array.shape:
        return complaint("shape")
    if not want.array.dtype.kind == "f":
        return None if np.array_equal(want.array, got.array) else complaint("value")
    if (np.isnan(got.array) & ~np.isnan(want.array)).any():
        return complaint("nan")
    if not close(want.array, got.array, tolerance):
        coarse = got.array.dtype.itemsize < want.array.dtype.itemsize
        if coarse and close(want.array.astype(got.array.dtype), got.array, tolerance):
            return complaint("dtype")
        return complaint("value")
    return None


def close(want: np.ndarray, got: np.ndarray, tolerance: Tolerance) -> bool:
    rtol, atol = tolerance.float64 if want.dtype.itemsize >= 8 else tolerance.float32
    return np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True)


def diagnose(exercise: Exercise, cases: list[Case], actual: list[Observation]) -> Mistake | None:
    """The known mistake that does on every case just what the candidate did, or None."""
    for mistake in exercise.mistakes:
        if all(
            alike(run(exercise, mistake.candidate, case), seen, exercise.tolerance)
            for case, seen in zip(cases, actual, strict=True)
        ):
            return mistake
    return None


def alike(one: Observation, other: Observation, tolerance: Tolerance) -> bool:
    """Whether two observations cannot be told apart."""
    if one.fault or other.fault:
        return one.fault == other.fault
    if one.values.keys() != other.values.keys() or one.edited != other.edited:
        return False
    for name, a in one.values.items():
        b = other.values[name]
        if (a.kind, a.array is None) != (b.kind, b.array is None):
            return False
        if a.array is None:
            continue
        if a.array.shape != b.array.shape or a.array.dtype.kind != b.array.dtype.kind:
            return False
        if not (close(a.array, b.array, tolerance) if a.array.dtype.kind == "f" else np.array_equal(a.array, b.array)):
            return False
    return True


def size(value: Any) -> int:
    """How many numbers there are in an input, to show the smallest failing case first."""
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, Mapping):
        return sum(map(size, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(size, value))
    return 1
