"""Runs a candidate on one case and brings back plain data. Judges nothing, and knows neither references nor mistakes.

This is the only part of the grader that need stand next to a student's code; `judge` may be in another process.
Importing it costs NumPy; torch is imported when a case needs it.

A probe is a function ``probe(candidate, **inputs)`` that returns the values to be compared, by name. The ready-made
ones are `call`, `call_twice`, `call_with_gradients`, `call_with_table`, `module_with_gradients` and `call_methods`. A
chapter may write its own next to its exercises: a module-level function that uses nothing but its arguments, ``np``,
``torch`` and ``probe``, since its source may be sent to another process.
"""

import contextlib
import copy
import ctypes
import io
import linecache
import logging
import os
import random
import signal
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import FunctionType, TracebackType
from typing import Any

import numpy as np

SECONDS = 10.0  # for one case; every reference needs milliseconds
PRINTED = 2_000  # characters kept of what a candidate prints during one case
LARGEST = 5_000_000  # numbers in one returned array, above which only its shape is kept
DEEPEST = 6  # nested lists in a returned value, below which we stop looking
LONGEST = 10_000  # items in a returned list of arrays


@dataclass(frozen=True)
class Value:
    """One returned value as plain data.

    ``kind`` is "array" (numpy), "tensor" (torch), "number", "sequence", "text", "none" or "other". ``type_name`` is
    what to call it in a sentence. ``array`` holds the data where it could be read; ``shape``, ``dtype`` ("float32",
    "bfloat16") and ``device`` ("cpu") say what it was, also where it was too large to bring back. A list of arrays, or
    a ragged one, has ``items`` instead of ``array``.
    """

    kind: str
    type_name: str
    array: np.ndarray | None = None
    shape: tuple[int, ...] = ()
    dtype: str = ""
    device: str = "cpu"
    items: tuple["Value", ...] | None = None


@dataclass(frozen=True)
class Fault:
    """Why there are no values.

    ``kind`` is one of

    "unsolved"      the stub's NotImplementedError
    "not callable"  the candidate is no function; ``message`` is what it is
    "instance"      an object of a class where the class itself is asked for; ``message`` names its type
    "class"         a class where a function is asked for
    "signature"     the candidate does not take the arguments it is given; ``message`` is Python's
    "parameters"    a module without the parameters that the exercise sets; ``message`` is a sentence
    "timeout"       one case took longer than ``message`` seconds
    "recursion"     a RecursionError
    "exception"     any other exception: ``error`` is its type, ``message`` its text

    ``line`` and ``number`` are the student's own line that raised, where it could be found.
    """

    kind: str
    message: str = ""
    line: str = ""
    number: int = 0
    error: str = ""


@dataclass(frozen=True)
class Observation:
    """All that is known of one run: the values by name, or the fault; the inputs edited in place; what was printed."""

    values: Mapping[str, Value] = field(default_factory=dict)
    fault: Fault | None = None
    edited: tuple[str, ...] = ()
    printed: str = ""


# ---- ready-made probes -------------------------------------------------------------------------------------------


def call(candidate: Callable, **inputs: Any) -> dict[str, Any]:
    """The usual probe: call the function. A tuple or dict comes back as one value for each part."""
    return parts(candidate(**inputs))


def call_twice(candidate: Callable, **inputs: Any) -> dict[str, Any]:
    """Call the function twice on equal inputs: shows a state kept between calls (a global, a mutable default)."""
    first = parts(candidate(**copy.deepcopy(inputs)))
    second = parts(candidate(**inputs))
    return first | {f"{name}, called again": value for name, value in second.items()}


def call_with_table(candidate: Callable, table: Any, **inputs: Any) -> dict[str, Any]:
    """Call a decoding function with ``step``, a model whose answers are looked up in a table of log-probabilities.

    ``step(prefix)`` takes the tokens so far (any sequence of integers, at least one) and returns the log-probabilities
    of the next one, [vocabulary]. ``table`` is [vocabulary, vocabulary], by the last token, or [time, vocabulary,
    vocabulary], by the number of tokens so far and the last one (times beyond the table use its last page).
    """

    def step(prefix):
        page = table if table.ndim == 2 else table[min(len(prefix), len(table)) - 1]
        row = page[int(prefix[-1])]
        return row.copy() if isinstance(row, np.ndarray) else row.clone()

    return parts(candidate(step, **inputs))


