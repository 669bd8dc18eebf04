"""Terms and formulas that can be linked to: the glossary's entries, shown where a term stands; a name for each formula.

- On every page the first use of a term links to its entry in the glossary. Chapters are not edited for this. A term
  is found where a chapter gives its Chinese name, ``*query* (查询)``, or else where it first stands in the text; words
  that are also everyday English (`EVERYDAY`) only in the first way.
- The link's title is the entry's definition; `_static/glossary.js` shows it on hover and on keyboard focus.
- The first formula of the section with the label ``att-context`` can be linked to as ``att-context-eq``, the second as
  ``att-context-eq-2``.

It does not write the glossary (`book/glossary.md`, a `{glossary}` whose definitions begin with the Chinese names in
emphasis), and it leaves the notebooks for Colab alone.
"""

import re
from dataclasses import dataclass

from docutils import nodes
from sphinx.transforms import SphinxTransform

GLOSSARY = "book/glossary"
EVERYDAY = {"code", "gate", "head", "key", "mask", "meaning", "prior", "query", "rotation", "score", "slope", "value"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
PARENTHESIS = re.compile(r"\s*\(([^()]*(?:\([^()]*\)[^()]*)*)(?:\)|$)")  # at the end of the text, a citation may follow
NO_NAMES = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block)
NO_TERMS = (nodes.title, nodes.caption, nodes.reference, nodes.literal, nodes.table, nodes.figure, nodes.citation)


@dataclass(frozen=True)
class Entry:
    """One entry: its anchor, its English names, its Chinese names, and what it says."""

    anchor: str
    names: tuple[str, ...]
    chinese: tuple[str, ...]
    definition: str


def chinese_names(parenthesis: str) -> list[str]:
    """The Chinese names among what stands in a parenthesis: ``隐藏状态, in the notes 状态向量`` has two."""
    parts = [part.strip() for part in re.split("[,;]", parenthesis)]
    return [re.sub(r"^(?:[a-z]+ )*(?=[\u4e00-\u9fff])", "", part) for part in parts if CHINESE.search(part)]


def entries_of(glossary: nodes.document) -> list[Entry]:
    """The entries of the glossary's page."""
    found = []
    for item in glossary.findall(nodes.definition_list_item):
        terms = list(item.findall(nodes.term))
        first, definition, *_ = list(item.findall(nodes.paragraph))
        chinese = first.next_node(nodes.emphasis).astext()
        names = tuple(term.astext() for term in terms)
        found.append(Entry(terms[0]["ids"][0], names, tuple(chinese_names(chinese)), definition.astext()))
    return found


# ---- the first use of each term -----------------------------------------------------------------------------------


def name_pattern(entry: Entry) -> re.Pattern | None:
    """Finds a name of the entry in running text, also in the plural; None if all its names are everyday words."""
    names = [re.escape(name).replace(r"\ ", r"\s") for name in entry.names if name not in EVERYDAY]
    cased = [f"(?i:{name})(?:e?s)?" if name != name.upper() else name for name in names]
    return re.compile(rf"(?<![\w-])(?:{'|'.join(cased)})(?![\w-])") if names else None


