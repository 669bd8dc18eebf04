"""Chapter 6: what the exercises on the scaled dot product ask of a candidate."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake, Tolerance
from autograder.reference import scaled_dot_product as sdp

ASSIGNMENT = "06-scaled-dot-product"


def normal(rng, dtype):
    return lambda *shape: rng.normal(size=shape).astype(dtype)


def some(rng, *shape):
    """A random boolean mask with at least one True in each row."""
    mask = rng.random(shape) < 0.5
    np.put_along_axis(mask, rng.integers(shape[-1], size=(*shape[:-1], 1)), True, axis=-1)
    return mask


# ---- tempered_softmax --------------------------------------------------------------------------------------------


def tempered_cases(rng):
    yield Case("the worked example", {"z": np.log(np.array([[1.0, 9.0]])), "T": 2.0})
    for shape, T, dtype in [((3, 3), 0.5, np.float64), ((2, 4, 5), 3.0, np.float32), ((4, 2), 1.0, np.float64)]:
        draw = normal(rng, dtype)
        yield Case(f"scores of shape {shape}, T = {T}, {np.dtype(dtype)}", {"z": 2 * draw(*shape), "T": T})
    draw = normal(rng, np.float64)
    yield Case("scores near 600, T = 0.5", {"z": 600 + draw(2, 3), "T": 0.5})
    yield Case("scores near -1000", {"z": -1000 + draw(2, 3), "T": 1.5})
    yield Case("one row near 0, one near 1000", {"z": draw(2, 4) + np.array([[0.0], [1000.0]]), "T": 1.0})
    yield Case("almost an argmax: T = 0.001, float32", {"z": normal(rng, np.float32)(2, 3), "T": 0.001})
    yield Case("almost uniform: T = 1000", {"z": draw(1, 5), "T": 1000.0})


def _tempered_overflow(z, T):
    e = np.exp(z / T)
    return e / e.sum(-1, keepdims=True)


def _tempered_one_maximum(z, T):
    e = np.exp((z - z.max()) / T)
    return e / e.sum(-1, keepdims=True)


def _tempered_maximum_too_early(z, T):
    e = np.exp(z / T - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _tempered_axis(z, T):
    return np.swapaxes(sdp.tempered_softmax(np.swapaxes(z, -1, -2), T), -1, -2)


def _tempered_everything(z, T):
    e = np.exp((z - z.max()) / T)
    return e / e.sum()


def _tempered_multiplied(z, T):
    return sdp.tempered_softmax(z, 1 / T)


def _tempered_ignored(z, T):
    return sdp.tempered_softmax(z)


def _tempered_after(z, T):
    return sdp.tempered_softmax(z) / T


def _tempered_torch(z, T):
    return torch.softmax(torch.from_numpy(z) / T, dim=-1).numpy()


def _tempered_rows(z, T):
    p = np.empty_like(z)
    for at in np.ndindex(z.shape[:-1]):
        e = np.exp(z[at] / T - (z[at] / T).max())
        p[at] = e / e.sum()
    return p


def _tempered_lse(z, T):
    return np.exp(z / T - sdp.log_sum_exp(z / T)[..., None])


# ---- log_sum_exp -------------------------------------------------------------------------------------------------


def lse_cases(rng):
    yield Case("the worked example", {"z": np.log(np.array([[1.0, 3.0], [2.0, 8.0]]))})
    for shape, dtype in [((3, 3), np.float64), ((2, 4, 5), np.float32), ((1, 1), np.float64), ((6,), np.float64)]:
        yield Case(f"scores of shape {shape}, {np.dtype(dtype)}", {"z": 2 * normal(rng, dtype)(*shape)})
    draw = normal(rng, np.float64)
    yield Case("scores near 1000", {"z": 1000 + draw(3, 3)})
    yield Case("one row near 1000, one near -1000", {"z": draw(2, 3) + np.array([[1000.0], [-1000.0]])})
    masked = draw(2, 3)
    masked[0, 1] = masked[1, 0] = -np.inf
    yield Case("some scores -∞", {"z": masked})
    empty = draw(2, 4)
    empty[1] = -np.inf
    yield Case("one row of nothing but -∞", {"z": empty})


def _lse_overflow(z):
    return np.log(np.exp(z).sum(-1))


def _lse_not_added_back(z):
    top = z.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(z.dtype)
    return np.log(np.exp(z - top).sum(-1))


def _lse_empty_nan(z):
    top = z.max(-1, keepdims=True)
    return (top + np.log(np.exp(z - top).sum(-1, keepdims=True)))[..., 0]


def _lse_one_maximum(z):
    return z.max() + np.log(np.exp(z - z.max()).sum(-1))


def _lse_axis(z):
    return sdp.log_sum_exp(np.moveaxis(z, 0, -1))


def _lse_everything(z):
    return sdp.log_sum_exp(z.reshape(-1))


def _lse_mean(z):
    return sdp.log_sum_exp(z) - np.log(z.shape[-1]).astype(z.dtype)


def _lse_maximum(z):
    return z.max(-1)


def _lse_torch(z):
    return torch.logsumexp(torch.from_numpy(z), dim=-1).numpy()


def _lse_logaddexp(z):
    return np.logaddexp.reduce(z, axis=-1)


# ---- scaled_dot_product_attention --------------------------------------------------------------------------------


def attention_cases(rng):
    yield Case(
        "the worked example",
        {
            "Q": np.array([[[1.0, 0.0, 0.0, 0.0]]]),
            "K": np.array([[[0.0, 1.0, 0.0, 0.0], [np.log(9.0), 0.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]]]),
            "V": np.array([[[4.0, 0.0], [0.0, 8.0], [7.0, 7.0]]]),
            "mask": np.array([[[True, True, False]]]),
        },
    )
    for leading, t, m, d_k, d_v, dtype in [
        ((1,), 1, 2, 3, 3, np.float64),
        ((2,), 3, 5, 4, 2, np.float32),
        ((2, 3), 4, 2, 5, 6, np.float64),
        ((), 4, 4, 2, 3, np.float64),
    ]:
        draw = normal(rng, dtype)
        given = {"Q": draw(*leading, t, d_k), "K": draw(*leading, m, d_k), "V": draw(*leading, m, d_v)}
        about = f"leading axes {leading}, t = {t}, m = {m}, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}"
        yield Case(f"{about}, no mask", {**given, "mask": None})
        yield Case(f"{about}, a mask for each query", {**given, "mask": some(rng, *leading, t, m)})
    draw = normal(rng, np.float64)
    given = {"Q": draw(2, 3, 4, 5), "K": draw(2, 3, 6, 5), "V": draw(2, 3, 6, 2)}
    yield Case("one padding mask [batch, 1, 1, m] for three heads", {**given, "mask": some(rng, 2, 1, 1, 6)})
    causal = {"Q": draw(2, 4, 3), "K": draw(2, 4, 3), "V": draw(2, 4, 5), "mask": np.tri(4, dtype=bool)}
    yield Case("a causal mask [t, m] for the whole batch", causal)
    mask = some(rng, 2, 3, 4)
    mask[0, 1] = False
    given = {"Q": draw(2, 3, 5), "K": draw(2, 4, 5), "V": draw(2, 4, 3), "mask": mask}
    yield Case("a query that may look nowhere", given)
    given = {"Q": 40 * draw(1, 3, 4), "K": 40 * draw(1, 5, 4), "V": draw(1, 5, 2), "mask": some(rng, 1, 3, 5)}
    yield Case("scores of more than 1000", given)


def _with(weigh, divisor=lambda Q, K, V: math.sqrt(K.shape[-1])):
    """A wrong attention: weights from ``weigh(scores, keep)``, scores divided by ``divisor(Q, K, V)``."""

    def candidate(Q, K, V, mask=None):
        scores = Q @ K.transpose(-2, -1) / divisor(Q, K, V)
        keep = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand_as(scores)
        return weigh(scores, keep) @ V

    return candidate


def _right(scores, keep):
    return scores.masked_fill(~keep, -torch.inf).softmax(-1).masked_fill(~keep, 0)


def _attention_divided_after(Q, K, V, mask=None):
    root = math.sqrt(K.shape[-1])
    return sdp.scaled_dot_product_attention(Q * root, K, V, mask) / root


def _attention_nan_replaced_late(Q, K, V, mask=None):
    scores = Q @ K.transpose(-2, -1) / math.sqrt(K.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return (scores.softmax(-1) @ V).nan_to_num(0)


def _attention_added_where(Q, K, V, mask=None):
    scores = Q @ K.transpose(-2, -1) / math.sqrt(K.shape[-1])
    if mask is None:
        return scores.softmax(-1) @ V
    added = scores + torch.zeros_like(mask, dtype=Q.dtype).masked_fill(~mask, -torch.inf)
    return torch.where(mask, added.softmax(-1), 0.0) @ V


def _attention_library(Q, K, V, mask=None):
    return F.scaled_dot_product_attention(Q, K, V, attn_mask=mask)


def _attention_einsum(Q, K, V, mask=None):
    scores = torch.einsum("...td,...md->...tm", Q / K.shape[-1] ** 0.5, K)
    if mask is None:
        return torch.einsum("...tm,...md->...td", torch.softmax(scores, -1), V)
    alpha = scores.masked_fill(mask.logical_not(), torch.finfo(Q.dtype).min).softmax(-1) * mask
    return torch.einsum("...tm,...md->...td", alpha, V)


def _attention_formula(Q, K, V, mask=None):
    scores = Q @ K.mT / K.size(-1) ** 0.5
    mask = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask
    top = scores.masked_fill(~mask, torch.finfo(Q.dtype).min).amax(-1, keepdim=True).detach()
    e = torch.where(mask, scores - top, -torch.inf).exp()
    return e @ V / e.sum(-1, keepdim=True).clamp_min(torch.finfo(Q.dtype).tiny)


# ---- attention_gradients -----------------------------------------------------------------------------------------


def gradients_cases(rng):
    yield Case(
        "the worked example",
        {
            "Q": np.array([[[1.0, 0.0, 0.0, 0.0]]]),
            "K": np.array([[[np.log(9.0), 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]),
            "V": np.array([[[4.0], [0.0]]]),
            "G": np.array([[[1.0]]]),
        },
    )
    for batch, t, m, d_k, d_v, dtype in [
        (1, 1, 3, 2, 4, np.float64),
        (2, 3, 3, 5, 2, np.float64),
        (3, 4, 2, 3, 6, np.float32),
    ]:
        draw = normal(rng, dtype)
        yield Case(
            f"batch {batch}, t = {t}, m = {m}, d_k = {d_k}, d_v = {d_v}, {np.dtype(dtype)}",
            {"Q": draw(batch, t, d_k), "K": draw(batch, m, d_k), "V": draw(batch, m, d_v), "G": draw(batch, t, d_v)},
        )
    draw = normal(rng, np.float64)
    ahead = np.array([1500.0, 1500.5, 1499.0])[None, :, None] * np.array([1.0, 0.0])  # divided by √2: near 1060
    yield Case(
        "scores near 1060",
        {
            "Q": np.array([[[1.0, 0.3], [1.0, -0.2]]]),
            "K": ahead + draw(1, 3, 2),
            "V": draw(1, 3, 2),
            "G": draw(1, 2, 2),
        },
    )


def _backward(
    through=lambda alpha, dalpha: alpha * (dalpha - (alpha * dalpha).sum(-1, keepdims=True)), forth=None, back=None
):
    """A wrong ``attention_gradients``: another step through the softmax, or other divisors forth and back."""

    def candidate(Q, K, V, G):
        root = math.sqrt(K.shape[-1])
        alpha = sdp.tempered_softmax(Q @ K.swapaxes(1, 2) / (forth(root) if forth else root))
        dZ = through(alpha, G @ V.swapaxes(1, 2)) / (back(root) if back else root)
        return dZ @ K, dZ.swapaxes(1, 2) @ Q, alpha.swapaxes(1, 2) @ G

    return candidate


def _gradients_alpha_not_transposed(Q, K, V, G):
    dQ, dK, _ = sdp.attention_gradients(Q, K, V, G)
    alpha = sdp.tempered_softmax(Q @ K.swapaxes(1, 2) / math.sqrt(K.shape[-1]))
    return dQ, dK, alpha @ G


def _gradients_dz_not_transposed(Q, K, V, G):
    root = math.sqrt(K.shape[-1])
    alpha = sdp.tempered_softmax(Q @ K.swapaxes(1, 2) / root)
    dalpha = G @ V.swapaxes(1, 2)
    dZ = alpha * (dalpha - (alpha * dalpha).sum(-1, keepdims=True))
    return dZ @ K / root, dZ @ Q / root, alpha.swapaxes(1, 2) @ G


def _gradients_overflow(Q, K, V, G):
    root = math.sqrt(K.shape[-1])
    e = np.exp(Q @ K.swapaxes(1, 2) / root)
    alpha = e / e.sum(-1, keepdims=True)
    dalpha = G @ V.swapaxes(1, 2)
    dZ = alpha * (dalpha - (alpha * dalpha).sum(-1, keepdims=True))
    return dZ @ K / root, dZ.swapaxes(1, 2) @ Q / root, alpha.swapaxes(1, 2) @ G


def _gradients_autograd(Q, K, V, G):
    leaves = [torch.from_numpy(a).requires_grad_() for a in (Q, K, V)]
    C = F.scaled_dot_product_attention(*leaves)
    return tuple(g.numpy() for g in torch.autograd.grad((C * torch.from_numpy(G)).sum(), leaves))


def _gradients_from_output(Q, K, V, G):
    root = np.sqrt(K.shape[-1]).astype(K.dtype)
    alpha = sdp.tempered_softmax(np.einsum("btd,bmd->btm", Q, K) / root)
    c_dot_g = (alpha @ V * G).sum(-1)[..., None]  # Σ_l α_jl (g_j · v_l) = g_j · c_j
    dZ = alpha * (np.einsum("btd,bmd->btm", G, V) - c_dot_g) / root
    return np.einsum("btm,bmd->btd", dZ, K), np.einsum("btm,btd->bmd", dZ, Q), np.einsum("btm,btd->bmd", alpha, G)


def _gradients_jacobian(Q, K, V, G):
    root, dQ, dK, dV = K.shape[-1] ** 0.5, np.zeros_like(Q), np.zeros_like(K), np.zeros_like(V)
    for b, j in np.ndindex(Q.shape[:2]):
        p = sdp.tempered_softmax(K[b] @ Q[b, j] / root)
        dz = (np.diag(p) - np.outer(p, p)) @ (V[b] @ G[b, j])
        dQ[b, j] = dz @ K[b] / root
        dK[b] += np.outer(dz, Q[b, j]) / root
        dV[b] += np.outer(p, G[b, j])
    return dQ, dK, dV


# ---- temperature_for_entropy -------------------------------------------------------------------------------------


def temperature_cases(rng):
    z = np.array([0.0, np.log(9.0)])
    yield Case("the worked example", {"z": z, "H": float(sdp.attention_entropy(np.array([0.25, 0.75])))})
    for n, share, dtype in [(3, 0.4, np.float64), (8, 0.7, np.float32), (5, 0.9, np.float64), (20, 0.3, np.float64)]:
        yield Case(
            f"{n} scores, H = {share} log {n}, {np.dtype(dtype)}",
            {"z": normal(rng, dtype)(n), "H": share * math.log(n)},
        )
    draw = normal(rng, np.float64)
    yield Case("scores of 100,000 and more", {"z": 3e5 * draw(6), "H": 1.2})
    yield Case("scores that differ by a millionth", {"z": 1e-6 * draw(4), "H": 0.9})
    yield Case("scores near 1000", {"z": 1000 + 2 * draw(5), "H": 0.5})
    yield Case("nearly all weight on one word", {"z": 4 * draw(6), "H": 0.02})
    yield Case("nearly equal weights", {"z": 4 * draw(6), "H": 0.99 * math.log(6)})


def _bisect(measure, low=-40.0, high=40.0, rising=True, soft=None):
    """A wrong ``temperature_for_entropy``: another measure of spread, range, or direction of search."""

    def candidate(z, H):
        spread = 1.0 if soft else z.max() - z.min()
        a, b = low, high
        for _ in range(80):
            middle = (a + b) / 2
            p = (soft or sdp.tempered_softmax)(z / spread, np.exp(middle))
            if (measure(p) < H) == rising:
                a = middle
            else:
                b = middle
        return float(spread * np.exp((a + b) / 2))

    return candidate


def _temperature_bits(z, H):
    return sdp.temperature_for_entropy(z, H * math.log(2))


def _temperature_inverse(z, H):
    return 1 / sdp.temperature_for_entropy(z, H)


def _temperature_count(z, H):
    return sdp.temperature_for_entropy(z, np.log(H))


def _entropy_nan(p):
    return -(p * np.log(p)).sum()


def _temperature_coarse(z, H):
    T = np.geomspace(1e-3, 1e3, 200) * (z.max() - z.min())
    found = [abs(sdp.attention_entropy(sdp.tempered_softmax(z, t)) - H) for t in T]
    return float(T[int(np.argmin(found))])


def _temperature_doubling(z, H):
    def spread_out(T):
        e = np.exp((z - z.max()) / T)
        p = e[e > 0] / e.sum()
        return -(p * np.log(p)).sum() >= H

    low = high = 1.0
    while not spread_out(high):
        high *= 2
    while spread_out(low):
        low /= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if spread_out(middle) else (middle, high)
    return high


def _temperature_torch(z, H):
    spread = float(z.max() - z.min())
    z = torch.from_numpy(z).double() / spread
    low, high = -45.0, 45.0
    for _ in range(70):
        middle = (low + high) / 2
        entropy = torch.special.entr(torch.softmax(z / math.exp(middle), 0)).sum()
        low, high = (middle, high) if entropy < H else (low, middle)
    return math.exp(low) * spread


# ---- online_softmax_attention ------------------------------------------------------------------------------------


def with_peak_memory(candidate, **inputs):
    """The result and, where there are many scores, whether the candidate held arrays as large as half of them."""
    import tracemalloc

    values = probe.parts(candidate(**inputs))
    if inputs["mask"].size > 50_000:
        running = tracemalloc.is_tracing()
        if not running:
            tracemalloc.start()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        candidate(**inputs)
        used = tracemalloc.get_traced_memory()[1] - before
        if not running:
            tracemalloc.stop()
        all_scores = inputs["mask"].size * inputs["Q"].itemsize
        values["memory used"] = "as much as all scores" if used > all_scores / 2 else "a few blocks"
    return values


def online_cases(rng):
    yield Case(
        "the worked example",
        {
            "Q": np.array([[2.0, 0.0, 0.0, 0.0]]),
            "K": np.log(np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 1.0, 1.0, 1.0], [4.0, 1.0, 1.0, 1.0]])),
            "V": np.array([[8.0], [0.0], [4.0]]),
            "mask": np.ones((1, 3), bool),
            "block": 2,
        },
    )

    def case(about, t, m, d_k, d_v, block, dtype=np.float64, mask=None):
        draw = normal(rng, dtype)
        mask = np.ones((t, m), bool) if mask is None else mask
        return Case(about, {"Q": draw(t, d_k), "K": draw(m, d_k), "V": draw(m, d_v), "mask": mask, "block": block})

    yield case("t = 3, m = 6 keys in blocks of 2", 3, 6, 4, 2, 2)
    yield case("m = 7 keys in blocks of 3, float32", 4, 7, 2, 3, 3, np.float32)
    yield case("blocks of 1", 2, 5, 3, 4, 1)
    yield case("one block larger than all keys", 3, 4, 5, 2, 9)
    yield case("a random mask", 4, 8, 3, 2, 3, mask=some(rng, 4, 8))
    late = some(rng, 3, 6)
    late[:, :4] = False
    late[:, 4] = True
    yield case("only the last block may be seen", 3, 6, 4, 2, 2, mask=late)
    nowhere = some(rng, 3, 5)
    nowhere[1] = False
    yield case("a query that may look nowhere", 3, 5, 4, 2, 2, mask=nowhere)
    for name, order in [("rising", 1), ("falling", -1)]:
        K = np.linspace(-900, 900, 7)[::order, None] * np.array([1.0, 0.0, 0.0, 0.0])
        given = {"Q": 2 * np.ones((2, 4)), "K": K, "V": normal(rng, np.float64)(7, 3), "mask": np.ones((2, 7), bool)}
        yield Case(f"scores {name} by 300 from key to key", {**given, "block": 2})
    yield case("2,000 keys in blocks of 50: how much memory?", 60, 2000, 3, 2, 50)


def _online(
    top=np.maximum,
    rescale_l=True,
    rescale_o=True,
    sign=1,
    whole_blocks=False,
    root=True,
    masks=lambda mask: mask,
    safe=True,
    divide=True,
    empty=True,
):
    """A wrong ``online_softmax_attention``, by what it leaves out."""

    def candidate(Q, K, V, mask, block):
        Q = Q / np.sqrt(Q.shape[1]).astype(Q.dtype) if root else Q
        M = np.full_like(Q[:, :1], -np.inf)
        total, o = np.zeros_like(M), np.zeros_like(Q, shape=(len(Q), V.shape[1]))
        for start in range(0, len(K) // block * block if whole_blocks else len(K), block):
            here = slice(start, start + block)
            scores = np.where(masks(mask[:, here]), Q @ K[here].T, -np.inf)
            new = top(M, scores.max(-1, keepdims=True))
            shift = np.where(np.isfinite(new), new, 0) if safe else new
            factor = np.exp(sign * (M - shift)) if sign > 0 else np.where(np.isfinite(M), np.exp(shift - M), 0)
            e = np.exp(scores - shift)
            total = total * (factor if rescale_l else 1) + e.sum(-1, keepdims=True)
            o = o * (factor if rescale_o else 1) + e @ V[here]
            M = new
        if not divide:
            return o
        return o / np.where(total > 0, total, 1) if empty else o / total

    return candidate


def _online_block_by_block(Q, K, V, mask, block):
    """Each block normalised by itself, then the mean over blocks."""
    starts = range(0, len(K), block)
    parts = [_plain(Q, K[s : s + block], V[s : s + block], mask[:, s : s + block], block) for s in starts]
    return sum(parts) / len(starts)


def _plain(Q, K, V, mask, block):
    scores = np.where(mask, Q @ K.T / math.sqrt(Q.shape[1]), -np.inf)
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = e.sum(-1, keepdims=True)
    return e @ V / np.where(total > 0, total, 1)


def _online_two_passes(Q, K, V, mask, block):
    """First the maximum, then the sums: exact, and as small."""
    root, starts = math.sqrt(Q.shape[1]), range(0, len(K), block)

    def scores(s):
        return np.where(mask[:, s : s + block], Q @ K[s : s + block].T / root, -np.inf)

    top = np.full(len(Q), -np.inf)
    for s in starts:
        top = np.maximum(top, scores(s).max(-1))
    top = np.where(np.isfinite(top), top, 0).astype(Q.dtype)[:, None]
    total, o = np.zeros_like(top), np.zeros((len(Q), V.shape[1]), Q.dtype)
    for s in starts:
        e = np.exp(scores(s) - top)
        total, o = total + e.sum(-1, keepdims=True), o + e @ V[s : s + block]
    return np.divide(o, total, out=np.zeros_like(o), where=total > 0)


def _online_merged(Q, K, V, mask, block):
    """Each block's own output and log-sum-exp, merged two at a time with weights that sum to 1."""
    C, lse = np.zeros((len(Q), V.shape[1]), Q.dtype), np.full((len(Q), 1), -np.inf, Q.dtype)
    for s in range(0, len(K), block):
        scores = np.where(mask[:, s : s + block], Q @ K[s : s + block].T / math.sqrt(Q.shape[1]), -np.inf)
        here = sdp.log_sum_exp(scores)[:, None]
        part = _plain(Q, K[s : s + block], V[s : s + block], mask[:, s : s + block], block)
        both = np.logaddexp(lse, here)
        safe = np.where(np.isfinite(both), both, 0)
        C, lse = C * np.exp(lse - safe) + part * np.exp(here - safe), both
    return C


