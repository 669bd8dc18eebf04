"""Every attack scores what it earned, harms nothing, learns nothing, and leaves the batch going."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import chdir, suppress
from io import StringIO
from pathlib import Path
from textwrap import dedent

import nbformat
import psutil
import pytest
from attacks import BESIDE, CODE, LOOKING_AROUND, LOOKS, NOTEBOOK, OWN_GOALS, WRONG
from nbgrader.api import Gradebook
from rich.console import Console
from sample_course import NAME, answered, hand_in, make_course

from autograder.grading.config import REPOSITORY
from autograder.grading.grade import Journal, grade
from autograder.grading.notebooks import copy_of

SETTINGS = """
c.Execute.timeout = 3
c.RunCells.memory_limit = 700_000_000
c.RunCells.disk_limit = 100_000_000
# CANARY: nothing of the course is seen inside
"""


def contents(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return {path: hashlib.sha256(path.read_bytes()).digest() for path in files}


def lay_beside(course, folder, attack):
    """Put the files of an attack beside the notebook in ``folder``, or links into the course, a pipe and a socket."""
    for name, content in BESIDE[attack].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if attack == "links beside":
            path.symlink_to(course / content)
        else:
            path.write_text(content)
    if attack == "links beside":
        os.mkfifo(folder / "pipe.csv")
        with socket.socket(socket.AF_UNIX) as one, chdir(folder):  # the path of a socket has to be short
            one.bind("socket")


@pytest.fixture(scope="module")
def batch(tmp_path_factory, sandboxed, gradebook, model):
    """A course in which every attack was handed in between two honest hand-ins, and graded."""
    course = make_course(tmp_path_factory.mktemp("attacks") / "course", gradebook)
    with (course / "nbgrader_config.py").open("a") as file:
        file.write(SETTINGS)
    with socket.socket() as listener, socket.socket(socket.AF_UNIX) as local, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANARY", "CANARY in the environment of the grader")
        listener.bind(("127.0.0.1", 0))
        local.bind("\0canary")
        for one in (listener, local):
            one.listen()
            one.setblocking(False)
        names = {"PORT": listener.getsockname()[1], "COURSE_PATHS": [str(course), str(course / "solutions")]}
        given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
        hand_in(course, "0-honest", answered(model, why="CANARY: mine alone"))
        for number, (name, code) in enumerate(CODE.items(), start=1):
            answer = given + WRONG + dedent(code)
            hand_in(course, f"{number} {name}", answered(model, double=answer))
        for number, (name, change) in enumerate(NOTEBOOK.items(), start=101):
            notebook = copy_of(answered(model, double=WRONG))
            change(notebook)
            hand_in(course, f"{number} {name}", nbformat.writes(notebook))
        for number, name in enumerate(BESIDE, start=201):
            lay_beside(course, hand_in(course, f"{number} {name}", answered(model, double=WRONG + LOOKS)).parent, name)
        hand_in(course, "999-honest", model)
        before = contents(course / "submitted") | contents(course / "solutions")
        status = grade([NAME], course, console=Console(file=StringIO()), workers=2)
        connected = []
        for one in (listener, local):
            with suppress(BlockingIOError):
                connected.append(one.accept())
    assert contents(course / "submitted") | contents(course / "solutions") == before
    assert not connected
    found = Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes
    return course, status, {student.split(" ", 1)[-1]: outcome for student, outcome in found.items()}


def shown(course, student):
    """All that a graded notebook shows, but for sources and our own reports."""
    (path,) = (course / "autograded").glob(f"*{student}/{NAME}/{NAME}.ipynb")
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return "\n".join(
        output.get("text") or output.get("evalue") or str(output.get("data", ""))
        for cell in cells
        for output in cell.outputs
    )


@pytest.mark.parametrize("attack", [*CODE, *NOTEBOOK, *BESIDE])
def test_an_attack_scores_what_it_earned(batch, attack):
    _, _, found = batch
    outcome = found[attack]
    assert outcome.reason == ""
    assert outcome.parts["double"] == 0, outcome
    assert outcome.parts["root"] == 3 or attack in OWN_GOALS, outcome
    assert (outcome.max_score, outcome.max_code_score) == (9, 5)


@pytest.mark.parametrize("attack", [*LOOKING_AROUND, *BESIDE])
def test_looking_around_finds_nothing(batch, attack):
    course, _, _ = batch
    told = shown(course, attack)
    assert "found" not in told
    assert "CANARY in" not in told and "CANARY:" not in told


def test_no_file_of_the_course_is_there(batch):
    course, _, _ = batch
    for attack in ("files of the course", "by the paths that nbgrader has"):
        told = [
            line
            for line in shown(course, attack).splitlines()
            if not line.startswith(("double", "root", "the end", "{"))
        ]
        assert "".join(told).strip() == "", told


def test_what_is_open_inside_names_no_path_of_ours(batch):
    course, _, _ = batch
    for attack in ("open descriptors", "other processes", "the environment"):
        told = shown(course, attack).replace(sys.base_prefix, "")  # Python itself may be seen
        assert not re.search(f"{course.parent}|{REPOSITORY}|{Path.home()}/|grade_|/tmp/", told)


def test_honest_hand_ins_before_and_behind_score_everything(batch):
    course, status, found = batch
    assert status == 0
    assert found["0-honest"].code_score == found["999-honest"].code_score == 5
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        scores = {submission.student.id: submission.score for submission in book.assignment_submissions(NAME)}
    assert scores.keys() == {path.name for path in (course / "submitted").iterdir()}
    assert all(scores[outcome.student] == outcome.score for outcome in found.values())


def test_nothing_is_left_running(batch):
    names = ("nobody", "student")
    found = [process for process in psutil.process_iter(["uids", "name"]) if process.info["uids"].real >= 61_000]
    found = [process for process in found if process.info["uids"].real != 65534 and process.info["name"] not in names]
    assert not psutil.wait_procs(found, timeout=330)[1]  # other runs on this machine have theirs, which end


def test_plain_nbgrader_takes_no_harm_from_what_lies_beside(tmp_path, sandboxed, gradebook, model, work):
    course = make_course(tmp_path / "course", gradebook)
    shutil.copytree(work / "release" / NAME, course / "exercises" / NAME)
    for name in BESIDE:
        lay_beside(course, hand_in(course, name, answered(model, double=WRONG + LOOKS)).parent, name)
    (course / "submitted" / "links beside" / NAME / "endless.csv").symlink_to("/dev/zero")
    command = [sys.executable, "-m", "nbgrader", "autograde", NAME]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("it is no file") == 5, done.stderr
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        scores = {submission.student.id: submission.score for submission in book.assignment_submissions(NAME)}
    assert scores == dict.fromkeys(BESIDE, 3)
    for name in BESIDE:
        assert "looked around" in shown(course, name) and "found" not in shown(course, name)
    assert not any(path.is_symlink() for path in (course / "autograded").rglob("*"))
