"""Every notebook, run as Colab would run it: only what the chapters use of what Colab has, an empty folder, Run all.

The package comes as in Colab, by the notebooks' set-up cell and pip, from a git URL: here that of the working tree.
"""

import importlib.metadata
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bare
import nbformat
import pytest
from jupyter_cache import get_cache
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

from autograder import colab

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "book" / "colab").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*/*.ipynb"))
OURS = ["autograder", "translator", "nbgrader", "nbformat", "jupytext", "rich", "yaml"]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    return bare.git_url(tmp_path_factory.mktemp("origin"))


@pytest.fixture(scope="session")
def run(tmp_path_factory, source):
    """A function that runs the notebook at a path, in an environment of its own, and gives it with its outputs."""
    jupyter = bare.Runner.bare(tmp_path_factory.mktemp("colab"), source).set_up().jupyter()
    specs = KernelSpecManager(kernel_dirs=[f"{jupyter}/kernels"])

    def run(path):
        notebook = nbformat.read(path, 4)
        manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs)
        client = NotebookClient(notebook, km=manager, timeout=600, allow_errors=path in EXERCISES)
        try:
            client.execute()
        finally:
            run_sync(manager.shutdown_kernel)(now=True)  # the client ends only kernels that it manages itself
        return notebook

    return run


def code_of(notebook, path):
    """The code cells behind the set-up cell, which is the first."""
    set_up, *code = (cell for cell in notebook.cells if cell.cell_type == "code")
    made_for = colab.stated(str(path.relative_to(ROOT)), notebook.cells[0].source)
    assert set_up.source.rstrip() == colab.setup_cell(made_for).rstrip()
    return code


def of_the_book(path):
    """A chapter's notebook with the outputs that its cells had when the book was built; None where these differ."""
    notebook = nbformat.read(path, 4)
    code = code_of(notebook, path)
    cache = get_cache(bare.BOOK / "_build" / ".jupyter_cache")
    (record,) = (one for one in cache.list_cache_records() if Path(one.uri) == ROOT / "book" / f"{path.stem}.md")
    cells = [cell for cell in cache.get_cache_bundle(record.pk).nb.cells if cell.cell_type == "code"]
    if [re.sub(r"^# @title Code( of .*)?\n", "", cell.source) for cell in code] != [cell.source for cell in cells]:
        return None
    for cell, there in zip(code, cells, strict=True):
        cell.outputs, cell.execution_count = there.outputs, there.execution_count
    return notebook


@pytest.fixture(scope="session")
def ran(request, run):
    """A function from a notebook's path to the notebook with its outputs. Two notebooks run at a time.

    Where the book is built for other tests, its build runs the chapters, in environments like these: not twice, then.
    """
    items = request.session.items
    with_book = "BOOK_HTML" not in os.environ and any("book_html" in item.fixturenames for item in items)
    if with_book:
        request.getfixturevalue("book_html")  # before `not_a_fork` hides what the other tests of the book need
    wanted = [item.callspec.params["path"] for item in items if "ran" in item.fixturenames]
    with ThreadPoolExecutor(1 if "PYTEST_XDIST_WORKER" in os.environ else 2) as pool:
        runs = {}
        if "PYTEST_XDIST_WORKER" not in os.environ:  # with xdist, other workers run the rest
            runs = {path: pool.submit(run, path) for path in wanted if path in EXERCISES or not with_book}

        def ran(path):
            notebook = of_the_book(path) if with_book and path in CHAPTERS else None
            return notebook or (runs.get(path) or pool.submit(run, path)).result()

        yield ran


def printed(cell, kind="stdout"):
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == kind)


def shown(cell):
    """All text that a reader of the cell sees: printed, or displayed."""
    displayed = (output.data.get("text/plain", "") for output in cell.outputs if output.output_type == "display_data")
    return printed(cell) + "".join(displayed)


def by_name(path):
    return path.stem


@pytest.fixture
def python(tmp_path, source):
    """Runs Python code in a bare environment of this test's own; ``variables`` are added, or removed where None."""
    executable, empty, variables = bare.Runner.bare(tmp_path, source).environment("python")

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


@pytest.mark.parametrize("path", EXERCISES, ids=by_name)
def test_an_exercise_notebook_runs_with_its_stubs(ran, path):
    notebook = ran(path)
    assert notebook.cells[0].source.count(colab.colab_url(str(path.relative_to(ROOT)))) == 1, "no badge"
    checked = 0
    for cell in code_of(notebook, path):
        errors = [output.ename for output in cell.outputs if output.output_type == "error"]
        assert set(errors) <= {"NotImplementedError"}
        assert printed(cell, "stderr") == ""
        if found := re.search(r'check\("(\w+)"', cell.source):
            checked += 1
            assert not errors and found[1] in shown(cell), f"{found[1]} reports nothing"
    assert checked >= 4


@pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
def test_a_chapter_runs_from_top_to_bottom(ran, path):
    notebook = ran(path)
    drawn = 0
    for cell in code_of(notebook, path):
        assert cell.execution_count, f"cell {cell.id} was not run"
        assert printed(cell, "stderr") == ""
        drawn += sum(bool({"image/png", "image/svg+xml"} & output.get("data", {}).keys()) for output in cell.outputs)
    figures = sum("-caption" in cell.id for cell in notebook.cells)
    assert drawn >= figures > 0 or figures == 0
