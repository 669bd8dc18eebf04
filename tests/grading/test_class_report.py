"""``autograder report``: its figures are right, nothing of a student's is markup, and everybody can read the page."""

import json
import os
import random
from datetime import datetime, timezone
from textwrap import dedent

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from nbgrader.api import Gradebook
from sample_course import CONFINED, NAME, answered, hand_in, make_course
from sample_exercises import EXERCISES

from autograder.__main__ import main
from autograder.grading import likeness
from autograder.grading.likeness import FEW, Question, alike, code_form
from autograder.grading.page import page, write_page
from autograder.grading.report import HandIn, Known, Part, Report, correlation, reports

HOSTILE = "<img src=x onerror=alert(1)>"
TURNED = "eve\u202e"  # what follows would be shown from right to left

# ---- figures --------------------------------------------------------------------------------------------------------


def test_the_correlation_is_the_point_biserial_one():
    chance = random.Random(3)
    for _ in range(20):
        right = [float(chance.random() < 0.6) for _ in range(40)]
        rest = [chance.uniform(0, 10) + 3 * one for one in right]
        found = correlation([2 * one for one in right], rest)
        scored, failed = ([r for one, r in zip(right, rest, strict=True) if one == end] for end in (1, 0))
        p = np.mean(right)
        by_hand = (np.mean(scored) - np.mean(failed)) / np.std(rest) * np.sqrt(p * (1 - p))
        assert found == pytest.approx(by_hand)


def test_there_is_no_correlation_without_enough_to_go_by():
    assert correlation([0.0, 1.0] * 4, list(range(8))) is None
    assert correlation([1.0] * 20, list(range(20))) is None
    assert correlation([0.0, 1.0] * 10, [5.0] * 20) is None


# ---- answers in common ----------------------------------------------------------------------------------------------

LONG = '''
def clip(grads, limit):
    """Clips."""
    total = 0.0
    for grad in grads:  # each of them
        total = total + (grad * grad).sum()
    norm = total ** 0.5
    if norm > limit:
        return [grad * limit / norm for grad in grads], norm
    return [grad * 1.0 for grad in grads], norm
'''
RENAMED = """
def clip(gs, most, *, unused: int = 0) -> list:
    s   =   0.0
    for g in gs:
        s = s + (g*g).sum()
    n = s**0.5
    if n > most:
        return [g*most/n for g in gs], n
    return [g*1.0 for g in gs], n
""".replace(", *, unused: int = 0", "")
OTHER = LONG.replace("> limit", ">= limit")
GIVEN = "def clip(grads, limit):\n    ### BEGIN SOLUTION\n    return the_model(grads, limit)\n    ### END SOLUTION\n"


def test_layout_comments_docstrings_annotations_and_names_make_no_difference():
    assert code_form(LONG).key == code_form(RENAMED).key
    assert code_form(LONG).size > likeness.LONG


@pytest.mark.parametrize(("old", "new"), [(">", ">="), ("0.5", "2"), ("grad * grad", "grad * norm"), ("sum", "mean")])
def test_what_an_answer_does_makes_a_difference(old, new):
    assert code_form(LONG).key != code_form(LONG.replace(old, new, 1)).key


@pytest.mark.parametrize(
    "source", ["", "def f(:", "(" * 5000, "x = " + "-" * 9000 + "1", "\0", "x" * 60_000, "\ud800", r"x = '\d'", "%time"]
)
def test_any_source_has_a_form(source, recwarn):
    assert code_form(source).key == code_form(source).key
    assert not recwarn


def groups(answers, *names, code=True):
    questions = [Question(name, code, GIVEN if code else "Why?") for name in names]
    found, as_model = alike(questions, answers)
    return [(group.students, [(same.answer, same.to_the_letter) for same in group.same]) for group in found], as_model


def class_of(**answers):
    """A class in which nobody else wrote anything alike."""
    others = {
        f"other-{n}": {"a": LONG.replace("0.5", f"0.5{n}"), "b": LONG.replace("1.0", f"1.{n}")} for n in range(1, 10)
    }
    return others | answers


def test_two_longer_answers_in_common_are_a_reason_to_look_and_one_is_none():
    both = class_of(ada={"a": LONG, "b": OTHER}, bob={"a": RENAMED, "b": OTHER})
    assert groups(both, "a", "b")[0] == [(("ada", "bob"), [("a", False), ("b", True)])]
    assert groups(both, "a")[0] == []
    three = both | {"cy": {"a": RENAMED, "b": OTHER + "# mine"}}
    assert groups(three, "a", "b")[0] == [(("ada", "bob", "cy"), [("a", False), ("b", False)])]


