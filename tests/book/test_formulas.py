"""Formulas are set by the build: as they would be in a browser, readable by screen readers, and complete."""

import pytest
from book_formulas import Typesetter, displayed
from bs4 import BeautifulSoup
from docutils import nodes
from tiny import HEAD, build


@pytest.fixture(scope="module")
def typesetter():
    made = Typesetter()
    yield made
    made.close()


def text_of(answer) -> str:
    """What a screen reader is given."""
    math = BeautifulSoup(answer["html"], "lxml").select_one("mjx-assistive-mml math")
    return math.get_text().replace("\N{FUNCTION APPLICATION}", "")


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\tilde\alpha_i", "α~i"),
        (r"\operatorname{softmax}(z)", "softmax(z)"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "(1234)"),
        (r"\text{for all 注意力}", "for all 注意力"),
        (r"\boldsymbol{h} \color{teal}{x} \cancel{y}", "hxy"),  # extensions, which are loaded when they are used
    ],
)
def test_tex_becomes_a_formula_with_its_mathml(typesetter, tex, text):
    for display in (False, True):
        assert text_of(typesetter.typeset(tex, display)) == text


def test_what_cannot_be_read_is_an_error_and_the_next_formula_is_set_all_the_same(typesetter):
    assert "Undefined control sequence" in typesetter.typeset(r"\nosuch", False)["error"]
    assert "brace" in typesetter.typeset(r"\frac{1", False)["error"]
    assert text_of(typesetter.typeset("x", False)) == "x"


def test_a_page_gets_the_styles_of_its_characters_only(typesetter):
    html = typesetter.typeset(r"\{h\}", False)["html"]
    styles = typesetter.styles(html, "here")
    for character in ("7B", "7D"):
        assert f"mjx-c.mjx-c{character}::before" in styles
    assert "mjx-c.mjx-c210E.TEX-I::before" in styles and "mjx-c1D465" not in styles
    assert 'url("here/MathJax_Math-Italic.woff")' in styles
    assert 'font-family: MJXZERO; src: url("data:' in styles  # where the lines are is known before a font has come
    assert styles.count("{") == styles.count("}") + styles.count('content: "{"') - styles.count('content: "}"')


def test_empty_lines_and_double_backslashes_make_lines():
    def block(tex, nowrap=False):
        return nodes.math_block(tex, tex, nowrap=nowrap)

    assert displayed(block("a")) == "a"
    assert displayed(block(r"a \\ b")) == r"\begin{split}a \\ b\end{split}"
    assert displayed(block("a\n\nb")) == r"\begin{aligned}a\\b\end{aligned}"
    assert displayed(block(r"\begin{align} a \\ b \end{align}", nowrap=True)).startswith(r"\begin{align}")


def test_a_formula_that_cannot_be_read_stops_the_build_and_names_its_page(tmp_path):
    status, said = build(tmp_path, "book_formulas", page=HEAD + "A formula, {math}`\\nosuch{x}`.\n")
    assert status != 0
    line = HEAD.count("\n") + 1
    assert rf"page.md:{line}: WARNING: a formula cannot be read: Undefined control sequence \nosuch" in said


def test_a_page_carries_its_formulas_and_no_script_for_them(tmp_path):
    status, said = build(tmp_path, "book_formulas", page=HEAD + "{math}`x^2`\n", plain=HEAD)
    assert status == 0, said
    page, plain = (
        BeautifulSoup((tmp_path / "html" / f"{name}.html").read_text(), "lxml") for name in ("page", "plain")
    )
    assert page.select_one("span.math mjx-container mjx-math") and "MJXTEX" in page.select_one("head style").string
    assert not any("mathjax" in script["src"].lower() for script in page.select("script[src]"))
    assert not plain.select("mjx-container") and not plain.select("head style")
