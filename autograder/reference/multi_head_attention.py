"""Chapter 7: several attentions side by side, each in its own slice of the width; W_Q, W_K, W_V, W_O.

Rows and batch first; h heads of width d_k = d_model / h. A mask is True where a query may attend to a key. First the
two moves between heads and width, then the layer as a function of its matrices and as the module of which chapter 9 is
built, at last what can be done to heads afterwards. Attention itself is chapter 6's; the module uses torch's own
routine, which that chapter proves equal.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

# ---- heads and width -----------------------------------------------------------------------------------------------


def split_heads(X, h):
    """Cut the last axis into h slices of equal width, and put the heads before the positions.

    X: [batch, n, d_model], d_model a multiple of h -> [batch, h, n, d_model / h]; head a holds columns a·d_k … of X.
    """
    batch, n, d_model = X.shape
    return X.reshape(batch, n, h, d_model // h).transpose(1, 2)  # [batch, n, h, d_k] -> [batch, h, n, d_k]


def merge_heads(X):
    """The way back from `split_heads`: the heads side by side again, head 1 first.

    X: [batch, h, n, d_k] -> [batch, n, h·d_k].
    """
    batch, h, n, d_k = X.shape
    return X.transpose(1, 2).reshape(batch, n, h * d_k)  # [batch, h, n, d_k] -> [batch, n, h, d_k] -> [batch, n, h·d_k]


# ---- the layer -----------------------------------------------------------------------------------------------------


def multi_head_attention(X_q, X, W_Q, W_K, W_V, W_O, h, mask):
    """MultiHead(X′, X) = Concat(head_1 … head_h) W_O, head_a = softmax(Q_a K_aᵀ / √d_k) V_a (Vaswani et al., 2017).

    Q = X′ W_Q, K = X W_K and V = X W_V hold the h heads side by side: Q_a is columns a·d_k … of Q. X_q: [batch, t,
    d_model], X: [batch, m, d_model], W_Q, W_K: [d_model, h·d_k], W_V: [d_model, h·d_v], W_O: [h·d_v, d_model], mask:
    boolean, can be broadcast to [batch, t, m], at least one True in each row
    -> [batch, t, d_model], and the weights of all heads, alpha: [batch, h, t, m]; tensors of the dtype of the inputs.
    """
    Q = split_heads(X_q @ W_Q, h)  # [batch, h, t, d_k]
    K = split_heads(X @ W_K, h)  # [batch, h, m, d_k]
    V = split_heads(X @ W_V, h)  # [batch, h, m, d_v]
    scores = Q @ K.transpose(-2, -1) / K.shape[-1] ** 0.5  # [batch, h, t, m]
    alpha = scores.masked_fill(~mask[..., None, :, :], -torch.inf).softmax(-1)  # one mask for all heads
    return merge_heads(alpha @ V) @ W_O, alpha


class MultiHeadAttention(nn.Module):
    """MultiHead(X′, X) = Concat(head_1 … head_h) W_O, head_a = Attention(X′ W_Q^a, X W_K^a, X W_V^a).

    Source: Vaswani and others (2017), section 3.2.2. The matrices of all heads stand side by side in one projection
    each, so that eight of 512 × 64 are one of 512 × 512. Each projection has a bias, as in ``nn.MultiheadAttention``.
    ``d_model`` must be a multiple of ``h``. Raises ValueError otherwise.
    """

    def __init__(self, d_model, h):
        super().__init__()
        if d_model % h:
            raise ValueError(f"{h} heads cannot share a width of {d_model}: choose d_model as a multiple of h.")
        self.h = h
        self.query = nn.Linear(d_model, d_model)  # W_Q
        self.key = nn.Linear(d_model, d_model)  # W_K
        self.value = nn.Linear(d_model, d_model)  # W_V
        self.output = nn.Linear(d_model, d_model)  # W_O

    def forward(self, X_q, X, mask=None):
        """Queries from X_q: [batch, t, d_model], keys and values from X: [batch, m, d_model] -> [batch, t, d_model].

        mask: boolean, of a shape that broadcasts to [batch, t, m]; without it, every query attends to every key.
        """
        return self.attend(X_q, *self.keys_values(X), mask)

    def keys_values(self, X):
        """X: [batch, m, d_model] -> K and V, each [batch, h, m, d_k]: what X offers, whoever asks."""
        return split_heads(self.key(X), self.h), split_heads(self.value(X), self.h)

    def attend(self, X_q, K, V, mask=None):
        """X_q: [batch, t, d_model] asks keys and values that are there already: [batch, h, m, d_k]. As `forward`."""
        Q = split_heads(self.query(X_q), self.h)  # [batch, h, t, d_k]
        if mask is not None:
            mask = mask[..., None, :, :]  # [batch, 1, t, m]: one mask for all heads
        C = F.scaled_dot_product_attention(Q, K, V, attn_mask=mask)  # [batch, h, t, d_k]
        return self.output(merge_heads(C))


# ---- variants, and work on heads that are there ----------------------------------------------------------------------


def grouped_query_attention(X_q, X, W_Q, W_K, W_V, W_O, h, g, mask):
    """h heads ask, but only g heads of keys and values answer, each to h/g neighbouring queries (Ainslie et al., 2023).

    Query head a uses key and value head ⌊a / (h/g)⌋. g = h is multi-head attention, g = 1 is multi-query attention
    (Shazeer, 2019). X_q: [batch, t, d_model], X: [batch, m, d_model], W_Q: [d_model, h·d_k], W_K: [d_model, g·d_k],
    W_V: [d_model, g·d_v], W_O: [h·d_v, d_model], h a multiple of g, mask: boolean, can be broadcast to [batch, t, m],
    at least one True in each row -> [batch, t, d_model], a tensor of the dtype of the inputs.
    """
    Q = split_heads(X_q @ W_Q, h)  # [batch, h, t, d_k]
    K = split_heads(X @ W_K, g).repeat_interleave(h // g, dim=1)  # [batch, g, m, d_k] -> [batch, h, m, d_k]
    V = split_heads(X @ W_V, g).repeat_interleave(h // g, dim=1)  # [batch, g, m, d_v] -> [batch, h, m, d_v]
    scores = Q @ K.transpose(-2, -1) / K.shape[-1] ** 0.5  # [batch, h, t, m]
    alpha = scores.masked_fill(~mask[..., None, :, :], -torch.inf).softmax(-1)
    return merge_heads(alpha @ V) @ W_O


def head_contributions(heads, W_O):
    """What each head adds to the output: head_a W_O^a, where W_O^a is its d_v rows of W_O. Their sum is the output.

    heads: [batch, h, t, d_v], W_O: [h·d_v, d_model] -> [batch, h, t, d_model], the dtype of the inputs.
    """
    _, h, _, d_v = heads.shape
    return heads @ W_O.reshape(h, d_v, -1)  # [batch, h, t, d_v] @ [h, d_v, d_model]


def pack_heads(W_Q, W_K, W_V, W_O):
    """The matrices of h separate heads as ``nn.MultiheadAttention`` stores them: side by side, and transposed.

    W_Q, W_K, W_V: [h, d_model, d_k], one matrix a head, W_O: [h·d_k, d_model], d_model = h·d_k
    -> in_proj_weight: [3·d_model, d_model], the rows of Q, then of K, then of V, and out_proj.weight: [d_model,
    d_model]; arrays of the dtype of the inputs.
    """
    columns = [np.concatenate(list(W), axis=1) for W in (W_Q, W_K, W_V)]  # each [d_model, h·d_k]
    return np.concatenate(columns, axis=1).T, W_O.T


def prune_heads(W_Q, W_K, W_V, W_O, h, keep):
    """The four matrices of a layer that has only the heads in ``keep``: its output is the sum of what these heads add.

    W_Q, W_K: [d_model, h·d_k], W_V: [d_model, h·d_v], W_O: [h·d_v, d_model], keep: a list of r heads, counted from 0
    and ascending -> arrays [d_model, r·d_k], [d_model, r·d_k], [d_model, r·d_v], [r·d_v, d_model] of the dtype of the
    inputs.
    """

    def columns(W):
        return W.reshape(len(W), h, -1)[:, keep].reshape(len(W), -1)  # [d, h·d_k] -> [d, h, d_k] -> [d, r·d_k]

    return columns(W_Q), columns(W_K), columns(W_V), columns(W_O.T).T
