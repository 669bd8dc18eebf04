"""Chapter 9's reference: equal to torch's own blocks, blind to padding and to the future, the same with its cache."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autograder.reference import seq2seq
from autograder.reference.multi_head_attention import multi_head_attention, split_heads
from autograder.reference.positional_encoding import sinusoidal_encoding
from autograder.reference.transformer import (
    EncoderLayer,
    FeedForward,
    Transformer,
    cached_attention,
    decoder_layer,
    embed_tokens,
    feed_forward_block,
    layer_norm,
    parameter_count,
    smoothed_cross_entropy,
)

EXACT = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-10, "atol": 1e-12}}
SIZES = {"d_model": 12, "h": 3, "layers": 2, "d_ff": 20, "dropout": 0.0}


def model(dtype=torch.float64, pre_norm=False, **more):
    """A small model with random norms and biases, so that nothing hides behind an identity."""
    torch.manual_seed(0)
    made = Transformer(11, 13, **SIZES, pre_norm=pre_norm, **more).to(dtype).eval()
    for parameter in made.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, mean=0.5)
    return made


def batch():
    """Sources of 5, 2 and 4 real tokens; right-shifted targets."""
    lengths = torch.tensor([5, 2, 4])
    x = torch.randint(3, 11, (3, 5)).masked_fill(torch.arange(5) >= lengths[:, None], seq2seq.PAD)
    y = seq2seq.shift_right(torch.randint(3, 13, (3, 6)))
    return x, lengths, y


def copy_attention(ours, theirs):
    projections = (ours.query, ours.key, ours.value)
    theirs.in_proj_weight.data = torch.cat([projection.weight.data for projection in projections])
    theirs.in_proj_bias.data = torch.cat([projection.bias.data for projection in projections])
    theirs.out_proj.load_state_dict(ours.output.state_dict())


def torchs_own(ours, pre_norm, dtype) -> nn.Transformer:
    """``nn.Transformer`` with the weights of our stacks."""
    shape = {"d_model": 12, "nhead": 3, "dim_feedforward": 20, "dropout": 0.0, "norm_first": pre_norm}
    theirs = nn.Transformer(**shape, num_encoder_layers=2, num_decoder_layers=2, batch_first=True, dtype=dtype)
    if pre_norm:
        theirs.encoder.norm.load_state_dict(ours.encoder_norm.state_dict())
        theirs.decoder.norm.load_state_dict(ours.decoder_norm.state_dict())
    else:
        theirs.encoder.norm = theirs.decoder.norm = None  # torch adds norms that the paper hasn't
    for stack, layers in [(theirs.encoder, ours.encoder), (theirs.decoder, ours.decoder)]:
        for layer, own in zip(stack.layers, layers, strict=True):
            copy_attention(own.self_attention, layer.self_attn)
            norms = [own.around_self, own.around_feed_forward]
            if stack is theirs.decoder:
                copy_attention(own.cross_attention, layer.multihead_attn)
                norms.insert(1, own.around_cross)
            for number, around in enumerate(norms, start=1):
                getattr(layer, f"norm{number}").load_state_dict(around.norm.state_dict())
            layer.linear1.load_state_dict(own.feed_forward.inner.state_dict())
            layer.linear2.load_state_dict(own.feed_forward.outer.state_dict())
    return theirs.train()  # in eval mode torch takes another route, which can't be differentiated


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pre_norm", [False, True])
def test_equals_torch_with_copied_weights(pre_norm, dtype):
    ours = model(dtype, pre_norm)
    theirs = torchs_own(ours, pre_norm, dtype)
    x, lengths, y = batch()
    padding = torch.arange(5) >= lengths[:, None]  # True = blocked
    X, Y = ours.embed(ours.embed_source, x), ours.embed(ours.embed_target, y)
    future = torch.ones(6, 6, dtype=torch.bool).triu(1)
    states = theirs(X, Y, tgt_mask=future, src_key_padding_mask=padding, memory_key_padding_mask=padding)
    expected = states @ ours.embed_target.weight.T
    g = torch.randn_like(expected)
    tables = [ours.embed_source.weight, ours.embed_target.weight]
    wanted = torch.autograd.grad(expected, [*tables, theirs.encoder.layers[0].linear1.weight], g)
    actual = ours(x, lengths, y)
    got = torch.autograd.grad(actual, [*tables, ours.encoder[0].feed_forward.inner.weight], g)
    torch.testing.assert_close(actual, expected, **EXACT[dtype])
    for mine, true in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, true, **EXACT[dtype])


@pytest.mark.parametrize("pre_norm", [False, True])
def test_no_word_depends_on_later_ones(pre_norm):
    ours = model(pre_norm=pre_norm)
    x, lengths, y = batch()
    before = ours(x, lengths, y)
    for j in range(y.shape[1]):
        changed = y.clone()
        changed[:, j] = (y[:, j] + 1) % 13
        moved = (ours(x, lengths, changed) != before).flatten(2).any(-1)  # [batch, t]
        assert not moved[:, :j].any() and moved[:, j:].all()


def test_padding_changes_nothing():
    ours = model()
    x, lengths, y = batch()
    together = ours(x, lengths, y)
    for b, length in enumerate(lengths.tolist()):
        alone = ours(x[b : b + 1, :length], lengths[b : b + 1], y[b : b + 1])
        torch.testing.assert_close(alone[0], together[b], **EXACT[torch.float64])
    torch.testing.assert_close(ours(x.masked_fill(x == seq2seq.PAD, 7), lengths, y), together, rtol=0, atol=0)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_word_by_word_is_the_same_as_all_at_once(pre_norm):
    ours = model(pre_norm=pre_norm)
    x, lengths, y = batch()
    state = ours.start(x, lengths)
    steps = []
    for y_j in y.unbind(1):
        logits, state = ours.step(y_j, state)
        steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, 1), ours(x, lengths, y), **EXACT[torch.float64])


def test_a_state_can_be_continued_in_two_ways():
    """Beam search does so: a step must leave the state that it was given as it was."""
    ours = model()
    x, lengths, y = batch()
    _, state = ours.step(y[:, 0], ours.start(x, lengths))
    first = ours.step(y[:, 1], state)[0]
    ours.step(y[:, 2], state)
    assert torch.equal(ours.step(y[:, 1], state)[0], first)


def test_chapter_2_trains_it_and_decodes_with_it():
    torch.manual_seed(0)
    lengths = torch.tensor([3, 2])
    x = torch.tensor([[5, 6, 7], [8, 9, 0]])
    y = torch.tensor([[6, 5, 7, seq2seq.EOS], [9, 8, seq2seq.EOS, seq2seq.PAD]])
    small = Transformer(11, 11, d_model=16, h=2, layers=1, d_ff=32, dropout=0.0, shared=True)
    losses = seq2seq.train(small, [(x, lengths, y)], steps=60, seed=0)
    assert losses[-1] < 0.1 < losses[0]
    assert torch.equal(seq2seq.greedy_decode(small.step, small.start(x, lengths), 2, max_length=6), y)


def test_embeddings_are_tied():
    assert model().embed_source is not model().embed_target
    shared = Transformer(13, 13, **SIZES, shared=True)
    assert shared.embed_source is shared.embed_target
    names = [name for name, parameter in shared.named_parameters() if 13 in parameter.shape]
    assert names == ["embed_target.weight"]


def test_embeddings_are_scaled_and_told_their_place():
    ours = model()
    tokens = torch.tensor([[4, 5, 4]])
    rows = ours.embed_source.weight[tokens] * 12**0.5
    PE = sinusoidal_encoding(10, 12).double()
    torch.testing.assert_close(ours.embed(ours.embed_source, tokens), rows + PE[:3], rtol=0, atol=1e-12)
    torch.testing.assert_close(ours.embed(ours.embed_source, tokens, start=7), rows + PE[7:], rtol=0, atol=1e-5)


def test_dropout_is_where_the_paper_has_it():
    """On the embeddings and on each sublayer's output: with everything dropped, nothing of x reaches the logits."""
    post = Transformer(11, 13, **{**SIZES, "dropout": 1.0}).train()
    x, lengths, y = batch()
    logits = post(x, lengths, y)
    assert torch.equal(logits, torch.zeros_like(logits))
    assert post.eval()(x, lengths, y).abs().max() > 0


