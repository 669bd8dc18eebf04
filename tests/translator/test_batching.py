"""Batches: every pair once, few tokens of padding, the same again when training is resumed."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from translator import batching
from translator.vocabulary import EOS, PAD

ids = st.lists(st.integers(4, 9), min_size=1, max_size=12)
pairs = st.lists(st.tuples(ids, ids), min_size=1, max_size=40)


@settings(deadline=None)
@given(pairs, st.integers(1, 120), st.integers(0, 3))
def test_each_pair_is_in_one_batch_and_no_batch_is_too_large(pairs, tokens, seed):
    planned = batching.plan(pairs, tokens, seed)
    assert sorted(i for batch in planned for i in batch) == list(range(len(pairs)))
    for batch in planned:
        x, lengths, y = batching.collate(pairs, batch)
        assert len(batch) == 1 or x.numel() + y.numel() <= tokens
        for row, length, target, i in zip(x, lengths, y, batch, strict=True):
            assert row[:length].tolist() == list(pairs[i][0]) and (row[length:] == PAD).all()
            written = [*pairs[i][1], EOS]
            assert target[: len(written)].tolist() == written and (target[len(written) :] == PAD).all()


@settings(deadline=None)
@given(pairs, st.integers(0, 30))
def test_a_resumed_stream_goes_on_where_it_stopped(pairs, start):
    whole = list(islice(batching.epochs(pairs, 60, seed=1), start + 5))
    assert list(islice(batching.epochs(pairs, 60, seed=1, start=start), 5)) == whole[start:]


def test_epochs_differ_and_seeds_differ():
    many = [([5] * (1 + i % 4), [6] * (1 + i % 5)) for i in range(60)]
    assert batching.plan(many, 80, 0) == batching.plan(many, 80, 0) != batching.plan(many, 80, 1)
    n = len(batching.plan(many, 80, "0 0"))
    first, second = (list(islice(batching.epochs(many, 80, seed=0, start=start), n)) for start in (0, n))
    assert first != second


def test_little_padding():
    """Lengths as in real text, source and target of one pair alike but not equal."""
    generator = torch.Generator().manual_seed(0)
    lengths = (torch.randn(20_000, generator=generator).mul(0.4).add(2.5).exp()).clamp(2, 60).int().tolist()
    drift = torch.randint(-2, 4, (20_000,), generator=generator).tolist()
    many = [([5] * n, [6] * max(1, n + d)) for n, d in zip(lengths, drift, strict=True)]
    assert batching.padding_share(many, 4096) < 0.06
    plain = [range(i, i + 100) for i in range(0, 20_000, 100)]  # in the order of the file
    area = sum(len(b) * (max(len(many[i][0]) for i in b) + max(len(many[i][1]) + 1 for i in b)) for b in plain)
    assert 1 - sum(len(x) + len(y) + 1 for x, y in many) / area > 0.3


def test_nothing_to_train_on():
    with pytest.raises(ValueError, match="nothing to train on"):
        next(batching.epochs([], 100, 0))
