"""The printed book: the sample's as a PDF, page by page, and the links of the real one before it is set."""

import io
import re
import unicodedata

import pytest

pypdf = pytest.importorskip("pypdf", reason="the environment is older than requirements.txt: `make test` remakes it")

import book_printed  # noqa: E402
from bs4 import BeautifulSoup  # noqa: E402
from conftest import ROOT  # noqa: E402

MILLIMETRE = 72 / 25.4


@pytest.fixture(scope="module")
def document(sample_project) -> str:
    return book_printed.assemble(sample_project / "_build" / "html", sample_project / "_toc.yml")


@pytest.fixture(scope="module")
def book(document, browser) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(book_printed.set_pages(browser, document)))


@pytest.fixture(scope="module")
def texts(book) -> list[str]:
    """What each page says. Chromium takes some Chinese characters for the radicals that look like them."""
    return [unicodedata.normalize("NFKC", page.extract_text()) for page in book.pages]


def flat(outline) -> list:
    return [entry for item in outline for entry in (flat(item) if isinstance(item, list) else [item])]


def links(book):
    return [annotation.get_object() for page in book.pages for annotation in page.get("/Annots", [])]


def test_every_page_is_there_and_numbered(book, texts):
    assert 8 <= len(book.pages) <= 20
    for number, text in enumerate(texts[2:], start=3):  # the title page and the contents have none
        assert re.search(rf"^{number}(?!\d)|(?<!\d){number}$", text.strip()), text


def test_the_outline_has_every_chapter_and_section(book, document):
    soup = BeautifulSoup(document, "lxml")
    outline = [entry.title for entry in flat(book.outline)]
    assert outline == [" ".join(heading.get_text().split()) for heading in soup.select("h1, h2, h3, h4")]
    assert {"Contents", "A sample chapter", "Interactive pictures", "References"} <= set(outline)


def test_the_contents_say_where_each_chapter_and_section_is(book, document, texts):
    pages = {entry.title: book.get_destination_page_number(entry) + 1 for entry in flat(book.outline)}
    for entry in BeautifulSoup(document, "lxml").select(".contents a"):
        title = entry.span.get_text()
        assert re.search(rf"{title}\s*{pages[title]}\b", texts[1]), texts[1]


def test_every_link_leads_somewhere(book):
    inside, outside = 0, 0
    for link in links(book):
        if "/A" in link:
            assert re.match("https?://", link["/A"]["/URI"]), link["/A"]
            outside += 1
        else:
            assert link["/Dest"].removeprefix("/") in {n.removeprefix("/") for n in book.named_destinations}, link
            inside += 1
    assert inside > 20 and outside > 5


@pytest.mark.parametrize("which", ["sample", "book"])
def test_ids_are_unique_and_every_link_has_its_place(which, request):
    """Before the book is set: Chromium drops links that lead nowhere without a word."""
    if which == "sample":
        soup = BeautifulSoup(request.getfixturevalue("document"), "lxml")
    else:
        html = request.getfixturevalue("book_html")
        soup = BeautifulSoup(book_printed.assemble(html, ROOT / "_toc.yml"), "lxml")
    places = [element["id"] for element in soup.find_all(id=True)]
    assert len(places) == len(set(places))
    targets = {link["href"] for link in soup.select("a[href]")}
    assert [target for target in targets if target.startswith("#") and target[1:] not in places] == []
    assert all(target.startswith(("#", "https://", "http://")) for target in targets)
    assert not soup.select("details, script, .figure-dark, .headerlink, [title]")


def test_fonts_are_embedded(book):
    seen = set()
    for page in book.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            font = font.get_object()
            for part in [part.get_object() for part in font.get("/DescendantFonts", [font])]:
                descriptor = part.get("/FontDescriptor", {})
                assert part["/Subtype"] == "/Type3" or {"/FontFile", "/FontFile2", "/FontFile3"} & set(descriptor), font
                seen.add(str(part.get("/BaseFont", "")).partition("+")[2])
    assert {"STIXGeneral-Regular", "DejaVuSansMono"} <= seen


