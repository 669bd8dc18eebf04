"""Chapter 1's references are the library's networks and keep what the chapter promises of them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from autograder.reference import example, rnn

ROOT = Path(__file__).parents[2]
TOLERANCE = {np.float32: {"rtol": 1e-4, "atol": 1e-5}, np.float64: {"rtol": 1e-10, "atol": 1e-12}}
sizes = st.integers(1, 5)
dtypes = st.sampled_from([np.float32, np.float64])
seeds = st.integers(0, 2**32 - 1)
untimed = settings(deadline=None)


@st.composite
def batches(draw):
    """A padded batch with parameters: x, lengths, h0, W_x, W_h, b, and the generator that they came from."""
    batch, m, d_in, d_h, dtype = draw(sizes), draw(st.integers(1, 7)), draw(sizes), draw(sizes), draw(dtypes)
    lengths = np.array(draw(st.lists(st.integers(1, m), min_size=batch, max_size=batch)))
    rng = np.random.default_rng(draw(seeds))
    shapes = [(batch, m, d_in), (batch, d_h), (d_in, d_h), (d_h, d_h), (d_h,)]
    x, h0, W_x, W_h, b = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    W_h *= 0.5 / d_h**0.5  # larger ones make rounding grow from step to step, and gradients with it
    return (x, lengths, h0, W_x, W_h, b), rng


def library(kind, W_x, W_h, b_x, b_h, **options):
    """A one-layer library network with our parameters."""
    blocks = {nn.RNN: 1, nn.GRU: 3, nn.LSTM: 4}[kind]
    dtype = torch.from_numpy(W_x).dtype
    net = kind(W_x.shape[0], W_h.shape[1] // blocks, batch_first=True, dtype=dtype, **options)
    with torch.no_grad():
        ours = [(net.weight_ih_l0, W_x.T), (net.weight_hh_l0, W_h.T), (net.bias_ih_l0, b_x), (net.bias_hh_l0, b_h)]
        for theirs, value in ours:
            theirs.copy_(torch.from_numpy(value))
    return net


def gated(draw_seed, blocks, dtype, batch, d_in, d_h):
    rng = np.random.default_rng(draw_seed)
    shapes = [(batch, d_in), (batch, d_h), (batch, d_h), (d_in, blocks * d_h), (d_h, blocks * d_h)]
    arrays = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    return [*arrays, *(rng.normal(size=blocks * d_h).astype(dtype) for _ in range(2))]


@untimed
@given(batches())
def test_rnn_equals_the_library_on_packed_sequences(drawn):
    (x, lengths, h0, W_x, W_h, b), _ = drawn
    net = library(nn.RNN, W_x, W_h, b, np.zeros_like(b))
    packed = pack_padded_sequence(torch.from_numpy(x), torch.from_numpy(lengths), True, enforce_sorted=False)
    theirs, last = net(packed, torch.from_numpy(h0)[None])
    theirs, _ = pad_packed_sequence(theirs, batch_first=True, total_length=x.shape[1])
    H, h = rnn.rnn(x, lengths, h0, W_x, W_h, b)
    assert H.dtype == h.dtype == x.dtype
    np.testing.assert_allclose(H, theirs.detach(), **TOLERANCE[x.dtype.type])
    np.testing.assert_allclose(h, last[0].detach(), **TOLERANCE[x.dtype.type])


@untimed
@given(batches())
def test_padding_never_changes_a_real_output(drawn):
    (x, lengths, *rest), rng = drawn
    real = np.arange(x.shape[1]) < lengths[:, None]  # [batch, m]
    other = np.where(real[:, :, None], x, rng.normal(scale=100, size=x.shape)).astype(x.dtype)
    for one, two in zip(rnn.rnn(x, lengths, *rest), rnn.rnn(other, lengths, *rest), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not rnn.rnn(x, lengths, *rest)[0][~real].any()


@untimed
@given(batches())
def test_bptt_equals_autograd(drawn):
    (x, _, h0, W_x, W_h, b), rng = drawn
    full = np.full(len(x), x.shape[1])
    H, _ = rnn.rnn(x, full, h0, W_x, W_h, b)
    dH = rng.normal(size=H.shape).astype(x.dtype)
    ours = rnn.bptt(x, h0, H, W_x, W_h, dH)

    net = library(nn.RNN, W_x, W_h, b, np.zeros_like(b))
    inputs, first = torch.from_numpy(x).requires_grad_(), torch.from_numpy(h0).requires_grad_()
    states, _ = net(inputs, first[None])
    states.backward(torch.from_numpy(dH))
    theirs = [inputs.grad, first.grad, net.weight_ih_l0.grad.T, net.weight_hh_l0.grad.T, net.bias_ih_l0.grad]
    for one, two, value in zip(ours, theirs, (x, h0, W_x, W_h, b), strict=True):
        assert one.shape == value.shape
        assert one.dtype == value.dtype
        scale = max(1, np.abs(one).max())  # gradients over several steps grow, and rounding with them
        np.testing.assert_allclose(one / scale, two / scale, **TOLERANCE[x.dtype.type])


@untimed
@given(seeds, dtypes, sizes, sizes, sizes)
def test_lstm_step_equals_the_library(seed, dtype, batch, d_in, d_h):
    x, h, c, W_x, W_h, b_x, b_h = gated(seed, 4, dtype, batch, d_in, d_h)
    net = library(nn.LSTM, W_x, W_h, b_x, b_h)
    _, theirs = net(torch.from_numpy(x)[:, None], (torch.from_numpy(h)[None], torch.from_numpy(c)[None]))
    for one, two in zip(rnn.lstm_step(x, h, c, W_x, W_h, b_x + b_h), theirs, strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, two[0].detach(), **TOLERANCE[dtype])


@untimed
@given(seeds, dtypes, sizes, sizes, sizes)
def test_gru_step_equals_the_library(seed, dtype, batch, d_in, d_h):
    x, h, _, W_x, W_h, b_x, b_h = gated(seed, 3, dtype, batch, d_in, d_h)
    _, theirs = library(nn.GRU, W_x, W_h, b_x, b_h)(torch.from_numpy(x)[:, None], torch.from_numpy(h)[None])
    ours = rnn.gru_step(x, h, W_x, W_h, b_x, b_h)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, theirs[0].detach(), **TOLERANCE[dtype])


@untimed
@given(seeds, sizes, sizes)
def test_gates_do_what_the_chapter_says(seed, batch, d_h):
    x, h, c, W_x, W_h, b_x, b_h = gated(seed, 4, np.float64, batch, 2, d_h)
    keep = np.repeat([-1e3, 1e3, 0, 0], d_h)  # input gate shut, forget gate open
    np.testing.assert_allclose(rnn.lstm_step(x, h, c, W_x, W_h, b_x + keep)[1], c, rtol=0, atol=1e-12)
    x, h, _, W_x, W_h, b_x, b_h = gated(seed, 3, np.float64, batch, 2, d_h)
    keep = np.repeat([0, 1e3, 0], d_h)  # update gate open
    np.testing.assert_allclose(rnn.gru_step(x, h, W_x, W_h, b_x + keep, b_h), h, rtol=0, atol=1e-12)
    ignore = np.repeat([-1e3, 0, 0], d_h)  # reset gate shut: the candidate knows nothing of h, and z does what is left
    z = rnn.sigmoid((x @ W_x + b_x + h @ W_h + b_h)[:, d_h : 2 * d_h])
    n = np.tanh((x @ W_x + b_x)[:, 2 * d_h :])
    np.testing.assert_allclose(rnn.gru_step(x, h, W_x, W_h, b_x + ignore, b_h), (1 - z) * n + z * h, atol=1e-12)


@untimed
@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4), st.floats(-6, 3), st.floats(-3, 3), dtypes, seeds)
def test_clipping_limits_the_norm_and_keeps_the_direction(shapes, log_size, log_limit, dtype, seed):
    rng = np.random.default_rng(seed)
    gradients = [(10**log_size * rng.normal(size=shape)).astype(dtype) for shape in shapes]
    limit = 10**log_limit
    clipped = rnn.clip_by_global_norm(gradients, limit)
    assert [(g.shape, g.dtype) for g in clipped] == [(g.shape, g.dtype) for g in gradients]
    before, after = (np.concatenate([g.ravel() for g in gs]).astype(np.float64) for gs in (gradients, clipped))
    norm = np.linalg.norm(before)
    np.testing.assert_allclose(np.linalg.norm(after), min(norm, limit), rtol=1e-5)
    np.testing.assert_allclose(after * norm, before * np.linalg.norm(after), rtol=1e-4)
    if norm < 0.999 * limit:
        np.testing.assert_array_equal(after, before)


def test_clipping_leaves_zero_alone():
    np.testing.assert_array_equal(rnn.clip_by_global_norm([np.zeros((2, 3))], 1.0)[0], np.zeros((2, 3)))


@untimed
@given(batches())
def test_bidirectional_equals_the_library_on_packed_sequences(drawn):
    (x, lengths, _, W_x, W_h, b), rng = drawn
    zero = np.zeros_like(b)
    back = [rng.normal(size=w.shape).astype(w.dtype) for w in (W_x, W_h, b)]
    net = library(nn.RNN, W_x, W_h, b, zero, bidirectional=True)
    with torch.no_grad():
        for name, value in zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), (*back, zero), strict=True):
            getattr(net, f"{name}_l0_reverse").copy_(torch.from_numpy(value.T))
    packed = pack_padded_sequence(torch.from_numpy(x), torch.from_numpy(lengths), True, enforce_sorted=False)
    theirs, _ = pad_packed_sequence(net(packed)[0], batch_first=True, total_length=x.shape[1])

    def reader(W_x, W_h, b):
        return lambda x: rnn.rnn(x, np.full(len(x), x.shape[1]), np.zeros((len(x), len(b)), b.dtype), W_x, W_h, b)[0]

    ours = rnn.bidirectional(x, lengths, reader(W_x, W_h, b), reader(*back))
    assert ours.dtype == x.dtype
    np.testing.assert_allclose(ours, theirs.detach(), **TOLERANCE[x.dtype.type])


@pytest.mark.parametrize("scale", [1, 1e3, 1e30])
def test_sigmoid_never_overflows(scale):
    with np.errstate(all="raise"):
        for dtype in (np.float32, np.float64):
            a = np.array([-scale, 0, scale], dtype)
            value = rnn.sigmoid(a)
            assert value.dtype == dtype
            np.testing.assert_allclose(value, torch.sigmoid(torch.from_numpy(a)), atol=1e-7)


def test_the_chapter_and_later_chapters_use_the_same_numbers():
    """Chapter 1 writes the worked example out; later chapters import it."""
    cells = re.findall(r"```\{code-cell\}\n(.*?)```", (ROOT / "book/01-rnn.md").read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    for cell in cells[:4]:  # the embedding, the bag, the window, the recurrence
        exec(cell, names)
    np.testing.assert_array_equal(names["embed"](" ".join(example.TOKENS)), example.X)
    for name in ("W_x", "W_h", "b"):
        np.testing.assert_array_equal(names[name], getattr(example, name))
    full = np.array([len(example.TOKENS)])
    H, _ = rnn.rnn(example.X[None], full, np.zeros((1, 2)), example.W_x, example.W_h, example.b)
    np.testing.assert_array_equal(names["H"], H)
