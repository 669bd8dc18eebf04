"""Chapter 8: where a word stands, written into its vector."""

import math

import torch


def sinusoidal_encoding(n, d_model, start=0):
    """PE(pos, 2i) = sin(pos / 10000^(2i/d_model)), PE(pos, 2i+1) = cos of the same angle, for n positions.

    The positions are start … start + n − 1. An odd width ends in a sine whose cosine has no column.
    Source: Vaswani and others (2017), section 3.5. Returns [n, d_model], float32.
    """
    position = torch.arange(start, start + n)[:, None]  # [n, 1]
    even = torch.arange(0, d_model, 2)  # [⌈d_model / 2⌉], the columns 2i
    angle = position * torch.exp(-math.log(10000.0) * even / d_model)  # [n, ⌈d_model / 2⌉]
    PE = torch.empty(n, d_model)
    PE[:, 0::2] = angle.sin()
    PE[:, 1::2] = angle[:, : d_model // 2].cos()
    return PE
