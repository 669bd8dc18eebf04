"""The verdict on one exercise of a hand-in, reached outside the process in which the student's code runs.

The inputs are drawn here, from a seed that depends on a secret of the course and on the hand-in, so that they can't be
known before and what leaks of them is of no use to the next hand-in. The sandbox runs the probe on the student's object
and sends plain arrays back; what to make of them is decided here, against the reference, which is not in there.
"""

import ast
import contextlib
import hashlib
import hmac
import inspect
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from autograder import catalogue, probe, report
from autograder import judge as judging
from autograder.check import MIME
from autograder.exercise import Exercise
from autograder.grading import wire
from autograder.judge import Verdict, judge
from autograder.probe import Fault, Observation
from autograder.render import Block, Sentence, Title, as_html, as_text

SECRET = ".grading-secret"


# ---- what is asked --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What a grade cell asks for: the exercise, and the expression in the notebook that is the student's answer."""

    exercise: Exercise
    expression: str


def asked_by(source: str, modules: Sequence[str] = ()) -> Asked | None:
    """What the source of a grade cell asks for, if it is the check of an exercise; it is read, never run.

    ``modules`` name further modules with a list ``EXERCISES``, beside the course's catalogue.
    """
    with contextlib.suppress(SyntaxError, ValueError):
        match ast.parse(source.strip()).body:
            case [ast.Expr(ast.Call(ast.Name("check"), [ast.Constant(str(name)), expression], []))]:
                exercise = find(name, tuple(modules))
                return exercise and Asked(exercise, ast.unparse(expression))
    return None


@cache
def find(name: str, modules: tuple[str, ...]) -> Exercise | None:
    for module in modules:
        for exercise in import_module(module).EXERCISES:
            if exercise.name == name:
                return exercise
    return catalogue.find(name)


def question(asked: Asked, seed: int, kind: str = "answer") -> str:
    """The code to run in the notebook: it puts the probe's question to the student's object.

    ``kind`` is "answer" for what it answers, "calls" for which of the exercise's `instead_of` it calls meanwhile.
    """
    exercise = asked.exercise
    data = {
        "probe": exercise.probe.__name__,
        "source": source_of(exercise.probe),
        "framework": exercise.framework,
        "expects": exercise.expects,
        "hopeless": judging.HOPELESS,
        "watched": list(exercise.instead_of),
        "cases": [wire.pack(dict(case.inputs)) for case in judging.cases_of(exercise, seed)],
    }
    return f"__import__('autograder.answering').answering.{kind}({asked.expression!r}, {json.dumps(data)!r})"


@cache
def source_of(run: Callable) -> str | None:
    """The code of an exercise's own probe; None for a ready-made one, which is in the sandbox."""
    return None if inspect.getmodule(run) is probe else inspect.getsource(run)


def secret_of(course: Path) -> bytes:
    """The course's secret, made when it is first needed."""
    path = course / SECRET
    if not path.exists():
        fresh = path.with_name(f"{SECRET}.{os.getpid()}")
        try:
            fresh.touch(0o600)
            fresh.write_text(secrets.token_hex(32))
            os.link(fresh, path)  # whole or not at all, and only one of two that try at once
        except FileExistsError:
            pass
        finally:
            fresh.unlink(missing_ok=True)
    return path.read_bytes()


def seed_of(secret: bytes, *parts: str) -> int:
    """A seed that nobody without the secret can know; the same parts always give the same one."""
    return int.from_bytes(hmac.digest(secret, json.dumps(parts).encode(), "sha256")[:16], "big")


def digest_of(notebook: NotebookNode) -> str:
    """A fingerprint of what a notebook says."""
    return hashlib.sha256(json.dumps([cell.source for cell in notebook.cells]).encode()).hexdigest()


# ---- what came back -------------------------------------------------------------------------------------------------


def judged(asked: Asked, seed: int, reply: str | None, silence: str = "") -> Verdict:
    """The verdict on what the sandbox replied. ``silence`` says why there is no reply, where there is none.

    Raises BrokenReference.
    """
    try:
        seen = observations(reply) if reply is not None else [failed(silence or "its check gave no answer")]
    except wire.Malformed as error:
        seen = [failed(f"what came back was no answer: {error}")]
    try:
        return verdict_on(asked, seed, seen)
    except judging.BrokenReference:
        raise
    except Exception as error:  # whatever it was that came back, there is a verdict on it
        return verdict_on(asked, seed, [failed(f"what came back can't be compared ({type(error).__name__})")])
    finally:
        for drawn in (judging.cases_of, judging.questions, judging.known):  # no other hand-in has this seed
            drawn.cache_clear()


