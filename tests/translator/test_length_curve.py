"""The data of the length curve."""

import torch

from translator.length_curve import BUCKETS, TESTING, TRAINING, batches, sentences
from translator.vocabulary import EOS, PAD, Vocabulary

TRAIN, TESTS = sentences()
SOURCE, TARGET = Vocabulary(p.source for p in TRAIN), Vocabulary(p.target for p in TRAIN)


def test_no_test_sentence_is_trained_on():
    trained = {pair.source for pair in TRAIN}
    tested = [pair.source for bucket in TESTS for pair in bucket]
    assert len(trained) == len(TRAIN) and len(set(tested)) == len(tested)
    assert not trained & set(tested)


def test_each_bucket_has_its_lengths_and_its_share():
    for (low, high), bucket in zip(BUCKETS, TESTS, strict=True):
        assert len(bucket) == TESTING and all(low <= len(pair.source) <= high for pair in bucket)
    counts = [sum(low <= len(pair.source) <= high for pair in TRAIN) for low, high in BUCKETS]
    assert sum(counts) == len(TRAIN)
    assert counts[1:] == [TRAINING] * (len(BUCKETS) - 1)  # of 4 and 5 words there are not so many different ones
    assert 150 < counts[0] <= TRAINING


def test_every_test_word_is_known():
    for pair in (pair for bucket in TESTS for pair in bucket):
        assert set(pair.source) <= set(SOURCE.tokens) and set(pair.target) <= set(TARGET.tokens)


def test_batches_hold_every_pair_once_with_little_padding():
    made = batches(TRAIN, SOURCE, TARGET)
    rows = [
        (tuple(SOURCE.decode(x_row)), tuple(TARGET.decode(y_row)))
        for x, _, y in made
        for x_row, y_row in zip(x.tolist(), y.tolist(), strict=True)
    ]
    assert sorted(rows) == sorted((pair.source, pair.target) for pair in TRAIN)
    padding = sum((x == PAD).sum() + (y == PAD).sum() for x, _, y in made)
    assert padding / sum(x.numel() + y.numel() for x, _, y in made) < 0.06


def test_a_batch_has_lengths_and_one_eos_a_row():
    for x, lengths, y in batches(TESTS[2], SOURCE, TARGET, size=7):
        assert torch.equal(lengths, (x != PAD).sum(dim=1))
        assert ((y == EOS).sum(dim=1) == 1).all()
        assert torch.equal((y == EOS).int().argmax(dim=1) + 1, (y != PAD).sum(dim=1))
