"""Says a verdict in words, as text and as HTML.

`blocks` composes the report once, from sentences, tables and pictures; `text` and `html` only render it. The HTML stands in
a notebook's output: real tables, inline styles (sanitisers drop style sheets), the theme's own text colour, no request to anywhere.
"""

import html as markup
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autograder.exercise import Exercise, Mistake
from autograder.judge import Failure, Verdict, agreement, coarsest
from autograder.probe import Fault, Value

SHOWN = 8  # rows and columns of a matrix shown as numbers
DRAWN = 40  # rows and columns of a matrix shown as a picture
SMALL = 24  # an input with at most so many numbers is shown in full
PRINTED_LINES = 12


# ---- what a report is made of -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Title:
    """The headline: the exercise, how it went."""

    text: str
    good: bool


@dataclass(frozen=True)
class Sentence:
    """A paragraph. ``code`` is shown below it as it is."""

    text: str
    code: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption, a row of column heads, and a head in each row; columns in ``right`` are aligned right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()


@dataclass(frozen=True)
class Comparison:
    """Two matrices side by side: as numbers where they are small, as pictures otherwise and in HTML."""

    name: str
    want: np.ndarray  # [rows, columns]
    got: np.ndarray  # [rows, columns]
    right: np.ndarray  # [rows, columns], True where they agree


@dataclass(frozen=True)
class Advice:
    """The diagnosis: which known mistake it is, the hint, and where to read again."""

    title: str
    hints: Sequence[str]
    links: Sequence[tuple[str, str]] = field(default_factory=tuple)  # (words, address; empty where it is not known)


Block = Title | Sentence | Table | Comparison | Advice


# ---- composing ----------------------------------------------------------------------------------------------------


def text(verdict: Verdict) -> str:
    """The report as plain text."""
    return "\n\n".join(map(as_text, blocks(verdict)))


def html(verdict: Verdict) -> str:
    """The report as one HTML element."""
    return framed(map(as_html, blocks(verdict)), verdict.passed)


def blocks(verdict: Verdict) -> list[Block]:
    """The parts of the report in reading order."""
    exercise = verdict.exercise
    passed = verdict.total - len(verdict.failures)
    points = points_of(verdict.points, exercise.points)
    title = Title(f"{exercise.name}: passed {passed} of {verdict.total} cases, {points}", verdict.passed)
    if verdict.passed:
        return [title]
    first = verdict.failures[0]
    fault = first.actual.fault if first.actual else None
    if first.complaint.kind in ("unsolved", "not callable", "instance", "class", "signature"):
        return [title, say(exercise, first)]  # nothing about one case in particular
    found: list[Block] = [title, Sentence(f"First failing case: {first.case.about}.")]
    found += [inputs_table(first), say(exercise, first)]
    if comparison := compare(first, exercise):
        found.append(comparison)
    if first.actual.printed.strip() and fault is None:
        found.append(Sentence("On this case it printed:", shorten_lines(first.actual.printed)))
    if verdict.mistakes:
        found.append(advice(exercise, verdict.mistakes))
    elif fault is None:
        found.append(
            Advice(
                "No known mistake fits exactly",
                ["Work the case above by hand, step by step, and compare."],
                links(exercise, ()),
            )
        )
    return found


def advice(exercise: Exercise, mistakes: Sequence[Mistake]) -> Advice:
    """What the diagnosis says. Two mistakes are named only where both were seen."""
    names = " and ".join(mistake.name for mistake in mistakes)
    title = f"This looks like: {names}" if len(mistakes) == 1 else f"This looks like two mistakes together: {names}"
    return Advice(title, [mistake.hint for mistake in mistakes], links(exercise, mistakes))


def links(exercise: Exercise, mistakes: Sequence[Mistake]) -> list[tuple[str, str]]:
    """Where to read again: the section of each mistake, or of the exercise."""
    sections = dict.fromkeys(mistake.section or exercise.section for mistake in mistakes) or [exercise.section]
    return [
        (f"chapter {exercise.assignment}, section {section}", address(exercise.assignment, section))
        for section in sections
    ]


