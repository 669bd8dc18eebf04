"""What the tests of Colab share: a small book of our own, and the scripts of `book/_ext` on the path."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "tests")]

FRONT = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""
OTHER = """\
(other-top)=
# The other page

$$ z = 1 $$ (eq-other)

```{glossary}
context vector
  The sum of the states, weighted.
```
"""
CONTENTS = """\
format: jb-book
root: book/index
chapters:
  - file: book/other
  - file: book/01-sample
  - file: book/references
"""


@pytest.fixture(autouse=True)
def not_a_fork(monkeypatch):
    """No test depends on where it runs: GitHub Actions sets these."""
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.delenv("GITHUB_SERVER_URL", raising=False)


@pytest.fixture(scope="session")
def write_in():
    """Makes a book in a folder, whose one chapter, `book/01-sample.md`, has the given text; returns the book's root.

    The configuration and the bibliography are the course's own, so that what Sphinx would read is what is read here.
    """

    def make(root: Path, chapter: str) -> Path:
        book = root / "book"
        book.mkdir(exist_ok=True)
        shutil.copy(ROOT / "_config.yml", root)
        shutil.copy(ROOT / "book" / "references.bib", book)
        shutil.copy(ROOT / "book" / "references.md", book)
        (root / "_toc.yml").write_text(CONTENTS, encoding="utf-8")
        (book / "index.md").write_text("# Front\n", encoding="utf-8")
        (book / "other.md").write_text(OTHER, encoding="utf-8")
        (book / "01-sample.md").write_text(chapter if chapter.startswith("---") else FRONT + chapter, encoding="utf-8")
        return root

    return make


@pytest.fixture
def write(write_in, tmp_path):
    """`write_in` a folder of the test's own."""
    return lambda chapter: write_in(tmp_path, chapter)
