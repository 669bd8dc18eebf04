"""``autograder grade``: every submission ends with a score or a stated reason, whatever state it is in."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from io import StringIO

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from nbgrader.api import Gradebook
from rich.console import Console
from sample_course import CONFINED, NAME, answered, cell_of, hand_in, make_course, mark

from autograder.grading.course import BadInput
from autograder.grading.grade import Journal, grade
from autograder.grading.notebooks import MAX_BYTES, copy_of, write

WARNING = "import sys\ndef double(x):\n    print('!', file=sys.stderr)\n    return 2 * x"
RIGHT = "def double(x):\n    return 2 * x"


def run(course, **options):
    """Grade the sample assignment: exit status, what was printed, and the outcomes by student."""
    console = Console(file=StringIO(), width=200)
    status = grade([NAME], course, console=console, confined=CONFINED, **options)
    return status, console.file.getvalue(), outcomes(course)


def outcomes(course):
    return Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes


def open_gradebook(course):
    return Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course")


def duplicated(model):
    """An answer copied and worked on in the copy, and a check copied too."""
    notebook = copy_of(model)
    at = notebook.cells.index(cell_of(notebook, "double"))
    copies = [copy_of(notebook.cells[at - 1]), copy_of(notebook.cells[at])]
    notebook.cells[at - 1].source = "def double(x):\n    return 3 * x"
    for n, cell in enumerate(copies):
        cell.id = f"copy-{n}"
    notebook.cells[at + 1 : at + 1] = copies
    return notebook


def without(model, *grade_ids):
    notebook = copy_of(model)
    for grade_id in grade_ids:
        notebook.cells.remove(cell_of(notebook, grade_id))
    return notebook


def rewritten(model):
    """The answer cell deleted, the function written again in a cell of the student's own."""
    notebook = copy_of(model)
    at = notebook.cells.index(cell_of(notebook, "double-answer"))
    notebook.cells[at] = new_code_cell(RIGHT)
    return notebook


def helped(model):
    """An answer that needs a helper in a cell of the student's own, and an import that was added to a released cell."""
    notebook = answered(model, double="def double(x):\n    return twice(x) + np_zero")
    at = notebook.cells.index(cell_of(notebook, "double-answer"))
    notebook.cells.insert(at, new_code_cell("def twice(x):\n    return x + x"))
    next(
        cell for cell in notebook.cells if cell.id == "imports"
    ).source = "import math\nfrom autograder import check\nnp_zero = 0"
    return notebook


def tampered(model):
    """Points, flags, tags and a check changed: 100 points for nothing."""
    notebook = answered(model, double="", root="")
    check = cell_of(notebook, "root")
    check.source = "100.0"
    check.metadata.nbgrader.points = 100
    cell_of(notebook, "double").metadata.tags = ["skip-execution"]
    return notebook


def as_colab_saves(model):
    """Format 4.0, ids in the metadata, Colab's own metadata, sources as lists."""
    content = json.loads(nbformat.writes(model))
    content["nbformat_minor"] = 0
    content["metadata"]["colab"] = {"provenance": []}
    for cell in content["cells"]:
        cell["metadata"]["id"] = cell.pop("id")
    return json.dumps(content)


def as_format_3(model):
    return nbformat.writes(nbformat.convert(copy_of(model), 3), version=3)


def with_format(model, version):
    return json.dumps(json.loads(nbformat.writes(model)) | {"nbformat": version})


def with_a_lone_surrogate(model):
    return nbformat.writes(answered(model, why="SURROGATE because")).replace("SURROGATE", "\\ud800")


def foreign():
    return nbformat.v4.new_notebook(
        cells=[new_code_cell("print('hello')", metadata=mark(grade_id="other", grade=True))]
    )


