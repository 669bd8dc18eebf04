"""What instructor and student click, in a real browser: formgrader, feedback, and the Validate button of JupyterLab."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import expect
from rich.console import Console
from sample_course import CONFINED, NAME, answered, hand_in, make_course

from autograder.grading.grade import grade
from autograder.grading.notebooks import copy_of, write

# The student's own check, which the Validate button runs, has to know the exercises of the sample.
KNOWS_THE_SAMPLE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import sample_exercises
from autograder import catalogue
catalogue.find = {{exercise.name: exercise for exercise in sample_exercises.EXERCISES}}.get"""
PATIENCE = 90_000  # milliseconds: a busy machine starts JupyterLab and a kernel slowly


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page(extra_http_headers={"Authorization": "token secret"})  # for the page's own requests, too
    page.set_default_timeout(PATIENCE)
    # formgrader asks a CDN for MathJax, and shows no grade before there is an answer, good or bad.
    page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
    yield page
    page.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory, gradebook, blank, model):
    """JupyterLab in a course where one student has been graded: its folder and its address."""
    course = make_course(tmp_path_factory.mktemp("lab") / "course", gradebook)
    hand_in(course, "ada", answered(model, why="Because."))
    assert grade([NAME], course, console=Console(file=StringIO()), confined=CONFINED) == 0
    for name, notebook in [("blank", blank), ("model", answered(model, why="Because."))]:
        notebook = copy_of(notebook)
        next(cell for cell in notebook.cells if cell.id == "imports").source += KNOWS_THE_SAMPLE
        write(notebook, course / f"{name}.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}"]
    options += ["--ServerApp.port_retries=0", "--IdentityProvider.token=secret", "--LabApp.news_url="]
    with (course / "lab.log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, cwd=course, stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/api?token=secret", server)
            yield course, address
        finally:
            server.kill()
            server.wait()


# A hand-in that would take over the page on which it is read. Each way in asks for /taken, or sets a variable.
TAKE = "window.taken=1;new Image().src='/taken'"
HTML = f"""
<script>{TAKE}</script><img src=x onerror="{TAKE}">
<svg onload="{TAKE}"><style><img src=x onerror="{TAKE}"></style></svg>
<math><mtext><table><mglyph><style><img src=x onerror="{TAKE}"></style></mglyph></table></mtext></math>
<iframe srcdoc="<script>parent.{TAKE}</script>"></iframe><object data="/taken"></object><embed src="/taken">
<a href="javascript:{TAKE}">a link</a> <a href="data:text/html,<script>{TAKE}</script>">b</a>
<div style="position:fixed;top:0;left:0;width:100%;height:100%" onmouseover="{TAKE}">over all</div>
<div style="background:url(/taken)">behind</div><b id="why">bold</b><img src="/taken">
<form action="/taken"><input id="double" class="score" autofocus onfocus="{TAKE}"><button>c</button></form>
<style>@import "/taken"; .score {{ display: none }}</style><link rel="stylesheet" href="/taken">
<meta http-equiv="refresh" content="0;url=/taken"><base href="/taken/">
"""
MARKDOWN = f"""[d](javascript:{TAKE}) ![e](x\\"onerror=\\"{TAKE}) <javascript:{TAKE}> `<script>` [f]

[f]: javascript:{TAKE}

{HTML}"""
DISPLAYS = f"""
from IPython.display import display
html = {HTML!r}
for kind in ("text/html", "text/markdown", "text/latex", "text/plain", "image/svg+xml", "application/javascript",
             "application/vnd.jupyter.widget-view+json", "text/vnd.mermaid", "application/xml"):
    display({{kind: html}}, raw=True)
display({{"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'><script>{TAKE}</script></svg>"}}, raw=True)
display({{"application/javascript": {TAKE!r}}}, raw=True)
for kind in ("image/png", "image/jpeg"):
    display({{kind: "x\\" onerror=\\"{TAKE}\\" y=\\""}}, raw=True)
    display({{kind: "x"}}, raw=True, metadata={{kind: {{"width": "1 onerror={TAKE}", "height": "1 onload={TAKE}"}}}})
display({{"text/html": html}}, raw=True, metadata={{"text/html": {{"isolated": True}}}})
print(html)
raise Exception(html)
"""

HOSTILE = """() => [...document.querySelectorAll("#notebook *")]
    .filter(one => [...one.attributes].some(
        it => it.name.startsWith("on") || /^\\s*(javascript|data:text)/i.test(it.value)))
    .map(one => one.outerHTML)"""


