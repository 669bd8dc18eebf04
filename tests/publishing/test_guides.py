"""The pages for students and instructors: every command in them is run, in order, in folders of the test's own.

The line above a block of commands says what is done with it:

    % run: WHO; first HOOK       run as this person; before that, what HOOK stands for is done, as by hand
    % not run: REASON
    % file: PATH of WHO          the person writes the block into this file
    % shows                      what the block before printed; the rest may be left out with …
    % settings                   lines of an nbgrader_config.py, tried; "as they are": they say what holds anyway

`sudo` runs its command as it is, and `apt` looks the packages up.
"""

import argparse
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import nbformat
import pytest
import tomllib
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import Execute
from nbgrader.utils import get_username
from traitlets.config import Config

from autograder.__main__ import add_check, main
from autograder.catalogue import exercises
from autograder.grading import config
from autograder.grading.notebooks import copy_of, solved, write
from autograder.grading.preprocessors import RunCells
from autograder.grading.sandbox import trouble
from autograder.notebook import Unusable, check_notebook

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PAGES = {name: (ROOT / "book" / f"{name}.md").read_text(encoding="utf-8") for name in ("students", "instructors")}
NAME = "01-rnn"
SECONDS = 240  # one block of commands, on a busy machine
SHIMS = {
    "sudo": '#!/bin/sh\nexec "$@"\n',
    # Whether the packages exist can be told where there is an index of them.
    "apt": """#!/bin/sh
shift
apt-cache show bash > /dev/null 2>&1 || { echo "no index of packages here"; exit 0; }
apt-cache show "$@" > /dev/null
""",
}
STEP = "def rnn_step(x, h, W_x, W_h, b):\n    return {}x @ W_x + h @ W_h + b{}"
WRITTEN = "No: clipping makes large gradients smaller and leaves small ones alone."


# ---- reading a page -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One block of a page: what is to be done with it (``kind``, ``who``, ``first``), its text and its line."""

    kind: str
    who: str
    first: str
    text: str
    line: int


