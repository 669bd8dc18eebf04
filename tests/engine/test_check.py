"""`check` and `summary` as students and nbgrader meet them."""

import json
import subprocess
import sys
import warnings

import engine_samples as samples
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from nbgrader.utils import determine_grade, get_partial_grade

import autograder
from autograder import catalogue, check, summary
from autograder import check as check_function
from autograder.check import MIME, points


@pytest.fixture(autouse=True)
def course(monkeypatch):
    """A course of the tests' own exercises, and no memory of earlier checks."""
    known = {exercise.name: exercise for exercise in samples.ALL}
    monkeypatch.setattr(catalogue, "find", known.get)
    monkeypatch.setattr(catalogue, "exercises", lambda: known)
    monkeypatch.setattr(catalogue, "of_assignment", lambda name: list(known.values()) if name == "01-rnn" else [])
    monkeypatch.setattr(sys.modules["autograder.check"], "_checked", {})


def test_points_are_a_float_that_nbgrader_reads():
    for earned, most in [(2.0, 2.0), (0.0, 3.0), (0.5, 1.0), (1 / 3, 1.0)]:
        value = points(earned, most)
        bundle = value._repr_mimebundle_()
        assert value == earned and repr(value) == repr(earned) == bundle["text/plain"]
        assert get_partial_grade({"data": bundle}, most) == earned
    assert bundle["text/html"] == "0.333333 of 1 point"


def test_a_right_answer_earns_its_points(capfd):
    assert check("center", samples.center) == 2.0
    out, err = capfd.readouterr()
    assert out == "[passed] center: passed 4 of 4 cases, 2 of 2 points\n" and err == ""


def test_a_wrong_answer_earns_none_and_is_told_why(capfd):
    assert check("center", samples.by_column) == 0.0
    out, err = capfd.readouterr()
    assert "the hint of by_column" in out and err == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("centre", samples.center), "There is no exercise called 'centre'. Did you mean 'center'?"),
        (("nothing like it", samples.center), "There is no exercise called 'nothing like it'."),
        ((samples.center, "center"), 'The two are the wrong way round: write check("center", center), the name first.'),
        ((samples.center,), 'and then your answer: check("center", center).'),
        (("center",), 'check needs your answer too: write check("center", center).'),
        ((3, 4), "check needs the name of the exercise, in quotes"),
    ],
)
def test_misuse_has_its_sentence(arguments, sentence, capfd):
    assert check(*arguments) == 0.0
    out, err = capfd.readouterr()
    assert sentence in out and err == "" and "Traceback" not in out


def test_a_defect_of_ours_is_said_to_be_ours(monkeypatch, capfd):
    broken = samples.exercise(lambda x: 1 / 0, [{"x": 1}], name="broken")
    monkeypatch.setattr(catalogue, "find", {"broken": broken}.get)
    assert check("broken", lambda x: x) == 0.0
    out, err = capfd.readouterr()
    assert "the course's fault and not yours" in out and "ZeroDivisionError" in out and err == ""


def test_a_keyboard_interrupt_passes_through():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("center", interrupted)


def test_noise_of_the_candidate_reaches_nobody(capfd):
    def noisy(x):
        print("a word")
        print("an error", file=sys.stderr)
        warnings.warn("a warning", stacklevel=1)
        return samples.center(x) + np.log(np.zeros(1)) * 0 if x.size > 4 else samples.center(x)

    check("center", noisy)
    out, err = capfd.readouterr()
    assert err == "" and "a word" in out and "an error" not in out


def test_a_terminal_that_lacks_a_character_does_not_stop_a_check(monkeypatch):
    import io

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    check("center", lambda x: {}["中"])
    sys.stdout.flush()
    assert b"KeyError: '?'" in raw.getvalue()


def test_the_summary_shows_what_was_checked(capfd):
    check("center", samples.center)
    check("gate", samples.gate_detached)
    summary("01-rnn")
    out, err = capfd.readouterr()
    assert err == ""
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "center passed 2 2" in lines and "total 2 20" in lines and "rows not checked yet 0 2" in lines


def test_an_unknown_assignment_has_its_sentence(capfd):
    for name in ("1-rnn", 3):
        summary(name)
        assert "There is no assignment called" in capfd.readouterr().out


