"""`make new-exercise` and `make new-chapter` start from something that passes every test."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.grading.course import BadInput
from autograder.grading.start import start_chapter, start_exercise

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository as git would hand it out, with what is not committed yet."""
    copy = tmp_path_factory.mktemp("copy")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    return copy


def run(copy, *command):
    """A command in the copy, with the copy's code: (exit status, what it printed)."""
    surroundings = {**os.environ, "PYTHONPATH": str(copy), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=copy, env=surroundings, capture_output=True, text=True, timeout=900)
    return done.returncode, done.stdout + done.stderr


def make(copy, *words):
    return run(copy, "make", "-o", ".venv/ready", "PYTHON=false", f"BIN={BIN}", *words)  # never remake the environment


def pytest_passes(copy, which):
    """The tests of exercises and those of the front page that ``which`` selects."""
    files = ["tests/engine/test_catalogue.py", "tests/chapters/test_front_page.py"]
    status, said = run(copy, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files, "-k", which)
    assert status == 0, said[-3000:]


def test_a_new_exercise_passes(copy):
    status, said = make(copy, "new-exercise", "NAME=centred_rows", "CHAPTER=02-seq2seq")
    assert status == 0 and "put your exercise in its place" in said, said
    assert "def centred_rows" in (copy / "exercises/02-seq2seq/02-seq2seq.ipynb").read_text(encoding="utf-8")
    pytest_passes(copy, "centred_rows or (test_front_page and 02-seq2seq)")
    status, said = run(copy, sys.executable, "book/_ext/colab_notebooks.py", "--check")
    assert status == 0, said
    status, said = make(copy, "lint")
    assert status == 0, said


def test_a_new_chapter_passes(copy):
    status, said = make(copy, "new-chapter", "NAME=11-longer-contexts")
    assert status == 0, said
    contents = re.findall(r"book/(\S+)", (copy / "_toc.yml").read_text(encoding="utf-8"))
    numbered = [name for name in contents if name[0].isdigit()]
    assert numbered == sorted(numbered) and "11-longer-contexts" in numbered
    pytest_passes(copy, "rows_of_longer_contexts or (test_front_page and lists and 11-longer-contexts)")
    assert (copy / "book/colab/11-longer-contexts.ipynb").is_file()
    status, said = make(copy, "lint")
    assert status == 0, said


@pytest.mark.parametrize(
    ("start", "words", "advice"),
    [
        (start_exercise, ["RNN step", "01-rnn"], "use small letters"),
        (start_exercise, ["lambda", "01-rnn"], "use small letters"),
        (start_exercise, ["centred", "01-rn"], "there are 00-text-to-vectors"),
        (start_exercise, ["rnn_step", "01-rnn"], "choose another name"),
        (start_chapter, ["longer"], "two digits"),
        (start_chapter, ["01-rnn"], "choose another name"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(copy, start, words, advice):
    def everything():
        return {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}

    before = everything()
    with pytest.raises(BadInput, match=advice):
        start(copy, *words)
    assert everything() == before
