"""What the tests of releasing and grading share: a worker, and the sample assignment released once."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from sample_course import NAME, make_course, sample_source

from autograder.grading.notebooks import solved
from autograder.grading.worker import Worker


@pytest.fixture(scope="session", autouse=True)
def own_jupyter(tmp_path_factory):
    """No setting or gradebook of whoever runs the tests plays a part; the repository is the one in `_config.yml`."""
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
            patch.setenv(f"JUPYTER_{variable}", str(home / variable.lower()))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.delenv("GITHUB_REPOSITORY", raising=False)
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield


@pytest.fixture(scope="session")
def worker():
    with Worker() as worker:
        yield worker


@pytest.fixture(scope="session")
def work(tmp_path_factory, worker):
    """A folder with the sample assignment's release, and a course whose gradebook knows it."""
    work = tmp_path_factory.mktemp("work")
    course = make_course(work / "course")
    shutil.copytree(course / "solutions", work / "source")
    answer = worker.ask("release", 120, course=str(course), work=str(work), assignment=NAME)
    assert answer == {"graded": {}}, answer
    return work


@pytest.fixture(scope="session")
def gradebook(work):
    """A gradebook that knows the sample assignment, to be copied."""
    return work / "course" / "gradebook.db"


@pytest.fixture(scope="session")
def blank(work):
    """The sample assignment as released."""
    return nbformat.read(work / "release" / NAME / f"{NAME}.ipynb", as_version=4)


@pytest.fixture(scope="session")
def model(blank):
    """The sample assignment with every answer right, the written one given."""
    return solved(blank, sample_source())
