"""Batches of about equally many tokens, of sentences of about equal length, so that little is padding."""

import random
from collections.abc import Iterator, Sequence
from itertools import groupby

import torch

from translator.vocabulary import EOS, pad

Ids = Sequence[int]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # x: [batch, m], lengths: [batch], y: [batch, t] with <eos>


def plan(pairs: Sequence[tuple[Ids, Ids]], tokens: int, seed: int | str) -> list[list[int]]:
    """Which pairs form a batch: lists of indices into ``pairs``, in random order; together each index once.

    A batch's two padded matrices hold at most ``tokens`` entries together (a longer pair is a batch of its own). Pairs
    of equal lengths are shuffled, so that batches differ from epoch to epoch; ``seed`` decides.
    """
    dice = random.Random(seed)
    order = list(range(len(pairs)))
    dice.shuffle(order)
    order.sort(key=lambda i: (len(pairs[i][1]), len(pairs[i][0])))  # stable: equal lengths stay shuffled
    # Within one target length, sources run from short to long and then from long to short, so that a batch that
    # reaches into the next length does not mix short sources with long ones.
    ordered: list[int] = []
    for turn, (_, group) in enumerate(groupby(order, key=lambda i: len(pairs[i][1]))):
        ordered += list(group)[:: -1 if turn % 2 else 1]
    batches: list[list[int]] = []
    m = t = 0  # the longest source and target (with <eos>) of the batch that is being filled
    for i in ordered:
        x, y = pairs[i]
        m, t = max(m, len(x)), max(t, len(y) + 1)
        if batches and (len(batches[-1]) + 1) * (m + t) <= tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
            m, t = len(x), len(y) + 1
    dice.shuffle(batches)
    return batches


def collate(pairs: Sequence[tuple[Ids, Ids]], indices: Sequence[int]) -> Batch:
    """These pairs as padded tensors, <eos> behind each target."""
    x, lengths = pad([pairs[i][0] for i in indices])
    y, _ = pad([[*pairs[i][1], EOS] for i in indices])
    return x, lengths, y


def epochs(pairs: Sequence[tuple[Ids, Ids]], tokens: int, seed: int, start: int = 0) -> Iterator[list[int]]:
    """Batches without end, as lists of indices, epoch after epoch in another order; ``start`` of them are passed over.

    The n-th batch depends on the pairs, ``tokens``, ``seed`` and n alone: a resumed training goes on as if it had
    never stopped. Raises ValueError where there are no pairs.
    """
    if not pairs:
        raise ValueError("There is nothing to train on: the corpus has no sentence pairs.")
    epoch = 0
    while True:
        planned = plan(pairs, tokens, seed=f"{seed} {epoch}")
        yield from planned[start:]
        start = max(0, start - len(planned))
        epoch += 1


def padding_share(pairs: Sequence[tuple[Ids, Ids]], tokens: int) -> float:
    """The share of the batches' entries that is padding, both sides together."""
    planned = plan(pairs, tokens, seed=0)
    real = sum(len(x) + len(y) + 1 for x, y in pairs)
    area = sum(
        len(batch) * (max(len(pairs[i][0]) for i in batch) + max(len(pairs[i][1]) + 1 for i in batch))
        for batch in planned
    )
    return 1 - real / area
