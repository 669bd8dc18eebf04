"""How questions go into the sandbox and answers come out: JSON with the bytes of arrays, never pickle.

A student's code can send anything it likes in place of an answer. So `observation` takes nothing on trust: kinds,
types, shapes, and sizes are checked, and every array is copied from bytes of a plain numeric dtype. What does not fit
raises `Malformed`. What comes back is data for `autograder.judge` to compare, and can do no more than be wrong.

A copy of this module works inside the sandbox, beside a copy of `autograder.probe`; it imports nothing else of ours.
"""

import base64
import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.probe import Fault, Observation, Value, dtype_name

MIME = "application/vnd.keep-the-attention.observations+json"
MOST_NUMBERS = 500_000  # in one array that comes back; larger ones are described, not sent
MOST_TEXT = 2_500
MOST_PARTS = 1_000
DEEPEST = 8
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in (
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "float16", "float32", "float64", "complex64", "complex128",
    )
}  # fmt: skip
STAND_INS = {"bfloat16": "float32", "float128": "float64", "longdouble": "float64", "complex256": "complex128"}
KINDS = ("array", "tensor", "number", "sequence", "text", "none", "other")
FAULTS = (
    "unsolved",
    "not callable",
    "instance",
    "class",
    "signature",
    "parameters",
    "timeout",
    "recursion",
    "exception",
)


LENGTH = struct.Struct("!I")  # stands before each message


class Malformed(Exception):
    """An answer that is none. The message says what is wrong with it, in a few words."""


def framed(message: dict, default: Callable | None = None) -> bytes:
    """A message as it is sent. ``default`` is that of `json.dumps`."""
    content = json.dumps(message, ensure_ascii=False, default=default).encode("utf-8", "replace")
    return LENGTH.pack(len(content)) + content


# ---- questions: from outside to inside, trusted ---------------------------------------------------------------------


