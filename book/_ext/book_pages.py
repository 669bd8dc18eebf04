"""What the pages link to and load: the Colab button, the repository's links, images that keep their place.

- The repository's address comes from `autograder.colab`, the one place that knows it, so that a fork's book links to
  the fork.
- The button of a chapter opens the chapter's generated notebook, `book/colab/NN-name.ipynb`, because Colab cannot
  open Markdown.
- A link from a chapter to an assignment's notebook opens that notebook in Colab, too. A link to the printed book leads
  to the published one, since it is not made with the pages.
- The template `templates/layout.html` leaves out what the theme loads and the book does not use (see there).
- `{{ repository }}` in code stands for the repository's address.
- Images get their size as attributes, so that the text does not jump when they arrive; scripts wait for the text.
- The theme's script does not measure boxes of code as soon as the page is there (`_static/course.js` does it later).

It is not for the look of the pages (`_static/course.css`).
"""

import importlib.util
import re
import shutil
import sys
import textwrap
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

REPOSITORY = Path(__file__).resolve().parents[2]
PRINTED = "keep-the-attention.pdf"  # beside the published pages; book_printed.py makes it
WRONG_NAMES = {  # what accessibility checkers rightly find fault with, and what it should be
    '<summary aria-label="Toggle hidden content">': "<summary>",  # a label that says less than the text
    'role="doc-biblioentry"': 'role="listitem"',  # a deprecated role; and a list must have items
}
THEMES_SCRIPT = "_static/scripts/pydata-sphinx-theme.js"
MEASURED = re.compile(r'\["pre",[^\]]*\]\.join\(", "\)')  # the list of what the theme's script measures
NOTHING = '":not(*)"'
IMAGE_SIZE = re.compile(r'style="width: (\d+)px; height: (\d+)px;?"')


def load_colab():
    """The module `autograder.colab`, by its file: importing the package would load torch, seconds in every build."""
    spec = importlib.util.spec_from_file_location("book_colab", REPOSITORY / "autograder" / "colab.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


colab = load_colab()


def colab_notebook(docname: str) -> str:
    """Where the generated notebook of a page is, from the repository's root: ``book/colab/NN-name.ipynb``."""
    folder, _, name = docname.rpartition("/")
    return f"{folder}/colab/{name}.ipynb".lstrip("/")


def without(html: str, *names: str) -> str:
    """The HTML without the lines that mention one of ``names``; a template filter."""
    return "\n".join(line for line in html.splitlines() if not any(name in line for name in names))


def name_repository(app, config) -> None:
    """Have the theme's own links lead to the repository that this build is for."""
    here = colab.repository()
    config.html_theme_options = {
        **config.html_theme_options,
        "repository_url": here.url,
        "repository_branch": here.branch,
    }


def add_filter(app) -> None:
    if app.builder.format == "html":
        app.builder.templates.environment.filters["without"] = without


def link_notebook(app, pagename, templatename, context, doctree) -> None:
    """Replace the theme's launch menu, which can't know our notebooks, by a button; offer the notebook as download."""
    buttons = context.get("header_buttons", [])
    menu = next((button for button in buttons if button.get("label") == "launch-buttons"), None)
    if menu is None:
        return
    position = buttons.index(menu)
    del buttons[position]
    path = colab_notebook(pagename)
    notebook = Path(app.srcdir, path)
    if not notebook.is_file():
        return
    link = {
        "type": "link",
        "url": colab.colab_url(path),
        "icon": "fas fa-rocket",
        "text": "Open in Colab",
        "tooltip": "Open this chapter as a notebook in Google Colab",
        "label": "launch-colab",
    }
    buttons.insert(position, link)
    download = Path(app.outdir, "_sources", pagename).with_suffix(".ipynb")
    download.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(notebook, download)


class LinksElsewhere(SphinxTransform):
    """A link to an assignment, a notebook that is no page, opens it in Colab; one to the PDF, where it is published."""

    default_priority = 300

    def apply(self, **kwargs) -> None:
        for node in list(self.document.findall(pending_xref)):
            path, address = f"{node['reftarget']}.ipynb", None
            if node["reftarget"] == PRINTED:
                address = f"{colab.repository().book_url}/{PRINTED}"
            elif node.get("refdomain") == "doc" and node["reftarget"] not in self.env.found_docs:
                address = colab.colab_url(path) if Path(self.app.srcdir, path).is_file() else None
            if address:
                node.replace_self(nodes.reference("", "", *node.children, refuri=address, internal=False))


class RepositoryNames(SphinxTransform):
    """In blocks and spans of code, ``{{ repository }}`` is the address of the repository, in a fork the fork's."""

    default_priority = 300

    def apply(self, **kwargs) -> None:
        for node in list(self.document.findall(nodes.literal)) + list(self.document.findall(nodes.literal_block)):
            if "{{ repository }}" in node.astext():
                node.rawsource = node.astext().replace("{{ repository }}", colab.repository().url)
                node[:] = [nodes.Text(node.rawsource)]


def describe(app, pagename, templatename, context, doctree) -> None:
    """Give search engines the page's first paragraph, cut at a word."""
    if doctree is not None and (paragraph := doctree.next_node(nodes.paragraph)):
        context["first_words"] = textwrap.shorten(paragraph.astext(), width=160, placeholder=" …")


def mend_body(app, pagename, templatename, context, doctree) -> None:
    """Images get their size as attributes, and the first is fetched at once; roles and labels are put right."""
    if "body" in context:
        body = IMAGE_SIZE.sub(r'width="\1" height="\2"', context["body"])
        first = re.search(r"<img\b[^>]*figure-light.*?figure-dark[^>]*>", body, flags=re.DOTALL)
        if first:
            body = body.replace(first[0], first[0].replace(' loading="lazy"', ""), 1)
        for wrong, right in WRONG_NAMES.items():
            body = body.replace(wrong, right)
        context["body"] = body


def defer_scripts(app, pagename, templatename, context, doctree) -> None:
    """Let scripts wait until the page is there; the search page's, and what inline scripts build on, can't."""

    def deferred(script):
        name = str(getattr(script, "filename", None) or "")
        if not name or "documentation_options" in name or "async" in script.attributes:
            return script
        return type(script)(script.filename, priority=script.priority, **{**script.attributes, "defer": "defer"})

    if pagename != "search":
        context["script_files"] = [deferred(script) for script in context.get("script_files", [])]


def measure_nothing(app, failed) -> None:
    """Have the theme's script leave boxes to ours: it asks for the size of every one, and so lays out the whole page.

    Raises:
        ExtensionError: if the script is another than the one that we know.
    """
    if failed or app.builder.format != "html":
        return
    script = Path(app.outdir) / THEMES_SCRIPT
    text = MEASURED.sub(NOTHING, script.read_text(encoding="utf-8"))
    if text.count(NOTHING) != 1:  # it is there already where an earlier build's script still stands
        raise ExtensionError(f"{script} no longer lists what it measures: look for its successor, see {__name__}.py")
    script.write_text(text, encoding="utf-8")


def setup(app):
    app.add_transform(LinksElsewhere)
    app.add_transform(RepositoryNames)
    app.connect("config-inited", name_repository)
    app.connect("builder-inited", add_filter)
    app.connect("html-page-context", link_notebook, priority=600)  # after the theme's own, 500 and 501
    app.connect("html-page-context", mend_body)
    app.connect("html-page-context", defer_scripts, priority=600)
    app.connect("html-page-context", describe)
    app.connect("build-finished", measure_nothing)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
