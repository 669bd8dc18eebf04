"""The notebooks made of chapters: every construct of MyST, ids that stay, and a check that notices what is stale."""

import ast
import re
from pathlib import Path

import colab_notebooks
import jupytext
import lint_notebooks
import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import colab

SAMPLE = Path(__file__).with_name("sample.md").read_text(encoding="utf-8")
BOOK = "https://keep-the-attention.github.io/keep-the-attention/book"
CELL = "```{code-cell}\n1\n```\n"
NAME = "book/colab/01-sample.ipynb"


def made(root, repository=None):
    """The sample chapter's notebook."""
    return nbformat.reads(colab_notebooks.notebooks(root, repository or colab.repository())[NAME], 4)


def text(root):
    """The Markdown of the chapter's own cells, without the notebook's title."""
    return "\n\n".join(cell.source for cell in made(root).cells[2:] if cell.cell_type == "markdown")


# ---- constructs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("% a remark\nText.", "Text."),
        ("(label)=\nText.", "Text."),
        ("{.wide}\nText.", "Text."),
        ("*a* **b** `c` $d$ <br> [e](https://f.g) <https://h.i>", "*a* **b** `c` $d$ <br> [e](https://f.g) <https://h.i>"),
        ("[e](https://f.g){.quiet}", "[e](https://f.g)"),
        (
            "a[^1] b[^n] c[^1]\n\n[^1]: One.\n[^n]: Two.",
            "a<sup>1</sup> b<sup>2</sup> c<sup>1</sup>\n\n<sup>1</sup> One.\n\n<sup>2</sup> Two.",
        ),
        ("[e][f]\n\n[f]: https://f.g", "[e](https://f.g)\n\n[f]: https://f.g"),
        ("{ref}`other-top`", f"[The other page]({BOOK}/other.html#other-top)"),
        ("{ref}`Over <other-top>`", f"[Over]({BOOK}/other.html#other-top)"),
        ("{doc}`other`", f"[The other page]({BOOK}/other.html)"),
        ("{doc}`/book/other`", f"[The other page]({BOOK}/other.html)"),
        ("[over](other.md)", f"[over]({BOOK}/other.html)"),
        ("[](#other-top)", f"[The other page]({BOOK}/other.html#other-top)"),
        ("[o $x$ {sub}`1`](other.md)", f"[o $x$ <sub>1</sub>]({BOOK}/other.html)"),
        ("{eq}`eq-other`", f"[(1)]({BOOK}/other.html#equation-eq-other)"),
        ("{term}`context vector`", f"[context vector]({BOOK}/other.html#term-context-vector)"),
        ("{term}`Contexts <context vector>`", f"[Contexts]({BOOK}/other.html#term-context-vector)"),
        ("H{sub}`2`O {sup}`x` {kbd}`Esc`", "H<sub>2</sub>O <sup>x</sup> <kbd>Esc</kbd>"),
        ("{math}`x_1` {code}`y`", "$x_1$ `y`"),
        ("$$ a $$", "$$\na\n$$"),
        ("$$\na \\\\\nb\n$$", "$$\n\\begin{split}\na \\\\\nb\n\\end{split}\n$$"),
        ("$$\n\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}\n$$", "$$\n\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}\n$$"),
        ("$$ a $$ (eq-a)\n\n{eq}`eq-a`", f"$$\na\n\\tag{{2}}\n$$\n\n[(2)]({BOOK}/01-sample.html#equation-eq-a)"),
        ("```{math}\n:label: eq-a\na\n```", "$$\na\n\\tag{2}\n$$"),
        ("\\begin{gather*}\na \\\\\nb\n\\end{gather*}", "$$\n\\begin{gathered}\na \\\\\nb\n\\end{gathered}\n$$"),
        ("```{note}\nText.\n```", "> **Note**\n>\n> Text."),
        ("```{tip} Text.\n```", "> **Tip**\n>\n> Text."),
        (":::{admonition} Title *here*\nText.\n\nMore.\n:::", "> **Title *here***\n>\n> Text.\n>\n> More."),
        ("````{note}\n```{tip}\nIn.\n```\nOut.\n````", "> **Note**\n>\n> > **Tip**\n> >\n> > In.\n>\n> Out."),
        (
            "```{admonition} A < *b*\n:class: tip dropdown\nText.\n```",
            "<details>\n<summary>A &lt; <em>b</em></summary>\n\nText.\n\n</details>",
        ),
        (
            "```{picture} query\n:alt: It shows $q$.\nMove $q$.\n```\n\nSee {ref}`it <picture-query>`.",
            f"**Interactive picture** ([open it in the book]({BOOK}/01-sample.html#picture-query)). Move $q$.\n\n"
            f"See [it]({BOOK}/01-sample.html#picture-query).",
        ),
        (
            "```{picture} query\n:name: my-one\nMove.\n```",
            f"**Interactive picture** ([open it in the book]({BOOK}/01-sample.html#my-one)). Move.",
        ),
        ("```{dropdown} Answer\nText.\n```", "<details>\n<summary>Answer</summary>\n\nText.\n\n</details>"),
        ("- a\n\n  ```{note}\n  b\n  ```\n- c", "- a\n\n  > **Note**\n  >\n  > b\n- c"),
        ("> ```{math}\n> a\n> ```", "> $$\n> a\n> $$"),
        ("```{note}\nb\n```\nText.", "> **Note**\n>\n> b\n\nText."),
        ("> ```{note}\n> b\n> ```\n> Text.", "> > **Note**\n> >\n> > b\n>\n> Text."),
        ("1. ```{note}\n   b\n   ```", "1. > **Note**\n   >\n   > b"),
        ("> {ref}`over\n> there <other-top>`", f"> [over there]({BOOK}/other.html#other-top)"),
        ("| a | b |\n|--|-:|\n| {sub}`1` | {sub}`2` \\| |", "| a | b |\n|--|-:|\n| <sub>1</sub> | <sub>2</sub> \\| |"),
        (
            "```{list-table} Costs\n:name: costs\n:header-rows: 1\n* - a\n  - b\n* - `c`\n  - {sub}`d`\n```\n"
            "{numref}`costs`",
            "**Table 1** Costs\n\n| a | b |\n| --- | --- |\n| `c` | <sub>d</sub> |\n\n"
            f"[Table 1]({BOOK}/01-sample.html#costs)",
        ),
        ("Word\n: Meaning {sub}`1`.", "**Word**\n- Meaning <sub>1</sub>."),
        ("```python\n{ref}`x`\n```", "```python\n{ref}`x`\n```"),
        ("`` {ref}`x` ``", "`` {ref}`x` ``"),
        ("```{code-block} python\n:linenos:\nx = 1\n```", "```python\nx = 1\n```"),
        ("````{tab-set}\n```{tab-item} NumPy\nx\n```\n````", "**NumPy**\n\nx"),
        ("- [ ] to do\n- [x] done", "- [ ] to do\n- [x] done"),
    ],
)  # fmt: skip
def test_each_construct(write, myst, plain):
    assert text(write(f"# Title\n\n{myst}\n\n{CELL}")) == plain


