"""Interactive pictures: what the directive asks for, and the pictures themselves, used in Chromium as readers do."""

import math
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from book_pages import colab
from bs4 import BeautifulSoup
from colab_markdown import Book
from matplotlib.path import Path as Polygon
from tiny import HEAD, build

from autograder.reference import example

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


def test_the_pictures_are_small():
    """All of them together, before compression; one page loads one or two."""
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 60_000


# ---- in the browser -------------------------------------------------------------------------------------------------

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


def assert_shows(figure, q):
    """The table, the sentence below it and the drawing say what the formulas give for this query."""
    alpha = softmax(K @ q)
    assert np.allclose(numbers(figure.locator("tbody tr td:nth-child(2)"))[:4], K @ q, atol=0.0051)
    shown = numbers(figure.locator("tbody tr td:nth-child(4)"))
    assert np.allclose(shown[:4], alpha, atol=0.00051) and shown[4] == 1
    widths = figure.locator(".bar").evaluate_all("bars => bars.map(bar => parseFloat(bar.style.width))")
    assert np.allclose(widths, 100 * alpha, atol=1e-3)
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


# ---- all of them ----------------------------------------------------------------------------------------------------


def test_a_screen_reader_hears_one_sentence_when_the_reader_rests(opened):
    page = opened()
    page.clock.install()
    page.reload()
    for kind in ("query", "mask", "temperature"):
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


@pytest.mark.parametrize("kind", ["query", "mask", "temperature"])
def test_on_a_phone_all_fits_and_can_be_touched(opened, kind):
    page = opened(viewport={"width": 390, "height": 844}, has_touch=True)
    figure = picture(page, kind)
    wide = figure.locator("*").evaluate_all(
        "nodes => nodes.filter(n => n.getBoundingClientRect().right > innerWidth).map(n => n.outerHTML)"
    )
    assert wide == []
    for box in figure.locator("label, button, .picture-touch, input[type=range]").all():
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
    assert ids == ["picture-query", "picture-mask", "my-temperature"]
    assert all(made.labels[name].anchor == name and made.labels[name].page == "book/02-pictures" for name in ids)
