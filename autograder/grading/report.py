"""What the grading of a class says, as facts: who scored what, how each exercise did, which mistakes were made.

The points are the gradebook's, manual ones included. What was wrong with an answer is read from the checks of the
autograded notebooks, where `autograder.grading.verdict` has left it as data. Reasons and remarks are the journal's.
`autograder.grading.page` makes a page of all this.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from contextlib import chdir, suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbgrader.api import BaseCell, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook
from nbgrader.utils import is_grade, is_solution
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config

from autograder import report
from autograder.check import MIME
from autograder.exercise import Exercise, Mistake
from autograder.grading import config
from autograder.grading.course import BadInput, assignments, choose, read_source, sources
from autograder.grading.grade import directory, journal_folder, submissions, try_gradebook
from autograder.grading.likeness import Group, Question, alike
from autograder.grading.verdict import asked_by

FEWEST = 10  # hand-ins from which on a correlation is worth a number
REFUSED = "**This submission could not be graded.** "  # `notebooks.refused` writes it


@dataclass
class HandIn:
    """One student's graded hand-in. ``told`` holds what each check left as data, ``answers`` the sources, by name."""

    student: str
    score: float = 0.0
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    told: dict[str, dict] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """A known mistake of an exercise: who made it, and where the chapter speaks of it."""

    mistake: Mistake
    students: tuple[str, ...]
    address: str
    section: str


@dataclass(frozen=True)
class Part:
    """One exercise, or one written question, and how the class did on it.

    ``ease`` is the mean share of the points. ``discrimination`` is the correlation of the points with the points for
    the other checks, None where there are too few hand-ins or all have the same. ``kinds`` says how many answers came
    to which end, ``called`` which library routines that the exercise asks to build were called, and by whom.
    """

    name: str
    most: float
    written: bool
    count: int
    ease: float | None
    discrimination: float | None
    kinds: dict[str, int]
    known: tuple[Known, ...]
    address: str = ""
    called: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Report:
    """All that is said of one assignment. ``graded`` are the hand-ins that count; ``refused`` those with a reason."""

    name: str
    most: float
    graded: list[HandIn]
    refused: list[HandIn]
    waiting: list[str]  # handed in, not graded yet
    absent: list[str]  # in the gradebook's list of students, nothing handed in
    parts: list[Part]
    groups: list[Group]
    as_model: dict[str, list[str]]
    torn: int  # lines of the journal that can't be read

    @property
    def to_read(self) -> int:
        return sum(bool(one.unread) for one in self.graded)

    def checks(self, one: HandIn) -> float:
        """The points that a hand-in has from checks alone."""
        return sum(one.marks.get(part.name, 0.0) for part in self.parts if not part.written)

    @property
    def most_checks(self) -> float:
        return sum(part.most for part in self.parts if not part.written)


def reports(names: Sequence[str], course: Path = config.REPOSITORY) -> list[Report]:
    """The report on each assignment named, or on all that are graded. Raises BadInput where there is nothing to say."""
    course = course.absolute()
    if not course.is_dir():
        raise BadInput(f"There is no course directory {course}: name one with --course.")
    try:
        settings = config.load(course)
    except Exception as error:  # an instructor's own Python file may raise anything
        raise BadInput(f"{course / config.FILE} can't be used: {type(error).__name__}: {error}.") from None
    chosen = choose(names, sources(course)) if names else assignments(sources(course))
    found = []
    with chdir(course):  # what a relative db_url is relative to
        for name in chosen:
            made = examine(name, course, settings)
            if made.graded or made.refused:
                found.append(made)
            elif names:
                raise BadInput(f"Nothing is graded yet for {name}: run autograder grade {name} first.")
    if not found:
        raise BadInput("Nothing is graded yet: run autograder grade with an assignment first.")
    return found


