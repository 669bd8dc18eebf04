"""Stands in for the course's package where hand-ins are graded: there is nothing here to be found.

The checks of a notebook are not run in it. They are judged outside, and the feedback has their result.
"""

__all__ = ["check", "summary"]


def check(name="", candidate=None):
    """Says that the judging is done elsewhere."""
    print(f"{name}: judged after the hand-in; the points are in the feedback.")


def summary(assignment=""):
    """Says that the judging is done elsewhere."""
    print(f"{assignment}: the points are in the feedback.")
