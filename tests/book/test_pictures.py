"""Interactive pictures: what the directive asks for, and the pictures themselves, used in Chromium as readers do."""

import base64
import io
import json
import math
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from book_pages import colab
from bs4 import BeautifulSoup
from colab_markdown import Book
from matplotlib import colormaps
from matplotlib.path import Path as Polygon
from PIL import Image
from tiny import HEAD, build

from autograder.reference import example
from autograder.reference.multi_head_attention import MultiHeadAttention
from autograder.reference.positional_encoding import sinusoidal_encoding
from autograder.reference.transformer import AddNorm, FeedForward, Transformer

STATIC = Path(__file__).resolve().parents[2] / "book" / "_static" / "pictures"

# ---- the directive --------------------------------------------------------------------------------------------------


def page(*lines: str) -> str:
    return HEAD + "\n".join(["```{picture} " + lines[0], *lines[1:], "```"]) + "\n"


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (("quarry", ":alt: A.", "Try."), "there is no picture 'quarry': write one of "),
        (("query", "Try."), "the picture 'query' needs an :alt: that says what it shows"),
        (("query", ":alt:", "Try."), "the picture 'query' needs an :alt: that says what it shows"),
        (
            ("query", ":alt: A", "  long one.", ":figure: fig-a", "Try."),
            "an option has to be one line, or this is read as text: '  long one.'",
        ),
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


def test_a_picture_of_computed_numbers_needs_a_cell_that_computes_them(tmp_path):
    status, said = build(tmp_path, "book_pictures", page=page("heads", ":alt: What it shows.", "Look."))
    assert status != 0
    assert "WARNING: no cell of the page returns the numbers of the picture 'heads'" in said


def test_the_pictures_are_small():
    """Before compression; a page loads the shared files and one or two pictures."""
    assert max(path.stat().st_size for path in STATIC.iterdir()) < 20_000


# ---- in the browser -------------------------------------------------------------------------------------------------

KINDS = ["query", "mask", "temperature", "heads", "wavelengths", "flow"]  # in the order of the sample's page
WORDS = ["我", "想", "吃", "汉堡", "PAD"]


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def numbers(locator) -> list[float]:
    """The numbers in some elements; the page writes a real minus sign."""
    return [float(text.replace("−", "-").split()[0]) for text in locator.all_text_contents() if text]


@pytest.fixture(scope="module")
def html(sample_project):
    return sample_project / "_build" / "html" / "book" / "02-pictures.html"