@pytest.mark.parametrize(
    ("myst", "complaint"),
    [
        ("{unheard}`x`", "the role {unheard}"),
        ("```{unheard}\nx\n```", "the directive {unheard}"),
        ("```{note}\n{unheard}`x`\n```", "the role {unheard}"),
        ("```{raw} html\n<p>\n```", "the directive {raw}"),
        ("{ref}`nowhere`", "nothing in the book has the name 'nowhere'"),
        ("{eq}`nowhere`", "nothing in the book has the name 'nowhere'"),
        ("{term}`nowhere`", "nothing in the book has the name 'nowhere'"),
        ("{cite}`nobody1900`", "no entry 'nobody1900' in the bibliography"),
        ("{doc}`nowhere`", "'nowhere' is no page of the book"),
        ("[x](nowhere.md)", "'nowhere' is no page of the book"),
        ("[x](nowhere.ipynb)", "there is no file book/nowhere.ipynb"),
        ("{numref}`other-top`", "'other-top' has no number"),
        ("(here)=\nText. {ref}`here`", "'here' names nothing with a title"),
        ("{{ word }}", "substitution"),
        ("$$\na\n\nb\n$$", "an empty line inside a formula"),
        ("\\begin{multline}\na\n\\end{multline}", "a LaTeX environment"),
        ("<script>1</script>", "a script does not run"),
        (":::note\nx\n:::", "colon fence"),
        ("Text [^nowhere].", "'Text [^nowhere].' would be shown as it stands"),
        ("{ref} `other-top`", "'{ref} `other-top`' would be shown as it stands"),
        ("````{note}\n```{code-cell}\n1\n```\n````", "a code-cell inside another block"),
        ("```{code-cell}\n:tags: [unheard]\n1\n```", "the tag 'unheard'"),
        ("```{code-cell}\n:tags: [raises-exception]\n1 / 0\n```", "Run all stops at an exception"),
        ("```{code-cell}\n:load: other.py\n```", "a cell loaded from a file"),
        ("```{code-cell}\n---\nmystnb: {figure: {caption: A}}\n---\n1\n```", "needs a name of its own"),
        ("```{code-cell}\n---\nmystnb: [\n---\n1\n```", "cannot be read"),
    ],
)
def test_what_is_not_known_is_an_error_with_its_place(write, capsys, myst, complaint):
    root = write(f"# Title\n\nOne.\nTwo.\n\n{myst}\n\n{CELL}")
    assert colab_notebooks.main([], root) == 1
    said = capsys.readouterr().err
    assert said.startswith("book/01-sample.md:") and complaint in said and said.count("\n") == 1
    line = int(said.split(":")[1])
    blamed = (root / "book" / "01-sample.md").read_text(encoding="utf-8").splitlines()[line - 1 :]
    assert blamed[0] in myst or blamed[0] == "# Title"  # what is left over is only known to be in this cell
    assert not (root / "book" / "colab").exists()


