"""Turns a chapter's MyST Markdown into the plain Markdown that Colab, JupyterLab, VS Code and GitHub read alike.

Ordinary Markdown passes through as it was written. Directives, roles and labels are replaced: admonitions become
blockquotes or folds, references and citations become links into the published book, with the numbers that Sphinx gives
there. A construct that is not known here is a `ChapterError` that names file and line; nothing passes half-read.
Knows nothing of notebooks: `colab_notebooks` cuts chapters into cells.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import unquote

import pybtex.database
import yaml
from docutils.nodes import fully_normalize_name, make_id
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.directives import parse_directive_text
from myst_parser.parsers.mdit import create_md_parser
from pybtex.richtext import Text

from autograder.colab import Repository, colab_url

TITLES = {
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "note": "Note",
    "seealso": "See also",
    "tip": "Tip",
    "warning": "Warning",
}
BOXES = {*TITLES, "admonition", "dropdown", "margin", "sidebar", "topic"}
PLAIN_BLOCKS = {
    *("paragraph", "heading", "bullet_list", "ordered_list", "list_item", "blockquote", "hr", "fence", "code_block"),
    *("table", "thead", "tbody", "tr", "th", "td", "html_block", "dl"),
}
PLAIN_INLINE = {
    *("text", "softbreak", "hardbreak", "em", "strong", "code_inline", "html_inline"),
    *("math_inline", "math_inline_double"),
}
SPANNED = {"link", "image", "myst_role", "footnote_ref", "attr"}  # inline rules whose text may be replaced
PICTURES = {".gif", ".jpg", ".jpeg", ".png", ".svg", ".webp"}
ALIGNED = {"align": "aligned", "gather": "gathered", "equation": ""}  # environments of amsmath, as they go between $$
CONTAINER = re.compile(r"[\s>]*(?:(?:[-+*]|\d+[.)])\s+[\s>]*)*")  # what quotes and lists put before a block
EXPLICIT_TITLE = re.compile(r"(.+?)\s*<([^<]*?)>", re.DOTALL)


class ChapterError(Exception):
    """What a chapter says that cannot be turned into plain Markdown, and where."""


@dataclass(frozen=True)
class Target:
    """What a label names: where it is in the published book, the text of a link to it, and its number there."""

    page: str
    anchor: str
    title: str = ""
    number: str = ""


@dataclass(frozen=True)
class Directive:
    """One directive of MyST, taken apart. ``line`` is the line of the file at which the body begins."""

    name: str
    argument: str
    options: dict
    body: str
    line: int


@dataclass
class Page:
    """One page of the book: its name without suffix (``book/01-rnn``), its file, its text and its front matter."""

    name: str
    path: Path
    text: str
    front: dict = field(default_factory=dict)
    title: str = ""

    def error(self, line: int, message: str) -> ChapterError:
        return ChapterError(f"{self.path}:{line}: {message}")


class _AnyDirective:
    """What `parse_directive_text` must know of a directive: here, that it may have an argument, options and a body."""

    option_spec = {"any": True}  # noqa: RUF012
    required_arguments = 0
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True


def with_span(rule):
    """An inline rule that also notes in ``token.meta["span"]`` from where to where its text goes in the inline content.

    Of a link it also notes where the text ends (``"tail"``), since the text may hold roles with spans of their own.
    """

    def run(state, silent):
        start, before = state.pos, len(state.tokens)
        found = rule(state, silent)
        if found and not silent:
            new = [token for token in state.tokens[before:] if token.type != "text"]
            token = new[0] if new else state.push("attrs", "", 0)  # attributes leave no token of their own
            token.meta = {**token.meta, "span": (start, state.pos)}
            if token.type == "link_open":
                token.meta["tail"] = state.md.helpers.parseLinkLabel(state, start, True)
        return found

    return run


class Book:
    """The pages of the book in reading order, and everything that a reference may name.

    ``root`` is the repository's root, with `_config.yml` and `_toc.yml`. Raises `ChapterError` for a label that is
    taken twice.
    """

    def __init__(self, root: Path, repository: Repository):
        self.root, self.repository = root, repository
        config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
        contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
        self.title = config["title"]
        self.cite_id = config.get("sphinx", {}).get("config", {}).get("bibtex_cite_id", "")
        extensions = config.get("parse", {}).get("myst_enable_extensions", ["colon_fence", "dollarmath", "tasklist"])
        self.parser = create_md_parser(
            MdParserConfig(enable_extensions=set(extensions), dmath_double_inline=True), RendererHTML
        )
        for rule in self.parser.inline.ruler.__rules__:
            if rule.name in SPANNED:
                self.parser.inline.ruler.at(rule.name, with_span(rule.fn))
        if "attrs_block" in extensions:
            self.parser.core.ruler.disable("attr")  # it would move the attributes into the next block, out of sight
        self._bibfiles = config.get("bibtex_bibfiles", [])
        self.pages = {name: self._read(name) for name in _files(contents)}
        self.root_page = contents["root"]
        self.labels: dict[str, Target] = {}
        self.equations: dict[str, Target] = {}
        self.terms: dict[str, Target] = {}
        self.references_page = ""
        self._figures = self._tables = 0
        for page in self.pages.values():
            self._index(page)

    def _read(self, name: str) -> Page:
        path = self.root / f"{name}.md"
        if not path.is_file():
            raise ChapterError(f"_toc.yml: there is no file {name}.md")
        text = path.read_text(encoding="utf-8")
        first = self.parser.parse(text)[:1]
        front = yaml.safe_load(first[0].content) if first and first[0].type == "front_matter" else {}
        return Page(name, path.relative_to(self.root), text, front or {})

    @cached_property
    def bibliography(self) -> dict[str, pybtex.database.Entry]:
        """Every work that can be cited, by its key."""
        files = (pybtex.database.parse_file(str(self.root / file), "bibtex") for file in self._bibfiles)
        return {key: entry for file in files for key, entry in file.entries.items()}

    def url(self, page: str, anchor: str = "") -> str:
        """The address of a page of the published book."""
        return f"{self.repository.book_url}/{page}.html" + (f"#{anchor}" if anchor else "")

    def figure_number(self, label: str) -> str:
        """What the book calls the figure or table with this name: ``Fig. 3``."""
        return self.labels[fully_normalize_name(label)].number

    # ---- the index ------------------------------------------------------------------------------------------------

    def blocks(self, page: Page, text: str, line: int) -> Iterator[tuple[Token, int]]:
        """Every block of ``text``, also inside directives, with its line; ``text`` begins at ``line`` of the file."""
        for token in self.parser.parse(text):
            here = line + (token.map[0] if token.map else 0)
            yield token, here
            directive = directive_of(page, token, here)
            if directive and directive.name in {*BOXES, "figure", "table", "tab-set", "tab-item"}:
                yield from self.blocks(page, directive.body, directive.line)

    def _index(self, page: Page) -> None:
        waiting: list[tuple[str, int]] = []  # labels that name the next block
        heading = False
        for token, line in self.blocks(page, page.text, 1):
            if token.type == "myst_target":
                waiting.append((token.content, line))
            elif token.type == "attrs_block" and "id" in token.attrs:
                waiting.append((token.attrs["id"], line))
            elif token.type == "heading_open":
                heading = True
            elif token.type == "math_block_label":
                self._add_equation(page, line, token.info)
                waiting = []
            elif token.type == "amsmath" and token.meta["numbered"] != "*":
                self._add_equation(page, line, unnamed(page, line))  # numbered although it has no name
                waiting = []
            elif token.type not in ("myst_line_comment", "front_matter", "attrs_block"):
                title, number = "", ""
                if heading:
                    title, heading = token.content, False
                    page.title = page.title or title
                elif directive := directive_of(page, token, line):
                    names = self._names(page, directive, line)
                    title, number = self._caption(page, directive, line, bool(names), bool(waiting))
                    waiting += [(name, line) for name in names]
                for label, at in waiting:
                    target = Target(page.name, make_id(label), title, number)
                    self._add(page, at, self.labels, fully_normalize_name(label), target)
                waiting = []

    def _names(self, page: Page, directive: Directive, line: int) -> list[str]:
        """The labels that a directive gives itself. Equations and glossary entries are added where they belong."""
        name = directive.options.get("name")
        if directive.name == "code-cell":
            name = directive.options.get("mystnb", {}).get("figure", {}).get("name")
        elif directive.name == "math":
            if label := directive.options.get("label", name):
                self._add_equation(page, line, label)
            return []
        elif directive.name == "bibliography":
            self.references_page = page.name
        elif directive.name == "picture":
            name = picture_name(directive)
        elif directive.name == "glossary":
            for entry in re.findall(r"^\S.*$", directive.body, re.MULTILINE):
                term = entry.split(" : ")[0].strip()
                self.terms[term.lower()] = Target(page.name, f"term-{make_id(term)}", term)
        return [name] if name else []

    def _caption(self, page: Page, directive: Directive, line: int, named: bool, labelled: bool) -> tuple[str, str]:
        """The text and the number by which a reference calls a directive. Sphinx numbers only what has a name."""
        figure = figure_of(directive)
        table = directive.argument if directive.name in ("table", "list-table") else ""
        if (figure or (table and labelled)) and not named:
            raise page.error(line, "a figure or table that is numbered needs a name of its own, in its options")
        if figure:
            self._figures += 1
            return figure, f"Fig. {self._figures}"
        if table and named:
            self._tables += 1
            return table, f"Table {self._tables}"
        if directive.name in BOXES:
            return directive.argument or TITLES.get(directive.name, ""), ""
        return "", ""

    def _add_equation(self, page: Page, line: int, label: str) -> None:
        target = Target(page.name, f"equation-{make_id(label)}", "", str(len(self.equations) + 1))
        self._add(page, line, self.equations, label, target)

    def _add(self, page: Page, line: int, index: dict[str, Target], label: str, target: Target) -> None:
        if label in index:
            raise page.error(line, f"the label {label!r} is taken already, on {index[label].page}")
        index[label] = target


def _files(contents: dict) -> Iterator[str]:
    """The files of a table of contents in reading order, which is the order of Sphinx's numbers."""
    if contents.get("options", {}).get("numbered") or contents.get("numbered"):
        raise ChapterError("_toc.yml: numbered chapters give figures other numbers than colab_markdown.py counts")
    for key in ("root", "file"):
        if key in contents:
            yield contents[key]
    for key in ("parts", "chapters", "sections", "entries", "subtrees"):
        for part in contents.get(key, []):
            yield from _files(part)