def call_with_gradients(candidate: Callable, **inputs: Any) -> dict[str, Any]:
    """Call a torch function, then pull a fixed, uneven cotangent back to every floating-point input tensor.

    Adds ``gradient of NAME`` for each such input, ``gradient of NAME['key']`` or ``NAME[0]`` inside a dict or list. A
    gradient that never reaches an input comes back as None.
    """
    return with_gradients(candidate, inputs, {})


def module_with_gradients(
    candidate: Callable,
    arguments: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    training: bool = False,
    **inputs: Any,
) -> dict[str, Any]:
    """Build an ``nn.Module``, set its parameters and buffers by name, call it, pull gradients back to both.

    ``arguments`` go to the constructor, ``parameters`` maps the names of ``state_dict`` to tensors, ``inputs`` go to
    the call. A parameter that is missing, left over, or of another shape is a fault that names it.
    """
    import torch

    module = candidate(**(arguments or {}))
    if not isinstance(module, torch.nn.Module):
        raise Unfit("parameters", f"is no nn.Module: building it gives an object of type {type_name(module)}")
    module.train(training)
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    for name, value in (parameters or {}).items():
        if name not in state:
            raise Unfit("parameters", f"has no parameter called {name}; it has {', '.join(sorted(state)) or 'none'}")
        if state[name].shape != value.shape:
            raise Unfit("parameters", f"has {name} of shape {tuple(state[name].shape)}, not {tuple(value.shape)}")
        state[name].data = value.detach().clone()
    if surplus := [name for name, _ in module.named_parameters() if name not in (parameters or {})]:
        raise Unfit("parameters", f"has a parameter that the exercise does not ask for: {', '.join(surplus)}")
    return with_gradients(module, inputs, dict(module.named_parameters()))


def call_methods(candidate: Callable, arguments: Mapping[str, Any] | None = None, calls: Any = ()) -> dict[str, Any]:
    """Build an object and call its methods in order: ``calls`` lists (method, arguments by name).

    The value of the n-th call is named ``NAME, call n``; a tuple or dict gives one value for each part.
    """
    made = candidate(**(arguments or {}))
    values = {}
    for n, (method, given) in enumerate(calls, start=1):
        if not callable(getattr(made, method, None)):
            raise Unfit("parameters", f"has no method called {method}")
        for part, value in parts(getattr(made, method)(**given)).items():
            values[f"{method}, call {n}" + ("" if part == "result" else f", {part}")] = value
    return values


# ---- what probes are made of --------------------------------------------------------------------------------------


class Unfit(Exception):
    """Raised by a probe when a candidate cannot be asked at all: the kind of `Fault`, and what to say."""


def parts(result: Any) -> dict[str, Any]:
    """A returned tuple as ``result 1``, ``result 2`` …, a dict by its keys, anything else as ``result``."""
    kind = type(result)  # not isinstance, which asks the result itself
    if issubclass(kind, tuple):
        return {f"result {i}": value for i, value in enumerate(result, start=1)}
    if issubclass(kind, dict):
        return {str(key): value for key, value in result.items()}
    return {"result": result}


def cotangent(value):
    """Fixed weights like ``value``, uneven and of both signs, so that no symmetry can hide a wrong gradient."""
    import torch

    steps = torch.arange(value.numel(), dtype=torch.float64)
    return torch.cos(1 + 1.7 * steps).to(value).reshape(value.shape)


