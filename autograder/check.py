"""The student's side: ``check`` an answer, and a ``summary`` of what was checked so far."""

from collections.abc import Callable
from difflib import get_close_matches

from autograder.catalogue import exercises
from autograder.judge import Verdict, judge
from autograder.probe import observe
from autograder.report import text

_checked: dict[str, Verdict] = {}


class Points(float):
    """What ``check`` returns: a float whose text is its plain decimal form, which is how nbgrader reads partial credit."""

    def __repr__(self) -> str:
        return float.__repr__(self)


def check(name: str, candidate: Callable) -> Points | None:
    """Check ``candidate`` against the exercise called ``name``, print the report, and return the points earned."""
    exercise = exercises().get(name)
    if exercise is None:
        near = get_close_matches(str(name), exercises(), n=1)
        print(f"There is no exercise called {name!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return Points(0)
    verdict = judge(exercise, lambda inputs: observe(exercise.probe, candidate, inputs, exercise.framework))
    _checked[name] = verdict
    print(text(verdict))
    return Points(verdict.points)


def summary(assignment: str) -> None:
    """Print a table of the assignment's exercises with the points earned in this session."""
    for exercise in exercises().values():
        if exercise.assignment == assignment:
            verdict = _checked.get(exercise.name)
            print(f"{exercise.name:40} {verdict.points if verdict else '-':>5} / {exercise.points}")
