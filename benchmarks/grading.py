"""Notebooks graded per minute: stock nbgrader against this course's grading, side by side on the same hand-ins.

Stock nbgrader runs the same notebooks with the student's own ``check(...)``, unconfined. Ours runs them in the sandbox
and judges outside, with 1 and 2 workers. The scores have to be equal.
Run it from the repository's root: ``python benchmarks/grading.py [ASSIGNMENT] [--hand-ins N]``.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from time import perf_counter

import nbformat
import psutil
from nbgrader.api import Gradebook
from rich.console import Console

from autograder.grading.config import REPOSITORY
from autograder.grading.grade import grade
from autograder.grading.notebooks import solved, write

STOCK = """\
c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.Execute.timeout = 120
"""


def course_of(folder, name, count):
    """A course directory in which ``count`` students handed in, every second one with every answer."""
    source, released = (
        nbformat.read(REPOSITORY / part / name / f"{name}.ipynb", as_version=4) for part in ("solutions", "exercises")
    )
    shutil.copytree(REPOSITORY / "solutions" / name, folder / "solutions" / name)
    shutil.copytree(REPOSITORY / "exercises" / name, folder / "exercises" / name)
    for number in range(count):
        notebook = released if number % 2 else solved(released, source)
        write(notebook, folder / "submitted" / f"student-{number:03}" / name / f"{name}.ipynb")
    return folder


def stock(course, name):
    """Seconds that ``nbgrader autograde`` takes, the release having been entered before."""
    (course / "nbgrader_config.py").write_text(STOCK)
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(REPOSITORY),
        "OMP_NUM_THREADS": "1",
    }
    commands = [["generate_assignment", name, "--force"], ["autograde", name]]
    for command in commands:
        start = perf_counter()
        subprocess.run(
            [sys.executable, "-m", "nbgrader", *command], cwd=course, env=environment, check=True, capture_output=True
        )
    return perf_counter() - start


def ours(course, name, workers):
    """Seconds that our grading takes, the start of the sandbox and the making of a gradebook included."""
    start = perf_counter()
    if grade([name], course, console=Console(file=StringIO()), workers=workers):
        raise SystemExit("a hand-in has neither a score nor a reason")
    return perf_counter() - start


def scores(course, name):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "x") as book:
        return {one.student.id: one.score for one in book.assignment_submissions(name)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignment", nargs="?", default="07-multi-head-attention")
    parser.add_argument("--hand-ins", type=int, default=10, metavar="N")
    options = parser.parse_args()
    name, count = options.assignment, options.hand_ins
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    runs = {
        "stock nbgrader": stock,
        "ours, 1 worker": lambda c, n: ours(c, n, 1),
        "ours, 2 workers": lambda c, n: ours(c, n, 2),
    }
    first, per_minute = None, {}
    for what, run in runs.items():
        with tempfile.TemporaryDirectory(prefix="grading_") as folder:
            course = course_of(Path(folder), name, count)
            per_minute[what] = 60 * count / run(course, name)
            found = scores(course, name)
        first = first or found
        ratio = per_minute[what] / per_minute["stock nbgrader"]
        print(f"{what}: {per_minute[what]:.1f} notebooks a minute, {ratio:.1f} times stock")
        if found != first:
            raise SystemExit(f"{what} gives other scores than stock nbgrader")
    print(f"memory of this process: {psutil.Process().memory_info().rss / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
