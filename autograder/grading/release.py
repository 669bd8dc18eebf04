"""Makes ``exercises/`` out of ``solutions/`` through nbgrader, and proves each assignment fit to be handed out.

What is proved: the notebook is valid; it asks for every exercise of the assignment once, for the catalogue's points;
its stubs are unsolved and its checks are the catalogue's; nothing of a model answer is in it; its links into the book
arrive; graded as it is it scores 0, and with the model answers everything. Either all of the assignments asked for are
written, or none is.
"""

import ast
import filecmp
import inspect
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import is_grade, is_solution

from autograder.catalogue import exercises
from autograder.colab import stated
from autograder.exercise import Exercise
from autograder.grading.config import REPOSITORY
from autograder.grading.course import assignments, choose, read_source
from autograder.grading.notebooks import copy_of, solved, write
from autograder.grading.worker import Worker, WorkerFailed

SECONDS = 900  # for one of nbgrader's commands; a notebook's own limit is in `config`
BEGIN, END = re.compile("BEGIN (SOLUTION|MARK SCHEME)"), re.compile("END (SOLUTION|MARK SCHEME)")


class Defective(Exception):
    """Assignments that can't be handed out: ``defects`` says what is wrong, one sentence each."""

    def __init__(self, defects: Sequence[str]) -> None:
        super().__init__("\n".join(defects))
        self.defects = list(defects)


def release(names: Sequence[str] = (), root: Path = REPOSITORY, check: bool = False) -> list[str]:
    """Write ``root/exercises`` for the assignments named (or all), and return the names of those that changed.

    With ``check`` nothing is written; whatever would change is a defect. The gradebook of ``root`` is not touched. A
    fork's check makes the links to the repository that ``exercises`` was released for, so that an unedited fork passes.
    Raises BadInput for a request that makes no sense, Defective for assignments that can't be handed out.
    """
    sources, exercises_folder = root / "solutions", root / "exercises"
    chosen = choose(names, sources)
    environment = made_for(exercises_folder, chosen) if check else {}
    with tempfile.TemporaryDirectory(prefix="release_") as folder, Worker(environment) as worker:
        work = Path(folder)
        defects = []
        for name in chosen:
            try:
                make(name, root, work, worker)
            except Defective as error:
                defects += error.defects
        if defects:
            raise Defective(defects)
        changed = [name for name in chosen if differs(work / "release" / name, exercises_folder / name)]
        if check:
            stale = [] if names else sorted(set(assignments(exercises_folder)) - set(chosen))
            if changed or stale:
                raise Defective(
                    [f"exercises/{name} is not what solutions/{name} gives: run make exercises." for name in changed]
                    + [f"exercises/{name} has no source in solutions: delete it." for name in stale]
                )
            return []
        for name in changed:
            replace(work / "release" / name, exercises_folder / name)
        return changed


def made_for(exercises_folder: Path, chosen: Sequence[str]) -> dict[str, str]:
    """The environment in which links lead to the repository that all these released notebooks name, if it is one."""
    paths = [exercises_folder / name / f"{name}.ipynb" for name in chosen]
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.is_file()}
    named = {stated(f"exercises/{path.parent.name}/{path.name}", text) for path, text in texts.items()} - {None}
    return {"GITHUB_REPOSITORY": named.pop().slug} if len(named) == 1 else {}


def make(name: str, root: Path, work: Path, worker: Worker) -> None:
    """Generate and prove one assignment in the folder ``work``. Raises Defective."""
    source = read_source(root / "solutions", name)
    shutil.copytree(
        root / "solutions" / name, work / "source" / name, ignore=shutil.ignore_patterns(".*", "__pycache__")
    )
    course = work / "course"
    course.mkdir(exist_ok=True)
    try:
        answer = worker.ask("release", SECONDS, course=str(course), work=str(work), assignment=name)
        if "error" in answer:
            raise Defective([f"{name}: nbgrader can't make the student's version: {answer['error']}"])
        path = work / "release" / name / f"{name}.ipynb"
        released = nbformat.read(path, as_version=4)
        known = {exercise.name: exercise for exercise in exercises().values() if exercise.assignment == name}
        defects = [f"{name}: {defect}" for defect in defects_of(name, source, released, known, root / "book")]
        if not defects:
            defects = [f"{name}: {defect}" for defect in score_defects(name, source, released, known, work, worker)]
        if defects:
            raise Defective(defects)
    except WorkerFailed as error:
        raise Defective([f"{name}: nbgrader could not be run to its end: {error}."]) from None


# ---- what must be true of a released notebook -----------------------------------------------------------------------


