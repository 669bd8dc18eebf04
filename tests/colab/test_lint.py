"""The check of notebooks in git: what it lets pass, and that each thing it forbids is found."""

import json
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import lint_notebooks


@pytest.fixture
def clean():
    """A small notebook as it should be."""
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    cells = [nbformat.v4.new_markdown_cell("# One", id="one"), nbformat.v4.new_code_cell("1 + 1", id="two")]
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def test_every_notebook_in_git_is_clean(capsys):
    assert lint_notebooks.main([]) == 0, capsys.readouterr().out


def test_a_clean_notebook_passes(clean):
    assert lint_notebooks.problems(nbformat.writes(clean) + "\n") == []


def output(notebook):
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="2")]


def count(notebook):
    notebook.cells[1].execution_count = 1


def repeated_id(notebook):
    notebook.cells[1].id = "one"


def no_id(notebook):
    del notebook.cells[1]["id"]


def old_format(notebook):
    notebook.nbformat_minor = 4


def colab_trace(notebook):
    notebook.metadata["colab"] = {"provenance": []}


def editor_trace(notebook):
    notebook.cells[0].metadata["vscode"] = {}


def attachment(notebook):
    notebook.cells[0]["attachments"] = {"a.png": {"image/png": ""}}


def foreign_kernel(notebook):
    notebook.metadata["kernelspec"]["name"] = "my-env"


def broken_cell(notebook):
    notebook.cells[0]["source"] = 3


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (output, "outputs"),
        (count, "execution count"),
        (repeated_id, "the id one"),
        (no_id, "without an id"),
        (old_format, "4.4"),
        (colab_trace, "colab"),
        (editor_trace, "vscode"),
        (attachment, "attachment"),
        (foreign_kernel, "kernel"),
        (broken_cell, "not valid"),
    ],
)
def test_each_flaw_is_found(clean, spoil, word):
    spoil(clean)
    found = lint_notebooks.problems(json.dumps(clean))
    assert found and word in found[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}'])
def test_what_is_no_notebook_is_said_to_be_none(text):
    assert lint_notebooks.problems(text) == ["is no notebook"]


def test_another_way_of_writing_is_found(clean):
    found = lint_notebooks.problems(json.dumps(clean, indent=4))
    assert len(found) == 1 and "every save would change it" in found[0]


def test_the_command_names_the_file_and_fails(clean, tmp_path, capsys):
    output(clean)
    file = tmp_path / "seen.ipynb"
    nbformat.write(clean, file)
    assert lint_notebooks.main([str(file)]) == 1
    assert f"{file} has outputs" in capsys.readouterr().out
    assert lint_notebooks.main([str(tmp_path / "missing.ipynb")]) == 1
