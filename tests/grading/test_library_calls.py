"""An answer that calls the routine it was to build is right, and the instructor is told: whatever it calls it by."""

from io import StringIO

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course
from sample_exercises import DOUBLERS

import autograder
from autograder.catalogue import exercises
from autograder.grading import wire
from autograder.grading.grade import Journal, grade

# After the four cases, each is asked again. That can change nothing any more.
LATER = "seen = []\ndef double(x):\n    seen.append(x)\n    if len(seen) > 4: {}\n    return x + x"
ANSWERS = {  # the answer to double: what it scores, and what of the routines is reported
    "model": ("def double(x):\n    return 2 * x", 2, []),
    "alias": ("from operator import mul as own\ndef double(x):\n    return own(2, x)", 2, [0]),
    "before": ("import operator\nhidden = [operator.mul]\ndef double(x):\n    return hidden[0](2, x)", 2, [0]),
    "python": ("from statistics import fmean\ndef double(x):\n    return 2 * fmean([x])", 2, [1]),
    "both": ("import operator, statistics\ndef double(x): return operator.mul(2, statistics.fmean([x]))", 2, [0, 1]),
    "mentioned": ("from operator import mul\ndef double(x):\n    return x + x  # not mul", 2, []),
    "wrong": ("from operator import mul\ndef double(x):\n    return mul(3, x)", 0, []),
    "exits": (LATER.format("import os; os._exit(0)"), 2, []),
    "hangs": (LATER.format("\n        while True: pass"), 2, []),
    "raises": (LATER.format("raise SystemExit"), 2, []),
    "profiles": (LATER.format("import sys; sys.setprofile(None)"), 2, []),
    "forges": (LATER.format("print('x' * 10_000)") + "\nimport sys\ndel sys.setprofile", 2, []),
}  # fmt: skip


@pytest.fixture(scope="module")
def graded(tmp_path_factory, sandboxed, gradebook, model):
    course = make_course(tmp_path_factory.mktemp("calls") / "course", gradebook)
    for student, (answer, _, _) in ANSWERS.items():
        hand_in(course, student, answered(model, double=answer))
    console = Console(file=StringIO(), width=250)
    assert grade([NAME], course, console=console, workers=2) == 0
    return console.file.getvalue(), Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes


@pytest.mark.parametrize("student", ANSWERS)
def test_the_score_stays_and_the_instructor_is_told(graded, student):
    printed, found = graded
    _, points, called = ANSWERS[student]
    names = " and ".join(DOUBLERS[i] for i in called)
    wanted = [f"double: calls {names}, in whose place an own one was asked for."] if called else []
    assert (found[student].parts["double"], found[student].parts["root"]) == (points, 3)
    assert found[student].notes == wanted
    assert all(note in printed for note in wanted)


@pytest.fixture
def routine(monkeypatch):
    """The part of ours that works inside, here in this process."""
    monkeypatch.setattr(autograder, "wire", wire, raising=False)
    from autograder.grading.inside import answering

    return answering.routine


def test_routines_are_known_by_what_is_called(routine):
    assert routine("torch.nn.functional.layer_norm") is F.layer_norm.__code__
    assert routine("torch.nn.functional.scaled_dot_product_attention") is F.scaled_dot_product_attention
    assert routine("torch.nn.MultiheadAttention") is torch.nn.MultiheadAttention.forward.__code__
    assert routine("torch.nn.not_in_this_version") is routine("no_such_library.at_all") is None


def test_every_routine_that_an_exercise_names_is_there(routine):
    named = {name for exercise in exercises().values() for name in exercise.instead_of}
    assert "torch.nn.functional.layer_norm" in named
    assert all(routine(name) is not None for name in named)


def test_no_reference_calls_what_is_asked_for(routine):
    """And at least one known right answer of each such exercise does, which scores all the same."""
    for exercise in exercises().values():
        if exercise.instead_of:
            assert not called_by(routine, exercise, exercise.reference), exercise.name
            assert any(called_by(routine, exercise, answer) for answer in exercise.alternatives), exercise.name


def called_by(routine, exercise, candidate):
    import sys

    from autograder import judge

    watched, called = {routine(name) for name in exercise.instead_of}, []

    def watch(frame, event, argument):
        called.append(frame.f_code if event == "call" else argument)

    cases = list(exercise.cases(np.random.default_rng(0)))
    sys.setprofile(watch)
    try:
        for case in cases:
            judge.run(exercise, candidate, case)
    finally:
        sys.setprofile(None)
    return [one for one in called if any(one is other for other in watched)]
