"""Chapter 9: the Transformer of Vaswani and others (2017), block by block in the paper's order.

Rows and batch first; m is the source length, t the target length, p the number of target positions already decoded. A
mask is True where a query may attend to a key. `Transformer` has the methods of chapter 2's `Seq2Seq`, so chapter 2's
training loop, greedy decoding and beam search take either.
"""

import math

import torch
from torch import nn

from autograder.reference.multi_head_attention import MultiHeadAttention
from autograder.reference.positional_encoding import sinusoidal_encoding


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
