"""Chapter 10's reference: what the course's translator does, what torch's loss scaling does, what sacreBLEU counts."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from torch import nn

from autograder.reference.seq2seq import greedy_decode
from autograder.reference.transformer import Transformer
from autograder.reference.translation import (
    clipped_matches,
    combine_gradients,
    corpus_bleu,
    learning_rate,
    normalised_beam_search,
    plan_batches,
    scaled_step,
)
from translator import batching, decoding, evaluation, training
from translator.runs import Config
from translator.vocabulary import BOS, EOS, PAD, pad

some = settings(max_examples=60, deadline=None)

# ---- batches -------------------------------------------------------------------------------------------------------

pairs_of_lengths = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 20)), max_size=40)


def cost(batch, lengths):
    return len(batch) * (max(lengths[i][0] for i in batch) + max(lengths[i][1] for i in batch))


@some
@given(pairs_of_lengths, st.integers(1, 120))
def test_every_pair_is_in_one_batch_and_no_batch_is_too_large(lengths, tokens):
    batches = plan_batches(lengths, tokens)
    assert sorted(itertools.chain(*batches)) == list(range(len(lengths)))
    assert all(len(batch) == 1 or 0 < cost(batch, lengths) <= tokens for batch in batches)


@some
@given(pairs_of_lengths, st.integers(1, 120))
def test_a_batch_ends_only_where_the_next_pair_does_not_fit(lengths, tokens):
    batches = plan_batches(lengths, tokens)
    assert all(cost([*batch, after[0]], lengths) > tokens for batch, after in itertools.pairwise(batches))
    targets = [lengths[i][::-1] for i in itertools.chain(*batches)]
    assert targets == sorted(targets)


@some
@given(st.lists(st.integers(1, 20), max_size=30), st.integers(1, 200), st.integers(0, 9))
def test_batches_are_those_of_the_translator(sources, tokens, seed):
    """Where no two targets are equally long. (Among equal ones it turns round at each length, and shuffles.)"""
    order = np.random.default_rng(seed).permutation(len(sources))
    pairs = [([5] * m, [5] * int(t)) for m, t in zip(sources, order, strict=True)]
    theirs = batching.plan(pairs, tokens, seed=seed)
    ours = plan_batches([(len(x), len(y) + 1) for x, y in pairs], tokens)
    assert sorted(map(sorted, theirs)) == sorted(map(sorted, ours))


def test_neighbours_in_length_need_less_padding():
    lengths = np.random.default_rng(0).integers(2, 30, size=(300, 2)).tolist()
    area = sum(cost(batch, lengths) for batch in plan_batches(lengths, 400))
    mixed = sum(cost(range(i, i + 10), lengths) for i in range(0, 300, 10))
    assert area < 0.8 * mixed


# ---- training ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("warmup", "steps"), [(4, 12), (1, 9), (2, 5), (30, 31)])
def test_the_learning_rate_is_that_of_the_translator(warmup, steps):
    config = Config(corpus="x", steps=steps, warmup=warmup)
    ours = [learning_rate(step, warmup, steps) for step in range(steps + 1)]
    assert ours == [training.learning_rate(step, config) for step in range(steps + 1)]
    assert max(ours) == 1.0 and ours[-1] == 0.0 and all(rate > 0 for rate in ours[:-1])


def test_gradients_of_parts_make_that_of_the_batch():
    """However the batch is cut, and also if a part is all padding."""
    torch.manual_seed(0)
    V, d = 7, 5
    states = torch.randn(6, 4, d, dtype=torch.float64)
    y = torch.randint(1, V, (6, 4)).masked_fill(torch.arange(4) >= torch.tensor([4, 1, 0, 3, 2, 4])[:, None], PAD)
    W = torch.randn(d, V, dtype=torch.float64, requires_grad=True)

    def gradient(rows):
        loss, real = -(states[rows] @ W).log_softmax(-1).gather(-1, y[rows][:, :, None])[:, :, 0], y[rows] != PAD
        return torch.autograd.grad((loss * real).sum() / real.sum(), W)[0].numpy()

    whole = gradient(range(6))
    for parts in ([[0, 1, 2, 3, 4, 5]], [[0, 5], [1, 2], [3, 4]], [[i] for i in range(6)]):
        G = np.stack([gradient(rows) for rows in parts])
        tokens = np.array([(y[rows] != PAD).sum().item() for rows in parts])
        np.testing.assert_allclose(combine_gradients(G, tokens), whole, rtol=1e-10, atol=1e-12)
    assert np.isnan(G[2]).all()  # the sentence without a target
    assert not np.allclose(np.nanmean(G, axis=0), whole, rtol=0.05)  # a mean of means


class Descent:
    """``torch.optim.SGD`` as far as the scaler needs it; importing that takes seconds."""

    def __init__(self, parameters, lr):
        self.param_groups, self.lr = [{"params": parameters}], lr

    def step(self):
        for w in self.param_groups[0]["params"]:
            w.data -= self.lr * w.grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("interval", [1, 3])
def test_a_scaled_step_is_that_of_torch(dtype, interval):
    torch.manual_seed(0)
    shapes, lr, clip = [(3, 2), (4,)], 0.3, 1.0
    model = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]
    optimizer = Descent(model, lr)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=interval)
    scaler.scale(torch.zeros(()))
    W, scale, good = [w.detach().numpy().copy() for w in model], 64.0, 0
    for step in range(24):
        size = 10.0 ** torch.randint(-2, 2, ()).item()
        G = [scale * size * torch.randn(shape, dtype=dtype) for shape in shapes]
        if step % 5 == 4:
            G[step % 2].view(-1)[0] = (torch.inf, -torch.inf, torch.nan)[step % 3]
        W, scale, good = scaled_step(W, [g.numpy() for g in G], scale, good, lr, clip, interval)
        for w, g in zip(model, G, strict=True):
            w.grad = g.clone()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model, clip)
        scaler.step(optimizer)
        scaler.update()
        state = scaler.state_dict()
        assert (scale, good) == (state["scale"], state["_growth_tracker"])
        for ours, theirs in zip(W, model, strict=True):
            assert ours.dtype == theirs.detach().numpy().dtype
            np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_what_loss_scaling_saves():
    assert np.float16(1e-8) == 0
    assert np.float32(np.float16(1e-8 * 2**16)) / 2**16 == pytest.approx(1e-8, rel=1e-2)


# ---- decoding ------------------------------------------------------------------------------------------------------


def translator_of(seed, dtype=torch.float64):
    """A small model that was never trained; a beam finds ends of sentences in it."""
    torch.manual_seed(seed)
    made = Transformer(9, 9, d_model=16, h=2, layers=1, d_ff=32, dropout=0.0, pre_norm=True, shared=True)
    made.embed_target.weight.data *= 3
    made.embed_target.weight.data[EOS] *= 2
    return made.to(dtype).eval()


def step_of(model, source):
    """All words so far to the log-probabilities of the next one, without any cache."""

    @torch.inference_mode()
    def step(prefix):
        logits = model(torch.tensor([source]), torch.tensor([len(source)]), torch.tensor([prefix]))[0, -1]
        return logits.log_softmax(-1).index_fill(0, torch.tensor([PAD, BOS]), -torch.inf).numpy()

    return step


SOURCES = [[5, 6, 7], [4], [8, 8, 4, 5]]


@pytest.mark.parametrize(("width", "alpha"), [(1, 1.0), (3, 0.0), (3, 1.0), (5, 0.6), (4, 1.6)])
def test_beam_search_is_that_of_the_translator(width, alpha, monkeypatch):
    monkeypatch.setattr(decoding, "longest", lambda source: source + 4)
    lengths, ended = set(), 0
    for seed in range(4):
        model = translator_of(seed)
        theirs = decoding.beam_search(model, *pad(SOURCES), width=width, alpha=alpha)
        for source, (best, *_) in zip(SOURCES, theirs, strict=True):
            longest = decoding.longest(len(source))
            found, score = normalised_beam_search(step_of(model, source), width, alpha, longest, BOS, EOS)
            assert [word for word in found if word != EOS] == best.ids
            assert score == pytest.approx(best.score, rel=1e-5, abs=1e-6)
            lengths.add(len(found))
            ended += found[-1] == EOS
    assert len(lengths) > 1 and (ended > 1 or width == 1)


def looked_up(seed, V=4):
    """A model whose next word depends on the last one and on how many there are."""
    logits = np.random.default_rng(seed).normal(size=(4, V, V))
    table = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return lambda prefix: table[min(len(prefix), 4) - 1, prefix[-1]]


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", [0, 1, 2, 7, 9])  # in some the best sentence does not begin as the likeliest do
def test_a_beam_that_drops_nothing_finds_the_best_of_all(seed, alpha):
    step, longest = looked_up(seed), 4
    scores = {}
    for n in range(1, longest + 1):
        for start in itertools.product((0, 1, 3), repeat=n - 1):
            ids = [*start, 2]
            log_p = sum(step([1, *ids[:j]])[word] for j, word in enumerate(ids))
            scores[tuple(ids)] = log_p / n**alpha
    found, score = normalised_beam_search(step, 4**longest, alpha, longest, bos=1, eos=2)
    assert tuple(found) == max(scores, key=scores.get)
    assert score == pytest.approx(max(scores.values()))


@pytest.mark.parametrize("seed", range(5))
def test_a_width_of_one_is_greedy(seed):
    step = looked_up(seed)

    def with_state(y, prefix):
        prefix = [*prefix, y.item()]
        return torch.from_numpy(step(prefix))[None], prefix

    greedy = greedy_decode(with_state, [], 1, 6, bos=1, eos=2, pad=0)[0].tolist()
    assert normalised_beam_search(step, 1, 1.0, 6, bos=1, eos=2)[0] == greedy


def test_a_larger_alpha_never_makes_the_chosen_sentence_shorter():
    """Nothing is dropped, so that alpha decides the choice alone."""
    for seed in range(10):
        lengths = [
            len(normalised_beam_search(looked_up(seed), 64, alpha, 3, bos=1, eos=2)[0]) for alpha in (0, 0.5, 1, 2)
        ]
        assert lengths == sorted(lengths)


# ---- evaluation ----------------------------------------------------------------------------------------------------

sentence = st.lists(st.sampled_from(["the", "The", "a", "aa", "dog"]), min_size=1, max_size=12)
corpora = st.lists(st.tuples(sentence, sentence), min_size=1, max_size=6)


def sacre(hypotheses, references, **more):
    metric = BLEU(tokenize="none", smooth_method="none", **more)
    return metric.corpus_score([" ".join(h) for h in hypotheses], [[" ".join(r) for r in rs] for rs in references])


@some
@given(sentence, st.lists(sentence, min_size=1, max_size=3))
def test_counts_are_those_of_sacrebleu(hypothesis, references):
    theirs = sacre([hypothesis], [[reference] for reference in references])
    ours = [clipped_matches(hypothesis, references, n) for n in (1, 2, 3, 4)]
    assert ours == list(zip(theirs.counts, theirs.totals, strict=True))


def scored(pairs):
    counts = np.array([[clipped_matches(h, [r], n) for n in (1, 2, 3, 4)] for h, r in pairs])  # [sentences, 4, 2]
    lengths = np.array([[len(h), len(r)] for h, r in pairs])
    return corpus_bleu(counts[:, :, 0], counts[:, :, 1], lengths[:, 0], lengths[:, 1])


@some
@given(corpora)
def test_bleu_is_that_of_sacrebleu(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    assert scored(pairs) == pytest.approx(sacre(hypotheses, [references]).score, abs=1e-9)


@some
@given(st.lists(sentence, min_size=1, max_size=6))
def test_a_copy_has_100_or_nothing_to_count(references):
    bleu = scored([(reference, reference) for reference in references])
    assert bleu == pytest.approx(100.0 if max(map(len, references)) >= 4 else 0.0)


def test_bleu_is_the_headline_of_the_translator():
    """Its sacreBLEU smooths, which shows only where an order has no match."""
    random = np.random.default_rng(0)
    references = [random.choice(["a", "dog", "cat", "saw", "bird"], size=12).tolist() for _ in range(20)]
    outputs = [[word if random.random() < 0.8 else "tree" for word in reference][:-1] for reference in references]
    texts = [[" ".join(words) for words in side] for side in (outputs, references)]
    quality = evaluation.quality(*texts, "en")
    assert scored(list(zip(outputs, references, strict=True))) == pytest.approx(quality.bleu)
    assert quality.brevity_penalty == pytest.approx(math.exp(1 - 12 / 11))


def words(*texts):
    return [text.split() for text in texts]


def test_the_chapters_pencil():
    output, reference = words("the the the dog read the book", "the dog read the book in the garden")
    assert [clipped_matches(output, [reference], n) for n in (1, 2, 3, 4)] == [(6, 7), (4, 6), (3, 5), (2, 4)]
    precisions = 6 / 7 * 4 / 6 * 3 / 5 * 2 / 4
    assert scored([(output, reference)]) == pytest.approx(100 * math.exp(1 - 8 / 7) * precisions**0.25)


def test_a_mean_of_sentences_is_another_number():
    pairs = [words("a b c d e f g h", "a b c d e f g i"), words("a b", "a c")]
    assert np.mean([scored([pair]) for pair in pairs]) < 0.75 * scored(pairs)
