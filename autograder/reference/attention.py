"""Chapter 3: attention between an RNN decoder and the states of its encoder; scores, weights α, context c.

Rows and batch first; m is the source length, t the target length; a mask is True where there is a real token. The first
half is NumPy, one formula a function; the second half is torch, and ends in a model that trains. Not here: values apart
from the states (chapter 4), scaling (chapter 6), heads (chapter 7).
"""

import numpy as np
import torch
from torch import nn


def additive_scores(h, s, W, v):
    """Method 1 (Bahdanau, Cho and Bengio, 2015): score_i = vᵀ tanh(W [h_i; s]), in rows tanh([h_i, s] W) v.

    h: [batch, m, d_h], s: [batch, d_s], W: [d_h + d_s, d_a], v: [d_a] -> [batch, m], the dtype of the inputs.
    """
    batch, m, _ = h.shape
    s_repeated = np.broadcast_to(s[:, None, :], (batch, m, s.shape[1]))  # [batch, m, d_s]
    return np.tanh(np.concatenate([h, s_repeated], axis=-1) @ W) @ v  # [batch, m]


def key_query_scores(h, s, W_K, W_Q):
    """Method 2 (Luong, Pham and Manning, 2015): key k_i = h_i W_K, query q = s W_Q, score k_i · q.

    h: [batch, m, d_h], s: [batch, d_s], W_K: [d_h, d_k], W_Q: [d_s, d_k] -> [batch, m], the dtype of the inputs.
    """
    k = h @ W_K  # [batch, m, d_k]
    q = s @ W_Q  # [batch, d_k]
    return (k @ q[:, :, None])[:, :, 0]  # [batch, m]


def masked_softmax(scores, mask):
    """Weights over the source: α_i = exp(score_i) / Σ exp(score_l), both over real tokens only; padding gets exactly 0.

    scores: [batch, t, m], one row for each of t queries; mask: [batch, m], boolean -> [batch, t, m], the dtype of the
    scores. Finite for scores of any size. Where a sentence has no real token at all, its weights are all 0.
    """
    mask = np.broadcast_to(mask[:, None, :], scores.shape)  # [batch, t, m]
    top = np.max(scores, axis=-1, keepdims=True, where=mask, initial=-np.inf)  # [batch, t, 1]
    shifted = np.where(mask, scores - np.where(mask.any(-1, keepdims=True), top, 0), -np.inf)  # no entry above 0
    e = np.exp(shifted)  # [batch, t, m]
    total = e.sum(-1, keepdims=True)  # [batch, t, 1], at least 1 if there is a real token, else 0
    return e / np.maximum(total, 1)


def score_gradient(scores, h, g):
    """The gradient of a loss with respect to the scores, from g = ∂L/∂c: ∂L/∂score_i = α_i (h_i − c) · g.

    Here α = softmax(scores) and c = Σ α_i h_i.
    scores: [batch, m], h: [batch, m, d_h], g: [batch, d_h] -> [batch, m], the dtype of the inputs.
    """
    e = np.exp(scores - scores.max(-1, keepdims=True))
    alpha = e / e.sum(-1, keepdims=True)  # [batch, m]
    c = alpha[:, None, :] @ h  # [batch, 1, d_h]
    return alpha * ((h - c) @ g[:, :, None])[:, :, 0]  # [batch, m]


def attention_contexts(h, S, W_K, W_Q, mask):
    """Contexts for t states at once, by method 2: α = softmax(S W_Q (h W_K)ᵀ) over the real tokens, C = α h.

    h: [batch, m, d_h], S: [batch, t, d_s], W_K: [d_h, d_k], W_Q: [d_s, d_k], mask: [batch, m], boolean, at least one
    True a row -> C: [batch, t, d_h], alpha: [batch, t, m], tensors of the dtype of the inputs.
    """
    K = h @ W_K  # [batch, m, d_k]
    Q = S @ W_Q  # [batch, t, d_k]
    scores = Q @ K.transpose(1, 2)  # [batch, t, m]
    alpha = scores.masked_fill(~mask[:, None, :], -torch.inf).softmax(-1)  # [batch, t, m]
    return alpha @ h, alpha


