"""What fails on the machine costs no hand-in a point: the next run puts it right. And nothing is left in /tmp."""

import gc
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course
from test_batches import killed_run, scores

from autograder.__main__ import main
from autograder.grading.config import load
from autograder.grading.grade import Journal, grade, locked
from autograder.grading.verdict import SECRET
from autograder.grading.worker import Worker

EARNED = {"ada": 5, "bob": 2}


def fill_course(course, gradebook, model):
    make_course(course, gradebook)
    hand_in(course, "ada", model)
    hand_in(course, "bob", answered(model, root="def root(x):\n    return x / 2"))
    (course / SECRET).write_text("0" * 64)
    return course


@pytest.fixture
def course(tmp_path, sandboxed, gradebook, model):
    return fill_course(tmp_path / "course", gradebook, model)


def run(course, **options):
    console = Console(file=StringIO(), width=250)
    return grade([NAME], course, console=console, **options), console.file.getvalue()


@pytest.fixture
def small_disk(tmp_path, sandboxed):
    """A disk of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", place], capture_output=True, timeout=20)
    if made.returncode:
        pytest.skip("a small disk can only be made by root")
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=20)


@pytest.mark.parametrize("when", ["start", "release", "bob"])
def test_a_full_disk_is_said_in_a_sentence_and_loses_nothing(small_disk, gradebook, model, when, capsys, monkeypatch):
    course = fill_course(small_disk / "course", gradebook, model)
    ballast, ask = small_disk / "ballast", Worker.ask

    def fill():
        with ballast.open("wb") as file:
            file.write(bytes(shutil.disk_usage(small_disk).free))

    def filled(self, kind, seconds, **job):
        if when in (kind, job.get("student")):
            fill()
        return ask(self, kind, seconds, **job)

    monkeypatch.setattr(Worker, "ask", filled)
    if when == "start":
        fill()
    assert main(["grade", NAME, "--course", str(course)]) != 0
    shown = " ".join("".join(capsys.readouterr()).split())
    assert "No space" in shown or "is full" in shown
    assert "Traceback" not in shown
    ballast.unlink()
    monkeypatch.undo()
    assert run(course)[0] == 0
    assert scores(course) == EARNED


def test_the_end_of_the_command_is_not_held_up_by_all_that_it_imported(course):
    assert main(["grade", NAME, "--course", str(course / "nowhere")]) == 2
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    assert frozen > 10_000


def test_a_gradebook_that_stays_locked_loses_nothing(course, monkeypatch):
    with (course / "nbgrader_config.py").open("a") as file:  # the worker reads it, too: it need not wait for long
        file.write("\nfor name in {'__main__', 'autograder.grading.worker'} & sys.modules.keys():\n")
        file.write("    vars(sys.modules[name])['PAUSES'] = (0.1,)\n")
    ask = Worker.ask
    with closing(sqlite3.connect(course / "gradebook.db", isolation_level=None, check_same_thread=False)) as other:

        def busy(self, kind, seconds, **job):
            if kind == "grade" and not other.in_transaction:
                other.execute("begin exclusive")
            return ask(self, kind, seconds, **job)

        monkeypatch.setattr(Worker, "ask", busy)
        status, printed = run(course)
    assert status == 1
    assert printed.count("database is locked") == 2 and printed.count("run the same command again") == 2
    assert not Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes
    monkeypatch.undo()
    assert run(course)[0] == 0
    assert scores(course) == EARNED


def test_a_gradebook_that_is_put_in_anothers_place_meanwhile_is_the_one_that_is_written_to(course, monkeypatch):
    gradebook, fresh, ask = course / "gradebook.db", course / "fresh.db", Worker.ask

    def replaced(self, kind, seconds, **job):
        if job.get("student") == "bob":
            shutil.copy(gradebook, fresh).replace(gradebook)
        return ask(self, kind, seconds, **job)

    monkeypatch.setattr(Worker, "ask", replaced)
    assert run(course)[0] == 0
    assert scores(course) == EARNED


KILL = """
import os, psutil
from autograder.grading.kernels import Kernel
from autograder.grading.preprocessors import RunCells

def {when}(self, *given, then={of}.{when}):
    try:
        os.close(os.open({mark!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return then(self, *given)
    found = [one for one in psutil.Process(os.getppid()).children() if one.name() == "bwrap"]
    open({mark!r}, "w").write(str(len(found)))
    for one in found:
        one.kill()
    return then(self, *given)

{of}.{when} = {when}
"""


@pytest.mark.parametrize(
    ("of", "when"), [("Kernel", "wait_until_ready"), ("RunCells", "preprocess_cell"), ("RunCells", "judge")]
)
def test_a_sandbox_that_is_lost_costs_no_points_and_all_workers_have_the_same(course, tmp_path, of, when):
    settings, mark = course / "nbgrader_config.py", tmp_path / "mark"
    before = settings.read_text()
    settings.write_text(before + KILL.format(mark=str(mark), of=of, when=when))
    command = [sys.executable, "-m", "autograder", "grade", NAME, "--course", str(course), "--workers", "2"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert mark.read_text() == "1", done.stdout + done.stderr
    assert done.returncode == 1 and "run the same command" in " ".join(done.stdout.split()), done.stdout
    settings.write_text(before)
    assert run(course)[0] == 0
    assert scores(course) == EARNED


@pytest.fixture
def temporary(monkeypatch):
    """A folder for temporary files of this test's own. Its path is short, as those of sockets have to be."""
    with tempfile.TemporaryDirectory(prefix="t_") as place:
        monkeypatch.setenv("TMPDIR", place)
        monkeypatch.setattr(tempfile, "tempdir", place)
        yield Path(place)


@pytest.mark.parametrize("confined", [True, False])
def test_a_run_leaves_no_temporary_file(course, temporary, confined):
    assert run(course, confined=confined)[0] == 0
    assert not list(temporary.iterdir())


def test_what_a_killed_run_leaves_goes_with_the_next(course, temporary):
    killed_run(course, 60, until=lambda: list(temporary.glob("grade_*/submitted")))
    assert list(temporary.iterdir())
    assert run(course)[0] == 0
    assert not list(temporary.iterdir())
    assert scores(course) == EARNED


def test_nothing_else_is_taken_for_what_a_killed_run_left(tmp_path, temporary):
    course = make_course(tmp_path / "course")
    lock = course / "autograded" / ".journal" / "lock"
    lock.parent.mkdir(parents=True)
    kept = [temporary / "other", tmp_path / "grade_x"]
    link = temporary / "grade_x"
    link.symlink_to(tmp_path)
    for place in (*kept, link):
        if place is not link:
            place.mkdir()
        lock.write_text(str(place))
        with locked(course, load(course)):
            pass
        assert place.is_dir() and course.is_dir()
