"""The built pages, in a real browser and as files: the sample book's, which has everything, and the real book's."""

import gzip
import json
import re
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from book_glossary import chinese_names
from book_pages import colab
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
MAX_PAGE_BYTES = 1_000_000
# Ours to answer for are the pages' content and how we configured the theme. These rules fail in the theme's own frame.
AXE_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}
OF_COLOURS = {**AXE_OPTIONS, "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def pages_of(site: Path) -> list[str]:
    """Paths of the pages that a reader reads, relative to the site."""
    return sorted(str(path.relative_to(site)) for path in (site / "book").glob("*.html"))


def html_of(site: Path, page: str) -> BeautifulSoup:
    """The page without the words of its code blocks: they are most of its elements, each in a colour."""
    text = (site / page).read_text(encoding="utf-8")
    return BeautifulSoup(re.sub("(<pre[^>]*>).*?</pre>", r"\1</pre>", text, flags=re.DOTALL), "lxml")


def open_page(context, url: str):
    """The page, its scripts finished; and what went wrong on the way."""
    page = context.new_page()
    problems, outside = [], []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"not loaded: {request.url}"))
    page.on(
        "response",
        lambda response: problems.append(f"{response.status}: {response.url}") if response.status >= 400 else None,
    )
    home = urlsplit(url).netloc
    page.on("request", lambda request: outside.append(request.url) if urlsplit(request.url).netloc != home else None)
    page.goto(url, wait_until="load")
    page.evaluate("document.fonts.ready")
    return page, problems, outside


@pytest.mark.parametrize(("scheme", "options"), [("light", AXE_OPTIONS), ("dark", OF_COLOURS)], ids=["light", "dark"])
def test_pages_are_accessible_quiet_and_self_contained(site, sample_project, browser, serve, scheme, options):
    """No console error, no request to elsewhere, no finding of axe, on the desktop. The schemes differ in colours only.

    All code has the colours of one stylesheet. axe looks at them in the sample; in the book they would take minutes, so
    that there the code is taken away before.
    """
    empty = "document.querySelectorAll('.highlight pre').forEach(code => code.replaceChildren())"
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme, reduced_motion="reduce")
    for name in [*pages_of(site), "search.html"]:
        page, problems, outside = open_page(context, f"{serve(site)}/{name}")
        assert outside == [], name
        assert problems == [], name
        if not site.is_relative_to(sample_project):
            page.evaluate(empty)
        findings = Axe().run(page, options=options).response["violations"]
        shown = [(f["id"], f["impact"], [node["html"][:150] for node in f["nodes"][:5]]) for f in findings]
        assert shown == [], f"{name}, {scheme}: {json.dumps(shown, indent=1)}"
        page.close()
    context.close()


def test_no_page_scrolls_sideways(site, browser, serve):
    context = browser.new_context(viewport=DESKTOP)
    for name in pages_of(site):
        page, *_ = open_page(context, f"{serve(site)}/{name}")
        page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
        # What is far below counts, too.
        page.add_style_tag(content="section { content-visibility: visible !important }")
        for width in (1280, 768, 390, 320):
            page.set_viewport_size({"width": width, "height": 844})
            widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert widths[0] <= widths[1], f"{name} is {widths[0]} pixels wide on a screen of {widths[1]}"
        page.close()
    context.close()


def test_every_internal_link_and_anchor_is_alive(site):
    anchors, links = {}, {}
    for page in site.resolve().glob("**/*.html"):
        if "_static" not in page.parts:
            soup = BeautifulSoup(page.read_text(encoding="utf-8"), "lxml")
            named = soup.find_all("a", attrs={"name": True})
            anchors[page] = {tag["id"] for tag in soup.find_all(id=True)} | {tag["name"] for tag in named}
            found = [tag.get("href") or tag.get("src") for tag in soup.find_all(["a", "link", "img", "script"])]
            links[page] = list(filter(None, found))
    dead = []
    for page in links:
        for link in links[page]:
            if urlsplit(link).scheme:
                continue
            target, fragment = urldefrag(link)
            path = (page.parent / unquote(urlsplit(target).path)).resolve() if target else page
            if not path.exists():
                dead.append(f"{page.name}: {link}")
            elif fragment and path.suffix == ".html" and unquote(fragment) not in anchors.get(path, ()):
                dead.append(f"{page.name}: {link} (no such anchor)")
    assert dead == []


