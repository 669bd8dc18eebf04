"""Chapter 6: the scaled dot product; a softmax with a temperature, and what it takes to compute one without overflow.

Rows, batch first; a mask is True where a query may look. The attention layer itself is torch and is what the later
chapters build on; the rest is NumPy, one formula a function. Not here: the projections that make Q, K and V
(chapter 4), heads (chapter 7).
"""

import math

import numpy as np
import torch


def tempered_softmax(z, T=1.0):
    """softmax(z / T) along the last axis: p_i = exp(z_i / T) / Σ_j exp(z_j / T), T > 0.

    z: [..., n] -> [..., n], the dtype of z. Finite for finite z of any size: each row's largest is subtracted first, so
    that no exponent is above 0.
    """
    e = np.exp((z - z.max(-1, keepdims=True)) / T)  # [..., n], each row's largest is 1
    return e / e.sum(-1, keepdims=True)


def log_sum_exp(z):
    """log Σ_j exp(z_j) along the last axis, the logarithm of the softmax's denominator.

    z: [..., n], entries may be -∞ -> [...], the dtype of z. A row of nothing but -∞ gives -∞, the log of an empty sum.
    """
    top = z.max(-1, keepdims=True)  # [..., 1]
    top = np.where(np.isfinite(top), top, np.zeros_like(top))  # -∞ - (-∞) would be NaN
    with np.errstate(divide="ignore"):  # log 0 = -∞ is meant
        return (top + np.log(np.exp(z - top).sum(-1, keepdims=True)))[..., 0]


def attention_entropy(alpha):
    """How spread the weights of a row are, in nats: H = -Σ_i α_i log α_i, where 0 log 0 = 0.

    alpha: [..., m], rows that sum to 1 -> [...], from 0 (one word has all the weight) to log m (all have equal parts).
    """
    return -(alpha * np.log(np.where(alpha > 0, alpha, 1))).sum(-1)


def temperature_for_entropy(z, H):
    """The temperature T at which softmax(z / T) has entropy H, by bisection: the entropy grows with T.

    z: [n], one row of scores with a single largest one; H: a number, 0 < H < log n -> T, a number.
    """
    low, high = -40.0, 40.0  # of log T, for z divided by its spread
    spread = z.max() - z.min()
    for _ in range(60):
        middle = (low + high) / 2
        if attention_entropy(tempered_softmax(z / spread, np.exp(middle))) < H:
            low = middle
        else:
            high = middle
    return float(spread * np.exp((low + high) / 2))


def scaled_dot_product_attention(Q, K, V, mask=None):
    """softmax(Q Kᵀ / √d_k) V (Vaswani et al., 2017). A query that may look nowhere gets zeros, and so do its gradients.

    Q: [..., t, d_k], K: [..., m, d_k], V: [..., m, d_v], tensors; mask: boolean, can be broadcast to [..., t, m], True
    where a query may look -> [..., t, d_v], the dtype of the inputs.
    """
    scores = Q @ K.transpose(-2, -1) / math.sqrt(K.shape[-1])  # [..., t, m]
    if mask is None:
        return scores.softmax(-1) @ V
    alpha = scores.masked_fill(~mask, -torch.inf).softmax(-1)  # [..., t, m], NaN in rows that are masked throughout
    return alpha.masked_fill(~mask, 0) @ V


def attention_gradients(Q, K, V, G):
    """The gradients of a loss L through C = softmax(Q Kᵀ / √d_k) V, from G = ∂L/∂C.

    With Z = Q Kᵀ / √d_k and α = softmax(Z): ∂L/∂V = αᵀ G; ∂L/∂α = G Vᵀ; ∂L/∂Z_ji = α_ji (∂L/∂α_ji - Σ_l α_jl ∂L/∂α_jl),
    which is the softmax's Jacobian diag(p) - ppᵀ applied without ever building it; ∂L/∂Q = ∂L/∂Z K / √d_k and
    ∂L/∂K = (∂L/∂Z)ᵀ Q / √d_k.
    Q: [batch, t, d_k], K: [batch, m, d_k], V: [batch, m, d_v], G: [batch, t, d_v] -> ∂L/∂Q, ∂L/∂K, ∂L/∂V, each shaped
    as what it belongs to, the dtype of the inputs.
    """
    root = math.sqrt(K.shape[-1])
    alpha = tempered_softmax(Q @ K.swapaxes(1, 2) / root)  # [batch, t, m]
    dV = alpha.swapaxes(1, 2) @ G  # [batch, m, d_v]
    dalpha = G @ V.swapaxes(1, 2)  # [batch, t, m]
    dZ = alpha * (dalpha - (alpha * dalpha).sum(-1, keepdims=True))  # [batch, t, m]
    return dZ @ K / root, dZ.swapaxes(1, 2) @ Q / root, dV


def online_softmax_attention(Q, K, V, mask, block):
    """softmax(Q Kᵀ / √d_k) V, ``block`` keys at a time: no array is larger than [t, block] or the result.

    Of the keys seen so far each query keeps M, the largest score, ell = Σ exp(score - M), and the output
    o = Σ exp(score - M) v. A larger score rescales ell and o by exp(old M - new M) (Milakov and Gimelshein, 2018; Rabe
    and Staats, 2021; Dao et al., 2022).
    Q: [t, d_k], K: [m, d_k], V: [m, d_v], mask: [t, m], boolean, True where a query may look -> [t, d_v], the dtype of
    the inputs; rows that may look nowhere are 0.
    """
    Q = Q / math.sqrt(K.shape[-1])  # [t, d_k]
    M = np.full_like(Q[:, :1], -np.inf)  # [t, 1]
    ell = np.zeros_like(M)  # [t, 1]
    o = np.zeros_like(Q, shape=(len(Q), V.shape[1]))  # [t, d_v]
    for start in range(0, len(K), block):
        here = slice(start, start + block)  # the last block may be shorter
        scores = np.where(mask[:, here], Q @ K[here].T, -np.inf)  # [t, block]
        new_M = np.maximum(M, scores.max(-1, keepdims=True))  # [t, 1]
        shift = np.where(np.isfinite(new_M), new_M, 0)  # where nothing has been seen yet, -∞ - (-∞) would be NaN
        rescale = np.exp(M - shift)  # [t, 1], 0 at first
        e = np.exp(scores - shift)  # [t, block]
        ell = ell * rescale + e.sum(-1, keepdims=True)
        o = o * rescale + e @ V[here]
        M = new_M
    return o / np.where(ell > 0, ell, 1)
