"""Says a verdict in words, as text and as HTML."""

from autograder.judge import Verdict


def text(verdict: Verdict) -> str:
    """The report as plain text."""
    exercise = verdict.exercise
    lines = [f"{exercise.name}: passed {verdict.total - len(verdict.failures)} of {verdict.total} cases"]
    if verdict.failures:
        failure = verdict.failures[0]
        lines.append(f"first failing case: {failure.case.about}: {failure.complaint}")
    if verdict.diagnosis:
        lines.append(f"{verdict.diagnosis.name}. {verdict.diagnosis.hint}")
    return "\n".join(lines)
