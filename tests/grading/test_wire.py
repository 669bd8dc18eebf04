"""What goes into the sandbox arrives there; what comes out is taken for what it is, or not at all."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import autograder
from autograder import probe
from autograder.catalogue import exercises
from autograder.grading import wire
from autograder.grading.verdict import Asked, asked_by, judged, question, secret_of, seed_of
from autograder.judge import PRACTICE_SEED, BrokenReference, complain, questions
from autograder.probe import Observation, Value


@pytest.fixture
def answering(monkeypatch):
    """The part of ours that answers inside, here in this process."""
    monkeypatch.setattr(autograder, "wire", wire, raising=False)
    from autograder.grading.inside import answering

    return answering


@pytest.mark.parametrize("name", exercises())
def test_every_exercise_can_be_asked_from_outside(answering, name):
    """Its inputs travel, its probe is self-contained, and the reference's answers travel back unharmed."""
    exercise = exercises()[name]
    code = question(Asked(exercise, name), PRACTICE_SEED)
    expression, data = (eval(part) for part in code.split("answering.answer(")[1][:-1].split(", ", 1))
    asked = json.loads(data)
    assert expression == name
    run = answering.probe_of(asked)
    for (_case, want), inputs in zip(questions(exercise, PRACTICE_SEED), asked["cases"], strict=True):
        seen = probe.observe(run, exercise.reference, wire.unpack(inputs), exercise.framework, exercise.expects)
        came_back = wire.observation(json.loads(json.dumps(wire.pack_observation(seen))))
        assert complain(want, came_back, exercise.tolerance) is None


def test_a_reference_that_fails_is_no_answers_fault():
    broken = replace(exercises()["rnn_step"], reference=lambda **_: 1 / 0)
    reply = json.dumps({"observations": [wire.pack_observation(Observation({"result": probe.describe(1.0)}))]})
    with pytest.raises(BrokenReference):
        judged(Asked(broken, broken.name), PRACTICE_SEED, reply)


KINDS = st.sampled_from(["?", "i1", "i8", "u2", "f2", "f4", "f8", "c8", "c16", "U3", ">f8", ">i4"])
ARRAYS = KINDS.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, min_side=0, max_side=3)))


@given(ARRAYS)
def test_arrays_travel(array):
    there = wire.unpack(json.loads(json.dumps(wire.pack(array))))
    assert there.shape == array.shape and there.dtype.kind == array.dtype.kind
    np.testing.assert_array_equal(there, array)
    back = wire.observation(
        json.loads(json.dumps(wire.pack_observation(Observation({"result": probe.describe(array)}))))
    )
    np.testing.assert_array_equal(back.values["result"].array, array)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
))  # fmt: skip
def test_inputs_travel(value):
    there = wire.unpack(json.loads(json.dumps(wire.pack(value))))
    assert there == value and type(there) is type(value)


FINE = wire.pack_value(Value("array", "numpy.ndarray", np.ones((2, 3)), (2, 3), "float64"))
ARRAY = FINE["array"]
FORGED = {  # what is changed in a sound value
    "another shape": {"shape": [3, 2]},
    "another dtype": {"dtype": "float32"},
    "a coarser dtype": {"dtype": "bfloat16"},
    "fewer bytes": {"array": [ARRAY[0], [2, 3], ARRAY[2][:8]]},
    "more than it may": {"array": ["bool", [10**6], ""], "shape": [10**6]},
    "a size that overflows": {"array": ["bool", [2**39, 2**39], ""], "shape": [2**39, 2**39]},
    "a negative size": {"array": ["bool", [-1], ""], "shape": [-1]},
    "objects": {"array": ["object", [2, 3], ARRAY[2]], "dtype": "object"},
    "a structure": {"array": ["f8,O", [2, 3], ARRAY[2]]},
    "no base 64": {"array": [ARRAY[0], [2, 3], "é" * 64]},
    "a number as shape": {"shape": 6},
    "a truth value as size": {"shape": [True, 3]},
    "no known kind": {"kind": "pickle"},
    "a kind that is a list": {"kind": ["array"]},
    "a name that is none": {"type_name": 7},
    "items that it has not": {"array": None, "items": []},
    "items without an end": {"array": None, "items": "x" * 2, "shape": [2]},
    "one field more": {"passed": True},
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_values_are_refused(what):
    with pytest.raises(wire.Malformed):
        wire.value_of(FINE | FORGED[what])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*FINE, "values", "fault"]), inner),
    max_leaves=10,
)


@settings(max_examples=25, deadline=None)
@given(JSON, st.sampled_from([*FINE]))
def test_any_reply_gets_a_verdict_of_no_points(data, field):
    exercise = next(iter(exercises().values()))
    value = FINE | {field: data}
    one = {"values": [["result", value]], "fault": None, "edited": [], "printed": ""}
    for reply in (data, {"observations": data}, {"observations": [data]}, {"observations": [one]}, {"missing": data}):
        verdict = judged(Asked(exercise, exercise.name), 1, json.dumps(reply))
        assert verdict.points == 0 and verdict.total > 0


def test_only_the_check_of_an_exercise_is_taken_for_one():
    name = next(iter(exercises()))
    assert asked_by(f'check("{name}", {name})').exercise.name == name
    for source in (
        "2.0",
        "check()",
        f'check("{name}")',
        f'check("nothing", {name})',
        f'check("{name}", {name}); 2',
        "(",
    ):
        assert asked_by(source) is None


def test_a_secret_is_made_once_and_seeds_depend_on_all_of_it(tmp_path):
    secret = secret_of(tmp_path)
    assert secret_of(tmp_path) == secret and len(secret) == 64
    assert (tmp_path / ".grading-secret").stat().st_mode & 0o777 == 0o600
    seeds = {seed_of(key, *parts) for key in (secret, b"other") for parts in (("a", "b"), ("ab",), ("a", "b", ""))}
    assert len(seeds) == 6
    assert seed_of(secret, "a", "b") == seed_of(secret, "a", "b")
