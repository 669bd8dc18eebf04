"""Chapter 8: what the exercises on positions ask of a candidate."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.reference import positional_encoding as pos

ASSIGNMENT = "08-positional-encoding"


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


# ---- sinusoidal_encoding -------------------------------------------------------------------------------------------


def sinusoidal_cases(rng):
    yield Case("the worked example", {"n": 2, "d_model": 4, "start": 0})
    for n, d_model in [(5, 6), (4, 10)]:
        yield Case(f"{n} positions, width {d_model}", {"n": n, "d_model": d_model, "start": 0})
    for n, d_model in [(4, 7), (3, 5)]:
        yield Case(f"{n} positions, odd width {d_model}", {"n": n, "d_model": d_model, "start": 0})
    yield Case("width 1, a single sine", {"n": 4, "d_model": 1, "start": 0})
    start = int(rng.integers(3, 40))
    yield Case(f"one word after {start} others", {"n": 1, "d_model": 8, "start": start})
    yield Case(f"three words after {start}, odd width 3", {"n": 3, "d_model": 3, "start": start})


def _sines(exponent, first=np.sin, second=np.cos, from_one=False, ignore_start=False):
    """A wrong ``sinusoidal_encoding``: the right one with some of its parts replaced."""

    def candidate(n, d_model, start=0):
        position = np.arange(n)[:, None] + (0 if ignore_start else start) + from_one
        column = np.arange(d_model)
        angle = position / 10000 ** exponent(column, d_model)
        return torch.from_numpy(np.where(column % 2 == 0, first(angle), second(angle))).float()

    return candidate


def _paper(column, d_model):
    return (column - column % 2) / d_model


_sinusoidal_pairs_counted = _sines(lambda column, d_model: (column // 2) / d_model)
_sinusoidal_own_frequency = _sines(lambda column, d_model: column / d_model)
_sinusoidal_width_rounded = _sines(lambda column, d_model: (column - column % 2) / (d_model + d_model % 2))
_sinusoidal_exchanged = _sines(_paper, np.cos, np.sin)
_sinusoidal_from_one = _sines(_paper, from_one=True)
_sinusoidal_no_start = _sines(_paper, ignore_start=True)


def _sinusoidal_blocks(n, d_model, start=0):
    PE = pos.sinusoidal_encoding(n, d_model, start)
    return torch.cat([PE[:, 0::2], PE[:, 1::2]], dim=1)


def _sinusoidal_dropped(n, d_model, start=0):
    return pos.sinusoidal_encoding(n, d_model, start)[:, : d_model - d_model % 2]


def _sinusoidal_zero_column(n, d_model, start=0):
    PE = pos.sinusoidal_encoding(n, d_model, start)
    if d_model % 2:
        PE[:, -1] = 0
    return PE


def _sinusoidal_unequal_halves(n, d_model, start=0):
    """What is usual for even widths: an odd one has one sine more than it has cosines."""
    position = torch.arange(start, start + n, dtype=torch.float)[:, None]
    angle = position * torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
    PE = torch.zeros(n, d_model)
    PE[:, 0::2] = torch.sin(angle)
    PE[:, 1::2] = torch.cos(angle)
    return PE


def _sinusoidal_loops(n, d_model, start=0):
    PE = torch.zeros(n, d_model)
    for row in range(n):
        for column in range(d_model):
            angle = (start + row) / 10000 ** (2 * (column // 2) / d_model)
            PE[row, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return PE


def _sinusoidal_shifted_sines(n, d_model, start=0):
    """A cosine is a sine a quarter of a turn later."""
    column = torch.arange(d_model)
    angle = torch.arange(start, start + n)[:, None] / 10000 ** ((column - column % 2) / d_model)
    return torch.sin(angle + (column % 2) * math.pi / 2)


# ---- rotation_matrix -----------------------------------------------------------------------------------------------


def rotation_cases(rng):
    yield Case("the worked example", {"d_model": 4, "k": 1})
    for d_model in (2, 6, 8):
        k = int(rng.integers(2, 30))
        yield Case(f"width {d_model}, {k} steps", {"d_model": d_model, "k": k})
    yield Case("width 4, three steps back", {"d_model": 4, "k": -3})
    yield Case("width 6, no step at all", {"d_model": 6, "k": 0})


def _rotation_back(d_model, k):
    return pos.rotation_matrix(d_model, k).T


def _rotation_one_angle(d_model, k):
    return np.kron(np.eye(d_model // 2), pos.rotation_matrix(2, k))


def _rotation_pairs_counted(d_model, k):
    M = np.zeros((d_model, d_model))
    for i in range(d_model // 2):
        angle = k / 10000 ** (i / d_model)
        M[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return M


def _rotation_halves(d_model, k):
    order = [*range(0, d_model, 2), *range(1, d_model, 2)]
    return pos.rotation_matrix(d_model, k)[np.ix_(order, order)]


def _rotation_of_one_step(d_model, k):
    return pos.rotation_matrix(d_model, 1)


def _rotation_no_minus(d_model, k):
    M = pos.rotation_matrix(d_model, k)
    M[range(0, d_model, 2), range(1, d_model, 2)] *= -1
    return M


def _rotation_power(d_model, k):
    """k steps are one step k times."""
    return np.linalg.matrix_power(pos.rotation_matrix(d_model, 1), k)


def _rotation_solved(d_model, k):
    """Found from the encodings of two positions, pair by pair."""
    M = np.zeros((d_model, d_model))
    for column in range(0, d_model, 2):
        before = np.arange(2) / 10000 ** (column / d_model)
        after = np.arange(k, k + 2) / 10000 ** (column / d_model)
        rows = [np.stack([np.sin(angle), np.cos(angle)], axis=1) for angle in (before, after)]
        M[column : column + 2, column : column + 2] = np.linalg.solve(*rows)
    return M


# ---- relative_attention --------------------------------------------------------------------------------------------


def relative_cases(rng):
    yield Case(
        "the worked example",
        {
            "Q": np.array([[[[1.0], [1.0]]]]),
            "K": np.array([[[[0.0], [0.0]]]]),
            "V": np.array([[[[8.0], [4.0]]]]),
            "A_K": np.array([[np.log(3.0)], [0.0], [0.0]]),
            "A_V": np.array([[2.0], [0.0], [6.0]]),
            "mask": np.array([[[True, True], [True, True]]]),
        },
    )
    for batch, h, t, m, d_k, d_v, c, dtype in [
        (2, 2, 5, 5, 3, 2, 2, np.float64),
        (1, 3, 6, 6, 2, 3, 1, np.float32),
        (2, 1, 2, 6, 4, 3, 3, np.float64),
        (1, 2, 1, 5, 2, 2, 2, np.float32),
    ]:
        draw = normal(rng, dtype)
        who = "" if t == m else f", the last {t} ask" if t > 1 else ", the last asks"
        mask = rng.random((batch, t, m)) < 0.7
        mask[:, :, -2:] |= ~mask.any(-1, keepdims=True)
        yield Case(
            f"batch {batch}, {h} head{'s' * (h > 1)}, {m} positions{who}; clipped at {c}, {np.dtype(dtype)}",
            {
                "Q": draw(batch, h, t, d_k),
                "K": draw(batch, h, m, d_k),
                "V": draw(batch, h, m, d_v),
                "A_K": draw(2 * c + 1, d_k),
                "A_V": draw(2 * c + 1, d_v),
                "mask": mask,
            },
        )
    draw = normal(rng, np.float64)
    yield Case(
        "a causal mask of shape [1, n, n]",
        {
            "Q": draw(2, 2, 4, 2),
            "K": draw(2, 2, 4, 2),
            "V": draw(2, 2, 4, 3),
            "A_K": draw(3, 2),
            "A_V": draw(3, 3),
            "mask": np.tril(np.ones((1, 4, 4), dtype=bool)),
        },
    )


def _relative(distance=None, rows=None, scores=None, values=True):
    """A wrong ``relative_attention``: the right one with some of its steps replaced."""

    def candidate(Q, K, V, A_K, A_V, mask):
        t, m, c = Q.shape[2], K.shape[2], len(A_K) // 2
        apart = (distance or _ahead)(t, m)
        row = (rows or _clipped)(apart, c)
        by_distance = torch.einsum("bhtd,tmd->bhtm", Q, A_K[row])
        root = K.shape[-1] ** 0.5
        made = scores(Q, K, A_K[row], root) if scores else (Q @ K.mT + by_distance) / root
        alpha = made.masked_fill(~mask[..., None, :, :], -torch.inf).softmax(-1)
        return alpha @ V + (torch.einsum("bhtm,tmd->bhtd", alpha, A_V[row]) if values else 0)

    return candidate


def _ahead(t, m):
    return torch.arange(m) - torch.arange(m - t, m)[:, None]


def _clipped(apart, c):
    return apart.clamp(-c, c) + c


def _relative_bias_library(Q, K, V, A_K, A_V, mask):
    """torch's own attention with the position's part as an additive mask, and one-hot values to get the weights."""
    t, m, c = Q.shape[2], K.shape[2], len(A_K) // 2
    row = _clipped(_ahead(t, m), c)
    bias = torch.einsum("bhtd,tmd->bhtm", Q, A_K[row]) / K.shape[-1] ** 0.5
    bias = bias.masked_fill(~mask[..., None, :, :], -torch.inf)
    one_hot = torch.eye(m, dtype=Q.dtype).expand(*K.shape[:2], -1, -1)
    alpha = F.scaled_dot_product_attention(Q, K, one_hot, attn_mask=bias)
    return alpha @ V + torch.einsum("bhtm,tmd->bhtd", alpha, A_V[row])


def _relative_own_keys(Q, K, V, A_K, A_V, mask):
    """Keys and values of each query's own: [batch, h, t, m, d]."""
    row = _clipped(_ahead(Q.shape[2], K.shape[2]), len(A_K) // 2)
    keys, values = K[:, :, None] + A_K[row], V[:, :, None] + A_V[row]
    scores = (Q[:, :, :, None] * keys).sum(-1) / K.shape[-1] ** 0.5
    alpha = scores.masked_fill(~mask[..., None, :, :], -torch.inf).softmax(-1)
    return (alpha[..., None] * values).sum(-2)


def _relative_loops(Q, K, V, A_K, A_V, mask):
    t, m, c = Q.shape[2], K.shape[2], len(A_K) // 2
    out = []
    for i in range(t):
        row = [min(max(j - (m - t + i), -c), c) + c for j in range(m)]
        scores = (Q[:, :, i, None] * (K + A_K[row])).sum(-1) / K.shape[-1] ** 0.5  # [batch, h, m]
        may = mask.expand(len(Q), t, m)[:, None, i]
        out.append((scores.masked_fill(~may, -torch.inf).softmax(-1)[..., None] * (V + A_V[row])).sum(-2))
    return torch.stack(out, dim=2)


# ---- alibi_bias ----------------------------------------------------------------------------------------------------


def alibi_cases(rng):
    yield Case("the worked example", {"h": 2, "t": 2, "m": 3})
    n = int(rng.integers(4, 8))
    yield Case(f"8 heads, {n} positions", {"h": 8, "t": n, "m": n})
    yield Case(f"16 heads, {n - 1} positions", {"h": 16, "t": n - 1, "m": n - 1})
    yield Case(f"4 heads, the last 2 of {n} positions ask", {"h": 4, "t": 2, "m": n})
    yield Case(f"6 heads, {n} positions", {"h": 6, "t": n, "m": n})
    yield Case(f"3 heads, the last of {n + 1} positions asks", {"h": 3, "t": 1, "m": n + 1})
    yield Case("12 heads, a single position", {"h": 12, "t": 1, "m": 1})


def _alibi(slopes=None, distance=None, sign=-1.0, hide=True):
    """A wrong ``alibi_bias``: the right one with some of its parts replaced."""

    def candidate(h, t, m):
        back = np.arange(m - t, m)[:, None] - np.arange(m) if distance is None else distance(t, m)
        bias = sign * (slopes or pos.alibi_slopes)(h)[:, None, None] * back
        return np.where(np.arange(m - t, m)[:, None] >= np.arange(m), bias, -np.inf) if hide else bias

    return candidate


def _slopes_of_the_larger(h):
    power = 2 ** math.ceil(math.log2(h))
    return pos.alibi_slopes(power)[:h]


def _slopes_first_between(h):
    power = 2 ** int(math.log2(h))
    return np.concatenate([pos.alibi_slopes(power), pos.alibi_slopes(2 * power)[: h - power]])


def _alibi_first_rows(h, t, m):
    return pos.alibi_bias(h, m, m)[:, :t]


def _alibi_loops(h, t, m):
    def series(count):
        return [2 ** (-8 * (a + 1) / count) for a in range(count)]

    power = 1
    while 2 * power <= h:
        power *= 2
    slopes = series(power) + series(2 * power)[0::2][: h - power]
    bias = np.full((h, t, m), -np.inf)
    for a in range(h):
        for i in range(t):
            for j in range(m - t + i + 1):
                bias[a, i, j] = -slopes[a] * (m - t + i - j)
    return bias


def _alibi_rows(h, t, m):
    """Made for all m positions, of which the last t rows are asked for."""
    position = np.arange(m)
    steps = np.minimum(position[None, :] - position[:, None], 0).astype(float)
    steps[np.triu_indices(m, 1)] = -np.inf
    return (pos.alibi_slopes(h)[:, None, None] * steps)[:, m - t :]


# ---- rotary_embedding ----------------------------------------------------------------------------------------------


def rotary_cases(rng):
    yield Case("the worked example", {"X": np.array([[[[1.0, 0.0, 1.0, 0.0]]]]), "positions": np.array([[2]])})
    for batch, h, n, d_k, dtype in [
        (1, 1, 3, 4, np.float64),
        (2, 3, 4, 6, np.float32),
        (3, 2, 2, 2, np.float64),
        (2, 2, 5, 8, np.float64),
    ]:
        positions = np.sort(rng.integers(0, 30, size=(batch, n)), axis=1)
        positions[:, -1] += 1 + np.arange(batch)  # no sentence has the positions of another, nor 0 … n − 1
        yield Case(
            f"batch {batch} with positions of each sentence's own, {h} head{'s' * (h > 1)}, {n} words, d_k = {d_k}, "
            f"{np.dtype(dtype)}",
            {"X": normal(rng, dtype)(batch, h, n, d_k), "positions": positions},
        )
    yield Case(
        "a sentence after two words of padding, and one after none",
        {
            "X": normal(rng, np.float64)(2, 2, 4, 6),
            "positions": np.array([[0, 0, 0, 1], [0, 1, 2, 3]]),
        },
    )


def _rotary(exponent=None, sign=1, positions_of=None, turn=None, layout="pairs"):
    """A wrong ``rotary_embedding``: the right one with some of its parts replaced."""

    def candidate(X, positions):
        d_k = X.shape[-1]
        i = torch.arange(d_k // 2, dtype=torch.float64)
        theta = 10000.0 ** (-(exponent or _two_i)(i, X))
        at = positions if positions_of is None else positions_of(X, positions)
        angle = sign * at[:, None, :, None] * theta
        cos, sin = angle.cos().to(X.dtype), angle.sin().to(X.dtype)
        x, y = (X[..., 0::2], X[..., 1::2]) if layout == "pairs" else X.chunk(2, -1)
        x, y = (x * cos - y * sin, x * sin + y * cos) if turn is None else turn(x, y, cos, sin)
        return torch.stack([x, y], -1).flatten(-2) if layout == "pairs" else torch.cat([x, y], -1)

    return candidate


def _two_i(i, X):
    return 2 * i / X.shape[-1]


def _rotary_complex(X, positions):
    theta = 10000.0 ** (-torch.arange(0, X.shape[-1], 2).double() / X.shape[-1])
    angle = positions.double()[:, None, :, None] * theta
    z = torch.view_as_complex(X.reshape(*X.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(z * torch.polar(torch.ones_like(angle), angle).to(z.dtype)).flatten(-2)


def _rotary_swapped_pairs(X, positions):
    """x cos + (−y, x) sin, with cosines and sines as wide as X."""
    theta = 10000.0 ** (-torch.arange(0, X.shape[-1], 2).double() / X.shape[-1])
    angle = (positions[..., None] * theta).repeat_interleave(2, -1)[:, None]  # [batch, 1, n, d_k]
    other = torch.stack([-X[..., 1::2], X[..., 0::2]], -1).flatten(-2)
    return X * angle.cos().to(X.dtype) + other * angle.sin().to(X.dtype)


def _rotary_single_precision(X, positions):
    """Frequencies in float32, as torch makes them of whole numbers."""
    angle = positions[:, None, :, None] / 10000 ** (torch.arange(0, X.shape[-1], 2) / X.shape[-1])
    x, y = X.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((x * angle.cos() - y * angle.sin(), y * angle.cos() + x * angle.sin()), -1).flatten(-2)


def _rotary_matrices(X, positions):
    d_k = X.shape[-1]
    M = np.stack([[pos.rotation_matrix(d_k, -int(p)) for p in row] for row in positions])  # [batch, n, d_k, d_k]
    return torch.einsum("bhnd,bnde->bhne", X, torch.from_numpy(M).to(X.dtype))


# ---- to_interleaved ------------------------------------------------------------------------------------------------


def interleaved_cases(rng):
    yield Case("the worked example", {"W": np.arange(1.0, 7.0).reshape(1, 6), "h": 1})
    for d_model, h, d_k, dtype in [
        (4, 2, 6, np.float64),
        (5, 3, 8, np.float32),
        (8, 2, 4, np.float64),
        (3, 2, 10, np.float32),
    ]:
        yield Case(
            f"{h} heads of width {d_k}, d_model = {d_model}, {np.dtype(dtype)}",
            {"W": normal(rng, dtype)(d_model, h * d_k), "h": h},
        )
    yield Case("heads of width 2, where both layouts are one", {"W": normal(rng, np.float64)(3, 4), "h": 2})


def _interleaved_backwards(W, h):
    return W.reshape(len(W), h, -1, 2).swapaxes(2, 3).reshape(W.shape)


def _interleaved_whole_width(W, h):
    return W.reshape(len(W), 2, -1).swapaxes(1, 2).reshape(W.shape)


def _interleaved_unchanged(W, h):
    return W.copy()


def _interleaved_second_first(W, h):
    return W.reshape(len(W), h, 2, -1)[:, :, ::-1].swapaxes(2, 3).reshape(W.shape)


def _interleaved_heads_too(W, h):
    return W.reshape(len(W), h, 2, -1).transpose(0, 2, 3, 1).reshape(W.shape)


def _interleaved_halves_changed(W, h):
    return W.reshape(len(W), h, 2, -1)[:, :, ::-1].reshape(W.shape)


def _interleaved_index(W, h):
    d_k = W.shape[1] // h
    order = [a * d_k + i + half * d_k // 2 for a in range(h) for i in range(d_k // 2) for half in (0, 1)]
    return W[:, order]


def _interleaved_strides(W, h):
    out = np.empty_like(W)
    for new, old in zip(np.split(out, h, axis=1), np.split(W, h, axis=1), strict=True):
        new[:, 0::2], new[:, 1::2] = np.split(old, 2, axis=1)
    return out


# ---- stretch_table -------------------------------------------------------------------------------------------------


def stretch_cases(rng):
    yield Case("the worked example", {"table": np.array([[0.0, 8.0], [4.0, 2.0]]), "n": 3})
    for n_old, d, n, dtype in [
        (4, 3, 7, np.float64),
        (5, 2, 13, np.float32),
        (3, 4, 8, np.float64),
        (6, 1, 9, np.float32),
    ]:
        yield Case(
            f"from {n_old} to {n} positions, width {d}, {np.dtype(dtype)}",
            {"table": normal(rng, dtype)(n_old, d), "n": n},
        )
    yield Case("as many positions as before", {"table": normal(rng, np.float64)(5, 3), "n": 5})
    yield Case("from 7 to 4 positions", {"table": normal(rng, np.float64)(7, 2), "n": 4})


def _stretch_at(where):
    """A wrong ``stretch_table``: linear interpolation, but asked at other places."""

    def candidate(table, n):
        at = np.clip(where(np.arange(n), len(table), n), 0, len(table) - 1)
        below = np.minimum(at.astype(int), len(table) - 2)
        part = (at - below)[:, None].astype(table.dtype)
        return (1 - part) * table[below] + part * table[below + 1]

    return candidate


def _stretch_nearest(table, n):
    return table[np.round(np.arange(n) * (len(table) - 1) / (n - 1)).astype(int)]


def _stretch_below(table, n):
    return table[np.arange(n) * (len(table) - 1) // (n - 1)]


def _stretch_weights_exchanged(table, n):
    at = np.arange(n) * (len(table) - 1) / (n - 1)
    below = np.minimum(at.astype(int), len(table) - 2)
    part = (at - below)[:, None].astype(table.dtype)
    return part * table[below] + (1 - part) * table[below + 1]


def _stretch_wrapped(table, n):
    return table[np.arange(n) % len(table)]


def _stretch_zeros(table, n):
    out = np.zeros((n, table.shape[1]), dtype=table.dtype)
    out[: len(table)] = table[:n]
    return out


def _stretch_interp(table, n):
    at = np.linspace(0, len(table) - 1, n)
    return np.stack([np.interp(at, np.arange(len(table)), column) for column in table.T], 1).astype(table.dtype)


def _stretch_torch(table, n):
    rows = torch.from_numpy(np.ascontiguousarray(table.T))[None]
    return F.interpolate(rows, size=n, mode="linear", align_corners=True)[0].numpy().T.copy()


def _stretch_hats(table, n):
    """Every old row is spread over a hat of width 2 around its place."""
    at = np.linspace(0, len(table) - 1, n)[:, None]
    return (np.maximum(1 - abs(at - np.arange(len(table))), 0) @ table).astype(table.dtype)


EXERCISES = [
    Exercise(
        name="sinusoidal_encoding",
        assignment=ASSIGNMENT,
        section="pos-sinusoids",
        points=2,
        difficulty=2,
        minutes=20,
        reference=pos.sinusoidal_encoding,
        probe=probe.call,
        cases=sinusoidal_cases,
        mistakes=[
            Mistake(
                "all sines, then all cosines",
                _sinusoidal_blocks,
                "Your left half holds sines and your right half cosines. Here a sine and its cosine are neighbours: "
                "which columns are even?",
                "pos-sinusoids",
            ),
            Mistake(
                "exponent half as large",
                _sinusoidal_pairs_counted,
                "Your waves are too short from the second pair on. The formula's exponent has a 2 in it, or, which is "
                "the same, the number of the even column and not the number of the pair.",
                "pos-sinusoids",
            ),
            Mistake(
                "a frequency for every column",
                _sinusoidal_own_frequency,
                "Your cosines do not belong to your sines: each column has an angle of its own. A cosine shares the "
                "angle of the sine before it.",
                "pos-sinusoids",
            ),
            Mistake(
                "sine and cosine exchanged",
                _sinusoidal_exchanged,
                "Position 0 should begin with 0, 1: the sine of 0 and then its cosine.",
                "pos-sinusoids",
            ),
            Mistake(
                "positions counted from 1",
                _sinusoidal_from_one,
                "Your first row is the second one. The first position is 0 if nothing stands before it.",
                "pos-sinusoids",
            ),
            Mistake(
                "the words before not counted",
                _sinusoidal_no_start,
                "You begin at position 0 whatever start is. A word written with a cache would always stand first.",
                "pos-cache",
            ),
            Mistake(
                "as many cosines as sines",
                _sinusoidal_unequal_halves,
                "That works for even widths. With an odd one there is one column fewer for cosines than for sines.",
                "pos-odd",
            ),
            Mistake(
                "odd width dropped",
                _sinusoidal_dropped,
                "For an odd width you return one column too few. The last sine has a column; only its cosine has none.",
                "pos-odd",
            ),
            Mistake(
                "last column of an odd width left at 0",
                _sinusoidal_zero_column,
                "For an odd width your last column is 0. It is a sine like every other even column.",
                "pos-odd",
            ),
            Mistake(
                "frequencies of the next even width",
                _sinusoidal_width_rounded,
                "For odd widths you made one column more and cut it off. Then the exponent has the wrong denominator: "
                "it is the width that was asked for.",
                "pos-odd",
            ),
        ],
        alternatives=[_sinusoidal_loops, _sinusoidal_shifted_sines],
        framework="torch",
    ),
    Exercise(
        name="rotation_matrix",
        assignment=ASSIGNMENT,
        section="pos-rotation",
        points=2,
        difficulty=3,
        minutes=20,
        reference=pos.rotation_matrix,
        probe=probe.call,
        cases=rotation_cases,
        mistakes=[
            Mistake(
                "turned the other way",
                _rotation_back,
                "Your matrix goes k steps back, or multiplies columns from the left. Here a row stands before the "
                "matrix, and its first entry is the sine.",
                "pos-rotation",
            ),
            Mistake(
                "one angle for all pairs",
                _rotation_one_angle,
                "All your pairs turn at the same speed. A step of one word turns the first pair far and the last one "
                "hardly at all.",
                "pos-rotation",
            ),
            Mistake(
                "exponent half as large",
                _rotation_pairs_counted,
                "Your later pairs turn too fast. Compare your exponent with the one in the encoding.",
                "pos-sinusoids",
            ),
            Mistake(
                "sines and cosines in blocks",
                _rotation_halves,
                "Your matrix fits an encoding with all sines first. Here a sine and its cosine are neighbours, so the "
                "matrix is made of blocks of two along the diagonal.",
                "pos-rotation",
            ),
            Mistake(
                "one step whatever k",
                _rotation_of_one_step,
                "Your matrix does not change with k.",
                "pos-rotation",
            ),
            Mistake(
                "a sign lost",
                _rotation_no_minus,
                "Your blocks are no rotations. One of the two angle-addition formulas has a minus in it.",
                "pos-rotation",
            ),
        ],
        alternatives=[_rotation_power, _rotation_solved],
    ),
    Exercise(
        name="stretch_table",
        assignment=ASSIGNMENT,
        section="pos-learned",
        points=2,
        difficulty=3,
        minutes=20,
        reference=pos.stretch_table,
        probe=probe.call,
        cases=stretch_cases,
        mistakes=[
            Mistake(
                "last row repeated",
                _stretch_at(lambda p, n_old, n: p),
                "Your first rows are the old ones, and then the last row comes again and again. Then all late "
                "positions are one and the same.",
                "pos-learned",
            ),
            Mistake(
                "new rows zero",
                _stretch_zeros,
                "Behind the old rows your table is 0: no position at all. The old rows are to be spread over the new "
                "length.",
                "pos-learned",
            ),
            Mistake(
                "begun again from the first row",
                _stretch_wrapped,
                "Your table repeats itself, so that two words get the same row.",
                "pos-learned",
            ),
            Mistake(
                "nearest row",
                _stretch_nearest,
                "You take the nearest old row, so that neighbours share one. Between two old rows there is a mixture.",
                "pos-learned",
            ),
            Mistake(
                "row before, without a mixture",
                _stretch_below,
                "You take the old row before. Between two old rows there is a mixture of both.",
                "pos-learned",
            ),
            Mistake(
                "last row not reached",
                _stretch_at(lambda p, n_old, n: p * n_old / n),
                "Your first row is right, but your rows go too fast and reach the last one too soon. How many *steps* "
                "lie between first and last, before and after?",
                "pos-learned",
            ),
            Mistake(
                "centres of cells instead of points",
                _stretch_at(lambda p, n_old, n: (p + 0.5) * n_old / n - 0.5),
                "That is how pictures are resized, whose rows are cells with a width. Here first and last row stay "
                "what they are (`align_corners=True`, if you use torch).",
                "pos-learned",
            ),
            Mistake(
                "weights exchanged",
                _stretch_weights_exchanged,
                "Your mixtures have the weights of the two rows exchanged: the nearer row should count more.",
                "pos-learned",
            ),
        ],
        alternatives=[_stretch_interp, _stretch_torch, _stretch_hats],
    ),
    Exercise(
        name="relative_attention",
        assignment=ASSIGNMENT,
        section="pos-relative",
        points=3,
        difficulty=4,
        minutes=30,
        reference=pos.relative_attention,
        probe=probe.call_with_gradients,
        cases=relative_cases,
        mistakes=[
            Mistake(
                "before and after exchanged",
                _relative(distance=lambda t, m: -_ahead(t, m)),
                "You use the row of the word after for the word before. The distance counts from the one that asks to "
                "the one that is asked.",
                "pos-relative",
            ),
            Mistake(
                "far words without a vector",
                _relative(rows=lambda apart, c: torch.where(apart.abs() <= c, apart, 0) + c),
                "Words farther away than the table reaches get the row of distance 0 from you. They share the "
                "outermost rows.",
                "pos-relative",
            ),
            Mistake(
                "distances not clipped",
                _relative(rows=lambda apart, c: apart + c),
                "The table has rows for near words only. Beyond it, one side raises an IndexError, and the other takes "
                "a wrong row, since Python counts negative numbers from the end.",
                "pos-relative",
            ),
            Mistake(
                "far words around the other end",
                _relative(rows=lambda apart, c: (apart + c) % (2 * c + 1)),
                "Beyond the end of the table you begin again at its other end. Far words share the outermost rows.",
                "pos-relative",
            ),
            Mistake(
                "rows counted from distance 0",
                _relative(rows=lambda apart, c: apart.clamp(-c, c) % (2 * c + 1)),
                "You look up row r for distance r, and Python counts negative ones from the end. The table's first "
                "row is for distance −c.",
                "pos-relative",
            ),
            Mistake(
                "values without their part",
                _relative(values=False),
                "Your weights are right, but the distance changes the keys only. The values have a table, too.",
                "pos-relative",
            ),
            Mistake(
                "the distance's part not divided",
                _relative(scores=lambda Q, K, A, root: Q @ K.mT / root + torch.einsum("bhtd,tmd->bhtm", Q, A)),
                "You divide the content's part by √d_k and add the distance's part as it is. The sum of both is "
                "divided.",
                "pos-relative",
            ),
            Mistake(
                "asked by the key",
                _relative(
                    scores=lambda Q, K, A, root: (Q @ K.mT + torch.einsum("bhmd,tmd->bhtm", K, A)) / root,
                ),
                "You multiply the distance's vector by the key. It is added to the key, and both meet the query.",
                "pos-relative",
            ),
            Mistake(
                "queries taken for the first words",
                _relative(distance=lambda t, m: torch.arange(m) - torch.arange(t)[:, None]),
                "It works where all positions ask. With fewer queries than keys they are the last ones: where does "
                "query 0 stand?",
                "pos-cache",
            ),
        ],
        alternatives=[_relative_bias_library, _relative_own_keys, _relative_loops],
        framework="torch",
    ),
    Exercise(
        name="alibi_bias",
        assignment=ASSIGNMENT,
        section="pos-alibi",
        points=2,
        difficulty=3,
        minutes=20,
        reference=pos.alibi_bias,
        probe=probe.call,
        cases=alibi_cases,
        mistakes=[
            Mistake(
                "far words preferred",
                _alibi(sign=1.0),
                "Your bias grows with the distance, so that far words are preferred. It is a penalty.",
                "pos-alibi",
            ),
            Mistake(
                "future not hidden",
                _alibi(hide=False),
                "Keys that come after the query get a positive bias from you. They may not be looked at at all.",
                "pos-alibi",
            ),
            Mistake(
                "future punished instead of hidden",
                _alibi(hide=False, distance=lambda t, m: abs(np.arange(m - t, m)[:, None] - np.arange(m))),
                "Keys that come after the query get a finite bias from you, as if they were as far before it. They may "
                "not be looked at at all.",
                "pos-alibi",
            ),
            Mistake(
                "slopes from 1 on",
                _alibi(slopes=lambda h: 2.0 ** (-8 * np.arange(h) / h)),
                "Your first slope is 1. The series begins with its ratio: for 8 heads with one half.",
                "pos-alibi",
            ),
            Mistake(
                "the same slopes for any number of heads",
                _alibi(slopes=lambda h: 2.0 ** -np.arange(1, h + 1)),
                "You halve the slope from head to head. That is right for 8 heads; with others the ratio changes, so "
                "that the last slope is always 2^−8.",
                "pos-alibi",
            ),
            Mistake(
                "equal steps between the slopes",
                _alibi(slopes=lambda h: np.arange(h, 0, -1) / h / 2),
                "Your slopes fall by equal differences. They fall by equal ratios.",
                "pos-alibi",
            ),
            Mistake(
                "flattest head first",
                _alibi(slopes=lambda h: pos.alibi_slopes(h)[::-1]),
                "Your slopes are right, but in the opposite order: the first head is the steepest.",
                "pos-alibi",
            ),
            Mistake(
                "one series for 6 heads",
                _alibi(slopes=lambda h: 2.0 ** (-8 * np.arange(1, h + 1) / h)),
                "It works where the number of heads is a power of two. For others the slopes are put together from "
                "two series.",
                "pos-slopes",
            ),
            Mistake(
                "slopes of the next larger power of two",
                _alibi(slopes=_slopes_of_the_larger),
                "For 6 heads you take the first 6 of the slopes for 8. The slopes for 4 come first, and then some "
                "that lie between them.",
                "pos-slopes",
            ),
            Mistake(
                "neighbouring slopes of the second series",
                _alibi(slopes=_slopes_first_between),
                "For 6 heads, the slopes that you add to those for 4 are partly the same ones again. Take every other "
                "of the longer series.",
                "pos-slopes",
            ),
            Mistake(
                "queries taken for the first words",
                _alibi_first_rows,
                "It works where all positions ask. With fewer queries than keys they are the last ones: where does "
                "query 0 stand?",
                "pos-cache",
            ),
        ],
        alternatives=[_alibi_loops, _alibi_rows],
    ),
    Exercise(
        name="rotary_embedding",
        assignment=ASSIGNMENT,
        section="pos-rope",
        points=3,
        difficulty=4,
        minutes=25,
        reference=pos.rotary_embedding,
        probe=probe.call_with_gradients,
        cases=rotary_cases,
        mistakes=[
            Mistake(
                "turned the other way",
                _rotary(sign=-1),
                "You turn by the negative angle. If queries and keys both do, the scores are those of the opposite "
                "distances.",
                "pos-rope",
            ),
            Mistake(
                "halves instead of pairs",
                _rotary(layout="halves"),
                "You turn column i with column i + d_k/2. That is the other layout; here neighbours are turned.",
                "pos-layouts",
            ),
            Mistake(
                "exponent half as large",
                _rotary(exponent=lambda i, X: i / X.shape[-1]),
                "Your later pairs turn too fast. Compare your exponent with the formula.",
                "pos-rope",
            ),
            Mistake(
                "frequencies of the whole width",
                _rotary(exponent=lambda i, X: 2 * i / (X.shape[1] * X.shape[-1])),
                "You divide the exponent by the width of all heads together. Each head turns its own d_k columns with "
                "frequencies from 1 down.",
                "pos-rope",
            ),
            Mistake(
                "one angle for all pairs",
                _rotary(exponent=lambda i, X: 0 * i),
                "All your pairs turn at the same speed, so that far distances look like near ones.",
                "pos-rope",
            ),
            Mistake(
                "positions not looked at",
                _rotary(positions_of=lambda X, positions: torch.arange(X.shape[2]).expand_as(positions)),
                "You turn word i by i, whatever its position is. With padding before it, or a cache, it stands "
                "elsewhere.",
                "pos-padding",
            ),
            Mistake(
                "positions of the first sentence",
                _rotary(positions_of=lambda X, positions: positions[:1].expand_as(positions)),
                "You use the first sentence's positions for all sentences of the batch.",
                "pos-padding",
            ),
            Mistake(
                "multiplied instead of turned",
                _rotary(turn=lambda x, y, cos, sin: (x * cos, y * sin)),
                "You multiply one column of a pair by the cosine and the other by the sine. A rotation mixes the two.",
                "pos-rope",
            ),
            Mistake(
                "added instead of turned",
                _rotary(turn=lambda x, y, cos, sin: (x + sin, y + cos)),
                "You add sine and cosine. That is the sinusoidal encoding; here nothing is added.",
                "pos-rope",
            ),
            Mistake(
                "a sign lost",
                _rotary(turn=lambda x, y, cos, sin: (x * cos + y * sin, x * sin + y * cos)),
                "Your pairs change their length, so they are not turned. One of the two formulas has a minus in it.",
                "pos-rope",
            ),
        ],
        alternatives=[_rotary_complex, _rotary_swapped_pairs, _rotary_single_precision, _rotary_matrices],
        framework="torch",
        tolerance=Tolerance(
            float64=(1e-4, 1e-5),
            reason="frequencies made of whole numbers are single precision in torch; every mistake is far larger",
        ),
    ),
    Exercise(
        name="to_interleaved",
        assignment=ASSIGNMENT,
        section="pos-layouts",
        points=2,
        difficulty=3,
        minutes=20,
        reference=pos.to_interleaved,
        probe=probe.call,
        cases=interleaved_cases,
        mistakes=[
            Mistake(
                "the other direction",
                _interleaved_backwards,
                "You convert a model with neighbouring pairs into one with halves. (With heads of width 4 both "
                "directions are the same, so that this shows with wider ones only.)",
                "pos-layouts",
            ),
            Mistake(
                "the whole width at once",
                _interleaved_whole_width,
                "You pair columns of different heads. Each head has two halves of its own.",
                "pos-layouts",
            ),
            Mistake(
                "nothing changed",
                _interleaved_unchanged,
                "You return the matrix as it was. Which two columns are turned together before, and which after?",
                "pos-layouts",
            ),
            Mistake(
                "second half first",
                _interleaved_second_first,
                "Your pairs are the right ones, but turned about: (y, x) for (x, y). Turning that goes the other way.",
                "pos-layouts",
            ),
            Mistake(
                "halves exchanged",
                _interleaved_halves_changed,
                "You exchange the two halves, and they still are halves.",
                "pos-layouts",
            ),
            Mistake(
                "heads mixed into one another",
                _interleaved_heads_too,
                "The order of the heads' columns has changed as well: a head's columns must stay together.",
                "pos-layouts",
            ),
        ],
        alternatives=[_interleaved_index, _interleaved_strides],
    ),
]
