"""Chapter 1: what the exercises on recurrent networks ask of a candidate."""

import numpy as np

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import rnn

ASSIGNMENT = "01-rnn"


def step_cases(rng):
    yield Case(
        "the worked example",
        {"x": np.array([[1.0]]), "h": np.array([[0.5]]), "W_x": np.array([[0.3]]), "W_h": np.array([[2.0]]), "b": np.array([-0.1])},
    )
    for batch, d_in, d_h, dtype in [(1, 2, 3, np.float64), (4, 3, 5, np.float32), (3, 5, 2, np.float64)]:
        draw = lambda *shape, dtype=dtype: rng.normal(size=shape).astype(dtype)  # noqa: E731
        yield Case(
            f"batch {batch}, {d_in} inputs, {d_h} hidden units, {np.dtype(dtype)}",
            {"x": draw(batch, d_in), "h": draw(batch, d_h), "W_x": draw(d_in, d_h), "W_h": draw(d_h, d_h), "b": draw(d_h)},
        )


def _no_tanh(x, h, W_x, W_h, b):
    return x @ W_x + h @ W_h + b


def _no_bias(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + h @ W_h)


def _transposed(x, h, W_x, W_h, b):
    return np.tanh(x @ W_x + h @ W_h.T + b)


EXERCISES = [
    Exercise(
        name="rnn_step",
        assignment=ASSIGNMENT,
        section="the-recurrence",
        points=1,
        difficulty=1,
        minutes=5,
        reference=rnn.rnn_step,
        probe=probe.call,
        cases=step_cases,
        mistakes=[
            Mistake("tanh forgotten", _no_tanh, "The state is unbounded. What keeps every entry of h between -1 and 1?"),
            Mistake("bias forgotten", _no_bias, "With x = 0 and h = 0 your state is 0. What should it be?"),
            Mistake("W_h transposed", _transposed, "In this course states are rows: the state multiplies W_h from the left."),
        ],
        alternatives=[lambda x, h, W_x, W_h, b: np.tanh(np.concatenate([x, h], 1) @ np.concatenate([W_x, W_h], 0) + b)],
    )
]
