"""A gradebook in PostgreSQL, in a real server that the tests start: the same scores and manual grades, and a report."""

import getpass
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course

from autograder.__main__ import main
from autograder.grading.course import BadInput
from autograder.grading.grade import Journal, grade
from autograder.grading.report import reports
from autograder.grading.verdict import SECRET

PATIENCE = 90  # seconds: a busy machine starts slowly


def tool(name):
    """A command of PostgreSQL's, which Debian keeps out of PATH."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(beside[-1]) if beside else None)


@pytest.fixture(scope="module")
def server():
    """The folder with the socket of a PostgreSQL server that listens to nothing else, and the user's name."""
    if importlib.util.find_spec("psycopg") is None:
        pytest.skip("psycopg is missing: pip install 'keep-the-attention[postgresql]'")
    initdb, pg_ctl = tool("initdb"), tool("pg_ctl")
    if not (initdb and pg_ctl):
        pytest.skip("PostgreSQL is missing: apt install postgresql")
    user, as_user = getpass.getuser(), []
    if os.geteuid() == 0:  # the server does not run as root
        user, as_user = "postgres", ["runuser", "-u", "postgres", "--"]
        if subprocess.run(["id", user], capture_output=True, timeout=PATIENCE).returncode:
            pytest.skip("there is no user postgres to run the server as")

    def run(*words):
        done = subprocess.run(
            [*as_user, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=PATIENCE
        )
        assert done.returncode == 0, Path(log.name).read_text()

    with tempfile.TemporaryDirectory(prefix="pg_") as folder, tempfile.NamedTemporaryFile("w") as log:
        if as_user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        run(initdb, "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        try:
            run(pg_ctl, "-D", data, "-w", "-t", str(PATIENCE - 10), "-l", f"{folder}/log", "-o", options, "start")
            yield folder, user
        finally:
            if Path(data, "postmaster.pid").exists():
                run(pg_ctl, "-D", data, "-m", "immediate", "-w", "-t", str(PATIENCE - 10), "stop")


@pytest.fixture
def url(server, tmp_path):
    """The address of a new database."""
    import psycopg

    folder, user = server
    name = f"course_{os.getpid()}_{abs(hash(tmp_path.name)) % 10**6}"
    with psycopg.connect(host=folder, user=user, dbname="postgres", autocommit=True, connect_timeout=30) as connection:
        connection.execute(f"create database {name}")
    return f"postgresql+psycopg:///{name}?host={folder}&user={user}"


@pytest.fixture
def course(tmp_path, sandboxed, model, url):
    course = make_course(tmp_path / "course")
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.CourseDirectory.db_url = {url!r}\n")
    hand_in(course, "ada", answered(model, why="Because."))
    hand_in(course, "bob", answered(model, root="def root(x):\n    return x / 2"))
    hand_in(course, "cy", answered(model, double="import os\ndef double(x): os._exit(1)"))
    hand_in(course, "di", b"")
    (course / SECRET).write_text("0" * 64)
    return course


def run(course, **options):
    return grade([NAME], course, console=Console(file=StringIO()), **options)


def scores(url):
    with Gradebook(url, "sample-course") as book:
        return {submission.student.id: submission.score for submission in book.assignment_submissions(NAME)}


def test_grading_manual_grades_and_the_report(course, url):
    assert run(course, workers=2) == 0
    assert scores(url) == {"ada": 5, "bob": 2, "cy": 3, "di": 0}
    assert not (course / "gradebook.db").exists()
    with Gradebook(url, "sample-course") as book:
        written = book.find_grade("why", NAME, NAME, "ada")
        written.manual_score, written.needs_manual_grade = 3.5, False
        book.db.commit()
    (one,) = reports([NAME], course)
    assert {hand_in.student: hand_in.score for hand_in in one.graded} == {"ada": 8.5, "bob": 2, "cy": 3}
    assert [hand_in.student for hand_in in one.refused] == ["di"]
    assert one.parts[1].kinds == {"right": 2, "a known mistake": 1}
    assert main(["report", NAME, "--course", str(course)]) == 0
    assert run(course, force=True) == 0
    assert scores(url) == {"ada": 8.5, "bob": 2, "cy": 3, "di": 0}
    journal = Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes
    assert {student: outcome.score for student, outcome in journal.items()} == scores(url)


def complaint(course, address):
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.CourseDirectory.db_url = {address!r}\n")
    before = sorted(course.rglob("*"))
    with pytest.raises(BadInput) as error:
        run(course)
    assert sorted(course.rglob("*")) == before
    assert "\n" not in str(error.value) and "secret" not in str(error.value)
    return str(error.value)


def test_a_database_that_is_not_there_is_said_without_its_password(course, server):
    folder, user = server
    there = f"?host={folder}&user={user}"
    assert "does not exist" in complaint(course, f"postgresql+psycopg:///nowhere{there}&password=secret")
    elsewhere = "postgresql+psycopg://ada:secret@127.0.0.1:9/course?connect_timeout=5"
    assert "ada:***@127.0.0.1:9/course can't be reached" in complaint(course, elsewhere)


def test_an_address_that_is_none_is_said(course):
    assert "is no address of a database" in complaint(course, "my database")


def test_a_missing_driver_is_said(course, url, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "pip install 'keep-the-attention[postgresql]'" in complaint(course, url)