def _online_torch(Q, K, V, mask, block):
    Q, K, V, mask = (torch.from_numpy(a) for a in (Q, K, V, mask))
    top = torch.full((len(Q), 1), torch.finfo(Q.dtype).min, dtype=Q.dtype)
    total, o = torch.zeros_like(top), torch.zeros(len(Q), V.shape[1], dtype=Q.dtype)
    for k, v, keep in zip(K.split(block), V.split(block), mask.split(block, dim=1), strict=True):
        scores = (Q @ k.T / Q.shape[1] ** 0.5).masked_fill(~keep, torch.finfo(Q.dtype).min)
        new = torch.maximum(top, scores.amax(-1, keepdim=True))
        e = (scores - new).exp() * keep
        total, o = total * (top - new).exp() + e.sum(-1, keepdim=True), o * (top - new).exp() + e @ v
        top = new
    return (o / total.clamp_min(torch.finfo(Q.dtype).tiny)).numpy()


# ------------------------------------------------------------------------------------------------------------------

EXERCISES = [
    Exercise(
        name="tempered_softmax",
        assignment=ASSIGNMENT,
        section="sdp-temperature",
        points=1,
        difficulty=2,
        minutes=10,
        reference=sdp.tempered_softmax,
        probe=probe.call,
        cases=tempered_cases,
        mistakes=[
            Mistake(
                "exp overflows",
                _tempered_overflow,
                "exp(1000) is infinite, and 0/0 waits at exp(-1000). Which number can you subtract from all scores of "
                "a row without changing its softmax?",
                "sdp-stable",
            ),
            Mistake(
                "one maximum for the whole array",
                _tempered_one_maximum,
                "Rows that lie far below the largest number of the whole array underflow to 0/0. Each row needs its "
                "own maximum.",
                "sdp-stable",
            ),
            Mistake(
                "the maximum not divided by T",
                _tempered_maximum_too_early,
                "You subtract the largest z from z / T. What is the largest exponent then, for T = 0.5 and scores near "
                "600?",
                "sdp-stable",
            ),
            Mistake(
                "softmax along the wrong axis",
                _tempered_axis,
                "Your columns sum to 1. Each row, along the last axis, should.",
                "sdp-formula",
            ),
            Mistake(
                "softmax over everything",
                _tempered_everything,
                "Your whole array sums to 1. Each row should: mind axis and keepdims of max and sum.",
                "sdp-formula",
            ),
            Mistake(
                "T the wrong way round",
                _tempered_multiplied,
                "With you a high temperature sharpens. Hot means spread out: what must become small as T grows?",
                "sdp-temperature",
            ),
            Mistake(
                "T not used",
                _tempered_ignored,
                "Your result is the same for every T.",
                "sdp-temperature",
            ),
            Mistake(
                "T after the softmax",
                _tempered_after,
                "You divided the weights, so they no longer sum to 1. T belongs to the scores.",
                "sdp-temperature",
            ),
        ],
        alternatives=[_tempered_torch, _tempered_rows, _tempered_lse],
    ),
    Exercise(
        name="log_sum_exp",
        assignment=ASSIGNMENT,
        section="sdp-lse",
        points=1,
        difficulty=2,
        minutes=10,
        reference=sdp.log_sum_exp,
        probe=probe.call,
        cases=lse_cases,
        mistakes=[
            Mistake(
                "exp overflows",
                _lse_overflow,
                "The result for scores near 1000 is an ordinary number near 1000, but exp(1000) is not. Take a common "
                "factor out of the sum.",
                "sdp-lse",
            ),
            Mistake(
                "the maximum not added back",
                _lse_not_added_back,
                "Subtracting a number from all scores leaves the softmax as it is, but not this. What is the "
                "logarithm of the factor that you took out?",
                "sdp-lse",
            ),
            Mistake(
                "a row of -∞ gives NaN",
                _lse_empty_nan,
                "The maximum of such a row is -∞, and -∞ - (-∞) is NaN. What would you have to subtract there so that "
                "all terms are 0?",
                "sdp-empty",
            ),
            Mistake(
                "one maximum for the whole array",
                _lse_one_maximum,
                "A row far below the largest number of the array underflows to log 0. Each row needs its own maximum.",
                "sdp-stable",
            ),
            Mistake(
                "sum along the wrong axis",
                _lse_axis,
                "One number for each row, please: the sum runs along the last axis.",
                "sdp-lse",
            ),
            Mistake(
                "one sum for everything",
                _lse_everything,
                "You return a single number. There should be one for each row.",
                "sdp-lse",
            ),
            Mistake(
                "the mean instead of the sum",
                _lse_mean,
                "You are too small by the logarithm of the row's length. It is a sum.",
                "sdp-lse",
            ),
            Mistake(
                "only the maximum",
                _lse_maximum,
                "The maximum is a lower bound. How much do the other terms add?",
                "sdp-lse",
            ),
        ],
        alternatives=[_lse_torch, _lse_logaddexp],
    ),
    Exercise(
        name="scaled_dot_product_attention",
        assignment=ASSIGNMENT,
        section="sdp-torch",
        points=3,
        difficulty=3,
        minutes=25,
        reference=sdp.scaled_dot_product_attention,
        probe=probe.call_with_gradients,
        cases=attention_cases,
        mistakes=[
            Mistake(
                "not divided by √d_k",
                _with(_right, lambda Q, K, V: 1),
                "Your scores are plain inner products, whose spread grows with the width of the keys.",
                "sdp-variance",
            ),
            Mistake(
                "divided by d_k",
                _with(_right, lambda Q, K, V: K.shape[-1]),
                "You divide by the variance of a score. Which quantity has the unit of the score itself?",
                "sdp-why-root",
            ),
            Mistake(
                "the root of the wrong width",
                _with(_right, lambda Q, K, V: math.sqrt(V.shape[-1])),
                "You divide by a root, but of the values' width. How many products are summed up in one score?",
                "sdp-why-root",
            ),
            Mistake(
                "the root of the number of keys",
                _with(_right, lambda Q, K, V: math.sqrt(K.shape[-2])),
                "You divide by the root of the number of keys. A score does not know how many other keys there are. "
                "How many products are summed up in it?",
                "sdp-why-root",
            ),
            Mistake(
                "divided after the softmax",
                _attention_divided_after,
                "Your weights do not sum to 1: the division came too late. It is the scores that are too large.",
                "sdp-formula",
            ),
            Mistake(
                "softmax over the queries",
                _with(lambda scores, keep: scores.masked_fill(~keep, -torch.inf).softmax(-2).nan_to_num(0)),
                "Each query shares out one unit of weight among the keys. Along which axis do yours sum to 1?",
                "sdp-formula",
            ),
            Mistake(
                "mask ignored, or -1e-9 added",
                _with(lambda scores, keep: scores.softmax(-1)),
                "What is masked gets weight. If you do add a large negative number, look at its exponent: -1e-9 is "
                "almost nothing.",
                "sdp-masks",
            ),
            Mistake(
                "mask inverted",
                _with(lambda scores, keep: _right(scores, ~keep) if not keep.all() else scores.softmax(-1)),
                "You hid what may be seen. In this course True means: may look.",
                "sdp-masks",
            ),
            Mistake(
                "mask after the softmax",
                _with(lambda scores, keep: scores.softmax(-1) * keep),
                "What is masked gets nothing, but it took its share first: your rows sum to less than 1.",
                "sdp-masks",
            ),
            Mistake(
                "masked scores set to 0",
                _with(lambda scores, keep: (scores * keep).softmax(-1)),
                "A score of 0 is not a weight of 0: exp(0) = 1.",
                "sdp-masks",
            ),
            Mistake(
                "a fully masked row gives NaN",
                _with(lambda scores, keep: scores.masked_fill(~keep, -torch.inf).softmax(-1)),
                "A query that may look nowhere should get zeros. With -∞ everywhere the softmax is 0/0.",
                "sdp-empty",
            ),
            Mistake(
                "a fully masked row looks everywhere",
                _with(lambda scores, keep: scores.masked_fill(~keep, -1e9).softmax(-1)),
                "If all scores of a row are the same large negative number, they are equal, and share the weight. That "
                "row should get zeros.",
                "sdp-empty",
            ),
            Mistake(
                "NaN replaced too late",
                _attention_nan_replaced_late,
                "The output is right, but the weights still hold NaN, and the gradient of V is made from the weights. "
                "Clean up one step earlier.",
                "sdp-empty",
            ),
            Mistake(
                "NaN comes back through an additive mask",
                _attention_added_where,
                "The output is right, but going backward 0 · NaN is NaN, and nothing stops it on the way to Q and K. "
                "An addition hands every gradient on; filling in does not.",
                "sdp-empty",
            ),
            Mistake(
                "α cut off from the graph",
                _with(lambda scores, keep: _right(scores, keep).detach()),
                "The numbers are right, but no gradient reaches Q and K. Look for detach, no_grad, .data or a detour "
                "through NumPy.",
                "sdp-jacobian",
            ),
        ],
        alternatives=[_attention_library, _attention_einsum, _attention_formula],
        framework="torch",
        instead_of=("torch.nn.functional.scaled_dot_product_attention",),
    ),
    Exercise(
        name="attention_gradients",
        assignment=ASSIGNMENT,
        section="sdp-jacobian",
        points=3,
        difficulty=4,
        minutes=30,
        reference=sdp.attention_gradients,
        probe=probe.call,
        cases=gradients_cases,
        mistakes=[
            Mistake(
                "√d_k forgotten on the way back",
                _backward(back=lambda root: 1),
                "The gradients of Q and K are too large by one and the same factor. If z = s/√d_k, what is dz/ds?",
                "sdp-jacobian",
            ),
            Mistake(
                "√d_k forgotten altogether",
                _backward(forth=lambda root: 1, back=lambda root: 1),
                "Even the gradient of V is off, and it needs nothing but the weights: they are those of unscaled "
                "attention.",
                "sdp-formula",
            ),
            Mistake(
                "divided by d_k on the way back",
                _backward(back=lambda root: root * root),
                "The gradients of Q and K are too small by one and the same factor: you divide by the root twice.",
                "sdp-jacobian",
            ),
            Mistake(
                "the softmax passed over",
                _backward(lambda alpha, dalpha: dalpha),
                "The gradient of V is right. What you use as gradient of the scores is that of the weights; the "
                "softmax stands between them.",
                "sdp-jacobian",
            ),
            Mistake(
                "only the Jacobian's diagonal",
                _backward(lambda alpha, dalpha: alpha * (1 - alpha) * dalpha),
                "p(1 - p) says how a score moves its own weight. It takes from all others, too.",
                "sdp-jacobian",
            ),
            Mistake(
                "the mean not subtracted",
                _backward(lambda alpha, dalpha: alpha * dalpha),
                "Adding one number to all scores of a row changes nothing, so their gradients must sum to 0. Yours do "
                "not.",
                "sdp-jacobian",
            ),
            Mistake(
                "α forgotten in front",
                _backward(lambda alpha, dalpha: dalpha - (alpha * dalpha).sum(-1, keepdims=True)),
                "A word with hardly any weight gets as much gradient as any other. Look at the Jacobian's rows: every "
                "entry has a factor in common.",
                "sdp-jacobian",
            ),
            Mistake(
                "mean along the wrong axis",
                _backward(lambda alpha, dalpha: alpha * (dalpha - (alpha * dalpha).sum(1, keepdims=True))),
                "The softmax of one query knows nothing of the other queries. Along which axis is your mean taken?",
                "sdp-jacobian",
            ),
            Mistake(
                "α not transposed",
                _gradients_alpha_not_transposed,
                "A value collects from all queries that looked at it. The gradient of V is [m, d_v]: which of the two "
                "axes of α is summed away?",
                "sdp-jacobian",
            ),
            Mistake(
                "gradient of the scores not transposed",
                _gradients_dz_not_transposed,
                "A key collects from all queries that looked at it. The gradient of K is [m, d_k]: which axis has to "
                "be summed away?",
                "sdp-jacobian",
            ),
            Mistake(
                "exp overflows",
                _gradients_overflow,
                "exp(1000) is infinite. Subtract each row's largest score first; the softmax stays the same.",
                "sdp-stable",
            ),
        ],
        alternatives=[_gradients_autograd, _gradients_from_output, _gradients_jacobian],
    ),
    Exercise(
        name="temperature_for_entropy",
        assignment=ASSIGNMENT,
        section="sdp-temperature",
        points=2,
        difficulty=3,
        minutes=20,
        reference=sdp.temperature_for_entropy,
        probe=probe.call,
        cases=temperature_cases,
        mistakes=[
            Mistake(
                "entropy in bits",
                _temperature_bits,
                "Your temperatures are those for an entropy measured with log2. Here it is in nats: the natural "
                "logarithm.",
                "sdp-temperature",
            ),
            Mistake(
                "1/T returned",
                _temperature_inverse,
                "Your number is the one to multiply with. The scores are divided by T.",
                "sdp-temperature",
            ),
            Mistake(
                "H taken as a number of words",
                _temperature_count,
                "You look for a temperature with e^entropy = H. What is given is the entropy itself.",
                "sdp-temperature",
            ),
            Mistake(
                "search in the wrong direction",
                _bisect(sdp.attention_entropy, rising=False),
                "Your search runs into an end of its range. If the weights are not spread out enough, must it get "
                "hotter or colder?",
                "sdp-temperature",
            ),
            Mistake(
                "0 · log 0 is NaN",
                _bisect(_entropy_nan),
                "At low temperatures some weights are exactly 0, and 0 times -∞ is NaN. Comparing NaN with anything is "
                "False, so your search goes astray without an error.",
                "sdp-temperature",
            ),
            Mistake(
                "range of temperatures too narrow",
                _bisect(sdp.attention_entropy, -3 * math.log(10), 3 * math.log(10), soft=sdp.tempered_softmax),
                "For scores of ordinary size you are right. If all scores are a million times as large, so is T. Does "
                "your range allow for that?",
                "sdp-temperature",
            ),
            Mistake(
                "search too coarse",
                _temperature_coarse,
                "Near, but not near enough. A grid stays as coarse as it is; halving an interval 50 times does not.",
                "sdp-temperature",
            ),
        ],
        alternatives=[_temperature_doubling, _temperature_torch],
        tolerance=Tolerance(
            float32=(1e-3, 0.0),
            float64=(1e-5, 0.0),
            reason="a search ends somewhere near; near H = log n rounding of the entropy moves T most",
        ),
    ),
    Exercise(
        name="online_softmax_attention",
        assignment=ASSIGNMENT,
        section="sdp-online",
        points=3,
        difficulty=5,
        minutes=35,
        reference=sdp.online_softmax_attention,
        probe=with_peak_memory,
        cases=online_cases,
        mistakes=[
            Mistake(
                "old sums not rescaled",
                _online(rescale_l=False, rescale_o=False),
                "You are right where the largest score comes in the first block. When a larger one turns up later, the "
                "terms that you have added were made with another number in the exponent.",
                "sdp-online",
            ),
            Mistake(
                "only ell rescaled",
                _online(rescale_o=False),
                "The sum of the weights is corrected, the output is not. Both are sums of the same exponentials.",
                "sdp-online",
            ),
            Mistake(
                "only o rescaled",
                _online(rescale_l=False),
                "The output is corrected, the sum of the weights is not. Both are sums of the same exponentials.",
                "sdp-online",
            ),
            Mistake(
                "rescaled the wrong way",
                _online(sign=-1),
                "If a larger score turns up, old terms must get smaller, not larger. Look at the sign in the exponent.",
                "sdp-online",
            ),
            Mistake(
                "the block's maximum instead of the largest so far",
                _online(top=lambda old, new: new),
                "You forget the old maximum when a block with smaller scores comes. Correcting back to a smaller "
                "number overflows when the gap is wide.",
                "sdp-online",
            ),
            Mistake(
                "last short block dropped",
                _online(whole_blocks=True),
                "The keys need not fill whole blocks. What happens to the seventh of seven keys, in blocks of three?",
                "sdp-online",
            ),
            Mistake(
                "a block without anything to see gives NaN",
                _online(safe=False),
                "As long as a query has seen nothing, its largest score is -∞, and -∞ - (-∞) is NaN.",
                "sdp-online",
            ),
            Mistake(
                "0/0 in a row that may look nowhere",
                _online(empty=False),
                "A query that may look nowhere ends with ell = 0. It should get zeros.",
                "sdp-empty",
            ),
            Mistake(
                "not divided by ell",
                _online(divide=False),
                "Your output is not an average yet: the weights do not sum to 1.",
                "sdp-online",
            ),
            Mistake(
                "each block normalised by itself",
                _online_block_by_block,
                "You average the blocks' own results with equal weights. A block with large scores must count more.",
                "sdp-online",
            ),
            Mistake(
                "not divided by √d_k",
                _online(root=False),
                "Your scores are plain inner products. What is the standard deviation of a sum of d_k products?",
                "sdp-variance",
            ),
            Mistake(
                "mask ignored",
                _online(masks=np.ones_like),
                "You do not use the mask. Where it is False, the score must not count.",
                "sdp-masks",
            ),
            Mistake(
                "mask inverted",
                _online(masks=np.logical_not),
                "You hid what may be seen. True means: may look.",
                "sdp-masks",
            ),
            Mistake(
                "all scores at once",
                _plain,
                "The numbers are right, but you hold all t × m scores at once. Loop over blocks of keys, and keep "
                "only what each query needs to know of the blocks before.",
                "sdp-memory",
            ),
        ],
        alternatives=[_online_two_passes, _online_merged, _online_torch],
    ),
]