def directive_of(page: Page, token: Token, line: int) -> Directive | None:
    """The directive that a fence is, or None. ``line`` is the file's line of the fence's first line."""
    if token.type not in ("fence", "colon_fence") or not token.info.strip().startswith("{"):
        return None
    name, _, argument = token.info.strip()[1:].partition("}")
    parsed = parse_directive_text(_AnyDirective, argument.strip(), token.content, validate_options=False)
    if parsed.warnings:
        raise page.error(line, f"the options of {{{name}}} cannot be read: {parsed.warnings[0].msg}")
    offset = len(token.content.splitlines()) - len(parsed.body)
    return Directive(name, argument.strip(), parsed.options, "\n".join(parsed.body), line + 1 + offset)


def unnamed(page: Page, line: int) -> str:
    """The key of an equation that nothing can refer to, but that has a number."""
    return f"{page.name}:{line}"


def figure_of(directive: Directive) -> str:
    """The caption of a figure, drawn by a cell or taken from a file, on one line; empty for anything else."""
    if directive.name == "code-cell":
        return " ".join(directive.options.get("mystnb", {}).get("figure", {}).get("caption", "").split())
    return " ".join(directive.body.split()) if directive.name == "figure" else ""


def picture_name(directive: Directive) -> str:
    """The name of an interactive picture, as book_pictures.py gives it."""
    return directive.options.get("name", f"picture-{directive.argument}")


