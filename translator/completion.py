"""Autocomplete with the translator's own network: the beginning of a sentence in, its possible ends out.

A sentence is cut between two pieces (words, marks); the encoder reads what is in front of the cut, the decoder writes
what is behind it. Nothing else differs from translation: no second model, no other training.
"""

import math
import random
from collections.abc import Iterable
from itertools import chain

from autograder.reference.transformer import Transformer
from translator.bpe import Tokenizer, pieces
from translator.decoding import search

IdPair = tuple[list[int], list[int]]  # beginning, end

CUTS = 3  # of each training sentence


def cut(sentences: Iterable[str], tokenizer: Tokenizer, times: int, seed: int) -> list[IdPair]:
    """Each sentence cut at ``times`` random places (at all, if it has fewer): ids of the beginning and of the end.

    The beginning has at least one piece. The end may be empty, so that the model learns when a sentence is complete.
    """
    dice = random.Random(seed)
    pairs = []
    for sentence in sentences:
        ids = [list(tokenizer.cut(piece)) for piece in pieces(sentence)]
        places = range(1, len(ids) + 1)
        for place in sorted(dice.sample(places, min(times, len(places)))):
            pairs.append((list(chain(*ids[:place])), list(chain(*ids[place:]))))
    return pairs


def complete(model: Transformer, tokenizer: Tokenizer, prefix: str, n: int = 5) -> list[tuple[str, float]]:
    """The n most probable completions that beam search finds: whole sentences, and the probability of each.

    Probabilities are p(end | beginning) of exactly this end, so those of all possible ends sum to 1. Raises ValueError
    for an empty prefix.
    """
    beginning = tokenizer.encode(prefix)
    if not beginning:
        raise ValueError("There is nothing to complete: give at least one word.")
    found = search(model, [beginning], width=2 * n, alpha=0.0, best=n)[0]
    return [(tokenizer.decode([*beginning, *end.ids]), math.exp(end.log_p)) for end in found[:n]]
