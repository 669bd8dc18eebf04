"""The tests' attacks on stock nbgrader and on this course's grading: what each scores, where it earned 0 and 3 points.

Stock nbgrader runs the same notebooks and reads the value of the student's own ``check(...)``, as it does by default.
Attacks that harm whatever they run on (bombs, killing and writing everywhere, mounts, the network, other processes) are
left out: nothing holds them up there. What is left runs behind bubblewrap all the same, where stock nbgrader can write
to nothing but its course. Run it from the repository's root: ``python benchmarks/attacks.py``.
"""

import json
import os
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path
from textwrap import dedent

import nbformat
from rich.console import Console
from rich.table import Table

from autograder.grading.config import REPOSITORY
from autograder.grading.grade import Journal, grade
from autograder.grading.notebooks import copy_of, solved

sys.path.insert(0, str(REPOSITORY / "tests" / "assignments"))
sys.path.insert(0, str(REPOSITORY / "tests" / "grading"))
import attacks
from sample_course import NAME, answered, hand_in, make_course, sample_source

HARMLESS = (
    "exit at once", "exit when asked", "exit by SystemExit", "a crash", "abort", "recursion", "hang when asked",
    "a reply without end", "a list in itself", "a huge array", "the reference", "by the paths that nbgrader has",
    "all that lives in memory", "the frames that called", "open descriptors",
)  # fmt: skip
HEAVY = ("a message of 100 MB",)
CODE = {
    name: code
    for name, code in attacks.CODE.items()
    if name in HARMLESS or (name in attacks.FORGED_RESULTS | attacks.FORGED_MESSAGES and name not in HEAVY)
}
FILES = {name: attacks.BESIDE[name] for name in ("modules beside", "start-up files beside")}
GIVEN = f"COURSE_PATHS = []\nPORT = 0\n{attacks.WRONG}"
EARNED = (0, 3)

KNOWS_THE_SAMPLE = f"""
import sys
sys.path.append({str(REPOSITORY / "tests" / "assignments")!r})
import sample_exercises
from autograder import catalogue
catalogue.find = {{exercise.name: exercise for exercise in sample_exercises.EXERCISES}}.get"""
STOCK = "c = get_config()\nc.CourseDirectory.source_directory = 'solutions'\nc.Execute.timeout = 5\n"


def fill(course, released, source, before=""):
    """Hand everything in, each as a student who is called like the attack."""
    model = solved(released, source)
    next(cell for cell in model.cells if cell.id == "imports").source += before
    for name, code in CODE.items():
        hand_in(course, name, answered(model, double=GIVEN + dedent(code)))
    for name, change in attacks.NOTEBOOK.items():
        notebook = copy_of(answered(model, double=GIVEN))
        change(notebook)
        hand_in(course, name, nbformat.writes(notebook))
    for name, files in FILES.items():
        folder = hand_in(course, name, answered(model, double=GIVEN + attacks.LOOKS)).parent
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
    hand_in(course, "(an honest right one)", model)
    return course


def stock(course):
    """What stock nbgrader makes of it: the parts by attack, None where it gives no grade."""
    make_course(course)
    (course / "nbgrader_config.py").write_text(STOCK)
    source = sample_source()
    next(cell for cell in source.cells if cell.id == "imports").source += KNOWS_THE_SAMPLE
    nbformat.write(source, course / "solutions" / NAME / f"{NAME}.ipynb")
    fill(course, source, source)
    python = Path(sys.executable)
    command = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-all"]
    command += ["--die-with-parent", "--clearenv", "--bind", str(course), str(course), "--chdir", str(course)]
    settings = {
        "HOME": str(course), "TMPDIR": str(course), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([str(python.parent), os.defpath]),
    }  # fmt: skip
    command += [word for name, value in settings.items() for word in ("--setenv", name, value)]
    subprocess.run([*command, str(python), __file__, "--inside"], check=True, stdout=subprocess.DEVNULL, timeout=3600)
    return json.loads((course / "scores.json").read_text())


def inside():
    """In the course directory: let stock nbgrader grade one student after the other."""
    from nbgrader.apps.api import NbGraderAPI
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", os.getcwd()).load_config()
    config.CourseDirectory.root = os.getcwd()
    nbgrader = NbGraderAPI(config=config)
    assert nbgrader.generate_assignment(NAME)["success"]
    found = {}
    for folder in sorted(Path("submitted").iterdir()):
        found[folder.name] = None
        if nbgrader.autograde(NAME, folder.name)["success"]:
            with nbgrader.gradebook as book:
                (notebook,) = book.find_submission(NAME, folder.name).notebooks
                found[folder.name] = {one.name: one.score for one in notebook.grades}
        Path("scores.json").write_text(json.dumps(found))


def ours(course):
    """What this course's grading makes of it."""
    make_course(course)
    fill(course, sample_source(), sample_source())
    grade([NAME], course, console=Console(file=StringIO()), workers=2)
    found = Journal(course / "autograded" / ".journal" / f"{NAME}.jsonl").outcomes
    return {student: outcome.parts for student, outcome in found.items()}


def main():
    with tempfile.TemporaryDirectory(prefix="attacks_") as folder:
        results = [run(Path(folder, run.__name__)) for run in (stock, ours)]
    table = Table("attack", "stock nbgrader", "this course", title=f"points, where {EARNED} were earned")
    gained, lost = [0, 0], [0, 0]
    for name in sorted(results[0], key=list(results[0]).index):
        pairs = [(found[name]["double"], found[name]["root"]) if found.get(name) else None for found in results]
        table.add_row(name, *(f"{pair[0]:g} and {pair[1]:g}" if pair else "no grade" for pair in pairs))
        if name in CODE | attacks.NOTEBOOK | FILES:
            for which, pair in enumerate(pairs):
                gained[which] += bool(pair and pair[0] > 0)
                lost[which] += not pair or (pair[1] < 3 and name not in attacks.OWN_GOALS)
    Console(width=110).print(table)
    for which, name in enumerate(("stock nbgrader", "this course")):
        print(f"{name}: {gained[which]} of {len(results[0]) - 1} attacks gain points, {lost[which]} lose earned ones")


if __name__ == "__main__":
    inside() if "--inside" in sys.argv else main()
