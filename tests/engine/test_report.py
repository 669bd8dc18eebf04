"""The report: each thing that can be wrong has its own sentence, in text and in accessible HTML."""

import re
from html.parser import HTMLParser

import engine_samples as samples
import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import render, report
from autograder.probe import describe

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=5)


def read(of, candidate, seconds=10.0):
    return " ".join(report.text(samples.verdict(of, candidate, seconds)).split())


def endless(x):
    while True:
        pass


def deep(x):
    return deep(x)


def stub(x):
    raise NotImplementedError()


def edits(x):
    x -= x.mean(axis=1, keepdims=True)
    return x


def generates(x):
    yield x


SENTENCES = {
    "stub": (stub, "center is not written yet. Put your answer in place of raise NotImplementedError()"),
    "None": (lambda x: None, "The result is None, but a NumPy array is expected. Is there a return at the end?"),
    "list": (lambda x: samples.center(x).tolist(), "The result is a list, but a NumPy array is expected. np.array"),
    "tensor": (
        lambda x: torch.ones(2),
        "The result is a torch.Tensor, but a NumPy array is expected. This exercise is in",
    ),
    "generator": (
        generates,
        "The result is a generator, but a NumPy array is expected. Write return in place of yield.",
    ),
    "inner function": (lambda x: lambda: x, "The result is a function, but a NumPy array is expected. Was it meant"),
    "two": (lambda x: (x, x), "center returns 2 values (result 1, result 2), but one is expected."),
    "dict": (lambda x: {"c": x}, "center returns 1 values (c), but one is expected."),
    "not callable": (np.ones(2), "check needs the function itself, but it was given a numpy.ndarray. Write check("),
    "class": (samples.Counter, "center is to be a function, def center(x), but Counter is a class."),
    "signature": (lambda y: y, "center cannot be called as center(x), which is what the exercise does. Keep"),
    "shape": (lambda x: x[0], "has shape (2,), but (2, 2) is expected. The first axis, the batch, is missing."),
    "dtype": (lambda x: samples.center(x).astype(int), "has dtype int64, but float64 is expected. Let new arrays"),
    "precision": (
        lambda x: samples.center(x).astype(np.float16),
        "but float64 is expected. That throws precision away.",
    ),
    "nan": (lambda x: samples.center(x) / 0 * 0, "The result is NaN at [0, 0], where -1 is expected; 4 of 4 entries"),
    "infinity": (lambda x: x + np.inf, "The result is infinite at [0, 0], where -1 is expected"),
    "edited": (edits, "The input x is changed in place. Whoever calls center still needs it"),
    "exception": (lambda x: x[7], "IndexError: index 7 is out of bounds for axis 0 with size"),
    "endless": (endless, "center was stopped after 0.2 seconds on one case. Is there a loop that never ends?"),
    "recursion": (deep, "center calls itself again and again without an end (RecursionError)."),
    "value": (lambda x: x + 7, "The result is wrong in 4 of 4 entries: at [0, 0] it is 8, not -1."),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_each_thing_has_its_own_sentence(what):
    candidate, sentence = SENTENCES[what]
    told = read(samples.CENTER, candidate, seconds=0.2)
    assert sentence in told
    assert "Traceback" not in told
    others = [words for other, (_, words) in SENTENCES.items() if other != what]
    assert not any(words in told for words in others)


@pytest.mark.parametrize(
    ("of", "candidate", "sentence"),
    [
        (samples.EXTREMES, lambda x: None, "extremes returns None. Is there a return at its end?"),
        (samples.EXTREMES, lambda x: [1, 2], "extremes returns one value, a list, but 2 are expected: a tuple"),
        (samples.EXTREMES, lambda x: (1, 2, 3), "extremes returns 3 values, but 2 are expected"),
        (samples.MOMENTS, lambda x: 1.0, "moments returns a float, but a dict is expected, with keys mean, var."),
        (samples.MOMENTS, lambda x: {"mean": 1, "sd": 2}, "What moments returns lacks var and also has sd; expected"),
        (samples.GATE, samples.gate_detached, "The gradient of w does not exist: on the way to the output"),
        (samples.GATE, lambda x, w: x.detach().numpy(), "Stay in torch from input to output"),
        (samples.GATE, lambda x, w: (x * w).to("meta"), "is on the device meta, but it belongs on cpu"),
        (samples.AFFINE, samples.Affine(2, 3), "check needs the class itself, but it was given an object of type"),
        (samples.AFFINE, lambda d_in, d_out: 3, "Affine is no nn.Module"),
        (samples.MASKED_TOTAL, lambda x, mask: torch.ones(()), "a plain number is expected. Its method item()"),
        (samples.MASKED_TOTAL, lambda x, mask: 5.0, "The result is 5, but 0 is expected."),
        (samples.WORDS, lambda text: "abc", "The result is a str, but a list is expected."),
        (samples.WORDS, lambda text: ["x"], "The result has length 1, but 0 is expected."),
    ],
)
def test_results_of_other_kinds_have_their_sentences(of, candidate, sentence):
    assert sentence in read(of, candidate)


def test_the_report_shows_case_numbers_prints_and_diagnosis():
    def candidate(x):
        print("looking at", x.shape)
        return samples.by_column(x)

    told = report.text(samples.verdict(samples.CENTER, candidate))
    for part in (
        "[not yet] center: passed 0 of 4 cases, 0 of 2 points",
        "First failing case: case 0.",
        "x      (2, 2)  float64  [[1, 3], [5, 5]]",
        "    expected    yours\n     -1    1    -2*  -1*\n      0    0     2*   1*\n",
        "On this case it printed:\n    looking at (2, 2)",
        "This looks like a known mistake: by_column.\nthe hint of by_column\nRead again: ",
        "01-rnn.html#rnn-recurrence",
    ):
        assert part in told, told


def test_success_is_one_line():
    assert report.text(samples.verdict(samples.CENTER, samples.center)) == (
        "[passed] center: passed 4 of 4 cases, 2 of 2 points"
    )


def test_where_the_book_is_not_known_the_section_is_named(monkeypatch):
    from autograder import colab

    def unknown():
        raise LookupError

    monkeypatch.setattr(colab, "repository", unknown)
    told = report.text(samples.verdict(samples.CENTER, samples.by_column))
    assert "Read again: chapter 01-rnn, section rnn-recurrence" in told


# ---- hints about shapes and values --------------------------------------------------------------------------------


@given(SHAPES, SHAPES)
def test_a_shape_hint_is_always_a_sentence_or_nothing(a, b):
    hint = report.shape_hint(describe(np.zeros(a)), describe(np.ones(b)))
    assert hint == "" or hint.endswith((".", "?"))


@given(hnp.array_shapes(min_dims=2, max_dims=4, min_side=2, max_side=5), st.data())
def test_a_transpose_is_named_only_if_the_numbers_are_right(shape, data):
    want = np.arange(float(np.prod(shape))).reshape(shape)
    axes = st.integers(0, len(shape) - 1)
    i, j = sorted(data.draw(st.tuples(axes, axes).filter(lambda p: shape[p[0]] != shape[p[1]]) | st.just((0, 0))))
    turned = np.swapaxes(want, i, j)
    if turned.shape != want.shape:
        assert f"axes {i} and {j} are exchanged" in report.shape_hint(describe(want), describe(turned))
        assert "transpose" not in report.shape_hint(describe(want), describe(turned + 1))


@given(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5), st.data())
def test_a_missing_axis_is_named(shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    hint = report.shape_hint(describe(np.zeros(shape)), describe(np.zeros(shape).sum(axis)))
    if shape.count(1) == 0 and len(set(shape)) == len(shape):
        assert ("batch, is missing" in hint) if axis == 0 else (f"Axis {axis} is missing" in hint)
    assert hint


@given(hnp.array_shapes(min_dims=1, max_dims=3, min_side=2, max_side=5), st.data())
def test_a_lost_and_a_surplus_axis_of_length_one_are_named(shape, data):
    axis = data.draw(st.integers(0, len(shape)))
    kept, lost = np.zeros(np.insert(shape, axis, 1)), np.zeros(shape)
    assert f"Axis {axis}, of length 1, got lost" in report.shape_hint(describe(kept), describe(lost))
    assert f"Axis {axis}, of length 1, is one too many" in report.shape_hint(describe(lost), describe(kept))


def test_broadcasting_is_suspected_where_a_shape_grew():
    hint = report.shape_hint(describe(np.zeros((4, 1))), describe(np.zeros((4, 4))))
    assert "broadcasting" in hint


EVEN = hnp.arrays(np.float64, (3, 4), elements=st.integers(-50, 50).map(float), unique=True)


@given(EVEN, st.sampled_from([-1.0, 2.0, 0.5]))
def test_a_constant_factor_is_named(want, factor):
    assert f"Every entry is {factor:.4g} times" in report.value_hint(want, factor * want) or factor == -1.0


@given(EVEN)
def test_relations_between_right_and_wrong_numbers_are_named(want):
    assert "one place too early" in report.value_hint(want, np.roll(want, -1, axis=1))
    assert "one place too late" in report.value_hint(want, np.roll(want, 1, axis=1))
    assert "too large" in report.value_hint(want, want + 3)
    assert "transpose" in report.value_hint(want[:, :3], want[:, :3].T.copy())


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4)), st.data())
def test_a_value_hint_never_fails(want, data):
    got = data.draw(hnp.arrays(np.float64, want.shape))
    with np.errstate(all="ignore"):
        assert isinstance(report.value_hint(want, got), str)


