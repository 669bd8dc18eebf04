"""The translator's tokenizer: the prelude's merges, made faster; nothing lost on the way to ids and back."""

import json
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from translator import bpe
from translator.vocabulary import SPECIAL, UNK

TEXTS = [
    "The old man doesn't eat.",
    "The older man eats 2 hamburgers, 12 on Sundays.",
    "老人不吃汉堡。",
    "Der alte Mann ißt keinen Hamburger!",
]


def slow_merges(counts, n):
    """The algorithm as it is told: count all pairs anew after each merge."""
    words, merges = {word: list(word) for word in counts}, []
    while len(merges) < n:
        frequency = Counter()
        for word, symbols in words.items():
            for pair in pairwise(symbols):
                frequency[pair] += counts[word]
        if not frequency:
            break
        merges.append(min(frequency, key=lambda pair: (-frequency[pair], pair)))
        words = {word: bpe.merge(symbols, merges[-1]) for word, symbols in words.items()}
    return merges


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 5), max_size=8), st.integers(0, 12))
def test_fast_merges_are_the_slow_ones(counts, n):
    """Few letters, so that there are ties and runs such as "aaaa"."""
    assert bpe.learn_merges(counts, n) == slow_merges(counts, n)


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_pieces_lose_nothing(text):
    assert "".join(bpe.pieces(text)).replace(bpe.SPACE, " ").strip() == bpe.clean(text)


def test_what_a_merge_may_not_cross():
    assert bpe.pieces("It's  2026,\t老人!") == ["▁It", "'", "s", "▁2", "0", "2", "6", ",", "▁老", "人", "!"]
    assert bpe.pieces(" \n") == []


@pytest.mark.parametrize("size", [60, 90, 400])
def test_text_comes_back(size):
    tokenizer = bpe.Tokenizer.train(TEXTS, size)
    assert len(tokenizer) <= size and tokenizer.tokens[:4] == list(SPECIAL)
    assert len(set(tokenizer.tokens)) == len(tokenizer)
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert UNK not in ids and max(ids) < len(tokenizer)
        assert tokenizer.decode(ids) == text


def test_more_tokens_make_shorter_sequences():
    lengths = [sum(len(bpe.Tokenizer.train(TEXTS, size).encode(text)) for text in TEXTS) for size in (60, 90, 400)]
    assert lengths[0] > lengths[1] > lengths[2]
    whole = bpe.Tokenizer.train(TEXTS, 400)
    assert len(whole.encode("The man eats")) == 3


def test_encoding_applies_merges_in_the_order_of_learning():
    tokenizer = bpe.Tokenizer(["a", "b", "c", bpe.SPACE], [("b", "c"), ("a", "b"), ("a", "bc")])
    assert [tokenizer.tokens[i] for i in tokenizer.encode("abc ab")] == [bpe.SPACE, "abc", bpe.SPACE, "ab"]


def test_unknown_characters_and_special_ids():
    tokenizer = bpe.Tokenizer.train(["abab"], 20)
    assert tokenizer.encode("a☃") == [*tokenizer.encode("a"), UNK]
    assert tokenizer.decode([1, *tokenizer.encode("ab ☃"), 2, *tokenizer.encode("ba"), 0]) == "ab �"
    assert tokenizer.encode("") == [] and tokenizer.decode([]) == ""


def test_special_tokens_in_a_text_are_ordinary_text():
    tokenizer = bpe.Tokenizer.train(["<eos> <pad>"] * 3, 40)
    ids = tokenizer.encode("<eos> <pad>")
    assert min(ids) >= len(SPECIAL) and tokenizer.decode(ids) == "<eos> <pad>"


def test_characters_that_find_no_room_are_the_rare_ones():
    tokenizer = bpe.Tokenizer.train(["aaa bbb c"], len(SPECIAL) + 3)
    assert sorted(tokenizer.characters) == ["a", "b", bpe.SPACE] and tokenizer.merges == []


def test_it_keeps_as_json():
    tokenizer = bpe.Tokenizer.train(TEXTS, 120)
    again = bpe.Tokenizer.from_json(json.loads(json.dumps(tokenizer.as_json())))
    assert again.tokens == tokenizer.tokens and again.encode(TEXTS[1]) == tokenizer.encode(TEXTS[1])
    for broken in ({}, {"characters": ["a"]}, {"characters": ["a"], "merges": ["abc"]}, None):
        with pytest.raises(ValueError, match="no tokenizer"):
            bpe.Tokenizer.from_json(broken)


@pytest.mark.parametrize(("texts", "size"), [([], 100), (["", " "], 100), (["ab"], 4)])
def test_nothing_to_learn_from(texts, size):
    with pytest.raises(ValueError, match="needs some text"):
        bpe.Tokenizer.train(texts, size)
