"""``autograder release``: what it makes is fit to be handed out, and what isn't fit is not made."""

import shutil
from contextlib import nullcontext
from copy import deepcopy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_output
from sample_course import NAME, cell_of, make_course

from autograder.catalogue import exercises
from autograder.grading.config import REPOSITORY
from autograder.grading.course import BadInput, assignments
from autograder.grading.notebooks import copy_of, write
from autograder.grading.release import Defective, defects_of, release
from autograder.grading.worker import Worker

RNN = "01-rnn"
KNOWN = {exercise.name: exercise for exercise in exercises().values() if exercise.assignment == RNN}
FIRST = next(iter(KNOWN))


def test_exercises_are_in_sync_and_fit_to_be_handed_out():
    """The real thing, all of it: a blank notebook scores 0, the model answers score everything, nothing is stale."""
    assert release(check=True) == []
    assert assignments(REPOSITORY / "exercises") == assignments(REPOSITORY / "solutions")


@pytest.fixture(scope="module")
def real(tmp_path_factory, worker):
    """The source of 01-rnn and its release, generated afresh."""
    work = tmp_path_factory.mktemp("rnn")
    shutil.copytree(REPOSITORY / "solutions" / RNN, work / "source" / RNN)
    course = make_course(work / "course")
    answer = worker.ask("release", 120, course=str(course), work=str(work), assignment=RNN)
    assert "error" not in answer, answer
    return [nbformat.read(work / step / RNN / f"{RNN}.ipynb", as_version=4) for step in ("source", "release")]


def defects(source, released, name=RNN, known=KNOWN, book=REPOSITORY / "book"):
    return list(defects_of(name, source, released, known, book))


def test_a_released_notebook_has_its_frame(real):
    _, released = real
    badge, setup, *_, hand_in = released.cells
    assert f"exercises/{RNN}/{RNN}.ipynb" in badge.source
    assert "autograder" in setup.source and setup.cell_type == "code"
    assert f"`{RNN}.ipynb`" in hand_in.source and "Submit" in hand_in.source and "upload" in hand_in.source
    assert "](../" not in "".join(cell.source for cell in released.cells)
    assert not defects(*real)


def test_nothing_of_a_mark_scheme_is_released(real):
    source, released = real
    text = nbformat.writes(released)
    assert "MARK SCHEME" in nbformat.writes(source)
    assert "MARK SCHEME" not in text and "Rubric" not in text


def answer(source):
    """A change of the first exercise's stub."""
    return lambda s, r: cell_of(r, f"{FIRST}-answer").update(source=source)


def prose(text):
    """A change of a Markdown cell."""
    return lambda s, r: r.cells[2].update(source=text)


def check(**flags):
    """A change of the first check's flags."""
    return lambda s, r: cell_of(r, FIRST).metadata.nbgrader.update(flags)


def drop(grade_id):
    return lambda s, r: r.cells.remove(cell_of(r, grade_id))


def repeat(s, r):
    r.cells.append(copy_of(cell_of(r, FIRST)))
    r.cells[-1].id = "again"


def without_written_questions(s, r):
    r.cells = [cell for cell in r.cells if cell.cell_type == "code" or "nbgrader" not in cell.metadata]


DEF, DOC, STUB = f"def {FIRST}(x, h, W_x, W_h, b):\n", '    """Doc."""\n', "    raise NotImplementedError\n"
MODEL_LINE = "return np.tanh(x @ W_x + h @ W_h + b)"
BREAK = {  # what is done to a sound pair of source and release, and a part of the sentence that it must get
    "another number of points": (check(points=9), "9 points in the"),
    "an exercise forgotten": (drop(FIRST), f"{FIRST} is in the catalogue but"),
    "an answer forgotten": (drop(f"{FIRST}-answer"), f"grade_id {FIRST}-answer"),
    "an exercise twice": (repeat, "2 cells have the grade_id"),
    "two cells with one id": (lambda s, r: r.cells[5].update(id=r.cells[3].id), "2 cells have the id"),
    "not an exercise": (check(grade_id="x"), "x is not an exercise"),
    "a solved stub": (answer(DEF + DOC + "    return 1"), "does not raise NotImplementedError"),
    "no function in a stub": (answer("raise NotImplementedError"), "does not define"),
    "other arguments": (answer(DEF.replace("x, h, ", "x, ") + DOC + STUB), "the reference x, h, W_x, W_h, b"),
    "no docstring": (answer(DEF + STUB), "has no docstring"),
    "not Python": (answer("def"), "is not valid Python"),
    "another check": (lambda s, r: cell_of(r, FIRST).update(source="1.0"), f"the check of {FIRST} is not"),
    "check before answer": (
        lambda s, r: r.cells.insert(0, r.cells.pop(r.cells.index(cell_of(r, FIRST)))),
        "before its",
    ),
    "a leak in the prose": (prose(f"Write `{MODEL_LINE}`."), "a line of a model answer is in the release"),
    "a leak in metadata": (lambda s, r: r.cells[2].metadata.update(old=MODEL_LINE), "a line of a model answer"),
    "a heading in the way": (prose(f"## `{FIRST}`"), "formgrader takes no grade for"),
    "a dead label": (prose("[x](https://a.io/book/01-rnn.html#rnn-nowhere)"), "no label (rnn-nowhere)="),
    "a dead chapter": (prose("[x](https://a.io/book/77-none.html)"), "which book/ hasn't"),
    "a relative link": (prose("[x](../data/a.csv)"), "isn't there in Colab"),
    "a path of one machine": (lambda s, r: r.metadata.update(path="/home/ada/course"), "/home/ada/course"),
    "outputs": (lambda s, r: cell_of(s, FIRST).update(outputs=[new_output("stream", text="7")]), "has outputs: clear"),
    "an old format": (lambda s, r: r.update(nbformat_minor=4), "format 4.4"),
    "no written question": (without_written_questions, "no written question"),
    "no summary": (lambda s, r: r.cells.insert(-1, new_code_cell("1 + 1", id="sum")), "last code cell is not summary"),
}


