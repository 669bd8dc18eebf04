"""Right answers score full however they are written, twice the same, and as the student's own check said they would."""

from io import StringIO

import nbformat
import pytest
from by_value import as_answer
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course

from autograder import judge
from autograder.catalogue import exercises
from autograder.exercise import Case
from autograder.grading.config import REPOSITORY
from autograder.grading.grade import Journal, grade
from autograder.grading.notebooks import solved

DOUBLE = "\ndef double(x):\n    {}return 2 * x\n"
RIGHT = {  # answers to double
    "loop": "def double(x):\n    total = 0\n    for _ in range(2): total += x\n    return total",
    "einsum": "import numpy as np\ndef double(x):\n    return np.einsum('i,i->', np.ones(2), np.full(2, x))",
    "float64": "import numpy as np\ndef double(x):\n    return np.float64(2) * x",
    "an array of no axes": "import numpy as np\ndef double(x):\n    return np.asarray(2 * x)",
    "object": "class Doubler:\n    def __call__(self, x):\n        return 2 * x\ndouble = Doubler()",
    "lambda": "from functools import partial\ndouble = lambda x: partial(lambda n, y: n * y, 2)(x)",
    "decorated": "from functools import cache\n@cache\ndef double(x: float, *, n: int = 2) -> float:\n    return n * x",
    "prints": "print('here')" + DOUBLE.format("print('x is', x, flush=True); "),
    "stderr": "import sys\nprint('!', file=sys.stderr)" + DOUBLE.format("print('!', file=sys.stderr); "),
    "warning": "import warnings\nwarnings.warn('old')" + DOUBLE.format("warnings.warn('old'); "),
    "strict": "import warnings\nwarnings.simplefilter('error')" + DOUBLE.format(""),
    "logging": "import logging\nlogging.basicConfig(level=0)" + DOUBLE.format("logging.error(x); "),
    "plots": "import matplotlib.pyplot as plt\nplt.plot([1])" + DOUBLE.format("plt.plot([x]); plt.show(); "),
    "slow": "import time" + DOUBLE.format("time.sleep(0.3); "),
    "threads": "from threading import Thread" + DOUBLE.format("t = Thread(target=print); t.start(); t.join(); "),
    "random": "import random" + DOUBLE.format("random.seed(); random.random(); "),
    "moves": "import os\nos.chdir('/tmp')" + DOUBLE.format("os.environ['A'] = 'b'; os.chdir('/'); "),
    "async": "import asyncio\nawait asyncio.sleep(0)" + DOUBLE.format(""),
    "magic": "%matplotlib inline\n%time 1 + 1" + DOUBLE.format(""),
}


def parts(course, assignment=NAME):
    found = Journal(course / "autograded" / ".journal" / f"{assignment}.jsonl").outcomes
    return {student: outcome.parts for student, outcome in found.items()}


def run(course, assignment=NAME, **options):
    assert grade([assignment], course, console=Console(file=StringIO()), **options) == 0
    return parts(course, assignment)


def outputs(course):
    """What the feedback of a wrong answer is made of."""
    graded = nbformat.read(course / "autograded" / "wrong" / NAME / f"{NAME}.ipynb", as_version=4)
    return [cell.get("outputs") for cell in graded.cells]


@pytest.fixture(scope="module")
def styles(tmp_path_factory, sandboxed, gradebook, model):
    course = make_course(tmp_path_factory.mktemp("styles") / "course", gradebook)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write("c.Execute.timeout = 120\n")  # a busy machine imports Matplotlib slowly
    for student, answer in RIGHT.items():
        hand_in(course, student, answered(model, double=answer))
    hand_in(course, "wrong", answered(model, double="def double(x):\n    return x * x"))
    return course, run(course, workers=2)


@pytest.mark.parametrize("style", RIGHT)
def test_right_answers_score_full(styles, style):
    assert styles[1][style] == {"double": 2, "root": 3, "why": 0}


def test_graded_again_one_by_one_everything_is_the_same(styles):
    course, before = styles
    told = outputs(course)
    assert run(course, force=True, workers=1) == before
    assert outputs(course) == told


def points_by_check(exercise, candidate):
    """What `check` says in the student's own notebook."""
    return judge.judge(exercise, lambda inputs: judge.run(exercise, candidate, Case("", inputs))).points


def disagreements(assignment, course):
    """Where the student's own check and the grade differ, and how many verdicts were compared.

    Each hand-in answers every exercise of the assignment by its next candidate: reference, alternatives, mistakes.
    """
    source, released = (
        nbformat.read(REPOSITORY / folder / assignment / f"{assignment}.ipynb", as_version=4)
        for folder in ("solutions", "exercises")
    )
    candidates = {
        exercise: [exercise.reference, *exercise.alternatives, *(mistake.candidate for mistake in exercise.mistakes)]
        for exercise in exercises().values()
        if exercise.assignment == assignment
    }
    said = {}
    for number in range(max(map(len, candidates.values()))):
        answers = {exercise.name: those[number % len(those)] for exercise, those in candidates.items()}
        sources = {name: as_answer(name, candidate) for name, candidate in answers.items()}
        hand_in(course, f"student-{number:02}", answered(solved(released, source), **sources), assignment)
        said |= {
            (f"student-{number:02}", exercise.name): points_by_check(exercise, answers[exercise.name])
            for exercise in candidates
        }
    found = run(course, assignment, workers=2)
    return [key for key, points in said.items() if found[key[0]][key[1]] != points], len(said)


def test_the_students_own_check_and_the_grade_agree(tmp_path, sandboxed):
    different, compared = disagreements("01-rnn", tmp_path)
    assert different == [] and compared > 20
