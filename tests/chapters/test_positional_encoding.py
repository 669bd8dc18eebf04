"""Chapter 8's references against the formulas."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reference.positional_encoding import sinusoidal_encoding


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 40))
def test_sinusoids_are_the_papers(n, d_model, start):
    """Odd widths and widths of 1 too."""
    PE = sinusoidal_encoding(n, d_model, start)
    assert PE.shape == (n, d_model)
    for row in range(n):
        for column in range(d_model):
            angle = (start + row) / 10000 ** ((column - column % 2) / d_model)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert abs(PE[row, column].item() - expected) < 1e-5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 50), st.integers(1, 30))
def test_a_step_of_k_is_a_rotation(position, k):
    """PE(p + k) = PE(p) M_k, with M_k the same for all p."""
    d_model = 6
    before = sinusoidal_encoding(1, d_model, position)[0].double()
    after = sinusoidal_encoding(1, d_model, position + k)[0].double()
    M = torch.zeros(d_model, d_model, dtype=torch.float64)
    for i in range(d_model // 2):
        angle = k / 10000 ** (2 * i / d_model)
        M[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = torch.tensor(
            [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        )
    torch.testing.assert_close(before @ M, after, rtol=0, atol=2e-5)
