"""``autograder check NOTEBOOK``: one sentence for each bad input, a table for each good one."""

import json
import os
import subprocess
import sys
import time

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder import catalogue, notebook
from autograder.__main__ import main

EXERCISE = next(iter(catalogue.exercises().values()))
ASSIGNMENT = EXERCISE.assignment
OTHERS = [e for e in catalogue.of_assignment(ASSIGNMENT) if e is not EXERCISE]

SETUP = "from autograder import check, summary"
SOLVED = f"from autograder import catalogue\n{EXERCISE.name} = catalogue.find('{EXERCISE.name}').reference"
STUB = f"def {EXERCISE.name}(*args, **kwargs):\n    raise NotImplementedError()"
CHECK = f'check("{EXERCISE.name}", {EXERCISE.name})'


@pytest.fixture
def write(tmp_path):
    """Writes a notebook of code cells and returns its path."""

    def write(*sources, name=f"{ASSIGNMENT}.ipynb", **metadata):
        made = new_notebook(cells=[new_markdown_cell("# A notebook"), *map(new_code_cell, sources)], metadata=metadata)
        path = tmp_path / name
        nbformat.write(made, path)
        return path

    return write


@pytest.fixture
def command(capfd):
    """Runs the command; the exit status, standard output and standard error."""

    def run(*arguments):
        status = main(["check", *map(str, arguments)])
        return status, *capfd.readouterr()

    return run


def lines(out):
    return [" ".join(line.split()) for line in out.splitlines()]


# ---- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.ipynb", b"", "is empty"),
        ("damaged.ipynb", b'{"cells": [}', "is damaged and cannot be read (line 1: Expecting value)"),
        ("cut.ipynb", b'{"cells": [', "is damaged and cannot be read"),
        ("binary.ipynb", b"\xff\xfe\x00\x80", "is damaged and cannot be read"),
        ("deep.ipynb", b"[" * 200_000, "is damaged and cannot be read"),
        ("other.ipynb", b"[1, 2]", "is no Jupyter notebook"),
        ("old.ipynb", b'{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}', "is in an old notebook format (3)"),
        ("new.ipynb", b'{"nbformat": 5, "nbformat_minor": 0, "cells": []}', "is in a newer notebook format (5)"),
        ("invalid.ipynb", b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}', "is damaged ("),
        ("foreign.ipynb", b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}', "has no exercises"),
    ],
)
def test_a_file_that_cannot_be_checked_has_its_sentence(name, content, sentence, tmp_path, command):
    path = tmp_path / name
    path.write_bytes(content)
    status, out, err = command(path)
    assert (status, out) == (2, "") and sentence in err and err.count("\n") == 1
    assert path.read_bytes() == content and os.listdir(tmp_path) == [name]


def test_a_missing_file_and_a_folder_have_their_sentences(write, command):
    path = write(CHECK)
    near = path.with_name(path.name.replace("-", "_"))
    assert command(near) == (2, "", f"autograder: There is no file {near}. Did you mean {path}?\n")
    assert command(path.parent) == (
        2,
        "",
        f"autograder: {path.parent} is a folder: give the notebook itself, {path}.\n",
    )


def test_an_oversize_file_is_not_read(tmp_path, command):
    path = tmp_path / "big.ipynb"
    with path.open("wb") as file:
        file.truncate(notebook.LARGEST + 1)
    status, _, err = command(path)
    assert status == 2 and "more than the 20 MB" in err


def test_a_renamed_notebook_is_told_its_name(write, command):
    status, out, err = command(write(SETUP, CHECK, name=f"{ASSIGNMENT} (1).ipynb"))
    assert (status, out) == (2, "") and f"rename it to {ASSIGNMENT}.ipynb" in err


def test_a_missing_kernel_is_named_with_those_there_are(write, command):
    path = write(SETUP, CHECK, kernelspec={"name": "nowhere", "display_name": "Nowhere"})
    status, out, err = command(path)
    assert (status, out) == (2, "") and "asks for the kernel nowhere" in err and "python3" in err


def test_arguments_that_make_no_sense_are_refused(capsys):
    for arguments in ([], ["check"], ["check", "x.ipynb", "--timeout", "0"], ["nothing"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)


def test_a_missing_package_is_named_with_how_to_get_it(monkeypatch, write, command):
    path = write(SETUP, CHECK)
    monkeypatch.setitem(sys.modules, "nbformat", None)
    status, out, err = command(path)
    assert (status, out) == (2, "") and "pip install nbclient ipykernel" in err


# ---- notebooks that run -------------------------------------------------------------------------------------------


def test_a_solved_exercise_a_stub_and_an_error_are_told_apart(write, command):
    path = write(SETUP, STUB, CHECK, "undefined_name", SOLVED, CHECK, 'open("here.txt")')
    (path.parent / "here.txt").write_text("the notebook runs in its own folder")
    before = path.read_bytes()
    status, out, err = command(path)
    assert (status, err) == (1, "")
    table = lines(out)
    assert f"{EXERCISE.name} passed {EXERCISE.points:g} {EXERCISE.points:g}" in table  # the last check counts
    assert f"{OTHERS[0].name} its check was not reached 0 {OTHERS[0].points:g}" in table
    assert "Code cell 4 (undefined_name) stopped with NameError: name 'undefined_name' is not defined" in table
    assert "here.txt" not in out
    assert path.read_bytes() == before and sorted(os.listdir(path.parent)) == [path.name, "here.txt"]


def test_everything_solved_is_exit_status_0(write, command):
    solve = "\n".join(
        f"check({e.name!r}, catalogue.find({e.name!r}).reference)" for e in catalogue.of_assignment(ASSIGNMENT)
    )
    status, out, err = command(write(SETUP, f"from autograder import catalogue\n{solve}"))
    most = f"{sum(e.points for e in catalogue.of_assignment(ASSIGNMENT)):g}"
    assert (status, err) == (0, "") and lines(out)[-1] == f"total {most} {most}"


def test_an_endless_cell_is_stopped_and_the_rest_still_runs(write, command):
    begun = time.monotonic()
    status, out, err = command(write(SETUP, SOLVED, "while True: pass", CHECK), "--timeout", 20)
    assert (status, err) == (1, "") and time.monotonic() - begun < 300
    assert "Code cell 3 (while True: pass) was stopped after 20 seconds. Is there a loop that never ends?" in out
    assert f"{EXERCISE.name} passed" in lines(out)[1]


def test_a_kernel_that_dies_is_told(write, command):
    status, out, err = command(write(SETUP, "import os; os._exit(1)", CHECK))
    assert (status, err) == (1, "") and "The kernel died" in out


# ---- reading without running --------------------------------------------------------------------------------------


def test_notebooks_of_colab_without_cell_ids_are_read(tmp_path):
    path = tmp_path / f"{ASSIGNMENT}.ipynb"
    cell = {"cell_type": "code", "metadata": {}, "source": [CHECK], "outputs": [], "execution_count": None}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 0, "metadata": {}, "cells": [cell]}), "utf-8")
    assert EXERCISE in notebook.exercises_in(path, notebook.read(path))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('check("a", a)', ["a"]),
        ("  points = check( 'a', a)", ["a"]),
        ('# check("a", a)', []),
        ('recheck("a")', []),
        ('%time\ncheck("a", a); check("b", b)', ["a"]),
        ('check(name, "a")', []),
    ],
)
def test_checks_are_found_in_the_source(source, found):
    assert notebook.CHECK.findall(source) == found


def test_the_command_is_installed():
    done = subprocess.run([sys.executable, "-m", "autograder", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and all(name in done.stdout for name in ("check", "release", "grade", "doctor"))