@pytest.fixture(scope="module")
def hostile(lab, model):
    """A hand-in like that, not graded yet. Its code is right."""
    course, address = lab
    notebook = answered(model, why=MARKDOWN)
    at = next(n for n, cell in enumerate(notebook.cells) if cell.id == "double-answer")
    notebook.cells[at:at] = [
        nbformat.v4.new_code_cell(DISPLAYS),
        nbformat.v4.new_markdown_cell(MARKDOWN + "\n\n![no](attachment:nothing)"),
        nbformat.v4.new_raw_cell(HTML, metadata={"raw_mimetype": "text/html"}),
    ]
    hand_in(course, "eve", notebook)
    nbgrader(course, "generate_assignment", NAME, "--force")
    return course, address


def nbgrader(course, *command):
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *command],
        cwd=course,
        capture_output=True,
        text=True,
        timeout=PATIENCE / 1000,
    )
    assert done.returncode == 0, done.stderr


def wait_for(address, server):
    deadline = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            return urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, "JupyterLab did not start"
            time.sleep(0.2)


def test_formgrader_lists_opens_and_takes_a_manual_grade(lab, page):
    course, address = lab
    page.goto(f"{address}/formgrader/manage_assignments?token=secret")
    page.get_by_text(NAME, exact=True).first.wait_for()
    page.goto(f"{address}/formgrader/gradebook/{NAME}/{NAME}")
    page.get_by_text("Submission #1").click()
    expect(page.locator("input#double")).to_have_attribute("placeholder", "2", timeout=PATIENCE)
    box = page.locator("input#why")
    box.fill("3.5")
    with page.expect_response(lambda response: "/api/grade/" in response.url and response.request.method == "PUT"):
        box.press("Tab")
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        submission = book.find_submission(NAME, "ada")
        assert (submission.score, submission.needs_manual_grade) == (8.5, False)


@pytest.mark.parametrize(
    ("notebook", "says"),
    [
        ("blank", ['check("double", double)', 'check("root", root)', "You did not provide a response."]),
        ("model", ["Success! Your notebook passes all the tests."]),
    ],
)
def test_validate_button(lab, page, notebook, says):
    _, address = lab
    page.goto(f"{address}/lab/tree/{notebook}.ipynb?token=secret&reset")
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Validate").click()
    result = page.locator(".jp-Dialog").filter(has_text="Validation Results")
    result.wait_for()
    text = result.inner_text().replace("\xa0", " ")
    for words in says:
        assert words in text
    assert text.count("The following cell failed") == (3 if notebook == "blank" else 0)


def test_the_autograde_button_gives_the_score_that_the_command_gives(hostile, page):
    course, address = hostile
    page.goto(f"{address}/formgrader/manage_submissions/{NAME}?token=secret")
    page.locator("tr", has_text="eve").locator(".autograde a").click()
    done = page.locator(".modal").filter(has_text="autograd")
    done.wait_for()
    assert "Successfully autograded" in done.inner_text()
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        by_button = {grade.name: grade.auto_score for grade in book.find_submission(NAME, "eve").notebooks[0].grades}
    assert grade([NAME], course, console=Console(file=StringIO()), confined=CONFINED) == 0
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
        by_command = {grade.name: grade.auto_score for grade in book.find_submission(NAME, "eve").notebooks[0].grades}
    assert by_button == by_command == {"double": 2, "root": 3, "why": None}


@pytest.mark.parametrize("where", ["formgrader", "feedback"])
def test_nothing_of_a_hand_in_runs_where_it_is_read(hostile, page, where):
    course, address = hostile
    if not (course / "autograded" / "eve").exists():
        assert grade([NAME], course, console=Console(file=StringIO()), confined=CONFINED) == 0
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: dialog.dismiss())
    if where == "formgrader":
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}", "sample-course") as book:
            notebook_id = book.find_submission(NAME, "eve").notebooks[0].id
        page.goto(f"{address}/formgrader/submissions/{notebook_id}")
        expect(page.locator("input#double")).to_have_attribute("placeholder", "2", timeout=PATIENCE)
        assert page.locator("input#double").count() == page.locator("#why").count() == 1
    else:
        nbgrader(course, "generate_feedback", NAME, "--student", "eve")
        page.goto((course / "feedback" / "eve" / NAME / f"{NAME}.html").as_uri())
        page.get_by_text("Score: 5.0 / 9.0").wait_for()
    for link in page.locator("#notebook a").filter(has_text=re.compile("^(a link|b|d|f)$")).all():
        if link.get_attribute("href"):
            link.click(timeout=PATIENCE)
    page.mouse.move(20, 20)
    report = page.locator("#notebook div[lang=en]").first
    assert "passed 4 of 4 cases" in report.inner_text()
    assert report.evaluate("one => getComputedStyle(one).borderLeftWidth") == "4px"
    assert page.evaluate("window.taken") is None
    assert not [url for url in asked if "taken" in url]
    inside = page.locator("#notebook").first
    for tag in ("script", "iframe", "object", "embed", "form", "style", "link", "meta", "base", "svg", "math"):
        assert inside.locator(tag).count() == 0, tag
    assert page.evaluate(HOSTILE) == []
    assert "over all" in inside.inner_text()  # what was said is there to be read
