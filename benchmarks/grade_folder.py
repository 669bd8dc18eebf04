"""Grade a folder of hand-ins made from the real assignments, and compare every score with what was earned.

For each assignment: solved, half solved, one per known mistake of each exercise, blank, and damaged in several ways.
Run it from the repository's root: ``python benchmarks/grade_folder.py [ASSIGNMENT ...]``. Exit status 1: a wrong score.
"""

import argparse
import sys
import tempfile
from io import StringIO
from pathlib import Path
from time import perf_counter

import nbformat
from rich.console import Console

from autograder.catalogue import exercises
from autograder.grading.config import REPOSITORY
from autograder.grading.course import assignments
from autograder.grading.grade import Journal, grade
from autograder.grading.notebooks import copy_of, solved, write

sys.path.insert(0, str(REPOSITORY / "tests" / "assignments"))
from by_value import as_answer


def hand_ins(name):
    """``student: (notebook or bytes, points earned, words that the graded notebook must hold)`` for one assignment."""
    source, released = (
        nbformat.read(REPOSITORY / folder / name / f"{name}.ipynb", as_version=4)
        for folder in ("solutions", "exercises")
    )
    asked = [exercise for exercise in exercises().values() if exercise.assignment == name]
    full = float(sum(exercise.points for exercise in asked))
    model = solved(released, source)

    def changed(sources):
        notebook = copy_of(model)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            cell.source = sources.get(grade_id, cell.source)
        return notebook

    stubs = {cell.metadata.nbgrader.grade_id: cell.source for cell in released.cells if "nbgrader" in cell.metadata}
    unsolved = asked[1::2]
    made = {
        "solved": (model, full, ""),
        "blank": (released, 0.0, ""),
        "half": (
            changed({f"{exercise.name}-answer": stubs[f"{exercise.name}-answer"] for exercise in unsolved}),
            full - sum(exercise.points for exercise in unsolved),
            "",
        ),
        "empty": (b"", 0.0, "is empty"),
        "cut-off": (nbformat.writes(model).encode()[:-100], 0.0, "is not valid JSON"),
        "binary": (bytes(range(256)) * 40, 0.0, "not a text file in UTF-8"),
    }
    for exercise in asked:
        for number, mistake in enumerate(exercise.mistakes):
            wrong = changed({f"{exercise.name}-answer": as_answer(exercise.name, mistake.candidate)})
            made[f"{exercise.name}-{number}"] = (wrong, full - exercise.points, mistake.name)
    return made


def grade_folder(name, course):
    """Grade one assignment's folder; the lines that say what went wrong, the number of hand-ins, and the seconds."""
    made = hand_ins(name)
    for student, (content, _, _) in made.items():
        path = course / "submitted" / student / name / f"{name}.ipynb"
        if isinstance(content, bytes):
            path.parent.mkdir(parents=True)
            path.write_bytes(content)
        else:
            write(content, path)
    start = perf_counter()
    status = grade([name], course, console=Console(file=StringIO()))
    seconds = perf_counter() - start
    found = Journal(course / "autograded" / ".journal" / f"{name}.jsonl").outcomes
    wrong = [] if status == 0 else [f"{name}: exit status {status}"]
    for student, (_, points, words) in made.items():
        outcome = found.get(student)
        graded = (course / "autograded" / student / name / f"{name}.ipynb").read_text(encoding="utf-8")
        if outcome is None or outcome.code_score != points:
            wrong.append(f"{name}, {student}: {outcome and outcome.code_score} points instead of {points}")
        if words not in graded:
            wrong.append(f"{name}, {student}: nothing says {words!r}")
    return wrong, len(made), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("assignments", nargs="*", metavar="ASSIGNMENT")
    names = parser.parse_args().assignments or assignments(REPOSITORY / "exercises")
    failures = []
    for name in names:
        with tempfile.TemporaryDirectory(prefix="grade_folder_") as folder:
            wrong, count, seconds = grade_folder(name, Path(folder))
        failures += wrong
        print(f"{name}: {count} hand-ins in {seconds:.0f} s, {60 * count / seconds:.1f} a minute, {len(wrong)} wrong")
    print(*failures, sep="\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