# ---- the conversion ---------------------------------------------------------------------------------------------


class Converter:
    """Converts pieces of one page. ``footnotes`` gives each footnote met so far its number, by label."""

    def __init__(self, book: Book, page: Page):
        self.book, self.page = book, page
        self.footnotes: dict[str, int] = {}
        self.definitions: dict[str, tuple[str, int]] = {}  # of footnotes: the text, and the line where it begins
        found: dict = {}
        rows = page.text.splitlines()
        for token in book.parser.parse(page.text, found):  # links and footnotes may be defined after their use
            if token.type == "footnote_reference_open":
                first, *rest = rows[slice(*token.map)]
                body = [first.split("]:", 1)[1].strip(), *(re.sub(r"^ {1,4}", "", row) for row in rest)]
                self.definitions[token.meta["label"]] = "\n".join(body), token.map[0] + 1
        self.links = found.get("references", {})

    def footnote(self, label: str) -> str:
        """The text of a footnote, behind its number."""
        return f"<sup>{self.footnotes[label]}</sup> {self.markdown(*self.definitions[label])}"

    def markdown(self, text: str, line: int) -> str:
        """``text``, which begins at ``line`` of the page, as plain Markdown."""
        rows = text.splitlines()
        text = "\n".join(rows) + "\n"
        starts = [0]
        for row in rows:
            starts.append(starts[-1] + len(row) + 1)
        edits: list[tuple[int, int, str]] = []
        cursor = skip_until = 0
        notes = {f":{label}": -1 for label in self.definitions}
        env = {"references": dict(self.links), "footnotes": {"refs": notes, "list": {}}}
        for token in self.book.parser.parse(text, env):
            if token.map is None or token.map[0] < skip_until:
                continue
            here = line + token.map[0]
            last = token.map[0] + token.content.count("\n") + 1 if token.type == "amsmath" else token.map[1]
            start, end = starts[token.map[0]], starts[min(last, len(rows))]
            if token.type == "inline":
                cursor = self._inline(token, text, max(cursor, start), here, edits)
            elif token.type in ("myst_target", "myst_line_comment", "attrs_block"):
                edits.append((start, end, ""))
            elif token.type == "footnote_reference_open":
                edits.append((start, end, ""))
                skip_until = token.map[1]
            elif token.type == "dt_open":
                edits += [(start, start, "**"), (starts[token.map[0] + 1] - 1, starts[token.map[0] + 1] - 1, "**")]
            elif token.type == "dd_open":
                colon = text.index(":", start)
                edits.append((colon, colon + 1, "-"))
            elif (block := self._block(token, here)) is not None:
                prefix = CONTAINER.match(rows[token.map[0]]).group()
                following = rows[last] if last < len(rows) else ""
                gap = "\n" if starts_text(following) else ""  # or a quote before it would go on
                edits.append((start, end, prefixed(block + gap, prefix) + "\n"))
        for start, end, replacement in sorted(edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        return text.strip("\n")

    def _block(self, token: Token, line: int) -> str | None:
        """What to put in the place of a block; None where it stays as it is."""
        if directive := directive_of(self.page, token, line):
            return self._directive(directive, line)
        if token.type == "math_block_label":
            return self._formula(token.content, line, self.book.equations[token.info].number)
        if token.type == "math_block":
            return self._formula(token.content, line)
        if token.type == "amsmath":
            body = re.fullmatch(r"\s*\\begin\{(\w+)\*?\}(.*)\\end\{\1\*?\}\s*", token.content, re.DOTALL)
            if body is None or body[1] not in ALIGNED:
                raise self.page.error(line, "a LaTeX environment that Colab may not show: write it between $$")
            inner = ALIGNED[body[1]]
            formula = f"\\begin{{{inner}}}{body[2]}\\end{{{inner}}}" if inner else body[2]
            equation = self.book.equations.get(unnamed(self.page, line))
            return self._formula(formula, line, equation.number if equation else "")
        if token.type == "html_block" and "<script" in token.content:
            raise self.page.error(line, "a script does not run in a notebook's text")
        if token.type.removesuffix("_open") in PLAIN_BLOCKS:
            return None
        raise self.page.error(line, f"{token.type.replace('_', ' ')}: no plain Markdown is known for this")

    def _formula(self, content: str, line: int, number: str = "") -> str:
        content = content.strip()
        if "\n\n" in content:
            raise self.page.error(line, "an empty line inside a formula, which ends it outside the book")
        outside = re.sub(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", "", content, flags=re.DOTALL)
        if "\\\\" in outside:  # Sphinx adds this too
            content = f"\\begin{{split}}\n{content}\n\\end{{split}}"
        return f"$$\n{content}\n" + (f"\\tag{{{number}}}\n" if number else "") + "$$"

    # ---- directives -----------------------------------------------------------------------------------------------

    def _directive(self, d: Directive, line: int) -> str:
        if d.name in BOXES:
            return self._box(d, line)
        if d.name == "math":
            label = d.options.get("label", d.options.get("name"))
            return self._formula(f"{d.argument}\n{d.body}", line, self.book.equations[label].number if label else "")
        if d.name in ("code-block", "code", "sourcecode"):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", d.body)), default=0))
            caption = f"**{self.markdown(d.options['caption'], line)}**\n\n" if "caption" in d.options else ""
            return f"{caption}{fence}{d.argument}\n{d.body}\n{fence}"
        if d.name in ("figure", "image"):
            picture = f"![{' '.join(d.options.get('alt', '').split())}]({self._file(d.argument, line)})"
            if d.name == "image":
                return picture
            return f"{picture}\n\n{self.caption(self.book.figure_number(d.options['name']), figure_of(d), d.line)}"
        if d.name == "picture":
            url = self.book.url(self.page.name, make_id(picture_name(d)))
            return f"**Interactive picture** ([open it in the book]({url})). {self.markdown(d.body, d.line)}"
        if d.name in ("table", "list-table"):
            rows = self._list_table(d) if d.name == "list-table" else self.markdown(d.body, d.line)
            if not d.argument:
                return rows
            number = self.book.figure_number(d.options["name"]) if "name" in d.options else ""
            return f"{self.caption(number, d.argument, line)}\n\n{rows}"
        if d.name == "tab-item":
            return f"**{self.markdown(d.argument, line)}**\n\n{self.markdown(d.body, d.line)}"
        if d.name in ("tab-set", "div", "container"):
            return self.markdown(d.body, d.line)
        if d.name == "code-cell":
            raise self.page.error(line, "a code-cell inside another block, which the book would not run")
        raise self.page.error(line, f"the directive {{{d.name}}}: no plain Markdown is known for it")

    def _box(self, d: Directive, line: int) -> str:
        title, body = d.argument, self.markdown(d.body, d.line)
        if d.name in TITLES:
            title = TITLES[d.name]
            body = f"{self.markdown(d.argument, line)}\n\n{body}".strip("\n")
        title = self.markdown(title, line)
        if d.name == "dropdown" or "dropdown" in str(d.options.get("class", "")).split():
            summary = MarkdownIt("commonmark").renderInline(title)  # Markdown is not read inside of <summary>
            return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"
        return prefixed(f"**{title}**\n\n{body}" if title else body, "> ")

    def _list_table(self, d: Directive) -> str:
        rows: list[list[str]] = []
        for token in self.book.parser.parse(d.body):
            if token.type == "list_item_open" and token.level == 1:
                rows.append([])
            elif token.type == "inline":
                if token.level != 5:
                    raise self.page.error(d.line + token.map[0], "a cell of {list-table} that is not one paragraph")
                cell = self.markdown(token.content, d.line + token.map[0])
                rows[-1].append(" ".join(cell.split()).replace("|", "\\|"))
        head, *body = rows if int(d.options.get("header-rows", 0)) else [[" "] * len(rows[0]), *rows]
        return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])

    def caption(self, number: str, text: str, line: int) -> str:
        """The line under a figure or above a table."""
        return f"**{number}** {self.markdown(text, line)}".replace("****", "").strip()

    # ---- inline ---------------------------------------------------------------------------------------------------

    def _inline(self, token: Token, text: str, cursor: int, line: int, edits: list[tuple[int, int, str]]) -> int:
        """Add the edits for one run of inline text; return where it ends in ``text``."""
        content = token.content
        places = []  # where each character of the content stands, past what quotes and lists put before it
        for character in content:
            cursor = text.find(character, cursor)
            if cursor < 0:
                raise self.page.error(line, "this text cannot be followed: write it without tabs")
            places.append(cursor)
            cursor += 1
        for child in token.children:
            start, end = child.meta.get("span", (0, 0))
            here = line + content[:start].count("\n")
            replacement = self._replacement(child, content, here)
            if replacement is None:
                continue
            start = child.meta.get("tail", start)
            begin, stop = places[start], places[end - 1] + 1
            if re.sub(r"\n[>\s]*", "\n", text[begin:stop]) != re.sub(r"\n\s*", "\n", content[start:end]):
                raise self.page.error(here, f"cannot follow {content[start:end]!r}: put it on one line")
            edits.append((begin, stop, replacement))
        return cursor

    def _replacement(self, token: Token, content: str, line: int) -> str | None:
        """What to put in the place of an inline token's text (of a link: behind its text); None where it stays."""
        if token.type == "myst_role":
            return self._role(token.meta["name"], token.content.strip(), line)
        if token.type == "footnote_ref":
            return f"<sup>{self.footnotes.setdefault(token.meta['label'], len(self.footnotes) + 1)}</sup>"
        if token.type == "attrs":
            return ""
        if token.type == "image":
            return f"![{token.content}]({self._file(token.attrs['src'], line)})"
        if token.type == "link_open":
            return self._link(token, content, line)
        if re.sub("_(open|close)$", "", token.type) in PLAIN_INLINE or token.type == "link_close":
            return None
        raise self.page.error(line, f"{token.type.replace('_', ' ')}: no plain Markdown is known for this")

    def _link(self, token: Token, content: str, line: int) -> str | None:
        href = unquote(token.attrs["href"])
        if re.match(r"(https?|mailto):", href):
            inline = token.markup == "autolink" or content.startswith("](", token.meta["tail"])
            return None if inline else f"]({token.attrs['href']})"
        title = ""
        path, _, label = href.partition("#")
        if label or fully_normalize_name(path) in self.book.labels:
            target = self._target(self.book.labels, fully_normalize_name(label or path), line)
            url, title = self.book.url(target.page, target.anchor), target.title
        elif path.endswith(".md"):
            page = self._page(path.removesuffix(".md"), line)
            url, title = self.book.url(page.name), page.title
        else:
            url = self._file(path, line)
        unnamed = token.meta["tail"] == token.meta["span"][0] + 1
        return f"{self._plain(title, line) if unnamed else ''}]({url})"

    def _role(self, name: str, content: str, line: int) -> str:
        if name == "math":
            return f"${content}$"
        if name == "code":
            return f"`{content}`"
        if name in ("sub", "sup", "kbd"):
            return f"<{name}>{content}</{name}>"
        if name in ("cite", "cite:p", "cite:t"):
            return self._citation(name, [key.strip() for key in content.split(",")], line)
        explicit = EXPLICIT_TITLE.fullmatch(content)
        text, label = explicit.groups() if explicit else ("", content)
        if name == "doc":
            page = self._page(label, line)
            return f"[{text or self._plain(page.title, line)}]({self.book.url(page.name)})"
        if name == "term":
            target = self._target(self.book.terms, label.lower(), line)
            return f"[{text or label}]({self.book.url(target.page, target.anchor)})"
        if name == "eq":
            target = self._target(self.book.equations, label, line)
            return f"[({target.number})]({self.book.url(target.page, target.anchor)})"
        if name not in ("ref", "numref"):
            raise self.page.error(line, f"the role {{{name}}}: no plain Markdown is known for it")
        target = self._target(self.book.labels, fully_normalize_name(label), line)
        if name == "numref":
            if not target.number:
                raise self.page.error(line, f"{label!r} has no number that {{numref}} could give")
            number = target.number.split()[-1]
            text = text.replace("{number}", number).replace("%s", number) or target.number
        if not (text or target.title):
            raise self.page.error(line, f"{label!r} names nothing with a title: write {{ref}}`text <{label}>`")
        return f"[{text or self._plain(target.title, line)}]({self.book.url(target.page, target.anchor)})"

    def _citation(self, name: str, keys: list[str], line: int) -> str:
        links = []
        for key in keys:
            if key not in self.book.bibliography:
                raise self.page.error(line, f"no entry {key!r} in the bibliography")
            entry = self.book.bibliography[key]
            names = [str(Text().join(person.rich_last_names)) for person in entry.persons["author"]]
            who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
            anchor = make_id(self.book.cite_id.format(key=key, bibliography_count=1)) if self.book.cite_id else ""
            url = self.book.url(self.book.references_page, anchor)
            year = entry.fields["year"]
            links.append(f"{who} ([{year}]({url}))" if name == "cite:t" else f"[{who}, {year}]({url})")
        return ", ".join(links) if name == "cite:t" else f"({'; '.join(links)})"

    def _target(self, index: dict[str, Target], label: str, line: int) -> Target:
        if label not in index:
            raise self.page.error(line, f"nothing in the book has the name {label!r}")
        return index[label]

    def _page(self, path: str, line: int) -> Page:
        name = normpath(f"{PurePosixPath(self.page.name).parent}/{path}") if path[0] != "/" else path[1:]
        if name not in self.book.pages:
            raise self.page.error(line, f"{path!r} is no page of the book")
        return self.book.pages[name]

    def _file(self, path: str, line: int) -> str:
        """The address of a file of the repository: notebooks open in Colab, pictures come as they are."""
        if re.match(r"https?:", path):
            return path
        place = normpath(f"{PurePosixPath(self.page.name).parent}/{path}") if path[0] != "/" else path[1:]
        if not (self.book.root / place).exists():
            raise self.page.error(line, f"there is no file {place}")
        if place.endswith(".ipynb"):
            return colab_url(place, self.book.repository)
        kind = "raw" if PurePosixPath(place).suffix in PICTURES else "blob"
        return f"{self.book.repository.url}/{kind}/{self.book.repository.branch}/{place}"

    def _plain(self, title: str, line: int) -> str:
        """A title as the text of a link, which can hold no other link."""
        return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", self.markdown(title, line))