# ---- the parts as functions ----------------------------------------------------------------------------------------


def same_with_gradients(ours, theirs, inputs, dtype):
    """Outputs and the gradients of all floating-point inputs."""
    leaves = [value.requires_grad_() for value in inputs if value.is_floating_point()]
    actual, expected = ours(*inputs), theirs(*inputs)
    torch.testing.assert_close(actual, expected, **EXACT[dtype])
    g = torch.randn_like(expected)
    got, wanted = (torch.autograd.grad(out, leaves, g, allow_unused=True) for out in (actual, expected))
    for mine, true in zip(got, wanted, strict=True):
        torch.testing.assert_close(mine, true, **EXACT[dtype])


# Of two nearly equal numbers a norm makes 1 and -1: with a small eps its gradients are too steep for single precision.
NORMS = [(torch.float32, 0.1), (torch.float32, 2.0), *((torch.float64, eps) for eps in (1e-5, 0.1, 2.0))]


@settings(deadline=None, max_examples=80)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(2, 9), st.sampled_from(NORMS), st.integers(0, 2**32 - 1))
def test_layer_norm_is_torchs(batch, n, d_model, kind, seed):
    dtype, eps = kind
    torch.manual_seed(seed)
    X, gain, bias = (torch.randn(*shape, dtype=dtype) for shape in ([batch, n, d_model], [d_model], [d_model]))
    same_with_gradients(
        lambda X, gain, bias: layer_norm(X, gain, bias, eps),
        lambda X, gain, bias: F.layer_norm(X, gain.shape, gain, bias, eps),
        [X, gain, bias],
        dtype,
    )


