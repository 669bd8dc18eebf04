"""Says a verdict in words: each thing that can be wrong has its own sentence. `render` makes text and HTML of them."""

import inspect
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from autograder.exercise import Exercise, Mistake
from autograder.judge import Failure, Verdict, agreement, coarsest
from autograder.probe import Fault, Value
from autograder.render import (
    Advice,
    Block,
    Comparison,
    Sentence,
    Table,
    Title,
    as_html,
    as_text,
    number,
    numbers,
    shorten,
)

SMALL = 24  # an input with at most so many numbers is shown in full
PRINTED_LINES = 12  # shown of what a candidate printed on the failing case
WITHOUT_CASE = ("unsolved", "not callable", "instance", "class", "signature", "parameters")  # true of any case


def text(verdict: Verdict) -> str:
    """The report as plain text."""
    return as_text(blocks(verdict))


def html(verdict: Verdict) -> str:
    """The report as one HTML element."""
    return as_html(blocks(verdict), verdict.passed)


def blocks(verdict: Verdict) -> list[Block]:
    """The report's parts in reading order: how it went, the smallest failing case, what is wrong, the diagnosis."""
    exercise = verdict.exercise
    passed = verdict.total - len(verdict.failures)
    title = f"{exercise.name}: passed {passed} of {verdict.total} cases, {points_of(verdict.points, exercise.points)}"
    found: list[Block] = [Title(title, verdict.passed)]
    if verdict.passed:
        return found
    first = verdict.failures[0]
    if first.complaint.kind in WITHOUT_CASE:
        return [*found, say(exercise, first)]
    found += [Sentence(f"First failing case: {first.case.about}."), inputs_table(first), say(exercise, first)]
    if comparison := compare(exercise, first):
        found.append(comparison)
    if first.actual.printed.strip():
        found.append(Sentence("On this case it printed:", first_lines(first.actual.printed)))
    if verdict.mistakes:
        found.append(advice(exercise, verdict.mistakes))
    elif not first.actual.fault:
        found.append(
            Advice(
                "None of the known mistakes does just this",
                ["Work this case by hand, step by step, and compare each step with yours."],
                places(exercise, ()),
            )
        )
    return found


def advice(exercise: Exercise, mistakes: Sequence[Mistake]) -> Advice:
    """What the diagnosis says."""
    names = " and ".join(mistake.name for mistake in mistakes)
    title = f"This looks like {'a known mistake' if len(mistakes) == 1 else 'two known mistakes together'}: {names}"
    return Advice(title, [mistake.hint for mistake in mistakes], places(exercise, mistakes))


def places(exercise: Exercise, mistakes: Sequence[Mistake]) -> list[tuple[str, str]]:
    """Where to read again, as (words, address): the section of each mistake, or else of the exercise."""
    sections = dict.fromkeys([mistake.section or exercise.section for mistake in mistakes] or [exercise.section])
    return [(f"chapter {exercise.assignment}, section {s}", address(exercise.assignment, s)) for s in sections]


def address(assignment: str, section: str) -> str:
    """The section's page in the published book, "" where it is not known where that is."""
    from autograder.colab import repository  # reads files: only a failed check needs it

    try:
        return f"{repository().book_url}/book/{assignment}.html#{section}"
    except (LookupError, ValueError, ImportError, OSError):
        return ""


def points_of(points: float, most: float) -> str:
    """``0.5 of 2 points``."""
    return f"{points:g} of {most:g} {'point' if most == 1 else 'points'}"


def inputs_table(failure: Failure) -> Table:
    """What the candidate was given: shape, dtype, and the numbers where they are few."""
    rows = []
    for name, value in failure.case.inputs.items():
        if isinstance(value, np.ndarray):
            rows.append((name, str(value.shape), value.dtype.name, shown(value)))
        else:
            rows.append((name, "", type(value).__name__, shorten(repr(value), 60)))
    return Table("The inputs", ("input", "shape", "type", "value"), rows, code=(0, 1, 2, 3))


