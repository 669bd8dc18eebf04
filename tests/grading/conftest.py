"""The tests of trusted grading use the sample assignment of `tests/assignments`, and need a sandbox."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "assignments"))

from sample_course import NAME, make_course, sample_source

from autograder.grading.notebooks import solved
from autograder.grading.sandbox import trouble
from autograder.grading.worker import Worker


@pytest.fixture(scope="session")
def sandboxed():
    """Tests that need the sandbox are skipped, with the reason, where there can be none."""
    if why := trouble():
        pytest.skip(why)


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A folder with the sample assignment's release, and a course whose gradebook knows it."""
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch, Worker() as worker:
        for variable in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
            patch.setenv(f"JUPYTER_{variable}", str(home / variable.lower()))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        work = tmp_path_factory.mktemp("work")
        course = make_course(work / "course")
        shutil.copytree(course / "solutions", work / "source")
        answer = worker.ask("release", 120, course=str(course), work=str(work), assignment=NAME)
        assert answer == {"graded": {}}, answer
        yield work


@pytest.fixture(scope="session")
def gradebook(work):
    return work / "course" / "gradebook.db"


@pytest.fixture(scope="session")
def model(work):
    """The sample assignment with every answer right, the written one given."""
    released = nbformat.read(work / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    return solved(released, sample_source())
