"""Judging: what counts as wrong, in which order, and when a known mistake is named."""

import engine_samples as samples
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import judge as judging
from autograder.exercise import Case, Tolerance
from autograder.judge import agreement, alike, close, coarsest, complain_value, judge, precision, size
from autograder.probe import Observation, describe, observe

FLOATS = hnp.arrays(
    st.sampled_from([np.float32, np.float64]),
    hnp.array_shapes(min_dims=0, max_dims=3, max_side=4),
    elements=st.floats(-100, 100, width=32),
)


def found(want, got, floor="float64", name="result"):
    """The kind of complaint about one value, None if it is right."""
    complaint = complain_value(name, describe(want), describe(got), Tolerance(), floor)
    return complaint.kind if complaint else None


# ---- values -------------------------------------------------------------------------------------------------------


@given(FLOATS)
def test_a_value_is_right_against_itself(array):
    assert found(array, array.copy()) is None
    assert found(array, array.astype(np.float64)) is None
    assert found(torch.from_numpy(array.copy()), torch.from_numpy(array.copy()).double()) is None


@given(FLOATS.filter(lambda a: a.size), st.data())
def test_one_wrong_entry_is_wrong(array, data):
    other = array.copy()
    at = data.draw(st.sampled_from(list(np.ndindex(array.shape))))
    other[at] += 1 + abs(array[at])
    assert found(array, other) == "value"
    assert np.argwhere(~agreement(describe(array), describe(other), Tolerance())).tolist() == [list(at)]


@given(FLOATS, FLOATS)
def test_close_is_what_allclose_says(one, other):
    if one.shape == other.shape:
        rtol, atol = Tolerance().float32 if one.dtype == np.float32 else Tolerance().float64
        assert close(describe(one), describe(other), Tolerance()) == np.allclose(other, one, rtol, atol, equal_nan=True)


@given(FLOATS.filter(lambda a: a.size > 0), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_nan_and_infinity_are_named(array, bad):
    other = array.copy()
    other[tuple(0 for _ in array.shape)] = bad
    assert found(array, other) == "nonfinite"
    assert found(other, other.copy()) is None
    assert found(other, array) == "value"


@given(hnp.array_shapes(max_dims=3), hnp.array_shapes(max_dims=3))
def test_another_shape_is_named_before_the_numbers(one, other):
    assert found(np.zeros(one), np.ones(other)) == ("value" if one == other else "shape")


@pytest.mark.parametrize(
    ("want", "got", "kind"),
    [
        (np.ones(2, np.float32), np.ones(2, np.float64), None),
        (np.ones(2, np.float64), np.ones(2, np.float32), "dtype"),
        (np.ones(2, np.float32), np.ones(2, np.float16), "dtype"),
        (np.full(2, 0.1), np.full(2, 0.1 + 1e-7, np.float32), "dtype"),
        (np.full(2, 0.1), np.full(2, 0.2, np.float32), "value"),
        (np.ones(2), np.ones(2, int), "dtype"),
        (np.ones(2), np.ones(2, bool), "dtype"),
        (np.ones(2), np.ones(2, complex), "dtype"),
        (np.ones(2), np.array([1.0, None], object), "dtype"),
        (np.array([1, 2]), np.array([1, 2], np.int32), None),
        (np.array([1, 2]), np.array([1.0, 2.0]), "dtype"),
        (np.array([True]), np.array([1]), "dtype"),
        (np.ones(2), [1.0, 1.0], "type"),
        (np.ones(2), torch.ones(2), "type"),
        (np.ones(2), None, "type"),
        (np.float64(2), np.array(2.0), None),
        (2.0, 2, None),
        (2.0, True, "dtype"),
        (2.0, torch.tensor(2.0), "type"),
        (True, 1, "dtype"),
        ([1, 2], (1, 2), None),
        ([1, 2], [1.0, 2.0], None),
        ([1, 2], [1, 3], "value"),
        ([1, 2], [1, 2, 3], "shape"),
        (["a", "b"], ["a", "c"], "value"),
        ("ab", "ac", "value"),
        ("ab", 3, "type"),
        (None, 3, "type"),
        ([np.ones(2), np.ones(3)], [np.ones(2), np.ones(3)], None),
        ([np.ones(2), np.ones(3)], [np.ones(2), np.zeros(3)], "value"),
        ([np.ones(2), np.ones(3)], [np.ones(2)], "shape"),
        ([np.ones(2), np.ones(3)], [1, 2], "type"),
        (torch.ones(2), torch.ones(2, device="meta"), "device"),
        (torch.ones(2), torch.ones(2, dtype=torch.bfloat16), "dtype"),
        (torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.bfloat16) + 2**-7, None),
    ],
)
def test_what_counts_as_wrong(want, got, kind):
    assert found(want, got) == kind


