"""What feedback and formgrader show of a hand-in: everything but what would run, load something, or pose as the page.

Both are pages of nbconvert's. `config` gives its exporter the filters and the preprocessor of this module. nbgrader's
own templates leave markdown as the student wrote it, so cleaning is part of turning it into HTML.
"""

import re
from functools import cache
from html import escape

import bleach
from bleach.css_sanitizer import CSSSanitizer
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "div", "dl", "dt", "em", "h1", "h2", "h3",
    "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "q", "s", "small", "span", "strong",
    "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}  # fmt: skip
STYLES = [
    "background", "background-color", "border", "border-bottom", "border-collapse", "border-left", "border-radius",
    "border-right", "border-top", "color", "font-family", "font-size", "font-style", "font-weight", "line-height",
    "margin", "max-width", "overflow-wrap", "overflow-x", "padding", "text-align", "text-decoration", "vertical-align",
    "white-space", "width",
]  # fmt: skip
PLAIN = {"aria-hidden", "aria-label", "alt", "colspan", "lang", "rowspan", "scope", "start", "title"}
CLASSES = re.compile(r"(highlight|dataframe|[a-z][a-z0-9]{0,2})( (highlight|dataframe|[a-z][a-z0-9]{0,2}))*")
STYLE = re.compile(r"([^\\@()]|rgba?\([\d.,\s]*\))*")  # nothing is loaded
PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=\s]*")
KINDS = ("text/plain", "text/html", "text/markdown", "text/latex", "image/png", "image/jpeg", "image/svg+xml")


def allowed(tag: str, name: str, value: str) -> bool:
    """Whether a tag may have this attribute. No ids: the page's own scripts look for theirs."""
    if name == "class":  # those of highlighted code and of data frames
        return bool(CLASSES.fullmatch(value))
    if name == "src":
        return tag == "img" and bool(PICTURE.fullmatch(value))
    if name == "href":
        return tag == "a" and not value.lower().startswith("data:")
    if name == "style":
        return bool(STYLE.fullmatch(value))
    return name in PLAIN


def clean(html: object) -> str:
    """HTML in which nothing runs; a tag that is not allowed stands there as text."""
    return bleach.clean(
        html.decode(errors="replace") if isinstance(html, bytes) else str(html),
        tags=TAGS,
        attributes=allowed,
        protocols={"http", "https", "mailto", "data"},  # the last for pictures
        css_sanitizer=CSSSanitizer(allowed_css_properties=STYLES),
    )


@pass_context
def markdown2html(context, source: str) -> str:
    """nbconvert's own, cleaned. What can't be rendered, such as a picture that is not there, is shown as written."""
    try:
        return clean(exporter().markdown2html(context, source))
    except Exception:
        return f"<pre>{escape(source)}</pre>"


@cache
def exporter() -> HTMLExporter:
    return HTMLExporter(exclude_anchor_links=True)


class Harmless(Preprocessor):
    """Leaves of outputs what can be shown safely, and no metadata from which a page would be built."""

    enabled = True

    def preprocess_cell(self, cell, resources, index):
        cell.metadata = NotebookNode({key: value for key, value in cell.metadata.items() if key == "nbgrader"})
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = NotebookNode()
            if "data" in output:
                output.data = NotebookNode(
                    {kind: value for kind, value in output.data.items() if kind in KINDS and isinstance(value, str)}
                )
        return cell, resources