def shown(array: np.ndarray) -> str:
    """A small array on one line, as nested lists."""
    if array.size > SMALL:
        return "…"
    return f"[{', '.join(map(shown, array))}]" if array.ndim else number(array[()])


def first_lines(printed: str) -> str:
    """The first lines of what was printed, each cut short."""
    lines = printed.rstrip().splitlines()
    more = [f"… and {len(lines) - PRINTED_LINES} more lines"] if len(lines) > PRINTED_LINES else []
    return "\n".join([shorten(line, 100) for line in lines[:PRINTED_LINES]] + more)


def compare(exercise: Exercise, failure: Failure) -> Comparison | None:
    """Expected beside actual where both have numbers in one shape: the first matrix in which they differ."""
    want, got = failure.complaint.expected, failure.complaint.actual
    if failure.complaint.kind not in ("value", "nonfinite") or want.array is None or got.array is None:
        return None
    if want.array.size < 2 or want.shape != got.shape:
        return None
    right = agreement(want, got, exercise.tolerance, coarsest(failure.case.inputs))
    page = tuple(int(i) for i in np.argwhere(~right)[0])[: max(right.ndim - 2, 0)]
    name = failure.complaint.what + (f"[{', '.join(map(str, page))}]" if page else "")
    return Comparison(name, *(np.atleast_2d(array[page]) for array in (want.array, got.array, right)))


# ---- what is wrong: faults ----------------------------------------------------------------------------------------


def say(exercise: Exercise, failure: Failure) -> Sentence:
    """What is wrong with one case, in a sentence or two."""
    complaint = failure.complaint
    if failure.actual.fault:
        return FAULTS[complaint.kind](exercise, failure.actual.fault)
    if complaint.kind in ("missing", "surplus"):
        return Sentence(say_count(exercise, failure))
    if complaint.kind == "edited":
        return Sentence(
            f"The input {complaint.what} is changed in place. Whoever calls {exercise.name} still needs it: compute "
            "new values instead of assigning into it, or work on a copy."
        )
    what, want, got = naming(complaint.what), complaint.expected, complaint.actual
    if complaint.kind == "value":
        return Sentence(say_value(what, want, got, exercise, failure))
    return Sentence(VALUES[complaint.kind](what, want, got))


def signature(exercise: Exercise) -> str:
    """How the exercise is called: ``rnn_step(x, h, W_x, W_h, b)``."""
    return f"{exercise.name}({', '.join(inspect.signature(exercise.reference).parameters)})"


def say_unsolved(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"{exercise.name} is not written yet. Put your answer in place of raise NotImplementedError(), run that cell, "
        "and then this one."
    )


def say_not_callable(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"check needs the {exercise.expects} itself, but it was given {an(fault.message)}. "
        f'Write check("{exercise.name}", {exercise.name}), without brackets after the second name.'
    )


def say_instance(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"check needs the class itself, but it was given an object of type {fault.message}. "
        f'Write check("{exercise.name}", {exercise.name}), without brackets after the second name.'
    )


