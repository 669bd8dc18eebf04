"""Whatever happens to a run, and however it is spread, every hand-in ends with the same score."""

import random
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import nbformat
import psutil
import pytest
from nbgrader.api import Gradebook
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course

from autograder.grading.grade import Journal, Pool, grade
from autograder.grading.verdict import SECRET

STUDENTS = {
    "ada": {},
    "bob": {"root": "def root(x):\n    return x / 2"},
    "cy": {"double": "import os\ndef double(x): os._exit(1)"},
    "di": {"double": "def double(x):\n    return x + x\n", "why": "Because."},
}
KILLS = 4


@pytest.fixture
def course(tmp_path, sandboxed, gradebook, model):
    course = make_course(tmp_path / "course", gradebook)
    for student, answers in STUDENTS.items():
        hand_in(course, student, answered(model, **answers))
    (course / SECRET).write_text("0" * 64)  # the same cases in every run
    return course


def in_the_gradebook(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        return {submission.student.id: submission.score for submission in book.assignment_submissions(NAME)}


def scores(course):
    """What the gradebook holds, and that the journal agrees, as it does once a run has ended."""
    found = in_the_gradebook(course)
    journal = Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes
    assert found == {student: outcome.score for student, outcome in journal.items()}
    return found


def killed_run(course, seconds, force=False, until=lambda: False):
    """Start to grade, and end that without a word after some seconds, or as soon as ``until`` says so."""
    program = (
        f"from pathlib import Path; from autograder.grading.grade import grade; "
        f"grade([{NAME!r}], Path({str(course)!r}), workers=2, force={force})"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline and not until():
        time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.kill()
    process.wait()
    psutil.wait_procs(family, timeout=20)  # whoever grades for a run that is no more ends by itself


EARNED = {"ada": 5, "bob": 2, "cy": 3, "di": 5}


def test_several_workers_give_the_same_scores(course):
    assert grade([NAME], course, console=Console(file=StringIO()), workers=3) == 0
    assert scores(course) == EARNED


STEP = """
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor

class Greet(NbGraderPreprocessor):
    def preprocess(self, nb, resources):
        with Gradebook(db_url=resources["nbgrader"]["db_url"], course_id="sample-course") as book:
            names = resources["nbgrader"]
            nb.cells[0].source += " for " + book.find_submission(names["assignment"], names["student"]).student.id
        return nb, resources

c.Autograde.sanitize_preprocessors.append(Greet)
"""


def test_a_courses_own_step_before_the_grading_is_taken(course):
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(STEP)
    assert grade([NAME], course, console=Console(file=StringIO())) == 0
    assert scores(course) == EARNED
    graded = nbformat.read(course / "autograded" / "di" / NAME / f"{NAME}.ipynb", as_version=4)
    assert graded.cells[0].source.endswith(" for di")


def test_a_run_killed_while_a_hand_in_runs_leaves_no_submission_without_grades(course, model):
    hand_in(course, "ada", answered(model, double="import time\ntime.sleep(50)"))
    killed_run(course, 60, until=(course / "autograded" / "ada" / NAME / f"{NAME}.ipynb").exists)
    assert "ada" not in in_the_gradebook(course)


def test_runs_killed_at_random_points_lose_nothing(course):
    chance = random.Random(7)
    for number in range(KILLS):
        killed_run(course, chance.uniform(1, 8), force=number % 2 == 1)
    assert grade([NAME], course, console=Console(file=StringIO())) == 0
    assert scores(course) == EARNED


def test_no_more_is_staged_than_what_is_graded_and_what_comes_next(course, monkeypatch):
    staged, ask = [], Pool.ask

    def looked(pool, kind, seconds, **job):
        staged.append({path.name for path in Path(job["work"], "submitted").iterdir()})
        return ask(pool, kind, seconds, **job)

    monkeypatch.setattr(Pool, "ask", looked)
    assert grade([NAME], course, console=Console(file=StringIO())) == 0
    assert len(staged) == len(STUDENTS)
    assert max(map(len, staged)) <= 2
