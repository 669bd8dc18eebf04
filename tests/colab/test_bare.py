"""Every notebook, run as Colab would run it: only what the chapters use of what Colab has, an empty folder, Run all.

The package comes as in Colab, by the notebook's own set-up cell and pip, from a git URL: here that of the working tree.
"""

import importlib.metadata
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bare
import pytest

from autograder import colab

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "book" / "colab").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*/*.ipynb"))
OURS = ["autograder", "translator", "nbgrader", "nbformat", "jupytext", "rich", "yaml"]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return bare.git_url(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="session")
def runner(tmp_path_factory, source):
    return bare.Runner(tmp_path_factory.mktemp("colab"), source)


@pytest.fixture(scope="session")
def ran(request, runner):
    """A function from a notebook's path to the notebook with its outputs. Two notebooks run at a time."""
    wanted = [item.callspec.params["path"] for item in request.session.items if "ran" in item.fixturenames]
    with ThreadPoolExecutor(1 if "PYTEST_XDIST_WORKER" in os.environ else 2) as pool:
        runs = {}
        if "PYTEST_XDIST_WORKER" not in os.environ:  # with xdist, other workers run the rest
            runs = {path: pool.submit(runner.run, path, path in EXERCISES) for path in wanted}
        yield lambda path: (runs.get(path) or pool.submit(runner.run, path, path in EXERCISES)).result()


def printed(cell, kind="stdout"):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == kind)


def shown(cell):
    """All text that a reader of the cell sees: printed, or displayed."""
    displayed = (output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "display_data")
    return printed(cell) + "".join(displayed)


def by_name(path):
    return path.stem


@pytest.fixture
def python(runner, request):
    """Runs Python code in a bare environment of this test's own; ``variables`` are added, or removed where None."""
    executable, empty, variables = runner.environment(request.node.name)

    def run(code, *arguments, **changed):
        environment = {name: value for name, value in (variables | changed).items() if value is not None}
        command = [executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)

    return run


def test_the_bare_environment_has_what_colab_has_and_nothing_of_ours(python):
    modules = [{"scikit-learn": "sklearn"}.get(name, name) for name in bare.COLAB_HAS]
    code = "import importlib.util as u, sys, json; print(json.dumps([n for n in sys.argv[1:] if u.find_spec(n)]))"
    assert json.loads(python(code, *modules, *OURS).stdout) == modules


def test_the_set_up_cell_brings_every_file_and_touches_nothing_else(python):
    list_packages = (
        "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    before = json.loads(python(list_packages).stdout)
    done = python(colab.setup_cell())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    after = json.loads(python(list_packages).stdout)
    assert after == before | {colab.PACKAGE: importlib.metadata.version(colab.PACKAGE)}
    package = Path(python("import autograder; print(autograder.__file__)").stdout).parents[1]
    listed = subprocess.run(["git", "ls-files", "autograder", "translator"], cwd=ROOT, capture_output=True, text=True)
    wanted = [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]
    assert wanted and [name for name in wanted if not (package / name).is_file()] == []
    assert python(colab.setup_cell(), **{colab.SOURCE_VARIABLE: "file:///nowhere@main"}).returncode == 0  # it is there


def test_without_a_network_the_set_up_cell_says_what_to_do(python):
    done = python(colab.setup_cell(), **{colab.SOURCE_VARIABLE: None})
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("RuntimeError: The course's package could not be fetched: check that this machine is online")
    assert colab.repository().git_source in last


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_a_chapter_runs_from_top_to_bottom(ran, path):
    notebook = ran(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.execution_count, f"cell {cell.id} was not run"
            assert printed(cell, "stderr") == ""
    figures = sum("-caption" in cell.id for cell in notebook.cells)
    drawn = [
        output for cell in notebook.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(drawn) >= figures > 0 or figures == 0


@pytest.mark.parametrize("path", EXERCISES, ids=by_name)
def test_an_exercise_notebook_runs_with_its_stubs(ran, path):
    notebook = ran(path)
    assert notebook.cells[0].source.count(colab.colab_url(str(path.relative_to(ROOT)))) == 1, "no badge"
    checked = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        assert set(errors) <= {"NotImplementedError"}
        assert printed(cell, "stderr") == ""
        if found := re.search(r'check\("(\w+)"', cell.source):
            checked += 1
            assert not errors and found[1] in shown(cell), f"{found[1]} reports nothing"
    assert checked >= 4
