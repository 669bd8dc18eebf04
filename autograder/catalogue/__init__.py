"""One module a chapter: what each exercise asks of a candidate. Each module lists its exercises in ``EXERCISES``.

A chapter's module, and with it perhaps torch, is imported only when one of its exercises is asked for.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from autograder.exercise import Exercise


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise of the course by name. Raises ValueError if two have the same name."""
    found: dict[str, Exercise] = {}
    for name in modules():
        for exercise in listed(name):
            if exercise.name in found:
                raise ValueError(f"two exercises are called {exercise.name!r}")
            found[exercise.name] = exercise
    return found


def find(name: str) -> Exercise | None:
    """The exercise called ``name``, or None."""
    for module in likely_first(name):
        for exercise in listed(module):
            if exercise.name == name:
                return exercise
    return None


def of_assignment(assignment: str) -> list[Exercise]:
    """The exercises of one assignment, in the order of its chapter's module. Empty if there is no such assignment."""
    for module in likely_first(assignment):
        if found := [exercise for exercise in listed(module) if exercise.assignment == assignment]:
            return found
    return []


def modules() -> list[str]:
    """The names of the chapters' modules."""
    return [module.name for module in pkgutil.iter_modules(__path__)]


def listed(module: str) -> list[Exercise]:
    return importlib.import_module(f"{__name__}.{module}").EXERCISES


def likely_first(word: str) -> Iterator[str]:
    """The chapters' modules, those first whose source has ``word`` in quotes: a guess that only saves time."""
    sources = {name: Path(__path__[0], f"{name}.py") for name in modules()}
    quoted = {name: f'"{word}"' in path.read_text(encoding="utf-8") for name, path in sources.items() if path.is_file()}
    yield from sorted(sources, key=lambda name: not quoted.get(name, False))