def attention_step(y, s, h, mask, W, v, W_s, b):
    """One step of a plain RNN decoder with additive attention: c from s and h, then s' = tanh([y, s, c] W_s + b).

    y: [batch, d_y] the embedded previous word, s: [batch, d_s], h: [batch, m, d_h], mask: [batch, m], boolean, at least
    one True a row, W: [d_h + d_s, d_a], v: [d_a], W_s: [d_y + d_s + d_h, d_s], b: [d_s]
    -> s': [batch, d_s], c: [batch, d_h], alpha: [batch, m], tensors of the dtype of the inputs.
    """
    s_repeated = s[:, None, :].expand(-1, h.shape[1], -1)  # [batch, m, d_s]
    scores = torch.tanh(torch.cat([h, s_repeated], -1) @ W) @ v  # [batch, m]
    alpha = scores.masked_fill(~mask, -torch.inf).softmax(-1)  # [batch, m]
    c = (alpha[:, None, :] @ h)[:, 0]  # [batch, d_h]
    return torch.tanh(torch.cat([y, s, c], -1) @ W_s + b), c, alpha


class AttentionSeq2Seq(nn.Module):
    """Chapter 2's `Seq2Seq` with a context c_j for each target word, in place of one code c for all of them.

    The states h_i come from a GRU in each direction, d/2 numbers each, whose update gates start open (chapter 1). Then
    α_j = softmax_i(h_i W_K · s_{j-1} W_Q), c_j = Σ_i α_ji h_i, s_j = tanh([y_{j-1}, s_{j-1}, c_j] W_s + b), and
    logits_j = [s_j, c_j] W + b. s_0 is the last state of one direction beside the last of the other. ``d`` (even) is
    the width of all states, ``d_e`` that of the embeddings. Trains and decodes as `Seq2Seq` does.
    """

    def __init__(self, source_tokens, target_tokens, d_e, d):
        super().__init__()
        self.embed_source = nn.Embedding(source_tokens, d_e)
        self.embed_target = nn.Embedding(target_tokens, d_e)
        self.encoder = nn.GRU(d_e, d // 2, batch_first=True, bidirectional=True)
        self.key = nn.Linear(d, d, bias=False)  # W_K
        self.query = nn.Linear(d, d, bias=False)  # W_Q
        self.update = nn.Linear(d_e + 2 * d, d)  # W_s and b
        self.output = nn.Linear(2 * d, target_tokens)
        for bias in (self.encoder.bias_hh_l0, self.encoder.bias_hh_l0_reverse):
            bias.data[d // 2 : d] += 1  # the update gate's block: sigmoid(1) = 0.73

    def start(self, x, lengths):
        """x: [batch, m], lengths: [batch] -> s_0: [batch, d], and what every step looks at: H, its keys, the mask.

        H, keys: [batch, m, d]; mask: [batch, m], True at real tokens.
        """
        embedded = self.embed_source(x)  # [batch, m, d_e]
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        H, last = self.encoder(packed)  # last: [2, batch, d/2]
        H, _ = nn.utils.rnn.pad_packed_sequence(H, batch_first=True, total_length=x.shape[1])  # [batch, m, d]
        mask = torch.arange(x.shape[1]) < lengths[:, None]  # [batch, m]
        return torch.cat([last[0], last[1]], 1), H, self.key(H), mask

    def decode(self, y, s, H, K, mask):
        """The decoder over y: [batch, t] from s: [batch, d] -> logits: [batch, t, V], the last s, α: [batch, t, m]."""
        S, C, alphas = [], [], []
        for y_j in self.embed_target(y).unbind(1):  # [batch, d_e], the word before
            q = self.query(s)[:, None, :]  # [batch, 1, d]
            scores = q @ K.transpose(1, 2)  # [batch, 1, m]
            alpha = scores.masked_fill(~mask[:, None, :], -torch.inf).softmax(-1)  # [batch, 1, m]
            c = (alpha @ H)[:, 0]  # [batch, d]
            s = torch.tanh(self.update(torch.cat([y_j, s, c], 1)))  # [batch, d]
            S.append(s), C.append(c), alphas.append(alpha)
        S, C = torch.stack(S, 1), torch.stack(C, 1)  # [batch, t, d]
        return self.output(torch.cat([S, C], -1)), s, torch.cat(alphas, 1)

    def forward(self, x, lengths, y):
        """Teacher forcing: x: [batch, m], lengths: [batch], y: [batch, t] (shifted right) -> logits: [batch, t, V]."""
        return self.decode(y, *self.start(x, lengths))[0]

    def step(self, y, state):
        """One word further. y: [batch], the words last written -> logits: [batch, V], the new state."""
        s, *source = state
        logits, s, _ = self.decode(y[:, None], s, *source)
        return logits[:, 0], (s, *source)
