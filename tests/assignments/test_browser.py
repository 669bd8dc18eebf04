"""What instructor and student click, in a real browser: formgrader, and the Validate button of JupyterLab."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from io import StringIO
from pathlib import Path

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
    page = browser.new_page()
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
