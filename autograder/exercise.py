"""What an exercise is: one definition that serves the student's check, the instructor's verdict and our tests.

Nothing here runs or compares anything: `probe` runs a candidate, `judge` compares what came out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One question put to a candidate.

    ``inputs`` maps the probe's argument names to plain data: NumPy arrays, numbers, booleans, strings, None, and lists,
    tuples or dicts of those. ``about`` says in words what is special about the case ("batch 3, one sequence of length
    1"). float64 and float32 cases belong side by side; the judge picks the tolerance by dtype.
    """

    about: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Mistake:
    """A wrong implementation that people really write, and the hint that it deserves.

    ``name`` says what went wrong in a few words ("tanh forgotten"). ``candidate`` has the reference's signature.
    ``hint`` points the way without giving the answer. ``section`` is the chapter anchor to read again.
    """

    name: str
    candidate: Callable
    hint: str
    section: str | None = None


@dataclass(frozen=True)
class Tolerance:
    """|actual - expected| <= atol + rtol·|expected|, elementwise, as (rtol, atol).

    Which pair applies is decided by the coarsest floating dtype among the expected value and the case's inputs: a
    Python number computed from float32 arrays is no more exact than they are. ``half`` is for float16 and bfloat16.
    """

    float32: tuple[float, float] = (1e-4, 1e-5)
    float64: tuple[float, float] = (1e-7, 1e-9)
    reason: str = "room for another order of summation, far below any known mistake"
    half: tuple[float, float] = (2e-2, 2e-2)


@dataclass(frozen=True, eq=False)
class Exercise:
    """What is asked of a candidate, and how its answer is judged.

    ``name``        the id of the grade cell and the name that students pass to ``check``
    ``assignment``  the folder of the assignment ("01-rnn"), which is also the chapter's name
    ``section``     the label in the chapter where the idea is taught ("rnn-recurrence")
    ``points``, ``difficulty`` (1 to 5), ``minutes``  what the student is told
    ``reference``   the model answer, from `autograder.reference`; a class if a class is asked for
    ``probe``       runs a candidate on one case and returns what is to be compared, by name. It is self-contained (it
                    uses nothing but its arguments, ``np``, ``torch`` and `autograder.probe`): it may run in another
                    process than the judging
    ``cases``       draws the cases from a seeded generator; the first one is the docstring's worked example
    ``mistakes``    known wrong answers, at least three
    ``alternatives``  right answers written otherwise (loops, einsum, library calls), which must pass
    ``framework``   "numpy" or "torch": what arrays the candidate is given
    ``instead_of``  library routines, by their full names, in whose place the student's own is asked for. A right answer
                    that calls one is right; the instructor is told

    Two exercises are equal only if they are the same object, so that results can be remembered by exercise.
    """

    name: str
    assignment: str
    section: str
    points: float
    difficulty: int
    minutes: int
    reference: Callable
    probe: Callable[..., Mapping[str, Any]]
    cases: Callable[[np.random.Generator], Iterable[Case]]
    mistakes: Sequence[Mistake]
    alternatives: Sequence[Callable] = ()
    framework: str = "numpy"
    tolerance: Tolerance = Tolerance()
    instead_of: Sequence[str] = ()

    @property
    def expects(self) -> str:
        """ "class" where students write a class, "function" otherwise."""
        return "class" if isinstance(self.reference, type) else "function"