@example(np.zeros((2, 3)), -np.zeros((2, 3)))
@given(hnp.arrays(np.float64, (2, 3)), hnp.arrays(np.float64, (2, 3)))
def test_numbers_that_differ_are_written_differently(want, got):
    a, b = render.numbers(want, got)
    for x, y, p, q in zip(want.flat, got.flat, a.flat, b.flat, strict=True):
        assert (p != q) == (x != y and not (np.isnan(x) and np.isnan(y)))


# ---- HTML ---------------------------------------------------------------------------------------------------------

VOID = {"br", "img", "hr"}


class Page(HTMLParser):
    """Checks that elements nest, and collects them."""

    def __init__(self, source):
        super().__init__()
        self.open, self.found, self.words = [], [], []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def page(of, candidate):
    return Page(report.html(samples.verdict(of, candidate, 0.2)))


@pytest.mark.parametrize("what", SENTENCES)
def test_the_html_says_what_the_text_says(what):
    candidate, sentence = SENTENCES[what]
    assert sentence in " ".join(" ".join(page(samples.CENTER, candidate).words).split())


def test_tables_and_pictures_are_accessible():
    made = page(samples.CENTER, samples.by_column)
    assert len(made.all("table")) == len(made.all("caption")) == 3
    assert all(th.get("scope") in ("col", "row") for th in made.all("th")) and made.all("th")
    (svg,) = made.all("svg")
    assert svg["role"] == "img" and "4 of 4 entries are wrong" in svg["aria-label"]
    assert all(area["tabindex"] == "0" for area in made.all("div") if "overflow-x" in area["style"])
    words = " ".join(made.words)
    assert "✗" in words and "not yet" in words and "-2*" in words  # never by colour alone


