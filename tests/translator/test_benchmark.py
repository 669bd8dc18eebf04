"""The benchmark's recipes learn, count tokens alike and batch as their authors do; no cache changes a translation."""

import importlib.util
import random
from pathlib import Path

import pytest
import torch

from autograder.reference.transformer import Transformer
from translator.bpe import Tokenizer
from translator.decoding import beam_search
from translator.vocabulary import pad

PATH = Path(__file__).parents[2] / "benchmarks" / "translator_speed.py"
SPEC = importlib.util.spec_from_file_location("translator_speed", PATH)
speed = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(speed)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, about what the authors wrote
V, CPU = 30, torch.device("cpu")
DICE = random.Random(0)
PAIRS = [([DICE.randrange(4, V) for _ in range(n)], [DICE.randrange(4, V) for _ in range(n + 1)])
         for n in (DICE.randint(2, 20) for _ in range(300))]  # fmt: skip
TOKENIZER = Tokenizer.train(["abcdefghijklmnopqrstuvwxyz"], V)  # of V tokens: 4 special ones and 26 letters


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(speed, "D", 16)
    monkeypatch.setattr(speed, "H", 2)
    monkeypatch.setattr(speed, "LAYERS", 1)
    monkeypatch.setattr(speed, "D_FF", 16)


def recipes():
    made = {name: getattr(speed, name)(PAIRS, V, CPU) for name in ("Tutorial", "Annotated", "Seq2Seq")}
    return made | {"Ours": speed.Ours(PAIRS, V, CPU, TOKENIZER, 800)}


def weights(recipe):
    if hasattr(recipe, "trainer"):
        return list(recipe.trainer.model.parameters())
    return recipe.parameters if hasattr(recipe, "parameters") else list(recipe.model.parameters())


@pytest.mark.parametrize("name", ["Tutorial", "Annotated", "Seq2Seq", "Ours"])
def test_a_recipe_learns_from_each_token_that_it_counts(name):
    recipe = recipes()[name]
    before = [parameter.detach().clone() for parameter in weights(recipe)]
    planned, batches = [], recipe.batches
    recipe.batches = (planned.append(indices) or indices for indices in batches)
    for _ in range(11):  # Annotated steps after the tenth batch
        tokens, entries = recipe.step()
        indices = planned[-1]
        assert tokens == sum(len(PAIRS[i][0]) + len(PAIRS[i][1]) + 1 for i in indices) <= entries
    moved = [not torch.equal(a, b) for a, b in zip(before, weights(recipe), strict=True)]
    assert sum(moved) > 0.9 * len(moved)


def test_batches_are_those_of_the_authors():
    made = recipes()
    assert next(made["Tutorial"].batches) == list(range(128))
    for recipe, size in [("Annotated", 32), ("Seq2Seq", 128)]:
        batch = next(made[recipe].batches)
        assert len(set(batch)) == size and batch != sorted(batch)
    assert made["Annotated"].learn(list(range(32))) == 32 * (72 + 71)
    sorted_batch = next(made["Seq2Seq"].batches)
    spread = max(len(PAIRS[i][0]) for i in sorted_batch) - min(len(PAIRS[i][0]) for i in sorted_batch)
    assert spread < 18  # of 2 … 20: near lengths lie together
    assert speed.interleaved(0b11, 0b00) == 0b1010 and speed.interleaved(0b00, 0b11) == 0b0101


def test_the_future_is_hidden_from_every_recipe():
    """What stands at the second place has no gradient from later places."""
    made = recipes()
    for name, model in [("Annotated", made["Annotated"].model), ("Seq2Seq", made["Seq2Seq"].model)]:
        layer = model["decoder"][0].eval()
        X = torch.randn(1, 5, speed.D, requires_grad=True)
        mask = torch.ones(1, 1, 5, 5, dtype=torch.bool).tril()
        out = layer(X, mask, torch.randn(1, 3, speed.D), torch.ones(1, 1, 1, 3, dtype=torch.bool))
        (gradient,) = torch.autograd.grad(out[0, 1].sum() + out[0, 1].square().sum(), X)
        assert gradient[0, :2].abs().sum() > 0 and gradient[0, 2:].abs().sum() == 0, name


@pytest.mark.parametrize("width", [1, 3])
def test_decoding_without_the_cache_gives_the_same(width):
    torch.manual_seed(0)
    model = Transformer(V, V, 16, 2, 2, 32, 0.0, pre_norm=True, shared=True).double().eval()
    x, lengths = pad([PAIRS[i][0] for i in range(6)])
    cached, uncached = beam_search(model, x, lengths, width), beam_search(speed.Forgetful(model), x, lengths, width)
    for one, other in zip(cached, uncached, strict=True):
        assert [h.ids for h in one] == [h.ids for h in other]
        assert [h.log_p for h in one] == pytest.approx([h.log_p for h in other], abs=1e-6)