def test_no_gradient_is_as_good_as_a_gradient_of_zeros_and_no_better():
    zeros, ones = torch.zeros(2), torch.ones(2)
    assert found(zeros, None, name="gradient of x") is None
    assert found(None, zeros, name="gradient of x") is None
    assert found(ones, None, name="gradient of x") == "no-gradient"
    assert found(None, ones, name="gradient of x") == "value"


def test_a_number_computed_from_float32_need_not_be_more_exact_than_float32():
    assert found(0.1, 0.1 + 1e-6) == "value"
    assert found(0.1, 0.1 + 1e-6, floor="float32") is None
    assert coarsest({"x": [np.ones(1), {"y": np.ones(1, np.float32)}], "n": 3}) == "float32"
    assert coarsest({"x": np.ones(1, int), "text": "a"}) == "float64"
    assert precision("bfloat16") < precision("float16") < precision("float32") < precision("float64")


@given(FLOATS, st.integers(0, 3))
def test_size_counts_numbers(array, n):
    assert size({"x": array, "more": [array] * n, "flag": True}) == array.size * (n + 1) + 1


# ---- observations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "candidate", "kind", "what"),
    [
        (samples.EXTREMES, lambda x: x.min(axis=0), "missing", "result 1"),
        (samples.EXTREMES, lambda x: (*samples.extremes(x), 3), "surplus", "result 3"),
        (samples.EXTREMES, lambda x: samples.extremes(x)[::-1], "value", "result 1"),
        (samples.MOMENTS, lambda x: {"mean": x.mean(axis=0)}, "missing", "var"),
        (samples.MOMENTS, lambda x: samples.moments(x) | {"sd": 1}, "surplus", "sd"),
        (samples.GATE, samples.gate_detached, "no-gradient", "gradient of w"),
        (
            samples.GATE,
            lambda x, w: torch.tensor((x * torch.sigmoid(w)).tolist()).double(),
            "no-gradient",
            "gradient of x",
        ),
        (samples.GATE, lambda x, w: x.mul_(torch.sigmoid(w)), "edited", "x"),
        (samples.WORDS, lambda text: text.split(" "), "shape", "result"),
    ],
)
def test_the_first_thing_wrong_is_named(of, candidate, kind, what):
    complaint = samples.complaint(of, candidate)
    assert (complaint.kind, complaint.what) == (kind, what)


def test_after_a_hopeless_fault_the_other_cases_are_not_asked():
    asked = []

    def endless(x):
        asked.append(1)
        while True:
            pass

    found = samples.verdict(samples.CENTER, endless, seconds=0.1)
    assert len(asked) == 1
    assert [f.complaint.kind for f in found.failures] == ["timeout", "not run", "not run", "not run"]
    assert found.mistakes == () and found.points == 0


def test_the_smallest_failing_case_comes_first():
    failures = samples.verdict(samples.CENTER, lambda x: x + 1).failures
    sizes = [size(failure.case.inputs) for failure in failures]
    assert len(sizes) == 4 and sizes == sorted(sizes)


def test_points_are_all_or_nothing():
    assert samples.verdict(samples.CENTER, samples.center).points == 2.0
    nearly = samples.verdict(samples.CENTER, lambda x: samples.center(x) if x.shape[1] > 1 else x)
    assert (len(nearly.failures), nearly.points) == (1, 0.0)


def test_a_reference_that_fails_is_the_exercises_fault():
    broken = samples.exercise(lambda x: 1 / 0, [{"x": 1}], name="broken")
    with pytest.raises(RuntimeError, match="the reference of broken fails on 'case 0'"):
        samples.verdict(broken, lambda x: x)


def test_the_reference_runs_only_where_there_is_an_answer():
    broken = samples.exercise(lambda x: 1 / 0, [{"x": 1}], name="broken")

    def unsolved(x):
        raise NotImplementedError

    verdict = samples.verdict(broken, unsolved)
    assert [failure.complaint.kind for failure in verdict.failures] == ["unsolved"]


