"""Chapter 3's reference code against torch, against the formulas as loops, and against what must hold for any input."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.reference import attention, example, rnn
from autograder.reference.seq2seq import PAD, masked_cross_entropy, shift_right

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
quickly = settings(deadline=None, max_examples=40)


def scores_and_mask(seed, batch, t, m):
    """Scores [batch, t, m] and a mask [batch, m] with any pattern of real tokens, also none."""
    rng = np.random.default_rng(seed)
    return rng.normal(scale=10 ** rng.uniform(-2, 4), size=(batch, t, m)), rng.random((batch, m)) < 0.6


# ---- scores --------------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes, sizes, sizes)
def test_additive_scores_are_the_formula_word_by_word(seed, batch, m, d_h, d_s, d_a):
    rng = np.random.default_rng(seed)
    h, s = rng.normal(size=(batch, m, d_h)), rng.normal(size=(batch, d_s))
    W, v = rng.normal(size=(d_h + d_s, d_a)), rng.normal(size=d_a)
    scores = attention.additive_scores(h, s, W, v)
    assert scores.shape == (batch, m)
    for b in range(batch):
        for i in range(m):
            np.testing.assert_allclose(scores[b, i], v @ np.tanh(W.T @ np.concatenate([h[b, i], s[b]])), atol=1e-12)


@quickly
@given(seeds, sizes, sizes, sizes, sizes, sizes)
def test_key_query_scores_are_one_bilinear_form(seed, batch, m, d_h, d_s, d_k):
    rng = np.random.default_rng(seed)
    h, s = rng.normal(size=(batch, m, d_h)), rng.normal(size=(batch, d_s))
    W_K, W_Q = rng.normal(size=(d_h, d_k)), rng.normal(size=(d_s, d_k))
    expected = np.einsum("bs,sh,bmh->bm", s, W_Q @ W_K.T, h)
    np.testing.assert_allclose(attention.key_query_scores(h, s, W_K, W_Q), expected, atol=1e-12)


# ---- the masked softmax --------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes)
def test_weights_sum_to_one_over_real_tokens_and_padding_gets_exactly_nothing(seed, batch, t, m):
    scores, mask = scores_and_mask(seed, batch, t, m)
    alpha = attention.masked_softmax(scores, mask)
    assert (alpha >= 0).all()
    assert (alpha[np.broadcast_to(~mask[:, None], alpha.shape)] == 0).all()
    np.testing.assert_allclose(alpha.sum(-1), np.repeat(mask.any(1)[:, None], t, axis=1), atol=1e-12)


@quickly
@given(seeds, sizes, sizes, sizes)
def test_weights_are_torch_softmax_of_the_real_scores(seed, batch, t, m):
    scores, mask = scores_and_mask(seed, batch, t, m)
    alpha = attention.masked_softmax(scores, mask)
    for b in np.flatnonzero(mask.any(1)):
        expected = torch.from_numpy(scores[b][:, mask[b]]).softmax(-1).numpy()
        np.testing.assert_allclose(alpha[b][:, mask[b]], expected, atol=1e-12)


@quickly
@given(seeds, sizes, sizes, sizes)
def test_what_stands_at_padding_does_not_matter(seed, batch, t, m):
    scores, mask = scores_and_mask(seed, batch, t, m)
    other = np.where(mask[:, None], scores, 1e300)
    np.testing.assert_array_equal(attention.masked_softmax(scores, mask), attention.masked_softmax(other, mask))


@quickly
@given(seeds, sizes, sizes, sizes)
def test_permuting_the_source_permutes_the_weights(seed, batch, t, m):
    scores, mask = scores_and_mask(seed, batch, t, m)
    order = np.random.default_rng(seed).permutation(m)
    permuted = attention.masked_softmax(scores[:, :, order], mask[:, order])
    np.testing.assert_allclose(permuted, attention.masked_softmax(scores, mask)[:, :, order], atol=1e-12)


@quickly
@given(seeds, sizes, sizes)
def test_a_sentence_without_real_tokens_has_no_weights_and_no_nan(seed, t, m):
    scores, mask = scores_and_mask(seed, 2, t, m)
    mask[1] = False
    assert (attention.masked_softmax(scores, mask)[1] == 0).all()


def test_the_softmax_stays_in_float32_and_leaves_its_inputs_alone():
    scores, mask = np.float32([[[1000.0, 1001.0, 5.0]]]), np.array([[True, True, False]])
    before = scores.copy()
    alpha = attention.masked_softmax(scores, mask)
    assert alpha.dtype == np.float32
    np.testing.assert_array_equal(scores, before)


# ---- gradients -----------------------------------------------------------------------------------------------------


@quickly
@given(seeds, sizes, sizes, sizes)
def test_score_gradient_is_what_autograd_finds(seed, batch, m, d_h):
    rng = np.random.default_rng(seed)
    scores, h, g = rng.normal(size=(batch, m)), rng.normal(size=(batch, m, d_h)), rng.normal(size=(batch, d_h))
    leaf = torch.from_numpy(scores).requires_grad_()
    c = (leaf.softmax(-1)[:, None] @ torch.from_numpy(h))[:, 0]
    (expected,) = torch.autograd.grad((c * torch.from_numpy(g)).sum(), leaf)
    found = attention.score_gradient(scores, h, g)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-12)
    np.testing.assert_allclose(found.sum(-1), 0, atol=1e-12)


# ---- all queries at once, and one step -----------------------------------------------------------------------------


def tensors(seed, batch, *shapes):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator, requires_grad=True) for shape in shapes]


def lengths_mask(seed, batch, m):
    return torch.arange(m) < torch.randint(1, m + 1, (batch, 1), generator=torch.Generator().manual_seed(seed))


@quickly
@given(seeds, sizes, sizes, sizes, sizes, sizes, sizes)
def test_contexts_and_gradients_equal_torch_attention_at_scale_one(seed, batch, t, m, d_h, d_s, d_k):
    leaves = h, S, W_K, W_Q = tensors(seed, batch, (batch, m, d_h), (batch, t, d_s), (d_h, d_k), (d_s, d_k))
    mask = lengths_mask(seed, batch, m)
    C, alpha = attention.attention_contexts(h, S, W_K, W_Q, mask)
    library = F.scaled_dot_product_attention(S @ W_Q, h @ W_K, h, attn_mask=mask[:, None], scale=1.0)
    torch.testing.assert_close(C, library, atol=1e-12, rtol=1e-10)
    torch.testing.assert_close(alpha @ h, C)
    assert (alpha[~mask[:, None].expand_as(alpha)] == 0).all()
    cotangent = torch.randn_like(C)
    for ours, theirs in zip(
        torch.autograd.grad((C * cotangent).sum(), leaves),
        torch.autograd.grad((library * cotangent).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=1e-8)


@quickly
@given(seeds, sizes, sizes, sizes, sizes, sizes, sizes)
def test_a_decoder_step_is_its_formula_sentence_by_sentence(seed, batch, m, d_y, d_s, d_h, d_a):
    y, s, h, W, v, W_s, b = tensors(
        seed,
        batch,
        (batch, d_y),
        (batch, d_s),
        (batch, m, d_h),
        (d_h + d_s, d_a),
        (d_a,),
        (d_y + d_s + d_h, d_s),
        (d_s,),
    )
    mask = lengths_mask(seed, batch, m)
    s_next, c, alpha = attention.attention_step(y, s, h, mask, W, v, W_s, b)
    for n in range(batch):
        words = h[n][mask[n]]  # [m_n, d_h], the real tokens only
        scores = torch.stack([v @ torch.tanh(W.T @ torch.cat([h_i, s[n]])) for h_i in words])
        weights = scores.exp() / scores.exp().sum()
        context = sum(a * h_i for a, h_i in zip(weights, words, strict=True))
        torch.testing.assert_close(alpha[n][mask[n]], weights)
        torch.testing.assert_close(c[n], context)
        torch.testing.assert_close(s_next[n], torch.tanh(W_s.T @ torch.cat([y[n], s[n], context]) + b))


# ---- the model -----------------------------------------------------------------------------------------------------


def model_and_batch(seed=0, lengths=(5, 2, 4)):
    """A small model in double precision and a batch of sentences of these lengths: x, lengths, y."""
    torch.manual_seed(seed)
    model = attention.AttentionSeq2Seq(9, 11, d_e=3, d=4).double()
    lengths = torch.tensor(lengths)
    x = torch.randint(4, 9, (len(lengths), int(lengths.max())))
    x = x.masked_fill(torch.arange(x.shape[1]) >= lengths[:, None], PAD)
    return model, x, lengths, torch.randint(1, 11, (len(lengths), 6))


def test_the_model_is_the_formulas_word_by_word():
    model, x, lengths, y = model_and_batch()
    logits = model(x, lengths, y)
    _, _, alphas = model.decode(y, *model.start(x, lengths))
    W_K, W_Q = model.key.weight.T, model.query.weight.T
    for n, m in enumerate(lengths):
        H, last = model.encoder(model.embed_source(x[n : n + 1, :m]))  # one sentence, no padding
        H, s = H[0], last[:, 0].flatten()
        for j, y_j in enumerate(model.embed_target(y[n])):
            weights = ((H @ W_K) @ (s @ W_Q)).softmax(0)
            c = weights @ H
            s = torch.tanh(torch.cat([y_j, s, c]) @ model.update.weight.T + model.update.bias)
            torch.testing.assert_close(alphas[n, j, :m], weights)
            torch.testing.assert_close(logits[n, j], model.output(torch.cat([s, c])))
    assert (alphas[1, :, 2:] == 0).all()


def test_a_sentence_is_translated_the_same_alone_and_beside_longer_ones():
    model, x, lengths, y = model_and_batch()
    together, alone = model(x, lengths, y)[1:2], model(x[1:2, :2], lengths[1:2], y[1:2])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)
    wider = torch.nn.functional.pad(x, (0, 3))  # more padding than the longest needs
    torch.testing.assert_close(model(wider, lengths, y), model(x, lengths, y), atol=1e-12, rtol=0)


def test_stepping_writes_what_decoding_all_at_once_writes():
    model, x, lengths, y = model_and_batch()
    state, columns = model.start(x, lengths), []
    for y_j in y.unbind(1):
        logits, state = model.step(y_j, state)
        columns.append(logits)
    torch.testing.assert_close(torch.stack(columns, 1), model(x, lengths, y))


def test_the_loss_reaches_every_parameter():
    model, x, lengths, y = model_and_batch()
    masked_cross_entropy(model(x, lengths, shift_right(y)), y).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_the_encoder_starts_out_keeping_more_than_it_takes_in():
    torch.manual_seed(0)
    encoder = attention.AttentionSeq2Seq(9, 11, d_e=3, d=64).encoder
    for bias in (encoder.bias_hh_l0, encoder.bias_hh_l0_reverse):
        reset, update, new = bias.chunk(3)
        assert update.min() > 0.8 > max(reset.max(), new.max())


# ---- what the chapter says -----------------------------------------------------------------------------------------


def test_without_tanh_the_decoder_state_moves_all_scores_by_the_same():
    rng = np.random.default_rng(0)
    h, W, v = rng.normal(size=(4, 2)), rng.normal(size=(5, 3)), rng.normal(size=3)
    scores = [np.array([np.concatenate([h_i, s]) @ W @ v for h_i in h]) for s in rng.normal(size=(2, 3))]
    np.testing.assert_allclose(np.diff(scores[0]), np.diff(scores[1]))


def test_an_inner_product_is_never_largest_inside_the_hull_but_an_additive_score_can_be():
    H, _ = rnn.rnn(example.X[None], np.array([4]), np.zeros((1, 2)), example.W_x, example.W_h, example.b)
    h = H.round(1)  # [1, m, d_h], the states of the chapter; 想, the second, lies inside the others' triangle
    rng = np.random.default_rng(0)
    scores = attention.key_query_scores(h.repeat(999, 0), rng.normal(size=(999, 2)), *rng.normal(size=(2, 2, 2)))
    assert (scores.argmax(1) != 1).all()
    W = np.array([[0.0, 0], [10, 10], [1, -4], [0, 0]])
    bump = attention.additive_scores(h, np.array([[1.0, 0.0]]), W, np.array([1.0, -1.0]))
    np.testing.assert_allclose(bump, [[0.00, 1.76, 0.24, 0.00]], atol=0.005)


@quickly
@given(seeds, sizes)
def test_with_one_source_word_there_is_nothing_to_learn(seed, d_h):
    rng = np.random.default_rng(seed)
    gradient = attention.score_gradient(
        rng.normal(size=(3, 1)), rng.normal(size=(3, 1, d_h)), rng.normal(size=(3, d_h))
    )
    np.testing.assert_array_equal(gradient, 0)
