"""How long a check takes: all cases of each exercise, in CPU milliseconds, and how many there are of what.

    python benchmarks/exercises.py

A check asks a right answer every case; a diagnosis also compares a wrong answer (here the last known mistake) with
every known mistake, none of them remembered from before. The aim is under 500 ms for all cases of an exercise.
"""

import statistics
import time
from collections.abc import Callable

from autograder.catalogue import exercises
from autograder.exercise import Exercise
from autograder.judge import PRACTICE_SEED, judge, known, questions
from autograder.probe import observe
from autograder.render import columns

RUNS = 5


def check(exercise: Exercise, candidate: Callable) -> None:
    """What `autograder.check.check` does, less the report."""
    judge(exercise, lambda i: observe(exercise.probe, candidate, i, exercise.framework, exercise.expects))


def milliseconds(work: Callable[[], None], forget: Callable[[], None]) -> float:
    """The median CPU time of some work, each time after forgetting."""
    times = []
    for _ in range(RUNS):
        forget()
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * statistics.median(times)


def forget() -> None:
    questions.cache_clear()
    known.cache_clear()


def main() -> None:
    rows = []
    for exercise in exercises().values():
        last = exercise.mistakes[-1].candidate
        check(exercise, exercise.reference)  # imports what the exercise needs
        right = milliseconds(lambda e=exercise: check(e, e.reference), forget)
        wrong = milliseconds(lambda e=exercise, c=last: check(e, c), forget)
        cases = len(questions(exercise, PRACTICE_SEED))
        rows.append((exercise.name, cases, len(exercise.mistakes), len(exercise.alternatives), right, wrong))
    totals = [sum(column) for column in list(zip(*rows, strict=True))[1:4]]
    slowest = [max(column) for column in list(zip(*rows, strict=True))[4:]]
    table = [("exercise", "cases", "mistakes", "alternatives", "check ms", "diagnosis ms")]
    table += [(name, *map(str, counts), f"{a:.1f}", f"{b:.1f}") for name, *counts, a, b in rows]
    table.append((f"{len(rows)} exercises", *map(str, totals), f"≤ {slowest[0]:.1f}", f"≤ {slowest[1]:.1f}"))
    print(columns(table, right=range(1, 6)))


if __name__ == "__main__":
    main()
