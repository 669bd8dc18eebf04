"""Plain nbgrader commands under our settings, in a course directory: from the instructor to a student and back."""

import csv
import os
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


def test_what_students_put_into_the_exchange_is_collected_only_as_far_as_it_is_theirs(round_trip, model, capfd):
    """Links, pipes, names that say nothing: none leads anywhere, and none keeps others from being collected."""
    course, _, at = round_trip
    at(course, f"generate_assignment {NAME}")
    inbound = course.parent / "exchange" / "sample-course" / "inbound"
    for student in ("ada", "bob", "cy", "zoe"):
        folder = inbound / f"{student}+{NAME}+2026-01-31 11:00:00 UTC+x"
        write(model, folder / f"{NAME}.ipynb")
        (folder / "timestamp.txt").write_text("2026-01-31 11:00:00 UTC")
    secret = course.parent / "secret"
    secret.mkdir()
    (secret / "notes.txt").write_text("for the instructor's eyes")
    ada, bob, cy = (inbound / f"{student}+{NAME}+2026-01-31 11:00:00 UTC+x" for student in ("ada", "bob", "cy"))
    (bob / f"{NAME}.ipynb").unlink()
    (bob / f"{NAME}.ipynb").symlink_to(ada / f"{NAME}.ipynb")
    (bob / "more").symlink_to(secret)
    (bob / "nowhere").symlink_to(bob / "gone")
    os.mkfifo(bob / "pipe")
    (bob / "data").mkdir()
    (bob / "data" / "mine.txt").write_text("bob's")
    (bob / "data" / "notes.txt").symlink_to(secret / "notes.txt")
    with (cy / "huge").open("wb") as file:
        file.truncate(200_000_000)
    (inbound / f"dan+{NAME}+2026-01-31 11:00:00 UTC+x").symlink_to(ada)
    (inbound / f"eve+{NAME}+tomorrow+x").mkdir()
    write(model, inbound / f"..+{NAME}+2026-01-31 11:00:00 UTC+x" / f"{NAME}.ipynb")
    at(course, f"collect {NAME}")
    told = capfd.readouterr().err
    taken = {str(path.relative_to(course / "submitted")) for path in (course / "submitted").rglob("*")
             if not path.is_dir()}  # fmt: skip
    whole = {
        f"{student}/{NAME}/{name}" for student in ("ada", "cy", "zoe") for name in (f"{NAME}.ipynb", "timestamp.txt")
    }
    assert taken == whole | {f"bob/{NAME}/timestamp.txt", f"bob/{NAME}/data/mine.txt"}
    assert {path.name for path in course.iterdir()} == {
        "solutions", "exercises", "submitted", "gradebook.db", "nbgrader_config.py",
    }  # fmt: skip
    for said in ("more is left out: a link", "pipe is left out: no regular file", "huge is left out: too large",
                 f"eve+{NAME}+tomorrow+x is not collected: its name", "dan+"):  # fmt: skip
        assert said in told


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
