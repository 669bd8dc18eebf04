"""Renders the parts of a report as text for terminals and as HTML for notebooks. Knows nothing about exercises.

The HTML stands in a notebook's output: real tables, the theme's own text colour and tints that read on a light page and
on a dark one, inline styles (sanitisers drop style sheets), pictures as inline SVG, no request to anywhere.
"""

import html
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

SHOWN = 8  # rows and columns of a matrix shown as numbers
DRAWN = 32  # rows and columns of a matrix shown as a picture
WIDTH = 100  # characters in a line of text


@dataclass(frozen=True)
class Title:
    """The headline, and whether it is good news."""

    text: str
    good: bool


@dataclass(frozen=True)
class Sentence:
    """A paragraph. ``code`` is shown below it as it is."""

    text: str
    code: str = ""


@dataclass(frozen=True)
class Table:
    """A table with a caption, a head for each column and, in its first column, for each row.

    The columns in ``right`` are aligned right, those in ``code`` are set in a typewriter face.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[int] = ()
    code: Sequence[int] = ()


@dataclass(frozen=True)
class Comparison:
    """Two matrices of equal shape, and where they agree: numbers side by side, and a picture."""

    name: str
    want: np.ndarray  # [rows, columns]
    got: np.ndarray  # [rows, columns]
    right: np.ndarray  # [rows, columns], True where they agree


@dataclass(frozen=True)
class Advice:
    """The diagnosis: its name, the hints, and where to read again as (words, address or "")."""

    title: str
    hints: Sequence[str]
    links: Sequence[tuple[str, str]] = field(default_factory=tuple)


Block = Title | Sentence | Table | Comparison | Advice


def as_text(blocks: Iterable[Block]) -> str:
    """A report as plain text."""
    return "\n\n".join(map(block_text, blocks))


def as_html(blocks: Sequence[Block], good: bool) -> str:
    """A report as one HTML element. It never makes the page scroll sideways; wide parts scroll by themselves."""
    colour = "#2da44e" if good else "#d9822b"
    frame = f"color:inherit;max-width:52em;line-height:1.45;border-left:4px solid {colour};padding:.1em 0 .1em 1em"
    return tag("div", "".join(map(block_html, blocks)), f"{frame};margin:.4em 0;overflow-wrap:anywhere", lang="en")


# ---- numbers ------------------------------------------------------------------------------------------------------


def numbers(want: np.ndarray, got: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The entries of two arrays as words, in as few digits (at least four) as tell different entries apart."""
    different = (want != got) & ~((want != want) & (got != got))
    for digits in (4, 6, 9, 12, 17):
        words = [np.array([number(x, digits) for x in a.ravel()], object).reshape(a.shape) for a in (want, got)]
        if (words[0] != words[1])[different].all():
            break
    return words[0], words[1]


def number(x: object, digits: int = 4) -> str:
    """One entry of an array as a word."""
    if isinstance(x, np.inexact):
        return "NaN" if np.isnan(x) else f"{x + 0:.{digits}g}"  # -0.0 + 0 is 0.0, its equal
    return shorten(repr(str(x)), 24) if isinstance(x, str) else str(x)


def shorten(words: str, most: int) -> str:
    """At most ``most`` characters of something."""
    return words if len(words) <= most else words[: most - 2] + " …"


def window(comparison: Comparison, limit: int) -> tuple[slice, slice]:
    """At most ``limit`` rows and columns, the first difference among them."""
    first = np.argwhere(~comparison.right)[0]
    starts = [max(0, min(int(i) - 1, n - limit)) for i, n in zip(first, comparison.right.shape, strict=True)]
    rows, cols = (slice(start, min(start + limit, n)) for start, n in zip(starts, comparison.right.shape, strict=True))
    return rows, cols


def part_of(comparison: Comparison, part: tuple[slice, slice]) -> str:
    """What a window shows of a matrix, "" if it is all of it."""
    rows, cols = comparison.right.shape
    if comparison.right[part].shape == (rows, cols):
        return ""
    span = [f"{a.start} to {a.stop - 1}" for a in part]
    return f"rows {span[0]}, columns {span[1]} of {rows} × {cols}"


# ---- text ---------------------------------------------------------------------------------------------------------


def block_text(block: Block) -> str:
    """One part as plain text."""
    if isinstance(block, Title):
        return f"[{'passed' if block.good else 'not yet'}] {block.text}"
    if isinstance(block, Sentence):
        return "\n".join([wrapped(block.text), *(f"    {line}" for line in block.code.splitlines())])
    if isinstance(block, Table):
        return columns([block.head, *block.rows], block.right)
    if isinstance(block, Comparison):
        return comparison_text(block)
    read = [f"Read again: {address or words}" for words, address in block.links]
    return "\n".join([wrapped(f"{block.title}."), *map(wrapped, block.hints), *read])


