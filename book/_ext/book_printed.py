"""The printed book: the built pages as one PDF, set by Chromium. `make pdf` runs this file after `make book`.

The pages are put together in the order of `_toc.yml`, below a title page and a table of contents, with a style sheet of
their own (`printed/print.css`). What differs from the pages on the web:

- ids get the name of their page, so that each is unique; links between pages lead to the place in the PDF;
- figures are the light ones, interactive pictures the words that stand for them;
- code that only draws a figure, folded on the web, is left out; other folded code is printed;
- answers, folded on the web, stand at the end of their chapter, and each question names the page.

Page numbers are not known before the book is set. So it is set twice, the first time with figures of the same width.

It is not a Sphinx extension; it reads what Sphinx wrote.
"""

import argparse
import copy
import io
import math
import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import matplotlib
import yaml
from book_pages import PRINTED, colab
from bs4 import BeautifulSoup, Tag
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
STYLE = Path(__file__).with_name("printed") / "print.css"
FRONT = "Before you begin"  # the front page's heading; its own is the title of the book
PAGE_WIDTH = 210 - 2 * 22  # millimetres between the margins of print.css
PLAIN = re.compile(r'<span class="(?:n|nn|o|p|w)">([^<]*)</span>|<span></span>')  # names, operators, blanks
FORMULA = re.compile(r"<mjx-container([^>]*)>(.*?)<mjx-assistive-mml[^>]*>(.*?)</mjx-assistive-mml>", re.DOTALL)
JOINED = re.compile(r'(<span class="math [^"]*">(?:(?!</?span).)*</span>[.,;:?)]+)', re.DOTALL)
BLANK = "000"  # stands where a page number will be
FONTS = {  # matplotlib brings them, so every machine prints the same; licences beside them
    "Book Serif": {"STIXGeneral": "", "STIXGeneralItalic": "i", "STIXGeneralBol": "b", "STIXGeneralBolIta": "bi"},
    "Book Mono": {"DejaVuSansMono": "", "DejaVuSansMono-Oblique": "i", "DejaVuSansMono-Bold": "b"},
}
FIT = """() => {
    const across = document.body.clientWidth;
    for (const box of document.querySelectorAll("div.math")) {
        const formula = box.querySelector("mjx-math").getBoundingClientRect().width;
        const wide = formula + 2 * (box.querySelector(".eqno")?.offsetWidth ?? 0);
        if (wide > across)
            box.querySelector("mjx-container").style.fontSize = `${1.04 * across / wide}em`;
    }
    for (const block of document.querySelectorAll("pre, .admonition, .picture, table"))
        block.classList.toggle("short", block.offsetHeight < 240);
    for (const text of document.querySelectorAll("p"))  // orphans and widows forbid a break, but it would be made
        text.classList.toggle("short", text.offsetHeight < 3.5 * parseFloat(getComputedStyle(text).lineHeight));
}"""
NUMBER = """numbers => {
    for (const place of document.querySelectorAll(".page-number"))
        place.textContent = numbers[place.dataset.of] ?? "";
}"""


def pages_in_order(toc: Path) -> list[str]:
    """Names of the pages, ``book/03-attention``, as `_toc.yml` lists them."""
    listed = yaml.safe_load(toc.read_text(encoding="utf-8"))
    return [listed["root"], *(chapter["file"] for chapter in listed["chapters"])]


def tag(soup: BeautifulSoup, name: str, text: str = "", **attributes) -> Tag:
    made = soup.new_tag(name, attrs={key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()})
    made.string = text
    return made


def lighten(page: str) -> str:
    """Spare the PDF an entry for each word of code and each sign of a formula, which would be half its size.

    Screen readers are given code as text, and what a formula says as one thing. It keeps the full stop behind it, too:
    Chromium would let a line begin with it.
    """

    def named(match: re.Match) -> str:
        said = re.sub(r"<[^>]*>|\s+", "", match[3]).replace('"', "&quot;")
        return f'<mjx-container{match[1]} role="img" aria-label="{said}">{match[2]}'

    return JOINED.sub(r'<span class="joined">\1</span>', FORMULA.sub(named, PLAIN.sub(r"\1", page)))


