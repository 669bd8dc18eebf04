"""Runs a candidate on one case and brings back plain data. Judges nothing, and knows neither references nor mistakes.

This is the only part of the grader that need stand next to a student's code; `judge` may be in another process.
"""

import contextlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Value:
    """One returned value as plain data.

    ``kind`` is "array" (numpy), "tensor" (torch), "number", "sequence", "text", "none" or "other"; ``array`` holds the data for
    all but the last two; ``type_name`` is what to call it in a sentence.
    """

    kind: str
    type_name: str
    array: np.ndarray | None = None


@dataclass(frozen=True)
class Fault:
    """Why there are no values: ``kind`` is "unsolved" or "exception"; ``message`` is for the student."""

    kind: str
    message: str = ""
    line: str = ""  # the student's own line that raised, where it could be found


@dataclass(frozen=True)
class Observation:
    """All that is known of one run: the values by name, or the fault, and the names of the inputs edited in place."""

    values: Mapping[str, Value] = field(default_factory=dict)
    fault: Fault | None = None
    edited: tuple[str, ...] = ()


# ---- ready-made probes -------------------------------------------------------------------------------------------


def call(candidate: Callable, **inputs: Any) -> dict[str, Any]:
    """The usual probe: call the function. A tuple or dict comes back as one value for each part."""
    return parts(candidate(**inputs))


def call_with_gradients(candidate: Callable, **inputs: Any) -> dict[str, Any]:
    """Call a torch function, then pull a fixed, uneven cotangent back to every floating-point input tensor.

    Adds ``gradient of NAME`` for each such input. A gradient that never reaches an input comes back as None.
    """
    import torch

    leaves = {
        name: value.requires_grad_()
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    }
    # The candidate gets copies that are not leaves, so that an in-place edit is noticed instead of raising torch's own error.
    copies = {name: leaf.clone() for name, leaf in leaves.items()}
    values = parts(candidate(**(inputs | copies)))
    outputs = [v for v in values.values() if isinstance(v, torch.Tensor) and v.is_floating_point()]
    total = sum((cotangent(v) * v).sum() for v in outputs)
    if isinstance(total, torch.Tensor) and total.requires_grad:
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    else:
        gradients = [None] * len(leaves)
    for name, leaf in leaves.items():
        leaf.data = copies[name].detach()  # where `observe` looks for edits
    return values | {f"gradient of {name}": g for name, g in zip(leaves, gradients, strict=True)}


def cotangent(value):
    """Fixed weights like ``value``, uneven and of both signs, so that no symmetry can hide a wrong gradient."""
    import torch

    steps = torch.arange(value.numel(), dtype=torch.float64)
    return torch.cos(1 + 1.7 * steps).to(value.dtype).reshape(value.shape)


def parts(result: Any) -> dict[str, Any]:
    """A returned tuple as ``result 1``, ``result 2`` …, a dict by its keys, anything else as ``result``."""
    if isinstance(result, tuple):
        return {f"result {i}": value for i, value in enumerate(result, start=1)}
    if isinstance(result, dict):
        return {str(key): value for key, value in result.items()}
    return {"result": result}


# ---- running ------------------------------------------------------------------------------------------------------


def observe(probe: Callable, candidate: Callable, inputs: Mapping[str, Any], framework: str) -> Observation:
    """Run ``probe(candidate, **inputs)`` on copies of the inputs and describe what happened. Never raises for what the candidate does."""
    given = {name: give(value, framework) for name, value in inputs.items()}
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            raw = probe(candidate, **given)
            values = {name: describe(value) for name, value in raw.items()}
    except NotImplementedError:
        return Observation(fault=Fault("unsolved"))
    except Exception as error:
        return Observation(fault=Fault("exception", f"{type(error).__name__}: {error}"))
    edited = tuple(name for name, value in inputs.items() if not same(value, given[name]))
    return Observation(values, edited=edited)


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
        now = np.asarray(after.detach() if hasattr(after, "detach") else after)
        return now.shape == before.shape and np.array_equal(now, before, equal_nan=before.dtype.kind == "f")
    if isinstance(before, (list, tuple)):
        return len(before) == len(after) and all(map(same, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(same(before[k], after[k]) for k in before)
    return True


def describe(value: Any) -> Value:
    """A returned value as plain data."""
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    if value is None:
        return Value("none", "None")
    if isinstance(value, np.ndarray):
        return Value("array", name, value.copy())
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return Value("number", name, np.asarray(value))
    if isinstance(value, str):
        return Value("text", name, np.asarray(value))
    if hasattr(value, "detach") and hasattr(value, "numpy"):
        tensor = value.detach().cpu()
        return Value("tensor", name, (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy().copy())
    if isinstance(value, (list, tuple)):
        try:
            return Value("sequence", name, np.asarray(value))
        except ValueError:
            return Value("other", name)
    return Value("other", name)
