"""A download against a server that stalls, truncates, corrupts, redirects, refuses."""

import hashlib
import os

import pytest
from server import (
    corrupts,
    hangs_up,
    ignores_ranges,
    redirects,
    refuses,
    serving,
    stalls,
    truncates,
)

from translator.download import DownloadFailed, cache_folder, fetch

BODY = os.urandom(300_000)
SHA = hashlib.sha256(BODY).hexdigest()
QUICK = {"timeout": 0.5, "wait": 0.01}


def get(server, folder, **more):
    return fetch(f"{server.url}/file", folder / "deep" / "file", **{"sha256": SHA, **QUICK, **more})


@pytest.mark.parametrize(
    "moods",
    [
        [],
        [stalls],
        [truncates],
        [truncates, truncates, truncates, truncates, truncates, truncates],  # some arrives each time
        [truncates, ignores_ranges],
        [corrupts],
        [redirects("/file")],
        [hangs_up, refuses(503), refuses(429)],
    ],
    ids=lambda moods: "+".join(getattr(mood, "__name__", "") for mood in moods) or "good",
)
def test_the_file_arrives(tmp_path, moods):
    told = []
    with serving({"/file": BODY}, *moods) as server:
        path = get(server, tmp_path, progress=lambda *seen: told.append(seen))
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == ["file"]
    assert told[-1] == (len(BODY), len(BODY))


def test_what_has_arrived_is_not_fetched_again(tmp_path):
    with serving({"/file": BODY}, truncates) as server:
        get(server, tmp_path)
        assert server.requests == [("/file", None), ("/file", f"bytes={len(BODY) // 2}-")]
        get(server, tmp_path)
        assert len(server.requests) == 2


def test_a_later_call_goes_on_where_an_earlier_one_broke_off(tmp_path):
    with serving({"/file": BODY}, truncates, *[refuses(500)] * 9) as server:
        with pytest.raises(DownloadFailed, match="what has arrived"):
            get(server, tmp_path, attempts=3)
        assert not (tmp_path / "deep" / "file").exists()
        server.moods.clear()
        get(server, tmp_path)
        assert server.requests[-1] == ("/file", f"bytes={len(BODY) // 2}-")


@pytest.mark.parametrize(
    ("moods", "said"),
    [
        ([refuses(404)], "the server says 404"),
        ([corrupts, corrupts], "SHA-256 is wrong, twice"),
        ([hangs_up] * 9, "Check that this machine is online"),
        ([refuses(500)] * 9, "Check that this machine is online"),
        ([redirects("/file")] * 99, "can't be fetched"),
    ],
)
def test_what_cannot_be_fetched_is_said_and_nothing_is_left_in_its_place(tmp_path, moods, said):
    with serving({"/file": BODY}, *moods) as server, pytest.raises(DownloadFailed, match=said) as error:
        get(server, tmp_path)
    assert "--data" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "deep" / "file").exists()


def test_no_network(tmp_path):
    with pytest.raises(DownloadFailed, match="Check that this machine is online"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", **QUICK)
    with pytest.raises(DownloadFailed, match="Check that this machine is online"):
        fetch("http://no-such-host.invalid/file", tmp_path / "file", attempts=2, **QUICK)


def test_the_cache_can_be_put_elsewhere(monkeypatch, tmp_path):
    monkeypatch.delenv("KEEP_THE_ATTENTION_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "keep-the-attention"
    monkeypatch.setenv("KEEP_THE_ATTENTION_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
