"""Books, built by the command that `make book` uses, their cells run where there is only what Colab has.

So one run of a chapter's cells proves two things: that the book can be built, and that the chapter runs in Colab.
"""

import os
import subprocess
import sys
from pathlib import Path

import bare
from filelock import FileLock


def build_book(project: Path, output: Path, runner: bare.Runner, **variables: str) -> subprocess.CompletedProcess:
    """Build the book in ``project`` into ``output``."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--path-output", output]
    return subprocess.run(
        [*command, "-W", "-n", "--keep-going"],
        cwd=project,
        env={**os.environ, "JUPYTER_PATH": runner.jupyter(), **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def build_real_book(scratch: Path) -> subprocess.CompletedProcess:
    """Build the real book into `bare.BOOK`. It stays there, so that what is unchanged costs little the next time."""
    for name in ("origin", "environments"):
        (scratch / name).mkdir()
    runner = bare.Runner.bare(scratch / "environments", bare.git_url(scratch / "origin")).set_up()
    with FileLock(bare.BARE / "book.lock"):
        return build_book(bare.ROOT, bare.BOOK, runner)
