"""Start an exercise or a chapter from a template that passes every test: replace its content, and keep the tests green.

    make new-exercise NAME=rnn_norm CHAPTER=01-rnn
    make new-chapter NAME=11-longer-contexts

The template's exercise takes the mean from each row. Names written @LIKE_THIS@ are filled in.
"""

import argparse
import ast
import json
import keyword
import re
import sys
from pathlib import Path

from autograder.grading.config import REPOSITORY
from autograder.grading.course import BadInput, assignments

MINUTES = 5  # what the template's exercise takes, as it says itself

REFERENCE = '''

def @NAME@(x):
    """Each row of x less its mean: y_ij = x_ij − (1/d) Σ_k x_ik.

    x: [n, d], float32 or float64. Returns y: [n, d], the dtype of x.
    """
    return x - x.mean(axis=1, keepdims=True)  # [n, d]
'''

CATALOGUE = """# ---- @NAME@ -----------------------------------------------------------------------------------------


def @NAME@_cases(rng):
    yield Case("the worked example", {"x": np.array([[1.0, 3.0], [2.0, 8.0]])})
    for n, d, dtype in [(1, 4, np.float64), (3, 5, np.float32), (4, 2, np.float32), (5, 3, np.float64)]:
        yield Case(f"{n} by {d}, {np.dtype(dtype)}", {"x": rng.normal(2, 1, size=(n, d)).astype(dtype)})


def @NAME@_of_columns(x):
    return x - x.mean(axis=0)


def @NAME@_of_everything(x):
    return x - x.mean()


def @NAME@_by_the_sum(x):
    return x - x.sum(axis=1, keepdims=True)


def @NAME@_in_a_loop(x):
    return np.stack([row - sum(row) / len(row) for row in x])


@UPPER@ = Exercise(
    name="@NAME@",
    assignment=ASSIGNMENT,
    section="@PREFIX@-exercises",
    points=1,
    difficulty=1,
    minutes=5,
    reference=@TOPIC@.@NAME@,
    probe=probe.call,
    cases=@NAME@_cases,
    mistakes=[
        Mistake(
            "the mean of each column",
            @NAME@_of_columns,
            "Sum your columns, and then your rows: which of the two should come to nothing?",
            "@PREFIX@-exercises",
        ),
        Mistake(
            "one mean for the whole array",
            @NAME@_of_everything,
            "Change a number in the first row: should anything in the second row change?",
            "@PREFIX@-exercises",
        ),
        Mistake(
            "the sum in place of the mean",
            @NAME@_by_the_sum,
            "Try a row whose numbers are all 1. What should be left of it?",
            "@PREFIX@-exercises",
        ),
    ],
    alternatives=[@NAME@_in_a_loop],
)


"""

TASK = """\
## Rows without their mean: `@NAME@`

*1 point · difficulty ●○○○○ · about 5 minutes · [read the section](../../book/@CHAPTER@.md#@PREFIX@-exercises)*

Take from each row of $x$ its own mean:

$$y_{ij} = x_{ij} - \\frac1d \\sum_{k=1}^d x_{ik}.$$"""

ANSWER = '''\
def @NAME@(x):
    """Each row less its mean.

    x: [n, d]  float32 or float64

    Returns y: [n, d], the dtype of x.

    Example: x = [[1, 3], [2, 8]] gives [[-1, 1], [-3, 3]].
    """
    ### BEGIN SOLUTION
    return x - x.mean(axis=1, keepdims=True)  # [n, d]
    ### END SOLUTION'''

ROW = "| `@NAME@` | rows without their mean | 1 | ●○○○○ | 5 |\n"

MODULE = '''"""@TITLE@: what the exercises ask of a candidate."""

import numpy as np

from autograder import probe
from autograder.exercise import Case, Exercise, Mistake
from autograder.reference import @TOPIC@

ASSIGNMENT = "@CHAPTER@"

EXERCISES = []
'''

