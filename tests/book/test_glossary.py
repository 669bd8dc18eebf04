"""The glossary: complete, its links alive, found by search; terms in the pages lead to it and say what they mean."""

import re
from pathlib import Path

import pytest
import tiny
from book_glossary import EVERYDAY, PARENTHESIS, chinese_names
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
GLOSSARY = ROOT / "book" / "glossary.md"
NOT_TERMS = {"石头", "布", "剪刀", "喂 猫", "找 老鼠", "喂 老鼠"}  # words of examples that stand in a parenthesis


def without_code(text: str) -> str:
    return re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


TEXTS = {
    path.stem: without_code(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "book").glob("*.md"))
    if path != GLOSSARY
}
LABELS = {label for text in TEXTS.values() for label in re.findall(r"^\((\S+)\)=$", text, re.MULTILINE)}


def entries() -> list[dict]:
    """The entries as they are written: names, Chinese names, the notes' word, definition, links."""
    body = re.search(r"```\{glossary\}\n(.*?)\n```", GLOSSARY.read_text(encoding="utf-8"), re.DOTALL)[1]
    found = []
    for block in re.split(r"\n\n(?=\S)", body):
        lines = block.split("\n")
        names = [line for line in lines if not line.startswith(" ") and line]
        first, definition, links = "\n".join(lines[len(names) :]).strip("\n").split("\n\n")
        chinese, notes = re.fullmatch(r"  \*([^*]+)\*(?:; in the notes (.+))?\.", first).groups()
        found.append(
            {"names": names, "chinese": chinese_names(chinese), "notes": notes, "says": definition, "links": links}
        )
    return found


ENTRIES = entries()
each = pytest.mark.parametrize("entry", ENTRIES, ids=[entry["names"][0] for entry in ENTRIES])


@each
def test_an_entry_is_complete(entry):
    assert entry["chinese"]
    assert re.fullmatch(r"  [^.]+\.", entry["says"]), "one sentence, which can stand in a note without formulas"
    assert "$" not in entry["says"] and "`" not in entry["says"]
    links = re.fullmatch(r"  \{ref\}`([\w-]+)`(?: · \{ref\}`formula <([\w-]+)-eq(?:-\d+)?>`)?", entry["links"])
    assert links, entry["links"]
    assert {label for label in links.groups() if label} <= LABELS


def test_the_entries_are_in_order_and_each_name_is_there_once():
    first = [entry["names"][0].lower() for entry in ENTRIES]
    assert first == sorted(first)
    names = [name.lower() for entry in ENTRIES for name in entry["names"]]
    assert len(names) == len(set(names))
    assert len(ENTRIES) >= 70


def test_every_chinese_name_that_a_page_gives_is_in_the_glossary():
    known = {name for entry in ENTRIES for name in entry["chinese"]} | NOT_TERMS
    missing = [
        (page, match[0])
        for page, text in TEXTS.items()
        if not re.match("[B-Z]-", page)  # the appendices on the notes quote them
        for match in re.finditer(r"(?<=[\w*])" + PARENTHESIS.pattern, text)
        for name in chinese_names(match[1])
        if name not in known
    ]
    assert missing == []


def test_everyday_words_are_names_of_terms():
    names = {name for entry in ENTRIES for name in entry["names"]}
    assert set() == EVERYDAY - names


# ---- the extension ------------------------------------------------------------------------------------------------

TINY = """# Glossary

```{glossary}
query
  *查询*; in the notes q.

  What a token looks for.

  Somewhere.

self-attention
  *自注意力, 自注意力机制*.

  A sequence asks itself.

  Somewhere.
```
"""


@pytest.fixture
def build(tmp_path):
    """Builds a page beside the tiny glossary; returns the page's HTML."""

    def make(text: str, glossary: str = TINY) -> BeautifulSoup:
        (tmp_path / "source" / "book").mkdir(parents=True, exist_ok=True)
        status, output = tiny.build(tmp_path, "book_glossary", **{"book/glossary": glossary, "book/page": text})
        assert status == 0, output
        return BeautifulSoup((tmp_path / "html" / "book" / "page.html").read_text(encoding="utf-8"), "lxml")

    return make


def links(page: BeautifulSoup) -> list[tuple[str, str, str]]:
    return [(link.get_text(), link["href"], link["title"]) for link in page.select("a.term")]


