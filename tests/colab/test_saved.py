"""Notebooks come back from Colab and VS Code with other metadata than they left with: `autograder check` does not mind.

The forms are those that the editors write. Colab saves as nbformat 4.0, with ids and outputs of its own as metadata;
VS Code names the reader's environment, keeps outputs, and leaves cells empty.
"""

import copy
import json

import nbformat
import pytest

from autograder import colab
from autograder.__main__ import main

ANSWER = "def rnn_step(x, h, W_x, W_h, b):\n    return np.tanh(x @ W_x + h @ W_h + b)"


@pytest.fixture(scope="module")
def released():
    """An exercise notebook in which one exercise is solved, as it would stand after the release, before any editor."""
    grade = {"grade": True, "solution": False, "locked": True, "task": False, "schema_version": 3}
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(f"# RNN\n\n{colab.badge('exercises/01-rnn/01-rnn.ipynb')}", id="title"),
            nbformat.v4.new_code_cell(colab.setup_cell(), id="set-up"),
            nbformat.v4.new_code_cell("import numpy as np\n\nfrom autograder import check", id="imports"),
            nbformat.v4.new_code_cell(ANSWER, id="rnn_step-answer"),
            nbformat.v4.new_code_cell(
                'check("rnn_step", rnn_step)',
                id="rnn_step",
                metadata={"nbgrader": {**grade, "grade_id": "rnn_step", "points": 1, "cell_type": "code"}},
            ),
        ],
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )
    return json.loads(nbformat.writes(notebook))


def as_colab_saves(notebook):
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True, "gpuType": "T4", "name": "01-rnn.ipynb"},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
        "accelerator": "GPU",
        "widgets": {"application/vnd.jupyter.widget-state+json": {}},
    }
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"]["id"] = cell.pop("id")
        if cell["cell_type"] == "code":
            base = {"base_uri": "https://localhost:8080/", "height": 35}
            cell["metadata"] |= {
                "colab": base,
                "outputId": f"0b1f{number}",
                "executionInfo": {"status": "ok", "elapsed": 9},
            }
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["old\n"]}]
    notebook["cells"].append(
        {"cell_type": "code", "source": [], "metadata": {"id": "Xy12"}, "execution_count": None, "outputs": []}
    )


def as_vs_code_saves(notebook):
    notebook["metadata"] = {
        "kernelspec": {"display_name": ".venv (3.12.3)", "language": "python", "name": "python3"},
        "language_info": {
            "codemirror_mode": {"name": "ipython", "version": 3},
            "file_extension": ".py",
            "name": "python",
            "nbconvert_exporter": "python",
            "pygments_lexer": "ipython3",
            "version": "3.12.3",
        },
        "orig_nbformat": 4,
        "vscode": {"interpreter": {"hash": "5c7b89af1651d0b8571dde13640ecdccf7d5a6204171d6ab33e7c296e100e08a"}},
    }
    for number, cell in enumerate(notebook["cells"]):
        cell["metadata"]["vscode"] = {"languageId": "python"}
        if cell["cell_type"] == "code":
            cell["execution_count"] = number
            cell["outputs"] = [{"output_type": "error", "ename": "E", "evalue": "", "traceback": ["old"]}]
    notebook["cells"].insert(
        3, {"cell_type": "code", "id": "c0ffee", "source": [], "metadata": {}, "execution_count": None, "outputs": []}
    )


def checked(notebook, folder, capsys):
    """What `autograder check` says of the notebook, and its exit status; the file must stay as it is."""
    file = folder / "01-rnn.ipynb"
    file.write_text(json.dumps(notebook), encoding="utf-8")
    before = file.read_bytes()
    status = main(["check", str(file)])
    said = capsys.readouterr()
    assert file.read_bytes() == before
    assert said.err == ""
    return said.out, status


@pytest.mark.parametrize("save", [as_colab_saves, as_vs_code_saves])
def test_a_saved_notebook_is_checked_like_the_released_one(released, save, tmp_path, capsys):
    report, status = checked(released, tmp_path, capsys)
    assert status == 1  # the other exercises are open
    (row,) = (line for line in report.splitlines() if "rnn_step " in line)
    assert row.split()[-2:] == ["1", "1"]
    saved = copy.deepcopy(released)
    save(saved)
    assert saved != released
    assert checked(saved, tmp_path, capsys) == (report, status)
