"""How long the book takes to build: cold, unchanged, and after an edit of prose, against the time of the cells alone.

    .venv/bin/python benchmarks/book.py

Works in a temporary copy of the repository's files, with this environment. "Longest path" is what the cells alone
would take on as many workers as the build uses: the chapters put, longest first, on whichever worker is free. The
build's targets: cold at most 1.3 times that, unchanged under 10 s, after an edit of prose under 15 s. Wall-clock
times: run it on a machine that does nothing else.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CELLS = re.compile(r"^  (book/\S+\.md): ([\d.]+) s$", re.MULTILINE)


def build(project: Path) -> tuple[float, str]:
    """Seconds that the command of `make book` takes, and its output. Exits where the build fails."""
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ".", "--path-output", "."]
    began = time.perf_counter()
    done = subprocess.run([*command, "-W", "-n", "--keep-going"], cwd=project, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"The book cannot be built:\n{done.stderr[-4000:]}")
    return seconds, done.stdout


def longest_path(seconds: list[float], workers: int) -> float:
    """When the last worker is done, each taking the longest task that is left."""
    busy_until = [0.0] * workers
    for task in sorted(seconds, reverse=True):
        busy_until[busy_until.index(min(busy_until))] += task
    return max(busy_until)


def main() -> None:
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    left_out = shutil.ignore_patterns(".git", ".venv*", "_build", "__pycache__", "*.egg-info")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(ROOT, project, ignore=left_out)
        cold, output = build(project)
        unchanged, _ = build(project)
        chapter = sorted((project / "book").glob("0*.md"))[0]
        with chapter.open("a", encoding="utf-8") as file:
            file.write("\nOne more sentence.\n")
        edited, again = build(project)

    cells = {name: float(seconds) for name, seconds in CELLS.findall(output)}
    total, path = sum(cells.values()), longest_path(list(cells.values()), workers)
    for name, seconds in cells.items():
        print(f"  {name:24} {seconds:6.1f} s")
    print(f"cells alone: sum {total:.1f} s, longest chapter {max(cells.values()):.1f} s")
    print(f"longest path on {workers} workers: {path:.1f} s")
    print(f"cold build:          {cold:6.1f} s = {cold / path:.2f} x the longest path, {cold / total:.2f} x the sum")
    print(f"unchanged build:     {unchanged:6.1f} s")
    print(f"after a prose edit:  {edited:6.1f} s, {len(CELLS.findall(again))} chapters run")


if __name__ == "__main__":
    main()