def say_class(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(f"{exercise.name} is to be a function, def {signature(exercise)}, but {fault.message} is a class.")


def say_signature(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"{exercise.name} cannot be called as {signature(exercise)}, which is what the exercise does. "
        "Keep the stub's parameters with their names. Python says:",
        shorten(fault.message, 300),
    )


def say_parameters(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(f"{exercise.name} {fault.message}.")


def say_timeout(exercise: Exercise, fault: Fault) -> Sentence:
    told = f"{exercise.name} was stopped after {fault.message} seconds on one case. Is there a loop that never ends?"
    return Sentence(told + " It was in this line:" * bool(fault.line), fault.line)


def say_recursion(exercise: Exercise, fault: Fault) -> Sentence:
    told = f"{exercise.name} calls itself again and again without an end (RecursionError)."
    return Sentence(told + " It was in this line:" * bool(fault.line), fault.line)


def say_exception(exercise: Exercise, fault: Fault) -> Sentence:
    message = shorten(f"{fault.error}: {fault.message}", 400) if fault.message else fault.error
    where = f"in line {fault.number} of its cell" if fault.line else "before it returned"
    return Sentence(f"{exercise.name} stopped with an error {where}. {message}", fault.line)


FAULTS: dict[str, Callable[[Exercise, Fault], Sentence]] = {
    "unsolved": say_unsolved,
    "not callable": say_not_callable,
    "instance": say_instance,
    "class": say_class,
    "signature": say_signature,
    "parameters": say_parameters,
    "timeout": say_timeout,
    "recursion": say_recursion,
    "exception": say_exception,
}


# ---- what is wrong: values ----------------------------------------------------------------------------------------


def naming(what: str) -> str:
    """A value's name at the start of a sentence."""
    if what == "result" or what.startswith(("result[", "result,", "gradient of ")):
        return f"The {what}"
    return what.capitalize() if what.startswith("result ") else f"The value {what}"


def an(thing: str) -> str:
    """A type's name with its article."""
    return thing if thing == "None" else f"{'an' if thing[:1].lower() in 'aeio' else 'a'} {thing}"


def say_count(exercise: Exercise, failure: Failure) -> str:
    """Too few or too many returned values."""
    want = [name for name in failure.expected.values if not name.startswith("gradient of ")]
    got = {name: value for name, value in failure.actual.values.items() if not name.startswith("gradient of ")}
    only = got["result"] if set(got) == {"result"} else None
    if only and only.kind == "none":
        return f"{exercise.name} returns None. Is there a return at its end?"
    if want == ["result"]:
        return f"{exercise.name} returns {len(got)} values ({', '.join(got)}), but one is expected."
    if want[0] == "result 1":
        given = f"one value, {an(only.type_name)}" if only else f"{len(got)} values"
        return f"{exercise.name} returns {given}, but {len(want)} are expected: a tuple, separated by commas."
    if only:
        return f"{exercise.name} returns {an(only.type_name)}, but a dict is expected, with keys {', '.join(want)}."
    lacking = [name for name in want if name not in got]
    surplus = [name for name in got if name not in want]
    told = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"also has {', '.join(surplus)}"] * bool(surplus)
    return f"What {exercise.name} returns {' and '.join(told)}; expected are {', '.join(want)}."


KINDS = {
    "array": "a NumPy array",
    "tensor": "a torch tensor",
    "number": "a plain number",
    "sequence": "a list",
    "text": "a string",
    "none": "None",
}
TYPE_HINTS = {  # (the kind that came, the kind expected): what usually leads to it
    ("sequence", "array"): "np.array or np.stack makes one of it.",
    ("sequence", "tensor"): "torch.stack makes one of a list of tensors and keeps the gradients.",
    ("array", "tensor"): "Stay in torch from input to output, so that gradients can flow back.",
    ("tensor", "array"): "This exercise is in NumPy throughout.",
    ("tensor", "number"): "Its method item() takes the number out.",
    ("number", "tensor"): "Leave out item() or float(), so that gradients can flow back.",
}
NAME_HINTS = {
    "None": "Is there a return at the end?",
    "generator": "Write return in place of yield.",
    "function": "Was it meant to be called?",
    "NotImplementedType": "Write your answer in place of it.",
}


def say_type(what: str, want: Value, got: Value) -> str:
    """A wrong type, and what usually leads to it."""
    hint = TYPE_HINTS.get((got.kind, want.kind)) or NAME_HINTS.get(got.type_name, "")
    told = f"{what} is {an(got.type_name)}, but {KINDS.get(want.kind) or an(want.type_name)} is expected."
    return f"{told} {hint}".strip()


def say_device(what: str, want: Value, got: Value) -> str:
    return (
        f"{what} is on the device {got.device}, but it belongs on {want.device}, where the inputs are. "
        "Give new tensors device=x.device, where x is an input."
    )


def say_shape(what: str, want: Value, got: Value) -> str:
    """A wrong shape, and how it is related to the right one."""
    if want.kind == "sequence" and got.shape[:1] != want.shape[:1]:
        return f"{what} has length {got.shape[0]}, but {want.shape[0]} is expected."
    if want.kind == "sequence":
        return f"{what} is nested otherwise than expected: lengths {got.shape} instead of {want.shape}."
    return f"{what} has shape {got.shape}, but {want.shape} is expected. {shape_hint(want, got)}".strip()


def shape_hint(want: Value, got: Value) -> str:
    """How a wrong shape is related to the right one. Speaks of a transpose only where the numbers are right in it."""
    a, b = want.shape, got.shape
    if len(a) == len(b) and want.array is not None and got.array is not None:
        for i, j in combinations(range(len(a)), 2):
            turned = np.swapaxes(got.array, i, j)
            if turned.shape == a and roughly(want.array, turned):
                return f"The numbers are right once axes {i} and {j} are exchanged: yours is the transpose."
    for axis, length in enumerate(a):
        if a[:axis] + a[axis + 1 :] == b:
            if length == 1:
                return f"Axis {axis}, of length 1, got lost. keepdims=True keeps it, and so does a slice as index."
            if axis == 0:
                return "The first axis, the batch, is missing. Is it summed over, or only one example returned?"
            return f"Axis {axis} is missing. Is it summed over, or indexed away?"
    for axis, length in enumerate(b):
        if b[:axis] + b[axis + 1 :] == a:
            return f"Axis {axis}, of length {length}, is one too many."
    if not b:
        return "It is a single number. Is everything summed or averaged?"
    if np.prod(a) == np.prod(b):
        return "It has as many numbers as expected, in another arrangement."
    if len(a) == len(b) and all(y in (x, max(b)) for x, y in zip(a, b, strict=True)) and 1 in a:
        return "A shape that grew comes from broadcasting: [n, 1] with [n] gives [n, n]."
    return ""


def roughly(want: np.ndarray, got: np.ndarray) -> bool:
    """Whether two numeric arrays of equal shape hold the same numbers, generously."""
    numeric = want.dtype.kind in "biuf" and got.dtype.kind in "biuf"
    return numeric and np.allclose(got, want, rtol=1e-3, atol=1e-5, equal_nan=True)


def say_dtype(what: str, want: Value, got: Value) -> str:
    lower = want.dtype.startswith(("float", "bfloat")) and got.dtype.startswith(("float", "bfloat"))
    return (
        f"{what} has dtype {got.dtype}, but {want.dtype} is expected.{' That throws precision away.' * lower} "
        "Let new arrays take their dtype from the inputs."
    )


def say_nonfinite(what: str, want: Value, got: Value) -> str:
    """Where NaN or infinity stands."""
    bad = ~np.isfinite(got.array) & np.isfinite(want.array)
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    kind, cause = (
        ("NaN", "0/0, inf - inf, the log or root of a negative number, and a softmax over nothing give NaN.")
        if np.isnan(got.array[at])
        else ("infinite", "The exp of a large number and a division by 0 give infinity.")
    )
    where = f" at {list(at)}" if at else ""
    count = f"; {int(bad.sum())} of {bad.size} entries are not finite" if bad.size > 1 else ""
    return f"{what} is {kind}{where}, where {number(want.array[at])} is expected{count}. {cause}"


def say_no_gradient(what: str, want: Value, got: Value) -> str:
    return (
        f"{what} does not exist: on the way to the output the computation leaves torch, or does not use this input. "
        ".detach(), .data, .item(), .numpy(), torch.tensor(...) and torch.no_grad() cut the path."
    )


VALUES: dict[str, Callable[[str, Value, Value], str]] = {
    "type": say_type,
    "device": say_device,
    "shape": say_shape,
    "dtype": say_dtype,
    "nonfinite": say_nonfinite,
    "no-gradient": say_no_gradient,
}


def say_value(what: str, want: Value, got: Value, exercise: Exercise, failure: Failure) -> str:
    """Wrong numbers: how many, the first of them, and how they are related to the right ones."""
    if want.array is None or got.array is None:  # a gradient that should be absent
        return f"{what} is not what is expected: this input should not matter here."
    right = agreement(want, got, exercise.tolerance, coarsest(failure.case.inputs))
    at = tuple(int(i) for i in np.argwhere(~right)[0])
    a, b = numbers(np.atleast_1d(want.array[at]), np.atleast_1d(got.array[at]))
    if right.size == 1:
        return f"{what} is {b[0]}, but {a[0]} is expected."
    told = f"{what} is wrong in {int((~right).sum())} of {right.size} entries: at {list(at)} it is {b[0]}, not {a[0]}."
    return f"{told} {value_hint(want.array, got.array)}".strip()


def value_hint(want: np.ndarray, got: np.ndarray) -> str:
    """How wrong numbers are related to the right ones, said only where all of them are."""
    if want.dtype.kind != "f" or got.dtype.kind != "f" or len(np.unique(want)) < 3:
        return ""
    if want.ndim >= 2 and want.shape[-1] == want.shape[-2] and roughly(want, np.swapaxes(got, -1, -2)):
        return "It is the transpose of what is expected."
    for axis, length in enumerate(want.shape):
        if roughly(want, np.flip(got, axis)):
            return f"It is in reverse order along axis {axis}."
        for step, side in ((1, "early"), (-1, "late")):
            if length > 2 and roughly(want, np.roll(got, step, axis)):
                return f"Along axis {axis} every entry comes one place too {side}."
    if not (np.isfinite(want).all() and np.isfinite(got).all()):
        return ""
    scale = float((want * got).sum() / (want * want).sum())
    if scale and roughly(scale * want, got):
        return f"Every entry is {scale:.4g} times what is expected."
    shift = float((got - want).mean())
    if shift and roughly(want + shift, got):
        return f"Every entry is {abs(shift):.4g} too {'large' if shift > 0 else 'small'}."
    return ""


# ---- the summary --------------------------------------------------------------------------------------------------


def overview(assignment: str, rows: Sequence[tuple[Exercise, Verdict | None]]) -> tuple[str, str]:
    """The table of an assignment's exercises as text and as HTML. A verdict of None is one not checked yet."""
    body = [
        (exercise.name, standing(verdict), f"{verdict.points if verdict else 0:g}", f"{exercise.points:g}")
        for exercise, verdict in rows
    ]
    earned = sum(verdict.points for _, verdict in rows if verdict)
    most = sum(exercise.points for exercise, _ in rows)
    body.append(("total", "", f"{earned:g}", f"{most:g}"))
    caption = f"{assignment}: what was checked in this session"
    table = Table(caption, ("exercise", "standing", "points", "of"), body, right=(2, 3), code=(0,))
    return as_text([Sentence(caption), table]), as_html([table], earned == most)


def hint(verdict: Verdict) -> str:
    """The diagnosis in one paragraph, or else what is wrong with the first failing case; "" if nothing is."""
    if verdict.passed:
        return ""
    if verdict.mistakes:
        return " ".join(mistake.hint for mistake in verdict.mistakes)
    return say(verdict.exercise, verdict.failures[0]).text


def standing(verdict: Verdict | None) -> str:
    """One exercise's state in a few words."""
    if verdict is None:
        return "not checked yet"
    if verdict.passed:
        return "passed"
    if verdict.failures[0].complaint.kind == "unsolved":
        return "not written yet"
    names = " and ".join(mistake.name for mistake in verdict.mistakes)
    return f"passed {verdict.total - len(verdict.failures)} of {verdict.total} cases" + (f": {names}" if names else "")
