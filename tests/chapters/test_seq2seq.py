"""Chapter 2's references equal torch's own and brute force, and keep what the chapter promises of them."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autograder.reference import seq2seq
from autograder.reference.seq2seq import BOS, EOS, PAD, Seq2Seq

untimed = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**31 - 1)
dtypes = st.sampled_from([torch.float32, torch.float64])
TOLERANCE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-9, "atol": 1e-11}}


@st.composite
def targets(draw):
    """A padded batch of targets with logits for it: y [batch, t], logits [batch, t, V]."""
    lengths, V = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5)), draw(st.integers(4, 9))
    random = torch.Generator().manual_seed(draw(seeds))
    y = torch.full((len(lengths), max(lengths) + draw(st.integers(0, 2))), PAD)
    for row, n in zip(y, lengths, strict=True):
        row[: n - 1] = torch.randint(3, V, (n - 1,), generator=random)
        row[n - 1] = EOS
    logits = torch.randn(*y.shape, V, generator=random, dtype=draw(dtypes))
    return y, logits.requires_grad_()


# ---- targets and loss -----------------------------------------------------------------------------------------------


@untimed
@given(targets())
def test_shift_right_moves_every_token_by_one(drawn):
    y, _ = drawn
    before = y.clone()
    shifted = seq2seq.shift_right(y)
    assert shifted.shape == y.shape and shifted.dtype == y.dtype and torch.equal(y, before)
    assert (shifted[:, 0] == BOS).all() and torch.equal(shifted[:, 1:], y[:, :-1])


@untimed
@given(targets())
def test_the_loss_is_the_librarys_with_its_gradient(drawn):
    y, logits = drawn
    ours = seq2seq.masked_cross_entropy(logits, y)
    theirs = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=PAD)
    assert ours.dtype == logits.dtype
    torch.testing.assert_close(ours, theirs, **TOLERANCE[logits.dtype])
    (a,), (b,) = torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(a, b, **TOLERANCE[logits.dtype])
    assert (a[y == PAD] == 0).all()


@untimed
@given(targets(), st.integers(1, 4))
def test_more_padding_changes_nothing(drawn, more):
    y, logits = drawn
    wider_y = nn.functional.pad(y, (0, more), value=PAD)
    wider = torch.cat([logits, torch.full((len(y), more, logits.shape[-1]), 7.0, dtype=logits.dtype)], dim=1)
    close = TOLERANCE[logits.dtype]
    torch.testing.assert_close(
        seq2seq.masked_cross_entropy(wider, wider_y), seq2seq.masked_cross_entropy(logits, y), **close
    )
    torch.testing.assert_close(
        seq2seq.sentence_scores(wider, wider_y, 0.7), seq2seq.sentence_scores(logits, y, 0.7), **close
    )


@untimed
@given(targets())
def test_sentence_scores_are_sums_and_means(drawn):
    y, logits = drawn
    close = TOLERANCE[logits.dtype]
    losses = nn.functional.cross_entropy(logits.transpose(1, 2), y, ignore_index=PAD, reduction="none")
    torch.testing.assert_close(seq2seq.sentence_scores(logits, y, 0.0), -losses.sum(1), **close)
    torch.testing.assert_close(seq2seq.sentence_scores(logits, y, 1.0), -losses.sum(1) / (y != PAD).sum(1), **close)


@untimed
@given(targets(), seeds)
def test_scheduled_inputs_lie_between_teacher_forcing_and_the_models_words(drawn, seed):
    y, logits = drawn
    predicted = logits.argmax(-1)
    keep = torch.rand(y.shape, generator=torch.Generator().manual_seed(seed)) < 0.5
    everything = torch.ones_like(keep)
    assert torch.equal(seq2seq.scheduled_inputs(y, predicted, everything), seq2seq.shift_right(y))
    assert torch.equal(seq2seq.scheduled_inputs(y, predicted, ~everything), seq2seq.shift_right(predicted))
    mixed = seq2seq.scheduled_inputs(y, predicted, keep)
    for i, j in itertools.product(range(y.shape[0]), range(1, y.shape[1])):
        assert mixed[i, j] == (y if keep[i, j - 1] else predicted)[i, j - 1]


# ---- the model ------------------------------------------------------------------------------------------------------


@untimed
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), dtypes, seeds)
def test_decode_states_is_the_librarys_rnn_fed_the_code(batch, t, d_y, d, dtype, seed):
    torch.manual_seed(seed)
    net = nn.RNN(d_y + d, d, batch_first=True, dtype=dtype)
    c, y = torch.randn(batch, d, dtype=dtype, requires_grad=True), torch.randn(batch, t, d_y, dtype=dtype)
    theirs, _ = net(torch.cat([y, c[:, None].expand(-1, t, -1)], -1), c[None])
    W = net.weight_ih_l0.T
    ours = seq2seq.decode_states(c, y, W[:d_y], W[d_y:], net.weight_hh_l0.T, net.bias_ih_l0 + net.bias_hh_l0)
    torch.testing.assert_close(ours, theirs, **TOLERANCE[dtype])
    weights = torch.randn_like(theirs)
    wanted = [c, *net.parameters()]
    for a, b in zip(
        torch.autograd.grad((ours * weights).sum(), wanted),
        torch.autograd.grad((theirs * weights).sum(), wanted),
        strict=True,
    ):
        torch.testing.assert_close(a, b, **TOLERANCE[dtype])


def small_model(seed=0):
    torch.manual_seed(seed)
    return Seq2Seq(9, 8, d_e=3, d=5).double()


X, LENGTHS = torch.tensor([[4, 5, 6, 7], [8, 4, PAD, PAD], [5, PAD, PAD, PAD]]), torch.tensor([4, 2, 1])


def test_the_code_is_each_sentences_own():
    """As if it were alone: neither its padding nor its neighbours matter."""
    model = small_model()
    together = model.encode(X, LENGTHS)
    for i, n in enumerate(LENGTHS.tolist()):
        torch.testing.assert_close(model.encode(X[i : i + 1, :n], LENGTHS[i : i + 1])[0], together[i])
    other = X.clone()
    other[1, 2:] = 7
    torch.testing.assert_close(model.encode(other, LENGTHS), together)


def test_decoding_step_by_step_is_teacher_forcing():
    model = small_model()
    y = torch.randint(8, (3, 6))
    forced = model(X, LENGTHS, y)
    state, steps = model.start(X, LENGTHS), []
    for column in y.unbind(1):
        logits, state = model.step(column, state)
        steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, 1), forced)


def test_a_word_has_no_influence_on_earlier_ones():
    model = small_model()
    y = torch.randint(3, 8, (3, 6))
    other = y.clone()
    other[:, 3] = 3 + (y[:, 3] - 2) % 5
    a, b = model(X, LENGTHS, y), model(X, LENGTHS, other)
    torch.testing.assert_close(a[:, :3], b[:, :3])
    assert not torch.allclose(a[:, 3], b[:, 3])


def test_the_code_reaches_every_step():
    """Not only by way of s_0: the last logits have a gradient at c that doesn't pass through the states."""
    model = small_model()
    s, c = torch.zeros(1, 5, dtype=torch.float64), torch.randn(1, 5, dtype=torch.float64, requires_grad=True)
    logits, _ = model.decode(torch.tensor([[BOS, 4, 5]]), s, c)
    for j in range(3):
        (gradient,) = torch.autograd.grad(logits[0, j].sum(), c, retain_graph=True)
        assert gradient.abs().min() > 0