def pack(value: Any) -> Any:
    """A case's input as JSON data: arrays, numbers, strings, None, and lists, tuples or dicts of those."""
    if isinstance(value, (np.ndarray, np.generic)):
        packed = pack_array(np.asarray(value))
        return {"scalar" if isinstance(value, np.generic) else "array": packed}
    if isinstance(value, list):
        return {"list": [pack(item) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [pack(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[pack(key), pack(item)] for key, item in value.items()]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a case's input can't be a {type(value).__name__}")


def unpack(data: Any) -> Any:
    """The input that `pack` was given."""
    if not isinstance(data, dict):
        return data
    ((kind, inner),) = data.items()
    if kind in ("array", "scalar"):
        array = unpack_array(inner)
        return array if kind == "array" else array[()]
    if kind == "dict":
        return {unpack(key): unpack(item) for key, item in inner}
    return (list if kind == "list" else tuple)(unpack(item) for item in inner)


def pack_array(array: np.ndarray) -> list:
    """[dtype, shape, content]: the bytes in base 64, or the strings themselves."""
    if array.dtype.kind in "US":
        return ["text", list(array.shape), [str(item) for item in array.astype(str).ravel()]]
    name = dtype_name(array.dtype)
    name = STAND_INS.get(name, name)
    content = np.ascontiguousarray(array, dtype=DTYPES[name]).tobytes()
    return [name, list(array.shape), base64.b64encode(content).decode("ascii")]


def unpack_array(data: Any) -> np.ndarray:
    """A fresh array of a dtype that cannot do anything but be a number, a truth value, or a string."""
    if not (isinstance(data, list) and len(data) == 3):
        raise Malformed("an array is not [dtype, shape, content]")
    name, shape, content = data
    shape = shape_of(shape)
    size = math.prod(shape)
    if size > MOST_NUMBERS:
        raise Malformed(f"an array has {size} numbers")
    if name == "text":
        if not (isinstance(content, list) and len(content) == size and all(isinstance(text, str) for text in content)):
            raise Malformed("an array of strings does not fit its shape")
        clean = [text[:MOST_TEXT].encode("utf-8", "replace").decode("utf-8") for text in content]
        return np.asarray(clean, dtype=str).reshape(shape)
    if name not in DTYPES or not isinstance(content, str):
        raise Malformed("an array's dtype is none that we take")
    try:
        raw = base64.b64decode(content, validate=True)
    except ValueError:
        raise Malformed("an array's bytes are not in base 64") from None
    if len(raw) != size * DTYPES[name].itemsize:
        raise Malformed("an array's bytes do not fit its shape")
    if name == "bool":  # bytes other than 0 and 1 are no truth values
        return (np.frombuffer(raw, np.uint8) != 0).reshape(shape)
    return np.frombuffer(raw, DTYPES[name]).astype(name).reshape(shape)


# ---- answers: from inside to outside, not trusted -------------------------------------------------------------------


def pack_observation(seen: Observation) -> dict:
    """An observation as JSON data."""
    fault = seen.fault and {name: getattr(seen.fault, name) for name in ("kind", "message", "line", "number", "error")}
    values = [[name, pack_value(value)] for name, value in list(seen.values.items())[:MOST_PARTS]]
    return {"values": values, "fault": fault, "edited": list(seen.edited), "printed": seen.printed}


def pack_value(value: Value) -> dict:
    array = value.array if value.array is not None and value.array.size <= MOST_NUMBERS else None
    items = value.items if value.items is not None and len(value.items) <= MOST_PARTS else None
    return {
        "kind": value.kind,
        "type_name": value.type_name,
        "array": None if array is None else pack_array(array),
        "shape": list(value.shape),
        "dtype": value.dtype,
        "device": value.device,
        "items": None if items is None else [pack_value(item) for item in items],
    }


def observation(data: Any) -> Observation:
    """The observation in an answer. Raises Malformed."""
    data = record(data, "values", "fault", "edited", "printed")
    if not (isinstance(data["values"], list) and len(data["values"]) <= MOST_PARTS):
        raise Malformed("the values are no list")
    values = {}
    for pair in data["values"]:
        if not (isinstance(pair, list) and len(pair) == 2):
            raise Malformed("a value has no name")
        values[text_of(pair[0], 200)] = value_of(pair[1])
    fault = None
    if data["fault"] is not None:
        about = record(data["fault"], "kind", "message", "line", "number", "error")
        number = about["number"]
        if type(number) is not int or not 0 <= number < 1e9:
            raise Malformed("a line has no number")
        if about["kind"] not in FAULTS:
            raise Malformed("a fault is of no known kind")
        words = {name: text_of(about[name]) for name in ("kind", "message", "line", "error")}
        fault = Fault(**words, number=number)
    edited = data["edited"]
    if not (isinstance(edited, list) and len(edited) <= MOST_PARTS):
        raise Malformed("the edited inputs are no list")
    return Observation(values, fault, tuple(text_of(name, 200) for name in edited), text_of(data["printed"]))


def value_of(data: Any, depth: int = 0) -> Value:
    """One value of an answer. What it says of itself must agree with the array that it brings."""
    if depth > DEEPEST:
        raise Malformed("a value is nested too deep")
    data = record(data, "kind", "type_name", "array", "shape", "dtype", "device", "items")
    kind, dtype, shape = data["kind"], text_of(data["dtype"], 20), shape_of(data["shape"])
    if kind not in KINDS:
        raise Malformed("a value is of no known kind")
    array = items = None
    if data["array"] is not None:
        array = unpack_array(data["array"])
        textual = array.dtype.kind == "U" and (dtype == "text" or dtype.startswith(("str", "bytes")))
        if array.shape != shape or not (textual or STAND_INS.get(dtype, dtype) == dtype_name(array.dtype)):
            raise Malformed("a value's array is not what it says")
    if data["items"] is not None:
        if not (isinstance(data["items"], list) and len(data["items"]) <= MOST_PARTS):
            raise Malformed("a value's items are no list")
        items = tuple(value_of(item, depth + 1) for item in data["items"])
        if shape[:1] != (len(items),):
            raise Malformed("a value has another number of items than it says")
    return Value(kind, text_of(data["type_name"], 80), array, shape, dtype, text_of(data["device"], 20), items)


def record(data: Any, *names: str) -> dict:
    if not (isinstance(data, dict) and set(data) == set(names)):
        raise Malformed("a record has other fields than it should")
    return data


def text_of(data: Any, most: int = MOST_TEXT) -> str:
    if not isinstance(data, str):
        raise Malformed("a text is none")
    return data[:most].encode("utf-8", "replace").decode("utf-8")


def shape_of(data: Any) -> tuple[int, ...]:
    if not (isinstance(data, list) and len(data) <= 32 and all(type(n) is int and 0 <= n < 2**40 for n in data)):
        raise Malformed("a shape is none")
    return tuple(data)
