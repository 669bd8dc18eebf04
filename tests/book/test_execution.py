"""What `book_execution` promises: what runs when, side by side, in which environment, and what a failure says."""

import importlib.metadata
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import book_execution
import psutil
import pytest
from tiny import build, chapter

EXTENSION = "book_execution"


def counting(path: Path) -> str:
    """A cell that leaves a mark each time it runs."""
    return f"with open({str(path)!r}, 'a') as marks:\n    marks.write('x')"


def html(folder: Path, page: str = "one") -> str:
    return (folder / "html" / f"{page}.html").read_text(encoding="utf-8")


def test_cells_run_once_and_again_only_when_they_change(tmp_path):
    marks = tmp_path / "marks"
    text = chapter(counting(marks), "print(6 * 7)")
    for page, runs in [(text, 1), (text, 1), (text + "\nProse.\n", 1), (text.replace("6 * 7", "5 * 7"), 2)]:
        status, output = build(tmp_path, EXTENSION, one=page)
        assert status == 0, output
        assert marks.read_text() == "x" * runs
    assert "35" in html(tmp_path)


def test_cells_run_again_when_a_module_that_they_import_changes(tmp_path):
    """Also when it is imported through another one, or reads a data file; not when a module of no concern changes."""
    package = tmp_path / "source" / "translator_of_the_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from translator_of_the_test import words\n")
    (package / "words.py").write_text(
        "def count():\n    from translator_of_the_test.rules import one\n    return one\n"
    )
    (package / "rules.py").write_text("one = 1\n")
    (package / "words.txt").write_text("word\n")
    (tmp_path / "source" / "elsewhere.py").write_text("x = 1\n")
    marks = tmp_path / "marks"
    path = f"import sys; sys.path.insert(0, {str(tmp_path / 'source')!r})"
    page = chapter(path, counting(marks), "import translator_of_the_test as t\nprint('words:', t.words.count())")
    build(tmp_path, EXTENSION, one=page)
    assert "words: 1" in html(tmp_path)

    (tmp_path / "source" / "elsewhere.py").write_text("x = 2\n")
    build(tmp_path, EXTENSION, one=page)
    assert marks.read_text() == "x"

    (package / "rules.py").write_text("one = 11\n")
    build(tmp_path, EXTENSION, one=page)
    assert marks.read_text() == "xx"
    assert "words: 11" in html(tmp_path)

    (package / "words.txt").write_text("two words\n")
    build(tmp_path, EXTENSION, one=page)
    assert marks.read_text() == "xxx"


@pytest.mark.parametrize("library", ["torch", "numpy", "matplotlib", "ipykernel"])
def test_another_version_of_a_library_makes_results_stale(monkeypatch, library):
    before = book_execution.environment_fingerprint()
    real = importlib.metadata.version
    monkeypatch.setattr(book_execution, "version", lambda name: "99.0" if name == library else real(name))
    assert book_execution.environment_fingerprint() != before


def test_chapters_run_side_by_side(tmp_path, monkeypatch):
    """Each waits for the other's sign: one after the other, neither would end."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    meet = """
import time
from pathlib import Path
Path({mine!r}).touch()
while not Path({other!r}).exists():
    time.sleep(0.01)
"""
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    status, output = build(
        tmp_path,
        EXTENSION,
        one=chapter(meet.format(mine=one, other=two)),
        two=chapter(meet.format(mine=two, other=one)),
    )
    assert status == 0, output
    assert re.search(r"one\.md: [\d.]+ s", output) and re.search(r"two\.md: [\d.]+ s", output)


def test_kernels_have_one_thread_a_fixed_hash_seed_and_a_folder_of_their_own(tmp_path):
    cell = """