def test_a_norm_takes_away_mean_and_length():
    """So of two numbers only their order is left (chapter 9)."""
    X = torch.randn(50, 2, dtype=torch.float64)
    normed = layer_norm(X, torch.ones(2), torch.zeros(2), eps=0.0)
    assert torch.allclose(normed, torch.sign(X - X.flip(1)))
    X = torch.randn(5, 7, dtype=torch.float64)
    again = layer_norm(3 * X + 11, torch.ones(7), torch.zeros(7), eps=0.0)
    torch.testing.assert_close(again, layer_norm(X, torch.ones(7), torch.zeros(7), eps=0.0))


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("pre_norm", [False, True])
def test_feed_forward_block_is_torchs(pre_norm, dtype):
    torch.manual_seed(0)
    shapes = [2, 3, 5], [5, 8], [8], [8, 5], [5], [5], [5]

    def theirs(X, W_1, b_1, W_2, b_2, gain, bias):
        def norm(X):
            return F.layer_norm(X, gain.shape, gain, bias)

        out = F.linear(F.relu(F.linear(norm(X) if pre_norm else X, W_1.T, b_1)), W_2.T, b_2)
        return X + out if pre_norm else norm(X + out)

    inputs = [torch.randn(*shape, dtype=dtype) for shape in shapes]
    same_with_gradients(lambda *a: feed_forward_block(*a, pre_norm=pre_norm), theirs, inputs, dtype)


@pytest.mark.parametrize("pre_norm", [False, True])
def test_the_functions_are_what_the_modules_do(pre_norm):
    torch.manual_seed(0)
    layer = EncoderLayer(12, 3, 20, 0.0, pre_norm).double()
    network, norm = layer.feed_forward, layer.around_feed_forward.norm
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    X = torch.randn(2, 4, 12, dtype=torch.float64)
    weights = [network.inner.weight.T, network.inner.bias, network.outer.weight.T, network.outer.bias]
    block = feed_forward_block(X, *weights, norm.weight, norm.bias, pre_norm)
    around = layer.around_feed_forward
    torch.testing.assert_close(block, around.after(X, network(around.before(X))), **EXACT[torch.float64])
    ours = model(pre_norm=pre_norm)
    tokens, E = torch.tensor([[4, 5, 4]]), ours.embed_source.weight
    PE = sinusoidal_encoding(10, 12).double()
    torch.testing.assert_close(embed_tokens(tokens, E, PE, 2), ours.embed(ours.embed_source, tokens, start=2))


def test_the_network_works_on_each_position_by_itself():
    torch.manual_seed(0)
    network, X = FeedForward(6, 9), torch.randn(2, 5, 6)
    changed = X.clone()
    changed[0, 3] += 1
    moved = (network(changed) != network(X)).any(-1)
    assert moved.tolist() == [[False, False, False, True, False], [False] * 5]