QUERY = ("query", "glossary.html#term-query", "What a token looks for.")
SELF = ("glossary.html#term-self-attention", "A sequence asks itself.")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A *query* (查询) and another *query* (查询).", [QUERY]),
        ("A **query** (查询; {emphasis}`x`).", [QUERY]),
        ("Asking (查询) is asking.", [("查询", *QUERY[1:])]),
        ("What is *asked* (in the notes 查询)?", [("asked", *QUERY[1:])]),
        ("The query is an everyday word.", []),
        ("`self-attention` and Self-attentions and self-attention.", [("Self-attentions", *SELF)]),
        ("## About self-attention\n\nA table:\n\n| self-attention |\n|---|\n| self-attention |", []),
        ("Not unself-attention, nor self-attention-like.", []),
        ("The self-attention (自注意力) here.", [("自注意力", *SELF)]),
        ("石头 (查) is unknown.", []),
        ("```{math}\n\\text{self-attention (自注意力)}\n```\n\nA self-attention.", [("self-attention", *SELF)]),
        ("A *query* (查询) of self-attention, in one sentence.", [QUERY, ("self-attention", *SELF)]),
    ],
)
def test_the_first_use_of_a_term_is_a_link(build, text, expected):
    assert links(build(f"# A page\n\n{text}\n")) == expected


def test_pages_follow_a_change_of_the_glossary(build):
    text = "# A page\n\nA *query* (查询).\n"
    build(text)
    changed = TINY.replace("What a token looks for.", "What is asked.")
    assert links(build(text, changed)) == [("query", QUERY[1], "What is asked.")]


def test_formulas_are_named_after_their_section(build):
    formula = "```{math}\na = b\n```\n\n"
    page = build(
        f"(one-top)=\n# A page\n\n{formula}(one-more)=\n## More\n\n{formula}Text.\n\n{formula}"
        f"## Without a label\n\n{formula}{{ref}}`formula <one-more-eq-2>`\n"
    )
    assert [found.get("id") for found in page.select("div.math")] == [
        "one-top-eq",
        "one-more-eq",
        "one-more-eq-2",
        None,
    ]
    assert page.find("a", string="formula")["href"] == "#one-more-eq-2"


# ---- the built book -----------------------------------------------------------------------------------------------


def test_a_term_whose_chinese_name_is_given_is_a_link(book_html):
    used = set()
    for path in (book_html / "book").glob("*.html"):
        page = BeautifulSoup(path.read_text(encoding="utf-8"), "lxml")
        targets = [link["href"] for link in page.select("a.term")]
        assert len(targets) == len(set(targets)), f"{path.name} links a term twice"
        assert all(link["title"] for link in page.select("a.term"))
        used |= {target.partition("#")[2] for target in targets}
    given = [
        entry["names"][0]
        for entry in ENTRIES
        if any(
            re.search(rf"\((?:[^()]*[ ,;])?{re.escape(name)}[,;)]", text)
            for name in entry["chinese"]
            for text in TEXTS.values()
        )
    ]
    assert len(given) >= 60
    assert [name for name in given if f"term-{re.sub('[^A-Za-z0-9]+', '-', name.replace('–', ''))}" not in used] == []


def test_search_finds_each_term_in_both_languages(book_html, browser, serve):
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{serve(book_html)}/search.html?q=softmax")
    page.wait_for_function("Search.hasIndex()")
    queries = [name for entry in ENTRIES for name in entry["names"]]
    # two characters beside a longer word are left out by the search; alone they are found
    queries += [max(re.findall("[一-鿿]+", name), key=len) for entry in ENTRIES for name in entry["chinese"]]
    find = "q => Search._performSearch(...Search._parseQuery(q)).map(result => result[0])"
    assert [query for query in queries if "book/glossary" not in page.evaluate(find, query)] == []
    context.close()


def test_a_term_says_what_it_means_on_hover_and_on_focus(book_html, browser, serve):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(f"{serve(book_html)}/book/03-attention.html")
    note = page.locator("#term-note")
    key, query = (page.locator(f"a.term[href$='#term-{name}']") for name in ("key", "query"))
    key.focus()
    assert note.is_visible() and note.get_attribute("role") == "tooltip"
    assert note.inner_text() == key.get_attribute("data-definition")
    assert key.get_attribute("aria-describedby") == note.get_attribute("id")
    box = note.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    assert note.is_hidden() and key.get_attribute("aria-describedby") is None
    query.hover()
    assert note.inner_text() == query.get_attribute("data-definition")
    note.hover()
    page.wait_for_timeout(400)
    assert note.is_visible(), "the pointer may rest on the note"
    page.mouse.move(0, 0)
    note.wait_for(state="hidden")
    context.close()
