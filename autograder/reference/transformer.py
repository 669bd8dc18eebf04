"""Chapter 9: the Transformer of Vaswani and others (2017), block by block in the paper's order.

Rows and batch first; m is the source length, t the target length, p the number of target positions already decoded. A
mask is True where a query may attend to a key. First the new parts as functions of their matrices, then the modules, of
which `Transformer` is the last. It has the methods of chapter 2's `Seq2Seq`, so chapter 2's training loop, greedy
decoding and beam search take either.
"""

import math

import torch
from torch import nn

from autograder.reference.multi_head_attention import MultiHeadAttention, merge_heads, split_heads
from autograder.reference.positional_encoding import sinusoidal_encoding
from autograder.reference.seq2seq import PAD

# ---- the parts as functions ----------------------------------------------------------------------------------------


def layer_norm(X, gain, bias, eps=1e-5):
    """LayerNorm(x) = gain · (x − μ) / √(σ² + ε) + bias, with μ and σ² over the d_model numbers of one position.

    σ² is the mean of the squared deviations (divided by d_model, not d_model − 1). Source: Ba and others (2016).
    X: [..., d_model], gain, bias: [d_model] -> the shape and dtype of X.
    """
    mu = X.mean(-1, keepdim=True)  # [..., 1]
    variance = (X - mu).square().mean(-1, keepdim=True)  # [..., 1]
    return gain * (X - mu) / (variance + eps).sqrt() + bias


def feed_forward_block(X, W_1, b_1, W_2, b_2, gain, bias, pre_norm):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2 with its residual connection and its norm (sections 3.1, 3.3 and 5.4).

    Post-norm: LayerNorm(X + FFN(X)). Pre-norm (Xiong and others, 2020): X + FFN(LayerNorm(X)).
    X: [batch, n, d_model], W_1: [d_model, d_ff], b_1: [d_ff], W_2: [d_ff, d_model], b_2, gain, bias: [d_model],
    pre_norm: a bool -> [batch, n, d_model], the dtype of the inputs.
    """

    def FFN(X):
        return torch.relu(X @ W_1 + b_1) @ W_2 + b_2  # [batch, n, d_ff] -> [batch, n, d_model]

    if pre_norm:
        return X + FFN(layer_norm(X, gain, bias))
    return layer_norm(X + FFN(X), gain, bias)


def embed_tokens(tokens, E, PE, start):
    """√d_model · E[token] + PE[position], for tokens at positions start, start + 1 … (sections 3.4 and 3.5).

    tokens: [batch, n], int64, E: [V, d_model], PE: [longest, d_model], start: an int, start + n ≤ longest
    -> [batch, n, d_model], the dtype of E and PE.
    """
    return math.sqrt(E.shape[1]) * E[tokens] + PE[start : start + tokens.shape[1]]


def decoder_layer(Y, X, real, self_attention, cross_attention, feed_forward, norms):
    """One decoder layer, post-norm, wired from its parts (section 3.1, right half of figure 1).

    Y: [batch, t, d_model], the target so far; X: [batch, m, d_model], the encoder's output; real: [batch, m], True at
    real source tokens. An attention takes (X_q, X, mask) with a mask that broadcasts to [batch, queries, keys], and
    returns the shape of X_q, like ``feed_forward`` and each of the three ``norms``. Returns [batch, t, d_model].
    """
    t = Y.shape[1]
    causal = torch.ones(1, t, t, dtype=torch.bool).tril()  # word j may attend to words 1 … j
    Y = norms[0](Y + self_attention(Y, Y, causal))
    Y = norms[1](Y + cross_attention(Y, X, real[:, None]))  # [batch, 1, m]: one row for all queries
    return norms[2](Y + feed_forward(Y))


def cached_attention(X_new, K_past, V_past, W_Q, W_K, W_V, W_O, h):
    """Masked multi-head self-attention for t new positions behind p earlier ones, of which only K and V are kept.

    X_new: [batch, t, d_model], K_past: [batch, h, p, d_k], V_past: [batch, h, p, d_v] (p may be 0), W_Q, W_K: [d_model,
    h·d_k], W_V: [d_model, h·d_v], W_O: [h·d_v, d_model] -> the output of the new positions [batch, t, d_model], and the
    keys and values of all: [batch, h, p + t, d_k] and [batch, h, p + t, d_v], the dtype of the inputs.
    """
    Q = split_heads(X_new @ W_Q, h)  # [batch, h, t, d_k]
    K = torch.cat([K_past, split_heads(X_new @ W_K, h)], dim=2)  # [batch, h, p + t, d_k]
    V = torch.cat([V_past, split_heads(X_new @ W_V, h)], dim=2)  # [batch, h, p + t, d_v]
    p, t = K_past.shape[2], X_new.shape[1]
    causal = torch.ones(t, p + t, dtype=torch.bool).tril(p)  # row i sees positions 0 … p + i
    scores = Q @ K.transpose(-2, -1) / K.shape[-1] ** 0.5  # [batch, h, t, p + t]
    alpha = scores.masked_fill(~causal, -torch.inf).softmax(-1)
    return merge_heads(alpha @ V) @ W_O, K, V


def smoothed_cross_entropy(logits, y, epsilon, pad=PAD):
    """Cross-entropy against (1 − ε) · the true word + ε · all V words alike, the mean over real target tokens.

    Sources: Szegedy and others (2016); Vaswani and others (2017), section 5.4.
    logits: [batch, t, V], y: [batch, t], int64, with at least one token that isn't ``pad``; epsilon: a float
    -> a scalar tensor of the logits' dtype.
    """
    log_p = logits.log_softmax(-1)  # [batch, t, V]
    true = log_p.gather(-1, y[:, :, None])[:, :, 0]  # [batch, t], log p(y_j)
    loss = -(1 - epsilon) * true - epsilon * log_p.mean(-1)  # [batch, t]
    return loss[y != pad].mean()


def parameter_count(V, d_model, layers, d_ff, h, d_k, d_v):
    """How many numbers a post-norm Transformer learns whose three embeddings are one matrix (section 3.4).

    Every linear map has a bias, but for the tied one before the softmax; positions are computed, not learned.
    All arguments are ints; returns an int.
    """
    attention = 2 * (d_model + 1) * h * d_k + (d_model + 1) * h * d_v + (h * d_v + 1) * d_model  # W_Q, W_K; W_V; W_O
    feed_forward = (d_model + 1) * d_ff + (d_ff + 1) * d_model
    norm = 2 * d_model  # gain and bias
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    return V * d_model + layers * (encoder_layer + decoder_layer)


# ---- the modules ---------------------------------------------------------------------------------------------------


class FeedForward(nn.Module):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2, at each position by itself (section 3.3)."""

    def __init__(self, d_model, d_ff):
        super().__init__()
        self.inner = nn.Linear(d_model, d_ff)  # W_1, b_1
        self.outer = nn.Linear(d_ff, d_model)  # W_2, b_2

    def forward(self, X):
        """X: [batch, n, d_model] -> [batch, n, d_model]."""
        return self.outer(torch.relu(self.inner(X)))


