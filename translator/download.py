"""Fetch one file over HTTP: resumed where it broke off, checked, and never seen half-written.

Standard library only, because Colab notebooks install nothing else for it.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

BLOCK = 1 << 16
AGENT = "Mozilla/5.0 (compatible; keep-the-attention)"  # some publishers refuse Python's own name


class DownloadFailed(Exception):
    """The file could not be fetched. The message says why, and what to do."""


def fetch(
    url: str,
    path: Path,
    sha256: str | None = None,
    timeout: float = 30,
    attempts: int = 5,
    wait: float = 1,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Path:
    """Have the file at ``url`` as ``path``, and return ``path``. A file that is there already is not fetched again.

    What has arrived is kept in ``path.part`` and continued, in this call or the next. ``timeout`` is how many seconds
    the server may say nothing; ``attempts`` how often in a row it may fail without sending anything, with ``wait``
    seconds in between, doubled each time. ``progress`` is told the bytes that are there and the bytes in all (None if
    the server does not say). Raises DownloadFailed; then nothing is at ``path``.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    failures, fresh_starts = 0, 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            receive(url, part, timeout, progress)
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the server has no more than we have; if that isn't the file, begin anew
                pass
            elif error.code in (408, 429) or error.code >= 500:
                failures = again(url, error, before, part, failures, attempts, wait)
                continue
            else:
                reason = str(error.reason).splitlines()[0]
                raise DownloadFailed(
                    f"{url} can't be fetched: the server says {error.code} ({reason}). The publisher may have moved "
                    "the file; give a copy of it with --data."
                ) from None
        except (OSError, http.client.HTTPException) as error:
            failures = again(url, error, before, part, failures, attempts, wait)
            continue
        if sha256 is None or digest(part) == sha256:
            os.replace(part, path)
            return path
        part.unlink()
        fresh_starts += 1
        if fresh_starts == 2:
            raise DownloadFailed(
                f"{url} is not the file that was expected: its SHA-256 is wrong, twice. The publisher may have changed "
                "it, or something on the way did; give a copy of the right file with --data."
            )


def again(url: str, error: Exception, before: int, part: Path, failures: int, attempts: int, wait: float) -> int:
    """The number of failures in a row, after a pause; DownloadFailed if there were too many."""
    arrived = (part.stat().st_size if part.exists() else 0) > before
    failures = 1 if arrived else failures + 1
    if failures >= attempts:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise DownloadFailed(
            f"{url} can't be fetched: {reason}. Check that this machine is online and run it again (what has arrived "
            "is kept), or give a copy of the file with --data."
        ) from None
    time.sleep(wait * 2 ** (failures - 1))
    return failures


def receive(url: str, part: Path, timeout: float, progress: Callable[[int, int | None], None]) -> None:
    """Append what is missing to ``part``. Raises OSError or HTTPException if less arrives than was announced."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
        if answer.status != 206:  # the whole file, whatever was asked for
            have = 0
        announced = answer.headers.get("Content-Length")
        total = have + int(announced) if announced and announced.isdigit() else None
        with part.open("ab" if have else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                have += len(block)
                progress(have, total)
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    seen = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            seen.update(block)
    return seen.hexdigest()


def cache_folder() -> Path:
    """Where downloads are kept: ``KEEP_THE_ATTENTION_CACHE``, else ``~/.cache/keep-the-attention``."""
    if chosen := os.environ.get("KEEP_THE_ATTENTION_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "keep-the-attention"
