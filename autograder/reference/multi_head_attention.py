"""Chapter 7: several attentions side by side, each in its own slice of the width; W_Q, W_K, W_V, W_O.

Rows and batch first; h heads of width d_k = d_model / h. Attention itself is chapter 6's, here by torch's own routine,
which that chapter proves equal. A mask is True where a query may attend to a key.
"""

import torch.nn.functional as F
from torch import nn


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
