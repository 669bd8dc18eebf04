"""Parallel corpora by name, as plain sentence pairs in three parts: train, valid, test.

`load` knows

- ``synthetic-zh-en``: the course's own grammar (`translator.synthetic`); nothing to download; the test sentences hold
  combinations of words that no training sentence has;
- ``multi30k-de-en`` and ``multi30k-en-de``: captions of photographs (Elliott and others, 2016), pinned to one commit of
  the publisher's repository and checked by SHA-256; valid is its validation set, test is Test2016;
- ``tatoeba-zh-en``: sentences of Tatoeba in the edition of manythings.org, which grows and so can't be pinned.

No test sentence is in the training data, on either side. Multi30k is split by its publisher, and what it has twice is
taken out of training; Tatoeba is split here, so that sentences that share a side stay together.
"""

import gzip
import hashlib
import io
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from translator import synthetic
from translator.download import cache_folder, digest, fetch

SentencePair = tuple[str, str]  # source, target
T = TypeVar("T")


class BadCorpus(Exception):
    """A corpus that can't be read. The message says which file, where, and what to do."""


@dataclass(frozen=True)
class Corpus:
    """Sentence pairs (source, target) in three parts. ``source`` and ``target`` name the languages ("zh", "en")."""

    name: str
    source: str
    target: str
    train: list[SentencePair]
    valid: list[SentencePair]
    test: list[SentencePair]

    def fingerprint(self) -> str:
        """A hash of every sentence and its place: the same data have the same, whoever loaded them."""
        seen = hashlib.sha256()
        for part in (self.train, self.valid, self.test):
            for pair in part:
                seen.update("\t".join(pair).encode() + b"\n")
            seen.update(b"\f")
        return seen.hexdigest()[:16]


def load(name: str, data: Path | None = None, progress: Callable = lambda done, total: None) -> Corpus:
    """The corpus called ``name``.

    ``data`` is a folder with the publisher's files (they may lie in a subfolder named after the corpus), which are then
    used in place of a download. Raises BadCorpus for an unknown name, a missing or damaged file or a broken line;
    DownloadFailed where a file can't be fetched. ``progress`` is that of `download.fetch`.
    """
    if name not in CORPORA:
        raise BadCorpus(f"There is no corpus {name!r}: choose one of {', '.join(CORPORA)}.")
    if data is not None and not Path(data).is_dir():
        raise BadCorpus(f"There is no folder {data}: --data names the folder with the corpus's files.")
    return CORPORA[name](name, Path(data) if data is not None else None, progress)


