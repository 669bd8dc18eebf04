"""Checks a notebook from the outside: runs its cells in a kernel of their own and collects what its checks say.

This is for students, on their own machine and their own code: it trusts the notebook's process. Grading does not use
it. Nothing is written, neither to the notebook nor beside it.
"""

import contextlib
import json
import re
import subprocess
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from autograder import catalogue
from autograder.check import MIME
from autograder.exercise import Exercise
from autograder.render import Sentence, Table, as_text

LARGEST = 20_000_000  # bytes
CHECK = re.compile(r"""^[^#\n]*?\bcheck\(\s*["']([^"'\n]+)["']""", re.MULTILINE)


class Unusable(Exception):
    """A notebook that cannot be checked. Its text is one sentence that says why and what to do."""


@dataclass
class Findings:
    """What running a notebook showed: each exercise's outcome by name, and what went wrong outside the checks."""

    outcomes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)


def check_notebook(path: Path, seconds: int, kernel: str | None = None) -> tuple[str, bool]:
    """The report on the notebook at ``path`` as text, and whether every exercise is solved.

    ``seconds`` is the time limit of one cell. Raises `Unusable` for a notebook that cannot be checked.
    """
    notebook = read(path)
    exercises = exercises_in(path, notebook)
    findings = run(path, notebook, seconds, kernel)
    return told(exercises, findings), all(findings.outcomes.get(e.name, {}).get("passed") for e in exercises)


# ---- reading ------------------------------------------------------------------------------------------------------


