"""Chapter 9's reference: equal to torch's own blocks, blind to padding and to the future, the same with its cache."""

import pytest
import torch
from torch import nn

from autograder.reference import seq2seq
from autograder.reference.positional_encoding import sinusoidal_encoding
from autograder.reference.transformer import Transformer

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
