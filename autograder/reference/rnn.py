"""Chapter 1: the recurrent network, in plain NumPy, rows and batch first.

For reading, not for speed: chapters that train use ``torch.nn.RNN``, ``nn.GRU`` and ``nn.LSTM``, which these equal on
copied weights. Letters: m steps, x_t the input and h_t the state at step t, b the bias. No function edits its inputs.
"""

import numpy as np


def sigmoid(a):
    """σ(a) = 1 / (1 + e^-a), written so that no a overflows. Any shape, the dtype of ``a``."""
    return 0.5 * (1 + np.tanh(0.5 * a))


def rnn_step(x, h, W_x, W_h, b):
    """One step of the network of Elman (1990): h_t = tanh(x_t W_x + h_{t-1} W_h + b).

    x: [batch, d_in], h: [batch, d_h], W_x: [d_in, d_h], W_h: [d_h, d_h], b: [d_h].
    Returns the new state: [batch, d_h], the dtype of the inputs.
    """
    return np.tanh(x @ W_x + h @ W_h + b)  # [batch, d_h]


def rnn(x, lengths, h0, W_x, W_h, b):
    """The network unrolled over a padded batch: a sequence's state stops changing where the sequence ends.

    x: [batch, m, d_in]; lengths: [batch], integers from 1 to m. Sequence i is ``x[i, :lengths[i]]``; the rest of x[i]
    is padding and may hold any finite numbers. h0: [batch, d_h]; W_x, W_h, b as in `rnn_step`.
    Returns H: [batch, m, d_h], zero at padding, and each sequence's last real state: [batch, d_h]; the inputs' dtype.
    """
    h, H = h0, []
    for t in range(x.shape[1]):
        real = (t < lengths)[:, None]  # [batch, 1]
        h = np.where(real, rnn_step(x[:, t], h, W_x, W_h, b), h)  # [batch, d_h]
        H.append(np.where(real, h, 0))
    return np.stack(H, axis=1), h  # [batch, m, d_h], [batch, d_h]


def bptt(x, h0, H, W_x, W_h, dH):
    """Back-propagation through time (Werbos, 1990) for h_t = tanh(a_t), a_t = x_t W_x + h_{t-1} W_h + b.

    x: [batch, m, d_in], h0: [batch, d_h], H: [batch, m, d_h] (the states h_1 … h_m), W_x: [d_in, d_h], W_h: [d_h, d_h];
    dH: [batch, m, d_h], the loss's own gradient at each state, before anything has come back from later steps.
    Returns the gradients of the loss by x, h0, W_x, W_h and b, each in the shape and dtype of what it belongs to.
    """
    dx, dW_x, dW_h, db = np.zeros_like(x), np.zeros_like(W_x), np.zeros_like(W_h), np.zeros_like(W_h[0])
    back = np.zeros_like(h0)  # [batch, d_h], what step t+1 sends back to h_t
    for t in reversed(range(x.shape[1])):
        before = H[:, t - 1] if t > 0 else h0  # [batch, d_h], h_{t-1}
        da = (dH[:, t] + back) * (1 - H[:, t] ** 2)  # [batch, d_h], since tanh' = 1 - tanh²
        dx[:, t] = da @ W_x.T  # [batch, d_in]
        dW_x += x[:, t].T @ da  # [d_in, d_h], summed over the steps: they share one W_x
        dW_h += before.T @ da  # [d_h, d_h]
        db += da.sum(axis=0)  # [d_h]
        back = da @ W_h.T  # [batch, d_h]
    return dx, back, dW_x, dW_h, db


def clip_by_global_norm(gradients, max_norm):
    """Scale all gradients by one number, so that their norm as one long vector is at most ``max_norm`` (Pascanu, 2013).

    gradients: a list of arrays of any shapes; max_norm: a positive number.
    Returns a list of new arrays, same shapes and dtypes; where the norm was small enough, the same values.
    """
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    scale = max_norm / norm if norm > max_norm else 1.0
    return [(scale * g).astype(g.dtype) for g in gradients]


def lstm_step(x, h, c, W_x, W_h, b):
    """One step of the LSTM (Hochreiter and Schmidhuber, 1997) with a forget gate (Gers and others, 2000).

    x: [batch, d_in], h and c: [batch, d_h], W_x: [d_in, 4 d_h], W_h: [d_h, 4 d_h], b: [4 d_h]. The blocks of columns
    are input gate, forget gate, candidate, output gate: PyTorch's order. Returns the new h and c: [batch, d_h] each.
    """
    i, f, g, o = np.split(x @ W_x + h @ W_h + b, 4, axis=1)  # [batch, d_h] each
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)  # [batch, d_h]
    return sigmoid(o) * np.tanh(c), c


def gru_step(x, h, W_x, W_h, b_x, b_h):
    """One step of the GRU (Cho and others, 2014), in PyTorch's variant: the reset gate acts after the product.

    x: [batch, d_in], h: [batch, d_h], W_x: [d_in, 3 d_h], W_h: [d_h, 3 d_h], b_x and b_h: [3 d_h]. The three blocks of
    columns are reset gate, update gate, candidate: PyTorch's order. Returns the new h: [batch, d_h], the inputs' dtype.
    """
    x_r, x_z, x_n = np.split(x @ W_x + b_x, 3, axis=1)  # [batch, d_h] each
    h_r, h_z, h_n = np.split(h @ W_h + b_h, 3, axis=1)  # [batch, d_h] each
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * h_n)  # [batch, d_h]
    return (1 - z) * n + z * h


def bidirectional(x, lengths, forward, backward):
    """Two networks over a padded batch, one of which reads each sequence from its end (Schuster and Paliwal, 1997).

    x: [batch, m, d_in]; lengths: [batch], integers from 1 to m; forward and backward: functions from [batch, n, d_in]
    to [batch, n, d_f] and [batch, n, d_b], both of which read left to right.
    Returns [batch, m, d_f + d_b]: the forward state beside the backward state of the same token; zero at padding.
    """
    t = np.arange(x.shape[1])  # [m]
    n = lengths[:, None]  # [batch, 1]
    real = t < n  # [batch, m]
    # Which position comes to t: the real tokens in reverse, padding where it was. Doing it twice undoes it.
    flip = np.where(real, n - 1 - t, t)[:, :, None]  # [batch, m, 1]
    H_f = forward(x)  # [batch, m, d_f]
    H_b = np.take_along_axis(backward(np.take_along_axis(x, flip, axis=1)), flip, axis=1)  # [batch, m, d_b]
    return np.where(real[:, :, None], np.concatenate([H_f, H_b], axis=2), 0)  # [batch, m, d_f + d_b]