def with_gradients(function: Callable, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of ``function(**inputs)``, and ``gradient of NAME`` for every floating-point input and parameter.

    What is differentiated is the sum of all returned floating-point tensors, each weighted by its `cotangent`.
    """
    import torch

    leaves = {name: leaf.requires_grad_() for name, leaf in tensors(inputs).items()}
    # The function gets copies that are no leaves: an in-place edit is then noticed, where torch would refuse it.
    given = {name: clone(value) for name, value in inputs.items()}
    values = parts(function(**given))
    targets = leaves | dict(parameters)
    here = {target.device for target in targets.values()}  # a result elsewhere is wrong whatever its gradient
    outputs = [value for value in tensors(values).values() if value.requires_grad and value.device in here]
    if outputs and targets:
        total = sum((cotangent(value) * value).sum() for value in outputs)
        gradients = torch.autograd.grad(total, list(targets.values()), allow_unused=True)
    else:
        gradients = [None] * len(targets)
    for name, after in tensors(given).items():
        if name in leaves:
            leaves[name].data = after.detach()  # where `observe` looks for edits
    return values | {f"gradient of {name}": g for name, g in zip(targets, gradients, strict=True)}


def tensors(value: Any, path: str = "") -> dict[str, Any]:
    """The floating-point tensors in nested dicts and lists, by path: ``x``, ``weights['W_q']``, ``states[0]``."""
    import torch

    if isinstance(value, torch.Tensor):
        return {path: value} if value.is_floating_point() else {}
    if isinstance(value, dict):
        inner = [(f"{path}[{key!r}]" if path else str(key), item) for key, item in value.items()]
    elif isinstance(value, (list, tuple)):
        inner = [(f"{path}[{i}]", item) for i, item in enumerate(value)]
    else:
        inner = []
    return {name: leaf for at, item in inner for name, leaf in tensors(item, at).items()}


def clone(value: Any) -> Any:
    """A value with every floating-point tensor in it cloned within its graph, so that gradients reach the original."""
    if not tensors(value):
        return value
    if isinstance(value, dict):
        return {key: clone(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(clone, value))
    return value.clone()


# ---- running ------------------------------------------------------------------------------------------------------


def observe(
    probe: Callable,
    candidate: Any,
    inputs: Mapping[str, Any],
    framework: str,
    expects: str = "function",
    seconds: float = SECONDS,
) -> Observation:
    """Run ``probe(candidate, **inputs)`` on copies of the inputs and describe what happened.

    Never raises for what the candidate does, except KeyboardInterrupt, which is the user's. ``expects`` is "function"
    or "class". What a candidate may change around it (random generators, default dtype, grad mode, print options,
    warnings, the working directory …) is the same for every run and restored afterwards. What it prints is kept, up
    to a bound, and not shown.
    """
    if fault := misfit(candidate, expects):
        return Observation(fault=fault)
    given = {name: give(value, framework) for name, value in inputs.items()}
    printed = Bounded(PRINTED)
    values: dict[str, Value] = {}
    edited: tuple[str, ...] = ()
    fault = None
    try:
        with undisturbed(), silenced(printed), time_limit(seconds):
            raw = probe(candidate, **given)
            values = {name: describe(value) for name, value in raw.items()}
            edited = tuple(name for name, value in inputs.items() if not same(value, given[name]))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        values, fault = {}, explain(error, probe, seconds)
    return Observation(values, fault, edited, printed.text())


def misfit(candidate: Any, expects: str) -> Fault | None:
    """What is wrong with the candidate itself, before it is called."""
    if not callable(candidate):
        return Fault("not callable", type_name(candidate))
    if expects == "class" and not isinstance(candidate, (type, FunctionType)):
        return Fault("instance", type_name(candidate))
    if expects == "function" and isinstance(candidate, type):
        return Fault("class", candidate.__name__)
    return None


def explain(error: BaseException, probe: Callable, seconds: float) -> Fault:
    """The fault that an exception stands for."""
    name = type(error).__name__
    message = plain_text(error)
    frames = own_frames(error.__traceback__)
    number, line = frames[-1] if frames else (0, "")
    if isinstance(error, OutOfTime):
        return Fault("timeout", f"{seconds:g}", line, number, name)
    if isinstance(error, Unfit):
        return Fault(error.args[0], error.args[1], error=name)
    if isinstance(error, RecursionError):
        return Fault("recursion", message, line, number, name)
    # torch too raises NotImplementedError, with a text, for operations that a device or dtype lacks.
    if isinstance(error, NotImplementedError) and (not message or "NotImplementedError" in line):
        return Fault("unsolved", message, line, number, name)
    raised_in = innermost(error.__traceback__)
    if isinstance(error, TypeError) and not frames and raised_in in (__file__, probe.__code__.co_filename):
        return Fault("signature", message, error=name)  # raised by the call itself, before the candidate's first line
    return Fault("exception", message, line, number, name)


def innermost(traceback: TracebackType | None) -> str:
    """The file in which an exception was raised."""
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename if traceback else ""


def plain_text(error: BaseException) -> str:
    """What an exception says, bounded, whatever its ``__str__`` does."""
    try:
        text = str(error)
    except Exception:
        return ""
    return text if len(text) <= 500 else text[:500] + " …"


HERE = str(Path(__file__).resolve().parent)
LIBRARIES = (
    HERE,
    *{sysconfig.get_path(key) for key in ("stdlib", "platstdlib", "purelib", "platlib")},
    "<frozen",
    "<__array_function__",  # NumPy 1
)


def own_frames(traceback: TracebackType | None) -> list[tuple[int, str]]:
    """(line number, source line) of the frames that are neither ours nor a library's, outermost first."""
    found = []
    while traceback:
        path = traceback.tb_frame.f_code.co_filename
        if not path.startswith(LIBRARIES) and "site-packages" not in path:
            source = linecache.getline(path, traceback.tb_lineno, traceback.tb_frame.f_globals).strip()
            found.append((traceback.tb_lineno, source[:200]))
        traceback = traceback.tb_next
    return found


def give(value: Any, framework: str) -> Any:
    """A private copy of an input: arrays as NumPy arrays or torch tensors, containers copied in depth."""
    if isinstance(value, np.ndarray):
        if framework == "torch":
            import torch

            return torch.from_numpy(value.copy())
        return value.copy()
    if isinstance(value, (list, tuple)):
        return type(value)(give(item, framework) for item in value)
    if isinstance(value, dict):
        return {key: give(item, framework) for key, item in value.items()}
    return value


def same(before: Any, after: Any) -> bool:
    """Whether an input still is what it was (NaN equals NaN)."""
    if isinstance(before, np.ndarray):
        now = describe(after)
        if now.array is None or now.array.shape != before.shape or now.array.dtype != before.dtype:
            return False
        return np.array_equal(now.array, before, equal_nan=before.dtype.kind in "fc")
    if type(after) is not type(before):
        return False
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
    return before == after or before != before


def describe(value: Any, depth: int = 0) -> Value:
    """A returned value as plain data. Never trusts the value's own methods, and never raises."""
    try:
        return _describe(value, depth)
    except Exception:
        return Value("other", type_name(value))


def _describe(value: Any, depth: int) -> Value:
    torch = sys.modules.get("torch")
    name = type_name(value)
    if value is None:
        return Value("none", "None")
    if isinstance(value, np.ndarray):
        plain = np.asarray(value)  # an ndarray even of a subclass; `copy=None` would need NumPy 2
        keep = value.size <= LARGEST and plain.dtype.kind in "biufcUS"
        return Value("array", name, plain.copy() if keep else None, plain.shape, dtype_name(plain.dtype))
    if isinstance(value, (bool, int, float, complex, np.number, np.bool_)):
        array = np.asarray(value)
        return Value("number", name, array if array.dtype.kind in "biufc" else None, (), dtype_name(array.dtype))
    if isinstance(value, str):
        return Value("text", name, np.asarray(str(value)), (), "text")
    if torch and isinstance(value, torch.Tensor):
        with torch._C.DisableTorchFunctionSubclass():
            return _describe_tensor(torch.Tensor.as_subclass(value, torch.Tensor).detach(), name)
    if isinstance(value, (list, tuple)):
        return _describe_sequence(value, name, depth)
    return Value("other", name)


def _describe_tensor(tensor: Any, name: str) -> Value:
    shape, dtype, device = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), str(tensor.device)
    if tensor.numel() > LARGEST or tensor.is_meta or str(tensor.layout) != "torch.strided":
        return Value("tensor", name, None, shape, dtype, device)
    tensor = tensor.cpu().resolve_conj().resolve_neg()
    array = (tensor.float() if dtype == "bfloat16" else tensor).numpy().copy()
    return Value("tensor", name, array, shape, dtype, device)