def test_another_seed_draws_other_cases():
    def drawn(rng):
        yield Case("drawn", {"x": rng.normal(size=(2, 2))})

    of = samples.exercise(samples.center, [])
    object.__setattr__(of, "cases", drawn)
    asked = [judging.questions(of, seed)[0][0].inputs["x"] for seed in (1, 1, 2)]
    assert (asked[0] == asked[1]).all() and (asked[0] != asked[2]).all()


def test_the_judge_only_asks():
    """The judge never calls the candidate: what it is told may come from anywhere."""
    answers = {}

    def ask(inputs):
        answers[len(answers)] = inputs
        return Observation({"result": describe(samples.center(inputs["x"]))})

    assert judge(samples.CENTER, ask).passed and len(answers) == 4


# ---- diagnosis ----------------------------------------------------------------------------------------------------


def names(of, candidate):
    return [mistake.name for mistake in samples.verdict(of, candidate).mistakes]


def test_a_known_mistake_is_named_however_it_is_written():
    assert names(samples.CENTER, lambda x: np.stack([c - c.mean() for c in x.T], axis=1)) == ["by_column"]
    assert names(samples.CENTER, lambda x: np.stack([c - c.mean() for c in x.T], axis=1).astype(float)) == ["by_column"]


def test_what_only_resembles_a_mistake_is_not_named():
    assert names(samples.CENTER, lambda x: samples.by_column(x) if x.size < 12 else x) == []
    assert names(samples.CENTER, lambda x: samples.by_column(x) + 0.001) == []


def test_two_mistakes_are_named_where_each_is_seen():
    def both(x, mask):
        return float(x.sum()) if x.size else -1.0

    assert names(samples.MASKED_TOTAL, both) == ["unmasked", "minus_one_when_empty"]
    assert samples.verdict(samples.MASKED_TOTAL, both).diagnosis is None
    assert names(samples.MASKED_TOTAL, samples.unmasked) == ["unmasked"]


def test_two_mistakes_are_not_named_if_a_case_fits_neither():
    def both_and_more(x, mask):
        return float(x.sum()) + (x.size == 2) if x.size else -1.0

    assert names(samples.MASKED_TOTAL, both_and_more) == []


def test_a_mistake_that_raises_is_told_by_the_type_of_its_exception():
    def loses_one(x):
        return x[:, [0]] - 1 if x.shape[1] > 1 else x.nothing

    of = samples.exercise(samples.center, [{"x": np.ones((2, 1))}, {"x": np.eye(2)}], [loses_one])

    def same(x):
        if x.shape[1] == 1:
            raise AttributeError("other words")
        return x[:, [0]] - 1

    def other(x):
        if x.shape[1] == 1:
            raise ValueError
        return x[:, [0]] - 1

    assert names(of, same) == ["loses_one"]
    assert names(of, other) == []


def test_a_lower_precision_is_a_mistake_of_its_own():
    def halved(x):
        return samples.center(x).astype(np.float32)

    of = samples.exercise(samples.center, [{"x": np.array([[1.0, 3.0]])}, {"x": np.eye(2)}], [halved])
    assert names(of, halved) == ["halved"]
    assert names(of, lambda x: halved(x) if len(x) == 1 else samples.center(x)) == []  # half of the cases are right
    assert names(of, lambda x: samples.center(x) + 0.1) == []


def test_a_stub_has_no_diagnosis():
    def stub(x):
        raise NotImplementedError

    assert names(samples.CENTER, stub) == []


def test_known_mistakes_run_once_a_case():
    runs = []

    def counted(x):
        runs.append(1)
        return x

    of = samples.exercise(samples.center, [{"x": np.array([[1.0, 3.0]])}, {"x": np.array([[1.0, 5.0]])}], [counted])
    for _ in range(3):
        assert names(of, lambda x: x) == ["counted"]
    assert len(runs) == 2


def test_alike_looks_at_everything_that_can_be_seen():
    plain = observe(samples.CENTER.probe, samples.center, {"x": np.eye(2)}, "numpy")
    edited = Observation(plain.values, edited=("x",))
    renamed = Observation({"other": plain.values["result"]})
    as_list = observe(samples.CENTER.probe, lambda x: samples.center(x).tolist(), {"x": np.eye(2)}, "numpy")
    assert alike(plain, plain, Tolerance())
    assert not any(alike(plain, other, Tolerance()) for other in (edited, renamed, as_list))