def test_the_wired_decoder_layer_is_the_module():
    ours = model()
    layer = ours.decoder[0]
    torch.manual_seed(1)
    Y, X = torch.randn(3, 4, 12, dtype=torch.float64), torch.randn(3, 5, 12, dtype=torch.float64)
    real = torch.arange(5) < torch.tensor([5, 2, 4])[:, None]
    norms = [around.norm for around in (layer.around_self, layer.around_cross, layer.around_feed_forward)]
    wired = decoder_layer(Y, X, real, layer.self_attention, layer.cross_attention, layer.feed_forward, norms)
    none_yet = layer.self_attention.keys_values(Y[:, :0])
    expected, _ = layer(Y, none_yet, layer.cross_attention.keys_values(X), real[:, None])
    torch.testing.assert_close(wired, expected, **EXACT[torch.float64])


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3))
def test_attention_with_a_cache_is_attention_without(batch, t, p, h, d_k):
    """Over p words at first and t later the same comes out as over p + t at once, whatever is cut where."""
    d_model = 5
    X = torch.randn(batch, p + t, d_model, dtype=torch.float64)
    W_Q, W_K, W_V = (torch.randn(d_model, h * d_k, dtype=torch.float64) for _ in range(3))
    W_O = torch.randn(h * d_k, d_model, dtype=torch.float64)
    causal = torch.ones(1, p + t, p + t, dtype=torch.bool).tril()
    whole, _ = multi_head_attention(X, X, W_Q, W_K, W_V, W_O, h, causal)
    kept = [split_heads(X[:, :p] @ W, h) for W in (W_K, W_V)]
    out, K, V = cached_attention(X[:, p:], *kept, W_Q, W_K, W_V, W_O, h)
    torch.testing.assert_close(out, whole[:, p:], **EXACT[torch.float64])
    torch.testing.assert_close(K, split_heads(X @ W_K, h))
    torch.testing.assert_close(V, split_heads(X @ W_V, h))


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.6])
def test_smoothing_is_torchs(epsilon, dtype):
    torch.manual_seed(0)
    y = torch.tensor([[4, 2, 0, 0], [1, 5, 6, 2]])
    same_with_gradients(
        lambda logits: smoothed_cross_entropy(logits, y, epsilon),
        lambda logits: F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=0, label_smoothing=epsilon),
        [torch.randn(2, 4, 7, dtype=dtype)],
        dtype,
    )
    logits = torch.randn(2, 4, 7, dtype=dtype)
    plain = smoothed_cross_entropy(logits, y, 0.0)
    torch.testing.assert_close(plain, seq2seq.masked_cross_entropy(logits, y), **EXACT[dtype])


def test_the_smoothed_loss_is_least_at_the_smoothed_target():
    epsilon, V = 0.1, 9
    target = torch.full((V,), epsilon / V, dtype=torch.float64)
    target[4] += 1 - epsilon
    y = torch.tensor([[4]])
    least = smoothed_cross_entropy(target.log()[None, None], y, epsilon)
    assert math.isclose(least.item(), -(target * target.log()).sum().item(), rel_tol=1e-12)
    for _ in range(20):
        other = target.log() + 0.1 * torch.randn(V, dtype=torch.float64)
        assert smoothed_cross_entropy(other[None, None], y, epsilon) > least


@settings(deadline=None, max_examples=25)
@given(st.integers(3, 20), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(2, 30))
def test_parameters_are_counted_as_the_model_has_them(V, h, d_k, layers, d_ff):
    with torch.device("meta"):
        made = Transformer(V, V, h * d_k, h, layers, d_ff, shared=True)
    assert parameter_count(V, h * d_k, layers, d_ff, h, d_k, d_k) == sum(p.numel() for p in made.parameters())


def test_the_papers_table_of_sizes():
    """Table 3, in millions: all rows that give one round as printed, with 41,000 rows of embedding (chapter 9)."""
    base = {"V": 41_000, "d_model": 512, "layers": 6, "d_ff": 2048, "h": 8, "d_k": 64, "d_v": 64}
    for changes, millions in [
        ({}, 65),
        ({"d_k": 16}, 58),
        ({"d_k": 32}, 60),
        ({"layers": 2}, 36),
        ({"layers": 4}, 50),
        ({"layers": 8}, 80),
        ({"d_model": 256, "d_k": 32, "d_v": 32}, 28),
        ({"d_model": 1024, "d_k": 128, "d_v": 128}, 168),
        ({"d_ff": 1024}, 53),
        ({"d_ff": 4096}, 90),
    ]:
        assert round(parameter_count(**{**base, **changes}) / 1e6) == millions
    assert round(parameter_count(**{**base, "V": 37_000}) / 1e6) == 63


# ---- what the chapter says -----------------------------------------------------------------------------------------


def test_the_decoder_starts_from_no_last_state():
    """The rows of the encoder's output may be shuffled."""
    ours = model(pre_norm=True)
    x, lengths, y = batch()
    past, source, real = ours.start(x, lengths)
    order = torch.tensor([3, 0, 4, 1, 2])
    shuffled = [tuple(rows[:, :, order] for rows in pair) for pair in source]
    torch.testing.assert_close(
        ours.decode(y, (past, shuffled, real[:, :, order]))[0], ours(x, lengths, y), **EXACT[torch.float64]
    )


def test_the_loss_cannot_see_a_rotation_between_encoder_and_decoder():
    ours = model(pre_norm=True)
    x, lengths, y = batch()
    before = ours(x, lengths, y)
    R = nn.init.orthogonal_(torch.empty(12, 12, dtype=torch.float64))
    encode = ours.encode
    ours.encode = lambda *args: encode(*args) @ R
    assert not torch.allclose(ours(x, lengths, y), before)
    for layer in ours.decoder:
        for projection in (layer.cross_attention.key, layer.cross_attention.value):
            projection.weight.data = projection.weight.data @ R
    torch.testing.assert_close(ours(x, lengths, y), before, **EXACT[torch.float64])
