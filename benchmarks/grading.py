"""Notebooks graded per minute: stock nbgrader against this course's grading, side by side on the same hand-ins.

Stock nbgrader runs the same notebooks with the student's own ``check(...)``, unconfined. Ours runs them in the sandbox
and judges outside. Each grades with 1 and with 2 processes at a time; stock nbgrader has no option for that, so two
commands grade one half each, into one gradebook. The scores have to be equal. Memory is that of all processes together.
Run it from the repository's root: ``python benchmarks/grading.py [ASSIGNMENT ...] [--hand-ins N]``. By default, one
assignment with torch and one without. On two quiet cores, 40 hand-ins of both take about six minutes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nbformat
from memory import Watched
from nbgrader.api import Gradebook

from autograder.grading.config import REPOSITORY
from autograder.grading.notebooks import solved, write
from autograder.grading.sandbox import trouble

STOCK = """\
c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.Execute.timeout = 120
"""
BOTH = (
    'trap "kill 0" TERM; "$@" --student="*-0" & first=$!; "$@" --student="*-1"; second=$?; wait $first && exit $second'
)
SECONDS = 2 * 3600  # one run that takes longer is ended


def course_of(folder, name, count):
    """A course directory in which ``count`` students handed in, every second one with every answer."""
    source, released = (
        nbformat.read(REPOSITORY / part / name / f"{name}.ipynb", as_version=4) for part in ("solutions", "exercises")
    )
    shutil.copytree(REPOSITORY / "solutions" / name, folder / "solutions" / name)
    shutil.copytree(REPOSITORY / "exercises" / name, folder / "exercises" / name)
    for number in range(count):
        notebook = released if number % 2 else solved(released, source)
        student = f"student-{number:03}-{number // 2 % 2}"  # the last digit is the half, for two stock commands
        write(notebook, folder / "submitted" / student / name / f"{name}.ipynb")
    return folder


def measure(command, course):
    """Seconds, and bytes of memory at most."""
    start = perf_counter()
    with (course / "log").open("w") as log:
        run = Watched(command, cwd=course, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        status = run.wait(SECONDS)
    if status:
        raise SystemExit(f"{command} ended with {status}: {(course / 'log').read_text()[-2000:]}")
    return perf_counter() - start, run.peak


def entered(course, name, settings):
    """Enter the assignment in a gradebook, as before its release. That is not measured."""
    (course / "nbgrader_config.py").write_text(settings)
    measure([sys.executable, "-m", "nbgrader", "generate_assignment", name, "--force"], course)


def stock(course, name, processes):
    """``nbgrader autograde``."""
    entered(course, name, STOCK)
    command = [sys.executable, "-m", "nbgrader", "autograde", name]
    return measure(command if processes == 1 else ["bash", "-c", BOTH, "bash", *command], course)


def ours(course, name, processes):
    """``autograder grade``, the start of the sandbox included."""
    entered(course, name, (REPOSITORY / "nbgrader_config.py").read_text(encoding="utf-8"))
    command = [sys.executable, "-m", "autograder", "grade", name, "--course", str(course)]
    return measure([*command, "--workers", str(processes)], course)


def scores(course, name):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "x") as book:
        return {one.student.id: one.score for one in book.assignment_submissions(name)}


def compare(name, count):
    """Grade one assignment in each way, and print a line for each."""
    first, per_minute = None, {}
    print(f"{name}, {count} hand-ins", flush=True)
    for processes in (1, 2):
        for who, run in (("stock nbgrader", stock), ("ours", ours)):
            with tempfile.TemporaryDirectory(prefix="grading_") as folder:
                course = course_of(Path(folder), name, count)
                seconds, peak = run(course, name, processes)
                found = scores(course, name)
            per_minute[who, processes] = 60 * count / seconds
            ratio = per_minute[who, processes] / per_minute["stock nbgrader", processes]
            print(
                f"  {who + ',':16}{processes} at a time: {per_minute[who, processes]:6.1f} notebooks a minute, "
                f"{ratio:4.1f} times stock, {peak / 1e6:.0f} MB at most",
                flush=True,
            )
            first = first or found
            if len(found) != count or found != first:
                raise SystemExit(f"{who} gives other scores than stock nbgrader")
    best = [max(per_minute[who, processes] for processes in (1, 2)) for who in ("ours", "stock nbgrader")]
    print(f"  both at their best: {best[0] / best[1]:.1f} times stock", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignments", nargs="*", metavar="ASSIGNMENT", default=["07-multi-head-attention", "01-rnn"])
    parser.add_argument("--hand-ins", type=int, default=40, metavar="N")
    options = parser.parse_args()
    if why := trouble():
        raise SystemExit(why)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ |= {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    for name in options.assignments:
        compare(name, options.hand_ins)


if __name__ == "__main__":
    main()