def read(path: Path) -> Any:
    """The notebook, checked for what people really hand in. Raises `Unusable`."""
    import nbformat

    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        near = get_close_matches(path.name, [p.name for p in folder.glob("*.ipynb")], n=1)
        raise Unusable(f"There is no file {path}." + (f" Did you mean {folder / near[0]}?" if near else ""))
    if path.is_dir():
        inside = sorted(path.glob("*.ipynb"))
        raise Unusable(f"{path} is a folder: give the notebook itself" + (f", {inside[0]}." if inside else "."))
    size = path.stat().st_size
    if size == 0:
        raise Unusable(f"{path} is empty: download the notebook again, and copy your answers into it.")
    if size > LARGEST:
        raise Unusable(
            f"{path} has {size / 1e6:.0f} MB, more than the {LARGEST / 1e6:.0f} MB that a check reads: "
            "clear its outputs in Jupyter, and save it."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        where = f" (line {error.lineno}: {error.msg})" if isinstance(error, json.JSONDecodeError) else f" ({error})"
        raise Unusable(
            f"{path} is damaged and cannot be read{where}: download it again, and copy your answers."
        ) from error
    version = content.get("nbformat") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise Unusable(f"{path} is no Jupyter notebook.")
    if version != 4:
        age = "an old" if version < 4 else "a newer"
        raise Unusable(
            f"{path} is in {age} notebook format ({version}): open it in JupyterLab and save it as format 4."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about cells without ids, which are usual in Colab's notebooks
            notebook = nbformat.reads(json.dumps(content), as_version=4)
            nbformat.validate(notebook)
    except Exception as error:
        reason = shorten_reason(error)
        raise Unusable(f"{path} is damaged ({reason}): download it again, and copy your answers into it.") from error
    return notebook


def shorten_reason(error: Exception) -> str:
    """The first line of an exception's text."""
    lines = str(error).strip().splitlines()
    return lines[0][:150] if lines else type(error).__name__


def exercises_in(path: Path, notebook: Any) -> list[Exercise]:
    """The exercises of the notebook's assignment. Raises `Unusable` for a foreign or renamed notebook."""
    names = [name for cell in code_cells(notebook) for name in CHECK.findall(cell.source)]
    names += [cell.metadata.get("nbgrader", {}).get("grade_id", "") for cell in code_cells(notebook)]
    assignments = [exercise.assignment for name in names if (exercise := catalogue.find(name))]
    if not assignments:
        raise Unusable(
            f'{path} has no exercises of this course: no cell calls check("NAME", ...) with a name it knows.'
        )
    assignment = max(dict.fromkeys(assignments), key=assignments.count)
    if path.stem != assignment:
        raise Unusable(
            f"{path} holds the assignment {assignment}: rename it to {assignment}.ipynb, as it is handed in."
        )
    return catalogue.of_assignment(assignment)


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


# ---- running ------------------------------------------------------------------------------------------------------


def run(path: Path, notebook: Any, seconds: int, kernel: str | None) -> Findings:
    """Run all code cells in order, past errors, in the notebook's folder. Raises `Unusable` where no kernel starts."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    name = kernel or notebook.metadata.get("kernelspec", {}).get("name", "python3")
    client = NotebookClient(
        notebook,
        kernel_name=name,
        timeout=seconds,
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout={"ename": "Timeout", "evalue": "", "traceback": []},
        resources={"metadata": {"path": str(path.resolve().parent)}},
    )
    findings = Findings()
    late = 0
    try:
        with client.setup_kernel(stderr=subprocess.DEVNULL):
            for number, cell in enumerate(code_cells(notebook), start=1):
                cell.outputs = []
                if not cell.source.strip():
                    continue
                with contextlib.suppress(CellExecutionError, CellTimeoutError):  # its outputs say it
                    client.execute_cell(cell, notebook.cells.index(cell))
                trouble = collect(cell, findings)
                if trouble == "KeyboardInterrupt":
                    late += 1
                    trouble = f"was stopped after {seconds} seconds. Is there a loop that never ends?"
                if trouble:
                    findings.troubles.append(f"Code cell {number} ({first_line(cell.source)}) {trouble}")
                if late == 2:
                    findings.troubles.append("The rest of the notebook was not run.")
                    break
    except NoSuchKernel as error:
        have = ", ".join(sorted(KernelSpecManager().find_kernel_specs())) or "none"
        raise Unusable(
            f"{path} asks for the kernel {name}, which is not installed here (there is: {have}): "
            "choose one of those with --kernel, or install it."
        ) from error
    except DeadKernelError:
        findings.troubles.append("The kernel died: the code used up the memory, or ended the process.")
    except (RuntimeError, OSError) as error:
        raise Unusable(
            f"The kernel {name} does not start ({shorten_reason(error)}): is ipykernel installed?"
        ) from error
    return findings


def collect(cell: Any, findings: Findings) -> str:
    """Add the outcomes in a cell's outputs to the findings; what went wrong in the cell otherwise, or ""."""
    trouble = ""
    for output in cell.outputs:
        if MIME in output.get("data", {}):
            outcome = output.data[MIME]
            findings.outcomes[outcome["exercise"]] = outcome
        if output.output_type == "error":
            # An unsolved stub that is called outside its check is no news.
            trouble = (
                "" if output.ename == "NotImplementedError" else f"stopped with {output.ename}: {output.evalue[:200]}"
            )
            trouble = "KeyboardInterrupt" if output.ename == "KeyboardInterrupt" else trouble
    return trouble


def first_line(source: str) -> str:
    return source.strip().splitlines()[0][:50]


# ---- telling ------------------------------------------------------------------------------------------------------


def told(exercises: list[Exercise], findings: Findings) -> str:
    """The table of exercises and points, then the hints, then what went wrong outside the checks."""
    rows, hints, earned = [], [], 0.0
    for exercise in exercises:
        outcome = findings.outcomes.get(exercise.name, {"standing": "its check was not reached", "points": 0.0})
        earned += outcome["points"]
        rows.append((exercise.name, outcome["standing"], f"{outcome['points']:g}", f"{exercise.points:g}"))
        if outcome.get("hint"):
            hints.append(Sentence(f"{exercise.name}: {outcome['hint']}"))
    rows.append(("total", "", f"{earned:g}", f"{sum(exercise.points for exercise in exercises):g}"))
    table = Table("", ("exercise", "standing", "points", "of"), rows, right=(2, 3))
    return as_text([table, *hints, *map(Sentence, findings.troubles)])
