"""Appendices B and C: every row of the map has a living section and a check that exists; every correction is whole."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "book").glob("*.md"))}
MAP, CORRECTIONS = PAGES["C-map-of-the-notes"], PAGES["B-corrections"]
LABELS = {label for text in PAGES.values() for label in re.findall(r"^\((\S+)\)=$", text, re.MULTILINE)}
FIGURES = {name for text in PAGES.values() for name in re.findall(r"name: (fig-[\w-]+)", text)}
KEYS = set(re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.MULTILINE))
CHECKS = {
    "test": r"test `((?:\w+/)?test_\w+\.py)::(test_\w+)`",
    "cell": r"cell",
    "figure": r"\{numref\}`(fig-[\w-]+)`",
    "derivation": r"derivation",
    "citation": r"\{cite\}`(\w+)`",
    "corrected": r"(?:corrected|discussed): \{ref\}`(fix-[\w-]+)`",
    "not checked": r"not checked: [^;|]+",
}

ROWS = [
    tuple(cell.strip() for cell in row.strip("|").split(" | "))
    for row in re.findall(r"^\| \d+ \|.*$", MAP, re.MULTILINE)
]
BY_NOTE = re.split(r"^\(map-(\d{3})\)=$", MAP, flags=re.MULTILINE)


def corrections() -> dict[str, str]:
    """The text of each correction, by its label."""
    parts = re.split(r"^\((fix-[\w-]+)\)=\n(?=###)", CORRECTIONS, flags=re.MULTILINE)
    return {
        label: re.split(r"^\(fix-", text, flags=re.MULTILINE)[0]
        for label, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


test_functions.__test__ = False  # a helper that pytest would take for a test


def checks(row: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """The kinds of the row's checks, each with what it names."""
    found = []
    for part in row[3].split("; "):
        kinds = [(kind, match.groups()) for kind, form in CHECKS.items() if (match := re.fullmatch(form, part))]
        assert len(kinds) == 1, f"row {row[0]} {row[1]!r}: what kind of check is {part!r}?"
        found += kinds
    return found


# ---- the map ------------------------------------------------------------------------------------------------------


def test_all_five_notes_are_mapped_in_their_order_and_rows_are_counted():
    assert BY_NOTE[1::2] == ["000", "001", "002", "003", "004"]
    for note, text in zip(BY_NOTE[1::2], BY_NOTE[2::2], strict=True):
        numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
        assert numbers == list(range(1, len(numbers) + 1)), note
        assert len(numbers) >= 20, note


@pytest.mark.parametrize("row", ROWS, ids=[f"{i}" for i in range(len(ROWS))])
def test_a_row_leads_to_sections_and_to_checks_that_exist(row):
    _, said, taught, _ = row
    assert said
    labels = re.findall(r"\{ref\}`([\w-]+)`", taught)
    assert labels or taught == "{doc}`references`"
    assert set(labels) <= LABELS
    for kind, names in checks(row):
        if kind == "test":
            file, name = names
            path = ROOT / "tests" / (file if "/" in file else f"chapters/{file}")
            assert name in test_functions(path), f"{file} has no {name}"
        elif kind == "figure":
            assert names[0] in FIGURES
        elif kind == "citation":
            assert names[0] in KEYS
        elif kind == "corrected":
            assert names[0] in LABELS


def test_a_row_says_cell_only_where_a_section_has_one():
    code = {}
    for text in PAGES.values():
        sections = re.split(r"^\((\S+)\)=$", text, flags=re.MULTILINE)
        for label, body in zip(sections[1::2], sections[2::2], strict=True):
            code[label] = "```{code-cell}" in body
    wrong = [
        (row[0], row[1])
        for row in ROWS
        if ("cell", ()) in checks(row) and not any(code[label] for label in re.findall(r"\{ref\}`([\w-]+)`", row[2]))
    ]
    assert wrong == []


def test_the_page_says_how_many_rows_have_a_test():
    tested = sum(any(kind == "test" for kind, _ in checks(row)) for row in ROWS)
    assert f"There are {len(ROWS)} rows, and {tested} of them are checked by a test." in MAP
    assert tested >= len(ROWS) / 2


# ---- the corrections ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", corrections())
def test_a_correction_has_a_claim_a_cell_what_is_right_and_where_it_is_taught(label):
    text = corrections()[label]
    parts = [text.index(part) for part in ("*Claim.*", "```{code-cell}", "*Right.*")]
    assert parts == sorted(parts)
    sections = re.findall(r"\{ref\}`([\w-]+)`", text[parts[2] :])
    assert sections and set(sections) <= LABELS


def test_the_map_leads_to_every_correction():
    assert set(corrections()) - set(re.findall(r"\{ref\}`(fix-[\w-]+)`", MAP)) == set()
    assert len(corrections()) >= 30
