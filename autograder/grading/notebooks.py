"""Reads what students hand in, whatever state it is in, and puts their answers into a fresh copy of the release.

Nothing here runs code or knows the gradebook. What can't be read raises `Unreadable`, whose message is the reason that
the student and the instructor are told.
"""

import contextlib
import json
import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution, parse_utc

MAX_BYTES = 20_000_000  # a notebook full of plots is about 2 MB


class Unreadable(Exception):
    """A submission that can't be graded; the message says why in one sentence."""


def read_submission(folder: Path, assignment: str, release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The notebook handed in in ``folder`` as a sound notebook to grade, and notes on what was put right.

    Raises Unreadable where there is no answer of this assignment to be found.
    """
    path = folder / f"{assignment}.ipynb"
    notes = []
    if not os.path.lexists(path):
        others = sorted(other for other in folder.glob("*.ipynb") if other.is_file() and not other.is_symlink())
        if not others:
            raise Unreadable(f"There is no {path.name} in what was handed in.")
        if len(others) > 1:
            names = ", ".join(other.name for other in others)
            raise Unreadable(f"There is no {path.name} but there are {names}: which one is meant?")
        path = others[0]
        notes.append(f"Renamed: taken from {path.name}.")
    cells = parse(read_text(path), path.name)
    notebook, repairs = normalise(cells, release)
    return notebook, notes + repairs


def read_text(path: Path) -> str:
    """The text of a regular file of bounded size. Raises Unreadable for anything else."""
    name = path.name
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # neither a link nor a pipe can hold us up
    except OSError as error:
        if path.is_symlink():
            raise Unreadable(f"{name} is a link, not a file.") from None
        raise Unreadable(f"{name} can't be opened: {error.strerror}.") from None
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            kind = "a folder" if stat.S_ISDIR(about.st_mode) else "not a regular file"
            raise Unreadable(f"{name} is {kind}, so it is no notebook.")
        if about.st_size > MAX_BYTES:
            raise Unreadable(
                f"{name} has {about.st_size / 1e6:.0f} MB, the limit is {MAX_BYTES / 1e6:.0f} MB: clear its outputs."
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES)
    finally:
        os.close(handle)
    if not data.strip():
        raise Unreadable(f"{name} is empty.")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not a text file in UTF-8: was it saved by another program?") from None


def parse(text: str, name: str) -> list[dict[str, Any]]:
    """The cells in a notebook's text. Each has a known type, a ``source`` that is one string, and ``metadata``, a dict.

    Whatever isn't a cell is left out. Raises Unreadable where there are no cells.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable(f"{name} is damaged: it is not valid JSON, and so not a notebook.") from None
    version = content.get("nbformat") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise Unreadable(f"{name} is not a notebook: it names no notebook format.")
    if version > 4:
        raise Unreadable(f"{name} is in notebook format {version}, newer than format 4 of this course.")
    if version < 4:
        try:
            content = nbformat.convert(nbformat.reads(text, as_version=nbformat.NO_CONVERT), 4)
        except Exception:  # nbformat raises whatever its old converters run into
            raise Unreadable(f"{name} is in the old notebook format {version} and can't be converted to 4.") from None
    cells = content.get("cells")
    if not isinstance(cells, list):
        raise Unreadable(f"{name} is not a notebook: it has no cells.")
    return [cell for cell in map(sound, cells) if cell]


def sound(cell: Any) -> dict[str, Any] | None:
    """A cell reduced to type, source, metadata, id and attachments, each of the right type; None if it isn't one."""
    if not isinstance(cell, Mapping) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    if not isinstance(source, str):
        return None
    metadata = cell.get("metadata") if isinstance(cell.get("metadata"), Mapping) else {}
    kept = {
        "cell_type": cell["cell_type"],
        "source": source.encode("utf-8", "replace").decode("utf-8"),  # lone surrogates can't be written to a file
        "metadata": metadata,
        "id": cell.get("id") or metadata.get("id"),  # Colab keeps a cell's id in its metadata
    }
    if isinstance(cell.get("attachments"), Mapping) and cell["cell_type"] == "markdown":
        kept["attachments"] = {
            name: {kind: data for kind, data in bundle.items() if isinstance(data, str)}
            for name, bundle in cell["attachments"].items()
            if isinstance(bundle, Mapping)
        }
    return kept


def normalise(cells: Iterable[Mapping[str, Any]], release: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The release with the student's answers and own cells in it, and notes on what was put right.

    Every cell of the release is there once, in the release's order, with the release's ids, flags, and points; locked
    cells have the release's source. Of several copies of one answer the last one that was changed counts. A cell of the
    student's own stays behind the release's cell that it followed. Outputs, tags, and other metadata are dropped.

    Raises Unreadable if none of the release's answer cells is among ``cells``.
    """
    released = {keys(cell)[0]: cell for cell in release.cells}
    by_any_key = {key: keys(cell)[0] for cell in release.cells for key in reversed(keys(cell))}
    copies, own, anchor = defaultdict(list), defaultdict(list), None
    for n, cell in enumerate(cells):
        matched = next((by_any_key[key] for key in keys(cell) if key in by_any_key), None)
        if matched is None:
            own[anchor].append(own_cell(cell, n))
        else:
            anchor = anchor if matched in copies else matched
            copies[matched].append(cell)

    answers = [key for key, cell in released.items() if is_solution(cell)]
    if not any(key in copies for key in answers):
        raise Unreadable(f"It holds none of the assignment's {len(answers)} answer cells: is it another notebook?")

    notes = []
    result, followers, waiting = list(own[None]), [], []
    for key, cell in released.items():
        if key in copies:
            result += followers + waiting
            followers, waiting = own[key], []
            result.append(merge(cell, copies[key]))
            if len(copies[key]) > 1 and key in answers:
                notes.append(f"{key[1]}: {len(copies[key])} copies of the answer cell; the last changed one counts.")
        elif is_grade(cell) and not is_solution(cell) and followers:
            waiting.append(copy_of(cell))  # behind the student's own cells: a deleted answer may stand there
        else:
            result.append(copy_of(cell))
            if key in answers:
                notes.append(f"{key[1]}: the answer cell was deleted.")
    result += followers + waiting

    notebook = nbformat.v4.new_notebook(cells=result, metadata=copy_of(release.metadata))
    notebook.nbformat_minor = release.nbformat_minor
    return notebook, notes


def keys(cell: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a cell may be recognised by, the surest first: nbgrader's id, the notebook's cell id, the source."""
    found = []
    nbgrader = cell["metadata"].get("nbgrader")
    if isinstance(nbgrader, Mapping) and isinstance(nbgrader.get("grade_id"), str):
        found.append(("answer or check", nbgrader["grade_id"]))
    if isinstance(cell.get("id"), str):
        found.append(("id", cell["id"]))
    found.append(("source", cell["source"].strip()))
    return found


def merge(cell: NotebookNode, copies: list[Mapping[str, Any]]) -> NotebookNode:
    """A released cell with what the student wrote into it; a locked cell stays as it is."""
    merged = copy_of(cell)
    if is_solution(cell) or not cell.metadata.get("nbgrader"):
        changed = [copy for copy in copies if copy["source"] != cell.source]
        answer = changed[-1] if changed else copies[-1]
        merged.source = answer["source"]
        if cell.cell_type == "markdown" and "attachments" in answer:
            merged.attachments = copy_of(answer["attachments"])
    return merged


def own_cell(cell: Mapping[str, Any], n: int) -> NotebookNode:
    """A cell of the student's own, without its outputs and metadata."""
    new = getattr(nbformat.v4, f"new_{cell['cell_type']}_cell")(cell["source"], id=f"own-{n}")
    if "attachments" in cell:
        new.attachments = copy_of(cell["attachments"])
    return new


# ---- the small files that nbgrader's exchange adds ------------------------------------------------------------------


def small_text(path: Path) -> str:
    """The beginning of a regular file's text; "" if it is none."""
    with contextlib.suppress(OSError, ValueError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, encoding="utf-8") as file:
            return file.read(1000)
    return ""


def readable_time(text: str) -> bool:
    try:
        return bool(text.strip()) and parse_utc(text.strip()) is not None
    except (ValueError, OverflowError):
        return False


# ---- other states of a released notebook ----------------------------------------------------------------------------


def refused(release: NotebookNode, reason: str) -> NotebookNode:
    """The blank release under a notice that says why the submission could not be graded."""
    notebook = copy_of(release)
    notice = nbformat.v4.new_markdown_cell(f"**This submission could not be graded.** {reason}", id="not-graded")
    notebook.cells.insert(0, notice)
    return notebook


def solved(release: NotebookNode, source: NotebookNode) -> NotebookNode:
    """The release with the model answers of its source filled in."""
    answers = {cell.metadata.nbgrader.grade_id: cell.source for cell in source.cells if is_solution(cell)}
    notebook = copy_of(release)
    for cell in notebook.cells:
        if is_solution(cell):
            cell.source = answers[cell.metadata.nbgrader.grade_id]
    return notebook


def copy_of(node: Mapping[str, Any]) -> NotebookNode:
    """A deep copy of a notebook or a part of one."""
    return nbformat.from_dict(deepcopy(dict(node)))


def write(notebook: NotebookNode, path: Path) -> None:
    """Write the notebook whole or not at all, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
