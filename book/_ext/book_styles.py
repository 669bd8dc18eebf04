"""One style sheet for all pages, with only the rules that they can use, and icon fonts with only the icons in it.

A page shows nothing before it has its style sheets. The theme and the extensions bring eleven of them, one after the
other, 500 kB with the icons of Font Awesome, whose fonts are 270 kB more: seconds on a phone. Here they become
``_static/book.css`` in the order in which a page would have had them, and small fonts beside it.

A rule is left out if it asks for a class or an id whose name stands in no page and in no script. The rules of our own
sheets all stay. What scripts put together from parts is listed in `COMPOSED`.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import tinycss2
from fontTools import subset
from fontTools.ttLib import TTFont

SHEET = "book.css"
LINK = re.compile(r'[ \t]*<link\b[^>]*href="([^"]*?)_static/([^"?]+\.css)(\?[^"]*)?"[^>]*>\n?')
MERGED = re.compile(r'<link rel="stylesheet" data-of="([^"]*)"')
NAME = re.compile(r"[A-Za-z_][\w-]*")
COMPOSED = ("bs-tooltip", "bs-popover")  # Bootstrap appends the side on which they stand
OWN = ("course.css", "pictures/")
PRIVATE = range(0xE000, 0xF900)  # the characters that icon fonts use
ADDRESS = re.compile(r"""url\(["']?(?!data:|#|https?:)([^)"']+)["']?\)""")
ICON_FONT = re.compile(
    r'url\([^)]*/(fa-[a-z]+-\d+)\.woff2\) format\("woff2"\),\s*url\([^)]*\.ttf\) format\("truetype"\)'
)


def one_link(html: str) -> str:
    """The HTML of a page's head with one link in place of those to style sheets of the book; a template filter."""
    found = LINK.findall(html)
    if not found:
        return html
    version = hashlib.sha256(repr(found).encode()).hexdigest()[:8]
    names = " ".join(name for _, name, _ in found)
    merged = f'<link rel="stylesheet" data-of="{names}" href="{found[0][0]}_static/{SHEET}?v={version}" />\n'
    return LINK.sub("", html) + merged


def merge(static: Path, sheets: list[str], used: set[str]) -> str:
    """The style sheets in ``static`` as one, without the rules that ask for a name that is not in ``used``."""
    parts = (serialized(rules(static, name), None if name.startswith(OWN) else used) for name in sheets)
    return "".join(['@charset "utf-8";\n', f"/* Merged; licences stand in the parts: {' '.join(sheets)} */\n", *parts])


def rules(static: Path, name: str) -> Iterator:
    """The rules of a style sheet and of those that it imports; addresses are relative to ``static``."""
    here = (static / name).parent
    text = (static / name).read_text(encoding="utf-8")
    text = ADDRESS.sub(lambda found: f"url({moved(static, here, found[1])})", text)
    for rule in tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            target = next(token.value for token in rule.prelude if token.type in ("string", "url"))
            yield from rules(static, moved(static, here, target))
        elif rule.type == "error":
            raise ValueError(f"{name}, line {rule.source_line}: {rule.message}")
        else:
            yield rule


def moved(static: Path, here: Path, address: str) -> str:
    """An address in a sheet of the folder ``here``, as it is from ``static``."""
    return Path(os.path.relpath(here / urlsplit(address).path, static)).as_posix()


def serialized(listed: Iterator, used: set[str] | None) -> str:
    return "".join(rule for rule in (kept(rule, used) for rule in listed) if rule)


def kept(rule, used: set[str] | None) -> str:
    """A rule as text, with those of its selectors that can match; "" if there are none."""
    if rule.type == "qualified-rule":
        selectors = [part for part in split(rule.prelude) if used is None or names_in(part) <= used]
        body = tinycss2.serialize(rule.content).strip()
        return f"{','.join(tinycss2.serialize(part).strip() for part in selectors)}{{{body}}}\n" if selectors else ""
    if rule.type == "at-rule" and rule.content is not None and rule.lower_at_keyword in ("media", "supports", "layer"):
        inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
        body = serialized(inner, used)
        return f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{body}}}\n" if body else ""
    return tinycss2.serialize([rule]) if rule.type == "at-rule" and rule.lower_at_keyword != "charset" else ""


def split(prelude: list) -> list[list]:
    """The selectors of a rule, which commas divide."""
    parts: list[list] = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def names_in(selector: list) -> set[str]:
    """The classes and ids without which a selector matches nothing; what stands in parentheses is left out."""
    after_dot = [token.value for dot, token in pairwise(selector) if dot == "." and token.type == "ident"]
    ids = [token.value for token in selector if token.type == "hash"]
    return {name for name in [*after_dot, *ids] if not name.startswith(COMPOSED)}


def with_small_fonts(css: str, static: Path) -> str:
    """The style sheet with icon fonts that hold no icon but its own; they are written beside it."""
    icons = {ord(sign) for sign in css}.intersection(PRIVATE)

    def small(found: re.Match) -> str:
        font = TTFont(static / "vendor" / "fontawesome" / "webfonts" / f"{found[1]}.ttf")
        chosen = subset.Subsetter()
        chosen.populate(unicodes=icons)
        chosen.subset(font)
        font.flavor = "woff"
        font.save(static / f"{found[1]}.woff")
        return f'url({found[1]}.woff) format("woff")'

    return ICON_FONT.sub(small, css)


def write_sheet(app, failed) -> None:
    """After the pages, the one sheet for them."""
    if failed or app.builder.format != "html":
        return
    folder = Path(app.outdir)
    static = folder / "_static"
    pages = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.html"))]
    scripts = [path.read_text(encoding="utf-8") for path in sorted(static.rglob("*.js"))]
    used = {name for text in (*pages, *scripts) for name in NAME.findall(text)}
    sheets = dict.fromkeys(name for page in pages for names in MERGED.findall(page) for name in names.split())
    if sheets:
        (static / SHEET).write_text(with_small_fonts(merge(static, list(sheets), used), static), encoding="utf-8")


def add_filter(app) -> None:
    if app.builder.format == "html":
        app.builder.templates.environment.filters["one_link"] = one_link


def setup(app):
    app.connect("builder-inited", add_filter)
    app.connect("build-finished", write_sheet, priority=900)  # the theme writes the colours of code then, too
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