def examine(name: str, course: Path, settings: Config) -> Report:
    """Everything about one assignment. Writes nothing into the course."""
    source = read_source(sources(course), name)
    hand_ins, roster = marks(name, settings)
    journal, torn = remarks(journal_folder(course, settings) / f"{name}.jsonl")
    for one in hand_ins.values():
        said = journal.get(one.student, {})
        one.reason = text(said.get("reason"))
        one.notes = [note for note in listed(said.get("notes")) if text(note)]
        where = directory(settings).format_path(directory(settings).autograded_directory, one.student, name)
        look(one, Path(where) / f"{name}.ipynb")
    handed_in = [folder.parent.name for folder in submissions(name, settings)]
    graded = [one for one in hand_ins.values() if not one.reason]
    modules = settings.RunCells.exercises if isinstance(settings.RunCells.get("exercises"), list) else []
    parts = [
        part(cell, asked.exercise if (asked := asked_by(cell.source, modules)) else None, source, graded)
        for cell in source.cells
        if is_grade(cell)
    ]
    questions = [
        Question(cell.metadata.nbgrader.grade_id, cell.cell_type == "code", cell.source)
        for cell in source.cells
        if is_solution(cell)
    ]
    groups, as_model = alike(questions, {one.student: one.answers for one in graded})
    return Report(
        name,
        sum(one.most for one in parts),
        graded,
        [one for one in hand_ins.values() if one.reason],
        [student for student in handed_in if student not in hand_ins],
        [student for student in roster if student not in hand_ins and student not in handed_in],
        parts,
        groups,
        as_model,
        torn,
    )


# ---- where it comes from --------------------------------------------------------------------------------------------