def test_the_update_gates_start_open():
    torch.manual_seed(0)
    model = Seq2Seq(9, 8, d_e=3, d=200)
    for net in (model.encoder, model.decoder):
        reset, update, candidate = (net.bias_ih_l0 + net.bias_hh_l0).chunk(3)
        assert abs(update.mean() - 2) < 0.1 and abs(reset.mean()) < 0.1 and abs(candidate.mean()) < 0.1


def test_training_learns_and_its_seed_decides():
    """Reversing three tokens: the loss falls, and greedy decoding then writes the reversed sentence."""
    drawn = torch.Generator().manual_seed(0)
    x = torch.randint(3, 7, (64, 3), generator=drawn)
    y = torch.cat([x.flip(1), torch.full((64, 1), EOS)], dim=1)
    batches = [(x[i : i + 16], torch.full((16,), 3), y[i : i + 16]) for i in range(0, 64, 16)]

    def run(seed):
        torch.manual_seed(seed)
        model = Seq2Seq(7, 7, d_e=8, d=32)
        return model, seq2seq.train(model, batches, steps=150, seed=seed)

    model, losses = run(1)
    assert abs(losses[0] - math.log(7)) < 0.5 and losses[-1] < 0.1 and len(losses) == 150
    assert losses == run(1)[1] != run(2)[1]
    lengths = torch.full((64,), 3)
    written = seq2seq.greedy_decode(model.step, model.start(x, lengths), batch=64, max_length=6)
    assert (written.shape == y.shape) and (written == y).float().mean() > 0.95