CELLS = [
    ("markdown", "title", "# @TITLE@: exercises\n\nEach exercise stands alone. Everything is rows and batch first."),
    ("code", "imports", "from autograder import check, summary"),
    (
        "markdown",
        "question-task",
        "## A written question\n\n*2 points · difficulty ●●○○○ · about 10 minutes · "
        "[read the section](../../book/@CHAPTER@.md#@PREFIX@-exercises) · graded by hand*\n\nWhat does a row lose with "
        "its mean? Answer in the cell below.",
    ),
    (
        "markdown",
        "question-answer",
        "=== BEGIN MARK SCHEME ===\n\n**Model answer.** One number: from the differences nobody can tell the mean.\n\n"
        "**Rubric.**\n\n- 1 point: the mean is lost.\n- 1 point: the differences are kept.\n\n=== END MARK SCHEME ===",
    ),
    ("markdown", "done", "## Your points so far\n\nRun this cell last. The written question is graded by hand."),
    ("code", "summary", 'summary("@CHAPTER@")'),
]

PAGE = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
    format_version: 0.13
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

(@PREFIX@)=
# @TITLE@

What the last chapter left open, in two or three sentences.

(@PREFIX@-problem)=
## The problem

It fails, in a cell: a number or a plot, not a claim.

```{code-cell}
---
mystnb:
  figure:
    name: fig-@PREFIX@-problem
    caption: |
      Two rows with the same differences and different means.
  image:
    alt: |
      Two lines of the same form, one above the other.
---
import matplotlib.pyplot as plt
import numpy as np

x = np.array([[1.0, 3.0, 2.0], [4.0, 6.0, 5.0]])  # [n, d]
figure, ax = plt.subplots(figsize=(4, 2.4))
ax.plot(x.T, marker="o")
ax.set(xlabel="column", ylabel="x");
```

(@PREFIX@-goals)=
### What you will be able to do

- say what a row loses with its mean.

(@PREFIX@-idea)=
## The idea

In words; by hand, with numbers; the formula with shapes; NumPy; PyTorch; the check that ours equals the library's.

```{code-cell}
y = x - x.mean(axis=1, keepdims=True)  # [n, d]
print(y)
```

```{admonition} Common confusion: which axis
:class: warning
What people get wrong, and how to notice. A cell shows it failing.
```

(@PREFIX@-questions)=
## Check yourself

**1.** Take the mean away twice. What changes the second time?

```{admonition} Answer
:class: dropdown
Nothing: the mean is 0 by then.
```

(@PREFIX@-exercises)=
## Exercises

The exercises of this chapter are in the notebook [@CHAPTER@](../exercises/@CHAPTER@/@CHAPTER@.ipynb).

| exercise | what you build | points | difficulty | minutes |
|---|---|---|---|---|
| written question | what a row loses | 2 | ●●○○○ | 10 |

(@PREFIX@-summary)=
## Summary

What one should remember, the shape ledger so far, and the papers.

(@PREFIX@-open)=
## What is still open