def steps(page: str) -> list[Step]:
    found = []
    text = PAGES[page]
    for block in re.finditer(r"(?:^% ([^\n]+)\n)?^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        kind, _, about = (block[1] or "").partition(": ")
        who, _, first = about.partition("; first ")
        found.append(Step(kind, who, first, block[3], text[: block.start()].count("\n") + 1))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_is_done_with_it(page):
    for step in steps(page):
        assert step.kind in ("run", "not run", "file", "shows", "settings"), f"{page}.md, line {step.line}"
        assert step.kind in ("shows", "settings") or step.who, f"{page}.md, line {step.line}: who, or why not?"


def test_few_blocks_are_not_run():
    reasons = [step.who for page in PAGES for step in steps(page) if step.kind == "not run"]
    assert len(reasons) <= 6 and all(len(reason) > 20 for reason in reasons)


# ---- people at work -------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A scratch machine: ``folder`` stands for its root. Each person has a home and goes on where they stopped."""

    folder: Path
    where: dict[str, Path] = field(default_factory=dict)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    said: str = ""

    def home(self, who: str) -> Path:
        return self.folder / "home" / who.split()[-1]

    def path(self, words: str, who: str) -> Path:
        """A file that a page names, as ``who`` would find it."""
        for begin, place in (("~/", self.home(who)), ("/", self.folder)):
            if words.startswith(begin):
                return place / words.removeprefix(begin)
        return self.where[who] / words

    def enter(self, who: str) -> None:
        if who not in self.where:
            (self.home(who) / "Downloads").mkdir(parents=True)
            self.where[who] = self.home(who)
            self.settings[who] = {
                "HOME": str(self.home(who)),
                "PATH": os.pathsep.join([str(self.folder / "shims"), str(BIN), os.environ["PATH"]]),
                "PYTHONPATH": str(self.folder / "origin"),
                "JUPYTER_CONFIG_PATH": str(self.folder / "etc" / "jupyter"),
                "LANG": "C.UTF-8",
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "88",
                "PIP_NO_INDEX": "1",  # nothing is to be downloaded
            }  # fmt: skip

    def run(self, who: str, commands: str) -> int:
        """Run commands as ``who`` and return the exit status. What they print is in ``said``, which a failure shows."""
        self.enter(who)
        for path in ("/srv/", "/etc/"):
            commands = commands.replace(f" {path}", f" {self.folder}{path}")
        commands = commands.replace("{{ repository }}", str(self.folder / "origin"))
        commands = commands.replace(
            "--student zoe", f"--student {get_username()}"
        )  # nbgrader asks the system who it is
        state = self.folder / "state"
        script = f"set -euo pipefail\ntrap 'pwd > {state}; env -0 >> {state}' EXIT\n{commands}"
        with (self.folder / "out").open("w+") as out, (self.folder / "err").open("w+") as err:
            process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.where[who],
                env=self.settings[who],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                status = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(20)
                status = "no end"
            out.seek(0)
            err.seek(0)
            self.said, self.complaint = out.read(), err.read()[-3000:]
        where, _, settings = state.read_text().partition("\n")
        self.where[who] = Path(where)
        self.settings[who] = dict(one.split("=", 1) for one in settings.split("\0") if "=" in one)
        return status

    def do(self, page: str, todo: list[Step]) -> None:
        """Do what a page says, step by step."""
        for step in todo:
            at = f"book/{page}.md, line {step.line}"
            if step.kind == "run":
                self.enter(step.who)
                if step.first:
                    HOOKS[step.first](self)
                status = self.run(step.who, step.text)
                allowed = (0, 1) if "autograder check" in step.text or "autograder doctor" in step.text else (0,)
                assert status in allowed, f"{at}: {status}\n{step.text}\n{self.said[-3000:]}\n{self.complaint}"
            elif step.kind == "file":
                name, who = step.who.split(" of ")
                self.enter(who)
                path = self.path(name, who)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(step.text.replace('"/srv/', f'"{self.folder}/srv/'), encoding="utf-8")
            elif step.kind == "shows":
                assert shown(step.text) == shown(self.said)[: len(shown(step.text))], f"{at}\n{self.said}"
                assert "…" in step.text or len(shown(step.text)) == len(shown(self.said)), f"{at}\n{self.said}"


def shown(text: str) -> list[list[str]]:
    """What was printed, as rows of cells, whoever runs the test being Zoe; those of a table with rules in any order."""
    text = re.sub(r"^missing memory and disk: .*", "ok      memory and disk", text, flags=re.MULTILINE)
    rows = []
    for line in filter(None, (line.strip(" …") for line in text.splitlines())):
        cells = [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]
        if line[0] in "┏┡└":
            continue
        if cells and not cells[0]:  # a cell above goes on
            rows[-1] = [" ".join(filter(None, pair)) for pair in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(["zoe" if cells[0] == get_username() else cells[0], *cells[1:]] if cells else [line])
    return sorted(rows) if "│" in text else rows


def answers(path: Path, written: str = "", blank: str = "", **given: str) -> None:
    """Write the notebook with the answers ``given`` and, if there is a ``written`` one, the model's to the rest."""
    released = nbformat.read(ROOT / "exercises" / NAME / f"{NAME}.ipynb", as_version=4)
    source = nbformat.read(ROOT / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    notebook = solved(released, source) if written else copy_of(released)
    for cell in notebook.cells:
        key = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if cell.cell_type == "markdown" and key:
            cell.source = written or cell.source
        elif key.endswith("-answer"):
            cell.source = given.get(key.removesuffix("-answer"), cell.source)
            if key == f"{blank}-answer":
                cell.source = next(old.source for old in released.cells if old.id == cell.id)
    write(notebook, path)


def the_environment_is_made(world: World) -> None:
    """As `make .venv/ready` would make it; the one that the tests run in takes its place."""
    place = world.home("the teacher") / "keep-the-attention" / ".venv"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "activate").write_text(f"export PATH={BIN}:$PATH\n", encoding="utf-8")
    (place / "ready").touch()


def two_answers_are_written(world: World) -> None:
    right = solution_of("clip_by_global_norm")
    path = world.where["a student"] / f"{NAME}.ipynb"
    assert path.is_file()
    answers(path, rnn_step=STEP.format("", ""), clip_by_global_norm=right)


def solution_of(exercise: str) -> str:
    source = nbformat.read(ROOT / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    return next(cell.source for cell in source.cells if cell.id == exercise.replace("_", "-") + "-answer")


def cleos_mail_comes(world: World) -> None:
    path = world.path(f"~/Downloads/{NAME}.ipynb", "the teacher")
    answers(path, WRITTEN)
    path.write_text(path.read_text(encoding="utf-8")[:9000], encoding="utf-8")


def the_platforms_zip_comes(world: World) -> None:
    """As Canvas and Moodle name what is in it."""
    folder = world.folder / "zip"
    answers(folder / f"ada_871_23_{NAME}-1.ipynb", WRITTEN)
    mistaken = {"rnn_step": STEP.format("", ""), "gru_step": "def gru_step(x, h, W_x, W_h, b_x, b_h):\n    return h"}
    answers(folder / "bob_4217_assignsubmission_file_" / f"{NAME}.ipynb", WRITTEN, **mistaken)
    shutil.make_archive(str(world.path("~/Downloads/hand-ins", "the teacher")), "zip", folder)


def zoe_works_on_the_hub(world: World) -> None:
    world.do("students", zoes_steps()[:2])


def the_answers_are_written(world: World) -> None:
    answers(world.where["zoe on the hub"] / NAME / f"{NAME}.ipynb", WRITTEN, blank="bptt")


def the_written_answers_are_read(world: World) -> None:
    with Gradebook(f"sqlite:///{world.where['the teacher'] / 'gradebook.db'}", "attention-2027") as book:
        for submission in book.assignment_submissions(NAME):
            for grade in submission.notebooks[0].grades:
                if grade.needs_manual_grade:
                    grade.manual_score, grade.needs_manual_grade = 2, False
            for comment in submission.notebooks[0].comments:
                comment.manual_comment = "Say why with a formula."
        book.db.commit()


HOOKS = {
    "the environment is made": the_environment_is_made,
    "two answers are written": two_answers_are_written,
    "cleo's mail comes": cleos_mail_comes,
    "the platform's zip comes": the_platforms_zip_comes,
    "zoe works on the hub": zoe_works_on_the_hub,
    "the answers are written": the_answers_are_written,
    "the written answers are read": the_written_answers_are_read,
}


def zoes_steps() -> list[Step]:
    return [step for step in steps("students") if step.kind == "run" and step.who == "zoe on the hub"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """A machine on which there is nothing yet, and the repository to be cloned, with what is not committed yet."""
    folder = tmp_path_factory.mktemp("world")
    (folder / "shims").mkdir()
    for name, text in SHIMS.items():
        (folder / "shims" / name).write_text(text, encoding="utf-8")
        (folder / "shims" / name).chmod(0o755)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    for name in done.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / "origin" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / "origin" / name)
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q", "-b", "main"], ["add", "--all"], ["commit", "-q", "-m", "The course"]):
        subprocess.run([*git, *words], cwd=folder / "origin", check=True, timeout=60)
    return World(folder)


def test_a_student_on_a_machine_of_their_own(world):
    world.do("students", [step for step in steps("students") if step.who in ("a student", "")])


def test_from_an_empty_machine_to_graded_feedback(world):
    if why := trouble():
        pytest.skip(why)
    world.do("instructors", steps("instructors"))
    world.do("students", zoes_steps()[2:])
    (feedback,) = (world.where["zoe on the hub"] / NAME / "feedback").rglob("*.html")
    assert "Say why with a formula." in feedback.read_text(encoding="utf-8")
    course = world.home("the teacher") / "attention-2027"
    rows = {row["student_id"]: float(row["score"] or 0) for row in csv.DictReader((course / "grades.csv").open())}
    full = sum(exercise.points for exercise in exercises().values() if exercise.assignment == NAME)
    points = {name: exercise.points for name, exercise in exercises().items()}
    assert rows == {
        "ada": full + 2,
        "bob": full + 2 - points["rnn_step"] - points["gru_step"],
        "cleo": 0,
        "dan": 0,
        get_username(): full + 2 - points["bptt"],
    }
    assert (course / "reports" / f"{NAME}.html").is_file()
    pages = {path.parent.parent.name for path in (course / "feedback").glob(f"*/{NAME}/{NAME}.html")}
    assert pages == set(rows) - {"dan"}
    assert "damaged" in (course / "feedback" / "cleo" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
    assert world.run("the teacher", "cd ~\nnbgrader db student list") == 0 and "Lovelace, Ada" in world.said


# ---- what the pages say besides -------------------------------------------------------------------------------------


def test_settings_are_ones_that_there_are():
    holding, shown = Config(), 0
    config.configure(holding, ROOT)
    for step in steps("instructors"):
        if step.kind != "settings":
            continue
        said = Config()
        exec(step.text, {"c": said})
        for part, values in said.items():
            for name, value in values.items():
                known = {one.__name__: one for one in (CourseDirectory, Execute, RunCells, LateSubmissionPlugin)}[part]
                assert name in known.class_trait_names(config=True), f"{part}.{name}"
                if step.who == "as they are":
                    assert value == holding[part].get(name, getattr(known, name).default_value), f"{part}.{name}"
                    shown += 1
    assert shown == 6


def test_the_students_page_has_the_limits_that_hold():
    """Every number of the paragraphs on grading and on trouble."""
    text = " ".join(PAGES["students"].split())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parser = argparse.ArgumentParser()
    add_check(parser.add_subparsers())
    lowest = dict(dependency.split(">=") for dependency in project["dependencies"])
    python = project["requires-python"].removeprefix(">=")
    for sentence in (
        f"with {config.CELL_SECONDS} seconds for a cell, {config.NOTEBOOK_SECONDS} for a notebook, and "
        f"{RunCells.memory_limit.default_value // 10**9} GB of memory",
        f"`autograder check` stops it after {parser.parse_args(['check', 'x']).timeout} seconds",
        f"needs Python {python}, NumPy {lowest['numpy']}, and torch {lowest['torch']}, or newer",
        f"You need Python {python} or newer",
    ):
        assert sentence in text


def quoted(said: str) -> str:
    """The words in code type on the students' page that are in ``said``: what a student would look for."""
    found = [words for words in re.findall(r"`([^`\n]{8,})`", PAGES["students"]) if words in " ".join(said.split())]
    assert found, said
    return max(found, key=len)


def test_what_breaks_is_said_in_the_words_of_the_page(tmp_path, capsys, monkeypatch):
    path = tmp_path / f"{NAME}.ipynb"
    answers(path, rnn_step="def rnn_step(x, h, W_x, W_h, b):\n    __import__('os')._exit(1)")
    report, solved_all = check_notebook(path, 120)
    assert quoted(report) in ("The kernel died", "its check was not reached") and "The kernel died" in report
    assert "its check was not reached" in report and not solved_all
    answers(path, rnn_step="while True:\n    pass", bptt="while True:\n    pass")
    assert "Is there a loop that never ends?" in quoted(check_notebook(path, 2)[0])
    path = path.rename(tmp_path / "mine.ipynb")
    with pytest.raises(Unusable) as renamed:
        check_notebook(path, 120)
    assert quoted(str(renamed.value)).endswith("as it is handed in")
    path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8")
    with pytest.raises(Unusable, match="damaged"):
        check_notebook(path, 120)
    checking = import_module("autograder.check")  # the package's `check` is the function
    checking.check("rnn_stepp", print)
    assert quoted(capsys.readouterr().out) == "There is no exercise called"
    monkeypatch.setattr(checking, "judge", lambda *_: 1 / 0)
    checking.check("rnn_step", print)
    assert quoted(capsys.readouterr().out) == "which is the course's fault and not yours"
    path = tmp_path / f"{NAME}.ipynb"
    answers(path)
    monkeypatch.setitem(sys.modules, "nbclient", None)  # as if it were not installed
    assert main(["check", str(path)]) == 2
    complaint = capsys.readouterr().err
    assert quoted(complaint) == "autograder check needs nbclient" and "pip install nbclient ipykernel" in complaint
