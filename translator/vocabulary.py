"""Tokens to ids and back, and sentences of unequal length in one padded batch."""

from collections.abc import Iterable, Sequence

import torch

PAD, BOS, EOS, UNK = range(4)
SPECIAL = ("<pad>", "<bos>", "<eos>", "<unk>")


class Vocabulary:
    """A list of tokens; a token's id is its place in it. First come <pad> <bos> <eos> <unk> = 0 1 2 3.

    ``sentences`` are token sequences; their tokens are numbered in the order of their code points, so that the same set
    of tokens always gets the same ids.
    """

    def __init__(self, sentences: Iterable[Sequence[str]]):
        self.tokens = [*SPECIAL, *sorted({token for sentence in sentences for token in sentence} - set(SPECIAL))]
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, sentence: Sequence[str]) -> list[int]:
        """The ids of a sentence's tokens, <unk>'s for a token that isn't in the list. Adds no <bos> and no <eos>."""
        return [self.ids.get(token, UNK) for token in sentence]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The tokens up to the first <eos>, without <pad> and <bos>."""
        tokens = []
        for i in ids:
            if i == EOS:
                break
            if i not in (PAD, BOS):
                tokens.append(self.tokens[i])
        return tokens


def pad(sequences: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack id sequences, filled up with <pad> on the right: ids [batch, longest] and lengths [batch], both int64."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    ids = torch.full((len(sequences), int(lengths.max())), PAD)
    for row, sequence in zip(ids, sequences, strict=True):
        row[: len(sequence)] = torch.tensor(sequence)
    return ids, lengths