import os
print("threads", os.environ["OMP_NUM_THREADS"])
print("hash", hash("attention"))
print("folder", os.getcwd(), os.listdir())
"""
    shown = []
    for run in ("a", "b"):
        status, output = build(tmp_path / run, EXTENSION, one=chapter(cell))
        assert status == 0, output
        shown.append(dict(re.findall(r"(threads|hash|folder) ([^\n<]*)", html(tmp_path / run))))
    first, second = shown
    assert first["threads"] == "1"
    assert first["hash"] == second["hash"]
    assert str(tmp_path) not in first["folder"]
    assert not Path(first["folder"].split()[0]).exists()


def test_where_the_tests_build_a_book_there_is_what_colab_has_and_an_empty_folder(sample_project):
    """From the build of the real book it is taken that its chapters run in Colab."""
    assert "There: torch sklearn Files: []\n" in html(sample_project / "_build", "book/01-sample")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("x = 1\n1 / 0", "ZeroDivisionError: division by zero"),
        ("import sys\nprint('careful', file=sys.stderr)", "the cell writes to stderr:\ncareful"),
        ("import os\nos._exit(1)", "the kernel died"),
        ("while True: pass", "the cell took longer than 3 s"),
    ],
)
def test_a_cell_that_fails_stops_the_build_and_is_named(tmp_path, monkeypatch, cell, said):
    real = book_execution.run_all
    monkeypatch.setattr(
        book_execution, "run_all", lambda chapters, path, timeout, workers: real(chapters, path, 3, workers)
    )
    for _ in range(2):  # the second build must not take the first one's failure for done
        status, output = build(tmp_path, EXTENSION, one=chapter("print('fine')", cell), two=chapter("print('good')"))
        assert status == 1
        assert said in output
        assert re.search(r"one\.md:19, code cell 2: ", output), output
        assert f"    | {cell.splitlines()[-1]}" in output
        assert "Traceback" not in output
        assert "two.md:" not in output.partition("cells failed")[2]


def test_every_failing_chapter_is_named_in_one_go(tmp_path):
    status, output = build(tmp_path, EXTENSION, one=chapter("1 / 0"), two=chapter("unknown_name"))
    assert status == 1
    assert "one.md:15, code cell 1: ZeroDivisionError" in output
    assert "two.md:15, code cell 1: NameError: name 'unknown_name' is not defined" in output


def test_a_build_with_warnings_fails_again_until_they_are_gone(tmp_path):
    broken = chapter("print(1)") + "\nSee {doc}`nowhere`.\n"
    for _ in range(2):
        status, output = build(tmp_path, EXTENSION, one=broken)
        assert status == 1
        assert "nowhere" in output
    status, output = build(tmp_path, EXTENSION, one=broken.replace("nowhere", "index"))
    assert status == 0, output


def test_cells_edited_while_they_run_are_not_run_elsewhere(tmp_path):
    """Sphinx would find no result for the new cells, and myst-nb would run them with other settings."""
    source = tmp_path / "source" / "one.md"
    edit = (
        f"path = {str(source)!r}\ntext = open(path).read()\nopen(path, 'w').write(text.replace('print(1)', 'print(2)'))"
    )
    status, output = build(tmp_path, EXTENSION, one=chapter(edit, "print(1)"))
    assert status == 1
    assert "one: its cells were edited while the book was being built. Build it again." in output
    status, output = build(tmp_path, EXTENSION, one=source.read_text())
    assert status == 0, output


def test_magics_do_not_hide_imports():
    code = book_execution.plain_python("%matplotlib inline\n!ls\nimport numpy as np")
    assert "import numpy" in code
    assert book_execution.own_files(code, [Path(__file__).parent]) == set()


def test_stopping_the_build_stops_the_kernels(tmp_path):
    started = tmp_path / "started"
    cell = f"import os, time\nopen({str(started)!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    script = f"import sys; sys.path[:0] = {sys.path!r}\nfrom pathlib import Path\nfrom tiny import build, chapter\n"
    script += f"sys.exit(build(Path({str(tmp_path)!r}), 'book_execution', one=chapter({cell!r}))[0])"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (started.exists() and started.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    kernel = psutil.Process(int(started.read_text()))
    process.send_signal(signal.SIGINT)
    process.wait(timeout=60)
    assert process.returncode != 0
    psutil.wait_procs([kernel], timeout=10)
    assert not kernel.is_running()