@pytest.mark.parametrize("chapter", ["Text.\n\n# Title\n\n", "## Title\n\n", ""])
def test_a_chapter_begins_with_its_title(write, capsys, chapter):
    assert colab_notebooks.main([], write(chapter + CELL)) == 1
    assert "a chapter begins with its title" in capsys.readouterr().err


def test_a_label_is_taken_once(write, capsys):
    assert colab_notebooks.main([], write(f"(other-top)=\n# Title\n\n{CELL}")) == 1
    assert "the label 'other-top' is taken already, on book/other" in capsys.readouterr().err


def test_a_page_that_is_missing_and_numbered_chapters_are_refused(write, capsys):
    root = write(f"# Title\n\n{CELL}")
    (root / "book" / "other.md").unlink()
    assert colab_notebooks.main([], root) == 1
    assert capsys.readouterr().err == "_toc.yml: there is no file book/other.md\n"
    write(f"# Title\n\n{CELL}")
    contents = root / "_toc.yml"
    contents.write_text(contents.read_text(encoding="utf-8") + "options: {numbered: true}\n", encoding="utf-8")
    assert colab_notebooks.main([], root) == 1
    assert capsys.readouterr().err.startswith("_toc.yml: numbered chapters")


def test_every_chapter_is_reported_at_once(write, capsys):
    root = write(f"# Title\n\n{{unheard}}`x`\n\n{CELL}")
    (root / "book" / "other.md").write_text(f"# Title\n\n{{unread}}`x`\n\n{CELL}", encoding="utf-8")
    assert colab_notebooks.main([], root) == 1
    said = capsys.readouterr().err
    assert "book/other.md:3: the role {unread}" in said and "book/01-sample.md:14: the role {unheard}" in said