@pytest.mark.parametrize("what", BREAK)
def test_what_is_wrong_is_said(real, what):
    spoil, sentence = BREAK[what]
    source, released = map(deepcopy, real)
    spoil(source, released)
    found = defects(source, released)
    assert any(sentence in defect for defect in found), found


def test_unsound_assignments_leave_everything_as_it_was(tmp_path):
    root = make_course(tmp_path / "course")
    old = root / "exercises" / NAME / f"{NAME}.ipynb"
    write(nbformat.v4.new_notebook(), old)
    before = old.read_bytes()
    with pytest.raises(Defective) as error:
        release([], root)
    assert any("double is not an exercise of 00-sample in the catalogue" in defect for defect in error.value.defects)
    assert old.read_bytes() == before
    assert sorted(path.name for path in root.iterdir()) == ["exercises", "nbgrader_config.py", "solutions"]
    assert [path.name for path in (root / "exercises").iterdir()] == [NAME]


def test_unknown_and_damaged_assignments(tmp_path):
    root = make_course(tmp_path / "course")
    with pytest.raises(BadInput, match="did you mean '00-sample'"):
        release(["00-smaple"], root)
    (root / "solutions" / NAME / f"{NAME}.ipynb").write_text("not a notebook")
    with pytest.raises(BadInput, match="can't be read as a notebook"):
        release([NAME], root)
    shutil.rmtree(root / "solutions" / NAME)
    with pytest.raises(BadInput, match="There is no assignment in"):
        release([], root)
    assert not (root / "exercises").exists()


@pytest.fixture
def trusting(monkeypatch, worker):
    """`release` without its proofs, to see what it writes, and with a worker that is up."""
    monkeypatch.setattr("autograder.grading.release.Worker", lambda environment: nullcontext(worker))
    monkeypatch.setattr("autograder.grading.release.defects_of", lambda *_: [])
    monkeypatch.setattr("autograder.grading.release.score_defects", lambda *_: [])


def test_writing_checking_and_writing_again(tmp_path, trusting, blank):
    root = make_course(tmp_path / "course")
    made = root / "exercises" / NAME / f"{NAME}.ipynb"
    assert release([], root) == [NAME]
    assert made.read_text() == nbformat.writes(blank) + "\n"
    assert not (root / "gradebook.db").exists()

    (root / "exercises" / NAME / "left-over.txt").write_text("an older version had this")
    (root / "exercises" / "07-gone").mkdir()
    write(blank, root / "exercises" / "07-gone" / "07-gone.ipynb")
    with pytest.raises(Defective) as error:
        release([], root, check=True)
    assert "exercises/00-sample is not what solutions/00-sample gives" in error.value.defects[0]
    assert "07-gone has no source" in error.value.defects[1]
    assert (root / "exercises" / NAME / "left-over.txt").exists()
    assert release([], root) == [NAME]
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    assert [path.name for path in made.parent.parent.iterdir() if path.name.startswith(".")] == []


def test_a_fork_passes_the_check_before_it_has_released_anything(tmp_path, trusting, monkeypatch):
    root = make_course(tmp_path / "course")
    made = root / "exercises" / NAME / f"{NAME}.ipynb"
    release([], root)
    original = made.read_text()
    monkeypatch.setattr("autograder.grading.release.Worker", Worker)  # started in the fork's environment
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/her-fork")
    assert release([], root, check=True) == []
    made.write_text(original.replace("hand-in", "hands-in"))
    with pytest.raises(Defective, match="is not what"):
        release([], root, check=True)
