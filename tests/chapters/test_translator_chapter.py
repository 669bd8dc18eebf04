"""Chapter 10: what the page says about BLEU, batches, 16 bits, splits and cost; the recorded runs say where from."""

import importlib.util
import json
import math
import re
from collections import Counter
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU
from torch.utils.flop_counter import FlopCounterMode

from translator.batching import plan
from translator.corpora import groups, normal
from translator.recorded import RUNS
from translator.runs import Config

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "10-translator.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("translator_record", ROOT / "benchmarks" / "translator_record.py")
translator_record = importlib.util.module_from_spec(spec)
spec.loader.exec_module(translator_record)

OUTPUT, REFERENCE = "the the the dog read the book", "the dog read the book in the garden"


def ngrams(text: str, n: int) -> Counter:
    words = text.split()
    return Counter(zip(*(words[i:] for i in range(n)), strict=False))


def bleu(outputs: list[str], references: list[str]) -> float:
    """The formula of the page, word by word, for text that is cut at spaces; 0 where a precision is 0."""
    precisions = []
    for n in range(1, 5):
        clipped = sum((ngrams(o, n) & ngrams(r, n)).total() for o, r in zip(outputs, references, strict=True))
        precisions.append(clipped / max(1, sum(ngrams(o, n).total() for o in outputs)))
    c, r = (sum(len(text.split()) for text in side) for side in (outputs, references))
    return 100 * min(1, math.exp(1 - r / c)) * math.prod(precisions) ** (1 / 4)


def test_bleu_with_a_pencil():
    score = BLEU().corpus_score([OUTPUT], [[REFERENCE]])
    assert score.counts == [6, 4, 3, 2] and score.totals == [7, 6, 5, 4]
    assert score.score == pytest.approx(bleu([OUTPUT], [REFERENCE]))
    assert score.bp == pytest.approx(math.exp(1 - 8 / 7))


words = st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=4, max_size=12).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_the_formula_is_sacrebleus(pairs):
    outputs, references = map(list, zip(*pairs, strict=True))
    expected = BLEU(tokenize="none", smooth_method="none").corpus_score(outputs, [references]).score
    assert bleu(outputs, references) == pytest.approx(expected, abs=1e-6)


def test_bleu_does_not_read():
    """The wrong ones score above the right one, as the page shows."""
    reference = "the man did not give the red book to his two sisters"
    scores = [
        BLEU(effective_order=True).sentence_score(output, [reference]).score
        for output in (reference.replace("not ", ""), reference.replace("two", "three"))
    ]
    right = BLEU(effective_order=True).sentence_score(
        "he didn't hand over the red book to his two sisters", [reference]
    )
    assert min(scores) > right.score + 10
    for sentence in (reference, "he didn't hand over the red book to his two sisters"):
        assert sentence in PAGE


def test_an_output_without_its_last_word_has_only_the_penalty():
    """Question 4 of the page."""
    score = BLEU(tokenize="none").corpus_score([REFERENCE.rsplit(" ", 1)[0]], [[REFERENCE]])
    assert score.precisions == [100] * 4
    assert score.score == pytest.approx(100 * math.exp(1 - 8 / 7))


def test_chains_of_pairs_stay_together_in_any_order():
    pairs = [
        ("我饿了。", "I'm hungry."),
        ("我饿了。", "I am hungry!"),
        ("我好饿啊。", "I am hungry."),
        ("他来了。", "He came."),
        ("他來了。", "He came."),
        ("谢谢你。", "Thank you."),
    ]
    for order in permutations(range(6)):
        named = dict(zip(order, groups([pairs[i] for i in order]), strict=True))
        assert named[0] == named[1] == named[2] and named[3] == named[4]
        assert len({named[0], named[3], named[5]}) == 3
    assert normal("I am hungry!") == normal("I am hungry.")


lengths = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(lengths, st.integers(20, 200))
def test_a_batch_costs_at_most_the_budget(sizes, budget):
    pairs = [([9] * m, [9] * t) for m, t in sizes]
    batches = plan(pairs, budget, seed=0)
    assert sorted(i for batch in batches for i in batch) == list(range(len(pairs)))
    for batch in batches:
        cost = len(batch) * (max(len(pairs[i][0]) for i in batch) + max(len(pairs[i][1]) + 1 for i in batch))
        assert cost <= budget or len(batch) == 1


