"""A light assignment in a course directory of its own: plain Python checks, so that a kernel starts without torch."""

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NAME = "00-sample"

CONFIG = """\
from pathlib import Path

from autograder.grading.config import configure

c = get_config()
configure(c, Path(__file__).parent)
c.CourseDirectory.course_id = "sample-course"
c.Exchange.root = str(Path(__file__).parent.parent / "exchange")
c.Exchange.cache = str(Path(__file__).parent.parent / "cache")
c.Execute.timeout = 4
"""


def mark(**flags):
    """nbgrader's metadata of one cell."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3} | flags
    return {"nbgrader": flags}


def exercise(name, body, test, points):
    """The two cells of one exercise."""
    answer = f'def {name}(x):\n    """Docstring of {name}."""\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION'
    return [
        new_markdown_cell(f"## {name}", id=f"about-{name}"),
        new_code_cell(answer, id=f"{name}-answer", metadata=mark(grade_id=f"{name}-answer", solution=True)),
        new_code_cell(test, id=f"{name}", metadata=mark(grade_id=name, grade=True, locked=True, points=points)),
    ]


def sample_source():
    """Two exercises of 2 and 3 points, and a written question of 4 points."""
    scheme = "=== BEGIN MARK SCHEME ===\nBecause the model answer says so.\n=== END MARK SCHEME ==="
    cells = [
        new_markdown_cell("# A sample", id="title"),
        new_code_cell("import math\nimport sys", id="imports"),
        *exercise("double", "return 2 * x", "2.0 if double(3) == 6 else 0.0", 2),
        *exercise("root", "return math.sqrt(x)", "3.0 if root(16) == 4 else 0.0", 3),
        new_markdown_cell(
            f"Why?\n\n{scheme}",
            id="why",
            metadata=mark(grade_id="why", grade=True, solution=True, points=4),
        ),
        new_code_cell("print('summary')", id="summary"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


@pytest.fixture(scope="module", autouse=True)
def own_jupyter(tmp_path_factory):
    """No setting or gradebook of whoever runs the tests plays a part; the repository has a name."""
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
            patch.setenv(f"JUPYTER_{variable}", str(home / variable.lower()))
        patch.setenv("IPYTHONDIR", str(home / "ipython"))
        patch.delenv("GITHUB_REPOSITORY", raising=False)
        patch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
        yield


def make_course(root):
    """A course directory with the sample assignment."""
    (root / "solutions" / NAME).mkdir(parents=True)
    nbformat.write(sample_source(), root / "solutions" / NAME / f"{NAME}.ipynb")
    (root / "nbgrader_config.py").write_text(CONFIG)
    (root.parent / "exchange").mkdir(mode=0o777, exist_ok=True)
    return root


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path / "course")