# ---- the whole notebook -------------------------------------------------------------------------------------------


def test_title_and_badge_come_first_and_set_up_second(write):
    title, set_up, *_ = made(write(SAMPLE)).cells
    assert title.source.startswith("# Looking back: α and c\n\n[![Open in Colab](")
    assert colab.colab_url(NAME) in title.source and f"({BOOK}/01-sample.html)" in title.source
    assert set_up.cell_type == "code" and set_up.source + "\n" == colab.setup_cell()


def test_code_is_what_jupytext_reads(write):
    """jupytext, which reads the same format, is the judge of what the code cells are."""
    read = jupytext.reads(SAMPLE, fmt="md:myst").cells
    code = [
        cell.source for cell in read if cell.cell_type == "code" and "remove-cell" not in cell.metadata.get("tags", [])
    ]
    ours = [
        re.sub(r"^# @title.*\n", "", cell.source) for cell in made(write(SAMPLE)).cells[2:] if cell.cell_type == "code"
    ]
    assert ours == code and len(code) == 3


def test_a_figure_has_its_caption_and_its_alt_text_below_and_its_code_folded(write):
    cells = made(write(SAMPLE)).cells
    at = next(i for i, cell in enumerate(cells) if cell.id == "fig-line-caption")
    assert cells[at].source.startswith("**Fig. 1** A line, after ([Bahdanau et al., 2015](")
    assert "<summary>Fig. 1 in words</summary>\n\nA rising line.\n" in cells[at].source
    assert cells[at - 1].source.startswith("# @title Code of Fig. 1\nimport matplotlib")
    assert cells[at - 1].metadata == colab.FOLDED


def test_hidden_cells_are_left_out(write):
    sources = "".join(cell.source for cell in made(write(SAMPLE)).cells)
    assert "unseen" not in sources and "This text is not shown" not in sources and "After the break." in sources


def test_the_notebook_passes_the_check_of_notebooks_in_git(write):
    assert lint_notebooks.problems(colab_notebooks.notebooks(write(SAMPLE), colab.repository())[NAME]) == []


def test_only_a_chapter_that_asks_for_it_gets_a_gpu(write):
    assert "accelerator" not in made(write(SAMPLE)).metadata
    assert made(write(SAMPLE.replace("kernelspec:", "accelerator: GPU\nkernelspec:"))).metadata["accelerator"] == "GPU"


def test_pages_without_code_and_the_front_page_have_no_notebook(write):
    root = write(SAMPLE)
    (root / "book" / "index.md").write_text(f"# Front\n\n{CELL}", encoding="utf-8")
    assert list(colab_notebooks.notebooks(root, colab.repository())) == [NAME]
    write(SAMPLE.replace("kernelspec:", "colab: false\nkernelspec:"))
    assert colab_notebooks.notebooks(root, colab.repository()) == {}


# ---- ids ----------------------------------------------------------------------------------------------------------

words = st.text(st.sampled_from("abc "), min_size=1, max_size=4).map(str.strip).filter(bool)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paragraphs=st.lists(words, min_size=2, max_size=6, unique=True), data=st.data())
def test_an_edit_in_one_cell_leaves_the_other_ids_alone(write, paragraphs, data):
    edited = data.draw(st.integers(0, len(paragraphs) - 1))
    change = data.draw(st.sampled_from(["change", "remove", "insert"]))
    after = list(paragraphs)
    after[edited : edited + (change != "insert")] = [] if change == "remove" else ["new words"]

    def ids(texts):
        cells = made(
            write("# Title\n\n" + "\n\n".join(f"{text}\n\n```{{code-cell}}\nf('{text}')\n```" for text in texts))
        ).cells
        assert len({cell.id for cell in cells}) == len(cells)
        return {cell.source: cell.id for cell in cells}

    old, new = ids(paragraphs), ids(after)
    assert all(new[source] == old[source] for source in old.keys() & new.keys())
    assert len(old.keys() & new.keys()) >= 2 + 2 * (len(paragraphs) - 1)