def defects_of(
    name: str, source: NotebookNode, released: NotebookNode, known: dict[str, Exercise], book: Path
) -> Iterator[str]:
    """What is wrong with a released notebook, as far as reading it shows. ``book`` holds the chapters it links to."""
    if (released.nbformat, released.nbformat_minor) != (4, 5):
        yield f"it is in notebook format {released.nbformat}.{released.nbformat_minor}: save the source in format 4.5."
    try:
        nbformat.validate(copy_of(released))  # a copy, because validating repairs some things
    except nbformat.ValidationError as error:
        yield f"it is not a valid notebook: {str(error).splitlines()[0]}"
    for cell in source.cells:
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count):
            yield f"the source's cell {cell.id} has outputs: clear them."
    ids = Counter(cell.id for cell in released.cells)
    yield from (f"{n} cells have the id {key!r}." for key, n in ids.items() if n > 1)
    if home := re.search(r"(?:/home|/Users|/root|/tmp|/work)/[\w./-]+", text_of(released)):
        yield f"it names a path of one machine: {home.group()}"

    graded = [cell for cell in released.cells if is_grade(cell)]
    grade_ids = Counter(cell.metadata.nbgrader.grade_id for cell in released.cells if "nbgrader" in cell.metadata)
    yield from (f"{n} cells have the grade_id {key!r}." for key, n in grade_ids.items() if n > 1)
    headings = re.findall(r"^#+ +(.*)$", "\n".join(c.source for c in released.cells if c.cell_type == "markdown"), re.M)
    for anchor in {re.sub(r"[`*]", "", heading).strip().replace(" ", "-") for heading in headings} & grade_ids.keys():
        yield f"a heading has the anchor {anchor!r}, so formgrader takes no grade for {anchor}: word it otherwise."
    checks = {cell.metadata.nbgrader.grade_id: cell for cell in graded if cell.cell_type == "code"}
    yield from (f"{key} is not an exercise of {name} in the catalogue." for key in checks if key not in known)
    yield from (f"{key} is in the catalogue but the notebook has no check of it." for key in known if key not in checks)
    for key in checks.keys() & known.keys():
        yield from exercise_defects(known[key], checks[key], released)
    written = [cell for cell in graded if cell.cell_type == "markdown"]
    if not written:
        yield "it has no written question: add a Markdown cell that is both a grade and a solution cell."
    for cell in written:
        if not cell.metadata.nbgrader.points > 0:
            yield f"the written question {cell.metadata.nbgrader.grade_id} is worth no points."
    last = next((cell for cell in reversed(released.cells) if cell.cell_type == "code"), None)
    if last is None or last.source.strip() != f'summary("{name}")':
        yield f'its last code cell is not summary("{name}").'
    yield from leaks(source, released)
    yield from broken_links(released, book)


def exercise_defects(exercise: Exercise, check: NotebookNode, released: NotebookNode) -> Iterator[str]:
    """What is wrong with one exercise's cells."""
    name = exercise.name
    if check.source.strip() != f'check("{name}", {name})':
        yield f'the check of {name} is not check("{name}", {name}).'
    if check.metadata.nbgrader.points != exercise.points:
        here = check.metadata.nbgrader.points
        yield f"{name} is worth {here} points in the notebook, {exercise.points} in the catalogue."
    answer = next(
        (cell for cell in released.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == f"{name}-answer"), None
    )
    if answer is None or not is_solution(answer):
        yield f"{name} has no solution cell with the grade_id {name}-answer."
        return
    if released.cells.index(answer) > released.cells.index(check):
        yield f"the check of {name} comes before its answer."
    try:
        functions = [
            node for node in ast.walk(ast.parse(answer.source)) if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]
    except SyntaxError as error:
        yield f"the stub of {name} is not valid Python: {error.msg} in line {error.lineno}."
        return
    stub = next((node for node in functions if node.name == name), None)
    if stub is None:
        yield f"the stub of {name} does not define {name}: keep the def line outside the solution region."
        return
    if not any(isinstance(node, ast.Raise) and "NotImplementedError" in ast.unparse(node) for node in ast.walk(stub)):
        yield f"the stub of {name} does not raise NotImplementedError."
    if not ast.get_docstring(stub):
        yield f"the stub of {name} has no docstring: keep it outside the solution region."
    if isinstance(stub, ast.FunctionDef):
        asked = [argument.arg for argument in [*stub.args.posonlyargs, *stub.args.args, *stub.args.kwonlyargs]]
        wanted = list(inspect.signature(exercise.reference).parameters)
        if asked != wanted:
            yield f"the stub of {name} takes {', '.join(asked)}, the reference {', '.join(wanted)}."


