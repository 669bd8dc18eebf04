"""Chapter 1: the recurrent network, in plain NumPy, rows and batch first."""

import numpy as np


def rnn_step(x, h, W_x, W_h, b):
    """One step of the Elman network :cite:`elman1990finding`: h_t = tanh(x_t W_x + h_{t-1} W_h + b).

    x: [batch, d_in], h: [batch, d_h], W_x: [d_in, d_h], W_h: [d_h, d_h], b: [d_h] -> [batch, d_h], the dtype of the inputs.
    """
    return np.tanh(x @ W_x + h @ W_h + b)  # [batch, d_h]