SCORED = {  # student: (what is handed in, given the model answer; points for double, for root)
    "solved": (lambda model: model, 2, 3),
    "partly": (lambda model: answered(model, root="def root(x):\n    return x"), 2, 0),
    "raises": (lambda model: answered(model, double="1 / 0"), 0, 3),
    "no-python": (lambda model: answered(model, double="def double(x: return"), 0, 3),
    "exits": (lambda model: answered(model, double="import os\ndef double(x): os._exit(0)"), 0, 3),
    "exits-at-once": (lambda model: answered(model, double=RIGHT + "\nimport os; os._exit(0)"), 0, 3),
    "hangs": (lambda model: answered(model, double="import time\ndef double(x):\n    time.sleep(1000)"), 0, 3),
    "floods": (lambda model: answered(model, double=RIGHT + "\nwhile True: print('x' * 50)"), 2, 3),
    "warns": (lambda model: answered(model, double=WARNING), 2, 3),
    "duplicated": (duplicated, 2, 3),
    "answer-deleted": (lambda model: without(model, "root-answer"), 2, 0),
    "check-deleted": (lambda model: without(model, "double", "root"), 2, 3),
    "rewritten": (rewritten, 2, 3),
    "helped": (helped, 2, 3),
    "tampered": (tampered, 0, 0),
    "colab": (as_colab_saves, 2, 3),
    "format-3": (as_format_3, 2, 3),
    "utf-16": (lambda model: nbformat.writes(model).encode("utf-16"), 2, 3),
    "surrogate": (with_a_lone_surrogate, 2, 3),
}  # fmt: skip

REFUSED = {  # student: (what is handed in, a part of the reason)
    "empty": (lambda model: b"", "is empty"),
    "bad-json": (lambda model: nbformat.writes(model)[:-20], "not valid JSON"),
    "binary": (lambda model: bytes(range(256)) * 9, "not a text file in UTF-8"),
    "latin-1": (lambda model: '{"nbformat": 4, "cells": ["é"]}'.encode("latin-1"), "not a text file in UTF-8"),
    "deep": (lambda model: "[" * 100_000, "not valid JSON"),
    "list": (lambda model: "[]", "names no notebook format"),
    "no-cells": (lambda model: '{"nbformat": 4}', "no cells"),
    "format-99": (lambda model: with_format(model, 99), "format 99"),
    "foreign": (lambda model: foreign(), "none of the assignment's 3 answer cells"),
    "oversize": (lambda model: b" " * (MAX_BYTES + 1), "the limit is 20 MB"),
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory, gradebook, blank, model):
    """A course in which everybody above has handed in, graded once."""
    course = make_course(tmp_path_factory.mktemp("grade") / "course", gradebook)
    hand_in(course, "blank", blank)
    for student, (make, *_) in (SCORED | REFUSED).items():
        hand_in(course, student, make(model))
    renamed = hand_in(course, "renamed", model)
    renamed.rename(renamed.with_name(f"{NAME} (1).ipynb"))
    folder = course / "submitted"
    (folder / "missing" / NAME).mkdir(parents=True)
    (folder / "folder" / NAME / f"{NAME}.ipynb").mkdir(parents=True)
    (folder / "link" / NAME).mkdir(parents=True)
    (folder / "link" / NAME / f"{NAME}.ipynb").symlink_to(renamed.with_name(f"{NAME} (1).ipynb"))
    (folder / "pipe" / NAME).mkdir(parents=True)
    os.mkfifo(folder / "pipe" / NAME / f"{NAME}.ipynb")
    hand_in(course, "two", model).rename(folder / "two" / NAME / "a.ipynb")
    shutil.copy(folder / "two" / NAME / "a.ipynb", folder / "two" / NAME / "b.ipynb")
    hand_in(course, "no time", model).with_name("timestamp.txt").write_text("yesterday, I think")
    hand_in(course, "a]b {c}", model)
    (folder / ".ipynb_checkpoints").mkdir()
    return course, run(course)


def test_a_batch_with_every_damage_ends_well(graded):
    course, (status, printed, found) = graded
    assert status == 0
    assert set(found) == {path.name for path in (course / "submitted").glob("[!.]*")}
    with open_gradebook(course) as book:
        assert {submission.student.id for submission in book.assignment_submissions(NAME)} == set(found)
    for student in found:
        assert student in printed
        assert (course / "autograded" / student / NAME / f"{NAME}.ipynb").is_file()


@pytest.mark.parametrize("student", SCORED)
def test_scores_are_what_was_earned(graded, student):
    _, (_, _, found) = graded
    _, double, root = SCORED[student]
    outcome = found[student]
    assert (outcome.parts["double"], outcome.parts["root"]) == (double, root), outcome
    assert outcome.reason == ""
    assert outcome.to_read


