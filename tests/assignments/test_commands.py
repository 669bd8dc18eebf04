"""The instructor's commands as typed: exit statuses, and where the words go."""

import nbformat
import pytest
from by_value import as_answer
from sample_course import CONFINED, cell_of, hand_in

from autograder.__main__ import main
from autograder.catalogue import exercises
from autograder.grading.config import REPOSITORY
from autograder.grading.grade import Journal
from autograder.grading.notebooks import copy_of, solved

RNN = "01-rnn"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["release", "01-rnm"], "did you mean '01-rnn'?"),
        (["grade", "01-rnm"], "did you mean '01-rnn'?"),
        (["grade", "01-rnn", "--course", "/no/such/folder"], "There is no course directory /no/such/folder"),
    ],
)
def test_bad_input_is_one_sentence_on_stderr_and_status_2(command, words, capsys):
    assert main(command) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert len(shown.err.splitlines()) == 1


def test_grading_real_hand_ins_in_a_folder_without_sources_or_settings(tmp_path, capsys):
    """The repository's own assignment: half solved, and each exercise answered with its first known mistake."""
    source, released = (
        nbformat.read(REPOSITORY / folder / RNN / f"{RNN}.ipynb", as_version=4) for folder in ("solutions", "exercises")
    )
    asked = [exercise for exercise in exercises().values() if exercise.assignment == RNN]
    half, wrong = solved(released, source), copy_of(released)
    for number, exercise in enumerate(asked):
        answer = f"{exercise.name}-answer"
        if number % 2:
            cell_of(half, answer).source = cell_of(released, answer).source
        cell_of(wrong, answer).source = as_answer(exercise.name, exercise.mistakes[0].candidate)
    hand_in(tmp_path, "half", half, RNN)
    hand_in(tmp_path, "wrong", wrong, RNN)
    unsafe = [] if CONFINED else ["--unsafe-no-sandbox"]
    assert main(["grade", RNN, "--course", str(tmp_path), *unsafe]) == 0
    assert "2 graded, 0 not graded" in capsys.readouterr().out
    found = Journal(tmp_path / "autograded" / ".journal" / f"{RNN}.jsonl").outcomes
    assert found["half"].code_score == sum(exercise.points for exercise in asked[::2])
    assert found["wrong"].code_score == 0
    graded = (tmp_path / "autograded" / "wrong" / RNN / f"{RNN}.ipynb").read_text(encoding="utf-8")
    for exercise in asked:
        assert exercise.mistakes[0].name in graded
