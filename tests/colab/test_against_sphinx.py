"""Sphinx is the judge: every link of a notebook leads to something in the built book, under the number it has there."""

import html
import re
from pathlib import Path
from urllib.parse import urldefrag

import colab_notebooks
import nbformat
import pytest
import yaml
from docutils import nodes
from sphinx.application import Sphinx

from autograder import colab

SAMPLE = Path(__file__).with_name("sample.md").read_text(encoding="utf-8")
FIGURE = "from IPython.display import SVG\n\nSVG('<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>')\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory, write_in):
    """The sample book with a figure that needs no matplotlib, and one more figure, on an earlier page."""
    drawing = "import matplotlib.pyplot as plt\n\nplt.plot([0, 1]);\n"
    assert drawing in SAMPLE
    root = write_in(tmp_path_factory.mktemp("book"), SAMPLE.replace(drawing, FIGURE))
    front = SAMPLE[: SAMPLE.index("(sample)=")]
    cell = f"```{{code-cell}}\n---\nmystnb: {{figure: {{name: fig-first, caption: First}}}}\n---\n{FIGURE}```\n"
    (root / "book" / "index.md").write_text(f"{front}# Front\n\n{cell}", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    """The pages that Sphinx makes with the settings of the course's own configuration."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    passed_on = {
        name: value for name, value in config["sphinx"]["config"].items() if re.match("bibtex|numfig|math", name)
    }
    out = tmp_path_factory.mktemp("built")
    app = Sphinx(
        root, None, out, out / "trees", "html", status=None, warning=None,
        confoverrides={
            "extensions": ["myst_nb", "sphinx_design", "sphinxcontrib.bibtex", "sphinx_external_toc"],
            "bibtex_bibfiles": config["bibtex_bibfiles"],
            "myst_enable_extensions": config["parse"]["myst_enable_extensions"],
            "myst_dmath_double_inline": True,
            "html_theme": "basic",
            "nb_execution_mode": "force",
            "nb_merge_streams": True,
            **passed_on,
        },
    )  # fmt: skip
    app.build()
    return {file.relative_to(out).as_posix(): file.read_text(encoding="utf-8") for file in out.rglob("*.html")}


@pytest.fixture(scope="module")
def links(root):
    """The links of the sample's notebook into the book: page, anchor, text."""
    made = nbformat.reads(colab_notebooks.notebooks(root, colab.repository())["book/colab/01-sample.ipynb"], 4)
    text = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    found = re.findall(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((https://keep-the-attention\.github\.io[^)]*)\)", text)
    base = colab.repository().book_url
    return [(*urldefrag(url.removeprefix(f"{base}/")), title) for title, url in found if url != base]


def plain(fragment):
    return html.unescape(re.sub("<[^>]*>", "", fragment)).strip()


def test_every_link_leads_somewhere(built, links):
    assert len(links) > 20
    for page, anchor, _ in links:
        assert page in built
        assert not anchor or f'id="{anchor}"' in built[page], f"no {anchor} on {page}"


def test_references_have_the_words_and_numbers_of_the_book(built, links):
    in_book = {
        (page.removeprefix("../book/") or "01-sample.html", anchor, plain(text))
        for page, anchor, text in re.findall(
            r'<a class="[^"]*reference internal[^"]*" href="([^"#]*)#([^"]*)"[^>]*>(.*?)</a>',
            built["book/01-sample.html"],
            re.DOTALL,
        )
    }
    numbered = [link for link in links if re.match("(fig|equation|tab)-", link[1]) and link[2] != "here"]
    assert len(numbered) >= 4
    for page, anchor, text in links:
        if anchor and not anchor.startswith(("term-", "cite-")):
            assert (page.removeprefix("book/"), anchor, re.sub("[`$]", "", text)) in {
                (p, a, re.sub(r"\\\(|\\\)", "", t)) for p, a, t in in_book
            }


def test_captions_and_tags_have_the_numbers_of_the_book(built, root):
    page = built["book/01-sample.html"]
    made = colab_notebooks.notebooks(root, colab.repository())["book/colab/01-sample.ipynb"]
    caption = re.search(r'<span class="caption-number">(Fig[^<]*)</span>', page)[1].strip()
    assert caption == "Fig. 2" and f"**{caption}** A line" in made
    table = re.search(r'<span class="caption-number">(Table[^<]*)</span>', page)[1].strip()
    assert f"**{table}** Costs" in made
    for label in ("eq-context", "eq-short", "eq-folded"):
        number = re.search(rf'<span class="eqno">\((\d+)\)<a [^>]*href="#equation-{nodes.make_id(label)}"', page)[1]
        assert f"\\\\tag{{{number}}}" in made