def _describe_sequence(value: Any, name: str, depth: int) -> Value:
    if depth == DEEPEST or len(value) > LONGEST:
        return Value("sequence", name, None, (len(value),))
    items = tuple(describe(item, depth + 1) for item in value)
    regular = all(item.kind in ("number", "text", "sequence") and item.array is not None for item in items)
    kinds = {item.array.dtype.kind if item.array.dtype.kind in "bU" else "n" for item in items} if regular else set()
    if regular and len(kinds) <= 1 and len({item.array.shape for item in items}) <= 1:
        array = np.asarray([item.array for item in items])
        return Value("sequence", name, array, array.shape, dtype_name(array.dtype))
    return Value("sequence", name, None, (len(items),), items=items)


@lru_cache
def dtype_name(dtype: np.dtype) -> str:
    """A NumPy dtype's ``name``, which NumPy works out anew each time."""
    return dtype.name


def type_name(value: Any) -> str:
    """What to call the type of a value in a sentence: ``list``, ``numpy.ndarray``, ``torch.Tensor``."""
    kind = type(value)
    if issubclass(kind, type):
        return "class"
    try:
        return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.").removeprefix("__main__.")[:80]
    except Exception:
        return "object"


# ---- keeping the candidate from disturbing us ---------------------------------------------------------------------