def address(assignment: str, section: str) -> str:
    """The section's page in the published book, or "" where it is not known where that is."""
    from autograder.colab import repository  # reads the configuration: only a failed check needs it

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
        shape, dtype = (
            (str(value.shape), value.dtype.name) if isinstance(value, np.ndarray) else ("", type(value).__name__)
        )
        rows.append((name, shape, dtype, shown(value)))
    return Table("The inputs", ("input", "shape", "type", "value"), rows)


def shown(value: object) -> str:
    """An input on one line, if it is small."""
    if isinstance(value, np.ndarray):
        if value.size > SMALL:
            return "…"
        return " ".join(
            np.array2string(value, precision=4, separator=", ", suppress_small=True, max_line_width=10_000).split()
        )
    return shorten(repr(value), 100)


# ---- sentences ----------------------------------------------------------------------------------------------------


def say(exercise: Exercise, failure: Failure) -> Sentence:
    """What is wrong, in a sentence or two."""
    complaint, fault = failure.complaint, failure.actual.fault
    if fault:
        return FAULTS[fault.kind](exercise, fault)
    if complaint.kind in ("missing", "surplus"):
        return Sentence(say_count(exercise, failure))
    what = naming(complaint.what)
    if complaint.kind == "edited":
        return Sentence(
            f"The input {complaint.what} is changed in place. Whoever calls {exercise.name} still needs it: "
            "compute new values instead of assigning into it, or work on a copy."
        )
    return Sentence(VALUES[complaint.kind](what, complaint.expected, complaint.actual, failure, exercise))


def naming(what: str) -> str:
    """A value's name at the start of a sentence."""
    if what.startswith(("result", "gradient of")):
        return ("The " if not what.startswith("result ") else "") + (
            what if not what.startswith("result ") else what.capitalize()
        )
    return f"The value {what}"


def signature(exercise: Exercise) -> str:
    """How the exercise is called: ``rnn_step(x, h, W_x, W_h, b)``."""
    return f"{exercise.name}({', '.join(inspect.signature(exercise.reference).parameters)})"


def say_unsolved(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"{exercise.name} is not written yet. Replace raise NotImplementedError() by your answer, run that cell, then this one."
    )


def say_not_callable(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"check needs the {exercise.expects} itself, but it was given {an(fault.message)}. "
        f'Write check("{exercise.name}", {exercise.name}), with no brackets after the second name.'
    )


def say_instance(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"check needs the class itself, but it was given an object of type {fault.message}. "
        f'Write check("{exercise.name}", {exercise.name}), with no brackets after the second name.'
    )