def leaks(source: NotebookNode, released: NotebookNode) -> Iterator[str]:
    """Lines of a model answer that stand in the release though they stand nowhere else in the source."""
    inside, outside = [], []
    for cell in source.cells:
        hidden = False
        whole = is_solution(cell) and not BEGIN.search(cell.source)
        for line in cell.source.splitlines():
            hidden = (hidden or bool(BEGIN.search(line))) and not END.search(line)
            marker = BEGIN.search(line) or END.search(line)
            if not marker:
                (inside if hidden or whole else outside).append(line.split("  #")[0].strip())
    shown, elsewhere = text_of(released), "\n".join(outside)
    for line in dict.fromkeys(inside):
        if len(line) > 3 and line in shown and line not in elsewhere:
            yield f"a line of a model answer is in the release: {line!r}"


def text_of(notebook: NotebookNode) -> str:
    """All that a reader of the file could find: sources, outputs, metadata, attachments."""
    rest = [{key: value for key, value in cell.items() if key != "source"} for cell in notebook.cells]
    return "\n".join(
        [*(cell.source for cell in notebook.cells), json.dumps([rest, notebook.metadata], ensure_ascii=False)]
    )


def broken_links(released: NotebookNode, book: Path) -> Iterator[str]:
    """Links to sections of the book that no chapter has."""
    text = "\n".join(cell.source for cell in released.cells if cell.cell_type == "markdown")
    links = re.findall(r"/book/([\w-]+)\.(?:html|md)(?:#([\w-]+))?\)", text)
    for page in dict.fromkeys(page for page, _ in links):
        chapter = book / f"{page}.md"
        if not chapter.is_file():
            yield f"it links to the chapter {page}, which book/ hasn't."
            continue
        labels = [label for linked, label in dict.fromkeys(links) if linked == page and label]
        lines = chapter.read_text(encoding="utf-8").splitlines()
        for label in labels:
            if f"({label})=" not in lines:
                yield f"it links to {page}#{label}, but book/{page}.md has no label ({label})=."
    for link in dict.fromkeys(re.findall(r"\]\((\.[^)]*)\)", text)):
        yield f"it links to {link}, which isn't there in Colab or on a hub."


def score_defects(
    name: str, source: NotebookNode, released: NotebookNode, known: dict[str, Exercise], work: Path, worker: Worker
) -> Iterator[str]:
    """What is wrong with the scores of the blank notebook and of the model answers, graded by nbgrader."""
    full = sum(exercise.points for exercise in known.values())
    for student, notebook, wanted in [("blank", released, 0.0), ("solved", solved(released, source), full)]:
        write(notebook, work / "submitted" / student / name / f"{name}.ipynb")
        answer = worker.ask(
            "grade",
            SECONDS,
            course=str(work / "course"),
            work=str(work),
            assignment=name,
            student=student,
            execute=True,
            confined=False,  # the model answers are our own
        )
        if "error" in answer:
            yield f"the {student} notebook can't be graded: {answer['error']}"
            continue
        if answer["max_code_score"] != full:
            yield f"its checks are worth {answer['max_code_score']} points, the catalogue's exercises {full}."
        if answer["code_score"] != wanted:
            wrong = [key for key in known if answer["parts"][key] != (known[key].points if student == "solved" else 0)]
            yield (
                f"the {student} notebook scores {answer['code_score']} instead of {wanted}: see {', '.join(wrong)}"
                + (
                    f" (first error: {answer['first_error']})."
                    if student == "solved" and answer["first_error"]
                    else "."
                )
            )
        yield from (f"the {student} notebook: {note}" for note in answer["notes"])


# ---- writing --------------------------------------------------------------------------------------------------------


def differs(new: Path, old: Path) -> bool:
    """Whether two folders hold other files, or files with other contents."""
    inside = [{path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} for folder in (new, old)]
    return inside[0] != inside[1] or any(not filecmp.cmp(new / path, old / path, shallow=False) for path in inside[0])


def replace(new: Path, old: Path) -> None:
    """Put the folder ``new`` in the place of ``old``; what is not moved into place in full is not seen there."""
    old.parent.mkdir(exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{old.name}.", dir=old.parent))
    try:
        shutil.copytree(new, fresh / "new")
        if old.exists():
            os.replace(old, fresh / "old")
        os.replace(fresh / "new", old)
    except OSError:
        if (fresh / "old").exists() and not old.exists():
            os.replace(fresh / "old", old)
        raise
    finally:
        shutil.rmtree(fresh)