def normal(sentence: str) -> str:
    """What counts as the same sentence: letters and digits only, without regard to case and width (NFKC)."""
    folded = unicodedata.normalize("NFKC", sentence).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def spread(sentences: Sequence[T], n: int) -> list[T]:
    """``n`` of them, evenly spread over all and in their order; all where there are no more.

    A corpus has the order of its publisher, which may be that of length: its first sentences are then its shortest.
    """
    n = min(n, len(sentences))
    return [sentences[(2 * i + 1) * len(sentences) // (2 * n)] for i in range(n)]


# ---- synthetic-zh-en ------------------------------------------------------------------------------------------------

SYNTHETIC = {"train": (40_000, 1), "valid": (500, 2), "test": (1000, 3)}  # sentences, seed
LONG = (15, 40)  # Chinese words of a long sentence


def load_synthetic(name: str, data: Path | None, progress: Callable) -> Corpus:
    """Valid and test are as the grammar gives them. Half of the training sentences are long ones: of those the grammar
    gives too few for a model to learn to keep apart who did what."""
    parts = {}
    for part, (n, seed) in SYNTHETIC.items():
        if part == "train":
            drawn = synthetic.corpus(n // 2, seed) + synthetic.corpus(n // 2, 100 + seed, length=LONG)
        else:
            drawn = synthetic.corpus(n, seed, split="test")
        pairs = [("".join(pair.source), " ".join(pair.target)) for pair in drawn]
        parts[part] = list(dict.fromkeys(pairs))
    return separate(Corpus(name, "zh", "en", **parts))


def separate(corpus: Corpus) -> Corpus:
    """The corpus without training pairs of which a side is in valid or test, and without valid pairs that are in test.

    Sides are compared by `normal`.
    """
    tested = [sides(corpus.test), sides(corpus.valid + corpus.test)]
    valid, train = (
        [(x, y) for x, y in part if normal(x) not in held[0] and normal(y) not in held[1]]
        for part, held in zip((corpus.valid, corpus.train), tested, strict=True)
    )
    return Corpus(corpus.name, corpus.source, corpus.target, train, valid, corpus.test)


def sides(pairs: Iterable[SentencePair]) -> tuple[set[str], set[str]]:
    sources, targets = zip(*pairs, strict=True) if pairs else ((), ())
    return {normal(x) for x in sources}, {normal(y) for y in targets}


# ---- multi30k -------------------------------------------------------------------------------------------------------

MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
MULTI30K_SHA256 = {
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
}


def load_multi30k(name: str, data: Path | None, progress: Callable) -> Corpus:
    _, source, target = name.split("-")
    parts = {}
    for part, stem in (("train", "train"), ("valid", "val"), ("test", "test_2016_flickr")):
        columns = []
        for language in (source, target):
            file = f"{stem}.{language}.gz"
            path = the_file(file, "multi30k", MULTI30K + file, MULTI30K_SHA256[file], data, progress)
            columns.append((path, list(lines(path, unpacked(path)))))
        (path, xs), (other, ys) = columns
        if len(xs) != len(ys):
            raise BadCorpus(
                f"{path} has {len(xs)} lines and {other} {len(ys)}: they are not translations line by line."
            )
        parts[part] = list(zip(xs, ys, strict=True))
    return separate(Corpus(name, source, target, **parts))


# ---- tatoeba --------------------------------------------------------------------------------------------------------

TATOEBA = "https://www.manythings.org/anki/cmn-eng.zip"
PARTS = 1000  # hash buckets
TATOEBA_TEST, TATOEBA_VALID = range(0, 36), range(36, 72)  # 3.6 % of the groups each


def load_tatoeba(name: str, data: Path | None, progress: Callable) -> Corpus:
    path = None
    if data is not None:
        named = [*in_folder(data, "tatoeba", "cmn.txt.gz"), *in_folder(data, "tatoeba", "cmn.txt")]
        path = named[0] if named else None
    path = path or the_file("cmn-eng.zip", "tatoeba", TATOEBA, None, data, progress)
    pairs: dict[SentencePair, None] = {}
    for number, line in enumerate(lines(path, unpacked(path)), start=1):
        columns = line.split("\t")
        if len(columns) < 2 or not all(normal(side) for side in columns[:2]):
            raise BadCorpus(
                f"{path}, line {number}: {line[:60]!r} is not English, a tab, Chinese. The file is damaged, or of "
                "another kind; fetch cmn-eng.zip from manythings.org/anki anew."
            )
        pairs[columns[1], columns[0]] = None
    parts = {"train": [], "valid": [], "test": []}
    for pair, group in zip(pairs, groups(list(pairs)), strict=True):
        bucket = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") % PARTS
        part = "test" if bucket in TATOEBA_TEST else "valid" if bucket in TATOEBA_VALID else "train"
        parts[part].append(pair)
    return Corpus(name, "zh", "en", **parts)


def groups(pairs: list[SentencePair]) -> list[str]:
    """A name for each pair's group. Pairs that share a side, directly or through others, are in one group.

    Sides are compared by `normal`. A group is named after the first of its sides in the order of code points, so that
    pairs that are added later leave most names, and so most sentences, in their places.
    """
    parent: dict[str, str] = {}

    def root(side: str) -> str:
        while parent.setdefault(side, side) != side:
            parent[side] = side = parent[parent[side]]
        return side

    named = [(f"source {normal(x)}", f"target {normal(y)}") for x, y in pairs]
    for x, y in named:
        one, other = sorted((root(x), root(y)))
        parent[other] = one
    return [root(x) for x, _ in named]


# ---- files ----------------------------------------------------------------------------------------------------------


def the_file(
    file: str, folder: str, url: str, sha256: str | None, data: Path | None, progress: Callable[[int, int | None], None]
) -> Path:
    """The file in ``data``, else in the cache, else fetched from ``url`` into the cache."""
    if data is None:
        return fetch(url, cache_folder() / folder / file, sha256, progress=progress)
    found = in_folder(data, folder, file)
    if not found:
        raise BadCorpus(f"There is no {file} in {data}. Put it there (it is published at {url}), or leave out --data.")
    if sha256 is not None and digest(found[0]) != sha256:
        raise BadCorpus(
            f"{found[0]} is not the file that was published: its SHA-256 is wrong. Fetch it anew from {url}, or leave "
            "out --data."
        )
    return found[0]


def in_folder(data: Path, folder: str, file: str) -> list[Path]:
    return [path for path in (data / file, data / folder / file) if path.is_file()]


def unpacked(path: Path) -> bytes:
    """What is in a .gz, in a .zip (its ``cmn.txt``), or in a plain file. A damaged file in the cache is removed."""
    try:
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes())
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                return archive.read("cmn.txt")
        return path.read_bytes()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, KeyError) as error:
        advice = f"Fetch it anew: {error}."
        if path.is_relative_to(cache_folder()):
            path.unlink(missing_ok=True)
            advice = "It has been removed from the cache; run this again to fetch it anew."
        raise BadCorpus(f"{path} is damaged. {advice}") from None


def lines(path: Path, content: bytes) -> Iterator[str]:
    """The lines of a UTF-8 text. Only a line feed ends a line: sentences may hold other separators of Unicode."""
    for number, line in enumerate(io.BytesIO(content), start=1):
        try:
            text = line.decode("utf-8").strip(" \r\n")
        except UnicodeDecodeError:
            raise BadCorpus(f"{path}, line {number} is not UTF-8. The file is damaged, or of another kind.") from None
        if not text.strip():
            raise BadCorpus(f"{path}, line {number} is empty, so that sentences would lose their partners.")
        yield text


CORPORA = {
    "synthetic-zh-en": load_synthetic,
    "multi30k-de-en": load_multi30k,
    "multi30k-en-de": load_multi30k,
    "tatoeba-zh-en": load_tatoeba,
}