def test_sixteen_bits():
    assert torch.tensor(1e-8).half() == 0 and torch.tensor(1e-8).bfloat16() != 0
    assert torch.tensor(70_000.0).half().isinf() and torch.tensor(70_000.0).bfloat16().isfinite()
    assert torch.tensor(1.001).bfloat16() == 1 and torch.tensor(1.001).half() != 1
    assert (torch.tensor(1e-8 * 2.0**16).half().double() / 2**16).item() == pytest.approx(1e-8, rel=1e-3)


def test_the_mean_of_means_depends_on_the_parts():
    losses = np.arange(12.0)
    for cut in ([6], [3], [1, 4]):
        parts = np.split(losses, cut)
        assert sum(part.sum() for part in parts) / 12 == losses.mean()
        equal = len({len(part) for part in parts}) == 1
        assert (np.mean([part.mean() for part in parts]) == pytest.approx(losses.mean())) == equal


def test_a_step_costs_six_operations_a_parameter_and_token():
    """Of the parameters that a token meets, and but for attention, which is little at this length."""
    torch.manual_seed(0)
    config = Config("none", d_model=64, h=4, layers=2, d_ff=128, dropout=0.0)
    model = config.model(200)
    x, y = torch.randint(4, 200, (8, 10)), torch.randint(4, 200, (8, 10))
    with FlopCounterMode(display=False) as counter:
        model(x, torch.full((8,), 10), y).sum().backward()
    encoder = sum(p.numel() for p in model.encoder.parameters() if p.dim() > 1)
    decoder = sum(p.numel() for p in model.decoder.parameters() if p.dim() > 1)
    output = model.embed_target.weight.numel()
    expected = 6 * 80 * (encoder + decoder + output)
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.1)


# ---- recorded runs -------------------------------------------------------------------------------------------------


RECORDED = translator_record.all_kept()
each_run = pytest.mark.parametrize("name", RECORDED)


def test_the_page_shows_what_was_kept():
    assert RECORDED
    assert translator_record.PAGE.read_text(encoding="utf-8") == translator_record.page()
    assert [run["config"] for run in RUNS] == [kept["config"] for kept in RECORDED.values()]


@each_run
def test_a_recorded_run_says_where_it_comes_from(name):
    kept = RECORDED[name]
    others = kept.get("together_with", [])
    for about in (kept["about"], *(other["about"] for other in others)):
        start = "python" if about["processes"] == 1 else f"torchrun --nproc-per-node {about['processes']}"
        assert about["command"].startswith(f"{start} -m translator train --corpus {kept['config']['corpus']}")
        assert about["device"] and about["torch"] and about["precision"] and about["threads"] >= 1
        assert re.fullmatch("[0-9a-f]{40}", about["revision"])
    assert re.fullmatch("[0-9a-f]{40}", kept["recorded_with"])
    seeds = [kept["config"]["seed"], *(other["seed"] for other in others)]
    assert all(isinstance(seed, int) for seed in seeds) and len(set(seeds)) == len(seeds)
    assert ("together, beam 5" in kept["test"]) == bool(others)
    for score in kept["test"].values():
        assert score["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
        assert score["sentences"] == kept["sentences"]["test"]
    steps = [line["step"] for line in kept["curve"]]
    assert steps == sorted(steps) and steps[-1] <= kept["config"]["steps"]
    assert not re.search(r"(^|[\s\"])(/|[A-Z]:\\)", json.dumps(kept)), "a path of somebody's machine"


@each_run
def test_a_recorded_run_shows_no_sentence_of_somebody_elses_corpus(name):
    kept = RECORDED[name]
    if kept["config"]["corpus"] != "synthetic-zh-en":
        assert [sample["source"] for sample in kept["samples"]] == translator_record.SENTENCES[kept["config"]["corpus"]]
        assert not any("reference" in sample for sample in kept["samples"])