def test_short_answers_always_coincide_and_are_left_out():
    short = "def clip(grads, limit):\n    return [min(grad, limit) for grad in grads]"
    assert groups(class_of(ada={"a": short, "b": short}, bob={"a": short, "b": short}), "a", "b") == ([], {})


def test_the_usual_way_of_writing_it_is_left_out():
    many = {f"s{n}": {"a": LONG, "b": OTHER} for n in range(FEW + 1)}
    assert groups(class_of(**many), "a", "b")[0] == []
    few = {f"s{n}": {"a": LONG, "b": OTHER} for n in range(FEW)}
    assert len(groups(class_of(**few), "a", "b")[0]) == 1


def test_the_model_answer_is_told_apart():
    model = LONG.replace("    total = 0.0", "    ### BEGIN SOLUTION\n    total = 0.0") + "    ### END SOLUTION\n"
    questions = [Question(name, True, model) for name in "ab"]
    found, as_model = alike(questions, class_of(ada={"a": LONG, "b": RENAMED}, bob={"a": LONG, "b": RENAMED}))
    assert found == []
    assert as_model == {"ada": ["a", "b"], "bob": ["a", "b"]}


def test_what_the_exercise_gives_does_not_count():
    given = (
        LONG.replace("    return [grad * 1.0", "    ### BEGIN SOLUTION\n    return [grad * 1.0") + "### END SOLUTION\n"
    )
    questions = [Question(name, True, given) for name in "ab"]
    mine = LONG.replace("1.0", "2.0")
    assert alike(questions, class_of(ada={"a": mine, "b": mine}, bob={"a": mine, "b": mine}))[0] == []


def test_a_written_answer_in_common_is_enough():
    words = " ".join(f"word{n}" for n in range(likeness.LONG_TEXT))
    texts = {
        "ada": {"why": f"Why?\n\n{words}"},
        "bob": {"why": f"Why?\n{words.upper()}."},
        "cy": {"why": "Why?\n\nNo."},
    }
    assert groups(texts, "why", code=False)[0] == [(("ada", "bob"), [("why", False)])]
    asked = {student: {"why": "Why?"} for student in "xyz"}
    assert groups(asked, "why", code=False)[0] == []


# ---- a graded class -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory, gradebook, model):
    """A class of which everything that a report speaks of is true, graded."""
    course = make_course(tmp_path_factory.mktemp("report") / "course", gradebook)
    hand_in(course, "ada", answered(model, why="Because."))
    hand_in(course, "bob", answered(model, root="def root(x):\n    return x / 2"))
    hand_in(course, HOSTILE, answered(model, root="def root(x):\n    return x / 2  # </td><script>alert(2)</script>"))
    hand_in(course, TURNED, answered(model, double="def double(x):\n    raise ValueError('<b>bold</b>')"))
    hand_in(course, "cy", answered(model, double="def double(x):\n    raise NotImplementedError()"))
    hand_in(course, "di", b"")
    calls = answered(model, double="import operator\ndef double(x):\n    return operator.mul(2, x)")
    hand_in(course, "fay", calls).with_name("timestamp.txt").write_text("<script>alert(3)</script>")
    unsafe = [] if CONFINED else ["--unsafe-no-sandbox"]
    assert main(["grade", NAME, "--course", str(course), *unsafe]) == 0
    hand_in(course, "late", model)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        book.add_student("zoe")
        written = book.find_grade("why", NAME, NAME, "ada")
        written.manual_score, written.needs_manual_grade = 4.0, False
        book.db.commit()
    return course


@pytest.fixture
def mine(course, tmp_path):
    """A copy of the graded class to damage."""
    import shutil

    return shutil.copytree(course, tmp_path / "course", symlinks=True)


def test_the_facts(course):
    (one,) = reports([NAME], course)
    assert (one.name, one.most, one.most_checks, one.torn) == (NAME, 9, 5, 0)
    assert {hand_in.student: hand_in.score for hand_in in one.graded} == {
        "ada": 9, "bob": 2, "cy": 3, "fay": 5, HOSTILE: 2, TURNED: 3,
    }  # fmt: skip
    assert [(hand_in.student, hand_in.reason) for hand_in in one.refused] == [("di", f"{NAME}.ipynb is empty.")]
    assert (one.waiting, one.absent) == (["late"], ["zoe"])
    double, root, why = one.parts
    assert (double.called, root.called) == ((("operator.mul", ("fay",)),), ())
    assert (double.ease, root.ease, why.ease, why.count) == (4 / 6, 4 / 6, 1, 1)
    assert double.kinds == {"right": 4, "an error": 1, "not written": 1}
    assert root.kinds == {"right": 4, "a known mistake": 2}
    (halved,) = root.known
    assert (halved.mistake.name, halved.students) == ("halved", (HOSTILE, "bob"))
    assert halved.address.endswith("00-sample.html#sample")
    assert (double.discrimination, root.discrimination) == (None, None)  # six hand-ins are too few