def test_every_figure_has_two_versions_an_alternative_text_a_caption_and_a_name(site):
    for name in pages_of(site):
        soup = html_of(site, name)
        for image in soup.select(".bd-article img"):
            assert image.get("alt", "").strip(), f"{name}: {image['src']} has no alternative text"
            assert image.get("width") and image.get("height"), f"{name}: {image['src']} moves the text when it arrives"
        for figure in soup.select(".cell_output figure"):
            assert figure.figcaption and figure.figcaption.select_one(".caption-text").get_text(strip=True), name
            assert re.match("fig-", figure.get("id", "")), (
                f"{name}: a figure without a name: {figure.figcaption.get_text()}"
            )
            themes = [
                theme
                for image in figure.find_all("img")
                for theme in image["class"]
                if theme in ("figure-light", "figure-dark")
            ]
            assert themes == ["figure-light", "figure-dark"], f"{name}: {figure['id']}"
        assert not soup.select(".cell_output img:not(figure img)"), f"{name}: a picture that is not in a figure"


def test_figures_follow_the_theme(sample_project, browser, serve):
    context = browser.new_context(viewport=DESKTOP, color_scheme="dark")
    page, *_ = open_page(context, f"{serve(sample_project / '_build' / 'html')}/book/01-sample.html")

    def visible() -> set[str]:
        return {
            image.get_attribute("src").rpartition("-")[2]
            for image in page.locator("figure img").all()
            if image.is_visible()
        }

    assert visible() == {"dark.svg"}
    page.evaluate("localStorage.setItem('mode', 'light'); localStorage.setItem('theme', 'light')")
    page.reload()
    assert visible() == {"light.svg"}
    shown = page.evaluate("getComputedStyle(document.querySelector('.figure-light')).backgroundColor")
    assert shown == "rgba(0, 0, 0, 0)"
    context.close()


def test_without_scripts_the_light_figures_show_and_nothing_is_hidden(sample_project, browser, serve):
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{serve(sample_project / '_build' / 'html')}/book/01-sample.html")
    visible = [image.get_attribute("src") for image in page.locator("figure img").all() if image.is_visible()]
    assert len(visible) == 2 and all(source.endswith("-light.svg") for source in visible)
    context.close()


def test_the_book_reads_from_the_disk(site, browser):
    """From file://: formulas have the book's own fonts and all their characters, and can be read by a screen reader."""
    context = browser.new_context(viewport=DESKTOP)
    for name in pages_of(site):
        page, problems, outside = open_page(context, (site / name).as_uri())
        assert (problems, outside) == ([], []), name
        formulas = page.locator(".math").count()
        assert page.locator("mjx-container mjx-assistive-mml math").count() >= formulas, name
        assert page.locator("mjx-merror, merror").count() == 0, f"{name}: a formula that cannot be read"
        if formulas:
            fonts = page.evaluate(
                "[...document.fonts].filter(f => f.family.startsWith('MJXTEX') && f.status == 'loaded').length"
            )
            assert fonts > 0, name
            missing = page.evaluate(
                """[...document.querySelectorAll("mjx-c[class]")]
                .filter(c => getComputedStyle(c, "::before").content === "none").map(c => c.className)"""
            )
            assert missing == [], f"{name}: characters without a style"
        page.close()
    context.close()


SHIFTS = """new Promise(done => {
    let total = 0;
    const add = list => list.getEntries().forEach(shift => { total += shift.value; });
    new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(total), 100);
})"""


def test_nothing_moves_while_a_page_loads(site, browser, serve):
    """The sum of all layout shifts; Lighthouse calls up to 0.1 good. It is no time: a slow machine has the same.

    An interactive picture takes more room than the words that stand for it. No chapter begins with one.
    """
    for viewport in (DESKTOP, PHONE):
        context = browser.new_context(viewport=viewport)
        for name in pages_of(site):
            if name == "book/02-pictures.html":  # the sample's, which does
                continue
            page, *_ = open_page(context, f"{serve(site)}/{name}")
            moved = page.evaluate(SHIFTS)
            assert moved < 0.1, f"{name}, {viewport['width']} pixels wide: {moved}"
            page.close()
        context.close()


def test_formulas_show_without_scripts(sample_project, browser):
    context = browser.new_context(viewport=DESKTOP, java_script_enabled=False)
    page = context.new_page()
    page.goto((sample_project / "_build" / "html" / "book" / "01-sample.html").as_uri())
    for formula in page.locator("mjx-math").all():
        assert formula.bounding_box()["width"] > 5
    context.close()


