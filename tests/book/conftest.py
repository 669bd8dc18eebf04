"""What the tests of the book share: a built sample with everything in it, a server."""

import functools
import http.server
import shutil
import sys
import threading
from pathlib import Path

import bare
import pytest
from building import build_book

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).parent / "sample"
sys.path.insert(0, str(ROOT / "book" / "_ext"))


def make_project(folder: Path, pages: dict[str, str]) -> Path:
    """A book of its own in ``folder``, with this repository's configuration and extensions, and ``pages`` by name."""
    (folder / "book").mkdir(parents=True)
    shutil.copy(ROOT / "_config.yml", folder)
    for name in ("_ext", "_static", "references.md", "references.bib"):
        (folder / "book" / name).symlink_to(ROOT / "book" / name)
    chapters = "".join(f"  - file: book/{name}\n" for name in [*pages, "references"] if name != "index")
    (folder / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{chapters}")
    for name, text in pages.items():
        (folder / "book" / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def sample_project(tmp_path_factory) -> Path:
    """The sample book, built. It has notebooks for Colab and of an assignment, which are not looked into here."""
    pages = {path.stem: path.read_text(encoding="utf-8") for path in sorted(SAMPLE.glob("*.md"))}
    project = make_project(tmp_path_factory.mktemp("sample") / "project", pages)
    for folder in ("book/colab", "exercises/01-sample"):
        (project / folder).mkdir(parents=True)
        (project / folder / "01-sample.ipynb").write_text('{"cells": []}')
    runner = bare.Runner.bare(tmp_path_factory.mktemp("environments"), "nowhere")
    built = build_book(project, project, runner, GITHUB_REPOSITORY="someone/her-fork")
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return project


@pytest.fixture(scope="session", params=["sample", "book"])
def site(request) -> Path:
    """The folder of built pages: first the sample's, then the real book's."""
    if request.param == "sample":
        return request.getfixturevalue("sample_project") / "_build" / "html"
    return request.getfixturevalue("book_html")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def serve():
    """``serve(folder)`` gives the address at which the folder's files are served, until the tests end."""
    servers = {}

    def start(folder: Path) -> str:
        if folder not in servers:
            handler = functools.partial(QuietHandler, directory=str(folder))
            servers[folder] = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=servers[folder].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[folder].server_port}"

    yield start
    for server in servers.values():
        server.shutdown()
