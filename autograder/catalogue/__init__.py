"""One module a chapter: what each exercise asks of a candidate. Each module lists its exercises in ``EXERCISES``."""

import importlib
import pkgutil
from functools import cache

from autograder.exercise import Exercise


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise of the course by name."""
    found: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules(__path__):
        for exercise in importlib.import_module(f"{__name__}.{module.name}").EXERCISES:
            if exercise.name in found:
                raise ValueError(f"two exercises are called {exercise.name!r}")
            found[exercise.name] = exercise
    return found
