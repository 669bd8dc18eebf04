"""Checks every notebook in git: valid nbformat 4.5, no outputs, unique ids, no traces of the editor, canonical text.

    python tests/lint_notebooks.py [NOTEBOOK ...]

Without arguments it takes every notebook that git tracks or would track. What the cells say is other tests' business.
"""

import json
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK_METADATA = {"kernelspec", "language_info", "accelerator"}
CELL_METADATA = {"nbgrader", "tags", "cellView", "jupyter", "deletable", "editable"}


def problems(text: str) -> list[str]:
    """What is wrong with a notebook file's text, one sentence each. After an unreadable file nothing else is said."""
    try:
        notebook = nbformat.from_dict(json.loads(text))
        version = notebook.nbformat, notebook.nbformat_minor
        ids = [cell.get("id") for cell in notebook.cells]
    except (ValueError, AttributeError, TypeError):  # not JSON, or JSON that is no notebook
        return ["is no notebook"]
    if not (4, 5) <= version < (5, 0):
        return [f"is nbformat {version[0]}.{version[1]}: upgrade it to 4.5 or later, whose cells have ids"]
    if None in ids:
        return ["has a cell without an id"]
    if repeated := sorted({str(name) for name in ids if ids.count(name) > 1}):
        return [f"has more than one cell with the id {', '.join(repeated)}"]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [f"is not valid: {error.message.splitlines()[0]}"]
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.get("outputs") or cell.get("execution_count") is not None:
            found.append(f"has outputs or an execution count in cell {number} ({cell.id}): clear them")
        if cell.get("attachments"):
            found.append(f"has an attachment in cell {number} ({cell.id})")
        if extra := sorted(cell.metadata.keys() - CELL_METADATA):
            found.append(f"has {', '.join(extra)} in the metadata of cell {number} ({cell.id})")
    if extra := sorted(notebook.metadata.keys() - NOTEBOOK_METADATA):
        found.append(f"has {', '.join(extra)} in its metadata")
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("does not name the kernel python3")
    if not found and text != nbformat.writes(notebook) + "\n":
        found.append("is not written as nbformat.write writes it, so every save would change it")
    return found


def in_git() -> list[Path]:
    """Every notebook that git tracks, or that would come with the next `git add`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.ipynb"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def main(arguments: list[str]) -> int:
    wrong = 0
    for path in map(Path, arguments) if arguments else in_git():
        try:
            found = problems(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            found = ["cannot be read"]
        for sentence in found:
            print(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path} {sentence}")
        wrong += len(found)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