# ---- decoding -------------------------------------------------------------------------------------------------------


def random_model(seed, states, V, urge=0.0):
    """A model of looked-up log-probabilities: state and last word decide the next, and the next state."""
    random = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(states, V, V, generator=random, dtype=torch.float64)
    logits[:, :, EOS] += urge
    return logits.log_softmax(-1), torch.randint(states, (states, V), generator=random)


def sentence_model(seed, V, urge=0.0):
    table, follow = random_model(seed, 3, V, urge)
    return lambda word, state: (table[state, word], int(follow[state, word]))


def every_sentence(step, state, V, most):
    """All sentences that end within ``most`` words, and all of ``most`` words that don't, with their log p."""
    todo, ended, unended = [([], 0.0, BOS, state)], [], []
    while todo:
        words, log_p, last, before = todo.pop()
        log_probabilities, after = step(last, before)
        for word in range(V):
            extended = ([*words, word], log_p + float(log_probabilities[word]), word, after)
            if word == EOS:
                ended.append(extended[:2])
            elif len(words) + 1 == most:
                unended.append(extended[:2])
            else:
                todo.append(extended)
    return ended, unended


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(3, 4), st.integers(1, 4), st.floats(-3, 2))
def test_a_beam_that_drops_nothing_finds_the_best_of_all_sentences(seed, V, most, urge):
    step = sentence_model(seed, V, urge)
    ended, _ = every_sentence(step, 0, V, most)
    words, log_p = seq2seq.beam_search(step, 0, width=V**most, max_length=most)
    best = max(ended, key=lambda item: item[1])
    assert words == best[0] and math.isclose(log_p, best[1], abs_tol=1e-9)


@untimed
@given(seeds, st.integers(3, 7), st.integers(1, 9), st.integers(1, 5), st.floats(-2, 2))
def test_a_beam_reports_the_probability_of_what_it_returns(seed, V, most, width, urge):
    step = sentence_model(seed, V, urge)
    words, log_p = seq2seq.beam_search(step, 0, width, most)
    assert 1 <= len(words) <= most and EOS not in words[:-1]
    total, last, state = 0.0, BOS, 0
    for word in words:
        log_probabilities, state = step(last, state)
        total, last = total + float(log_probabilities[word]), word
    assert math.isclose(log_p, total, abs_tol=1e-9)


@untimed
@given(seeds, st.integers(3, 7), st.integers(1, 9), st.floats(-2, 2))
def test_a_beam_of_one_is_greedy(seed, V, most, urge):
    table, follow = random_model(seed, 3, V, urge)
    words, _ = seq2seq.beam_search(lambda w, s: (table[s, w], int(follow[s, w])), 0, 1, most)
    written = seq2seq.greedy_decode(lambda y, s: (table[s, y], follow[s, y]), torch.tensor([0]), 1, most, pad=-1)
    assert written[0].tolist() == words


