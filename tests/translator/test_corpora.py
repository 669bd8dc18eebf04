"""Corpora by name: their parts don't overlap, files are fetched or taken from a folder, damage is said."""

import gzip
import hashlib
import io
import zipfile
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server import serving, stalls, truncates

from translator import corpora, download, synthetic
from translator.corpora import BadCorpus, load, normal, spread


def packed(*sentences: str) -> bytes:
    return gzip.compress("".join(f"{sentence}\n" for sentence in sentences).encode(), mtime=0)


MULTI30K = {
    "train.de.gz": packed("Ein Hund rennt.", "Zwei Kinder spielen.", "Eine Katze", "Ein Mann steht dort."),
    "train.en.gz": packed("A dog runs.", "Two children play.", "A  CAT!", "A man stands there."),
    "val.de.gz": packed("Eine Katze.", "Ein Zug"),
    "val.en.gz": packed("A cat sleeps.", "A train"),
    "test_2016_flickr.de.gz": packed("Ein Hund."),
    "test_2016_flickr.en.gz": packed("a dog runs"),
}
TATOEBA = "".join(
    f"{english}\t{chinese}\tCC-BY 2.0 (France) Attribution: tatoeba.org #{i}\n"
    for i, (english, chinese) in enumerate(
        [("Hi.", "嗨。"), ("Hi.", "你好。"), ("Hello!", "你好。"), ("Run!", "你用跑的。"), ("hi", "嗨")]
        + [(f"I have {i} books.", f"我有{i}本书。") for i in range(400)]
    )
).encode()


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A small Multi30k and Tatoeba, on a server; an empty cache."""
    monkeypatch.setenv("KEEP_THE_ATTENTION_CACHE", str(tmp_path / "cache"))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("_about.txt", "about")
        file.writestr("cmn.txt", TATOEBA)
    files = {f"/{name}": body for name, body in MULTI30K.items()} | {"/cmn-eng.zip": archive.getvalue()}
    with serving(files) as server:
        monkeypatch.setattr(corpora, "MULTI30K", f"{server.url}/")
        monkeypatch.setattr(corpora, "TATOEBA", f"{server.url}/cmn-eng.zip")
        monkeypatch.setattr(
            corpora, "MULTI30K_SHA256", {name: hashlib.sha256(body).hexdigest() for name, body in MULTI30K.items()}
        )
        yield server


@pytest.fixture
def folder(tmp_path, small):
    """The publisher's files in a folder."""
    (tmp_path / "data" / "multi30k").mkdir(parents=True)
    for name, body in MULTI30K.items():
        (tmp_path / "data" / "multi30k" / name).write_bytes(body)
    (tmp_path / "data" / "cmn.txt").write_bytes(TATOEBA)
    return tmp_path / "data"


def test_multi30k_is_fetched_once_and_nothing_tested_is_trained_on(small):
    small.moods = [truncates, stalls]
    corpus = load("multi30k-de-en")
    assert corpus.train == [
        ("Zwei Kinder spielen.", "Two children play."),
        ("Ein Mann steht dort.", "A man stands there."),
    ]
    assert corpus.valid == [("Eine Katze.", "A cat sleeps."), ("Ein Zug", "A train")]
    assert corpus.test == [("Ein Hund.", "a dog runs")]
    asked = len(small.requests)
    other = load("multi30k-en-de")
    assert len(small.requests) == asked
    assert (other.source, other.target) == ("en", "de") and other.test == [("a dog runs", "Ein Hund.")]


def test_a_folder_with_the_files_takes_the_place_of_the_download(small, folder):
    for name in ("multi30k-de-en", "tatoeba-zh-en"):
        by_folder = load(name, folder)
        assert small.requests == []
        assert load(name).fingerprint() == by_folder.fingerprint()
        small.requests.clear()
    (folder / "cmn.txt").unlink()
    (folder / "tatoeba").mkdir()
    (folder / "tatoeba" / "cmn.txt.gz").write_bytes(gzip.compress(TATOEBA))
    assert load("tatoeba-zh-en", folder).fingerprint() == by_folder.fingerprint()


def test_tatoebas_parts_share_no_side(folder):
    corpus = load("tatoeba-zh-en", folder)
    parts = [corpus.train, corpus.valid, corpus.test]
    assert sum(map(len, parts)) == 405 and all(parts)
    for side in (0, 1):
        seen = [{normal(pair[side]) for pair in part} for part in parts]
        assert not seen[0] & seen[1] and not seen[0] & seen[2] and not seen[1] & seen[2]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=12))
def test_groups_are_what_hangs_together(pairs):
    named = corpora.groups(pairs)
    for pair, group in zip(pairs, named, strict=True):
        for other, its in zip(pairs, named, strict=True):
            if pair[0] == other[0] or pair[1] == other[1]:
                assert group == its
    for group in set(named):  # no group can be cut in two
        members = [pair for pair, its in zip(pairs, named, strict=True) if its == group]
        reached, grown = {members[0]}, True
        while grown:
            more = {p for p in members if any(p[0] == q[0] or p[1] == q[1] for q in reached)}
            grown, reached = more != reached, more
        assert reached == set(members)


