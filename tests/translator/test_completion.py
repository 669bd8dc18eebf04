"""Completions: cut as promised, with the probabilities of the uncached model, whole sentences that begin as asked."""

import math
import random

import pytest
import torch
from test_training import SMALL

from autograder.reference import seq2seq
from autograder.reference.transformer import Transformer
from translator import completion, training
from translator.bpe import Tokenizer
from translator.completion import complete, cut
from translator.corpora import Corpus
from translator.decoding import longest, search
from translator.training import train
from translator.vocabulary import BOS, EOS, PAD, pad

SENTENCES = ["I want to eat a hamburger.", "Don't run!", "She reads 12 books.", "Go"]
TOKENIZER = Tokenizer.train(SENTENCES * 3, 60)


def test_cuts_lie_between_pieces_and_lose_nothing():
    pairs = cut(SENTENCES, TOKENIZER, times=100, seed=0)
    whole = [TOKENIZER.encode(sentence) for sentence in SENTENCES]
    assert all(beginning and beginning + end in whole for beginning, end in pairs)
    texts = [TOKENIZER.decode(beginning) for beginning, _ in pairs]
    assert texts[:7] == ["I", "I want", "I want to", "I want to eat", "I want to eat a", "I want to eat a hamburger",
                         "I want to eat a hamburger."]  # fmt: skip
    assert len(pairs) == 7 + 5 + 6 + 1  # I … .  Don ' t run !  She reads 1 2 books .
    assert [end for _, end in pairs].count([]) == 4


def test_the_seed_decides_where():
    once = cut(SENTENCES, TOKENIZER, 1, seed=1)
    assert len(once) == 4 and once == cut(SENTENCES, TOKENIZER, 1, seed=1)
    assert len({str(cut(SENTENCES, TOKENIZER, 1, seed=seed)) for seed in range(9)}) > 1


@pytest.fixture(scope="module")
def model():
    """Half trained on the sentences above: unsure how they end."""
    torch.manual_seed(0)
    pairs = cut(SENTENCES, TOKENIZER, 100, seed=0)
    batch = (*pad([x for x, _ in pairs]), pad([[*y, EOS] for _, y in pairs])[0])
    V = len(TOKENIZER)
    made = Transformer(V, V, d_model=16, h=2, layers=1, d_ff=16, dropout=0.0, pre_norm=True, shared=True)
    seq2seq.train(made, [batch], steps=60, seed=0)
    return made.double().eval()


def test_probabilities_are_those_of_the_whole_end(model, monkeypatch):
    """Against the model without a cache. The ids are those that the search wrote: a text may be cut in other ways."""
    kept = []

    def spying(*arguments, **more):
        kept.extend(search(*arguments, **more)[0])
        return [kept]

    monkeypatch.setattr(completion, "search", spying)
    found = complete(model, TOKENIZER, "I want", n=6)
    assert len(found) == 6 and [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    beginning = TOKENIZER.encode("I want")
    for (text, p), end in zip(found, kept, strict=False):
        assert text == TOKENIZER.decode(beginning + end.ids) and text.startswith("I want")
        y = torch.tensor([[BOS, *end.ids]])
        log_p = model(torch.tensor([beginning]), torch.tensor([len(beginning)]), y)[0].log_softmax(-1)
        assert len(end.ids) < longest(len(beginning))  # ended by itself
        steps = [log_p[j, token].item() for j, token in enumerate([*end.ids, EOS])]
        assert p == pytest.approx(math.exp(sum(steps)), rel=1e-3)
    assert 0 < sum(p for _, p in found) <= 1


def test_the_first_completions_do_not_depend_on_how_many_are_asked_for_by_much(model):
    """A wider beam finds at least as probable ones."""
    few, many = complete(model, TOKENIZER, "I", n=2), complete(model, TOKENIZER, "I", n=8)
    assert many[0][1] >= few[0][1] - 1e-9 and many[1][1] >= few[1][1] - 1e-9


@pytest.mark.parametrize("prefix", ["", "  "])
def test_nothing_cannot_be_completed(model, prefix):
    with pytest.raises(ValueError, match="give at least one word"):
        complete(model, TOKENIZER, prefix)


def test_a_trained_model_knows_how_sentences_go_on_and_how_often(tmp_path, monkeypatch):
    """'the cat' goes on in two ways, three to one; 'a' in one. The model has the shares that the corpus has."""
    monkeypatch.setattr(training, "precision", lambda device: torch.float32)
    monkeypatch.setattr(training, "CUTS", 2)
    lines = ["the cat sleeps here."] * 3 + ["the cat eats fish."] + ["a dog barks loudly."] * 2
    dice = random.Random(0)
    sentences = [dice.choice(lines) for _ in range(400)]
    asked = [("never read", sentence) for sentence in sentences]
    corpus = Corpus("lines", "xx", "xx", asked, asked[:20], asked[:20])
    config = {**vars(SMALL), "corpus": "lines", "task": "complete", "steps": 300, "evaluate_every": 150, "dropout": 0.0,
              "d_model": 64, "h": 4}  # fmt: skip
    run = train(tmp_path / "run", corpus, type(SMALL)(**config), torch.device("cpu"))
    model, tokenizer = run.model(), run.tokenizer()
    found = dict(complete(model, tokenizer, "the cat", n=3))
    share = sum("sleeps" in line for line in sentences) / sum("cat" in line for line in sentences)
    assert found["the cat sleeps here."] == pytest.approx(share, abs=0.2)
    assert found["the cat eats fish."] == pytest.approx(1 - share, abs=0.2)
    ((text, p), *_) = complete(model, tokenizer, "a", n=1)
    assert text == "a dog barks loudly." and p > 0.9
    ((text, p), *_) = complete(model, tokenizer, "a dog barks loudly.", n=1)
    assert text == "a dog barks loudly." and p > 0.9  # complete already
    assert not any("v" in token for token in tokenizer.tokens)  # the sources, "never read", are not read
    losses = [line["valid_loss"] for line in run.metrics() if "valid_loss" in line]
    assert len(losses) == 2 and losses[-1] < 1 and not any("valid_bleu" in line for line in run.metrics())
    assert run.kept("best")[1]["valid_loss"] == min(losses) and PAD == 0