class Page:
    """One page of the web as a part of the book; ``key`` begins its ids."""

    def __init__(self, html: Path, name: str):
        self.path = html / f"{name}.html"
        self.key = name.rpartition("/")[2]
        self.soup = BeautifulSoup(lighten(self.path.read_text(encoding="utf-8")), "lxml")
        self.article = self.soup.select_one("article")
        self.headings: dict[str, str] = {}  # ids of sections, and the labels before them: the id of the heading
        self.styles = [style.string for style in self.soup.select("head style") if "mjx" in style.string]

    def place(self, name: str) -> str:
        """An id of this page, as it is in the book."""
        return f"{self.key}.{name}" if name else self.key

    def prepare(self, keys: dict[Path, str], book_url: str, html: Path) -> None:
        self.leave_out()
        self.unfold()
        self.name_places(keys, book_url, html)
        self.gather_answers()

    def leave_out(self) -> None:
        """What has no place on paper."""
        for element in self.article.select(".headerlink, .figure-dark, script, style, .toctree-wrapper, button"):
            element.decompose()
        for cell in self.article.select(".cell"):
            if not cell.get_text(strip=True) and not cell.find("img"):
                cell.decompose()
        for element in self.article.find_all(True):
            for attribute in ("title", "loading", "tabindex"):
                element.attrs.pop(attribute, None)

    def unfold(self) -> None:
        """Print what is folded, but not the code of a figure."""
        for details in self.article.select("details"):
            cell = details.find_parent(class_="cell")
            if cell is not None and cell.select_one(".cell_output figure"):
                details.decompose()
                continue
            if cell is not None:
                details.summary.decompose()
                details.unwrap()
            else:
                title = details.summary
                title.name, title["class"] = "p", ["admonition-title"]
                details.name, details["class"] = "div", ["admonition"]

    def name_places(self, keys: dict[Path, str], book_url: str, html: Path) -> None:
        """Make ids unique in the book, and links lead to them. A section's id goes to its heading."""
        for section in self.article.select("section[id]"):
            heading = section.find(re.compile("^h[1-6]$"), recursive=False)
            if heading is None:
                continue
            labels = [e for e in section.find_all("span", id=True, recursive=False) if not e.contents]
            ids = [section.attrs.pop("id"), *(label["id"] for label in labels)]
            heading["id"] = "" if heading.name == "h1" else ids[0]  # a link to the page leads to its title
            self.headings |= {self.place(name): self.place(heading["id"]) for name in ids}
            for label in labels:
                label.decompose()
        for element in self.article.find_all(id=True):
            element["id"] = self.place(element["id"])
        for link in self.article.select("a[href]"):
            target, fragment = urldefrag(link["href"])
            if urlsplit(target).scheme:
                continue
            path = (self.path.parent / unquote(target)).resolve() if target else self.path.resolve()
            if path in keys:
                link["href"] = f"#{keys[path]}" + (f".{unquote(fragment)}" if fragment else "")
            else:
                link["href"] = urljoin(f"{book_url}/{self.path.parent.relative_to(html)}/", link["href"])
        for image in self.article.select("img[src]"):
            image["src"] = (self.path.parent / unquote(image["src"])).resolve().as_uri()

    def gather_answers(self) -> None:
        """Put the folded answers at the end of the chapter, linked to their questions and back."""
        answers = []
        for box in self.article.select(".admonition.dropdown"):
            question = box.find_previous_sibling(lambda e: e.name == "p" and re.match(r"\d+\.", e.get_text()))
            if question is None:
                continue
            number = re.match(r"\d+\.", question.get_text())[0]
            before = box.find_previous_sibling()
            here, there = self.place(f"question-{len(answers) + 1}"), self.place(f"answer-{len(answers) + 1}")
            question["id"] = here
            link = tag(self.soup, "a", "Answer on page ", href=f"#{there}", class_="answer-link")
            link.append(tag(self.soup, "span", BLANK, class_="page-number", data_of=there))
            if before.name != "p":
                box.insert_before(before := tag(self.soup, "p"))
            before.append(" ")
            before.append(link)
            box.select_one(".admonition-title").decompose()
            box["class"], box["id"] = ["answer"], there
            box.insert(0, tag(self.soup, "a", number, href=f"#{here}", class_="number"))
            answers.append(box.extract())
        if answers:
            section = tag(self.soup, "section")
            section.append(tag(self.soup, "h2", "Answers", id=self.place("answers")))
            section.extend(answers)
            self.article.section.append(section)