def test_a_blank_notebook_scores_nothing_and_has_nothing_to_read(graded):
    outcome = graded[1][2]["blank"]
    assert (outcome.score, outcome.max_score, outcome.max_code_score, outcome.to_read) == (0, 9, 5, False)


@pytest.mark.parametrize(
    ("student", "reason"),
    [(student, reason) for student, (_, reason) in REFUSED.items()]
    + [
        ("missing", "There is no 00-sample.ipynb"),
        ("folder", "is a folder"),
        ("link", "is a link"),
        ("pipe", "is not a regular file"),
        ("two", "a.ipynb, b.ipynb: which one is meant?"),
    ],
)
def test_what_cant_be_graded_has_its_reason_everywhere(graded, student, reason):
    course, (_, printed, found) = graded
    outcome = found[student]
    assert reason in outcome.reason
    assert outcome.score == 0
    assert outcome.reason.endswith((".", "?")) and "\n" not in outcome.reason
    feedback = (course / "autograded" / student / NAME / f"{NAME}.ipynb").read_text()
    assert reason in feedback
    assert f"not graded: {outcome.reason[:20]}" in printed


def test_what_was_put_right_is_said(graded):
    found = graded[1][2]
    assert found["renamed"].notes == [f"Renamed: taken from {NAME} (1).ipynb."]
    assert found["renamed"].code_score == 5
    assert "double-answer: 2 copies of the answer cell; the last changed one counts." in found["duplicated"].notes
    assert "root-answer: the answer cell was deleted." in found["answer-deleted"].notes
    assert any("ended the Python process" in note for note in found["exits"].notes)
    assert "double: it took longer than 5 seconds." in found["hangs"].notes
    assert "double-answer: stopped when its time was over." in found["floods"].notes
    assert any("which is no time" in note for note in found["no time"].notes)
    assert found["a]b {c}"].code_score == 5


def test_a_second_run_grades_nothing_again(graded, monkeypatch):
    course, (_, _, before) = graded
    monkeypatch.setattr("autograder.grading.grade.grade_one", lambda *_: pytest.fail("graded again"))
    _, printed, after = run(course)
    assert after == before
    assert "solved" in printed


@pytest.fixture
def small(tmp_path, gradebook, model):
    """A course with two hand-ins, not graded yet."""
    course = make_course(tmp_path / "course", gradebook)
    hand_in(course, "ada", model)
    hand_in(course, "bob", answered(model, root="def root(x):\n    return x"))
    return course


def set_manual(course, student, points):
    """What formgrader does when a person has read the written answer."""
    with open_gradebook(course) as book:
        written = book.find_grade("why", NAME, NAME, student)
        written.manual_score, written.needs_manual_grade = points, False
        book.db.commit()


def test_changed_hand_ins_are_graded_again_and_manual_grades_stay(small, model):
    run(small)
    set_manual(small, "ada", 3.5)
    _, printed, _ = run(small)
    ada = next(line for line in printed.splitlines() if " ada " in line)
    assert " 8.5 " in ada and "to be read" not in ada  # 2 + 3 + 3.5

    hand_in(small, "ada", answered(model, double="def double(x):\n    return x"))
    status, _, found = run(small)
    assert (status, found["ada"].score, found["ada"].code_score) == (0, 6.5, 3)

    before = found["bob"]
    _, _, found = run(small, force=True)
    assert found["ada"].score == 6.5
    assert found["bob"].parts == before.parts
    assert len((small / "autograded" / ".journal" / f"{NAME}.jsonl").read_text().splitlines()) == 2


def test_a_releases_cells_stay_in_the_gradebook_until_they_change(small):
    def cells():
        with closing(sqlite3.connect(small / "gradebook.db")) as gradebook:
            return sorted(gradebook.execute("select id, name from base_cell"))

    before = cells()
    assert run(small)[2]["ada"].max_code_score == 5
    assert cells() == before
    path = small / "solutions" / NAME / f"{NAME}.ipynb"
    source = nbformat.read(path, as_version=4)
    cell_of(source, "root").metadata.nbgrader.points = 30
    write(source, path)
    _, _, found = run(small)
    assert {one.max_code_score for one in found.values()} == {32}


