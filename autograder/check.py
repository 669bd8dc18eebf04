"""The student's side: ``check`` an answer, and a ``summary`` of what was checked so far.

Nothing here ever writes to standard error or lets an exception of ours through: nbgrader gives 0 for either.
"""

import sys
from difflib import get_close_matches
from typing import Any

from autograder import catalogue, report
from autograder.judge import Verdict, judge
from autograder.probe import observe

MIME = "application/vnd.keep-the-attention.check+json"  # how `autograder check` reads an outcome from a notebook
NOTHING = object()

_checked: dict[str, Verdict] = {}


class Points(float):
    """What ``check`` returns: a float whose text is its plain decimal form, which nbgrader reads as partial credit."""

    most: float = 0.0

    def __repr__(self) -> str:
        return float.__repr__(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": report.points_of(self, self.most)}


def points(earned: float, most: float) -> Points:
    """``earned`` of ``most`` points."""
    value = Points(earned)
    value.most = most
    return value


def check(name: str = "", candidate: Any = NOTHING) -> Points:
    """Check ``candidate`` against the exercise called ``name``, show the report, and return the points earned.

    ``candidate`` is the function (or class) itself: ``check("rnn_step", rnn_step)``.
    """
    try:
        problem = misuse(name, candidate)
        exercise = None if problem else catalogue.find(name)
        if exercise is None:
            show(problem or unknown(name))
            return points(0, 0)
        verdict = judge(
            exercise,
            lambda inputs: observe(exercise.probe, candidate, inputs, exercise.framework, exercise.expects),
        )
        _checked[name] = verdict
        show(report.text(verdict), report.html(verdict), outcome(verdict))
        return points(verdict.points, exercise.points)
    except Exception as error:
        what = f"{type(error).__name__}: {str(error)[:500]}"
        show(f"The check of {name!r} itself broke, which is the course's fault and not yours. {what}")
        return points(0, 0)


def summary(assignment: str) -> None:
    """Show a table of the assignment's exercises with the points earned in this session."""
    found = catalogue.of_assignment(assignment) if isinstance(assignment, str) else []
    if not found:
        known = list(dict.fromkeys(exercise.assignment for exercise in catalogue.exercises().values()))
        show(f"There is no assignment called {assignment!r}. There are: {', '.join(known)}.")
        return
    show(*report.overview(assignment, [(exercise, _checked.get(exercise.name)) for exercise in found]))


def misuse(name: Any, candidate: Any) -> str:
    """What is wrong with how ``check`` was called, or ""."""
    if not isinstance(name, str) and isinstance(candidate, str):
        return f'The two are the wrong way round: write check("{candidate}", {candidate}), the name first.'
    if not isinstance(name, str) or not name:
        called = getattr(name, "__name__", "rnn_step")
        return f'check needs the name of the exercise, in quotes, and then your answer: check("{called}", {called}).'
    if candidate is NOTHING:
        return f'check needs your answer too: write check("{name}", {name}).'
    return ""


def unknown(name: str) -> str:
    """There is no such exercise; perhaps a name close to it was meant."""
    near = get_close_matches(name, catalogue.exercises(), n=1)
    return f"There is no exercise called {name[:80]!r}." + (f" Did you mean {near[0]!r}?" if near else "")


def outcome(verdict: Verdict) -> dict[str, Any]:
    """A verdict as JSON data, for whoever reads the notebook's outputs."""
    return {
        "exercise": verdict.exercise.name,
        "passed": verdict.passed,
        "points": verdict.points,
        "standing": report.standing(verdict),
        "hint": report.hint(verdict),
    }


def show(text: str, html: str = "", data: dict[str, Any] | None = None) -> None:
    """Display in a notebook (text and HTML; each front end picks), print anywhere else."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if html and hasattr(shell, "kernel"):
        shell.display_pub.publish({"text/plain": text, "text/html": html} | ({MIME: data} if data else {}))
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))