What the next chapter takes up.
"""


def start_exercise(root: Path, name: str, chapter: str) -> list[str]:
    """Add the template's exercise to a chapter of the repository ``root``, and say what is left to do.

    Writes to the chapter, its assignment, its reference and catalogue modules, and the minutes on the front page.
    Raises BadInput, with nothing written.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise BadInput(f"{name!r} can't name a function: use small letters, digits and _, as in rnn_step.")
    known = assignments(root / "solutions")
    if chapter not in known:
        raise BadInput(f"There is no assignment called {chapter!r}: there are {', '.join(known)}.")
    catalogue = next(
        path
        for path in (root / "autograder/catalogue").glob("*.py")
        if f'ASSIGNMENT = "{chapter}"' in path.read_text(encoding="utf-8")
    )
    taken = [path for path in catalogue.parent.glob("*.py") if f'"{name}"' in path.read_text(encoding="utf-8")]
    if taken:
        raise BadInput(f"There is {name!r} in {taken[0].relative_to(root)} already: choose another name.")
    page = root / f"book/{chapter}.md"
    names = {
        "NAME": name,
        "UPPER": name.upper(),
        "CHAPTER": chapter,
        "PREFIX": prefix_of(page),
        "TOPIC": reference_in(catalogue),
    }
    add_to_catalogue(catalogue, names)
    reference = root / f"autograder/reference/{catalogue.name}"
    reference.write_text(reference.read_text(encoding="utf-8") + filled(REFERENCE, names), encoding="utf-8")
    add_to_assignment(root / f"solutions/{chapter}/{chapter}.ipynb", names)
    text = page.read_text(encoding="utf-8")
    row = text.index("| written question |")
    page.write_text(text[:row] + filled(ROW, names) + text[row:], encoding="utf-8")
    front = root / "book/index.md"
    times = re.sub(
        rf"({{doc}}`{chapter}`<br>\d+ \+ )(\d+)",
        lambda found: f"{found[1]}{int(found[2]) + MINUTES}",
        front.read_text(encoding="utf-8"),
    )
    front.write_text(times, encoding="utf-8")
    return [
        f"{path.relative_to(root)} has {name}, which takes the mean from each row: put your exercise in its place."
        for path in (reference, catalogue, root / f"solutions/{chapter}/{chapter}.ipynb", page)
    ]


def start_chapter(root: Path, name: str) -> list[str]:
    """Write the template's chapter ``NN-name`` with one exercise, and say what is left to do.

    Raises BadInput, with nothing written.
    """
    if not re.fullmatch(r"\d\d-[a-z]+(-[a-z]+)*", name):
        raise BadInput(f"{name!r} can't name a chapter: use two digits and small words, as in 11-longer-contexts.")
    number, topic = int(name[:2]), name[3:].replace("-", "_")
    page = root / f"book/{name}.md"
    new = [
        page,
        root / f"solutions/{name}/{name}.ipynb",
        root / f"autograder/reference/{topic}.py",
        root / f"autograder/catalogue/{topic}.py",
    ]
    for path in new:
        if path.exists():
            raise BadInput(f"There is {path.relative_to(root)} already: choose another name.")
    title = f"{number} {name[3:].replace('-', ' ').capitalize()}"
    names = {"CHAPTER": name, "TITLE": title, "TOPIC": topic, "PREFIX": free_prefix(root, topic)}
    cells = [cell(kind, id, filled(source, names)) for kind, id, source in CELLS]
    cells[3]["metadata"]["nbgrader"] = flags(f"{topic}_question", grade=True, solution=True, points=2)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    page.write_text(filled(PAGE, names), encoding="utf-8")
    new[1].parent.mkdir(parents=True)
    save(notebook, new[1])
    new[2].write_text(f'"""Chapter {number}: …"""\n', encoding="utf-8")
    new[3].write_text(filled(MODULE, names), encoding="utf-8")
    contents = root / "_toc.yml"
    lines = contents.read_text(encoding="utf-8").splitlines(keepends=True)
    before = max(i for i, line in enumerate(lines) if (found := chapter_in(line)) and found < name)
    lines.insert(before + 1, lines[before].replace(chapter_in(lines[before]), name))
    contents.write_text("".join(lines), encoding="utf-8")
    done = start_exercise(root, f"rows_of_{topic}", name)
    return [f"_toc.yml lists book/{name}. book/index.md needs its row of the path; the tests say how.", *done]


def chapter_in(line: str) -> str:
    """The numbered chapter that a line of the table of contents names, or ""."""
    found = re.search(r"- file: book/(\d\d-\S+)", line)
    return found[1] if found else ""


def filled(template: str, names: dict[str, str]) -> str:
    return re.sub(r"@(NAME|UPPER|CHAPTER|TITLE|TOPIC|PREFIX)@", lambda found: names[found[1]], template)


