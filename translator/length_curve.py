"""The experiment of chapters 2 and 3: how often is a whole translation right, by the length of the sentence?

Both chapters train on the same sentences (plans, a part of the synthetic corpus with few words) in the same batches,
and test on the same others. As many sentences of each length are drawn, so that none is rare in training. The models
may differ, the data may not. Nothing here knows a model.
"""

import random
from collections.abc import Sequence

import torch

from translator.synthetic import Pair, corpus
from translator.vocabulary import EOS, Vocabulary, pad

BUCKETS = ((4, 5), (6, 7), (8, 9), (10, 11), (12, 13), (14, 15))  # source words, both ends included
TRAINING, TESTING = 600, 100  # sentences of each bucket
BATCH = 64

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # x: [batch, m], lengths: [batch], y: [batch, t] with <eos>


def sentences() -> tuple[list[Pair], list[list[Pair]]]:
    """The sentences to train on, and those to test on by bucket. All are different."""
    drawn = corpus(8000, seed=2, start="PLANS", words=3, length=(BUCKETS[0][0], BUCKETS[-1][1]))
    train, tests = [], []
    for low, high in BUCKETS:
        bucket = [pair for pair in drawn if low <= len(pair.source) <= high][: TRAINING + TESTING]
        tests.append(bucket[:TESTING])
        train += bucket[TESTING:]
    return train, tests


def batches(pairs: Sequence[Pair], source: Vocabulary, target: Vocabulary, size: int = BATCH) -> list[Batch]:
    """The pairs as padded batches, with sentences of about the same length together: little padding."""
    shuffled = random.Random(0).sample(list(pairs), len(pairs))
    ordered = sorted(shuffled, key=lambda pair: (len(pair.source), len(pair.target)))
    made = []
    for start in range(0, len(ordered), size):
        chosen = ordered[start : start + size]
        x, lengths = pad([source.encode(pair.source) for pair in chosen])
        y, _ = pad([[*target.encode(pair.target), EOS] for pair in chosen])
        made.append((x, lengths, y))
    return made
