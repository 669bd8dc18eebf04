"""Byte pair encoding made for speed: text to ids and back, without losing a letter or a space.

The algorithm is that of Sennrich, Haddow and Birch (2016), which the prelude builds; `learn_merges` gives the same
merges in a fraction of the time. A tokenizer serves both languages of a translator. It starts from characters; pieces
of up to a word grow by merges. Each Chinese character is a piece of its own, since Chinese marks no words.
"""

import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

from translator.vocabulary import BOS, EOS, PAD, SPECIAL, UNK

SPACE = "▁"  # stands for a space, which belongs to the piece behind it
HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
PIECES = re.compile(rf"{SPACE}?(?:[{HAN}]|[^\W\d_{HAN}]+|\d|[^\w{SPACE}]|_)|{SPACE}")


def clean(text: str) -> str:
    """Unicode in its composed form (NFC), one space between words and none at the ends: what a tokenizer gives back."""
    return " ".join(unicodedata.normalize("NFC", text.replace(SPACE, " ")).split())


def pieces(text: str) -> list[str]:
    """Cut a text where no merge may reach across: words, digits, marks, Chinese characters, each with its space.

    Joined, the pieces are the cleaned text with a space in front and ``▁`` for each space. Empty for an empty text.
    """
    text = clean(text)
    return PIECES.findall(SPACE + text.replace(" ", SPACE)) if text else []


def learn_merges(counts: Mapping[Sequence[str], int], n: int) -> list[tuple[str, str]]:
    """Learn n merges: the most frequent pair of neighbouring symbols becomes one symbol, n times over.

    ``counts`` says how often each sequence of symbols occurs. Of equally frequent pairs the first in the order of code
    points is taken. Fewer than n merges are returned if no pair is left.
    """
    words = [list(word) for word in counts]
    weight = list(counts.values())
    frequency: Counter[tuple[str, str]] = Counter()
    where = defaultdict(set)  # pair -> indices of words that have it, or once had it
    for i, word in enumerate(words):
        for pair in pairwise(word):
            frequency[pair] += weight[i]
            where[pair].add(i)
    heap = [(-count, pair) for pair, count in frequency.items()]
    heapq.heapify(heap)

    merges = []
    while heap and len(merges) < n:
        count, best = heapq.heappop(heap)
        if frequency[best] != -count or not count:
            continue  # an entry from before its frequency changed; the true one is in the heap, too
        merges.append(best)
        changed = set()
        for i in where.pop(best):
            for pair in pairwise(words[i]):
                frequency[pair] -= weight[i]
                changed.add(pair)
            words[i] = merge(words[i], best)
            for pair in pairwise(words[i]):
                frequency[pair] += weight[i]
                where[pair].add(i)
                changed.add(pair)
        for pair in changed:
            heapq.heappush(heap, (-frequency[pair], pair))
    return merges


def merge(symbols: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The symbols with each such pair joined, from left to right."""
    merged: list[str] = []
    i = 0
    while i < len(symbols):
        if symbols[i] == pair[0] and i + 1 < len(symbols) and symbols[i + 1] == pair[1]:
            merged.append(symbols[i] + symbols[i + 1])
            i += 2
        else:
            merged.append(symbols[i])
            i += 1
    return merged


class Tokenizer:
    """Text to ids and back. The first ids are <pad> <bos> <eos> <unk> = 0 1 2 3, then characters, then merges.

    ``characters`` and ``merges`` are all there is to it; `as_json` and `from_json` keep them.
    """

    def __init__(self, characters: Sequence[str], merges: Sequence[tuple[str, str]]):
        self.characters, self.merges = list(characters), [tuple(pair) for pair in merges]
        joined = dict.fromkeys(left + right for left, right in self.merges)  # two merges may make the same token
        self.tokens = [*SPECIAL, *self.characters, *(token for token in joined if token not in set(self.characters))]
        self.ids = {token: i for i, token in enumerate(self.tokens)}
        self.rank = {pair: rank for rank, pair in enumerate(self.merges)}
        self.cut = lru_cache(maxsize=100_000)(self._cut)

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> "Tokenizer":
        """Learn a tokenizer of at most ``size`` tokens. Characters come first, the frequent ones if not all find room.

        Raises ValueError where ``size`` leaves no room for a character, or where the texts are empty.
        """
        counts = Counter(piece for text in texts for piece in pieces(text))
        letters: Counter[str] = Counter()
        for piece, count in counts.items():
            for letter in piece:
                letters[letter] += count
        room = size - len(SPECIAL)
        if not letters or room < 1:
            raise ValueError(
                f"A tokenizer of {size} tokens cannot be learned from {sum(counts.values())} pieces of text: it needs "
                f"some text, and more than {len(SPECIAL)} tokens."
            )
        characters = sorted(letters, key=lambda letter: (-letters[letter], letter))[:room]
        return cls(characters, learn_merges(counts, room - len(characters)))

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, <unk>'s for characters that were not in training. No <bos>, no <eos>."""
        return [i for piece in pieces(text) for i in self.cut(piece)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text up to the first <eos>; <pad> and <bos> are left out, <unk> is shown as �."""
        shown = []
        for i in ids:
            if i == EOS:
                break
            if i not in (PAD, BOS):
                shown.append("�" if i == UNK else self.tokens[i])
        return clean("".join(shown).replace(SPACE, " "))

    def _cut(self, piece: str) -> tuple[int, ...]:
        """One piece's ids: of all pairs that can be merged, always the one learned first."""
        symbols = list(piece)
        while len(symbols) > 1:
            best = min(pairwise(symbols), key=lambda pair: self.rank.get(pair, len(self.rank)))
            if best not in self.rank:
                break
            symbols = merge(symbols, best)
        return tuple(self.ids.get(symbol, UNK) for symbol in symbols)

    def as_json(self) -> dict:
        """What `from_json` makes the same tokenizer of."""
        return {"characters": self.characters, "merges": self.merges}

    @classmethod
    def from_json(cls, kept: Mapping) -> "Tokenizer":
        """Raises ValueError where ``kept`` is not what `as_json` gives."""
        try:
            return cls(kept["characters"], [(left, right) for left, right in kept["merges"]])
        except (KeyError, TypeError, ValueError):
            raise ValueError("This is no tokenizer: it needs 'characters' and 'merges'.") from None
