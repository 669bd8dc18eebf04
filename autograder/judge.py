"""Compares what a candidate did with what the reference does, and names the mistake when it is a known one.

The judge never runs a candidate itself: it is handed ``ask``, a function from a case's inputs to an `Observation`,
which may reach into another process. The reference and the known mistakes are run here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.probe import Observation, Value, dtype_name, noted_once, observe

PRACTICE_SEED = 2017  # the student's own check; grading draws other cases from another seed

HOPELESS = ("timeout", "not callable", "instance", "class")  # faults after which the other cases are not asked
HALVES = ("float16", "bfloat16")


@dataclass(frozen=True)
class Complaint:
    """What is wrong with one observation. `report` has a sentence for each ``kind``:

    those of `autograder.probe.Fault`, and "missing" and "surplus" (a value by name), "type", "device", "shape",
    "dtype", "nonfinite" (NaN or infinity where a number is expected), "no-gradient", "value", "edited" (an input), and
    "not run".
    """

    kind: str
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
    """The outcome for one exercise: how many cases there are, the failures (smallest first) and the diagnosis.

    ``mistakes`` are the known mistakes that together do on every case just what the candidate did: none, one, or two.
    """

    exercise: Exercise
    total: int
    failures: tuple[Failure, ...]
    mistakes: tuple[Mistake, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures

    @property
    def diagnosis(self) -> Mistake | None:
        """The one known mistake that explains every case, or None."""
        return self.mistakes[0] if len(self.mistakes) == 1 else None

    @property
    def points(self) -> float:
        """All or nothing: a wrong softmax axis is right on every 1 × 1 input, and deserves nothing for that."""
        return float(self.exercise.points) if self.passed else 0.0


@noted_once()
def judge(exercise: Exercise, ask: Callable[[Mapping[str, Any]], Observation], seed: int = PRACTICE_SEED) -> Verdict:
    """Ask the candidate every case and compare with the reference, which is run if there is anything to compare.

    Raises BrokenReference if that fails on a case, which is a defect of the exercise.
    """
    asked = [(case, Observation()) for case in cases_of(exercise, seed)]
    actual = list(answers(asked, ask))
    if any(seen and not seen.fault for seen in actual):
        asked = questions(exercise, seed)
    failures = [
        Failure(case, complaint, want, got)
        for (case, want), got in zip(asked, actual, strict=True)
        if (complaint := complain(want, got, exercise.tolerance, coarsest(case.inputs)))
    ]
    failures.sort(key=lambda failure: (failure.complaint.kind == "not run", size(failure.case.inputs)))
    return Verdict(exercise, len(asked), tuple(failures), diagnose(exercise, seed, actual) if failures else ())


class BrokenReference(RuntimeError):
    """A reference fails on a case of its own exercise."""


@lru_cache(maxsize=256)
def cases_of(exercise: Exercise, seed: int) -> tuple[Case, ...]:
    return tuple(exercise.cases(np.random.default_rng(seed)))


@lru_cache(maxsize=256)
def questions(exercise: Exercise, seed: int) -> tuple[tuple[Case, Observation], ...]:
    """The cases, each with the reference's observation."""
    asked = tuple((case, run(exercise, exercise.reference, case)) for case in cases_of(exercise, seed))
    for case, want in asked:
        if want.fault:
            raise BrokenReference(f"the reference of {exercise.name} fails on {case.about!r}: {want.fault}")
    return asked


def answers(asked: Sequence[tuple[Case, Observation]], ask: Callable) -> Iterator[Observation | None]:
    """The candidate's observations in order; None for those not asked for after a hopeless one."""
    hopeless = False
    for case, _ in asked:
        got = None if hopeless else ask(case.inputs)
        hopeless = hopeless or (got.fault is not None and got.fault.kind in HOPELESS)
        yield got


def run(exercise: Exercise, candidate: Callable, case: Case) -> Observation:
    """One of our own candidates (the reference, a known mistake) on one case, in this process."""
    return observe(exercise.probe, candidate, case.inputs, exercise.framework, exercise.expects)


# ---- comparing with the reference ---------------------------------------------------------------------------------