@pytest.fixture
def opened(html, browser):
    """Opens the sample's page of pictures from the disk; fails at the end if the console complained."""
    contexts, problems = [], []

    def open_it(**settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(html.as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert problems == []


def picture(page, kind):
    return page.locator(f'figure[data-picture="{kind}"]')


def test_the_formulas_are_numpys(opened):
    page, rng = opened(), np.random.default_rng(0)
    for n in (1, 2, 7):
        z = rng.normal(size=n) * 100
        assert np.allclose(page.evaluate("z => Pictures.softmax(z)", z.tolist()), softmax(z), rtol=1e-12, atol=0)
    p = softmax(rng.normal(size=5))
    assert np.isclose(page.evaluate("p => Pictures.entropy(p)", p.tolist()), -(p * np.log(p)).sum())
    assert page.evaluate("Pictures.entropy([0, 1, 0])") == 0
    A, B = rng.normal(size=(3, 4)), rng.normal(size=(4, 2))
    assert np.allclose(page.evaluate("([A, B]) => Pictures.matmul(A, B)", [A.tolist(), B.tolist()]), A @ B)
    assert page.evaluate("Pictures.softmax([-Infinity, 0, -Infinity])") == [0, 1, 0]
    assert page.evaluate("Pictures.softmax([-Infinity, -Infinity]).every(Number.isNaN)")
    drawn = np.array(
        page.evaluate("(() => { const f = Pictures.normals(6); return Array.from({length: 20000}, f); })()")
    )
    assert np.allclose(drawn[:500], list(islice(normals(6), 500)), rtol=1e-12)
    assert abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.02 and abs((drawn**4).mean() - 3) < 0.2


def normals(seed):
    """The generator of pictures.js once more: mulberry32 (32-bit arithmetic), then Box and Muller."""

    def uniform():
        nonlocal seed
        seed = (seed + 0x6D2B79F5) & 0xFFFFFFFF
        t = (seed ^ seed >> 15) * (seed | 1) & 0xFFFFFFFF
        t ^= (t + (t ^ t >> 7) * (t | 61)) & 0xFFFFFFFF
        return (t ^ t >> 14) / 2**32

    while True:
        radius = math.sqrt(-2 * math.log(1 - uniform()))
        yield radius * math.cos(2 * math.pi * uniform())


# ---- query ----------------------------------------------------------------------------------------------------------

K = np.array([[1.6, 0.8], [-0.4, 1.8], [-1.8, 0], [0.6, -1.6]])
V = np.array([[-1.8, -1.4], [-1.2, 1.6], [1.4, 1.8], [1.8, -1.2]])
START = np.array([-1, 0.8])


def mixture(figure):
    """Where the drawing has c, in the numbers of its plane."""
    x, y = figure.locator("circle.context").evaluate("dot => [dot.cx.baseVal.value, dot.cy.baseVal.value]")
    return np.array([x / 62.5 - 2.56, 2.4 - y / 62.5])


WIDTHS = "lines => lines.map(line => parseFloat(getComputedStyle(line).strokeWidth))"


def assert_shows(figure, q):
    """The table, the sentence below it and the drawing say what the formulas give for this query."""
    alpha = softmax(K @ q)
    assert np.allclose(numbers(figure.locator("tbody tr td:nth-child(2)"))[:4], K @ q, atol=0.0051)
    shown = numbers(figure.locator("tbody tr td:nth-child(4)"))
    assert np.allclose(shown[:4], alpha, atol=0.00051) and shown[4] == 1
    widths = figure.locator(".bar").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
    assert np.allclose(widths, 100 * alpha, atol=1e-3)
    lines = figure.locator(".picture-panel").last.locator("line:not(.faint)").evaluate_all(WIDTHS)
    assert np.allclose(lines, 0.5 + 6 * alpha, atol=1e-3)
    c = re.search(r"\((.*), (.*)\)", figure.locator(".picture-result").inner_text().replace("−", "-"))
    assert np.allclose([float(c[1]), float(c[2])], alpha @ V, atol=0.0051)
    assert np.allclose(mixture(figure), alpha @ V, atol=1e-3)


def test_a_query_can_be_pointed_at_each_key(opened):
    figure = picture(opened(), "query")
    assert_shows(figure, START)
    for word, k in zip(WORDS, K, strict=False):
        figure.get_by_label(word, exact=True).check()
        assert_shows(figure, k)
        assert (K @ k).argmax() == WORDS.index(word)  # pointing chooses


def test_the_arrow_keys_move_the_query(opened):
    page = opened()
    figure = picture(page, "query")
    figure.locator(".picture-handle").focus()
    for key in ["ArrowRight", "ArrowUp", "ArrowUp", "Shift+ArrowLeft"]:
        page.keyboard.press(key)
    assert_shows(figure, START + np.array([-0.4, 0.2]))
    assert figure.locator("input:checked").count() == 0  # it points at no key
    top = page.evaluate("scrollY")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("scrollY") == top  # the page stays where it is


def test_the_sliders_turn_and_lengthen_the_query(opened):
    page = opened()
    figure = picture(page, "query")
    length, direction = figure.get_by_label("length of q"), figure.get_by_label("direction of q")
    direction.focus()
    page.keyboard.press("End")
    assert_shows(figure, np.array([-np.linalg.norm(START), 0]))
    length.focus()
    page.keyboard.press("Home")
    assert_shows(figure, np.zeros(2))  # the plain average
    page.keyboard.press("End")
    assert_shows(figure, np.array([-3.0, 0]))  # the direction is kept, although a query of length 0 has none
    assert length.get_attribute("aria-valuetext") == "3.00"


def test_mouse_and_finger_drag_the_query(opened):
    for touch in (False, True):
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
        page = opened(reduced_motion="reduce", **(phone if touch else {}))  # so that the page does not scroll smoothly
        figure = picture(page, "query")
        knob = figure.locator(".picture-knob")
        knob.scroll_into_view_if_needed()
        box, size = knob.bounding_box(), figure.locator("svg").first.bounding_box()
        x, y, unit = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, size["width"] / 6.4
        top = page.evaluate("scrollY")
        places = [(x + unit * k, y + 1.3 * unit * k) for k in (0, 0.5, 1)]  # from (-1, 0.8) to (0, -0.5)
        if touch:
            session = page.context.new_cdp_session(page)
            for kind, place in zip(["touchStart", "touchMove", "touchMove"], places, strict=True):
                points = [{"x": place[0], "y": place[1]}]
                session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        else:
            page.mouse.move(*places[0])
            page.mouse.down()
            for place in places[1:]:
                page.mouse.move(*place)
            page.mouse.up()
            page.mouse.move(x, y)  # let go: nothing follows the mouse any more
        page.wait_for_function("/−(8[6-9]|9[0-4])°/.test(document.querySelectorAll('.picture-value')[1].textContent)")
        assert abs(numbers(figure.locator(".picture-value").first)[0] - 0.5) < 0.03
        assert page.evaluate("scrollY") == top


def test_the_mixture_stays_inside_the_hull_of_the_values(opened):
    figure = picture(opened(), "query")
    hull = Polygon(V)
    for degrees in range(-180, 180, 30):
        figure.get_by_label("direction of q").fill(str(degrees))
        assert hull.contains_point(mixture(figure))


# ---- mask -----------------------------------------------------------------------------------------------------------

X = np.vstack([example.X, [0.5, -0.5]])  # chapter 5's example by hand, and one PAD
W_Q, W_K, W_V = np.array([[1.0, 0], [1, 1]]), np.array([[1.0, 1], [-1, 0]]), np.diag([1.0, 2.0])
REAL = np.array([[True, True, True, True, False]])
CAUSAL = np.tri(5, dtype=bool)
MASKS = {
    "none": np.full((5, 5), True),
    "padding": np.repeat(REAL, 5, axis=0),
    "causal": CAUSAL,
    "causal + padding": CAUSAL & REAL,
    "causal, off by one": np.tri(5, k=1, dtype=bool),
    "causal, transposed": CAUSAL.T,
}
ALL = "想 into 我; 吃 into 我 and 想; 汉堡 into 我, 想 and 吃"
LEAKS = {
    "none": f"The future leaks into earlier outputs: {ALL}. PAD leaks into the outputs of 我, 想, 吃 and 汉堡.",
    "padding": f"The future leaks into earlier outputs: {ALL}. PAD reaches no word’s output.",
    "causal": "No output depends on a later word. PAD reaches no word’s output.",
    "causal + padding": "No output depends on a later word. PAD reaches no word’s output.",
    "causal, off by one": "The future leaks into earlier outputs: 想 into 我; 吃 into 想; 汉堡 into 吃. "
    "PAD leaks into the outputs of 汉堡.",
    "causal, transposed": f"The future leaks into earlier outputs: {ALL}. "
    "PAD leaks into the outputs of 我, 想, 吃 and 汉堡.",
}


def attend(X, mask, late=False):
    scores = X @ W_Q @ (X @ W_K).T
    A = np.where(mask, softmax(scores), 0) if late else softmax(np.where(mask, scores, -np.inf))
    return A, A @ X @ W_V


def rows(figure):
    return figure.locator("tbody tr")


@pytest.mark.parametrize("name", MASKS)
def test_each_mask_shows_its_weights_and_its_leaks(opened, name):
    figure, mask = picture(opened(), "mask"), MASKS[name]
    figure.get_by_label(name, exact=True).check()
    A, C = attend(X, mask)
    shown = figure.locator(".picture-cell").all_inner_texts()
    assert [text != "–" for text in shown] == mask.ravel().tolist()
    assert np.allclose([0 if text == "–" else float(text) for text in shown], A.ravel(), atol=0.0051)
    assert numbers(rows(figure).locator("td:nth-last-child(2)")) == [1] * 5
    assert figure.locator(".picture-result").inner_text() == LEAKS[name]
    for j, word in enumerate(WORDS):
        figure.get_by_label(word, exact=True).check()
        changed = X.copy()
        changed[j] += [2, -1]
        far = np.linalg.norm(attend(changed, mask)[1] - C, axis=1)
        last = rows(figure).locator("td:last-child")
        assert np.allclose([float(text.lstrip("<").split()[0]) for text in last.all_inner_texts()], far, atol=0.0101)
        leaking = ["leak" in text for text in last.all_inner_texts()]
        assert leaking == [bool(far[i] > 1e-12 and i < min(j, 4)) for i in range(5)]


def test_a_mask_after_the_softmax_leaks_although_its_weights_are_0(opened):
    figure = picture(opened(), "mask")
    figure.get_by_label("causal", exact=True).check()
    figure.get_by_label("after the softmax").check()
    A, _ = attend(X, CAUSAL, late=True)
    assert np.allclose(numbers(rows(figure).locator("td:nth-last-child(2)")), A.sum(axis=1), atol=0.0051)
    assert figure.locator(".picture-result").inner_text() == LEAKS["none"]


def test_the_keyboard_toggles_cells_and_an_empty_row_is_nan(opened):
    page = opened()
    figure = picture(page, "mask")
    assert figure.locator(".picture-cell[tabindex='0']").count() == 1
    figure.locator(".picture-cell[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    for _ in WORDS:
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
    assert figure.locator("tr:nth-child(2) .picture-cell[aria-pressed='false']").count() == 5
    row = rows(figure).nth(1)
    assert row.locator("td").all_inner_texts() == ["–"] * 5 + ["NaN", "NaN"]
    assert "想 may look at nothing" in figure.locator(".picture-result").inner_text()
    assert figure.locator("fieldset").first.locator("input:checked").count() == 0
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label == "query 想, key PAD: blocked"


# ---- temperature ----------------------------------------------------------------------------------------------------


def scores_of_100_draws():
    """[draw, level, key], made as temperature.js says."""
    normal, found = normals(6), []
    for _ in range(100):
        z, levels = np.zeros(8), []
        for level in range(11):
            q = np.array(list(islice(normal, 2**level - (2**level // 2))))
            z = z + np.linalg.norm(q) * np.array(list(islice(normal, 8)))
            levels.append(z)
        found.append(levels)
    return np.array(found)


def test_the_temperatures_numbers(opened):
    page, scores = opened(), scores_of_100_draws()
    figure = picture(page, "temperature")
    widths = 2.0 ** np.arange(11)
    assert np.all(abs(scores.std(axis=(0, 2)) / np.sqrt(widths) - 1) < 0.15)  # Var(q·k) = d_k

    def entropy(p):
        return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)

    def assert_temperature(draw, level, root, T):
        p = softmax(scores[draw, level] / (math.sqrt(2**level) if root else 1) / T)
        shown = numbers(figure.locator("text.small"))
        assert np.allclose(shown, p, atol=0.0051)
        facts = re.findall(r"\d+\.\d+", figure.locator(".picture-result").inner_text())
        expected = [entropy(p), math.log(8), math.exp(entropy(p)), (p * (1 - p)).max(), 0.25]
        assert np.allclose([float(fact) for fact in facts], expected, atol=[0.0051, 0.0051, 0.051, 0.00051, 0])
        jacobian = np.diag(p) - np.outer(p, p)
        assert abs(jacobian).max() == pytest.approx((p * (1 - p)).max())
        for curve, root in zip(figure.locator("path.thick").all(), [True, False], strict=True):
            z = scores / np.where(root, np.sqrt(widths), 1)[:, None] / T
            drawn = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", curve.get_attribute("d")), dtype=float)
            expected = 206 - entropy(softmax(z)).mean(axis=0) / 2.3 * 190  # 230 high, margins of 16 and 24
            assert np.allclose(drawn[:, 1], expected, atol=0.06)

    width, heat = figure.get_by_label("width d"), figure.get_by_label("temperature T")
    assert_temperature(0, 6, False, 1)
    for level in (0, 10):
        width.fill(str(level))
        assert_temperature(0, level, False, 1)
    figure.get_by_label("divide by").check()
    assert_temperature(0, 10, True, 1)
    heat.focus()
    page.keyboard.press("Home")
    assert_temperature(0, 10, True, 0.1)
    figure.get_by_role("button", name="other keys").click()
    assert_temperature(1, 10, True, 0.1)
    figure.get_by_label("divide by").uncheck()
    heat.fill("1.5")  # T = √1000, nearly √1024: the bars of the scaled scores come back
    assert_temperature(1, 10, False, 10**1.5)


# ---- heads ----------------------------------------------------------------------------------------------------------


def heads_of(html: Path) -> dict:
    """What a page's cell computed for the picture `heads`."""
    soup = BeautifulSoup(html.read_text(encoding="utf-8"), "lxml")
    return json.loads(soup.select_one("script[data-numbers=heads]").string)


def weights_of(numbers, run, sentence):
    """[h + 1, t, m]: the heads, and their mean behind them."""
    alpha = np.array(numbers["runs"][run]["alpha"][sentence]) / 1000
    return np.concatenate([alpha, alpha.mean(axis=0, keepdims=True)])


def assert_heads(figure, numbers, run, sentence, head, word):
    alpha, pair = weights_of(numbers, run, sentence), numbers["sentences"][sentence]
    t, m = alpha.shape[1:]
    table = figure.locator("tbody tr")
    assert [row.split()[0] for row in table.all_inner_texts()] == pair["source"]
    shown = np.array([numbers_in(row) for row in table.all()])  # [m, h + 1]
    assert np.allclose(shown, alpha[:, word].T, atol=0.0051)
    links = {tuple(link) for link in pair["links"]}
    framed = [bool(row.locator("td.true").count()) for row in table.all()]
    assert framed == [(i, word) in links for i in range(m)]
    widths = figure.locator("svg line").evaluate_all(WIDTHS)
    assert np.allclose(np.reshape(widths, (t, m)), 8 * alpha[head], atol=0.0051)
    heaviest = alpha.argmax(axis=2)  # [h + 1, t]
    linked = {j for _, j in links}
    hits = [sum((int(row[j]), j) in links for j in linked) for row in heaviest]
    assert figure.locator("tfoot td").all_inner_texts() == [f"{n}/{len(linked)}" for n in hits]
    top = heaviest[head, word]
    said = figure.locator(".picture-result").inner_text()
    assert f"most at {pair['source'][top]} ({alpha[head, word, top]:.2f}) before “{pair['target'][word]}”" in said


def numbers_in(row):
    return [float(text) for text in row.locator("td").all_inner_texts()]


def test_the_heads_show_the_numbers_of_the_page(opened, html):
    page, data = opened(), heads_of(html)
    figure = picture(page, "heads")
    assert_heads(figure, data, run=0, sentence=0, head=0, word=0)
    figure.get_by_label("3", exact=True).check()
    figure.get_by_label("want", exact=True).check()
    assert_heads(figure, data, run=0, sentence=0, head=2, word=1)
    page.keyboard.press("ArrowRight")  # radio buttons: the arrow keys choose
    assert_heads(figure, data, run=0, sentence=0, head=2, word=2)
    assert "It has no true source." in figure.locator(".picture-result").inner_text()
    figure.get_by_label("seed 1").check()
    figure.get_by_label("mean").check()
    assert_heads(figure, data, run=1, sentence=0, head=4, word=2)
    figure.get_by_label("汉堡 吃 了 我").check()
    assert_heads(figure, data, run=1, sentence=1, head=4, word=0)
    figure.locator(".picture-word").nth(1).click()
    assert_heads(figure, data, run=1, sentence=1, head=4, word=1)
    assert figure.get_by_label("ate", exact=True).is_checked()


def test_the_books_heads_are_those_of_its_figure(book_html):
    """Each row sums to 1, and where the figure stands still it shows the same: one training, two pictures."""
    page = book_html / "book" / "07-multi-head-attention.html"
    data = heads_of(page)
    for run in range(len(data["runs"])):
        for sentence, pair in enumerate(data["sentences"]):
            alpha = weights_of(data, run, sentence)
            assert alpha.shape == (5, len(pair["target"]), len(pair["source"]))
            assert alpha.min() >= 0 and np.allclose(alpha.sum(axis=2), 1, atol=0.0005 * len(pair["source"]) + 1e-9)
            assert all(i < len(pair["source"]) and j < len(pair["target"]) for i, j in pair["links"])
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "lxml")
    svg = (page.parent / soup.select_one("#fig-mha-heads img.figure-light")["src"]).read_text(encoding="utf-8")
    images = [Image.open(io.BytesIO(base64.b64decode(found))) for found in re.findall(r"base64,([^\"]+)", svg)]
    shown = weights_of(data, 0, data["first"])  # [h + 1, t, m]
    colours = colormaps["Blues"](np.arange(256))[:, :3] * 255
    for alpha, image in zip(shown, images, strict=False):
        pixels = np.asarray(image.convert("RGB"), dtype=float)[::-1]  # matplotlib writes the lowest row first
        t, m = alpha.shape
        rows = ((np.arange(t) + 0.5) / t * len(pixels)).astype(int)
        columns = ((np.arange(m) + 0.5) / m * pixels.shape[1]).astype(int)
        drawn = abs(pixels[np.ix_(rows, columns)][:, :, None] - colours).sum(axis=-1).argmin(axis=-1) / 256
        assert np.allclose(drawn, alpha, atol=0.01)


# ---- wavelengths ----------------------------------------------------------------------------------------------------


def assert_wavelengths(figure, d, p, k):
    rows = sinusoidal_encoding(1, d, p)[0].numpy(), sinusoidal_encoding(1, d, p + k)[0].numpy()
    strips = figure.locator(".picture-strip")
    for strip, row in zip(strips.all(), [*rows, rows[0] * rows[1]], strict=True):
        cells = strip.locator("rect").evaluate_all(
            "cells => cells.map(c => (c.classList.contains('c1') ? -1 : 1) * c.getAttribute('fill-opacity'))"
        )
        assert np.allclose(cells, row, atol=6e-4)
    said = figure.locator(".picture-result").inner_text().replace("−", "-")
    product, length = (float(found) for found in re.findall(r"= (-?\d+\.\d+)", said))
    assert np.isclose(product, rows[0] @ rows[1], atol=6e-4 + 1e-5 * d) and length == d / 2
    for clock in figure.locator(".picture-clocks svg").all():
        column = int(re.search(r"\d+", clock.get_attribute("aria-label"))[0])
        hands = clock.locator("line").evaluate_all(
            "hands => hands.map(h => ['x1', 'y1', 'x2', 'y2'].map(name => +h.getAttribute(name)))"
        )
        for (x1, y1, x2, y2), row in zip(hands, rows, strict=True):
            direction = np.array([x2 - x1, y1 - y2]) / np.hypot(x2 - x1, y2 - y1)
            assert np.allclose(direction, row[column : column + 2], atol=1e-4)  # (sin, cos): noon is angle 0


def test_the_wavelengths_are_the_encoding_and_the_inner_product_forgets_the_place(opened):
    figure = picture(opened(), "wavelengths")
    where, offset = (figure.get_by_role("slider", name=name) for name in ("place p", "offset k"))
    curve = figure.locator("path")
    assert_wavelengths(figure, d=8, p=10, k=5)
    for d in (8, 32, 128, 512):
        figure.get_by_label(str(d), exact=True).check()
        drawn = set()
        for p, k in [(0, 5), (37, 5), (200, 5), (3, -20), (50, 50)]:
            where.fill(str(p))
            offset.fill(str(k))
            assert_wavelengths(figure, d, p, k)
            drawn.add(curve.get_attribute("d"))
        assert len(drawn) == 1  # the whole curve stands still as p moves
        points = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", drawn.pop()), dtype=float)
        PE = sinusoidal_encoding(101, d, -50).numpy()
        heights = PE @ PE[50]  # of k = −50 … 50
        slope, shift = np.polyfit(heights, points[:, 1], 1)
        assert slope < 0 and np.allclose(slope * heights + shift, points[:, 1], atol=0.1)
        dot = figure.locator("circle.context").evaluate("dot => [dot.cx.baseVal.value, dot.cy.baseVal.value]")
        assert np.allclose(dot, points[100], atol=0.06)  # k = 50


# ---- flow -----------------------------------------------------------------------------------------------------------

SIZES = [  # odd and unequal, so that no two shapes are alike; and the paper's base model
    {"batch": 32, "m": 9, "t": 11, "d_model": 128, "h": 4, "d_ff": 256, "V": 1000, "N": 2},
    {"batch": 2, "m": 4, "t": 7, "d_model": 512, "h": 8, "d_ff": 2048, "V": 37000, "N": 6},
]


def flow_model(sizes):
    """The reference model, without memory for its weights."""
    V, d_model = sizes["V"], sizes["d_model"]
    with torch.device("meta"):
        return Transformer(V, V, d_model, sizes["h"], sizes["N"], sizes["d_ff"], shared=True)


def modules_of(model):
    """The modules of the blocks with weights, in the order of the picture; where it is tied, None."""
    E, D = model.encoder[0], model.decoder[0]
    source = [None, model.embed_source, None, E.self_attention, E.around_self, E.feed_forward, E.around_feed_forward]
    target = [None, None, None, D.self_attention, D.around_self, D.cross_attention, D.around_cross]
    return [*source, *target, D.feed_forward, D.around_feed_forward, None, None]


def count(module):
    return sum(p.numel() for p in module.parameters()) if module else 0


def set_sizes(figure, sizes):
    for name, value in sizes.items():
        figure.get_by_role("combobox", name=name, exact=True).select_option(f"{value:,}")


@pytest.mark.parametrize("sizes", SIZES)
def test_the_flow_counts_the_parameters_of_the_reference_model(opened, sizes):
    figure = picture(opened(), "flow")
    set_sizes(figure, sizes)
    model = flow_model(sizes)
    assert f"All parameters: {count(model):,}." in figure.locator(".picture-result").last.inner_text()
    for block, module in zip(figure.locator(".picture-block").all(), modules_of(model), strict=True):
        block.click()
        said = figure.locator(".picture-flow p").nth(1).inner_text()
        assert said.endswith("No parameters.") if count(module) == 0 else f" {count(module):,} parameters" in said
        layers = f"in each of {sizes['N']} layers" in said
        assert layers == isinstance(module, MultiHeadAttention | AddNorm | FeedForward)
        weights = figure.locator(".picture-tensors tr", has=figure.page.locator(".key:text-is('weight')"))
        listed = [int(text.replace(",", "")) for text in weights.locator("td:last-child").all_inner_texts()]
        assert sorted(listed) == sorted(p.numel() for p in module.parameters()) if module else listed == []


def test_the_flow_shows_the_shapes_of_a_forward_pass(opened):
    """Every block's inputs and output, and every arrow, against the reference model, which notes what it is given."""
    sizes = SIZES[0]
    batch, m, t, h, d_k = *(sizes[name] for name in ("batch", "m", "t", "h")), sizes["d_model"] // sizes["h"]
    model, seen = Transformer(1000, 1000, 128, 4, 2, 256, shared=True), {}

    def note(module, given, out):
        seen.setdefault(module, ([list(x.shape) for x in given], list(out.shape)))

    for module in model.modules():
        if isinstance(module, MultiHeadAttention | FeedForward):
            module.register_forward_hook(note)
    for layer in model.decoder:  # their attentions are called by other names
        for attention in (layer.self_attention, layer.cross_attention):
            for name in ("keys_values", "attend"):
                setattr(attention, name, noting(attention, getattr(attention, name), seen))
    x, y = torch.ones(batch, m, dtype=torch.long), torch.ones(batch, t, dtype=torch.long)
    logits = model(x, torch.full((batch,), m), y)

    figure = picture(opened(), "flow")
    set_sizes(figure, sizes)
    E, D = model.encoder[0], model.decoder[0]
    X, Y = [batch, m, 128], [batch, t, 128]
    assert seen[E.self_attention][0][:2] == [X, X] and seen[E.self_attention][1] == X
    assert seen[E.feed_forward] == ([X], X) and seen[D.feed_forward] == ([Y], Y)
    assert seen[D.cross_attention, "keys_values"] == [X] and seen[D.cross_attention, "attend"][0] == Y
    assert seen[D.cross_attention, "attend"][1:3] == [[batch, h, m, d_k]] * 2
    assert seen[D.self_attention, "attend"][:3] == [Y, *[[batch, h, t, d_k]] * 2]
    expected = [  # in, out
        ([], [batch, m]), ([[batch, m]], X), ([X, [m, 128]], X), ([X], X), ([X, X], X), ([X], X), ([X, X], X),
        ([], [batch, t]), ([[batch, t]], Y), ([Y, [t, 128]], Y), ([Y], Y), ([Y, Y], Y), ([Y, X], Y), ([Y, Y], Y),
        ([Y], Y), ([Y, Y], Y), ([Y], list(logits.shape)), ([list(logits.shape)], list(logits.shape)),
    ]  # fmt: skip
    for block, (given, out) in zip(figure.locator(".picture-block").all(), expected, strict=True):
        block.click()
        assert shapes(figure, "in") == given and shapes(figure, "out") == [out]
    figure.locator(".picture-block").nth(12).click()
    assert shapes(figure, "inside") == [
        [batch, h, t, d_k], [batch, h, m, d_k], [batch, h, m, d_k], [batch, 1, m], [batch, h, t, m], [batch, h, t, d_k],
    ]  # fmt: skip


def noting(module, method, seen):
    def noted(*given):
        seen.setdefault((module, method.__name__), [list(x.shape) for x in given if x is not None])
        return method(*given)

    return noted


def shapes(figure, kind):
    row = figure.locator(".picture-tensors tr", has=figure.page.locator(f".key:text-is('{kind}')"))
    return [json.loads(text) for text in row.locator("td:last-child").all_inner_texts()]


def test_the_arrows_into_the_three_attentions_carry_whole_tensors(opened):
    """Q, K, V and the residual each carry all of X or Y; at the second attention of the decoder, K and V carry the
    encoder's whole output. (They were read as three quarters and one quarter of one tensor.)"""
    figure = picture(opened(), "flow")
    X, Y = "[2, 4, 512]", "[2, 7, 512]"
    blocks = figure.locator(".picture-block")
    for index, names, labels in [(3, "QKV", [X]), (10, "QKV", [Y]), (12, "KQV", [X, Y])]:
        blocks.nth(index).click()
        arriving = figure.locator(".picture-arrow.c0")
        assert sorted(arriving.locator(".letter").all_text_contents()) == sorted(names)
        assert sorted(text for text in arriving.locator(".shape").all_text_contents() if text) == sorted(labels)
    for index, tensor in [(4, X), (6, X), (11, Y), (13, Y), (15, Y)]:  # Add & Norm: the residual and the sublayer
        blocks.nth(index).click()
        assert figure.locator(".picture-arrow.c0 .shape").all_text_contents() == [tensor] * 2
    blocks.nth(6).click()
    assert figure.locator(".picture-arrow.c1 .letter").all_text_contents() == ["K", "V"]


def test_the_flow_is_walked_by_buttons_and_by_keys(opened):
    page = opened()
    figure = picture(page, "flow")
    back, ahead = figure.get_by_role("button", name="previous"), figure.get_by_role("button", name="next")
    title = figure.locator(".picture-flow .picture-result").first
    assert back.is_disabled() and title.inner_text() == "1 of 18. Encoder: Source tokens"
    for _ in range(17):
        ahead.click()
    assert ahead.is_disabled() and title.inner_text() == "18 of 18. Decoder: Softmax"
    back.click()
    assert figure.locator(".picture-block[tabindex='0']").count() == 1
    figure.locator(".picture-block[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")  # there is no further one
    assert title.inner_text() == "18 of 18. Decoder: Softmax"
    for _ in range(18):
        page.keyboard.press("ArrowDown")
    assert title.inner_text() == "1 of 18. Encoder: Source tokens"
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Encoder: Source tokens"


# ---- all of them ----------------------------------------------------------------------------------------------------


def test_a_screen_reader_hears_one_sentence_when_the_reader_rests(opened):
    page = opened()
    page.clock.install()
    page.reload()
    for kind in KINDS:
        live = picture(page, kind).locator("[aria-live=polite]")
        page.clock.run_for(2000)
        assert live.inner_text() == "", "nothing has changed yet"
    figure = picture(page, "query")
    heard = figure.locator("[aria-live]")
    figure.locator(".picture-handle").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        page.clock.run_for(200)
        assert heard.inner_text() == ""
    page.clock.run_for(600)
    assert re.fullmatch(r"I 0\.\d\d, want 0\.\d\d, eat 0\.\d\d, hamburger 0\.\d\d\. c = .*", heard.inner_text())


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_phone_all_fits_and_can_be_touched(opened, kind):
    page = opened(viewport={"width": 390, "height": 844}, has_touch=True)
    figure = picture(page, kind)
    wide = figure.locator("*").evaluate_all(
        "nodes => nodes.filter(n => n.getBoundingClientRect().right > innerWidth).map(n => n.outerHTML)"
    )
    assert wide == []
    for box in figure.locator("label, button, select, .picture-touch, .picture-block, input[type=range]").all():
        size = box.bounding_box()
        assert min(size["width"], size["height"]) >= 24, box.evaluate("node => node.outerHTML")
    frame = figure.locator(".picture-scroll")
    if frame.count():
        assert frame.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_colours_follow_the_theme_and_the_focus_can_be_seen(opened):
    colours = set()
    for scheme in ("light", "dark"):
        page = opened(color_scheme=scheme)
        figure = picture(page, "query")
        colours.add(figure.locator(".bar").first.evaluate("bar => getComputedStyle(bar).backgroundColor"))
        page.keyboard.press("Tab")  # from here on, what has the focus is marked
        figure.locator(".picture-handle").focus()
        ring = figure.locator(".picture-touch").evaluate("ring => getComputedStyle(ring).stroke")
        assert ring != "none"
    assert len(colours) == 2


def test_nothing_moves_for_those_who_ask(opened):
    """The stylesheet makes every change last 0.01 ms then, which is no time to be seen."""
    page = opened(reduced_motion="reduce")
    picture(page, "mask").get_by_label("causal", exact=True).check()
    durations = page.evaluate("document.getAnimations().map(one => one.effect.getComputedTiming().duration)")
    assert max(durations, default=0) < 1


def test_without_scripts_and_on_paper_the_words_stand_for_the_picture(html, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(html.as_uri())
    for figure in page.locator("figure.picture").all():
        assert figure.locator(".picture-alt").bounding_box()["height"] > 10
        assert figure.locator(".picture-still").is_visible() and figure.locator("figcaption").is_visible()
        assert figure.locator(".picture-stage").count() == 0
    still = picture(page, "query").locator(".picture-still")
    assert "Fig. 1 shows the same, standing still." in still.inner_text()
    links = still.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    # the sample is built for a fork
    assert links == [
        "https://someone.github.io/her-fork/book/02-pictures.html#picture-query",
        "01-sample.html#fig-sample-line",
    ]
    context.close()

    context = browser.new_context()
    page = context.new_page()
    page.goto(html.as_uri())
    figure = picture(page, "query")
    assert figure.locator(".picture-stage").is_visible() and not figure.locator(".picture-still").is_visible()
    page.emulate_media(media="print")
    assert not figure.locator(".picture-stage").is_visible() and figure.locator(".picture-still").is_visible()
    assert figure.locator(".picture-alt").bounding_box()["height"] > 10
    context.close()


def test_the_names_are_those_that_colabs_notebooks_link_to(html):
    soup = BeautifulSoup(html.read_text(encoding="utf-8"), "lxml")
    ids = [figure["id"] for figure in soup.select("figure.picture")]
    made = Book(html.parents[3], colab.repository())
    assert ids == ["picture-query", "picture-mask", "my-temperature", *(f"picture-{kind}" for kind in KINDS[3:])]
    assert all(made.labels[name].anchor == name and made.labels[name].page == "book/02-pictures" for name in ids)