def test_nothing_is_fetched_and_nothing_is_styled_from_outside():
    source = report.html(samples.verdict(samples.CENTER, samples.by_column))
    made = Page(source)
    assert not {"script", "style", "link", "img", "iframe", "object"} & {tag for tag, _ in made.found}
    assert not re.search(r"url\(|@import|\bsrc=|\bon[a-z]+=", source)
    assert {a["href"].split(":")[0] for a in made.all("a")} == {"https"}


def test_text_takes_the_themes_colour():
    colours = re.findall(r"(?<![-\w])color:([^;\"]+)", report.html(samples.verdict(samples.CENTER, samples.by_column)))
    assert colours and set(colours) == {"inherit"}


def test_what_a_student_writes_is_escaped():
    def candidate(x):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in report.html(samples.verdict(samples.CENTER, candidate))
    printed = samples.exercise(lambda text: "a", [{"text": "<b>"}], name="t")
    made = page(printed, lambda text: [print("<i>"), "<u>"][1])
    assert not made.all("i") and not made.all("b") and not made.all("u")


def test_reports_stay_small_whatever_comes_back():
    big = samples.exercise(lambda x: np.zeros((300, 400)), [{"x": 1}], name="big")

    def candidate(x):
        for _ in range(1000):
            print("y" * 1000)
        return np.ones((300, 400))

    found = samples.verdict(big, candidate)
    assert len(report.text(found)) < 8_000
    assert len(report.html(found)) < 150_000
    many = samples.exercise(lambda x: list(range(5000)), [{"x": 1}], name="many")
    assert len(report.text(samples.verdict(many, lambda x: list(range(5000))[::-1]))) < 3_000


def test_the_picture_shows_sign_size_and_what_is_not_finite():
    assert render.colour(0, 1) == "#f7f7f7"
    red, blue = render.colour(1, 1), render.colour(-1, 1)
    assert int(red[1:3], 16) > int(red[5:], 16) and int(blue[5:], 16) > int(blue[1:3], 16)
    assert render.colour(9, 1) == red and render.colour(np.nan, 1) == "#999999"


@given(
    st.integers(1, 60).flatmap(
        lambda n: hnp.arrays(np.float64, st.tuples(st.just(n), st.integers(1, 60)), elements=st.floats(-9, 9))
    ),
    st.data(),
)
def test_the_window_holds_the_first_difference(want, data):
    right = np.ones(want.shape, bool)
    right[data.draw(st.integers(0, want.shape[0] - 1)), data.draw(st.integers(0, want.shape[1] - 1))] = False
    comparison = render.Comparison("result", want, want + ~right, right)
    part = render.window(comparison, render.SHOWN)
    assert not right[part].all() and max(right[part].shape) <= render.SHOWN
    assert "*" in render.as_text([comparison])


# ---- the summary --------------------------------------------------------------------------------------------------


def test_the_summary_is_a_table_with_a_total():
    rows = [
        (samples.CENTER, samples.verdict(samples.CENTER, samples.center)),
        (samples.GATE, samples.verdict(samples.GATE, samples.gate_detached)),
        (samples.WORDS, samples.verdict(samples.WORDS, stub_words)),
        (samples.ROWS, None),
    ]
    text, html = report.overview("01-rnn", rows)
    told = [" ".join(line.split()) for line in text.splitlines()]
    assert told == [
        "01-rnn: what was checked in this session",
        "",
        "exercise standing points of",
        "center passed 2 2",
        "gate passed 0 of 2 cases: gate_detached 0 2",
        "words not written yet 0 2",
        "rows not checked yet 0 2",
        "total 2 8",
    ]
    made = Page(html)
    assert len(made.all("tr")) == 6 and len(made.all("th")) == 4 + 5


def stub_words(text):
    raise NotImplementedError
