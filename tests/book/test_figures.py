"""What `book_figures` promises: two versions in the right colours, the same bytes every time, nothing left unsaid."""

import io
import re

import book_execution
import book_figures
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from book_figures import COLOURS, INK, PAPER, count_points, recolour, size_in_pixels
from tiny import build, chapter

FIGURE = """---
mystnb:
  figure:
    name: fig-tiny
    caption: A line.
  image:
    alt: A line from the lower left to the upper right.
---
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot([0, 1], [0, 1]);"""


@pytest.fixture
def draw():
    """``draw(function)`` is the SVG that a chapter's kernel would send for what ``function`` draws into axes."""

    def drawn(function) -> str:
        with matplotlib.rc_context(fname=book_execution.KERNEL_CONFIG / "matplotlibrc"):
            figure, axes = plt.subplots()
            function(axes)
            file = io.StringIO()
            figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
            plt.close(figure)
        return file.getvalue()

    return drawn


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb`` (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_default_colours_can_be_read_on_the_page(dark):
    defaults = [matplotlib.colors.to_hex(colour) for colour in matplotlib.colors.TABLEAU_COLORS.values()]
    assert set(defaults) < set(COLOURS)
    for default in defaults:
        assert contrast(COLOURS[default][dark], PAPER[dark]) >= 4.5, default
    assert contrast(INK[dark], PAPER[dark]) >= 7


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_default_colours_keep_their_hue_and_differ(dark):
    """So that "the orange line" is orange on both pages, and no two default colours become one."""
    hues = matplotlib.colors.rgb_to_hsv
    for default, versions in COLOURS.items():
        was, now = (hues(matplotlib.colors.to_rgb(colour)) for colour in (default, versions[dark]))
        if was[1] > 0.3:
            assert min(abs(was[0] - now[0]), 1 - abs(was[0] - now[0])) < 0.06, default
    assert len({versions[dark] for versions in COLOURS.values()}) == len(COLOURS)


def test_each_page_gets_its_own_text_lines_and_paper(draw):
    def lines(axes):
        axes.plot([0, 1], [0, 1], label="a")
        axes.plot([0, 1], [1, 0], color="tab:orange")
        axes.plot([0, 1], [0.5, 0.5], color="black")
        axes.set_title("A title")
        axes.grid()
        axes.legend()

    svg = draw(lines)
    for dark in (False, True):
        coloured = recolour(svg, dark)
        present = set(re.findall(r"#[0-9a-f]{6}", coloured))
        assert {INK[dark], PAPER[dark], COLOURS["#1f77b4"][dark], COLOURS["#ff7f0e"][dark]} <= present
        assert not present & {"#1b2a3a", "#b9c0c8" if dark else "", "#fdfefd", "#1f77b4", "#ff7f0e"}
        assert "stroke: #000000" not in coloured
        assert not present & {INK[not dark], PAPER[not dark]}


def test_numbers_on_a_heat_map_stay_black_and_white(draw):
    def map_(axes):
        axes.imshow([[0.0, 1.0]])
        axes.text(0, 0, "0", color="white")
        axes.text(1, 0, "1", color="black")

    dark = recolour(draw(map_), dark=True)
    texts = re.findall(r'<g id="text_\d+">.*?</g>\s*</g>', dark, flags=re.DOTALL)
    assert "#ffffff" in texts[-2]
    assert not re.search("#ced6dd|#222832", texts[-1])


def pixels_shown(page, svg: str) -> np.ndarray:
    """The drawing in a browser, as [height, width, 3] with values from 0 to 1."""
    page.set_content(f"<body style='margin: 0'>{svg}</body>")
    return plt.imread(io.BytesIO(page.locator("svg").screenshot()))[..., :3]


@pytest.mark.parametrize("holes", [False, True], ids=["full", "with empty cells"])
def test_a_heat_map_does_not_glare_on_a_dark_page_and_keeps_its_order(draw, browser, holes):
    def map_(axes):
        table = np.linspace(0, 1, 12).reshape(3, 4)
        axes.imshow(np.where(table == table[1, 1], np.nan, table) if holes else table, cmap="Blues")

    svg = draw(map_)
    page = browser.new_page()
    light, dark = (pixels_shown(page, recolour(svg, dark)) for dark in (False, True))
    page.close()
    assert light.max() > 0.95 and dark[..., 0].max() < 0.85  # ink is 0.81
    left, top, right, bottom = (58, 12, 420, 290)  # within the axes
    assert dark[top:bottom, left:right].max() < 0.75
    row = light.shape[0] // 6  # from white to a third of the way
    blues = dark[row, left:right, 0]
    assert np.all(np.diff(blues) < 0.02) and blues[0] - blues[-1] > 0.1, "darker where it was darker"
    assert recolour(svg, False).count("filter") == 0


def test_what_lies_on_a_heat_map_has_the_colours_of_a_light_page(draw):
    def map_(axes):
        axes.imshow([[0.0, 1.0]], cmap="Blues")
        axes.add_patch(plt.Rectangle((-0.5, -0.5), 1, 1, fill=False, edgecolor="C1"))
        axes.set_title("frames", color="C1")

    def line(axes):
        axes.add_patch(plt.Rectangle((-0.5, -0.5), 1, 1, fill=False, edgecolor="C1"))

    frame, title = f"stroke: {COLOURS['#ff7f0e'][0]}", f"fill: {COLOURS['#ff7f0e'][1]}"
    dark = recolour(draw(map_), dark=True)
    assert frame in dark and title in dark and f"stroke: {INK[1]}" in dark  # the axes, too
    assert frame not in recolour(draw(line), dark=True)


def test_pixels_that_let_the_page_through_stay(draw):
    svg = draw(lambda axes: axes.imshow([[0.0, 1.0]], alpha=[[0.3, 1.0]]))
    assert 'filter="url' not in recolour(svg, dark=True)


def test_white_areas_become_paper(draw):
    def bar(axes):
        axes.bar([0], [1], color="white", edgecolor="black")

    assert "#ffffff" not in recolour(draw(bar), dark=True)


def test_drawing_twice_gives_the_same_bytes(draw):
    def lines(axes):
        axes.plot([0, 1], [0, 1], marker="o")
        axes.fill_between([0, 1], [0, 1], alpha=0.2)
        axes.set_xlabel("input")

    assert draw(lines) == draw(lines)
    assert "<text" not in draw(lines), "glyphs must be outlines"
    assert "<dc:date>" not in draw(lines)


def test_size_is_the_drawings(draw):
    width, height = size_in_pixels(draw(lambda axes: None))
    assert 450 < width < 620 and 380 < height < 470


def test_points_are_counted_and_text_is_not(draw):
    assert count_points(draw(lambda axes: None)) < 100
    assert count_points(draw(lambda axes: axes.set_title("long " * 100))) < 100
    assert count_points(draw(lambda axes: axes.scatter(range(500), range(500)))) > 500
    assert count_points(draw(lambda axes: axes.plot(np.random.default_rng(0).normal(size=700)))) > 600
    assert count_points(draw(lambda axes: axes.scatter(range(500), range(500), rasterized=True))) < 100


def test_a_chapters_figure_has_two_versions_of_the_same_bytes_every_time(tmp_path):
    files = []
    for run in ("a", "b"):
        status, output = build(tmp_path / run, "book_execution,book_figures", one=chapter(FIGURE))
        assert status == 0, output
        files.append({path.name: path.read_bytes() for path in (tmp_path / run / "html" / "_images").iterdir()})
    assert files[0] == files[1]
    light, dark = sorted(files[0], key=lambda name: "dark" in name)
    html = (tmp_path / "a" / "html" / "one.html").read_text()
    for name, theme, paper in ((light, "light", PAPER[0]), (dark, "dark", PAPER[1])):
        assert name.endswith(f"-{theme}.svg")
        assert paper in files[0][name].decode()
        tag = re.search(rf"<img[^>]*{name}[^>]*>", html)[0]
        assert f"figure-{theme}" in tag
        assert 'alt="A line from the lower left to the upper right."' in tag
    assert html.count("<figcaption>") == 1


def test_what_a_figure_lacks_stops_the_build_and_is_named(tmp_path):
    pages = {
        "alt": (
            FIGURE.replace("  image:\n    alt: A line from the lower left to the upper right.\n", ""),
            ["alternative"],
        ),
        "caption": (FIGURE.replace("    caption: A line.\n", ""), ["caption"]),
        "name": (FIGURE.replace("    name: fig-tiny\n", ""), ["name"]),
        "bare": (FIGURE[FIGURE.index("import") :], ["alternative", "caption", "name"]),
        "points": (FIGURE.replace("axes.plot([0, 1], [0, 1])", "axes.scatter(range(2001), range(2001))"), ["points"]),
        "good": (FIGURE, []),
    }
    written = {name: chapter(text.replace("fig-tiny", f"fig-{name}")) for name, (text, _) in pages.items()}
    status, output = build(tmp_path, "book_execution,book_figures", **written)
    assert status == 1
    said = {
        "alternative": "no alternative text",
        "caption": "no caption",
        "name": "no name",
        "points": "more than 2000",
    }
    for name, (_, lacking) in pages.items():
        complaints = re.findall(rf"{name}\.md:1\d: WARNING: this figure (.*)", output)
        assert len(complaints) == len(lacking), output
        for lack in lacking:
            assert any(said[lack] in complaint for complaint in complaints), output


def test_a_figure_that_is_too_large_stops_the_build(tmp_path, monkeypatch):
    monkeypatch.setattr(book_figures, "MAX_BYTES", 1000)
    status, output = build(tmp_path, "book_execution,book_figures", one=chapter(FIGURE))
    assert status == 1
    assert "kB of SVG, more than 1: draw less of it, or rasterized=True" in output


def test_a_picture_in_the_text_needs_an_alternative_text(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "dot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    status, output = build(tmp_path, "book_figures", one="# A page\n\n![](dot.svg)\n")
    assert status == 1
    assert "no alternative text" in output
    status, output = build(tmp_path, "book_figures", one="# A page\n\n![A dot](dot.svg)\n")
    assert status == 0, output
