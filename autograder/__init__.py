"""The course's grader: exercises checked against reference implementations.

Students use two names: ``check(name, candidate)`` and ``summary(assignment)``.
"""

from autograder.check import check, summary

__all__ = ["check", "summary"]
