"""A light assignment in a course directory of its own: plain Python exercises, for which no kernel needs torch."""

import shutil
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.grading.notebooks import copy_of, write
from autograder.grading.sandbox import trouble

NAME = "00-sample"
CONFINED = not trouble()  # where there can be no sandbox, everything else is tested without

CONFIG = f"""\
import sys
from pathlib import Path

from autograder.grading.config import configure

sys.path.insert(0, {str(Path(__file__).parent)!r})  # where the sample's exercises are
c = get_config()
here = Path(__file__).parent
configure(c, here)
c.CourseDirectory.course_id = "sample-course"
c.Exchange.root = str(here.parent / "exchange")
c.Exchange.cache = str(here.parent / "cache")
c.Execute.timeout = 5
c.RunCells.exercises = ["sample_exercises"]
c.RunCells.warm = []
c.RunCells.confined = {CONFINED}
"""


def mark(**flags):
    """nbgrader's metadata of one cell."""
    flags = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3} | flags
    return {"nbgrader": flags}


def exercise(name, body, test, points):
    """The cells of one exercise."""
    answer = f'def {name}(x):\n    """Docstring of {name}."""\n    ### BEGIN SOLUTION\n    {body}\n    ### END SOLUTION'
    return [
        new_markdown_cell(f"## Exercise: {name}", id=f"about-{name}"),
        new_code_cell(answer, id=f"{name}-answer", metadata=mark(grade_id=f"{name}-answer", solution=True)),
        new_code_cell(test, id=f"{name}", metadata=mark(grade_id=name, grade=True, locked=True, points=points)),
    ]


def sample_source():
    """Two exercises of 2 and 3 points, and a written question of 4 points."""
    scheme = "=== BEGIN MARK SCHEME ===\nBecause the model answer says so.\n=== END MARK SCHEME ==="
    written = mark(grade_id="why", grade=True, solution=True, points=4)
    cells = [
        new_markdown_cell("# A sample", id="title"),
        new_code_cell("import math\n\nfrom autograder import check", id="imports"),
        *exercise("double", "return 2 * x", 'check("double", double)', 2),
        *exercise("root", "return math.sqrt(x)", 'check("root", root)', 3),
        new_markdown_cell(f"Why?\n\n{scheme}", id="why", metadata=written),
        new_code_cell("print('the end')", id="end"),
    ]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def cell_of(notebook, grade_id):
    """The cell with this grade_id."""
    return next(cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def answered(notebook, **answers):
    """A copy of a notebook with other sources in the cells named."""
    notebook = copy_of(notebook)
    for name, source in answers.items():
        cell_of(notebook, "why" if name == "why" else f"{name}-answer").source = source
    return notebook


def make_course(root, gradebook=None):
    """A course directory with the sample assignment, and a copy of a gradebook: to make a new one takes seconds."""
    write(sample_source(), root / "solutions" / NAME / f"{NAME}.ipynb")
    (root / "nbgrader_config.py").write_text(CONFIG)
    if gradebook:
        shutil.copy(gradebook, root / "gradebook.db")
    (root.parent / "exchange").mkdir(exist_ok=True)
    (root.parent / "exchange").chmod(0o777)
    return root


def hand_in(course, student, notebook, assignment=NAME):
    """Put a notebook (or its text, or its bytes) where collected submissions are."""
    path = course / "submitted" / student / assignment / f"{assignment}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(notebook, bytes):
        path.write_bytes(notebook)
    elif isinstance(notebook, str):
        path.write_text(notebook, encoding="utf-8")
    else:
        write(notebook, path)
    return path