def prefix_of(page: Path) -> str:
    """The label of a chapter, with which its sections' labels begin."""
    return re.search(r"^\((\w+)\)=$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1]


def free_prefix(root: Path, topic: str) -> str:
    """A label for a new chapter that no page has: the initials of its words, or its whole name."""
    pages = "".join(path.read_text(encoding="utf-8") for path in (root / "book").glob("*.md"))
    initials = "".join(word[0] for word in topic.split("_"))
    long_enough = len(initials) > 1 and f"({initials}" not in pages
    return initials if long_enough else topic.replace("_", "")


def reference_in(catalogue: Path) -> str:
    """What a catalogue module calls its chapter's reference module."""
    text = catalogue.read_text(encoding="utf-8")
    imported = re.search(
        rf"^from autograder\.reference import {catalogue.stem}(?: as (\w+))?$", text, flags=re.MULTILINE
    )
    return imported[1] or catalogue.stem


def add_to_catalogue(path: Path, names: dict[str, str]) -> None:
    """Put the exercise above the module's list EXERCISES, and its name at the list's end."""
    text = path.read_text(encoding="utf-8")
    listed = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXERCISES"
    )
    lines = text.splitlines(keepends=True)
    above, items = "".join(lines[: listed.lineno - 1]), "".join(lines[listed.lineno - 1 : listed.end_lineno])
    items = items.rstrip().removesuffix("]").rstrip().removesuffix(",")
    comma = "" if items.endswith("[") else ", "
    exercise = filled(CATALOGUE, names)
    path.write_text(f"{above.rstrip()}\n\n\n{exercise}{items}{comma}{names['UPPER']}]\n", encoding="utf-8")


def add_to_assignment(path: Path, names: dict[str, str]) -> None:
    """Put the task, the answer and the check before the written question."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    id, name = names["NAME"].replace("_", "-"), names["NAME"]
    task = cell("markdown", f"{id}-task", filled(TASK, names))
    answer = cell("code", f"{id}-answer", filled(ANSWER, names), flags(f"{name}-answer", solution=True))
    check = cell("code", f"{id}-check", f'check("{name}", {name})', flags(name, grade=True, locked=True, points=1))
    question = next(i for i, old in enumerate(notebook["cells"]) if "graded by hand" in "".join(old["source"]))
    notebook["cells"][question:question] = [task, answer, check]
    save(notebook, path)


def flags(grade_id: str, grade=False, locked=False, solution=False, **points: int) -> dict:
    """What nbgrader keeps in a cell's metadata."""
    known = {"grade": grade, "grade_id": grade_id, "locked": locked, "schema_version": 3, "solution": solution}
    return {**known, "task": False, **points}


def cell(kind: str, id: str, source: str, nbgrader: dict | None = None) -> dict:
    """A notebook's cell as it is stored."""
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    metadata = {"nbgrader": nbgrader} if nbgrader else {}
    return {"cell_type": kind, "id": id, "metadata": metadata, **code, "source": source.splitlines(keepends=True)}


def save(notebook: dict, path: Path) -> None:
    """As Jupyter would."""
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> int:
    """Exit status 0: started; 2: bad input, and nothing is written."""
    parser = argparse.ArgumentParser(prog="start")
    kinds = parser.add_subparsers(required=True)
    exercise = kinds.add_parser("exercise")
    exercise.set_defaults(start=lambda options: start_exercise(REPOSITORY, options.name, options.chapter))
    chapter = kinds.add_parser("chapter")
    chapter.set_defaults(start=lambda options: start_chapter(REPOSITORY, options.name))
    exercise.add_argument("name", metavar="NAME")
    exercise.add_argument("chapter", metavar="CHAPTER")
    chapter.add_argument("name", metavar="NAME")
    options = parser.parse_args()
    try:
        print(*options.start(options), sep="\n")
    except BadInput as error:
        print(f"start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
