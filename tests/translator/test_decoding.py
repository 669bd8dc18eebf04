"""Decoding: beam 1 is greedy, the cache changes nothing, a sentence's translation is its own, beams only improve."""

import itertools

import pytest
import torch

from autograder.reference.seq2seq import greedy_decode, train
from autograder.reference.transformer import Transformer
from translator import decoding, evaluation
from translator.vocabulary import BOS, EOS, PAD, pad

V = 9


@pytest.fixture(scope="module")
def model():
    """Half trained to write its source backwards: unsure, and its sentences end at several lengths."""
    torch.manual_seed(0)
    batches = []
    for _ in range(20):
        sources = [torch.randint(4, V, (n,)).tolist() for n in torch.randint(1, 7, (32,)).tolist()]
        batches.append((*pad(sources), pad([[*reversed(source), EOS] for source in sources])[0]))
    made = Transformer(V, V, d_model=16, h=2, layers=1, d_ff=32, dropout=0.0, pre_norm=True, shared=True)
    train(made, batches, steps=50, seed=0)
    return made.double().eval()


SOURCES = [[5, 6, 7, 8], [4], [8, 8, 4, 5, 6, 7], [6, 4], [7, 5, 4]]


def log_p(model, source, ids):
    """log p(ids, <eos>) without any cache, with <pad> and <bos> ruled out as in the search."""
    y = torch.tensor([[BOS, *ids]])
    logits = model(torch.tensor([source]), torch.tensor([len(source)]), y)
    steps = logits[0].log_softmax(-1)
    return sum(steps[j, token].item() for j, token in enumerate([*ids, EOS]))


def search(model, sources, **settings):
    x, lengths = pad(sources)
    return decoding.beam_search(model, x, lengths, **settings)


def ended(hypothesis, source):
    return len(hypothesis.ids) < decoding.longest(len(source))


def test_a_width_of_one_is_greedy_decoding(model):
    def step(y, state):
        logits, state = model.step(y, state)
        logits[:, [PAD, BOS]] = -torch.inf
        return logits, state

    for source, (hypothesis,) in zip(SOURCES, search(model, SOURCES, width=1), strict=True):
        limit = decoding.longest(len(source))
        greedy = greedy_decode(step, model.start(torch.tensor([source]), torch.tensor([len(source)])), 1, limit)[
            0
        ].tolist()
        assert hypothesis.ids == (greedy[:-1] if greedy[-1] == EOS else greedy)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_scores_are_those_of_the_uncached_model(model, width):
    for source, hypotheses in zip(SOURCES, search(model, SOURCES, width=width, alpha=0.7), strict=True):
        assert [h.score for h in hypotheses] == sorted((h.score for h in hypotheses), reverse=True)
        for hypothesis in hypotheses:
            if ended(hypothesis, source):
                assert hypothesis.log_p == pytest.approx(log_p(model, source, hypothesis.ids), abs=1e-4)
                assert hypothesis.score == pytest.approx(hypothesis.log_p / (len(hypothesis.ids) + 1) ** 0.7)


@pytest.fixture(scope="module")
def ensemble(model):
    """The model, and one with other weights and more layers."""
    torch.manual_seed(1)
    other = Transformer(V, V, d_model=8, h=2, layers=2, d_ff=16, dropout=0.0, pre_norm=True, shared=True)
    return decoding.Ensemble([model, other.double().eval()])


@pytest.mark.parametrize("width", [1, 3])
def test_an_ensemble_takes_the_mean_of_the_probabilities(ensemble, width):
    """Token by token, with each member's own cache."""
    for source, hypotheses in zip(SOURCES, search(ensemble, SOURCES, width=width), strict=True):
        for hypothesis in hypotheses:
            if ended(hypothesis, source):
                y = torch.tensor([[BOS, *hypothesis.ids]])
                x = torch.tensor([source]), torch.tensor([len(source)])
                p = sum(member(*x, y)[0].softmax(-1) for member in ensemble.members) / 2
                steps = [p[j, token].log().item() for j, token in enumerate([*hypothesis.ids, EOS])]
                assert hypothesis.log_p == pytest.approx(sum(steps), abs=1e-4)


def test_an_ensemble_of_one_model_twice_is_that_model(model):
    twice = search(decoding.Ensemble([model, model]), SOURCES, width=3)
    for one, other in zip(search(model, SOURCES, width=3), twice, strict=True):
        assert [h.ids for h in one] == [h.ids for h in other]
        assert [h.log_p for h in one] == pytest.approx([h.log_p for h in other], abs=1e-5)


@pytest.mark.parametrize("width", [1, 4])
def test_neither_order_nor_company_nor_padding_changes_a_translation(model, width):
    alone = [search(model, [source], width=width)[0][0].ids for source in SOURCES]
    for order in itertools.islice(itertools.permutations(range(5)), 0, None, 17):
        together = search(model, [SOURCES[i] for i in order], width=width)
        assert [hypotheses[0].ids for hypotheses in together] == [alone[i] for i in order]
    x, lengths = pad(SOURCES)
    wider = torch.nn.functional.pad(x, (0, 6), value=PAD)
    assert [h[0].ids for h in decoding.beam_search(model, wider, lengths, width=width)] == alone


def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_all():
    """Against all sentences of up to three tokens, for a model whose sentences end soon."""
    torch.manual_seed(0)
    small = Transformer(6, 6, d_model=8, h=1, layers=1, d_ff=8, dropout=0.0, shared=True).double().eval()
    small.embed_target.weight.data[EOS] += 1.0
    source = [4, 5]
    everything = [ids for n in range(4) for ids in itertools.product((3, 4, 5), repeat=n)]
    best = max(everything, key=lambda ids: log_p(small, source, ids))
    found = search(small, [source], width=40, alpha=0.0)[0][0]
    assert found.log_p >= log_p(small, source, best) - 1e-4


def test_length_normalisation_decides_between_short_and_long(model):
    lengths = [sum(len(h[0].ids) for h in search(model, SOURCES, width=5, alpha=alpha)) for alpha in (0.0, 1.0, 2.0)]
    assert lengths[0] < lengths[1] < lengths[2]


@pytest.mark.parametrize("width", [1, 2, 5])
def test_one_search_serves_every_length_normalisation(model, width):
    sources = [*SOURCES, [3, 3, 3]]
    found = search(model, sources, width=width, best=width)
    for alpha in (0.0, 0.6, 1.0, 1.6, 2.5):
        by_itself = [hypotheses[0].ids for hypotheses in search(model, sources, width=width, alpha=alpha)]
        assert [evaluation.taken(finished, alpha).ids for finished in found] == by_itself


def test_special_tokens_are_never_written(model):
    for hypotheses in search(model, SOURCES, width=5):
        assert not {PAD, BOS, EOS} & {i for hypothesis in hypotheses for i in hypothesis.ids}


def test_translate_keeps_the_order_and_takes_empty_sources(model):
    sources = [*SOURCES, []]
    one_by_one = [search(model, [source], width=3)[0][0].ids for source in SOURCES]
    for tokens in (1, 40, 4096):
        found = decoding.translate(model, sources, width=3, tokens=tokens)
        assert [hypothesis.ids for hypothesis in found] == [*one_by_one, []]
    assert decoding.translate(model, []) == []
