"""Interactive pictures: the directive ``{picture}``, and the scripts of the pages that use it.

    ```{picture} query
    :alt: what it shows, for those who cannot see it
    :figure: fig-qkv-query
    What to try, in one or two sentences.
    ```

A picture is one script, ``_static/pictures/NAME.js``, on top of the shared ``_static/pictures/pictures.js``, which says
how to write one. Only pages with a picture load these. Without JavaScript and on paper there are the alternative text,
a link to the page in the published book, and, if ``:figure:`` names one, a reference to the figure that stands still.

A picture that shows what a cell computed, as `heads` does, reads it from the page: the chapter has a cell with the tag
``remove-input`` that returns

    HTML(f'<script type="application/json" data-numbers="heads">{json.dumps(numbers)}</script>')

So the picture and the page's figures have the same numbers, those of this build.

Pictures have no number, since they are not on paper. ``{ref}`the picture <picture-query>``` leads to one; ``:name:``
gives it another name, which a second picture of the same kind needs. It is not for figures that a cell draws
(`book_figures`).
"""

import re
from pathlib import Path

from book_pages import colab
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

log = logging.getLogger(__name__)

FOLDER = Path(__file__).resolve().parents[1] / "_static" / "pictures"
SHARED = "pictures"
NUMBERS = re.compile(r"Pictures\.add\([^)]*\bnumbers\b")  # a script that asks for numbers from the page


class picture(nodes.General, nodes.Element):
    """The whole picture; ``kind`` is what it shows."""


class picture_caption(nodes.Part, nodes.Element):
    """What to try."""


def kinds() -> list[str]:
    """The names of the pictures that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.js") if path.stem != SHARED)


class PictureDirective(SphinxDirective):
    required_arguments = 1
    has_content = True
    option_spec = {  # noqa: RUF012
        "alt": directives.unchanged,
        "figure": directives.unchanged_required,
        "name": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        kind, alt = self.arguments[0], " ".join(self.options.get("alt", "").split())
        if kind not in kinds():
            return self.complain(
                "unknown", f"there is no picture {kind!r}: write one of {', '.join(kinds())}, or add {kind}.js to them"
            )
        if not alt:
            return self.complain("missing-alt", f"the picture {kind!r} needs an :alt: that says what it shows")
        if not self.content:
            return self.complain("missing-text", f"the picture {kind!r} needs a sentence that says what to try")
        if stray := next((line for line in self.content if re.match(r"\s*:\w+:\s|\s+\S", line)), None):
            return self.complain("stray-option", f"an option has to be one line, or this is read as text: {stray!r}")
        node = picture(kind=kind)
        self.options.setdefault("name", f"picture-{kind}")
        self.add_name(node)
        self.set_source_info(node)
        node += nodes.paragraph("", alt, classes=["picture-alt"])
        address = f"{colab.repository().book_url}/{self.env.docname}.html#{node['ids'][0]}"
        still = f"This is an interactive picture. It moves [in the book on the web]({address}), with JavaScript."
        if "figure" in self.options:
            still += f" {{numref}}`{self.options['figure']}` shows the same, standing still."
        node += self.parse(still.splitlines(), ["picture-still"])
        caption = picture_caption()
        caption += self.parse(self.content, [])
        node += caption
        return [node]

    def parse(self, lines, classes: list[str]) -> list[nodes.Node]:
        """The nodes of some lines of Markdown, which begin where the directive's body does."""
        parsed = nodes.Element()
        self.state.nested_parse(lines, self.content_offset, parsed)
        for node in parsed.children:
            node["classes"] += classes
        return parsed.children

    def complain(self, subtype: str, problem: str) -> list[nodes.Node]:
        log.warning(problem, location=(self.env.docname, self.lineno), type="pictures", subtype=subtype)
        return []


def visit_picture(self, node: picture) -> None:
    self.body.append(self.starttag(node, "figure", CLASS="picture", **{"data-picture": node["kind"]}))


def depart_picture(self, node: picture) -> None:
    self.body.append("</figure>\n")


def visit_caption(self, node: picture_caption) -> None:
    self.body.append("<figcaption>")


def depart_caption(self, node: picture_caption) -> None:
    self.body.append("</figcaption>\n")


def load_scripts(app, pagename, templatename, context, doctree) -> None:
    """Have a page load what its pictures need, the shared script first."""
    body = context.get("body", "")
    used = sorted(set(re.findall(r'<figure[^>]* data-picture="([\w-]+)"', body)))
    for name in used:
        if NUMBERS.search((FOLDER / f"{name}.js").read_text(encoding="utf-8")) and f'data-numbers="{name}"' not in body:
            problem = f"no cell of the page returns the numbers of the picture {name!r}"
            log.warning(problem, location=pagename, type="pictures", subtype="missing-numbers")
    if used:
        app.add_css_file(f"pictures/{SHARED}.css")
        for name in [SHARED, *used]:
            app.add_js_file(f"pictures/{name}.js", defer="defer")


def setup(app):
    app.add_node(picture, html=(visit_picture, depart_picture))
    app.add_node(picture_caption, html=(visit_caption, depart_caption))
    app.add_directive("picture", PictureDirective)
    app.connect("html-page-context", load_scripts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
