"""Vocabulary and padding."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from translator.vocabulary import BOS, EOS, PAD, SPECIAL, UNK, Vocabulary, pad

words = st.text(st.characters(categories=("L",)), min_size=1, max_size=5)
sentences = st.lists(st.lists(words, max_size=6), min_size=1, max_size=5)


def test_the_special_tokens_come_first():
    vocabulary = Vocabulary([["b", "a"], ["a", "<eos>"]])
    assert vocabulary.tokens == ["<pad>", "<bos>", "<eos>", "<unk>", "a", "b"]
    assert [SPECIAL[i] for i in (PAD, BOS, EOS, UNK)] == ["<pad>", "<bos>", "<eos>", "<unk>"]


@given(sentences)
def test_decoding_undoes_encoding(drawn):
    vocabulary = Vocabulary(drawn)
    for sentence in drawn:
        assert vocabulary.decode(vocabulary.encode(sentence)) == sentence
    assert len(vocabulary) == len(set(vocabulary.tokens)) == len(vocabulary.ids)


@given(sentences)
def test_the_order_of_the_sentences_does_not_matter(drawn):
    assert Vocabulary(drawn).tokens == Vocabulary(reversed(drawn)).tokens


def test_an_unknown_token_is_unk():
    assert Vocabulary([["tea"]]).encode(["tea", "coffee"]) == [4, UNK]


def test_decoding_stops_at_eos_and_skips_pad_and_bos():
    assert Vocabulary([["tea"]]).decode([BOS, 4, UNK, PAD, EOS, 4]) == ["tea", "<unk>"]


@given(st.lists(st.lists(st.integers(1, 99), max_size=9), min_size=1, max_size=6))
def test_padding_keeps_every_sentence_and_adds_only_pad(drawn):
    ids, lengths = pad(drawn)
    assert ids.dtype == lengths.dtype == torch.int64
    assert ids.shape == (len(drawn), max(map(len, drawn)))
    assert lengths.tolist() == [len(sentence) for sentence in drawn]
    for row, sentence in zip(ids.tolist(), drawn, strict=True):
        assert row[: len(sentence)] == sentence and set(row[len(sentence) :]) <= {PAD}