class OutOfTime(BaseException):
    """Raised inside a candidate whose time is up. No Exception, so that ``except Exception`` does not swallow it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the block after ``seconds``, and again every tenth of a second in case it is swallowed.

    In the main thread of Linux and macOS a timer signal does it, which also ends a ``sleep``. Elsewhere (Windows, or a
    thread) a watchdog asks the interpreter to raise it at the next Python instruction, so that a loop ends but one long
    call into a library does not.
    """
    deadline = time.monotonic() + seconds
    in_main = threading.current_thread() is threading.main_thread()
    stop = (_by_signal if in_main and hasattr(signal, "setitimer") else _by_thread)(seconds, deadline)
    try:
        yield
    finally:
        try:
            stop()
        except OutOfTime:  # time was up just now; the next ring is a tenth of a second away
            stop()
            raise


def _by_signal(seconds: float, deadline: float) -> Callable[[], None]:
    def ring(number, frame):
        if time.monotonic() >= deadline:
            raise OutOfTime

    handler = signal.signal(signal.SIGALRM, ring)
    started = time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)

    def stop():
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler if handler is not None else signal.SIG_DFL)
        if left:  # someone else's timer was running
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001), interval)

    return stop


def _by_thread(seconds: float, deadline: float) -> Callable[[], None]:
    caller = ctypes.c_ulong(threading.get_ident())
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    lock, begin, done, asked = threading.Lock(), threading.Event(), threading.Event(), threading.Event()

    def watch():
        begin.wait()  # nothing may be raised inside Thread.start, whose locks would stay held
        wait = seconds
        while not done.wait(wait):
            with lock:
                if not done.is_set():
                    asked.set()
                    raise_in(caller, ctypes.py_object(OutOfTime))
            wait = 0.1

    threading.Thread(target=watch, daemon=True).start()
    begin.set()

    def stop():
        with lock:
            done.set()
        if asked.is_set():
            # One that has been asked for may not have been raised yet: this one takes its place, and is raised here.
            # To withdraw it would leave CPython 3.11 looking for it for ever, without end where a debugger traces.
            with contextlib.suppress(OutOfTime):
                raise_in(caller, ctypes.py_object(OutOfTime))
                for _ in range(1_000_000):  # the first round suffices
                    pass

    return stop


class Bounded(io.TextIOBase):
    """A text stream that keeps the first ``limit`` characters and only counts the rest."""

    def __init__(self, limit: int) -> None:
        self.limit, self.kept, self.length = limit, "", 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.kept += text[: max(self.limit - len(self.kept), 0)]
        self.length += len(text)
        return len(text)

    def text(self) -> str:
        dropped = self.length - len(self.kept)
        return self.kept + (f"… and {dropped:,} more characters" if dropped else "")