def test_nothing_stands_in_the_margins(book):
    """Where each piece of text begins; that none is too wide is measured below, where its end is known."""
    for page in book.pages:
        width, height = (float(side) for side in page.mediabox[2:])

        def see(text, cm, tm, font, size, page=page, width=width, height=height):
            if not text.strip():
                return
            x = cm[0] * tm[4] + cm[2] * tm[5] + cm[4]
            y = cm[1] * tm[4] + cm[3] * tm[5] + cm[5]
            assert 21 * MILLIMETRE < x < width - 21 * MILLIMETRE, (page.page_number, text, x)
            assert 10 * MILLIMETRE < y < height - 19 * MILLIMETRE, (page.page_number, text, y)

        page.extract_text(visitor_text=see)


def test_nothing_is_wider_than_the_text_and_a_long_line_of_code_fits(document, browser):
    with book_printed.opened(browser, document) as page:
        across = page.evaluate("document.body.clientWidth")
        wide = page.evaluate(
            """[...document.querySelectorAll("article *, nav *, .title-page *")]
            .filter(e => !e.closest("svg") && e.getBoundingClientRect().right > document.body.clientWidth + 1)
            .map(e => [e.tagName, e.className, e.getBoundingClientRect().right])"""
        )
        assert wide == [], across
        heights = page.evaluate(
            """[1, 88, 120].map(length => {
                const code = document.querySelector(".cell_input pre");
                code.textContent = "m".repeat(length);
                return code.clientHeight;
            })"""
        )
        assert heights[0] == heights[1] < heights[2]


def test_a_line_does_not_begin_with_the_full_stop_behind_a_formula():
    x = '<span class="math notranslate nohighlight"><mjx-container>x</mjx-container></span>'
    assert book_printed.lighten(f"<p>({x}), {x} and {x}.</p>") == (
        f'<p>(<span class="joined">{x}),</span> {x} and <span class="joined">{x}.</span></p>'
    )


def test_a_text_of_up_to_three_lines_stays_on_one_page(document, browser):
    with book_printed.opened(browser, document) as page:
        lines = """count => {
            const text = document.querySelector("article p");
            text.innerHTML = Array(count).fill("line").join("<br>");
        }"""
        inside = []
        for count in (1, 3, 4):
            page.evaluate(lines, count)
            page.evaluate(book_printed.FIT)
            inside.append(page.evaluate("getComputedStyle(document.querySelector('article p')).breakInside"))
    assert inside == ["avoid", "avoid", "auto"]


def test_chinese_figures_formulas_and_pictures_are_there(book, texts):
    text = "\n".join(texts)
    assert "注意力" in text
    assert "Fig. 1" in text and "Two lines and a threshold" in text
    assert "softmax" in text
    assert "This is an interactive picture." in text
    assert "rng.normal" in text
    assert "axes.axhline" not in text, "the code of a figure, folded on the web"
    assert "axes.imshow" in text, "the code of a figure that is not folded"


def test_answers_stand_at_the_end_of_their_chapter_and_the_question_names_the_page(texts):
    asks = next(number for number, text in enumerate(texts) if "What is the sum of the weights?" in text)
    named = re.search(r"What is the sum of the weights\?\s+Answer on page (\d+)", texts[asks])
    answers = texts[int(named[1]) - 1]
    assert re.search(r"Answers\s.*It is 1, in every row\.", answers, flags=re.DOTALL)
    assert "Because of the softmax." in "".join(texts), "what is folded elsewhere is printed where it stands"


@pytest.mark.parametrize("options", [["--check"], []], ids=["before the book is built", "after"])
def test_without_chromium_it_says_what_is_missing(monkeypatch, options):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.delenv("CHROME_PATH", raising=False)
    monkeypatch.setattr("sys.argv", ["book_printed.py", *options])
    with pytest.raises(SystemExit, match=r"^Chromium sets the PDF, and is not here: install it .*CHROME_PATH\.$"):
        book_printed.main()


def test_the_look_before_the_book_is_built_needs_no_book(monkeypatch, tmp_path):
    monkeypatch.setenv("CHROME_PATH", "/usr/bin/some-chromium")
    monkeypatch.setattr("sys.argv", ["book_printed.py", "--check", "--html", str(tmp_path)])
    book_printed.main()