class AddNorm(nn.Module):
    """The residual connection and the LayerNorm around a sublayer.

    Post-norm (section 5.4): X ← LayerNorm(X + Dropout(Sublayer(X))).
    Pre-norm (Xiong and others, 2020): X ← X + Dropout(Sublayer(LayerNorm(X))).
    The sublayer is given ``before(X)``; ``after`` takes X and what the sublayer made of it.
    """

    def __init__(self, d_model, dropout, pre_norm):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.pre_norm = pre_norm

    def before(self, X):
        """X: [batch, n, d_model] -> the sublayer's input, of the same shape."""
        return self.norm(X) if self.pre_norm else X

    def after(self, X, out):
        """X and the sublayer's output, both [batch, n, d_model] -> the next X."""
        X = X + self.dropout(out)
        return X if self.pre_norm else self.norm(X)


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network (section 3.1, left half of figure 1)."""

    def __init__(self, d_model, h, d_ff, dropout, pre_norm):
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, h)
        self.feed_forward = FeedForward(d_model, d_ff)
        self.around_self = AddNorm(d_model, dropout, pre_norm)
        self.around_feed_forward = AddNorm(d_model, dropout, pre_norm)

    def forward(self, X, real):
        """X: [batch, m, d_model]; real: [batch, 1, m], True at real tokens -> [batch, m, d_model]."""
        N = self.around_self.before(X)
        X = self.around_self.after(X, self.self_attention(N, N, real))
        N = self.around_feed_forward.before(X)
        return self.around_feed_forward.after(X, self.feed_forward(N))


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the source, the feed-forward network (section 3.1, right half of figure 1).

    It decodes t positions that follow p earlier ones. With p = 0 that is training, where all positions are there at
    once; with t = 1 it is decoding with a cache.
    """

    def __init__(self, d_model, h, d_ff, dropout, pre_norm):
        super().__init__()
        self.self_attention = MultiHeadAttention(d_model, h)
        self.cross_attention = MultiHeadAttention(d_model, h)
        self.feed_forward = FeedForward(d_model, d_ff)
        self.around_self = AddNorm(d_model, dropout, pre_norm)
        self.around_cross = AddNorm(d_model, dropout, pre_norm)
        self.around_feed_forward = AddNorm(d_model, dropout, pre_norm)

    def forward(self, Y, past, source, real):
        """Y: [batch, t, d_model] -> the next Y, of the same shape, and the keys and values of all p + t positions.

        past: the keys and values of the p earlier positions, source: those of the encoder's output, each a pair of
        [batch, h, p or m, d_k]; real: [batch, 1, m], True at real source tokens.
        """
        N = self.around_self.before(Y)
        present = [torch.cat(pair, dim=2) for pair in zip(past, self.self_attention.keys_values(N), strict=True)]
        p, t = past[0].shape[2], Y.shape[1]
        causal = torch.ones(1, t, p + t, dtype=torch.bool, device=Y.device).tril(p)  # row i sees positions 0 … p + i
        Y = self.around_self.after(Y, self.self_attention.attend(N, *present, causal))
        N = self.around_cross.before(Y)
        Y = self.around_cross.after(Y, self.cross_attention.attend(N, *source, real))
        N = self.around_feed_forward.before(Y)
        return self.around_feed_forward.after(Y, self.feed_forward(N)), present


