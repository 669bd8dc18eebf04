"""Observing a candidate: plain data comes back whatever it does, and nothing around it changes."""

import contextlib
import logging
import os
import random
import subprocess
import sys
import threading
import time
import warnings

import engine_samples as samples
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import probe
from autograder.probe import LARGEST, PRINTED, describe, give, observe, parts, same

DTYPES = st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.bool_, np.uint8, np.complex64])
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def seen(candidate, framework="numpy", seconds=10.0, expects="function", **inputs):
    return observe(probe.call, candidate, inputs, framework, expects, seconds)


def fault(candidate, **inputs):
    return seen(candidate, **inputs).fault


# ---- plain data ---------------------------------------------------------------------------------------------------


@given(ARRAYS)
def test_an_array_is_described_by_a_private_copy(array):
    value = describe(array)
    assert (value.kind, value.shape, value.dtype) == ("array", array.shape, array.dtype.name)
    np.testing.assert_array_equal(value.array, array)
    assert not np.shares_memory(value.array, array)


@given(ARRAYS)
def test_a_tensor_is_described_like_the_array_it_holds(array):
    value = describe(torch.from_numpy(array.copy()))
    assert (value.kind, value.shape, value.dtype, value.device) == ("tensor", array.shape, array.dtype.name, "cpu")
    np.testing.assert_array_equal(value.array, array)


def test_tensors_that_numpy_lacks_are_described_too():
    assert describe(torch.ones(2, dtype=torch.bfloat16)).dtype == "bfloat16"
    assert describe(torch.ones(2, dtype=torch.bfloat16)).array.dtype == np.float32
    assert describe(torch.ones(2, requires_grad=True) * 2).array.tolist() == [2, 2]
    assert describe(torch.ones(2, dtype=torch.complex64).conj()).array.tolist() == [1, 1]
    meta = describe(torch.ones(2, 3, device="meta"))
    assert (meta.array, meta.shape, meta.device) == (None, (2, 3), "meta")
    assert describe(torch.ones(2, 2).to_sparse()).array is None


def test_what_is_too_large_comes_back_as_its_shape_only():
    value = describe(np.broadcast_to(np.float64(1), (LARGEST, 10)))
    assert value.array is None and value.shape == (LARGEST, 10)


@given(PLAIN)
def test_describe_takes_anything(value):
    assert describe(value).kind in ("array", "tensor", "number", "sequence", "text", "none", "other")