def test_the_package_offers_two_names():
    assert autograder.__all__ == ["check", "summary"] and autograder.check is check_function


def test_starting_costs_neither_torch_nor_a_chapter_nor_jupyter():
    code = (
        "import sys, autograder; loaded = set(sys.modules);"
        "late = {'torch', 'IPython', 'nbformat', 'nbgrader', 'autograder.colab', 'autograder.grading'};"
        "assert not loaded & late, loaded & late;"
        "assert not [m for m in loaded if m.startswith(('autograder.catalogue.', 'autograder.reference'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- in a real kernel ---------------------------------------------------------------------------------------------

SETUP = """
import sys
sys.path.insert(0, {folder!r})
import engine_samples as samples
from autograder import catalogue, check, summary
known = {{e.name: e for e in samples.ALL}}
catalogue.find = known.get
catalogue.of_assignment = lambda name: list(known.values())
"""

NOISY = """
import logging, os

def noisy(x):
    os.write(2, b"from C")
    os.system("echo from a process >&2")
    logging.error("a log")
    print("an error", file=sys.stderr)
    display("a figure")
    return samples.center(x)

check("center", noisy)
"""

ENDLESS = """
import autograder.probe
autograder.probe.observe.__defaults__ = ("function", 0.3)

def endless(x):
    while True:
        pass

check("center", endless)
"""


def graded(source):
    cell = new_code_cell(source)
    cell.metadata["nbgrader"] = {"grade": True, "solution": False, "locked": True, "points": 2, "grade_id": "x"}
    return cell


@pytest.fixture(scope="module")
def notebook(request):
    """A notebook that was run in a kernel."""
    cells = [
        new_code_cell(SETUP.format(folder=str(request.path.parent))),
        graded('check("center", samples.center)'),
        graded('check("center", samples.by_column)'),
        graded('check("centre", samples.center)'),
        new_code_cell("%precision 1\nimport warnings; warnings.simplefilter('always')"),
        graded(NOISY),
        graded(ENDLESS),
        graded("check()"),
        graded('check("center", lambda x: x[[99]])'),
        new_code_cell('summary("01-rnn")'),
    ]
    made = new_notebook(cells=cells)
    NotebookClient(made, timeout=120, kernel_name="python3", allow_errors=True).execute()
    return made


def test_nbgrader_reads_the_points(notebook):
    grades = [determine_grade(cell) for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert grades[:5] == [(2.0, 2.0), (0.0, 2.0), (0.0, 2.0), (2.0, 2.0), (0.0, 2.0)]


def test_a_check_leaves_nothing_on_stderr_and_no_traceback(notebook):
    for cell in notebook.cells[1:7]:
        for output in cell.outputs:
            assert output.output_type in ("display_data", "execute_result") or output.get("name") == "stdout"


def test_a_notebook_shows_html_text_and_a_friendly_result(notebook):
    report, result = notebook.cells[2].outputs
    assert report.output_type == "display_data" and result.output_type == "execute_result"
    assert "This looks like a known mistake" in report.data["text/plain"] and "<table" in report.data["text/html"]
    assert report.data[MIME]["standing"] == "passed 0 of 4 cases: by_column"
    assert result.data == {"text/plain": "0.0", "text/html": "0 of 2 points"}
    json.dumps(report.data)
    nbformat.validate(notebook)


def test_what_a_candidate_displays_is_not_shown(notebook):
    assert [output.output_type for output in notebook.cells[5].outputs] == ["display_data", "execute_result"]


def test_an_endless_loop_is_stopped_in_a_kernel(notebook):
    assert "Is there a loop that never ends?" in notebook.cells[6].outputs[0].data["text/plain"]


def test_check_without_arguments_has_its_sentence(notebook):
    assert "check needs the name of the exercise" in notebook.cells[7].outputs[0].text


def test_an_exception_is_shown_with_its_line_of_the_cell(notebook):
    told = " ".join(notebook.cells[8].outputs[0].data["text/plain"].split())
    assert "in line 1 of its cell. IndexError" in told and 'check("center", lambda x: x[[99]])' in told


def test_the_summary_is_a_table_in_a_notebook(notebook):
    (shown,) = notebook.cells[9].outputs
    assert "<table" in shown.data["text/html"] and "total" in shown.data["text/plain"]