class Linker:
    """Links the first use of each term on one page."""

    def __init__(self, entries: list[Entry], address: str):
        self.entries, self.address = entries, address
        self.by_chinese = {name: entry for entry in entries for name in entry.chinese}
        self.linked: set[str] = set()

    def link(self, entry: Entry, *children: nodes.Node) -> nodes.reference:
        self.linked.add(entry.anchor)
        title = entry.definition
        return nodes.reference(
            "", "", *children, refuri=f"{self.address}#{entry.anchor}", reftitle=title, internal=True, classes=["term"]
        )

    def apply(self, document: nodes.document) -> None:
        self.where_named_in_chinese(document)
        self.where_first_used(document)

    def where_named_in_chinese(self, document: nodes.document) -> None:
        for text in list(document.findall(nodes.Text)):
            if not CHINESE.search(text) or inside(text, NO_NAMES):
                continue
            before = text.parent[text.parent.index(text) - 1] if text.parent.index(text) else None
            opening = PARENTHESIS.match(text)
            marked = isinstance(before, nodes.emphasis | nodes.strong) and opening
            for parenthesis in [opening] if marked else re.finditer(PARENTHESIS, text):
                entry = next((e for n in chinese_names(parenthesis[1]) if (e := self.by_chinese.get(n))), None)
                if entry is None or entry.anchor in self.linked:
                    continue
                if marked:
                    before.replace_self(self.link(entry, before.deepcopy()))
                else:
                    name = next(n for n in chinese_names(parenthesis[1]) if n in self.by_chinese)
                    start = text.index(name, parenthesis.start())
                    self.split(text, start, start + len(name), entry)
                break

    def where_first_used(self, document: nodes.document) -> None:
        waiting = {e.anchor: (e, pattern) for e in self.entries if (pattern := name_pattern(e))}
        for text in list(document.findall(nodes.Text)):
            if inside(text, NO_TERMS) or not isinstance(text.parent, nodes.paragraph | nodes.emphasis | nodes.strong):
                continue
            while hits := [
                (match.start(), -match.end(), match, entry)
                for anchor, (entry, pattern) in waiting.items()
                if anchor not in self.linked and (match := pattern.search(text))
            ]:
                _, _, match, entry = min(hits, key=lambda hit: hit[:2])  # the first, and the longest
                text = self.split(text, match.start(), match.end(), entry)

    def split(self, text: nodes.Text, start: int, end: int, entry: Entry) -> nodes.Text:
        """Put a link in the place of a part of the text; return what follows it."""
        rest = nodes.Text(text[end:])
        parts = [nodes.Text(text[:start]), self.link(entry, nodes.Text(text[start:end])), rest]
        text.parent.replace(text, parts)
        return rest


def inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False


def collect(app, env) -> list[str]:
    """After reading: take the glossary's entries. All pages are written again if one has changed."""
    entries = entries_of(env.get_doctree(GLOSSARY)) if GLOSSARY in env.found_docs else []
    changed = entries != getattr(env, "glossary_entries", None)
    env.glossary_entries = entries
    return sorted(env.found_docs) if changed and entries else []


def link_terms(app, doctree, docname) -> None:
    entries = getattr(app.env, "glossary_entries", [])
    if app.builder.format == "html" and entries and docname not in (GLOSSARY, app.config.root_doc):
        Linker(entries, app.builder.get_relative_uri(docname, GLOSSARY)).apply(doctree)


def load_script(app, pagename, templatename, context, doctree) -> None:
    if 'class="term ' in context.get("body", ""):
        app.add_js_file("glossary.js", defer="defer")


# ---- formulas -----------------------------------------------------------------------------------------------------


class FormulaNames(SphinxTransform):
    """Gives each displayed formula of a labelled section a name made from the section's label."""

    default_priority = 840  # before SphinxDomains collects the labels

    def apply(self, **kwargs) -> None:
        for section in self.document.findall(nodes.section):
            label = next((name for name in section["names"] if self.document.nametypes.get(name)), None)
            formulas = [f for f in section.findall(nodes.math_block) if nearest_section(f) is section]
            for number, formula in enumerate(formulas if label else [], start=1):
                formula["names"].append(f"{label}-eq" if number == 1 else f"{label}-eq-{number}")
                self.document.note_explicit_target(formula)


def nearest_section(node: nodes.Node) -> nodes.Node:
    while not isinstance(node, nodes.section):
        node = node.parent
    return node


def setup(app):
    app.add_transform(FormulaNames)
    app.connect("env-updated", collect)
    app.connect("doctree-resolved", link_terms)
    app.connect("html-page-context", load_script)
    return {"version": "1", "env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}