def wrapped(paragraph: str) -> str:
    """A paragraph in lines of bounded length."""
    return textwrap.fill(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False)


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of words as aligned columns, indented."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "    " + "  ".join(f"{cell:{'>' if i in right else '<'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    )


def comparison_text(block: Comparison) -> str:
    """Numbers side by side, wrong ones marked with *; below it a map of the whole, where only a part was shown."""
    part = window(block, SHOWN)
    want, got = numbers(block.want[part], block.got[part])
    got = got + np.where(block.right[part], " ", "*").astype(object)
    width = max(len(word) for word in [*want.ravel(), *got.ravel()])
    sides = [["  ".join(word.rjust(width) for word in row) for row in side] for side in (want, got)]
    shown = part_of(block, part)
    rows = columns([("expected", "  yours"), *((a, "  " + b) for a, b in zip(*sides, strict=True))])
    head = f"{block.name}{', ' if shown else ''}{shown} (* marks a wrong entry):"
    if not shown:
        return f"{head}\n{rows}"
    drawn = block.right[window(block, DRAWN)]
    grid = "\n".join("    " + "".join(".#"[int(not right)] for right in row) for row in drawn)
    return f"{head}\n{rows}\n\nWhere it is wrong (#):\n{grid}"


# ---- HTML ---------------------------------------------------------------------------------------------------------

MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace"
RULE = "border-bottom:1px solid rgba(128,128,128,.45)"
CELL = "color:inherit;background:transparent;font-size:inherit;vertical-align:top"
WRONG = "outline:2px solid #d9822b;outline-offset:-2px"


def tag(name: str, inner: str, style: str = "", **attributes: str) -> str:
    """An element around ``inner``, which is HTML already; attribute values are escaped here. ``_`` stands for ``-``."""
    given = attributes | ({"style": style} if style else {})
    written = "".join(f' {key.replace("_", "-")}="{html.escape(str(value))}"' for key, value in given.items())
    return f"<{name}{written}>{inner}</{name}>"


def block_html(block: Block) -> str:
    """One part as HTML."""
    if isinstance(block, Title):
        sign, word = ("✓", "passed") if block.good else ("✗", "not yet")
        head = tag("strong", tag("span", sign, aria_hidden="true") + f" {word}")
        return tag("p", f"{head} · {html.escape(block.text)}", "margin:.3em 0")
    if isinstance(block, Sentence):
        style = f"{MONO};margin:.3em 0;padding:.4em .7em;background:rgba(128,128,128,.15);color:inherit"
        code = tag("pre", html.escape(block.code), f"{style};white-space:pre-wrap") if block.code else ""
        return tag("p", html.escape(block.text), "margin:.5em 0") + code
    if isinstance(block, Table):
        return scrolling(table_html(block), block.caption)
    if isinstance(block, Comparison):
        return comparison_html(block)
    lines = [tag("strong", html.escape(f"{block.title}.")), *map(html.escape, block.hints)]
    for words, address in block.links:
        style = "color:inherit;text-decoration:underline"
        place = tag("a", html.escape(words), style, href=address) if address else html.escape(words)
        lines.append(f"Read again: {place}")
    inner = "".join(tag("p", line, "margin:.3em 0") for line in lines)
    return tag("div", inner, "margin:.7em 0;padding:.4em .9em;background:rgba(128,128,128,.12);border-radius:4px")


def scrolling(inner: str, label: str) -> str:
    """A part that scrolls sideways by itself on a narrow screen, also by keyboard."""
    return tag(
        "div", inner, "overflow-x:auto;overflow-wrap:normal;margin:.5em 0", role="group", aria_label=label, tabindex="0"
    )


def table(caption: str, head: str, body: str) -> str:
    """A table out of its head row and its body rows."""
    style = "caption-side:top;text-align:left;color:inherit;padding:.2em 0;font-weight:600;white-space:nowrap"
    above = tag("caption", html.escape(caption), style)
    rows = tag("thead", head) + tag("tbody", body)
    return tag("table", above + rows, "border-collapse:collapse;margin:0;color:inherit;font-size:.95em;border:0")


def row(cells: str) -> str:
    return tag("tr", cells, "background:transparent")  # some notebook themes stripe rows in a fixed colour


def table_html(block: Table) -> str:
    """A `Table` as HTML."""

    def cell(i: int, words: str, scope: str) -> str:
        style = f"{CELL};{RULE};padding:.2em .8em .2em 0;text-align:{'right' if i in block.right else 'left'}"
        style += f";{MONO};white-space:nowrap" if i in block.code and scope != "col" else ""
        if scope:
            return tag("th", html.escape(words), f"{style};font-weight:600", scope=scope)
        return tag("td", html.escape(words), style)

    head = row("".join(cell(i, words, "col") for i, words in enumerate(block.head)))
    body = "".join(
        row("".join(cell(i, words, "" if i else "row") for i, words in enumerate(words_of_row)))
        for words_of_row in block.rows
    )
    return table(block.caption, head, body)


def comparison_html(block: Comparison) -> str:
    """The numbers in two tables side by side, and a picture of the whole matrix."""
    part = window(block, SHOWN)
    want, got = numbers(block.want[part], block.got[part])
    right = block.right[part]
    sides = (("expected", want, np.ones_like(right)), ("yours", got, right))
    tables = "".join(
        tag("div", numbers_html(f"{block.name}, {side}", words, part, ok), "display:inline-block;margin-right:2em")
        for side, words, ok in sides
    )
    shown = part_of(block, part)
    note = "Wrong entries are framed and marked with *." + (f" Shown are {shown}." if shown else "")
    numeric = all(array.dtype.kind in "biuf" for array in (block.want, block.got))
    drawn = picture(block) if numeric and min(block.right.shape) > 1 else ""
    return (
        scrolling(tables, f"{block.name}, expected and yours") + tag("p", note, "margin:.3em 0;font-size:.9em") + drawn
    )


def numbers_html(caption: str, words: np.ndarray, part: tuple[slice, slice], right: np.ndarray) -> str:
    """One matrix as a table, headed by its indices."""
    style = f"{CELL};{MONO};padding:.15em .55em;text-align:right;white-space:nowrap"
    index = f"{style};font-weight:400;opacity:.8"
    rows, cols = (range(a.start, a.stop) for a in part)
    head = row(tag("td", "", style) + "".join(tag("th", str(j), index, scope="col") for j in cols))
    body = ""
    for i, line, ok in zip(rows, words, right, strict=True):
        cells = "".join(
            tag("td", html.escape(word) + "*" * (not good), style if good else f"{style};{WRONG}")
            for word, good in zip(line, ok, strict=True)
        )
        body += row(tag("th", str(i), index, scope="row") + cells)
    return table(caption, head, body)


def picture(block: Comparison) -> str:
    """Expected, yours and their difference as grids: blue below zero, red above; wrong cells are struck through."""
    part = window(block, DRAWN)
    right = block.right[part]
    want, got = (array[part].astype(np.float64) for array in (block.want, block.got))
    with np.errstate(invalid="ignore"):
        difference = got - want
    rows, cols = right.shape
    side = max(4, min(22, 180 // max(rows, cols)))  # of one cell, in pixels
    pitch = max(cols * side, 110) + 28  # from one panel to the next
    both = largest(want, got)
    panels = (("expected", want, both), ("yours", got, both), ("yours − expected", difference, largest(difference)))
    drawn = ""
    for k, (caption, array, scale) in enumerate(panels):
        left = k * pitch
        paths: dict[tuple[str, str], str] = {}  # one for all cells of a colour: far shorter than one for each cell
        for (i, j), x in np.ndenumerate(array):
            x0, y0 = left + j * side, 20 + i * side
            fill = colour(x, scale)
            paths[fill, "none"] = paths.get((fill, "none"), "") + f"M{x0} {y0}h{side}v{side}h{-side}z"
            if k and not right[i, j]:
                ink = "#ffffff" if np.isfinite(x) and abs(x) > 0.6 * scale else "#000000"
                paths["none", ink] = paths.get(("none", ink), "") + f"M{x0 + 1} {y0 + side - 1}l{side - 2} {2 - side}"
        drawn += tag("text", caption, x=left, y=12, font_size=12, fill="currentColor")
        for (fill, ink), d in sorted(paths.items(), key=lambda item: item[0][1] != "none"):  # strokes on top
            sharp = {"shape_rendering": "crispEdges"} if ink == "none" else {}  # no seams between cells when scaled
            drawn += tag("path", "", d=d, fill=fill, stroke=ink, **sharp)
        outline = {"x": left, "y": 20, "width": cols * side, "height": rows * side}
        drawn += tag("rect", "", **outline, fill="none", stroke="currentColor", stroke_opacity=0.6)
    width, height = 2 * pitch + max(cols * side, 110), 24 + rows * side
    wrong = f"{int((~block.right).sum())} of {block.right.size} entries are wrong"
    svg = tag(
        "svg",
        drawn,
        "max-width:100%;height:auto;color:inherit",
        xmlns="http://www.w3.org/2000/svg",
        role="img",
        aria_label=f"{block.name}: expected, yours and their difference as grids of {rows} by {cols}; {wrong}",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
    )
    legend = "Blue is below zero, red above, white zero, grey not finite; wrong cells are struck through."
    return tag("div", svg + tag("p", legend, "margin:.2em 0;font-size:.9em"), "margin:.5em 0")


def largest(*arrays: np.ndarray) -> float:
    """The largest finite magnitude, 1 if there is none."""
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def colour(x: float, scale: float) -> str:
    """A colour from blue through white to red, for x from -scale to scale, in steps of a twentieth."""
    if not np.isfinite(x):
        return "#999999"
    share = round(20 * min(abs(x) / scale, 1.0)) / 20
    end = (178, 24, 43) if x > 0 else (33, 102, 172)
    return "#" + "".join(f"{round(247 + (c - 247) * share):02x}" for c in end)