def test_all_assignments_are_those_that_are_graded(course):
    assert [one.name for one in reports([], course)] == [NAME]


def test_nothing_that_a_student_wrote_is_markup(course):
    content = write_page([NAME], course).read_text(encoding="utf-8")
    soup = BeautifulSoup(content, "lxml")
    assert not soup.find_all(["script", "img", "b"])
    assert HOSTILE in soup.get_text()
    assert "<script>alert(3)</script>" in soup.get_text()  # from the remark on fay's timestamp
    assert "\u202e" not in content and "eve\N{REPLACEMENT CHARACTER}" in content
    assert not [tag for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")]


def test_the_command_prints_where_the_page_is(course, tmp_path, capsys):
    assert main(["report", "--course", str(course)]) == 0
    path = course / "reports" / f"{NAME}.html"
    assert capsys.readouterr().out.split() == [str(path)]
    assert path.stat().st_mode & 0o077 == 0  # it names students
    there = tmp_path / "here" / "class.html"
    assert main(["report", NAME, "--course", str(course), "--out", str(there)]) == 0
    assert "halved" in there.read_text(encoding="utf-8")
    assert os.listdir(there.parent) == ["class.html"]


# ---- what is damaged ------------------------------------------------------------------------------------------------


def journal(course):
    return course / "autograded" / ".journal" / f"{NAME}.jsonl"


def test_a_torn_line_costs_its_remark_and_is_said(mine):
    with journal(mine).open("ab") as file:
        file.write(b'{"student": "ada", "fing\n\xff\xfe\n[1]\n' + json.dumps({"student": "bob"}).encode() + b"\n")
    (one,) = reports([NAME], mine)
    assert one.torn == 3
    assert "3 lines of the journal can't be read" in write_page([NAME], mine).read_text(encoding="utf-8").replace(
        "&#x27;", "'"
    )


def test_without_a_journal_the_reasons_are_those_in_the_notebooks(mine):
    journal(mine).unlink()
    (one,) = reports([NAME], mine)
    assert [(hand_in.student, hand_in.reason) for hand_in in one.refused] == [("di", f"{NAME}.ipynb is empty.")]


def test_a_graded_notebook_that_is_damaged_or_gone(mine):
    (mine / "autograded" / "bob" / NAME / f"{NAME}.ipynb").write_text("{")
    (mine / "autograded" / "cy" / NAME / f"{NAME}.ipynb").unlink()
    (one,) = reports([NAME], mine)
    damaged = {hand_in.student: hand_in.notes for hand_in in one.graded if hand_in.student in ("bob", "cy")}
    assert all("can't be read" in notes[0] for notes in damaged.values())
    assert one.parts[0].kinds["not checked"] == 2
    assert one.parts[0].ease == 4 / 6  # the points are in the gradebook


def test_a_forged_report_in_a_students_own_cell_is_not_read(mine):
    path = mine / "autograded" / "bob" / NAME / f"{NAME}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    forged = {"application/vnd.keep-the-attention.check+json": {"passed": True, "mistakes": []}}
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade"):
            cell.outputs = [nbformat.v4.new_output("display_data", forged)]
    nbformat.write(notebook, path)
    (one,) = reports([NAME], mine)
    assert one.parts[1].kinds == {"right": 4, "a known mistake": 2}


def test_a_hand_in_that_is_half_graded_is_not_graded(mine):
    with Gradebook(f"sqlite:///{mine / 'gradebook.db'}", "sample-course") as book:
        book.find_grade("root", NAME, NAME, "bob").auto_score = None
        book.db.commit()
    (one,) = reports([NAME], mine)
    assert one.waiting == ["bob", "late"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda course: journal(course).write_bytes(b"\xff\n{"), "is damaged: put a copy in its place"),
        (lambda course: (course / "gradebook.db").write_text("marks: all excellent" * 50), "is not a gradebook"),
        (
            lambda course: (course / "gradebook.db").unlink(),
            "Nothing is graded yet for 00-sample: run autograder grade",
        ),
        (lambda course: (course / "nbgrader_config.py").write_text("1 / 0"), "can't be used: ZeroDivisionError"),
        (lambda course: (course / "reports").write_text("a file"), "can't be written"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(mine, capsys, damage, words):
    import shutil

    shutil.rmtree(mine / "reports", ignore_errors=True)
    damage(mine)
    assert main(["report", NAME, "--course", str(mine)]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and words in shown.err and len(shown.err.splitlines()) == 1


def test_requests_that_cant_be_met(mine, tmp_path, capsys):
    assert main(["report", "0-sampel", "--course", str(mine)]) == 2
    assert "did you mean '00-sample'?" in capsys.readouterr().err
    assert main(["report", "--course", "/no/such/folder"]) == 2
    assert "There is no course directory" in capsys.readouterr().err
    fresh = make_course(tmp_path / "fresh" / "course")
    assert main(["report", "--course", str(fresh)]) == 2
    assert "Nothing is graded yet: run autograder grade" in capsys.readouterr().err
    assert not (fresh / "gradebook.db").exists()


# ---- in a browser ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full_page(tmp_path_factory):
    """Two assignments with everything that a report can say, long and hostile names among it."""
    chance = random.Random(5)
    students = [f"student-{n:02}" for n in range(30)] + [HOSTILE, TURNED, "n" * 200, "名" * 40]
    root = EXERCISES[1]
    hand_ins = [
        HandIn(
            student,
            score=chance.randint(0, 9),
            notes=[f"timestamp.txt says {HOSTILE!r}, which is no time."] * (n % 9 == 0),
            marks={"double": 2.0 * (n % 3 > 0), "root": 3.0 * (n % 2), "why": 0.0},
            unread={"why"} if n % 4 == 0 else set(),
        )
        for n, student in enumerate(students)
    ]
    known = Known(root.mistakes[0], tuple(students), "https://example.org/book/00.html#sample", "sample")
    parts = [
        Part("double", 2, False, 34, 0.66, -0.123, {"right": 23, "wrong shape": 11}, (), "https://example.org/#a"),
        Part(
            "a_" + root.name * 8,
            3,
            False,
            34,
            0.5,
            None,
            {"right": 17, "a known mistake": 17},
            (known,),
            "",
            (("math.sqrt", (HOSTILE,)),),
        ),
        Part("why", 4, True, 20, None, None, {}, ()),
    ]
    same = likeness.Same("double-answer", tuple(students[-3:]), True)
    made = [
        Report(
            name, 9, hand_ins, [HandIn("di", reason=f"{HOSTILE}.ipynb is empty.")], ["late"], ["zoe"], parts,
            [likeness.Group(tuple(students[-4:]), (same, same))], {HOSTILE: ["double-answer"]}, 1,
        )
        for name in ("00-sample", "01-other")
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("page") / "all.html"
    path.write_text(page("a <course>", made, datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)), encoding="utf-8")
    return path


AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_is_accessible_quiet_and_fits(full_page, browser, scheme, width):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    view = context.new_page()
    problems, outside = [], []
    view.on("console", lambda message: problems.append(message.text))
    view.on("pageerror", lambda error: problems.append(str(error)))
    view.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
    view.on("request", lambda request: outside.append(request.url) if request.url != full_page.as_uri() else None)
    view.goto(full_page.as_uri())
    for opened in (False, True):
        view.evaluate("open => document.querySelectorAll('details').forEach(fold => { fold.open = open })", opened)
        wide, screen = view.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= screen
        findings = Axe().run(view, None, AXE_OPTIONS).response["violations"]
        assert [(f["id"], [node["html"][:150] for node in f["nodes"][:3]]) for f in findings] == []
    assert (problems, outside) == ([], [])
    context.close()


def test_everything_is_reached_by_keyboard_and_without_scripts(full_page, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, java_script_enabled=False)
    view = context.new_page()
    view.goto(full_page.as_uri())
    fold = view.locator("summary").first
    fold.focus()
    assert fold.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    view.keyboard.press("Enter")
    assert view.locator("details").first.get_attribute("open") is not None
    boxes = view.locator(".wide")
    assert boxes.count() >= 8
    assert all(box.get_attribute("tabindex") == "0" for box in boxes.all())
    context.close()


def test_the_page_says_what_is_in_the_report(full_page):
    soup = BeautifulSoup(full_page.read_text(encoding="utf-8"), "lxml")
    told = soup.get_text(" ")
    for words in (
        "a <course>, 2026-01-02 03:04 UTC",
        "66 %",
        "−0.12",
        "34 × halved",
        "Half of a number is not its root.",
    ):
        assert words in told, words
    for words in ("a reason to look, not a verdict", "1 line of the journal", "names and comments, too", "math.sqrt"):
        assert words in told, words
    assert len(soup.find_all("h2")) == 2
    assert {link["href"] for link in soup.select("nav a")} == {f"#{title['id']}" for title in soup.find_all("h2")}
    assert dedent(soup.title.string) == "Report on all assignments"