class Transformer(nn.Module):
    """Encoder and decoder of ``layers`` blocks each, embeddings before them, the tied output layer behind.

    Defaults are the paper's base model. ``pre_norm`` puts the norms before the sublayers, and then one behind each
    stack. The output layer is the target embedding transposed (section 3.4); with ``shared``, for one vocabulary on
    both sides, the source embedding is the same matrix too. Trains, decodes and steps as chapter 2's `Seq2Seq` does.
    """

    def __init__(
        self,
        source_tokens,
        target_tokens,
        d_model=512,
        h=8,
        layers=6,
        d_ff=2048,
        dropout=0.1,
        pre_norm=False,
        shared=False,
    ):
        super().__init__()
        self.embed_target = nn.Embedding(target_tokens, d_model)
        self.embed_source = self.embed_target if shared else nn.Embedding(source_tokens, d_model)
        self.encoder = nn.ModuleList(EncoderLayer(d_model, h, d_ff, dropout, pre_norm) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d_model, h, d_ff, dropout, pre_norm) for _ in range(layers))
        self.encoder_norm = nn.LayerNorm(d_model) if pre_norm else nn.Identity()
        self.decoder_norm = nn.LayerNorm(d_model) if pre_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        for embedding in (self.embed_source, self.embed_target):
            nn.init.normal_(embedding.weight, std=d_model**-0.5)  # times √d_model: entries of variance 1

    def embed(self, embedding, tokens, start=0):
        """tokens: [batch, n] at positions start, start + 1 … -> √d_model · embedding + PE: [batch, n, d_model]."""
        d_model = embedding.embedding_dim
        PE = sinusoidal_encoding(tokens.shape[1], d_model, start).to(embedding.weight)  # [n, d_model]
        return self.dropout(math.sqrt(d_model) * embedding(tokens) + PE)

    def encode(self, x, real):
        """x: [batch, m]; real: [batch, 1, m], True at real tokens -> [batch, m, d_model]."""
        X = self.embed(self.embed_source, x)
        for layer in self.encoder:
            X = layer(X, real)
        return self.encoder_norm(X)

    def start(self, x, lengths):
        """x: [batch, m], lengths: [batch] -> the state before the first word.

        It holds, for each decoder layer, the keys and values of the target words so far (none yet) and those of the
        source; and the mask of real source tokens, [batch, 1, m].
        """
        real = (torch.arange(x.shape[1], device=x.device) < lengths.to(x.device)[:, None])[:, None]  # [batch, 1, m]
        X = self.encode(x, real)
        past = [layer.self_attention.keys_values(X[:, :0]) for layer in self.decoder]  # [batch, h, 0, d_k] each
        source = [layer.cross_attention.keys_values(X) for layer in self.decoder]
        return past, source, real

    def decode(self, y, state):
        """The decoder over y: [batch, t] from a state -> logits: [batch, t, V] and the state behind y's last word."""
        past, source, real = state
        Y = self.embed(self.embed_target, y, start=past[0][0].shape[2])
        present = []
        for layer, *keys_values in zip(self.decoder, past, source, strict=True):
            Y, seen = layer(Y, *keys_values, real)
            present.append(seen)
        logits = self.decoder_norm(Y) @ self.embed_target.weight.T  # [batch, t, V]
        return logits, (present, source, real)

    def forward(self, x, lengths, y):
        """Teacher forcing: x: [batch, m], lengths: [batch], y: [batch, t] (shifted right) -> logits: [batch, t, V]."""
        return self.decode(y, self.start(x, lengths))[0]

    def step(self, y, state):
        """One word further, with the keys and values of earlier ones. y: [batch] -> logits: [batch, V], new state."""
        logits, state = self.decode(y[:, None], state)
        return logits[:, 0], state
