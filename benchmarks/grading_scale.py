"""Many hand-ins in one run: whether memory stays flat and the time for one hand-in the same.

The assignment is the small one of the tests: two exercises in plain Python. Three in four hand-ins are right, one is
wrong, one in fifty ends its Python process, one in fifty can't be read. Every score is compared with what was earned.
Run it from the repository's root: ``python benchmarks/grading_scale.py [--hand-ins N] [--workers N]``.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import nbformat
from nbgrader.apps.api import NbGraderAPI

from autograder.grading.config import REPOSITORY, load
from autograder.grading.notebooks import solved

sys.path.insert(0, str(REPOSITORY / "tests" / "assignments"))
from memory import Watched
from sample_course import CONFINED, NAME, answered, hand_in, make_course, sample_source

SECONDS = 6 * 3600


def hand_ins(course, count):
    """Have ``count`` students hand in; the points that each earned from checks."""
    done = NbGraderAPI(config=load(course)).generate_assignment(NAME)
    if not done["success"]:
        raise SystemExit(done["log"])
    released = nbformat.read(course / "exercises" / NAME / f"{NAME}.ipynb", as_version=4)
    right = solved(released, sample_source())
    kinds = {
        "right": (right, 5),
        "wrong": (answered(right, root="def root(x):\n    return x / 2"), 2),
        "exits": (answered(right, double="import os\ndef double(x): os._exit(1)"), 3),
        "unreadable": (b"{", 0),
    }
    earned = {}
    for number in range(count):
        kind = {7: "exits", 31: "unreadable"}.get(number % 50) or ("wrong" if number % 4 == 3 else "right")
        student = f"student-{number:04}"
        hand_in(course, student, kinds[kind][0])
        earned[student] = kinds[kind][1]
    return earned


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hand-ins", type=int, default=1000, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    options = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    os.environ["OMP_NUM_THREADS"] = "1"
    marks = sorted({mark for mark in (100, 250, 500, 750) if mark < options.hand_ins} | {options.hand_ins})
    with tempfile.TemporaryDirectory(prefix="scale_") as folder:
        course = make_course(Path(folder) / "course")
        os.chdir(course)
        earned = hand_ins(course, options.hand_ins)
        os.chdir(REPOSITORY)
        journal = course / "autograded" / ".journal" / f"{NAME}.jsonl"
        reached, last = {}, [0, perf_counter()]

        def look():
            count = journal.read_bytes().count(b"\n") if journal.exists() else 0
            for mark in marks:
                if count >= mark and mark not in reached:
                    reached[mark] = True
                    each = (perf_counter() - last[1]) / max(count - last[0], 1)
                    last[:] = count, perf_counter()
                    print(f"{count:5} graded: {each:.3f} s each since the line above, ", end="")
                    print(f"{run.now / 1e6:.0f} MB now, {run.peak / 1e6:.0f} MB at most", flush=True)

        command = [sys.executable, "-m", "autograder", "grade", NAME, "--course", str(course)]
        command += ["--workers", str(options.workers)] + ["--unsafe-no-sandbox"] * (not CONFINED)
        start = perf_counter()
        with open(course.parent / "log", "w") as log:
            run = Watched(command, cwd=REPOSITORY, stdout=log, stderr=log)
            run.each = look
            status = run.wait(SECONDS)
        seconds = perf_counter() - start
        look()
        lines = [json.loads(line) for line in journal.read_text().splitlines()]
        wrong = [one["student"] for one in lines if one["code_score"] != earned[one["student"]]]
        rate = 60 * len(lines) / seconds
        print(f"{len(lines)} hand-ins, {options.workers} workers: {seconds:.0f} s, {rate:.1f} a minute")
        if status or wrong or len(lines) != options.hand_ins:
            raise SystemExit(f"exit status {status}; {len(lines)} graded; other points than earned: {wrong[:10]}")


if __name__ == "__main__":
    main()
