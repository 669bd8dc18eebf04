"""Chapter 4: queries, keys and values as three roles, and an attention layer without an RNN.

Rows and batch first; m is the source length, t the target length. Not here: self-attention and masks (chapter 5),
scaling (chapter 6), heads (chapter 7).
"""

import numpy as np
import torch
from torch import nn


def soft_lookup(query, keys, values, temperature):
    """A dictionary that always answers: c = Σ α_i value_i with α = softmax(key_i · query / temperature).

    query: [d_k], keys: [m, d_k], values: [m, d_v], temperature: a number >= 0 -> c: [d_v], the dtype of the inputs.
    Temperature 0 stands for the limit: the mean of the values whose score is the largest.
    """
    scores = keys @ query  # [m]
    if temperature == 0:
        return values[scores == scores.max()].mean(axis=0)
    e = np.exp((scores - scores.max()) / temperature)  # [m], the largest is 1
    return e / e.sum() @ values


def attention_layer(X, X_prime, W_Q, W_K, W_V):
    """Attn(X, X′): Q = X′ W_Q, K = X W_K, V = X W_V, α = softmax(Q Kᵀ), C = α V (Vaswani et al., 2017, unscaled).

    X: [batch, m, d_in], X_prime: [batch, t, d_in'], W_Q: [d_in', d_k], W_K: [d_in, d_k], W_V: [d_in, d_v]
    -> C: [batch, t, d_v], alpha: [batch, t, m], tensors of the dtype of the inputs.
    """
    Q = X_prime @ W_Q  # [batch, t, d_k]
    K = X @ W_K  # [batch, m, d_k]
    V = X @ W_V  # [batch, m, d_v]
    alpha = torch.softmax(Q @ K.transpose(1, 2), dim=-1)  # [batch, t, m]
    return alpha @ V, alpha


def attention_columns(X, X_prime, W_Q, W_K, W_V):
    """The same layer with vectors as columns: K = W_K X, V = W_V X, Q = W_Q X′, α_:j = softmax(Kᵀ q_j), c_j = V α_:j.

    X: [d_in, m], X_prime: [d_in', t], W_Q: [d_k, d_in'], W_K: [d_k, d_in], W_V: [d_v, d_in]
    -> C = [c_1 … c_t]: [d_v, t], alpha: [m, t], one column a target word; the dtype of the inputs.
    """
    scores = (W_K @ X).T @ (W_Q @ X_prime)  # [m, t]
    e = np.exp(scores - scores.max(axis=0))
    alpha = e / e.sum(axis=0)  # [m, t], each column sums to 1
    return W_V @ X @ alpha, alpha


def kernel_regression(x, y, x_new, sigma):
    """Nadaraya (1964) and Watson (1964): a mean of all y, the weight of y_i being exp(−(x_new − x_i)² / 2σ²) / sum.

    x: [m], y: [m], x_new: [t], sigma: a number > 0 -> [t], the dtype of the inputs. Finite also far away from all x,
    where the nearest x_i has all the weight.
    """
    scores = -((x_new[:, None] - x) ** 2) / (2 * sigma**2)  # [t, m]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))  # [t, m]
    return e @ y / e.sum(axis=1)


def circle_matrices(target, sharpness):
    """W_Q and W_K of rank 2 with which word a, given as one-hot row a, finds word target[a].

    The n keys stand evenly on the unit circle, that of word 0 at angle 0. The query of word a is the key of word
    target[a], times sharpness. target: [n], integers from 0 to n − 1 -> W_Q: [n, 2], W_K: [n, 2], float64.
    """
    angles = 2 * np.pi * np.arange(len(target)) / len(target)  # [n]
    W_K = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # [n, 2]
    return sharpness * W_K[target], W_K


def attention_layer_backward(X, X_prime, W_Q, W_K, W_V, G):
    """The gradients of a loss with respect to W_Q, W_K and W_V, from G = ∂L/∂C, for one sentence.

    X: [m, d_in], X_prime: [t, d_in'], W_Q: [d_in', d_k], W_K: [d_in, d_k], W_V: [d_in, d_v], G: [t, d_v]
    -> dW_Q, dW_K, dW_V, each as its matrix, the dtype of the inputs.
    """
    Q, K, V = X_prime @ W_Q, X @ W_K, X @ W_V  # [t, d_k], [m, d_k], [m, d_v]
    scores = Q @ K.T  # [t, m]
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    alpha = e / e.sum(axis=1, keepdims=True)  # [t, m]
    d_V = alpha.T @ G  # [m, d_v]
    d_alpha = G @ V.T  # [t, m]
    d_scores = alpha * (d_alpha - (alpha * d_alpha).sum(axis=1, keepdims=True))  # [t, m]
    d_Q, d_K = d_scores @ K, d_scores.T @ Q  # [t, d_k], [m, d_k]
    return X_prime.T @ d_Q, X.T @ d_K, X.T @ d_V


class AttentionLayer(nn.Module):
    """`attention_layer` with its three matrices as parameters. ``nn.Linear`` stores the transpose, [d_k, d_in]."""

    def __init__(self, d_in, d_in_prime, d_k, d_v):
        super().__init__()
        self.query = nn.Linear(d_in_prime, d_k, bias=False)  # W_Q
        self.key = nn.Linear(d_in, d_k, bias=False)  # W_K
        self.value = nn.Linear(d_in, d_v, bias=False)  # W_V

    def forward(self, X, X_prime):
        """X: [batch, m, d_in], X_prime: [batch, t, d_in'] -> C: [batch, t, d_v], alpha: [batch, t, m]."""
        Q, K, V = self.query(X_prime), self.key(X), self.value(X)
        alpha = torch.softmax(Q @ K.transpose(1, 2), dim=-1)  # [batch, t, m]
        return alpha @ V, alpha