def say_class(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(f"{exercise.name} is to be a function (def {signature(exercise)}), but {fault.message} is a class.")


def say_signature(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(
        f"{exercise.name} could not be called as {signature(exercise)}. Keep the parameters of the stub, with their names. Python says:",
        shorten(fault.message, 300),
    )


def say_parameters(exercise: Exercise, fault: Fault) -> Sentence:
    return Sentence(f"{exercise.name} {fault.message}.")


def say_timeout(exercise: Exercise, fault: Fault) -> Sentence:
    where = " It was stopped in this line:" if fault.line else ""
    return Sentence(
        f"One case took longer than {fault.message} seconds. Is there a loop that never ends?{where}", fault.line
    )


def say_recursion(exercise: Exercise, fault: Fault) -> Sentence:
    where = " It was stopped in this line:" if fault.line else ""
    return Sentence(f"{exercise.name} calls itself again and again without an end (RecursionError).{where}", fault.line)


def say_exception(exercise: Exercise, fault: Fault) -> Sentence:
    message = f"{fault.error}: {fault.message}" if fault.message else fault.error
    where = f"in line {fault.number} of its cell or file" if fault.line else "before it returned"
    return Sentence(f"{exercise.name} stopped with an error {where}. {shorten(message, 400)}", fault.line)


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


def say_count(exercise: Exercise, failure: Failure) -> str:
    """Too few or too many returned values."""
    want = [name for name in failure.expected.values if not name.startswith("gradient of ")]
    got = {name: value for name, value in failure.actual.values.items() if not name.startswith("gradient of ")}
    only = got.get("result") if set(got) == {"result"} else None
    if only is not None and only.kind == "none":
        return f"{exercise.name} returns None. Is there a return at its end?"
    if want == ["result"]:
        return f"{exercise.name} returns {len(got)} values ({', '.join(got)}), but one is expected."
    if want[0] == "result 1":
        given = f"one value, {an(only.type_name)}" if only is not None else f"{len(got)} values"
        return f"{exercise.name} returns {given}, but {len(want)} are expected: return them as a tuple, separated by commas."
    if only is not None:
        return f"{exercise.name} returns {an(only.type_name)}, but a dict is expected, with the keys {', '.join(want)}."
    lacking = [name for name in want if name not in got]
    surplus = [name for name in got if name not in want]
    told = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has {', '.join(surplus)} too many"] * bool(surplus)
    return f"What {exercise.name} returns {' and '.join(told)}; expected are {', '.join(want)}."


def say_type(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    """A wrong type, and what usually leads to it."""
    wanted = {
        "array": "a NumPy array",
        "tensor": "a torch tensor",
        "number": "a plain number",
        "sequence": "a list",
        "text": "a string",
        "none": "None",
    }.get(want.kind, an(want.type_name))
    told = f"{what} is {an(got.type_name)}, but {wanted} is expected."
    return told + {
        ("none", "array"): " Is there a return at the end?",
        ("none", "tensor"): " Is there a return at the end?",
        ("none", "number"): " Is there a return at the end?",
        ("none", "sequence"): " Is there a return at the end?",
        ("none", "text"): " Is there a return at the end?",
        ("sequence", "array"): " np.array or np.stack makes one of it.",
        ("sequence", "tensor"): " torch.stack makes one of a list of tensors and keeps the gradients.",
        ("array", "tensor"): " Stay in torch from input to output, so that gradients can flow back.",
        ("tensor", "array"): " This exercise is in NumPy throughout.",
        ("tensor", "number"): " .item() takes the number out.",
        ("number", "tensor"): " Leave out .item() or float(), so that gradients can flow back.",
    }.get(
        (got.kind, want.kind),
        {"generator": " Use return where there is yield.", "function": " Was it meant to be called?"}.get(
            got.type_name, ""
        ),
    )


def say_device(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    return f"{what} is on the device {got.device}, but the inputs are on {want.device}. New tensors take device=x.device, say."


def say_shape(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    """A wrong shape, and how it is related to the right one."""
    if want.kind == "sequence":
        return (
            f"{what} has {got.shape[0] if got.shape else 0} items, but {want.shape[0]} are expected."
            if got.shape[:1] != want.shape[:1]
            else (f"{what} is nested otherwise than expected: lengths {got.shape} instead of {want.shape}.")
        )
    told = f"{what} has shape {got.shape}, but {want.shape} is expected."
    return " ".join([told, shape_hint(want, got)]).strip()


def shape_hint(want: Value, got: Value) -> str:
    """How a wrong shape is related to the right one, where it is; claims a transpose only if the numbers agree."""
    a, b = want.shape, got.shape
    if len(a) == len(b) >= 2 and want.array is not None and got.array is not None:
        for i in range(len(a)):
            for j in range(i + 1, len(a)):
                if np.swapaxes(got.array, i, j).shape == a and roughly(want.array, np.swapaxes(got.array, i, j)):
                    return f"The numbers are right with axes {i} and {j} exchanged: yours is the transpose."
    for axis, length in enumerate(a):
        if a[:axis] + a[axis + 1 :] == b:
            if length == 1:
                return f"Axis {axis}, of length 1, got lost: keepdims=True keeps it, or index with [{axis}:{axis + 1}]."
            if axis == 0:
                return "The first axis, the batch, is missing: is it summed over, or only one example returned?"
            return f"Axis {axis} is missing: was it summed over, or indexed away?"
    for axis, length in enumerate(b):
        if b[:axis] + b[axis + 1 :] == a:
            return f"There is one axis too many, axis {axis}, of length {length}." + (
                " squeeze takes it away." if length == 1 else ""
            )
    if len(b) > len(a) or (len(a) == len(b) and np.prod(b) > np.prod(a) and 1 in a):
        return "A shape that grew often comes from broadcasting: [n, 1] with [n] gives [n, n]."
    if not b:
        return "It is a single number: was everything summed or averaged?"
    if np.prod(a) == np.prod(b):
        return "It has as many numbers as expected, in another arrangement."
    return ""


def roughly(want: np.ndarray, got: np.ndarray) -> bool:
    """Whether two arrays of equal shape hold the same numbers, generously."""
    return (
        want.dtype.kind in "biuf"
        and got.dtype.kind in "biuf"
        and np.allclose(got, want, rtol=1e-3, atol=1e-5, equal_nan=True)
    )


def say_dtype(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    lower = " That throws precision away." if {want.dtype[:5], got.dtype[:5]} <= {"float", "bfloa"} else ""
    return f"{what} has dtype {got.dtype}, but {want.dtype} is expected.{lower} Let new arrays take their dtype from the inputs."


def say_nonfinite(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    """Where NaN or infinity stands."""
    bad = ~np.isfinite(got.array) & np.isfinite(want.array)
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    kind = "NaN" if np.isnan(got.array[at]) else "infinity"
    count = int(bad.sum())
    where = f" at {list(at)}" if at else ""
    rest = f" ({count} of {bad.size} entries are not finite)" if bad.size > 1 else ""
    cause = {
        "NaN": "0/0, inf - inf, the log or root of a negative number, and a softmax over nothing give NaN.",
        "infinity": "exp of a large number and a division by 0 give infinity.",
    }[kind]
    return f"{what} is {kind}{where}{rest}, where {number(want.array[at])} is expected. {cause}"


def say_no_gradient(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    return (
        f"{what} does not exist: on the way to the output the computation leaves torch, or does not use that input. "
        ".detach(), .data, .item(), .numpy(), torch.tensor(...) and torch.no_grad() cut the path."
    )


def say_value(what: str, want: Value, got: Value, failure: Failure, exercise: Exercise) -> str:
    """Wrong numbers: how many, how far, and how they are related to the right ones."""
    if want.array is None or got.array is None:
        return f"{what} is not what is expected."
    if want.array.size == 1:
        a, b = numbers(want.array.reshape(1), got.array.reshape(1))
        return f"{what} is {b[0]}, but {a[0]} is expected."
    right = agreement(want, got, exercise.tolerance, coarsest(failure.case.inputs))
    at = tuple(int(i) for i in np.argwhere(~right)[0])
    a, b = numbers(want.array[at].reshape(1), got.array[at].reshape(1))
    told = f"{what} differs in {int((~right).sum())} of {right.size} entries. At {list(at)} it is {b[0]}, but {a[0]} is expected."
    return " ".join([told, value_hint(want.array, got.array)]).strip()


def value_hint(want: np.ndarray, got: np.ndarray) -> str:
    """How wrong numbers are related to the right ones, said only where all of them are."""
    if want.dtype.kind not in "f" or got.dtype.kind not in "f" or len(np.unique(want)) < 3:
        return ""
    if want.ndim >= 2 and want.shape[-1] == want.shape[-2] and roughly(want, np.swapaxes(got, -1, -2)):
        return "It is the transpose of what is expected."
    for axis in range(want.ndim):
        if roughly(want, np.flip(got, axis)):
            return f"It is in reverse order along axis {axis}."
        for step, side in ((1, "early"), (-1, "late")):
            if want.shape[axis] > 2 and roughly(want, np.roll(got, step, axis)):
                return f"Along axis {axis} every entry comes one place too {side}."
    if np.isfinite(want).all() and np.isfinite(got).all():
        scale = float((want * got).sum() / (want * want).sum())
        if scale and roughly(scale * want, got):
            return f"Every entry is {scale:.4g} times what is expected."
        shift = float((got - want).mean())
        if shift and roughly(want + shift, got):
            return f"Every entry is {abs(shift):.4g} too {'large' if shift > 0 else 'small'}."
    return ""


VALUES: dict[str, Callable[[str, Value, Value, Failure, Exercise], str]] = {
    "type": say_type,
    "device": say_device,
    "shape": say_shape,
    "dtype": say_dtype,
    "nonfinite": say_nonfinite,
    "no-gradient": say_no_gradient,
    "value": say_value,
}


def an(thing: str) -> str:
    """A type's name with its article."""
    if thing == "None":
        return thing
    return f"{'an' if thing[:1].lower() in 'aeio' else 'a'} {thing}"


# ---- comparing matrices -------------------------------------------------------------------------------------------


def compare(failure: Failure, exercise: Exercise) -> Comparison | None:
    """Expected beside actual, where both are there and of one shape: the first matrix in which they differ."""
    want, got = failure.complaint.expected, failure.complaint.actual
    if failure.complaint.kind not in ("value", "nonfinite") or want is None or got is None:
        return None
    if want.array is None or got.array is None or want.array.size < 2:
        return None
    right = agreement(want, got, exercise.tolerance, coarsest(failure.case.inputs))
    page = tuple(int(i) for i in np.argwhere(~right)[0])[: max(right.ndim - 2, 0)]
    name = failure.complaint.what + (f"[{', '.join(map(str, page))}]" if page else "")
    return Comparison(name, *(np.atleast_2d(array[page]) for array in (want.array, got.array, right)))


def window(comparison: Comparison, limit: int) -> tuple[slice, slice]:
    """At most ``limit`` rows and columns, with the first difference among them."""
    first = np.argwhere(~comparison.right)[0]
    starts = [max(0, min(int(i) - 1, n - limit)) for i, n in zip(first, comparison.right.shape, strict=True)]
    return tuple(slice(start, start + limit) for start in starts)


def numbers(want: np.ndarray, got: np.ndarray) -> tuple[list[str], list[str]]:
    """Both arrays' entries in as few digits as tell different entries apart, at least four."""
    different = [(a, b) for a, b in zip(want.ravel(), got.ravel(), strict=True) if a != b and not (a != a and b != b)]
    for digits in (4, 6, 9, 12, 17):
        if all(number(a, digits) != number(b, digits) for a, b in different):
            break
    return [number(x, digits) for x in want.ravel()], [number(x, digits) for x in got.ravel()]


def number(x: object, digits: int = 4) -> str:
    """One entry, short."""
    if isinstance(x, (np.floating, float)):
        return "NaN" if np.isnan(x) else f"{float(x):.{digits}g}".replace("-inf", "−inf")
    if isinstance(x, (np.complexfloating, complex)):
        return f"{complex(x):.{digits}g}"
    return shorten(repr(str(x)), 24) if isinstance(x, str) else str(x)


def shorten(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 2] + " …"


def shorten_lines(words: str) -> str:
    """The first lines of something printed, each cut at 100 characters."""
    lines = words.rstrip().splitlines()
    more = [f"… and {len(lines) - PRINTED_LINES} more lines"] if len(lines) > PRINTED_LINES else []
    return "\n".join([shorten(line, 100) for line in lines[:PRINTED_LINES]] + more)


# ---- as text ------------------------------------------------------------------------------------------------------


def as_text(block: Block) -> str:
    """One block as plain text."""
    if isinstance(block, Title):
        return f"[{'passed' if block.good else 'not yet'}] {block.text}"
    if isinstance(block, Sentence):
        return "\n".join([block.text] + [f"    {line}" for line in block.code.splitlines()])
    if isinstance(block, Table):
        return columns([block.head, *block.rows], block.right)
    if isinstance(block, Comparison):
        return comparison_text(block)
    read = [f"Read again: {address or words}" for words, address in block.links]
    return "\n".join([f"{block.title}.", *block.hints, *read])


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of words as aligned columns, indented."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("    " + "  ".join(cells).rstrip())
    return "\n".join(lines)


def comparison_text(block: Comparison) -> str:
    """Two matrices of numbers side by side, wrong entries marked with *; a map of the whole where only a part is shown."""
    part = window(block, SHOWN)
    want, got, right = block.want[part], block.got[part], block.right[part]
    a, b = numbers(want, got)
    marked = [entry + (" " if ok else "*") for entry, ok in zip(b, right.ravel(), strict=True)]
    width = max(map(len, a + marked))
    left = lines_of(a, want.shape, width)
    beside = lines_of(marked, got.shape, width)
    span = max(len("expected"), *map(len, left))
    lines = [f"    {'expected':{span}}    yours"] + [
        f"    {x:{span}}    {y}" for x, y in zip(left, beside, strict=True)
    ]
    told = (
        ""
        if block.right.shape == right.shape
        else f", rows {part[0].start} to {part[0].start + len(want) - 1}, columns {part[1].start} to {part[1].start + want.shape[1] - 1}"
    )
    lines.insert(0, f"{block.name}{told} (* marks a wrong entry):")
    if block.right.shape != right.shape:
        rows, cols = (min(n, limit) for n, limit in zip(block.right.shape, (DRAWN, 2 * DRAWN), strict=True))
        lines += ["", f"Where it is wrong (#), of {block.right.shape[0]} × {block.right.shape[1]} entries:"]
        lines += ["    " + "".join(".#"[not ok] for ok in row[:cols]) for row in block.right[:rows]]
    return "\n".join(lines)


def lines_of(entries: list[str], shape: tuple[int, ...], width: int) -> list[str]:
    return [
        "  ".join(entry.rjust(width) for entry in entries[i * shape[1] : (i + 1) * shape[1]]) for i in range(shape[0])
    ]


# ---- as HTML ------------------------------------------------------------------------------------------------------

# Only tints and the text's own colour, so that the report reads on a light page and on a dark one.
RULE = "1px solid rgba(128,128,128,.45)"
GOOD, BAD = "#2da44e", "#d9822b"
CELL = f"padding:.2em .7em;border-bottom:{RULE};text-align:left;color:inherit;background:transparent;font-size:inherit;vertical-align:top"
MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"


def framed(parts: Iterable[str], good: bool) -> str:
    """A report or table in its frame. It never makes the page scroll sideways; its wide parts scroll themselves."""
    return (
        f'<div lang="en" style="color:inherit;max-width:52em;line-height:1.45;border-left:4px solid {GOOD if good else BAD};'
        f'padding:.1em 0 .1em 1em;margin:.4em 0;overflow-wrap:anywhere">{"".join(parts)}</div>'
    )


def as_html(block: Block) -> str:
    """One block as HTML."""
    if isinstance(block, Title):
        sign, word = ("✓", "passed") if block.good else ("✗", "not yet")
        return f'<p style="margin:.3em 0"><strong><span aria-hidden="true">{sign}</span> {word}</strong> · {escaped(block.text)}</p>'
    if isinstance(block, Sentence):
        code = f'<pre style="{MONO};margin:.3em 0;padding:.4em .7em;background:rgba(128,128,128,.15);color:inherit;white-space:pre-wrap">{escaped(block.code)}</pre>'
        return f'<p style="margin:.5em 0">{escaped(block.text)}</p>' + code * bool(block.code)
    if isinstance(block, Table):
        return scrolling(table_html(block), block.caption)
    if isinstance(block, Comparison):
        return comparison_html(block)
    read = "".join(
        '<p style="margin:.3em 0">Read again: '
        + (
            f'<a href="{escaped(address)}" style="color:inherit;text-decoration:underline">{escaped(words)}</a>'
            if address
            else escaped(words)
        )
        + "</p>"
        for words, address in block.links
    )
    hints = "".join(f'<p style="margin:.3em 0">{escaped(hint)}</p>' for hint in block.hints)
    return (
        f'<div style="margin:.7em 0;padding:.4em .9em;background:rgba(128,128,128,.12);border-radius:4px">'
        f'<p style="margin:.3em 0"><strong>{escaped(block.title)}.</strong></p>{hints}{read}</div>'
    )


def escaped(words: str) -> str:
    return markup.escape(words, quote=True)


def scrolling(inner: str, label: str) -> str:
    """A part that scrolls sideways by itself on a narrow screen, also by keyboard."""
    return f'<div role="group" aria-label="{escaped(label)}" tabindex="0" style="overflow-x:auto;margin:.4em 0">{inner}</div>'


def table_html(block: Table) -> str:
    align = ["text-align:right" if i in block.right else "text-align:left" for i in range(len(block.head))]
    head = "".join(
        f'<th scope="col" style="{CELL};{a};font-weight:600">{escaped(cell)}</th>'
        for cell, a in zip(block.head, align, strict=True)
    )
    body = "".join(
        '<tr style="background:transparent">'
        + f'<th scope="row" style="{CELL};font-weight:600;{MONO}">{escaped(row[0])}</th>'
        + "".join(f'<td style="{CELL};{a}">{escaped(cell)}</td>' for cell, a in zip(row[1:], align[1:], strict=True))
        + "</tr>"
        for row in block.rows
    )
    return (
        f'<table style="border-collapse:collapse;margin:0;color:inherit;font-size:.95em"><caption style="{CAPTION}">{escaped(block.caption)}</caption>'
        f'<thead><tr style="background:transparent">{head}</tr></thead><tbody>{body}</tbody></table>'
    )


CAPTION = "caption-side:top;text-align:left;color:inherit;padding:.2em 0;font-weight:600"


def comparison_html(block: Comparison) -> str:
    """The numbers of a small part in two tables side by side, and a picture of the whole matrix."""
    part = window(block, SHOWN)
    want, got, right = block.want[part], block.got[part], block.right[part]
    a, b = numbers(want, got)
    whole = right.shape == block.right.shape
    tables = "".join(
        f'<div style="display:inline-block;vertical-align:top;margin-right:2em">{numbers_html(caption, entries, part, right, mark)}</div>'
        for caption, entries, mark in ((f"{block.name}, expected", a, False), (f"{block.name}, yours", b, True))
    )
    note = "Wrong entries are framed and marked with *." + (
        "" if whole else f" A part of {block.right.shape[0]} × {block.right.shape[1]} entries."
    )
    drawn = (
        picture(block)
        if block.want.dtype.kind in "biuf" and block.got.dtype.kind in "biuf" and min(block.right.shape) > 1
        else ""
    )
    return (
        scrolling(tables, f"{block.name}: expected and yours")
        + f'<p style="margin:.3em 0;font-size:.9em">{note}</p>'
        + drawn
    )


def numbers_html(caption: str, entries: list[str], part: tuple[slice, slice], right: np.ndarray, mark: bool) -> str:
    rows, cols = right.shape
    head = '<th scope="col" style="padding:.1em .5em"></th>'.replace('th scope="col"', "td").replace(
        "</th>", "</td>"
    ) + "".join(
        f'<th scope="col" style="{NUMBER};font-weight:400;opacity:.8">{part[1].start + j}</th>' for j in range(cols)
    )
    body = ""
    for i in range(rows):
        cells = ""
        for j in range(cols):
            wrong = mark and not right[i, j]
            frame = f"outline:2px solid {BAD};outline-offset:-2px" if wrong else ""
            cells += f'<td style="{NUMBER};{frame}">{escaped(entries[i * cols + j])}{"*" if wrong else ""}</td>'
        body += f'<tr style="background:transparent"><th scope="row" style="{NUMBER};font-weight:400;opacity:.8">{part[0].start + i}</th>{cells}</tr>'
    return (
        f'<table style="border-collapse:collapse;margin:0;color:inherit;font-size:.95em"><caption style="{CAPTION}">{escaped(caption)}</caption>'
        f'<thead><tr style="background:transparent">{head}</tr></thead><tbody>{body}</tbody></table>'
    )


NUMBER = f"padding:.15em .55em;text-align:right;color:inherit;background:transparent;font-size:inherit;{MONO}"


def picture(block: Comparison) -> str:
    """Expected, yours and their difference as three grids, blue below zero and red above; wrong cells are struck through."""
    part = window(block, DRAWN)
    want, got, right = (array[part] for array in (block.want, block.got, block.right))
    want, got = want.astype(np.float64), got.astype(np.float64)
    rows, cols = right.shape
    side = max(4, min(22, 180 // max(rows, cols)))
    gap = 28
    with np.errstate(all="ignore"):
        panels = [
            ("expected", want, largest(want, got)),
            ("yours", got, largest(want, got)),
            ("yours − expected", got - want, largest(got - want)),
        ]
    pitch = max(cols * side, 110) + gap
    drawn = ""
    for k, (caption, array, scale) in enumerate(panels):
        drawn += f'<text x="{k * pitch}" y="12" font-size="12" fill="currentColor">{caption}</text>'
        for i in range(rows):
            for j in range(cols):
                x, y = k * pitch + j * side, 20 + i * side
                drawn += f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{colour(array[i, j], scale)}"/>'
                if k and not right[i, j]:
                    drawn += f'<path d="M{x + 1} {y + side - 1}l{side - 2} {2 - side}" stroke="#000" stroke-width="1"/>'
        drawn += f'<rect x="{k * pitch}" y="20" width="{cols * side}" height="{rows * side}" fill="none" stroke="currentColor" stroke-opacity=".6"/>'
    width, height = 3 * pitch - gap, 24 + rows * side
    wrong = int((~block.right).sum())
    label = f"{block.name}: expected, yours and the difference as {rows} by {cols} grids; {wrong} of {block.right.size} entries are wrong"
    svg = (
        f'<svg role="img" aria-label="{escaped(label)}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto;color:inherit" xmlns="http://www.w3.org/2000/svg">{drawn}</svg>'
    )
    return f'<div style="margin:.5em 0">{svg}<p style="margin:.2em 0;font-size:.9em">Blue is below zero, red above, white zero, grey not finite; wrong cells are struck through.</p></div>'


def largest(*arrays: np.ndarray) -> float:
    """The largest finite magnitude, 1 if there is none."""
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def colour(x: float, scale: float) -> str:
    """A colour from blue over white to red for x from -scale to scale."""
    if not np.isfinite(x):
        return "#999999"
    t = float(np.clip(x / scale, -1, 1))
    end = (178, 24, 43) if t > 0 else (33, 102, 172)
    return "#" + "".join(f"{round(247 + (c - 247) * abs(t)):02x}" for c in end)


# ---- the summary --------------------------------------------------------------------------------------------------


def overview(assignment: str, rows: Sequence[tuple[Exercise, Verdict | None]]) -> tuple[str, str]:
    """The table of an assignment's exercises, as text and as HTML. A verdict of None is one not checked yet."""
    body = [
        (exercise.name, standing(verdict), f"{verdict.points if verdict else 0:g}", f"{exercise.points:g}")
        for exercise, verdict in rows
    ]
    earned = sum(verdict.points for _, verdict in rows if verdict)
    most = sum(exercise.points for exercise, _ in rows)
    body.append(("total", "", f"{earned:g}", f"{most:g}"))
    table = Table(
        f"{assignment}: what was checked in this session", ("exercise", "standing", "points", "of"), body, right=(2, 3)
    )
    return f"{table.caption}\n{as_text(table)}", framed([as_html(table)], earned == most)


def standing(verdict: Verdict | None) -> str:
    """One exercise's state in a few words."""
    if verdict is None:
        return "not checked yet"
    if verdict.passed:
        return "passed"
    if verdict.failures[0].complaint.kind == "unsolved":
        return "not written yet"
    known = " and ".join(mistake.name for mistake in verdict.mistakes)
    return f"passed {verdict.total - len(verdict.failures)} of {verdict.total} cases" + (f": {known}" if known else "")
