"""Plain nbgrader commands under our settings, in a course directory: from the instructor to a student and back."""

import csv
import shutil
from contextlib import suppress

import nbformat
import pytest
from jupyter_core.application import NoStart
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderApp
from sample_course import CONFINED, NAME, answered, cell_of, make_course, sample_source

from autograder.grading.notebooks import copy_of, solved, write


def nbgrader(monkeypatch, folder, command):
    """Run one nbgrader command in a folder, as from a shell."""
    monkeypatch.chdir(folder)
    NbGraderApp.clear_instance()
    app = NbGraderApp.instance()
    with suppress(NoStart):  # how Jupyter's applications say that a subcommand has done the work
        app.initialize(command.split())
        app.start()
    app.reset()


@pytest.fixture
def round_trip(tmp_path, gradebook, monkeypatch):
    """A course, a student's folder, and ``at(folder, command)`` to run nbgrader in either."""
    course = make_course(tmp_path / "course", gradebook)
    desk = tmp_path / "student"
    desk.mkdir()
    shutil.copy(course / "nbgrader_config.py", desk)
    return course, desk, lambda folder, command: nbgrader(monkeypatch, folder, command)


def test_release_hand_in_collect_grade_feedback_export(round_trip, blank):
    course, desk, at = round_trip
    for _ in range(2):
        at(course, f"generate_assignment {NAME} --force")
        made = (course / "exercises" / NAME / f"{NAME}.ipynb").read_text()
        assert made == nbformat.writes(blank) + "\n"  # what `autograder release` gives, the second time too
    at(course, f"release_assignment {NAME}")
    for path in (course.parent / "exchange").rglob("*.ipynb"):
        assert "math.sqrt" not in path.read_text() and "model answer" not in path.read_text()

    at(desk, f"fetch_assignment {NAME} --course sample-course")
    fetched = nbformat.read(desk / NAME / f"{NAME}.ipynb", as_version=4)
    assert fetched == nbformat.read(course / "exercises" / NAME / f"{NAME}.ipynb", as_version=4)
    work = answered(solved(fetched, sample_source()), root="def root(x):\n    return -1", why="Because I say so.")
    at_answer = work.cells.index(cell_of(work, "double-answer"))
    work.cells.insert(at_answer, copy_of(work.cells[at_answer] | {"id": "copied"}))
    (desk / NAME / f"{NAME}.ipynb").chmod(0o644)
    write(work, desk / NAME / f"{NAME}.ipynb")
    at(desk, f"submit {NAME} --course sample-course")

    at(course, f"collect {NAME}")
    (student,) = [path.name for path in (course / "submitted").iterdir()]
    at(course, f"autograde {NAME}")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        submission = book.find_submission(NAME, student)
        assert (submission.score, submission.needs_manual_grade) == (2, True)
        written = book.find_grade("why", NAME, NAME, student)
        written.manual_score, written.needs_manual_grade = 3, False
        book.find_comment("why", NAME, NAME, student).manual_comment = "Say it with a formula."
        book.db.commit()

    at(course, f"autograde {NAME} --force")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        assert book.find_submission(NAME, student).score == 5  # the manual grade survived

    at(course, f"generate_feedback {NAME}")
    at(course, f"release_feedback {NAME}")
    at(desk, f"fetch_feedback {NAME} --course sample-course")
    (feedback,) = (desk / NAME / "feedback").rglob("*.html")
    assert "Say it with a formula." in feedback.read_text()

    at(course, "export --to grades.csv")
    (row,) = csv.DictReader((course / "grades.csv").open())
    assert (row["assignment"], row["student_id"], float(row["score"]), float(row["max_score"])) == (NAME, student, 5, 9)


def test_late_hand_ins_are_penalised_by_the_courses_rule(round_trip, model, monkeypatch):
    course, _, at = round_trip
    with (course / "nbgrader_config.py").open("a") as file:
        file.write('c.LateSubmissionPlugin.penalty_method = "zero"\n')
    at(course, f"db assignment add {NAME} --duedate=2026-01-31T12:00:00")
    at(course, f"generate_assignment {NAME}")
    for student, time in [("early", "2026-01-31 11:00:00 UTC"), ("late", "2026-01-31 13:00:00 UTC")]:
        write(model, course / "submitted" / student / NAME / f"{NAME}.ipynb")
        (course / "submitted" / student / NAME / "timestamp.txt").write_text(time)
    at(course, f"autograde {NAME}")
    at(course, "export --to grades.csv")
    rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader((course / "grades.csv").open())}
    assert rows == {"early": 5, "late": 0}

    from autograder.grading.grade import Journal, grade

    assert grade([NAME], course, force=True, confined=CONFINED) == 0
    journal = Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl")
    assert {student: outcome.score for student, outcome in journal.outcomes.items()} == rows


def test_downloads_from_a_learning_platform_are_collected_by_their_names(round_trip, model):
    course, _, at = round_trip
    downloads = course / "downloaded" / NAME / "archive"
    names = {
        "ada": f"ada_{NAME}.ipynb",
        "bob7": f"bob7_871_23_{NAME}-1.ipynb",
        "cy.d-e": f"cy.d-e_{NAME} (2).ipynb",
        "eve": f"eve_assignsubmission_file_{NAME}.ipynb",
    }
    for name in names.values():
        write(model, downloads / name)
    at(course, f"zip_collect {NAME}")
    collected = {path.parent.parent.name for path in (course / "submitted").glob(f"*/{NAME}/{NAME}.ipynb")}
    assert collected == set(names)