def complain(
    expected: Observation, actual: Observation | None, tolerance: Tolerance, floor: str = "float64"
) -> Complaint | None:
    """The first thing wrong with ``actual``, or None. ``floor`` is the coarsest floating dtype among the inputs."""
    if actual is None:
        return Complaint("not run")
    if actual.fault:
        return Complaint(actual.fault.kind, message=actual.fault.message)
    gradients = [name for name in expected.values if name.startswith("gradient of ")]
    names = [name for name in expected.values if name not in gradients]
    if missing := [name for name in names if name not in actual.values]:
        return Complaint("missing", missing[0], expected.values[missing[0]], next(iter(actual.values.values()), None))
    if surplus := [name for name in actual.values if name not in expected.values]:
        return Complaint("surplus", surplus[0], None, actual.values[surplus[0]])
    for name in names + gradients:
        got = actual.values.get(name, Value("none", "None"))
        if complaint := complain_value(name, expected.values[name], got, tolerance, floor):
            return complaint
    edited = [name for name in actual.edited if name not in expected.edited]
    return Complaint("edited", edited[0]) if edited else None


def complain_value(name: str, want: Value, got: Value, tolerance: Tolerance, floor: str) -> Complaint | None:
    """The first thing wrong with one value: its type, device, shape, dtype, or its numbers."""

    def complaint(kind):
        return Complaint(kind, name, want, got)

    if name.startswith("gradient of ") and "none" in (want.kind, got.kind):
        # No path to an input and a gradient of zeros are the same thing.
        return None if nothing(want) and nothing(got) else complaint("no-gradient" if got.kind == "none" else "value")
    scalars = {want.kind, got.kind} == {"number", "array"} and want.shape == got.shape == ()
    if got.kind != want.kind and not scalars:
        return complaint("type")
    if got.device != want.device:
        return complaint("device")
    if want.items is not None or got.items is not None:
        return complain_items(name, want, got, tolerance, floor)
    if got.shape != want.shape:
        return complaint("shape")
    if want.array is None:
        return None if got.type_name == want.type_name else complaint("type")
    if got.array is None or not same_family(want, got):
        return complaint("dtype")
    if want.array.dtype.kind not in "fc":
        return None if np.array_equal(want.array, got.array) else complaint("value")
    if (~np.isfinite(got.array) & np.isfinite(want.array)).any():
        return complaint("nonfinite")
    exact = want.kind in ("array", "tensor") and got.kind in ("array", "tensor")
    coarser = exact and precision(got.dtype) < precision(want.dtype)
    if not close(want, got, tolerance, got.dtype if coarser else floor):
        return complaint("value")
    return complaint("dtype") if coarser else None


def complain_items(name: str, want: Value, got: Value, tolerance: Tolerance, floor: str) -> Complaint | None:
    """The first thing wrong with a list of arrays, or with a ragged list."""
    if want.shape[:1] != got.shape[:1]:
        return Complaint("shape", name, want, got)
    if want.items is None or got.items is None:
        return Complaint("type", name, want, got)
    for i, (one, other) in enumerate(zip(want.items, got.items, strict=True)):
        if complaint := complain_value(f"{name}[{i}]", one, other, tolerance, floor):
            return complaint
    return None


def nothing(gradient: Value) -> bool:
    """Whether a gradient is absent or all zeros."""
    return gradient.kind == "none" or (gradient.array is not None and not gradient.array.any())


def same_family(want: Value, got: Value) -> bool:
    """Whether two dtypes are of one kind (float, integer, boolean, text). A plain 3 will do for a plain 3.0."""
    families = [{"u": "i", "S": "U"}.get(v.array.dtype.kind, v.array.dtype.kind) for v in (want, got)]
    plain = want.kind in ("number", "sequence") and set(families) == {"i", "f"}
    return families[0] == families[1] or plain


def precision(dtype: str) -> int:
    """How many significant bits a floating dtype has."""
    return {"bfloat16": 8, "float16": 11, "float32": 24, "complex64": 24}.get(dtype, 53)


def coarsest(value: Any) -> str:
    """The coarsest floating dtype in an input, "float64" if there is none."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fc":
        return dtype_name(value.dtype)
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return min(map(coarsest, inner), key=precision, default="float64")


def close(want: Value, got: Value, tolerance: Tolerance, floor: str = "float64") -> bool:
    """Whether two arrays of equal shape agree to the tolerance of the coarser of ``want``'s dtype and ``floor``."""
    return bool(agreement(want, got, tolerance, floor).all())