def test_the_longest_line_of_code_fits_on_a_small_desktop_screen(sample_project, browser):
    """88 characters, the limit of the chapters, in the font of this machine, which is among the widest.

    The screen has 1280 pixels. The scrollbar, which Chromium hides where it has no window, takes 15.
    """
    context = browser.new_context(viewport={"width": 1280 - 15, "height": 720})
    page, *_ = open_page(context, (sample_project / "_build" / "html" / "book" / "01-sample.html").as_uri())
    page.locator("details:has(.cell_input)").first.evaluate("folded => { folded.open = true; }")
    box = page.locator("details .cell_input .highlight pre").first  # there the frame takes room, too
    box.evaluate("box => { box.textContent = 'm'.repeat(88); }")
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    context.close()


@pytest.mark.parametrize("query", ["softmax", "注意力"])
@pytest.mark.parametrize("origin", ["server", "disk"])
def test_search_finds(sample_project, browser, serve, query, origin):
    html = sample_project / "_build" / "html"
    base = serve(html) if origin == "server" else html.as_uri()
    context = browser.new_context(viewport=DESKTOP)
    page, problems, outside = open_page(context, f"{base}/search.html?q={query}")
    page.wait_for_selector("#search-results li a")
    targets = [link.get_attribute("href") for link in page.locator("#search-results li a").all()]
    assert any("book/01-sample.html" in target for target in targets)
    assert (problems, outside) == ([], [])
    context.close()


def test_search_finds_softmax_in_the_book(book_html, browser, serve):
    context = browser.new_context(viewport=DESKTOP)
    page, *_ = open_page(context, f"{serve(book_html)}/search.html?q=softmax")
    page.wait_for_selector("#search-results li a")
    assert page.locator("#search-results li a").count() >= 1
    context.close()


def test_search_finds_every_term_of_the_glossary_in_english_and_chinese(book_html, browser, serve):
    """The page's own search function, asked for all terms at once: a page for each would take minutes."""
    glossary = html_of(book_html, "book/glossary.html").select_one("dl.glossary")
    english = [term.find(string=True) for term in glossary.select("dt")]
    first = glossary.select("dd > p:first-child > em:first-of-type")
    chinese = [name for names in first for name in chinese_names(names.get_text())]
    assert len(english) > 100 and len(chinese) > 100
    context = browser.new_context(viewport=DESKTOP)
    page, *_ = open_page(context, f"{serve(book_html)}/search.html?q=softmax")
    page.wait_for_selector("#search-results li a")
    found = page.evaluate(
        """words => Object.fromEntries(words.map(word =>
            [word, Search._performSearch(...Search._parseQuery(word)).map(result => result[0])]))""",
        [*english, *chinese],
    )
    context.close()
    assert [word for word, pages in found.items() if not pages] == []
    # Sphinx drops a page where "one" is not in the index, being too common, and another word has two characters.
    assert [word for word, pages in found.items() if "book/glossary" not in pages and word != "one-hot 编码"] == []


def test_a_page_weighs_less_than_a_megabyte(site, browser, serve):
    """Everything that opening a page fetches, gzipped, after the reader has scrolled to its end."""
    context = browser.new_context(viewport=DESKTOP)
    for name in pages_of(site):
        page = context.new_page()
        responses = []
        page.on("response", lambda response, seen=responses: seen.append(response))
        page.goto(f"{serve(site)}/{name}", wait_until="networkidle")
        page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_load_state("networkidle")
        sizes = {response.url: len(gzip.compress(response.body())) for response in responses}
        assert sum(sizes.values()) < MAX_PAGE_BYTES, f"{name}: {sorted(sizes.items(), key=lambda item: -item[1])[:8]}"
        page.close()
    context.close()


def test_the_keyboard_reaches_the_text_first_and_shows_where_it_is(sample_project, browser, serve):
    context = browser.new_context(viewport=DESKTOP)
    page, *_ = open_page(context, f"{serve(sample_project / '_build' / 'html')}/book/01-sample.html")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    assert focused.get_attribute("href") == "#main-content"
    assert focused.is_visible()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_url("**#main-content")
    context.close()


SCROLLING_BOXES = """[...document.querySelectorAll(".bd-article *")]
    .filter(e => e.scrollWidth > e.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(e).overflowX))"""


