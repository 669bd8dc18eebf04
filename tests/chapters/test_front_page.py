"""The front page's table and the chapters' tables of exercises say what the catalogue says."""

import json
import re
from pathlib import Path

import pytest

from autograder import catalogue

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = [path.stem for path in sorted((ROOT / "book").glob("*.md")) if (ROOT / "solutions" / path.stem).is_dir()]
EXERCISES = list(catalogue.exercises().values())

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def doing_minutes(chapter: str) -> int:
    """The exercises' minutes, and those of the question that is graded by hand, which the assignment says."""
    notebook = json.loads((ROOT / "solutions" / chapter / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    lines = [line for cell in notebook["cells"] for line in cell["source"] if "graded by hand" in line]
    written = [int(minutes) for minutes in re.findall(r"about (\d+) minutes", "".join(lines))]
    return sum(written) + sum(exercise.minutes for exercise in EXERCISES if exercise.assignment == chapter)


def reading_minutes(chapter: str) -> float:
    """At 200 words a minute, code included, without the cells that are folded away."""
    text = (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    folded = r"```\{code-cell\}[^\n]*\n---\ntags: \[hide-input\].*?\n```"
    return len(re.sub(folded, "", text, flags=re.DOTALL).split()) / 200


@each_chapter
def test_the_front_page_says_how_long_a_chapter_takes(chapter):
    path = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    reading, doing = reading_minutes(chapter), 5 * round(doing_minutes(chapter) / 5)
    said = re.search(rf"^\| {{doc}}`{chapter}`<br>(\d+) \+ (\d+) min \|", path, flags=re.MULTILINE)
    assert said, f"begin a row of the path with | {{doc}}`{chapter}`<br>{5 * round(reading / 5 + 0.5)} + {doing} min |"
    assert int(said[2]) == doing
    assert abs(int(said[1]) - reading) <= 8, f"{chapter} has words for {reading:.0f} minutes"


@each_chapter
def test_a_chapter_lists_its_exercises_as_the_catalogue_has_them(chapter):
    text = (ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|.*\| (\d+) \| (●+)○* \| (\d+) \|$", text, flags=re.MULTILINE)
    assert [(name, int(points), len(stars), int(minutes)) for name, points, stars, minutes in listed] == [
        (e.name, e.points, e.difficulty, e.minutes) for e in EXERCISES if e.assignment == chapter
    ]