def assemble(html: Path, toc: Path) -> str:
    """All pages as one HTML document."""
    html = html.resolve()
    names = pages_in_order(toc)
    pages = [Page(html, name) for name in names]
    keys = {page.path: page.key for page in pages}
    book_url = colab.repository().book_url
    for page in pages:
        page.prepare(keys, book_url, html)
    headings = {name: place for page in pages for name, place in page.headings.items()}

    soup = BeautifulSoup(
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'></head><body></body></html>", "lxml"
    )
    front = pages[0].article
    title, subtitle = front.h1.get_text(), front.select_one("h1 + p > em")
    soup.head.append(tag(soup, "title", title))
    soup.head.append(tag(soup, "style", style_sheet(pages)))
    soup.body.append(title_page(soup, title, subtitle.get_text() if subtitle else "", book_url, html))
    if subtitle:
        subtitle.parent.decompose()
    front.h1.string = FRONT
    soup.body.append(contents(soup, pages))
    for page in pages:
        page.article["style"] = f"page: chapter-{page.key}"
        soup.body.append(page.article)
    for link in soup.select('a[href^="#"]'):
        link["href"] = "#" + headings.get(link["href"][1:], link["href"][1:])
    return str(soup)


def style_sheet(pages: list[Page]) -> str:
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    faces = [
        f"@font-face {{ font-family: '{family}'; src: url({(folder / file).with_suffix('.ttf').as_uri()}); "
        f"font-style: {'italic' if 'i' in kind else 'normal'}; font-weight: {'bold' if 'b' in kind else 'normal'}; }}"
        for family, files in FONTS.items()
        for file, kind in files.items()
    ]
    statics = pages[0].path.parents[1] / "_static"
    code = (statics / "pygments.css").read_text(encoding="utf-8").replace('html[data-theme="light"] ', "")
    code = "\n".join(line for line in code.splitlines() if line.startswith(".highlight") and "background" not in line)
    rules = dict.fromkeys(  # of all pages' formulas, each once
        rule for page in pages for style in page.styles for rule in style.splitlines()
    )
    fonts = (statics / "formulas").as_uri()
    formulas = re.sub(r"url\(\"[^\")]*?_static/formulas", f'url("{fonts}', "\n".join(rules))
    heads = [
        f"@page chapter-{page.key} {{ @bottom-left {{ "
        f"content: {css_string(FRONT if page is pages[0] else page.article.h1.get_text())}; "
        "font: italic 9.5pt 'Book Serif'; padding-bottom: 5mm; } }"
        for page in pages
    ]
    return "\n".join([*faces, code, formulas, STYLE.read_text(encoding="utf-8"), *heads])


def css_string(text: str) -> str:
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'