def test_the_same_letter_stands_on_no_two_sides():
    """A target is not taken for the source that reads like it."""
    assert len(set(corpora.groups([("ok", "x"), ("y", "ok")]))) == 2


@pytest.mark.parametrize(("one", "other"), [("A  dog!", "a DOG."), ("Ｈｉ", "hi"), ("你好。", "你好"), ("ẞ", "ss")])
def test_what_counts_as_the_same_sentence(one, other):
    assert normal(one) == normal(other) != normal("other")


def test_the_synthetic_corpus_needs_nothing_and_holds_combinations_out(monkeypatch):
    monkeypatch.setattr(corpora, "SYNTHETIC", {"train": (300, 1), "valid": (20, 2), "test": (30, 3)})
    corpus = load("synthetic-zh-en")
    assert 280 < len(corpus.train) <= 300 and len(corpus.test) == 30
    assert all(" " not in source for source, _ in corpus.train)
    assert not {x for x, _ in corpus.train} & {x for x, _ in corpus.valid + corpus.test}
    assert load("synthetic-zh-en").fingerprint() == corpus.fingerprint()


def test_training_has_more_long_sentences_than_the_grammar_gives_but_valid_and_test_do_not(monkeypatch):
    monkeypatch.setattr(corpora, "SYNTHETIC", {"train": (400, 1), "valid": (200, 2), "test": (200, 3)})
    corpus = load("synthetic-zh-en")
    shares = {  # of English sentences of 16 words or more; in Chinese they have about as many
        part: sum(len(y.split()) > 15 for _, y in pairs) / len(pairs)
        for part, pairs in [("train", corpus.train), ("valid", corpus.valid), ("test", corpus.test)]
    }
    assert shares["train"] > 0.55 and max(shares["valid"], shares["test"]) < 0.5
    drawn = synthetic.corpus(200, seed=3, split="test")
    assert corpus.test == [("".join(pair.source), " ".join(pair.target)) for pair in drawn]


def swap(name, body):
    def damage(folder, monkeypatch):
        (folder / "multi30k" / name).write_bytes(body)
        known = {**corpora.MULTI30K_SHA256, name: hashlib.sha256(body).hexdigest()}
        monkeypatch.setattr(corpora, "MULTI30K_SHA256", known)

    return damage


DAMAGE = {
    "another file": (
        lambda folder, _: (folder / "multi30k" / "val.en.gz").write_bytes(packed("A bus", "A train")),
        "val.en.gz is not the file that was published: its SHA-256 is wrong",
    ),
    "no file": (lambda folder, _: (folder / "multi30k" / "val.en.gz").unlink(), "There is no val.en.gz in .*data"),
    "fewer lines": (swap("val.en.gz", packed("A cat sleeps.")), "val.de.gz has 2 lines and .*val.en.gz 1"),
    "an empty line": (swap("val.en.gz", packed("A cat sleeps.", " ")), "val.en.gz, line 2 is empty"),
    "not UTF-8": (swap("val.en.gz", gzip.compress(b"A cat\n\xff\xfe\n")), "val.en.gz, line 2 is not UTF-8"),
    "half a file": (swap("val.en.gz", packed("A cat", "A train")[:-9]), "val.en.gz is damaged"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damaged_files_are_named(folder, monkeypatch, what):
    do, said = DAMAGE[what]
    do(folder, monkeypatch)
    with pytest.raises(BadCorpus, match=said) as error:
        load("multi30k-de-en", folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("line", ["Hi. 嗨。", "Hi.\t", "\t嗨。\tx", "Hi.\t…\tx"])
def test_a_broken_line_of_tatoeba_is_named(folder, line):
    (folder / "cmn.txt").write_text(f"Hi.\t嗨。\tCC\n{line}\nRun!\t跑！\tCC\n", encoding="utf-8")
    with pytest.raises(BadCorpus, match=r"cmn.txt, line 2: .* is not English, a tab, Chinese"):
        load("tatoeba-zh-en", folder)


def test_a_damaged_archive_does_not_stay_in_the_cache(small):
    good = small.files["/cmn-eng.zip"]
    small.files["/cmn-eng.zip"] = b"<html>We have moved.</html>"
    with pytest.raises(BadCorpus, match="has been removed from the cache; run this again"):
        load("tatoeba-zh-en")
    small.files["/cmn-eng.zip"] = good
    assert load("tatoeba-zh-en").train
    assert [path.name for path in (download.cache_folder() / "tatoeba").iterdir()] == ["cmn-eng.zip"]


def test_unknown_names_and_folders(tmp_path):
    with pytest.raises(BadCorpus, match=r"no corpus 'multi30k'.*multi30k-de-en"):
        load("multi30k")
    with pytest.raises(BadCorpus, match="There is no folder"):
        load("multi30k-de-en", tmp_path / "nothing")


@given(st.integers(0, 60), st.integers(1, 70))
def test_spread_takes_from_all_over_a_list(size, n):
    chosen = spread(range(size), n)
    assert len(chosen) == min(n, size)
    gaps = [b - a for a, b in pairwise(chosen)]
    assert not gaps or max(gaps) - min(gaps) <= 1 <= min(gaps)
    assert not chosen or abs(chosen[0] - (size - 1 - chosen[-1])) <= 1  # as far from one end as from the other