def test_a_killed_run_goes_on_and_ends_with_the_same_result(small):
    program = (
        f"from pathlib import Path; import autograder.grading.grade as g; g.grade([{NAME!r}], Path({str(small)!r}), "
        f"confined={CONFINED})"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(small.glob("autograded/*/*/*.ipynb")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    journal = small / "autograded" / ".journal" / f"{NAME}.jsonl"
    with journal.open("a") as file:
        file.write('{"student": "ada", "finger')  # the write that the kill cut off
    status, _, found = run(small)
    assert (status, found["ada"].code_score, found["bob"].code_score) == (0, 5, 2)
    assert all(json.loads(line) for line in journal.read_text().splitlines()[-1:])


def test_a_submission_that_takes_the_grading_process_down_does_not_stop_the_batch(small, monkeypatch):
    from autograder.grading.worker import Worker

    ask = Worker.ask

    def sabotaged(self, kind, seconds, **job):
        if kind == "grade" and job["student"] == "ada" and job["execute"]:
            os.kill(self.process.pid, signal.SIGKILL)
        return ask(self, kind, seconds, **job)

    monkeypatch.setattr(Worker, "ask", sabotaged)
    status, _, found = run(small)
    assert status == 0
    assert found["ada"].reason == "It could not be graded: the grading process ended."
    assert found["ada"].score == 0
    assert found["bob"].code_score == 2


def test_a_name_that_nbgrader_cant_take_is_said_and_the_others_are_graded(tmp_path, gradebook, model):
    course = make_course(tmp_path / "course", gradebook)
    hand_in(course, "[red]", model)
    hand_in(course, "zoe", model)
    status, printed, found = run(course)
    assert status == 1  # it can't be in the gradebook
    assert "[red]" in printed and "rename the folder" in printed
    assert set(found) == {"zoe"}


# ---- bad input ------------------------------------------------------------------------------------------------------


def complaint(course, name=NAME, **options):
    """The one sentence that bad input gets, having made sure that nothing was written."""
    before = sorted(course.rglob("*")) if course.exists() else None
    with pytest.raises(BadInput) as error:
        grade([name], course, console=Console(file=StringIO()), **options)
    assert (sorted(course.rglob("*")) if course.exists() else None) == before
    sentence = str(error.value)
    assert sentence.endswith(".") or sentence.endswith("?")
    assert "\n" not in sentence
    return sentence


def test_an_unknown_assignment_gets_the_nearest_name(small):
    assert "did you mean '00-sample'?" in complaint(small, "0-sampel")


def test_a_course_that_is_not_there(tmp_path):
    assert "There is no course directory" in complaint(tmp_path / "nowhere")


def test_nothing_handed_in(tmp_path):
    assert "Nothing was handed in" in complaint(make_course(tmp_path / "course"))


def test_a_folder_that_cant_be_written_to(small):
    (small / "autograded").write_text("not a folder")
    assert "can't be written to" in complaint(small)


def test_a_locked_gradebook(small):
    with closing(sqlite3.connect(small / "gradebook.db")) as other:
        other.execute("create table busy (x)")
        other.execute("begin exclusive")
        assert "is locked" in complaint(small)


def test_a_gradebook_that_is_none(small):
    (small / "gradebook.db").write_text("marks: all excellent" * 50)
    assert "is not a gradebook" in complaint(small)


def test_a_missing_kernel(small):
    path = small / "solutions" / NAME / f"{NAME}.ipynb"
    path.write_text(path.read_text().replace('"name": "python3"', '"name": "julia-9"'))
    assert "needs the Jupyter kernel 'julia-9'" in complaint(small)


def test_a_damaged_source(small):
    (small / "solutions" / NAME / f"{NAME}.ipynb").write_text("{")
    assert "can't be read as a notebook" in complaint(small)


def test_a_config_that_fails(small):
    (small / "nbgrader_config.py").write_text("1 / 0")
    assert "can't be used: ZeroDivisionError" in complaint(small)


def test_alembic_is_found_beside_python_or_missed_in_one_sentence(small, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert "pip install alembic" in complaint(small)


def test_a_second_run_at_the_same_time(small):
    import fcntl

    folder = small / "autograded" / ".journal"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another autograder grade is at work" in complaint(small)


def test_a_machine_that_cant_confine_student_code(small, monkeypatch):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if name == "bwrap" else which(name, **more))
    sentence = complaint(small)
    assert "apt install bubblewrap" in sentence and "--unsafe-no-sandbox" in sentence
