"""Chapter 3: attention between an RNN decoder and the states of its encoder; scores, weights α, context c.

Rows and batch first; m is the source length, t the target length; a mask is True where there is a real token. The first
half is NumPy, one formula a function; the second half is torch, and ends in a model that trains. Not here: values apart
from the states (chapter 4), scaling (chapter 6), heads (chapter 7).
"""

import numpy as np
import torch
from torch import nn

from autograder.reference.seq2seq import Seq2Seq


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


def attention_step(x, s, h, mask, W, v, W_s, b):
    """One step of a simple RNN decoder with additive attention: c from s and h, then s' = tanh([x, s, c] W_s + b).

    x: [batch, d_x] the embedded previous word, s: [batch, d_s], h: [batch, m, d_h], mask: [batch, m], boolean, at least
    one True a row, W: [d_h + d_s, d_a], v: [d_a], W_s: [d_x + d_s + d_h, d_s], b: [d_s]
    -> s': [batch, d_s], c: [batch, d_h], alpha: [batch, m], tensors of the dtype of the inputs.
    """
    s_repeated = s[:, None, :].expand(-1, h.shape[1], -1)  # [batch, m, d_s]
    scores = torch.tanh(torch.cat([h, s_repeated], -1) @ W) @ v  # [batch, m]
    alpha = scores.masked_fill(~mask, -torch.inf).softmax(-1)  # [batch, m]
    c = (alpha[:, None, :] @ h)[:, 0]  # [batch, d_h]
    return torch.tanh(torch.cat([x, s, c], -1) @ W_s + b), c, alpha


class AttentionSeq2Seq(Seq2Seq):
    """Chapter 2's `Seq2Seq` with a context c_j for each target word in place of one code c for all of them.

    With h_i from an encoder that reads in both directions (d/2 each): α_j = softmax_i(h_i W_K · s_{j-1} W_Q),
    c_j = Σ_i α_ji h_i, s_j = GRU([y_{j-1}, c_j], s_{j-1}), logits_j = [s_j, c_j] W + b; s_0 is the last state of one
    direction beside the last of the other. ``d`` (even) is the width of all states, ``d_e`` that of the embeddings.
    Trains, decodes and steps as `Seq2Seq` does; `align` gives the weights.
    """

    def __init__(self, source_tokens, target_tokens, d_e, d):
        super().__init__(source_tokens, target_tokens, d_e, d)
        self.encoder = nn.GRU(d_e, d // 2, batch_first=True, bidirectional=True)
        self.decoder = nn.GRUCell(d_e + d, d)
        self.key = nn.Linear(d, d, bias=False)  # W_K
        self.query = nn.Linear(d, d, bias=False)  # W_Q

    def start(self, x, lengths):
        """x: [batch, m], lengths: [batch] -> s_0: [batch, d], and what every step looks at: H, its keys, the padding.

        H: [batch, m, d]; keys, as columns: [batch, d, m]; padding: [batch, 1, m], 0 at real tokens and -∞ elsewhere.
        """
        embedded = self.embed_source(x)  # [batch, m, d_e]
        packed = nn.utils.rnn.pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        H, last = self.encoder(packed)  # last: [2, batch, d/2]
        H, _ = nn.utils.rnn.pad_packed_sequence(H, batch_first=True, total_length=x.shape[1])  # [batch, m, d]
        real = torch.arange(x.shape[1]) < lengths[:, None]  # [batch, m]
        padding = torch.zeros_like(H[:, :, 0]).masked_fill(~real, -torch.inf)[:, None, :]  # [batch, 1, m]
        return torch.cat([last[0], last[1]], -1), H, self.key(H).transpose(1, 2), padding

    def decode(self, y, s, H, keys, padding):
        """The decoder over y: [batch, t] from s: [batch, d] -> logits: [batch, t, V], the last s, α: [batch, t, m]."""
        S, C, alphas = [], [], []
        for y_j in self.embed_target(y).unbind(1):  # [batch, d_e], the word before
            scores = torch.baddbmm(padding, self.query(s)[:, None, :], keys)  # [batch, 1, m], padding + q · k_i
            alpha = scores.softmax(-1)
            c = torch.bmm(alpha, H)[:, 0]  # [batch, d]
            s = self.decoder(torch.cat([y_j, c], -1), s)  # [batch, d]
            S.append(s), C.append(c), alphas.append(alpha)
        logits = self.output(torch.cat([torch.stack(S, 1), torch.stack(C, 1)], -1))  # [batch, t, V]
        return logits, s, torch.cat(alphas, 1)

    def forward(self, x, lengths, y):
        """Teacher forcing: x: [batch, m], lengths: [batch], y: [batch, t] (shifted right) -> logits: [batch, t, V]."""
        return self.decode(y, *self.start(x, lengths))[0]

    def step(self, y, state):
        """One word further. y: [batch], the words last written -> logits: [batch, V], the new state."""
        s, *source = state
        logits, s, _ = self.decode(y[:, None], s, *source)
        return logits[:, 0], (s, *source)

    @torch.no_grad()
    def align(self, x, lengths, y):
        """The weights under teacher forcing, arguments as in `forward` -> α: [batch, t, m], one row a target word."""
        return self.decode(y, *self.start(x, lengths))[2]