def agreement(want: Value, got: Value, tolerance: Tolerance, floor: str = "float64") -> np.ndarray:
    """Which entries of two arrays of equal shape agree; NaN agrees with NaN."""
    if want.array.dtype.kind not in "fc":
        return np.asarray(want.array == got.array)
    bits = min(precision(want.dtype), precision(floor))
    rtol, atol = tolerance.half if bits < 24 else tolerance.float32 if bits == 24 else tolerance.float64
    with np.errstate(all="ignore"):
        return np.asarray(np.isclose(got.array, want.array, rtol=rtol, atol=atol, equal_nan=True))


# ---- naming the mistake -------------------------------------------------------------------------------------------


def diagnose(exercise: Exercise, seed: int, actual: list[Observation | None]) -> tuple[Mistake, ...]:
    """The known mistake that does on every case just what the candidate did, else two that do so between them.

    Two explain a candidate if each shows on some case without the other, and on every case the candidate does what
    those of the two that show there do.
    """
    if None in actual or all(seen.fault for seen in actual):
        return ()
    asked = questions(exercise, seed)
    floors = [coarsest(case.inputs) for case, _ in asked]
    kinds = [
        kind(complain(want, seen, exercise.tolerance, floor))
        for (_, want), seen, floor in zip(asked, actual, floors, strict=True)
    ]
    every = range(len(asked))
    candidates = range(len(exercise.mistakes))

    def matches(mistake: int, case: int) -> bool:
        shown, seen = known(exercise, seed, mistake, case)
        return shown == kinds[case] and alike(seen, actual[case], exercise.tolerance, floors[case])

    for mistake in candidates:
        if all(matches(mistake, case) for case in every):
            return (exercise.mistakes[mistake],)
    for pair in combinations(candidates, 2):
        shown = [[mistake for mistake in pair if known(exercise, seed, mistake, case)[0]] for case in every]
        alone = {there[0] for there in shown if len(there) == 1}
        # Where neither shows, both do what the reference does, and so must the candidate.
        if len(alone) == 2 and all(all(matches(m, case) for m in shown[case] or pair) for case in every):
            return tuple(exercise.mistakes[mistake] for mistake in pair)
    return ()


@lru_cache(maxsize=16_384)
def known(exercise: Exercise, seed: int, mistake: int, case: int) -> tuple[str | None, Observation]:
    """What a known mistake does on a case: the kind of complaint (None where it does not show), and what was seen."""
    asked, want = questions(exercise, seed)[case]
    seen = run(exercise, exercise.mistakes[mistake].candidate, asked)
    return kind(complain(want, seen, exercise.tolerance, coarsest(asked.inputs))), seen


def kind(complaint: Complaint | None) -> str | None:
    return complaint.kind if complaint else None


def alike(one: Observation, other: Observation, tolerance: Tolerance, floor: str = "float64") -> bool:
    """Whether two observations cannot be told apart. Of exceptions, only the type counts."""
    if one.fault or other.fault:
        first, second = ((seen.fault.kind, seen.fault.error) if seen.fault else None for seen in (one, other))
        return first == second
    return (
        one.values.keys() == other.values.keys()
        and one.edited == other.edited
        and all(alike_value(value, other.values[name], tolerance, floor) for name, value in one.values.items())
    )


def alike_value(one: Value, other: Value, tolerance: Tolerance, floor: str) -> bool:
    """Whether two values cannot be told apart, a higher precision not counting as a difference."""
    if one.kind != other.kind or one.shape != other.shape or one.device != other.device:
        return False
    if one.items is not None and other.items is not None:
        return all(alike_value(a, b, tolerance, floor) for a, b in zip(one.items, other.items, strict=True))
    if one.array is None or other.array is None:
        return one.array is other.array and one.type_name == other.type_name
    return one.array.dtype.kind == other.array.dtype.kind and close(one, other, tolerance, floor)


def size(value: Any) -> int:
    """How many numbers or characters there are in an input, to show the smallest failing case first."""
    if isinstance(value, np.ndarray):
        return value.size
    if isinstance(value, Mapping):
        return sum(map(size, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(size, value))
    return len(value) if isinstance(value, str) else 1
