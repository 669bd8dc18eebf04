"""The bibliography: every entry is cited somewhere and complete, every citation has its entry."""

import re
from pathlib import Path

import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = parse_file(str(ROOT / "book" / "references.bib")).entries
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "book").glob("*.md")))
CITED = {key.strip() for keys in re.findall(r"\{cite(?::[pt])?\}`([^`]+)`", TEXT) for key in keys.split(",")}
VENUES = ("journal", "booktitle", "publisher", "school", "howpublished")
HOSTS = ["arxiv.org/abs", "doi.org", "aclanthology.org", "openreview.net"]
HOSTS += ["proceedings.mlr.press", "papers.nips.cc", "www.jmlr.org"]
FINDABLE = re.compile(rf"https://({'|'.join(map(re.escape, HOSTS))})/")
NO_IDENTIFIER = {"gage1994new", "firth1957synopsis", "watson1964smooth", "jordan2024muon"}  # old prints, a blog post


def test_every_entry_is_cited_and_every_citation_has_an_entry():
    assert set(ENTRIES) - CITED == set()
    assert CITED - set(ENTRIES) == set()


@pytest.mark.parametrize("key", ENTRIES)
def test_an_entry_is_complete(key):
    entry = ENTRIES[key]
    assert entry.persons.get("author")
    assert entry.fields.get("title")
    assert re.fullmatch(r"(18|19|20)\d\d", entry.fields.get("year", ""))
    assert key.startswith(tuple("abcdefghijklmnopqrstuvwxyz")) and entry.fields["year"] in key
    preprint = "arxiv.org" in entry.fields.get("url", "")
    assert preprint or any(entry.fields.get(venue) for venue in VENUES), "where was it published?"
    if key not in NO_IDENTIFIER:
        doi, url = entry.fields.get("doi", ""), entry.fields.get("url", "")
        assert re.fullmatch(r"10\.\d{4,9}/\S+", doi) or FINDABLE.match(url), (
            "a DOI, or an address with an arXiv id or the like"
        )


def test_no_work_has_two_entries():
    titles = [re.sub(r"[^a-z]", "", entry.fields["title"].lower()) for entry in ENTRIES.values()]
    assert len(titles) == len(set(titles))
