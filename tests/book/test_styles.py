"""The one style sheet: in the old order, with every rule that can match, and no icon missing."""

import re

import pytest
from book_styles import one_link, write_sheet
from fontTools.ttLib import TTFont

HEAD = """\
<link href="../_static/styles/theme.css?digest=1" rel="stylesheet" />
<link rel="stylesheet" type="text/css" href="../_static/other.css?v=2" />
<link rel="icon" href="../_static/favicon.svg"/>
"""


@pytest.fixture
def merged(tmp_path):
    """A function that gives the one sheet for some style sheets, where a page and a script use some names."""

    def merged(sheets: dict[str, str], page: str = "", script: str = "") -> str:
        static = tmp_path / "_static"
        for name, text in sheets.items():
            (static / name).parent.mkdir(parents=True, exist_ok=True)
            (static / name).write_text(text, encoding="utf-8")
        (static / "script.js").write_text(script)
        links = "".join(f'<link rel="stylesheet" href="_static/{name}" />\n' for name in sheets if name[0] != "_")
        (tmp_path / "page.html").write_text(one_link(links) + page)
        write_sheet(Site(tmp_path), None)
        return (static / "book.css").read_text(encoding="utf-8").split("*/\n", 1)[1]

    return merged


class Site:
    """Of Sphinx's application what the extension asks for."""

    class builder:
        format = "html"

    def __init__(self, outdir):
        self.outdir = outdir


def test_one_link_stands_for_all_and_other_links_stay():
    head = one_link(HEAD)
    assert head.count("stylesheet") == 1
    assert 'href="../_static/book.css?v=' in head and 'href="../_static/favicon.svg"' in head
    assert one_link(HEAD.replace("v=2", "v=3")) != head, "a browser would keep the old sheet"


def test_sheets_keep_their_order_and_imports_stand_where_they_are_asked_for(merged):
    found = merged(
        {"b.css": '@import "_in.css"; p {color: red}', "a.css": "p { color: blue }", "_in.css": "p{color:green}"}
    )
    assert re.findall("red|blue|green", found) == ["green", "red", "blue"]


@pytest.mark.parametrize(
    ("css", "kept"),
    [
        (".there { x: 1 }", ".there{x: 1}"),
        (".absent { x: 1 }", ""),
        (".there.absent, #absent, .there > p { x: 1 }", ".there > p{x: 1}"),
        ("#there::before { x: 1 }", "#there::before{x: 1}"),
        (".by-script { x: 1 }", ".by-script{x: 1}"),
        ("p:not(.absent) { x: 1 }", "p:not(.absent){x: 1}"),
        (".bs-tooltip-top { x: 1 }", ".bs-tooltip-top{x: 1}"),
        ("@media print { .there { x: 1 } .absent { x: 2 } }", "@media print {.there{x: 1}\n}"),
        ("@media print { .absent { x: 2 } }", ""),
        ("@font-face { src: url(a.woff) }", "@font-face { src: url(a.woff) }"),
        ("@keyframes spin { to { rotate: 1turn } }", "@keyframes spin { to { rotate: 1turn } }"),
        ('/* no */ [data-theme="dark"] p { x: 1 }', '[data-theme="dark"] p{x: 1}'),
        ('html { --icon: "\\f104" }', 'html{--icon: "\uf104"}'),
        ('p { background: url("data:image/svg+xml,<x>") }', 'p{background: url("data:image/svg+xml,<x>")}'),
    ],
)
def test_a_rule_stays_if_it_can_match(merged, css, kept):
    found = merged({"a.css": css}, page='<p class="there" id="there">', script='add("by-script")')
    assert found.strip() == kept


def test_every_rule_of_our_own_stays(merged):
    assert ".absent" in merged({"course.css": ".absent { x: 1 }", "pictures/pictures.css": ""})


def test_addresses_lead_where_they_led(merged):
    found = merged({"styles/a.css": "p { background: url(../images/x.png), url('y.png?z'), url(#z) }"})
    assert re.findall(r"url\(([^)]*)\)", found.replace('"', "")) == ["images/x.png", "styles/y.png", "#z"]


def test_a_sheet_that_is_none_is_an_error(merged):
    with pytest.raises(ValueError, match=r"a\.css, line 2"):
        merged({"a.css": "p { x: 1 }\nq"})


def test_the_fonts_hold_the_icons_that_the_pages_show(sample_project):
    static = sample_project / "_build" / "html" / "_static"
    css = (static / "book.css").read_text(encoding="utf-8")
    fonts = re.findall(r"url\((fa-[\w-]+\.woff)\)", css)
    held = set().union(*(TTFont(static / name).getBestCmap() for name in fonts))
    asked = {ord(icon) for icon in re.findall("[\ue000-\uf8ff]", css)}
    assert len(fonts) == 3 and len(asked) > 10
    assert asked <= held
    assert all("Font Awesome" in TTFont(static / name)["name"].getDebugName(0) for name in fonts), "the copyright"
    assert "styles/pydata-sphinx-theme.css" in css[:200], "whose licences, and Font Awesome's, stand in it"
    assert sum((static / name).stat().st_size for name in fonts) < 20_000


def test_a_page_asks_for_one_style_sheet(sample_project):
    for page in (sample_project / "_build" / "html" / "book").glob("*.html"):
        assert page.read_text(encoding="utf-8").count('rel="stylesheet"') == 1, page.name