def test_what_scrolls_inside_itself_can_be_scrolled_with_the_keyboard(sample_project, browser, serve):
    """On a phone a box counts when the reader has come near it; and none does that no longer scrolls."""
    context = browser.new_context(viewport=PHONE)
    page, *_ = open_page(context, f"{serve(sample_project / '_build' / 'html')}/book/01-sample.html")
    page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
    boxes = page.evaluate_handle(SCROLLING_BOXES)
    count = boxes.evaluate("boxes => boxes.length")
    assert count >= 3
    for i in range(count):
        box = boxes.get_property(str(i)).as_element()
        box.scroll_into_view_if_needed()
        page.wait_for_function("box => box.tabIndex === 0", arg=box)
    page.set_viewport_size({"width": 2400, "height": 900})
    page.wait_for_function(f"{SCROLLING_BOXES}.length === document.querySelectorAll('.bd-article [tabindex]').length")
    context.close()


SIZES_ASKED = """window.asked = [];
const noted = (name, call) => function () {
    const far = this.closest(".bd-article") && !this.checkVisibility({ contentVisibilityAuto: true });
    if (far) asked.push(`${name} of ${this.outerHTML.slice(0, 80)}`);
    return call.call(this);
};
for (const kind of [Element, HTMLElement])
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(kind.prototype)))
        if (get && /^(client|offset|scroll)(Width|Height|Top|Left)$/.test(name))
            Object.defineProperty(kind.prototype, name, { get: noted(name, get), configurable: true });
for (const name of ["getBoundingClientRect", "getClientRects"])
    Element.prototype[name] = noted(name, Element.prototype[name]);
"""


def test_a_phone_lays_out_no_section_before_the_reader_comes_near_it(sample_project, browser, serve):
    """Whoever asks for the size of something in a section has the browser lay it out: seconds, on a long page."""
    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.add_init_script(SIZES_ASKED)
    page.goto(f"{serve(sample_project / '_build' / 'html')}/book/01-sample.html", wait_until="networkidle")
    far = page.locator(".bd-article > section > section:last-of-type > *").first
    assert not far.evaluate("part => part.checkVisibility({ contentVisibilityAuto: true })")
    assert page.evaluate("asked") == []
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_has_its_colours_before_the_themes_script_comes(sample_project, browser, scheme):
    context = browser.new_context(viewport=DESKTOP, color_scheme=scheme)
    context.route("**/*.js*", lambda route: route.abort())
    page, *_ = open_page(context, (sample_project / "_build" / "html" / "book" / "01-sample.html").as_uri())
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    context.close()


def test_motion_stops_for_those_who_ask(sample_project, browser, serve):
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce")
    page, *_ = open_page(context, f"{serve(sample_project / '_build' / 'html')}/book/01-sample.html")
    longest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('*')].map(e => parseFloat(getComputedStyle(e).transitionDuration)))"
    )
    assert longest < 0.001
    context.close()


def colab_links(site: Path, page: str) -> list[str]:
    return [link["href"] for link in html_of(site, page).select("a.btn-launch-colab")]


def test_the_colab_button_of_a_fork_opens_the_forks_notebook(sample_project):
    site = sample_project / "_build" / "html"
    expected = f"{colab.COLAB}/github/someone/her-fork/blob/{colab.repository().branch}/book/colab/01-sample.ipynb"
    assert colab_links(site, "book/01-sample.html") == [expected]
    assert colab_links(site, "book/index.html") == []
    links = {tag["href"] for tag in html_of(site, "book/01-sample.html").select(".article-header-buttons a")}
    assert "https://github.com/someone/her-fork" in links
    assert (site / "_sources" / "book" / "01-sample.ipynb").read_text() == '{"cells": []}'


def test_a_link_to_an_assignment_opens_it_in_colab(sample_project):
    page = html_of(sample_project / "_build" / "html", "book/01-sample.html")
    link = page.find("a", string="01-sample")
    expected = (
        f"{colab.COLAB}/github/someone/her-fork/blob/{colab.repository().branch}/exercises/01-sample/01-sample.ipynb"
    )
    assert link["href"] == expected


def test_the_books_colab_buttons_open_notebooks_that_exist(book_html):
    here = colab.repository()
    for page in pages_of(book_html):
        notebook = ROOT / "book" / "colab" / f"{Path(page).stem}.ipynb"
        expected = (
            [f"{colab.COLAB}/github/{here.slug}/blob/{here.branch}/book/colab/{notebook.name}"]
            if notebook.is_file()
            else []
        )
        assert colab_links(book_html, page) == expected


def test_scripts_that_the_book_does_not_use_are_not_loaded(site):
    for name in pages_of(site):
        html = html_of(site, name)
        scripts = " ".join(tag["src"] for tag in html.find_all("script", src=True))
        assert not re.search(r"fontawesome|thebe|searchindex|mathjax|https?:", scripts), name
        fields = html.select("input[type=search]")
        assert len(fields) <= 1, f"{name} has {len(fields)} search fields"