def test_a_beam_whose_sentences_never_end_returns_an_unfinished_one():
    """<eos> is so unlikely that a beam of three, of four words, never keeps it."""
    step = sentence_model(3, 4, urge=-99.0)
    words, log_p = seq2seq.beam_search(step, 0, width=3, max_length=3)
    _, unended = every_sentence(step, 0, 4, 3)
    assert words in [candidate for candidate, _ in unended]
    greedy, least = seq2seq.beam_search(step, 0, width=1, max_length=3)
    assert len(greedy) == 3 and log_p >= least


@untimed
@given(seeds, st.integers(1, 6), st.integers(4, 7), st.integers(1, 8), st.floats(-1, 3))
def test_greedy_decoding_of_a_batch_is_that_of_each_sentence(seed, batch, V, most, urge):
    table, follow = random_model(seed, 4, V, urge)
    table[:, :, PAD] = -torch.inf
    step = lambda y, s: (table[s, y], follow[s, y])  # noqa: E731
    starts = torch.randint(4, (batch,), generator=torch.Generator().manual_seed(seed))
    together = seq2seq.greedy_decode(step, starts, batch, most)
    rows = [seq2seq.greedy_decode(step, starts[i : i + 1], 1, most)[0].tolist() for i in range(batch)]
    assert together.shape == (batch, max(map(len, rows)))
    for row, alone in zip(together.tolist(), rows, strict=True):
        assert row == alone + [PAD] * (len(row) - len(alone))


def test_nothing_is_recorded_for_gradients_while_decoding():
    model = small_model()
    seen = []

    def step(y, state):
        seen.append(torch.is_grad_enabled())
        return model.step(y, state)

    seq2seq.greedy_decode(step, model.start(X, LENGTHS), 3, max_length=3)
    assert seen and not any(seen)


# ---- what the chapter says ------------------------------------------------------------------------------------------


def test_without_the_shift_the_model_copies():
    torch.manual_seed(0)
    x = torch.randint(3, 9, (32, 4))
    y = torch.cat([x, torch.full((32, 1), EOS)], dim=1)
    model = Seq2Seq(9, 9, d_e=8, d=16)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        loss = seq2seq.masked_cross_entropy(model(x, torch.full((32,), 4), y), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.01
    written = seq2seq.greedy_decode(model.step, model.start(x, torch.full((32,), 4)), 32, max_length=8)
    assert (written[:, :5] == y[:, : written.shape[1]]).all(dim=1).float().mean() < 0.1


def test_the_exercises_of_the_chapter_are_all_there():
    from autograder import catalogue

    listed = catalogue.of_assignment("02-seq2seq")
    assert len(listed) >= 4 and all(exercise.reference is getattr(seq2seq, exercise.name) for exercise in listed)


@pytest.mark.parametrize("width", [1, 2])
def test_the_chapters_example_in_which_greedy_loses(width):
    names = ["<pad>", "<bos>", "<eos>", "the", "tea", "cup"]
    table = {
        "<bos>": {"the": 0.6, "tea": 0.4},
        "the": {"tea": 0.36, "cup": 0.34, "<eos>": 0.30},
        "tea": {"<eos>": 0.95, "cup": 0.05},
        "cup": {"<eos>": 0.90, "tea": 0.10},
    }
    log_p = torch.full((6, 6), -torch.inf)
    for last, following in table.items():
        for word, p in following.items():
            log_p[names.index(last), names.index(word)] = math.log(p)
    words, total = seq2seq.beam_search(lambda word, _: (log_p[word], None), None, width, 5)
    expected = {1: (["the", "tea", "<eos>"], 0.6 * 0.36 * 0.95), 2: (["tea", "<eos>"], 0.4 * 0.95)}[width]
    assert [names[word] for word in words] == expected[0]
    assert math.isclose(math.exp(total), expected[1], rel_tol=1e-5)
