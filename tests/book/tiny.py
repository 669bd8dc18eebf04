"""Tiny books, built by Sphinx in this process, for the tests of single extensions."""

import contextlib
import io
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

HEAD = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

"""


def chapter(*cells: str, head: str = HEAD) -> str:
    """A page with these code cells."""
    return head + "\n\n".join(f"```{{code-cell}}\n{cell}\n```" for cell in cells) + "\n"


def build(folder: Path, extension: str, **pages: str) -> tuple[int, str]:
    """Write the pages and build them with -W --keep-going; the exit status, and what a terminal would show."""
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    listed = "\n".join(sorted(pages))
    (source / "index.md").write_text(f"# Front page\n\n```{{toctree}}\n{listed}\n```\n")
    for name, text in pages.items():
        path = source / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    settings = {
        "extensions": f"myst_nb,{extension}",
        "html_theme": "basic",
        "nb_execution_mode": "cache",
        "nb_execution_timeout": "20",
        "nb_execution_raise_on_error": "1",
        "nb_output_stderr": "error",
    }
    arguments = ["-C", "-W", "--keep-going", "-N", "-d", str(folder / "doctrees"), str(source), str(folder / "html")]
    output = io.StringIO()
    path = sys.path[:]
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = build_main(["-b", "html", *(f"-D{name}={value}" for name, value in settings.items()), *arguments])
    except SystemExit as stop:
        return 1, output.getvalue() + str(stop)
    finally:
        sys.path[:] = path
    return status, output.getvalue()