@contextlib.contextmanager
def silenced(printed: Bounded) -> Iterator[None]:
    """Send standard output to ``printed`` and errors nowhere: Python's streams, logging, and what C code writes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        with (
            no_logging(),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(Bounded(0)),
            _displays_silenced(),
            _descriptors_silenced(),
        ):
            yield
    finally:
        root.handlers[:] = handlers
        if root.level != level:
            root.setLevel(level)


@contextlib.contextmanager
def no_logging() -> Iterator[None]:
    """Nothing is logged. Where that is so already, nothing is done, since each change has all loggers look anew."""
    manager = logging.root.manager
    disabled = manager.disable
    try:
        if disabled != logging.CRITICAL:
            logging.disable(logging.CRITICAL)
        yield
    finally:
        if manager.disable != disabled:
            logging.disable(disabled)


@contextlib.contextmanager
def _displays_silenced() -> Iterator[None]:
    """In a notebook, also figures and whatever else is displayed."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        yield
        return
    publisher = vars(shell.display_pub)
    publisher["publish"] = publisher["clear_output"] = lambda *args, **kwargs: None
    try:
        yield
    finally:
        publisher.pop("publish", None)
        publisher.pop("clear_output", None)


@contextlib.contextmanager
def _descriptors_silenced() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            saved = [(number, os.dup(number)) for number in (1, 2)]
            nowhere = os.open(os.devnull, os.O_WRONLY)
        except OSError:  # a program without standard streams
            saved = []
        else:
            stack.callback(os.close, nowhere)
        for number, twin in saved:
            os.dup2(nowhere, number)
            stack.callback(os.close, twin)
            stack.callback(os.dup2, twin, number)
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """The same surroundings for every run, and the user's own back afterwards.

    Inside: Python's, NumPy's and torch's generators freshly seeded, float32 by default, gradients on, warnings and
    floating-point errors ignored. Restored: those, print options, the working directory, environment variables and the
    recursion limit.
    """
    torch = sys.modules.get("torch")
    with noted_once() as before, warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        random.seed(0)
        np.random.seed(0)
        try:
            with _torch_undisturbed(torch) if torch else contextlib.nullcontext():
                yield
        finally:
            before.restore()


@contextlib.contextmanager
def noted_once() -> Iterator["_Surroundings"]:
    """Around many runs: what each would have to note before it is noted once, which takes longer than a short run.

    The generators are put back at the end, since each run seeds them, and all else after each.
    """
    global _noted
    if _noted:
        yield _noted
        return
    _noted = _Surroundings()
    try:
        with no_logging():
            yield _noted
    finally:
        noted, _noted = _noted, None
        noted.restore_generators()


class _Surroundings:
    """What a candidate may have changed, as it was."""

    def __init__(self) -> None:
        self.folder, self.environment, self.depth = os.getcwd(), dict(os.environ), sys.getrecursionlimit()
        self.environ = os.environ  # in whose place a candidate may put another
        self.encoded = os.environ._data.copy()  # can be compared without decoding it all
        self.shown, self.python_random, self.numpy_random = (
            np.get_printoptions(), random.getstate(), np.random.get_state(),
        )  # fmt: skip
        self.torch = torch = sys.modules.get("torch")
        if torch:
            self.torch_random = torch.random.get_rng_state()
            self.accelerator = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None

    def restore(self) -> None:
        """Put back all but the generators."""
        np.set_printoptions(**self.shown)
        sys.setrecursionlimit(self.depth)
        os.environ = self.environ  # noqa: B003
        if os.environ._data != self.encoded:
            os.environ.clear()
            os.environ.update(self.environment)
        with contextlib.suppress(OSError):
            if os.getcwd() == self.folder:
                return
        with contextlib.suppress(OSError):  # the folder may be gone
            os.chdir(self.folder)

    def restore_generators(self) -> None:
        random.setstate(self.python_random)
        np.random.set_state(self.numpy_random)
        if self.torch:
            self.torch.random.set_rng_state(self.torch_random)
            if self.accelerator is not None:
                self.torch.cuda.set_rng_state_all(self.accelerator)


_noted: _Surroundings | None = None  # by the outermost `noted_once`


@contextlib.contextmanager
def _torch_undisturbed(torch: Any) -> Iterator[None]:
    dtype, grad = torch.get_default_dtype(), torch.is_grad_enabled()
    shown = vars(torch._tensor_str.PRINT_OPTS).copy()
    device = torch.empty(0).device  # torch 2.5's get_default_device() fails after set_default_device(None)
    try:
        torch.default_generator.manual_seed(0)
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        vars(torch._tensor_str.PRINT_OPTS).clear()
        vars(torch._tensor_str.PRINT_OPTS).update(shown)
        if torch.empty(0).device != device:
            torch.set_default_device(None if device.type == "cpu" else device)
