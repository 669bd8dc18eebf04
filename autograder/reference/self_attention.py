"""Chapter 5: self-attention. One sequence asks itself: Attn(X, X), its masks, and what depends on what.

Rows and batch first; n is the length of the sequence. A mask is True where a query may attend: row j of [n, n] says of
which tokens i the output c_j may be made. Torch, but for the Jacobian by hand, which is NumPy. Not here: the factor
1/√d_k (chapter 6), heads (chapter 7), order (chapter 8).
"""

import numpy as np
import torch

# ---- the layer -----------------------------------------------------------------------------------------------------


def self_attention(X, W_Q, W_K, W_V, mask):
    """Attn(X, X) (Vaswani et al., 2017, without their scale): A = Q Kᵀ, A' = softmax of its rows, C = A' V.

    X: [batch, n, d], W_Q, W_K: [d, d_k], W_V: [d, d_v], mask: boolean, [batch, n, n] or [n, n], at least one True in
    each row -> C: [batch, n, d_v], A': [batch, n, n], tensors of the dtype of the inputs.
    """
    Q, K, V = X @ W_Q, X @ W_K, X @ W_V  # [batch, n, d_k], [batch, n, d_k], [batch, n, d_v]
    A = Q @ K.transpose(1, 2)  # [batch, n, n], row j: the scores of query j
    A = A.masked_fill(~mask, -torch.inf).softmax(-1)  # [batch, n, n], each row sums to 1
    return A @ V, A


def attend_newest(x, K, V, W_Q, W_K, W_V):
    """Causal self-attention for one more token: its row of C, from the keys and values of the tokens before it.

    x: [batch, d], the new token; K: [batch, n, d_k], V: [batch, n, d_v], of the n ≥ 0 tokens before it;
    W_Q, W_K: [d, d_k], W_V: [d, d_v] -> c: [batch, d_v], K: [batch, n + 1, d_k], V: [batch, n + 1, d_v], the new
    token's key and value last.
    """
    K = torch.cat([K, (x @ W_K)[:, None, :]], dim=1)  # [batch, n + 1, d_k]
    V = torch.cat([V, (x @ W_V)[:, None, :]], dim=1)  # [batch, n + 1, d_v]
    q = x @ W_Q  # [batch, d_k]
    alpha = (q[:, None, :] @ K.transpose(1, 2)).softmax(-1)  # [batch, 1, n + 1]
    return (alpha @ V)[:, 0], K, V


# ---- masks ---------------------------------------------------------------------------------------------------------


def attention_mask(tokens, pad, causal):
    """Who may attend to whom: True where query j may look at token i, which is real and, if ``causal``, not after j.

    tokens: [batch, n], int64; pad: the id of padding -> [batch, n, n], boolean, row j for query j. Rows of padding
    queries are as all others: what is computed there is not used.
    """
    n = tokens.shape[1]
    real = (tokens != pad)[:, None, :].expand(-1, n, -1)  # [batch, n, n], the same row for all queries
    if causal:
        return real & torch.ones(n, n, dtype=torch.bool, device=tokens.device).tril()  # i ≤ j
    return real


def dependence(layer, X):
    """Which outputs depend on which inputs, by trying: entry (j, i) is True if changing x_i changes layer(X)_j.

    layer: a function [n, d] -> [n, d_out] that may be called as often as needed; X: [n, d] -> [n, n], boolean. A leak
    of a causal layer is a True above the diagonal. Only what shows at this X is found.
    """
    before = layer(X)  # [n, d_out]
    columns = []
    for i in range(len(X)):
        changed = X.clone()
        changed[i] += 1 + X[i].abs()  # every entry moves, and by a different amount
        columns.append((layer(changed) != before).any(-1))  # [n]
    return torch.stack(columns, dim=1)  # [n, n]


def attention_jacobian(X, W_Q, W_K, W_V):
    """How every output moves with every input: entry [j, i, b, a] is ∂c_j[b] / ∂x_i[a], for C = softmax(Q Kᵀ) V.

    x_i acts on c_j as a value, α_ji W_V, and as a key, α_ji (W_K q_j) (v_i − c_j). x_j acts on its own c_j as the query
    as well: Σ_l α_jl (W_Q k_l) (v_l − c_j).
    X: [n, d], W_Q, W_K: [d, d_k], W_V: [d, d_v] -> [n, n, d_v, d], the dtype of the inputs. No mask.
    """
    Q, K, V = X @ W_Q, X @ W_K, X @ W_V  # [n, d_k], [n, d_k], [n, d_v]
    A = Q @ K.T  # [n, n]
    e = np.exp(A - A.max(axis=1, keepdims=True))
    A = e / e.sum(axis=1, keepdims=True)  # [n, n]
    C = A @ V  # [n, d_v]
    weighted = A[:, :, None] * (V[None] - C[:, None])  # [n, n, d_v], α_ji (v_i − c_j)
    as_value = A[:, :, None, None] * W_V.T  # [n, n, d_v, d]
    as_key = weighted[:, :, :, None] * (Q @ W_K.T)[:, None, None, :]  # [n, n, d_v, d]
    J = as_value + as_key
    own = np.arange(len(X))
    J[own, own] += weighted.transpose(0, 2, 1) @ (K @ W_Q.T)  # [n, d_v, n] @ [n, d], the sum over l
    return J


# ---- after the layer -----------------------------------------------------------------------------------------------


def mean_pool(C, mask):
    """One vector a sentence: the mean of the rows of C over the real tokens.

    C: [batch, n, d], mask: [batch, n], boolean, at least one True a row -> [batch, d], the dtype of C.
    """
    total = C.masked_fill(~mask[:, :, None], 0).sum(1)  # [batch, d]; not C * mask: padding may hold inf or NaN
    return total / mask.sum(1, keepdim=True)