@given(st.lists(st.lists(st.integers(-5, 5), min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_regular_list_of_numbers_is_one_array(rows):
    assert describe(rows).array.tolist() == rows


def test_a_ragged_list_and_a_list_of_arrays_keep_their_items():
    assert [item.shape for item in describe([[1], [1, 2]]).items] == [(1,), (2,)]
    assert [item.kind for item in describe([np.ones(2), torch.ones(3)]).items] == ["array", "tensor"]
    assert describe([1, "a"]).array is None


def test_a_list_that_holds_itself_is_described():
    endless = []
    endless.append(endless)
    assert describe(endless).kind == "sequence"


class Hostile:
    """Raises whatever one does with it."""

    def _refuse(self, *_, **__):
        raise RuntimeError("no")

    __eq__ = __ne__ = __array__ = __len__ = __bool__ = __iter__ = __str__ = __repr__ = __float__ = _refuse
    __hash__ = None

    @property
    def __class__(self):
        raise RuntimeError("no")

    def __getattr__(self, name):
        raise RuntimeError("no")


class HostileTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError("no")


class EqualToAll(np.ndarray):
    def __eq__(self, other):
        return np.ones(self.shape, bool)


def test_hostile_objects_do_not_crash_a_check():
    assert describe(Hostile()).kind == "other"
    value = describe(torch.ones(2).as_subclass(HostileTensor))
    assert (value.kind, value.array.tolist()) == ("tensor", [1, 1])
    assert type(describe(np.zeros(2).view(EqualToAll)).array) is np.ndarray
    assert seen(lambda: [Hostile()]).fault is None
    assert samples.complaint(samples.CENTER, lambda x: Hostile()).kind == "type"
    assert samples.complaint(samples.CENTER, lambda x: np.zeros_like(x).view(EqualToAll)).kind == "value"


@given(st.one_of(st.tuples(PLAIN, PLAIN), st.dictionaries(st.text(max_size=3), PLAIN, max_size=3), PLAIN))
def test_parts_names_every_value_once(result):
    named = parts(result)
    if isinstance(result, tuple):
        assert list(named) == [f"result {i + 1}" for i in range(len(result))]
        assert all(a is b for a, b in zip(named.values(), result, strict=True))
    elif isinstance(result, dict):
        assert list(named) == list(result)
    else:
        assert list(named) == ["result"] and named["result"] is result


# ---- inputs -------------------------------------------------------------------------------------------------------


@given(PLAIN)
def test_an_untouched_copy_is_the_same(value):
    assert same(value, give(value, "numpy"))


@given(hnp.arrays(np.float64, hnp.array_shapes(max_side=4)), st.data())
def test_one_changed_entry_is_noticed(array, data):
    copy = give(array, "numpy")
    at = data.draw(st.sampled_from(list(np.ndindex(array.shape))))
    copy[at] = 1.0 if array[at] != 1.0 else 2.0
    assert not same(array, copy)


def edit_array(x, more):
    x[0] = 9.0
    return x


def edit_list(x, more):
    more["tokens"].append(3)
    return x


def edit_shape(x, more):
    x.shape = (1, 2)
    return x


@pytest.mark.parametrize(("candidate", "edited"), [(edit_array, "x"), (edit_list, "more"), (edit_shape, "x")])
def test_edits_in_place_are_noticed_and_do_not_reach_us(candidate, edited):
    inputs = {"x": np.array([1.0, 2.0]), "more": {"tokens": [1, 2]}}
    assert observe(probe.call, candidate, inputs, "numpy").edited == (edited,)
    assert inputs["x"].tolist() == [1.0, 2.0] and inputs["more"] == {"tokens": [1, 2]}


def test_edits_of_tensors_are_noticed_with_gradients_too():
    inputs = {"x": np.ones((2, 3)), "w": np.ones(3), "mask": np.array([True, False])}

    def edits(x, w, mask):
        x.mul_(2)
        mask[0] = False
        return x * w

    assert observe(probe.call_with_gradients, edits, inputs, "torch").edited == ("x", "mask")


def test_a_result_that_is_the_input_is_a_result():
    observed = seen(lambda x: x, x=np.array([1.0]))
    assert observed.values["result"].array.tolist() == [1.0] and not observed.edited


# ---- faults -------------------------------------------------------------------------------------------------------


def stub(x):
    raise NotImplementedError


def stub_with_words(x):
    raise NotImplementedError("your answer here")


def lacks_an_operation(x):
    return torch.empty(2, device="meta").cpu()


def endless(x):
    while True:
        with contextlib.suppress(Exception):
            x = x + 1


def sleepy(x):
    time.sleep(60)


def deep(x):
    return deep(x)


def leaves(x):
    sys.exit(3)


def other_name(y):
    return y


def inner_type_error(x):
    return x + "1"


@pytest.mark.parametrize(
    ("candidate", "kind"),
    [
        (stub, "unsolved"),
        (stub_with_words, "unsolved"),
        (lacks_an_operation, "exception"),
        (deep, "recursion"),
        (leaves, "exception"),
        (other_name, "signature"),
        (lambda: 1, "signature"),
        (inner_type_error, "exception"),
        (np.ones(3), "not callable"),
        (None, "not callable"),
        (samples.Counter, "class"),
    ],
)
def test_each_fault_has_its_kind(candidate, kind):
    assert fault(candidate, x=2.0).kind == kind


def test_a_fault_knows_the_students_own_line():
    told = fault(inner_type_error, x=2.0)
    assert (told.error, told.line) == ("TypeError", 'return x + "1"')
    assert told.number == inner_type_error.__code__.co_firstlineno + 1
    through_numpy = fault(lambda x: np.linalg.inv(x), x=np.zeros((2, 2)))
    assert through_numpy.error == "LinAlgError" and "np.linalg.inv" in through_numpy.line


@pytest.mark.parametrize("candidate", [endless, sleepy])
def test_a_case_that_never_ends_is_stopped(candidate):
    begun = time.monotonic()
    assert seen(candidate, seconds=0.2, x=2.0).fault.kind == "timeout"
    assert time.monotonic() - begun < 5


def test_outside_the_main_thread_a_loop_is_stopped_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(seen(endless, seconds=0.2, x=2.0)))
    thread.start()
    thread.join(20)
    assert found[0].fault.kind == "timeout"


def test_a_quick_case_in_a_thread_leaves_no_exception_behind():
    found = []

    def many():
        found.extend(seen(lambda x: x, seconds=0.01, x=1.0) for _ in range(50))
        for _ in range(10_000):  # room for a late one
            pass

    thread = threading.Thread(target=many)
    thread.start()
    thread.join(20)
    assert len(found) == 50


@pytest.mark.parametrize(("answer", "seconds"), [("x", 10), ("endless()", 0.2)])
def test_a_check_in_a_thread_leaves_the_interpreter_to_debuggers(answer, seconds):
    """An exception that was asked for and withdrawn kept CPython 3.11 waiting for ever in functions that are traced."""
    code = f"""
import sys, threading
from autograder import probe

def endless():
    while True:
        pass

def candidate(x):
    return {answer}

run = lambda: probe.observe(probe.call, candidate, {{"x": 1.0}}, "numpy", "function", {seconds})
thread = threading.Thread(target=run)
thread.start()
thread.join(20)
sys.settrace(lambda *event: None)
print((lambda: "traced")())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.stdout == "traced\n", ended.stderr


def test_someone_elses_timer_survives_a_check():
    import signal

    rung = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        assert seen(endless, seconds=0.05, x=1.0).fault.kind == "timeout"
        deadline = time.monotonic() + 5
        while not rung and time.monotonic() < deadline:
            time.sleep(0.01)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_keyboard_interrupt_is_the_users():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        seen(interrupted, x=1.0)


def test_an_exception_that_cannot_be_printed_is_still_a_fault():
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no")

    def candidate(x):
        raise Silent

    assert fault(candidate, x=1.0).error == "Silent"
    assert len(fault(lambda x: int("1" * 5000 + "x"), x=1.0).message) < 600


# ---- the surroundings ---------------------------------------------------------------------------------------------


def vandal(x):
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.set_printoptions(precision=1)
    torch.set_default_device("meta")
    np.set_printoptions(precision=1)
    np.seterr(all="raise")
    warnings.simplefilter("error")
    os.chdir("/")
    os.environ["KTA_VANDAL"] = "1"
    os.environ = {}  # noqa: B003
    sys.setrecursionlimit(5000)
    sys.stdout = None
    sys.stderr = None
    logging.basicConfig(level=logging.DEBUG, force=True)
    return x


def surroundings():
    return {
        "random": random.getstate(),
        "numpy": tuple(map(str, np.random.get_state())),
        "torch": torch.random.get_rng_state().tolist(),
        "dtype": torch.get_default_dtype(),
        "grad": torch.is_grad_enabled(),
        "torch print": vars(torch._tensor_str.PRINT_OPTS).copy(),
        "device": torch.empty(0).device,
        "numpy print": np.get_printoptions(),
        "errors": np.geterr(),
        "filters": list(warnings.filters),
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "recursion": sys.getrecursionlimit(),
        "out": sys.stdout,
        "err": sys.stderr,
        "log": (logging.root.handlers[:], logging.root.level, logging.root.manager.disable),
    }


@pytest.mark.parametrize("raises", [False, True])
def test_everything_around_a_candidate_is_restored(raises, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = surroundings()
    seen((lambda x: vandal(x)[5, 5]) if raises else vandal, x=np.ones(2))
    after = surroundings()
    assert {k for k in before if before[k] != after[k]} == set()


def test_every_run_begins_in_the_same_surroundings():
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            observed = [observe(probe.call, surroundings_within, {"x": np.zeros(2)}, "torch") for _ in range(2)]
        finally:
            torch.set_grad_enabled(True)
            torch.set_default_dtype(torch.float32)
    first, second = ({k: v.array.tolist() for k, v in o.values.items()} for o in observed)
    assert first == second
    assert first["grad"] is True and observed[0].values["torch"].dtype == "float32"


def surroundings_within(x):
    warnings.warn("ignored", stacklevel=1)
    return {
        "torch": torch.rand(2),
        "numpy": np.random.rand() + float(np.log(np.zeros(1))[0] < 0),
        "random": random.random(),
        "grad": torch.is_grad_enabled(),
    }


def noisy(x):
    print("a word", x)
    print("an error", file=sys.stderr)
    print("around you", file=sys.__stderr__, flush=True)
    warnings.warn("a warning", stacklevel=1)
    logging.getLogger("x").error("a log")
    os.write(2, b"from C")
    os.system("echo from a process >&2")
    return x


def test_nothing_reaches_the_users_streams(capfd):
    observed = seen(noisy, x=1.0)
    assert tuple(capfd.readouterr()) == ("", "")
    assert observed.printed == "a word 1.0\n"
    print("still here")
    os.write(2, b"here too")
    assert tuple(capfd.readouterr()) == ("still here\n", "here too")


def test_what_is_printed_is_bounded():
    def chatty(x):
        for _ in range(20_000):
            print("many words")

    assert len(seen(chatty, x=1.0).printed) < PRINTED + 100


# ---- the ready-made probes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("exercise", samples.ALL, ids=lambda e: e.name)
def test_every_kind_of_exercise_passes_with_its_reference(exercise):
    assert samples.verdict(exercise, exercise.reference).passed


def test_gradients_are_those_of_autograd_with_an_uneven_cotangent():
    x, w = np.array([[1.0, 2.0]]), np.array([0.5, -1.0])
    values = observe(probe.call_with_gradients, samples.gate, {"x": x, "w": w}, "torch").values
    weights = np.cos(1 + 1.7 * np.arange(2))
    sigmoid = 1 / (1 + np.exp(-w))
    np.testing.assert_allclose(values["gradient of x"].array, [weights * sigmoid])
    np.testing.assert_allclose(values["gradient of w"].array, weights * x[0] * sigmoid * (1 - sigmoid))


def test_gradients_reach_tensors_inside_dicts_and_lists():
    inputs = {"weights": {"W": np.ones((2, 2)), "n": 3}, "states": [np.ones(2), np.ones(2)]}
    values = observe(
        probe.call_with_gradients,
        lambda weights, states: weights["W"] @ states[0] + states[1],
        inputs,
        "torch",
    ).values
    assert set(values) == {
        "result",
        "gradient of weights['W']",
        "gradient of states[0]",
        "gradient of states[1]",
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda self: delattr(self, "b"), "no parameter called b; it has W"),
        (lambda self: setattr(self, "W", torch.nn.Parameter(torch.zeros(3, 2))), "W of shape (3, 2), not (2, 3)"),
        (lambda self: setattr(self, "c", torch.nn.Parameter(torch.zeros(1))), "does not ask for: c"),
    ],
)
def test_a_module_with_other_parameters_is_told_which(change, words):
    class Wrong(samples.Affine):
        def __init__(self, d_in, d_out):
            super().__init__(d_in, d_out)
            change(self)

    found = samples.complaint(samples.AFFINE, Wrong)
    assert found.kind == "parameters" and words in found.message


def test_a_module_exercise_wants_the_class():
    assert samples.complaint(samples.AFFINE, samples.Affine(2, 3)).kind == "instance"
    assert samples.complaint(samples.AFFINE, samples.Counter).kind == "signature"
    assert samples.complaint(samples.AFFINE, lambda d_in, d_out: 3).kind == "parameters"
    assert samples.complaint(samples.AFFINE, lambda d_in, d_out: samples.Affine(d_in, d_out)) is None
    assert samples.complaint(samples.COUNTER, 3).kind == "not callable"


def test_a_method_that_is_missing_is_named():
    class Without:
        def __init__(self, start):
            pass

    assert "no method called add" in samples.complaint(samples.COUNTER, Without).message


def test_a_state_kept_between_calls_shows_when_called_twice():
    kept = samples.exercise(samples.center, [{"x": np.array([[1.0, 2.0]])}], use=probe.call_twice)

    def keeps(x, seen=[]):  # noqa: B006
        seen.append(1)
        return samples.center(x) * len(seen)

    assert samples.verdict(kept, samples.center).passed
    assert samples.complaint(kept, keeps).what == "result, called again"


def test_a_table_answers_by_time_and_last_token_with_copies():
    table = np.arange(12.0).reshape(3, 2, 2)

    def spoils(step, first, steps):
        step([first])[:] = 0
        return [step([1]), step([0, 1]), step([0, 1, 0, 0, 0])]

    values = observe(probe.call_with_table, spoils, {"table": table, "first": 0, "steps": 1}, "numpy").values
    assert [item.array.tolist() for item in values["result"].items] == [[2, 3], [6, 7], [8, 9]]


def test_the_probe_side_needs_nothing_else_of_the_grader():
    code = (
        "import sys, types\n"
        "from pathlib import Path\n"
        "package = types.ModuleType('autograder'); package.__path__ = []\n"
        "sys.modules['autograder'] = package\n"
        "module = types.ModuleType('autograder.probe'); sys.modules['autograder.probe'] = module\n"
        f"module.__file__ = {probe.__file__!r}\n"
        f"exec(compile(Path({probe.__file__!r}).read_text('utf-8'), {probe.__file__!r}, 'exec'), module.__dict__)\n"
        "import numpy as np\n"
        "seen = module.observe(module.call, lambda x: x + 1, {'x': np.ones(2)}, 'numpy')\n"
        "assert seen.values['result'].array.tolist() == [2, 2], seen\n"
        "assert 'torch' not in sys.modules and 'autograder.judge' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stopping_leaves_no_signal_behind():
    for _ in range(20):
        with contextlib.suppress(KeyboardInterrupt):
            assert seen(endless, seconds=0.01, x=1.0).fault.kind == "timeout"
    time.sleep(0.25)  # a ring left over would raise here
