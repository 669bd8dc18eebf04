"""Chapter 8: where a word stands, written into its vector, into the scores, or into queries and keys.

Positions count from 0. In attention with t queries and m keys the queries are the last t of the m positions, so that
query i stands at position m − t + i: with t = m that is a whole sentence, with t = 1 a word that is written with a
cache. First the absolute encodings, which are added to the embeddings, then the relative ones, one formula a function.
"""

import math

import numpy as np
import torch

# ---- added to the embedding ----------------------------------------------------------------------------------------


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


def rotation_matrix(d_model, k):
    """M_k with PE(p + k) = PE(p) M_k for every position p: a rotation of each pair of columns (2i, 2i + 1).

    The angle is k / 10000^(2i/d_model). d_model is even, k any whole number -> [d_model, d_model], float64.
    """
    M = np.zeros((d_model, d_model))
    for column in range(0, d_model, 2):
        angle = k / 10000 ** (column / d_model)
        M[column, column] = M[column + 1, column + 1] = np.cos(angle)
        M[column, column + 1] = -np.sin(angle)  # cos(a + b) = cos a cos b − sin a sin b
        M[column + 1, column] = np.sin(angle)  # sin(a + b) = sin a cos b + cos a sin b
    return M


def stretch_table(table, n):
    """A learned table for n positions out of one for fewer, by linear interpolation; first and last row stay.

    Row p of the result is what the table says at position p · (n_old − 1) / (n − 1), between two rows.
    table: [n_old, d], n_old and n at least 2 -> [n, d], the dtype of the table.
    """
    at = np.arange(n) * (len(table) - 1) / (n - 1)  # [n], from 0 to n_old − 1
    below = np.minimum(at.astype(int), len(table) - 2)  # [n], the row before
    part = (at - below)[:, None].astype(table.dtype)  # [n, 1], how far towards the row after
    return (1 - part) * table[below] + part * table[below + 1]


# ---- inside the attention ------------------------------------------------------------------------------------------


def relative_attention(Q, K, V, A_K, A_V, mask):
    """Keys and values that depend on how far a word stands from the one that asks (Shaw, Uszkoreit and Vaswani, 2018).

    score_ij = q_i · (k_j + a^K_r) / √d_k, c_i = Σ_j α_ij (v_j + a^V_r), with r the distance j − i clipped to −c … c.
    Row r + c of A_K: [2c + 1, d_k] and A_V: [2c + 1, d_v] is the vector for r. Q: [batch, h, t, d_k],
    K: [batch, h, m, d_k], V: [batch, h, m, d_v], t ≤ m, mask: boolean, can be broadcast to [batch, t, m], at least one
    True in each row -> [batch, h, t, d_v], a tensor of the dtype of the inputs.
    """
    t, m, c = Q.shape[2], K.shape[2], len(A_K) // 2
    i, j = torch.arange(m - t, m)[:, None], torch.arange(m)  # [t, 1], [m]
    row = (j - i).clamp(-c, c) + c  # [t, m], from 0 to 2c
    by_distance = (Q @ A_K.T).gather(-1, row.expand(*Q.shape[:2], t, m))  # [batch, h, t, 2c + 1] -> [batch, h, t, m]
    scores = (Q @ K.transpose(-2, -1) + by_distance) / K.shape[-1] ** 0.5  # [batch, h, t, m]
    alpha = scores.masked_fill(~mask[..., None, :, :], -torch.inf).softmax(-1)
    return alpha @ V + torch.einsum("bhtm,tmd->bhtd", alpha, A_V[row])


def alibi_slopes(h):
    """How fast each of h heads loses interest with distance (Press, Smith and Lewis, 2022).

    For h a power of two the geometric series from 2^(−8/h), with this ratio. Otherwise the slopes for the next smaller
    power of two, and then every other slope of twice that number, from the first on, until there are h.
    Returns [h], float64.
    """
    power = 2 ** int(math.log2(h))  # the largest power of two that is not above h
    slopes = 2.0 ** (-8 * np.arange(1, power + 1) / power)
    between = 2.0 ** (-8 * np.arange(1, 2 * power + 1, 2) / (2 * power))
    return np.concatenate([slopes, between[: h - power]])


def alibi_bias(h, t, m):
    """What ALiBi adds to the scores: − slope · distance for keys that have been, −∞ for those to come.

    Query i stands at position m − t + i, t ≤ m -> [h, t, m], float64.
    """
    distance = np.arange(m - t, m)[:, None] - np.arange(m)  # [t, m], positive towards the past
    return np.where(distance >= 0, -alibi_slopes(h)[:, None, None] * distance, -np.inf)


def rotary_embedding(X, positions):
    """RoPE: turns each pair of columns (2i, 2i + 1) by position · 10000^(−2i/d_k) (Su and others, 2021).

    For queries and keys, not for values. X: [batch, h, n, d_k], d_k even, positions: [batch, n], whole numbers
    -> [batch, h, n, d_k], a tensor of the dtype of X.
    """
    d_k = X.shape[-1]
    theta = 10000.0 ** (-torch.arange(0, d_k, 2, dtype=torch.float64) / d_k)  # [d_k / 2]
    angle = positions[:, None, :, None] * theta  # [batch, 1, n, d_k / 2]
    cos, sin = angle.cos().to(X.dtype), angle.sin().to(X.dtype)
    x, y = X[..., 0::2], X[..., 1::2]  # each [batch, h, n, d_k / 2]
    turned = torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1)  # [batch, h, n, d_k / 2, 2]
    return turned.flatten(-2)  # the pairs side by side again


def to_interleaved(W, h):
    """W_Q or W_K of a model that turns the pairs (i, i + d_k/2) of each head, for one that turns (2i, 2i + 1).

    W: [d_model, h·d_k], d_k even -> the same columns in another order within each head, [d_model, h·d_k].
    """
    halves = W.reshape(len(W), h, 2, -1)  # [d_model, h, half, d_k / 2]
    return halves.swapaxes(2, 3).reshape(W.shape)  # [d_model, h, d_k / 2, half] -> [d_model, h·d_k]