def marks(name: str, settings: Config) -> tuple[dict[str, HandIn], list[str]]:
    """The hand-ins in the gradebook, by student, and the list of all students. Raises BadInput if it can't be read."""
    url = directory(settings).db_url
    try_gradebook(url)
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return {}, []
    found: dict[str, HandIn] = {}
    half_done = set()
    try:
        with Gradebook(url, directory(settings).course_id) as book:
            roster = sorted(student for (student,) in book.db.query(Student.id))
            rows = (
                book.db.query(
                    Student.id,
                    BaseCell.name,
                    Grade.score,
                    Grade.needs_manual_grade,
                    Grade.auto_score,
                    Grade.cell_type,
                    SubmittedNotebook.id,
                    SubmittedNotebook.late_submission_penalty,
                )
                .select_from(Grade)
                .join(BaseCell, Grade.cell_id == BaseCell.id)
                .join(SubmittedNotebook, Grade.notebook_id == SubmittedNotebook.id)
                .join(SubmittedAssignment, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
                .join(Student, SubmittedAssignment.student_id == Student.id)
                .filter(SubmittedAssignment.assignment.has(name=name))
            )
            penalties = {}
            for student, cell, score, unread, automatic, kind, notebook, penalty in rows:
                one = found.setdefault(student, HandIn(student))
                one.marks[cell] = score
                one.score += score
                penalties[student, notebook] = penalty or 0.0
                if unread:
                    one.unread.add(cell)
                if kind == "code" and automatic is None:  # a run was ended before it came to this check
                    half_done.add(student)
            for (student, _), penalty in penalties.items():
                found[student].score -= penalty
    except SQLAlchemyError as error:
        raise BadInput(f"The gradebook can't be read: {str(error).splitlines()[0]}.") from None
    return {student: found[student] for student in sorted(found) if student not in half_done}, roster


def remarks(path: Path) -> tuple[dict[str, dict], int]:
    """The journal's last word on each student, and how many of its lines can't be read. BadInput if none can be."""
    if not path.exists():
        return {}, 0
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise BadInput(f"The journal {path} can't be read: {error.strerror}.") from None
    found, torn = {}, 0
    for line in lines:
        said = None
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
        if isinstance(said, dict) and isinstance(said.get("student"), str):
            found[said["student"]] = said
        else:
            torn += 1
    if torn and not found:
        raise BadInput(
            f"The journal {path} is damaged: put a copy in its place, or delete it and run autograder grade again."
        )
    return found, torn


def look(one: HandIn, path: Path) -> None:
    """Add to a hand-in what its autograded notebook says."""
    try:
        cells = nbformat.read(path, as_version=4).cells
    except Exception as error:  # whatever is wrong with it, the page is made without it
        one.notes.append(f"Its graded notebook can't be read ({type(error).__name__}): what was wrong is not known.")
        return
    for cell in cells:
        if cell.get("id") == "not-graded" and cell.source.startswith(REFUSED):
            one.reason = one.reason or cell.source.removeprefix(REFUSED)
        grade_id = text(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if is_solution(cell):
            one.answers[grade_id] = cell.source
        elif is_grade(cell):
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    one.told[grade_id] = {"unanswered": text(output.get("evalue"))}
                elif isinstance(told := output.get("data", {}).get(MIME), dict):
                    one.told[grade_id] = told


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def listed(value: object) -> list:
    return value if isinstance(value, list) else []


# ---- what it comes to -----------------------------------------------------------------------------------------------


def part(cell: nbformat.NotebookNode, exercise: Exercise | None, source: nbformat.NotebookNode, graded: list[HandIn]):
    """How the class did on the exercise or the question of one cell of the source."""
    name, written = cell.metadata.nbgrader.grade_id, is_solution(cell)
    counted = [one for one in graded if name in one.marks and not (written and name in one.unread)]
    others = [
        other.metadata.nbgrader.grade_id
        for other in source.cells
        if is_grade(other) and not is_solution(other) and other is not cell
    ]
    earned = [one.marks[name] for one in counted]
    rest = [sum(one.marks.get(other, 0.0) for other in others) for one in counted]
    most = float(cell.metadata.nbgrader.points)
    ends = [end(one.told.get(name, {})) for one in counted if not written]
    return Part(
        name,
        most,
        written,
        len(counted),
        statistics.fmean(earned) / most if earned and most else None,
        correlation(earned, rest),
        {kind: ends.count(kind) for kind in dict.fromkeys(ends)},
        known(exercise, counted) if exercise else (),
        report.address(exercise.assignment, exercise.section) if exercise else "",
        callers(name, counted),
    )


def correlation(earned: Sequence[float], rest: Sequence[float]) -> float | None:
    """Pearson's; of right and wrong with points it is the point-biserial one. None where it would say nothing."""
    if len(earned) < FEWEST or len(set(earned)) < 2 or len(set(rest)) < 2:
        return None
    return statistics.correlation(earned, rest)


def end(told: dict) -> str:
    """What an answer came to, in a word or two."""
    if told.get("passed") is True:
        return "right"
    if told.get("mistakes"):
        return "a known mistake"
    if told.get("unanswered") or not told:
        return "not checked"
    return ENDS.get(text(told.get("complaint")), "something else")


ENDS = {
    "unsolved": "not written",
    "value": "other numbers",
    "nonfinite": "NaN or infinity",
    "shape": "wrong shape",
    "type": "wrong type",
    "dtype": "wrong dtype",
    "device": "wrong device",
    "exception": "an error",
    "recursion": "an error",
    "signature": "other parameters",
    "parameters": "other parameters",
    "timeout": "too slow",
    "edited": "input changed",
    "no-gradient": "no gradient",
    "missing": "other outputs",
    "surplus": "other outputs",
}


def callers(name: str, counted: list[HandIn]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The library routines that were called where an own one was asked for, each with the students who did."""
    found = defaultdict(list)
    for one in counted:
        for routine in listed(one.told.get(name, {}).get("called")):
            found[text(routine)].append(one.student)
    return tuple((routine, tuple(students)) for routine, students in sorted(found.items()))


def known(exercise: Exercise, counted: list[HandIn]) -> tuple[Known, ...]:
    """The known mistakes that were made, the most frequent first."""
    made = defaultdict(list)
    for one in counted:
        for name in listed(one.told.get(exercise.name, {}).get("mistakes")):
            made[text(name)].append(one.student)
    found = []
    for mistake in exercise.mistakes:
        if students := made.get(mistake.name):
            section = mistake.section or exercise.section
            found.append(Known(mistake, tuple(students), report.address(exercise.assignment, section), section))
    return tuple(sorted(found, key=lambda one: -len(one.students)))
