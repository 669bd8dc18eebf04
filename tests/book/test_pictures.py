"""Interactive pictures: what the directive asks for, and the pictures themselves, used in Chromium as readers do."""

import pytest
from conftest import ROOT
from tiny import HEAD, build

# ---- the directive --------------------------------------------------------------------------------------------------


def page(*lines: str) -> str:
    return HEAD + "\n".join(["```{picture} " + lines[0], *lines[1:], "```"]) + "\n"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("quarry", ":alt: A.", "Try."), "there is no picture 'quarry': write one of "),
        (("query", "Try."), "the picture 'query' needs an :alt: that says what it shows"),
        (("query", ":alt:", "Try."), "the picture 'query' needs an :alt: that says what it shows"),
        (("query", ":alt: A."), "the picture 'query' needs a sentence that says what to try"),
    ],
)
def test_what_is_missing_stops_the_build_and_names_the_line(tmp_path, lines, complaint):
    status, said = build(tmp_path, "book_pictures", page=page(*lines))
    line = HEAD.count("\n") + 1
    assert status != 0
    assert f"page.md:{line}: WARNING: {complaint}" in said


def test_a_picture_is_a_figure_that_can_be_referred_to_and_scripts_load_only_with_it(tmp_path):
    text = page("query", ":alt: What it shows.", "Try $q$.") + "\n{ref}`that <picture-query>`\n"
    status, said = build(tmp_path, "book_pictures", page=text, plain=HEAD)
    assert status == 0, said
    html = (tmp_path / "html" / "page.html").read_text(encoding="utf-8")
    assert 'data-picture="query"' in html and 'href="#picture-query"' in html and "What it shows." in html
    assert html.index("pictures/pictures.js") < html.index("pictures/query.js")
    assert "pictures/mask.js" not in html
    assert "pictures/" not in (tmp_path / "html" / "plain.html").read_text(encoding="utf-8")


def test_the_pictures_are_small():
    """All of them together, before compression; one page loads one or two."""
    assert sum(path.stat().st_size for path in (ROOT / "book" / "_static" / "pictures").iterdir()) < 60_000
