"""``autograder grade --dask``: the same gradebook from Dask's scheduler and workers, one of which is killed midway."""

import fcntl
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from io import StringIO

import psutil
import pytest
from nbgrader.api import Gradebook
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course

from autograder.__main__ import main
from autograder.grading import cluster as cluster_code
from autograder.grading.course import BadInput
from autograder.grading.grade import Journal, grade
from autograder.grading.verdict import SECRET

PATIENCE = 90  # seconds: a busy machine starts slowly
STUDENTS = {
    "ada": {},
    "bob": {"root": "def root(x):\n    return x / 2"},
    "cy": {"double": "import os\ndef double(x): os._exit(1)"},
    "di": {"double": "def double(x):\n    return x + x\n", "why": "Because."},
    "eve": {"root": "def root(x):\n    return x ** 0.5"},
    "fay": {"double": "def double(x):\n    return x"},
}
EARNED = {"ada": 5, "bob": 2, "cy": 3, "di": 5, "eve": 5, "fay": 3}
SLOW = "import time; time.sleep(0.5)\n"  # so that nobody is done before one is killed

with_dask = pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="dask.distributed is missing")


@pytest.fixture
def course(tmp_path, sandboxed, gradebook, model):
    course = make_course(tmp_path / "course", gradebook)
    for student, answers in STUDENTS.items():
        slow = {"double": "def double(x):\n    return 2 * x"} | answers
        hand_in(course, student, answered(model, **slow | {"double": SLOW + slow["double"]}))
    (course / SECRET).write_text("0" * 64)
    return course


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def cluster(tmp_path):
    """A scheduler's address, and ``add(threads)``, which starts a worker process; all of them end with the test."""
    address, started = f"tcp://127.0.0.1:{free_port()}", []
    stack = ExitStack()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dask_", ignore_cleanup_errors=True))
    environment = os.environ | {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3", "TMPDIR": folder}

    def start(*words):
        with (tmp_path / f"dask-{len(started)}.log").open("w") as log:
            command = [sys.executable, "-m", "distributed.cli." + words[0], *words[1:]]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        started.append(process)
        return process

    def add(threads):
        options = ["--no-nanny", "--nthreads", str(threads), "--no-dashboard", "--local-directory", str(tmp_path)]
        return start("dask_worker", address, *options)

    with stack:
        start("dask_scheduler", "--host", "127.0.0.1", "--port", address.rsplit(":")[-1], "--no-dashboard")
        try:
            yield address, add
        finally:
            family = []
            for process in reversed(started):
                if process.poll() is None:
                    family += psutil.Process(process.pid).children(recursive=True)
                    process.kill()
                process.wait(PATIENCE)
            psutil.wait_procs(family, timeout=PATIENCE)  # who graded for a worker that is no more ends by himself


def scores(course):
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        found = {submission.student.id: submission.score for submission in book.assignment_submissions(NAME)}
    journal = Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes
    assert found == {student: outcome.score for student, outcome in journal.items()}
    assert not [outcome.reason for outcome in journal.values() if outcome.reason]
    return found


def journal_lines(course):
    path = course / "autograded" / ".journal" / f"{NAME}.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@with_dask
def test_a_worker_killed_midway_loses_nothing(course, cluster):
    address, add = cluster
    first, _ = add(1), add(2)
    program = (
        "import sys; from pathlib import Path; from autograder.grading.grade import grade; "
        f"sys.exit(grade([{NAME!r}], Path({str(course)!r}), dask={address!r}))"
    )
    with ExitStack() as stack:
        log = stack.enter_context((course.parent / "grade.log").open("w"))
        run = subprocess.Popen([sys.executable, "-c", program], stdout=log, stderr=log)
        stack.callback(run.wait, PATIENCE)
        stack.callback(run.kill)
        deadline = time.monotonic() + PATIENCE
        while not journal_lines(course) and time.monotonic() < deadline:
            assert run.poll() is None, (course.parent / "grade.log").read_text()
            time.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
        assert run.wait(2 * PATIENCE) == 0, (course.parent / "grade.log").read_text()
    assert scores(course) == EARNED


@with_dask
def test_a_scheduler_without_workers_is_said(course, cluster, monkeypatch):
    monkeypatch.setattr("autograder.grading.cluster.CONNECT_SECONDS", 3)
    address, _ = cluster
    wait_for_port(address)
    assert "has no worker yet: start some with dask worker" in complaint(course, address)


def wait_for_port(address):
    deadline = time.monotonic() + PATIENCE
    host, port = re.match(r"tcp://(.*):(\d+)", address).groups()
    while time.monotonic() < deadline:
        try:
            return socket.create_connection((host, int(port)), timeout=5).close()
        except OSError:
            time.sleep(0.1)
    pytest.fail("the scheduler did not start")


def complaint(course, address):
    """The one sentence that bad input gets, having made sure that nothing was written."""
    before = sorted(course.rglob("*"))
    with pytest.raises(BadInput) as error:
        grade([NAME], course, console=Console(file=StringIO()), dask=address)
    assert sorted(course.rglob("*")) == before
    assert "\n" not in str(error.value)
    return str(error.value)


@with_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "nonsense", "gopher://127.0.0.1:1", "tcp://127.0.0.1:port"])
def test_a_wrong_address_is_said(course, address, monkeypatch):
    monkeypatch.setattr("autograder.grading.cluster.CONNECT_SECONDS", 2)
    address = address.format(free_port())
    assert f"There is no Dask scheduler at {address}" in complaint(course, address)


def test_a_worker_removes_what_a_killed_one_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead, alive = (tmp_path / f"{cluster_code.FOLDER}{name}" for name in ("dead", "alive"))
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "lock").touch()
    with (alive / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        own = cluster_code.own_folder.__wrapped__()
    assert sorted(tmp_path.iterdir()) == sorted([alive, own])


def test_without_dask_it_says_what_to_install(course, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "pip install 'keep-the-attention[dask]'" in complaint(course, "tcp://127.0.0.1:1")


def test_workers_and_dask_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["grade", NAME, "--workers", "2", "--dask", "tcp://127.0.0.1:1"])
    assert stopped.value.code == 2
    assert "not allowed with" in capsys.readouterr().err