def starts_text(row: str) -> bool:
    """Whether a line goes on with text (or with another block), rather than being empty or a new item of a list."""
    inside = row.lstrip("> ")
    return bool(inside) and not re.match(r"([-+*]|\d+[.)])\s", inside)


def prefixed(block: str, prefix: str) -> str:
    """``block`` inside of the quotes and lists that ``prefix`` stands for; list markers only before the first line."""
    later = re.sub(r"[^>]", " ", prefix)
    return "\n".join(((prefix if i == 0 else later) + row).rstrip() for i, row in enumerate(block.split("\n")))


PLAIN = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin)
ONLY_MYST = re.compile(r"\([^()\s]+\)=$|:::|\+\+\+|% |\{[.#][^}]*\}$|.*\{\{.*\}\}|.*\[\^[^\]]+\]")


def leftover(source: str) -> str | None:
    """The first words of plain Markdown that only MyST would have understood, or None: a last look at our own work."""
    for token in PLAIN.parse(source):
        if token.type == "fence" and token.info.startswith("{"):
            return f"{token.markup}{token.info}"
        for child, after in pairwise([*(token.children or []), None]):
            if child.type == "text" and ONLY_MYST.match(child.content):
                return child.content
            if (
                child.type == "text"
                and after
                and after.type == "code_inline"
                and re.search(r"\{[\w:+-]+\} ?$", child.content)
            ):
                return f"{child.content}`{after.content}`"
    return None