def title_page(soup: BeautifulSoup, title: str, subtitle: str, book_url: str, html: Path) -> Tag:
    part = tag(soup, "section", class_="title-page")
    part.append(tag(soup, "img", src=(html / "_static" / "favicon.svg").as_uri(), alt="", class_="mark"))
    part.append(tag(soup, "h1", title))
    part.append(tag(soup, "p", subtitle, class_="subtitle"))
    imprint = tag(soup, "div", class_="imprint")
    line = tag(soup, "p", "The printed edition of ")
    line.append(tag(soup, "a", book_url.removeprefix("https://"), href=book_url))
    line.append(", where pictures move and every cell can be run. The code that draws the figures is there, too.")
    imprint.append(line)
    imprint.append(tag(soup, "p", "Code under the MIT License, text and figures under CC BY 4.0."))
    part.append(imprint)
    return part


def contents(soup: BeautifulSoup, pages: list[Page]) -> Tag:
    """The table of contents: chapters and their sections."""

    def entry(heading: Tag) -> Tag:
        item, link = tag(soup, "li"), tag(soup, "a", href=f"#{heading['id']}")
        label = copy.copy(heading)
        label.name, label.attrs = "span", {}
        link.append(label)
        link.append(tag(soup, "span", BLANK, class_="page-number", data_of=heading["id"]))
        item.append(link)
        return item

    part, chapters = tag(soup, "nav", class_="contents"), tag(soup, "ol")
    part.append(tag(soup, "h1", "Contents", id="contents"))
    for page in pages:
        chapter = entry(page.article.h1)
        if sections := page.article.select("h2[id]"):
            inner = tag(soup, "ol")
            inner.extend(entry(section) for section in sections)
            chapter.append(inner)
        chapters.append(chapter)
    part.append(chapters)
    return part


def find_chromium() -> str | None:
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return os.environ.get("CHROME_PATH") or next(filter(None, found), None)


def page_numbers(pdf: bytes) -> dict[str, int]:
    """On which page each place is that a link leads to; the first is 1."""
    reader = PdfReader(io.BytesIO(pdf))
    places = reader.named_destinations.items()
    return {name.removeprefix("/"): reader.get_destination_page_number(place) + 1 for name, place in places}


@contextmanager
def opened(browser, document: str):
    """The assembled book as a page of Chromium, as wide as on paper; formulas that were too wide have shrunk."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "book.html")
        source.write_text(document, encoding="utf-8")
        page = browser.new_page(viewport={"width": math.floor(PAGE_WIDTH * 96 / 25.4), "height": 1000})
        page.set_default_timeout(300_000)
        page.emulate_media(media="print")
        page.goto(source.as_uri(), wait_until="load")
        page.evaluate("document.fonts.ready")
        page.evaluate(FIT)
        yield page
        page.close()


def set_pages(browser, document: str) -> bytes:
    """The PDF of an assembled book."""
    with opened(browser, document) as page:
        numbers = page_numbers(page.pdf(prefer_css_page_size=True, print_background=True))
        page.evaluate(NUMBER, numbers)
        pdf = page.pdf(prefer_css_page_size=True, print_background=True, tagged=True, outline=True)
    moved = [place for place, number in page_numbers(pdf).items() if numbers[place] != number]
    if moved:
        raise SystemExit(f"These came to other pages when the page numbers were put in: {', '.join(moved[:5])}")
    return pdf


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the built book to one PDF.")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html", help="the built pages")
    parser.add_argument("--toc", type=Path, default=ROOT / "_toc.yml", help="the order of the pages")
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / PRINTED)
    parser.add_argument("--check", action="store_true", help="only look whether all that printing needs is here")
    chosen = parser.parse_args()
    if (chromium := find_chromium()) is None:
        sys.exit("Chromium sets the PDF, and is not here: install it (apt install chromium) or name it by CHROME_PATH.")
    if chosen.check:
        return
    from playwright.sync_api import sync_playwright

    document = assemble(chosen.html, chosen.toc)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        pdf = set_pages(browser, document)
        browser.close()
    chosen.out.write_bytes(pdf)
    print(f"{chosen.out}: {len(pdf) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