def verdict_on(asked: Asked, seed: int, seen: Sequence[Observation]) -> Verdict:
    answers = iter(seen)
    rest = failed("its check broke off before the last case")
    verdict = judge(asked.exercise, lambda inputs: next(answers, rest), seed)
    feedback(verdict)  # that it can be told is part of it
    return verdict


def observations(reply: str) -> list[Observation]:
    """The observations in a reply, one a case. Raises Malformed."""
    try:
        data = json.loads(reply)
    except (ValueError, RecursionError):
        raise wire.Malformed("it is not JSON") from None
    if isinstance(data, dict) and isinstance(data.get("missing"), str):
        return [failed(f"there is no answer to check, {data['missing'][:200]}")]
    if not isinstance(data, dict) or not isinstance(data.get("observations"), list) or len(data["observations"]) > 1000:
        raise wire.Malformed("it holds no observations")
    return [wire.observation(one) for one in data["observations"]]


def called(asked: Asked, reply: str | None) -> list[str]:
    """Which of the exercise's `instead_of` were called, by a reply to that question. The rest is dropped."""
    with contextlib.suppress(ValueError, RecursionError, TypeError, KeyError):
        said = json.loads(reply)["called"]
        return [name for name in asked.exercise.instead_of if name in said]
    return []


def failed(message: str) -> Observation:
    return Observation(fault=Fault("unanswered", message))


# ---- what is told ---------------------------------------------------------------------------------------------------


def outputs_of(verdict: Verdict, count: int | None) -> list[NotebookNode]:
    """A grade cell's outputs: the report to the student, and the points as one plain number that nbgrader reads."""
    blocks = feedback(verdict)
    hints = [block.text for block in blocks[1:] if isinstance(block, Sentence)]
    data = {
        "exercise": verdict.exercise.name,
        "passed": verdict.passed,
        "points": verdict.points,
        "standing": blocks[0].text,
        "complaint": verdict.failures[0].complaint.kind if verdict.failures else "",
        "unanswered": unanswered(verdict),
        "mistakes": [mistake.name for mistake in verdict.mistakes],
        "hint": " ".join([*hints, *(mistake.hint for mistake in verdict.mistakes)]),
    }
    shown = {"text/plain": as_text(blocks), "text/html": as_html(blocks, verdict.passed), MIME: data}
    points = {"text/plain": repr(float(verdict.points))}
    return [
        output("display_data", data=shown, metadata={}),
        output("execute_result", data=points, metadata={}, execution_count=count),
    ]


def output(kind: str, **content: object) -> NotebookNode:
    """A cell's output; nbformat's own function validates each for itself, which takes longer than all else about it."""
    return nbformat.from_dict({"output_type": kind, **content})


def feedback(verdict: Verdict) -> list[Block]:
    """What the student is told: how many cases, what is wrong in words, the diagnosis. No input, no expected value."""
    exercise, passed = verdict.exercise, verdict.total - len(verdict.failures)
    points = report.points_of(verdict.points, exercise.points)
    title = f"{exercise.name}: passed {passed} of {verdict.total} cases, {points}"
    if verdict.passed:
        return [Title(title, True)]
    first = verdict.failures[0]
    if why := unanswered(verdict):
        return [Title(f"{exercise.name}: {points}", False), Sentence(f"It could not be checked: {why}.")]
    blocks: list[Block] = [Title(title, False)]
    if first.complaint.kind not in report.WITHOUT_CASE:
        blocks.append(Sentence(f"First failing case: {first.case.about}."))
    blocks.append(told(exercise, first))
    if verdict.mistakes:
        blocks.append(report.advice(exercise, verdict.mistakes))
    return blocks


def unanswered(verdict: Verdict) -> str:
    """Why the sandbox gave no answer to be judged; "" if it gave one."""
    fault = verdict.failures[0].actual.fault if verdict.failures and verdict.failures[0].actual else None
    return fault.message if fault and fault.kind == "unanswered" else ""


def told(exercise: Exercise, failure: judging.Failure) -> Sentence:
    """What is wrong with a case, without its numbers."""
    what = report.naming(failure.complaint.what)
    if failure.complaint.kind == "value":
        return Sentence(f"{what} has the right shape and type, but other numbers than expected.")
    if failure.complaint.kind == "nonfinite":
        return Sentence(f"{what} is NaN or infinite where a number is expected.")
    return report.say(exercise, failure)