def test_a_fork_has_the_same_ids(write):
    root = write(SAMPLE)
    fork = made(root, colab.Repository("https://github.com", "someone/fork", "main"))
    assert [cell.id for cell in fork.cells] == [cell.id for cell in made(root).cells]


# ---- the command --------------------------------------------------------------------------------------------------


def test_check_passes_after_writing_and_fails_after_an_edit(write, capsys):
    root = write(SAMPLE)
    assert colab_notebooks.main(["--check"], root) == 1
    assert f"{NAME} is missing" in capsys.readouterr().err
    assert colab_notebooks.main([], root) == 0
    assert colab_notebooks.main(["--check"], root) == 0
    write(SAMPLE.replace("After the break.", "After the pause."))
    capsys.readouterr()
    assert colab_notebooks.main(["--check"], root) == 1
    assert f"{NAME} is not what its chapter gives" in capsys.readouterr().err
    assert "After the break." in (root / NAME).read_text(encoding="utf-8")  # a check writes nothing


def test_check_notices_an_edit_of_the_notebook_itself(write):
    root = write(SAMPLE)
    colab_notebooks.main([], root)
    notebook = root / NAME
    notebook.write_text(notebook.read_text(encoding="utf-8").replace("1 + 1", "1 + 2", 1), encoding="utf-8")
    assert colab_notebooks.main(["--check"], root) == 1


def test_a_notebook_without_a_chapter_is_noticed_and_removed(write, capsys):
    root = write(SAMPLE)
    colab_notebooks.main([], root)
    left = root / "book" / "colab" / "09-gone.ipynb"
    left.write_text("{}", encoding="utf-8")
    assert colab_notebooks.main(["--check"], root) == 1
    assert "book/colab/09-gone.ipynb belongs to no chapter" in capsys.readouterr().err
    assert colab_notebooks.main([], root) == 0
    assert not left.exists() and (root / NAME).exists()


def test_a_fork_writes_its_own_links_and_its_check_needs_no_setting(write, monkeypatch):
    root = write(SAMPLE)
    monkeypatch.setenv("GITHUB_REPOSITORY", "Someone/fork")
    assert colab_notebooks.main([], root) == 0
    written = (root / NAME).read_text(encoding="utf-8")
    assert "https://someone.github.io/fork/book/other.html" in written and "github.com/Someone/fork@main" in written
    assert "keep-the-attention.github.io" not in written
    assert colab_notebooks.main(["--check"], root) == 0
    monkeypatch.delenv("GITHUB_REPOSITORY")
    assert colab_notebooks.main(["--check"], root) == 0


def test_the_course_s_own_notebooks_are_up_to_date():
    assert colab_notebooks.check(colab_notebooks.ROOT) == []


def loops_over_sets(code):
    """The lines in which a loop goes through {a, b}: the order of objects in a set changes from run to run."""
    loops = (ast.For, ast.comprehension)
    return [
        node.iter.lineno
        for node in ast.walk(ast.parse(code))
        if isinstance(node, loops) and isinstance(node.iter, ast.Set)
    ]


def test_no_chapter_draws_its_random_numbers_in_another_order_each_time():
    assert loops_over_sets("for layer in {a, b}:\n    start(layer)") == [1]
    assert not loops_over_sets("for layer in (a, b):\n    start(layer)")
    for path in sorted((Path(__file__).parents[2] / "book" / "colab").glob("*.ipynb")):
        for cell in nbformat.read(path, 4).cells[2:]:
            if cell.cell_type == "code":
                assert not loops_over_sets(cell.source), (path.name, cell.source)
