"""The reader's graded code in the model: taken from notebooks, checked first, and the model stays the same model."""

import json
import random
from pathlib import Path

import nbformat
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import catalogue
from autograder.grading.notebooks import solved
from autograder.reference.transformer import Transformer
from translator import __main__, corpora
from translator.corpora import Corpus
from translator.decoding import translate
from translator.own_code import PARTS, BadNotebook, Piece, binds, parsed, pieces, plug_in, read, run
from translator.runs import Config
from translator.training import train

ROOT = Path(__file__).resolve().parents[2]
ASSIGNMENTS = ["06-scaled-dot-product", "07-multi-head-attention", "08-positional-encoding", "09-transformer"]


def notebook(assignment: str, solution: bool = True):
    release = nbformat.read(ROOT / "exercises" / assignment / f"{assignment}.ipynb", 4)
    source = nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", 4)
    return solved(release, source) if solution else release


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> list[Path]:
    """The four assignments, solved, as files."""
    folder = tmp_path_factory.mktemp("own")
    for assignment in ASSIGNMENTS:
        nbformat.write(notebook(assignment), folder / f"{assignment}.ipynb")
    return [folder / f"{assignment}.ipynb" for assignment in ASSIGNMENTS]


def written(path: Path, *cells: str) -> Path:
    """A notebook with these code cells."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(made, path)
    return path


def only(path: Path, exercise: str) -> Piece:
    return next(piece for piece in pieces([path]) if piece.exercise == exercise)


def small(dropout: float = 0.0) -> Transformer:
    torch.manual_seed(0)
    return Transformer(11, 13, d_model=12, h=3, layers=2, d_ff=20, dropout=dropout, pre_norm=True)


def batch():
    torch.manual_seed(1)
    x, y = torch.randint(4, 11, (3, 7)), torch.randint(4, 13, (3, 5))
    return x, torch.tensor([7, 2, 4]), y


# ---- finished notebooks ---------------------------------------------------------------------------------------------


def test_all_five_pieces_are_found_and_pass(finished):
    found = pieces(finished)
    assert [piece.exercise for piece in found] == list(PARTS)
    assert all("passed all" in piece.because for piece in found[1:])
    assert found[0].code is None and "has an attention of its own" in found[0].because  # of attention
    assert [piece.part for piece in found if piece.code] == list(PARTS.values())[1:]
    (attention, *_) = pieces(finished[:1])
    assert attention.code and str(attention).startswith(
        "attention             yours: scaled_dot_product_attention of 06-"
    )


@pytest.mark.parametrize(
    "chosen",
    [[0], [1], [2], [3], [0, 2, 3], [0, 1, 2, 3]],
    ids=["attention", "heads", "positions", "layers", "all but heads", "all"],
)
def test_the_model_computes_the_same_with_the_readers_code(finished, chosen):
    """Training and its gradients, then word by word behind the cache, and the names of the parameters."""
    own = [piece for piece in pieces([finished[i] for i in chosen]) if piece.code]
    reference, model = small(), plug_in(small(), own)
    assert list(model.state_dict()) == list(reference.state_dict())
    x, lengths, y = batch()
    want, got = reference(x, lengths, y), model(x, lengths, y)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    weight = torch.randn(want.shape)
    (want * weight).sum().backward(), (got * weight).sum().backward()
    for (name, one), other in zip(reference.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-4, msg=name)
    with torch.no_grad():
        states = [each.start(x, lengths) for each in (reference, model)]
        for part in (y[:, :1], y[:, 1:2], y[:, 2:5]):  # three words at once behind two need a mask with a past
            (want, states[0]), (got, states[1]) = reference.decode(part, states[0]), model.decode(part, states[1])
            torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    sources = [[4, 5, 6], [7, 8], [9, 4, 10, 5]]
    assert [h.ids for h in translate(model, sources, 3)] == [h.ids for h in translate(reference, sources, 3)]


def test_the_readers_code_is_what_runs(finished):
    """Each piece is called when a model is used, and a model without own pieces calls none."""
    called = set()

    def noted(piece):
        def code(*arguments):
            called.add(piece.exercise)
            return piece.code(*arguments)

        return Piece(piece.part, piece.exercise, code, piece.because)

    x, lengths, y = batch()
    own = [noted(piece) for piece in pieces(finished) if piece.code]
    small()(x, lengths, y)
    assert called == set()
    plug_in(small(), own)(x, lengths, y)
    assert called == {piece.exercise for piece in own}


def test_dropout_stays_where_it_was(finished):
    """The same seed drops the same entries, whoever wrote the layer."""
    own = pieces(finished[2:])
    x, lengths, y = batch()
    outputs = []
    for model in (small(0.3), plug_in(small(0.3), own)):
        torch.manual_seed(5)
        outputs.append(model.train()(x, lengths, y))
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)


def test_a_run_trained_with_own_code_is_a_run_like_any_other(tmp_path, finished):
    """It learns the same to rounding, and its checkpoint opens without the notebooks."""
    dice = random.Random(0)
    sentences = [" ".join(dice.choices(["red", "blue", "old", "new", "car"], k=4)) for _ in range(60)]
    corpus = Corpus("copies", "xx", "xx", [(s, s) for s in sentences], [("red car", "red car")], [])
    config = Config(
        "copies", d_model=12, h=3, layers=1, d_ff=16, dropout=0.0, vocabulary=40, tokens=300, lr=1e-3, warmup=2,
        steps=6, evaluate_every=6,
    )  # fmt: skip
    own = pieces(finished)
    runs = [
        train(tmp_path / name, corpus, config, torch.device("cpu"), prepare=prepare)
        for name, prepare in [("reference", lambda model: model), ("own", lambda model: plug_in(model, own))]
    ]
    losses = [[line["loss"] for line in run.metrics() if "loss" in line] for run in runs]
    assert losses[0] == pytest.approx(losses[1], rel=2e-2)  # bfloat16 on some processors
    assert list(runs[1].model().state_dict()) == list(runs[0].model().state_dict())


# ---- wrong, missing, unsolved ---------------------------------------------------------------------------------------


def test_what_is_missing_stays_the_references(finished):
    found = {piece.exercise: piece for piece in pieces(finished[2:3])}
    assert [exercise for exercise, piece in found.items() if piece.code] == ["sinusoidal_encoding"]
    assert str(found["decoder_layer"]).endswith("the reference: no notebook given has decoder_layer")
    assert not any(piece.code for piece in pieces([]))


def test_an_unsolved_stub_stays_the_references(tmp_path):
    nbformat.write(notebook("09-transformer", solution=False), tmp_path / "nine.ipynb")
    piece = only(tmp_path / "nine.ipynb", "decoder_layer")
    assert piece.code is None and "decoder_layer of nine.ipynb: not written yet" in piece.because


WRONG = {
    "scaled_dot_product_attention": """
import torch

def scaled_dot_product_attention(Q, K, V, mask=None):
    scores = Q @ K.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1).nan_to_num(0.0) @ V
""",
    "sinusoidal_encoding": """
import torch

def sinusoidal_encoding(n, d_model, start=0):
    angle = torch.arange(start, start + n)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
    return torch.cat([angle.sin(), angle.cos()], dim=1)[:, :d_model]
""",
    "decoder_layer": """
import torch

def decoder_layer(Y, X, real, self_attention, cross_attention, feed_forward, norms):
    causal = torch.ones(1, Y.shape[1], Y.shape[1], dtype=torch.bool).tril()
    Y = norms[0](Y + self_attention(Y, Y, causal))
    Y = norms[1](cross_attention(Y, X, real[:, None]))
    return norms[2](Y + feed_forward(Y))
""",
}


@pytest.mark.parametrize("exercise", WRONG)
def test_a_wrong_piece_is_refused_with_its_diagnosis(tmp_path, exercise):
    piece = only(written(tmp_path / "wrong.ipynb", WRONG[exercise]), exercise)
    assert piece.code is None
    assert f"{exercise} of wrong.ipynb: passed" in piece.because and "cases" in piece.because
    known = [mistake for mistake in catalogue.find(exercise).mistakes if mistake.hint in piece.because]
    assert known, piece.because


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["def sinusoidal_encoding(n, d_model, start=0):\n    return torch.zeros(n, d_model)"], "NameError"),
        (["def sinusoidal_encoding(n, d_model, start=0):\n    return ("], "can't be run (SyntaxError"),
        (["import nothing_of_this_name\ndef sinusoidal_encoding(n): return nothing_of_this_name"], "ModuleNotFound"),
        (["def sinusoidal_encoding(n): pass"], "sinusoidal_encoding of bad.ipynb"),
        (["sinusoidal_encoding = 3"], "no notebook given has sinusoidal_encoding"),
        (["def sinusoidal_encoding(n, d_model): pass", "sinusoidal_encoding = 3"], "sinusoidal_encoding of bad.ipynb"),
    ],
)
def test_broken_code_is_said_and_nothing_breaks(tmp_path, cells, said):
    piece = only(written(tmp_path / "bad.ipynb", *cells), "sinusoidal_encoding")
    assert piece.code is None and said in piece.because
    assert "\n" not in str(piece)


# ---- notebooks as people have them ----------------------------------------------------------------------------------


def test_helpers_and_constants_come_along_and_nothing_else_runs(tmp_path):
    """Of several definitions the last one counts. Magics, plots, long loops and later experiments are not run."""
    path = written(
        tmp_path / "own.ipynb",
        "%matplotlib inline\n!pip list\nimport torch as T\nfrom math import *",
        "BASE = 10000\nraise SystemExit\nwhile True: pass",
        "this is no Python",
        "def sinusoidal_encoding(n, d_model, start=0):\n    raise NotImplementedError()",
        "def angles(n, d_model, start):\n    return T.arange(start, start + n)[:, None] / powers(d_model)",
        "def powers(d_model):\n    return BASE ** (T.arange(0, d_model, 2) / d_model)",
        "def sinusoidal_encoding(n, d_model, start=0):\n    angle = angles(n, d_model, start)\n"
        "    both = T.stack([angle.sin(), angle.cos()], -1)\n    return both.flatten(1)[:, :d_model]",
        "open('made-by-the-notebook', 'w')\nresult = sinusoidal_encoding('no')",
    )
    piece = only(path, "sinusoidal_encoding")
    assert piece.code, piece.because
    assert piece.code.__globals__["BASE"] == 10000
    assert "result" not in piece.code.__globals__ and not Path("made-by-the-notebook").exists()


def test_the_first_notebook_that_has_a_piece_counts(tmp_path, finished):
    wrong = written(tmp_path / "wrong.ipynb", WRONG["sinusoidal_encoding"])
    for given_first, taken in [(wrong, False), (finished[2], True)]:
        other = finished[2] if given_first is wrong else wrong
        found = {piece.exercise: piece for piece in pieces([given_first, other])}
        assert bool(found["sinusoidal_encoding"].code) is taken


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"cells": 3}', b'{"cells": [{}]}', b"\xff\xfe\x00", b"PK\x03\x04", b"[" * 100_000],
)
def test_a_damaged_notebook_is_named(tmp_path, content):
    path = tmp_path / "damaged.ipynb"
    path.write_bytes(content)
    with pytest.raises(BadNotebook, match=r"damaged\.ipynb is no notebook, or a damaged one"):
        pieces([path])


def test_a_missing_notebook_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.ipynb", tmp_path):
        with pytest.raises(BadNotebook, match="can't be read"):
            pieces([path])


@settings(max_examples=40, deadline=None)
@given(cut=st.floats(0, 1), seed=st.integers(0, 2**16))
def test_a_notebook_cut_or_scratched_anywhere_is_read_or_named(tmp_path_factory, cut, seed):
    whole = nbformat.writes(notebook("08-positional-encoding")).encode()
    damaged = bytearray(whole[: int(cut * len(whole))] if seed % 2 else whole)
    for _ in range(seed % 5):
        if damaged:
            damaged[random.Random(seed).randrange(len(damaged))] = seed % 256
    path = tmp_path_factory.mktemp("cut") / "cut.ipynb"
    path.write_bytes(damaged)
    try:
        assert all(isinstance(cell, str) for cell in read(path))
    except BadNotebook as error:
        assert str(error).startswith(str(path))


def test_sources_may_be_lines_or_one_string(tmp_path):
    path = tmp_path / "forms.ipynb"
    cells = [{"cell_type": "code", "source": form} for form in ("a = 1\nb = a", ["a = 1\n", "b = a"])]
    path.write_text(json.dumps({"cells": [*cells, {"cell_type": "markdown", "source": "b"}]}))
    assert read(path) == ["a = 1\nb = a"] * 2


def test_what_a_statement_binds():
    code = "import a.b, c as d\nfrom e import f as g\ndef h(): i = 1\nclass j: k = 1\n"
    code += "l, (m, n) = 1, (2, 3)\no: int = 4\nf(p)"
    assert [name for statement in parsed(code, True) for name in binds(statement)] == list("adghjlmno")
    assert run(["x = 2", "def f():\n    return x"], "f", Path("x.ipynb"))() == 2


# ---- on the command line --------------------------------------------------------------------------------------------


def test_train_with_own_code_says_which_part_is_whose(tmp_path, finished, monkeypatch, capsys):
    monkeypatch.setattr(corpora, "SYNTHETIC", {"train": (60, 1), "valid": (4, 2), "test": (4, 3)})
    monkeypatch.setattr(__main__, "PRESETS", {"tiny": {"d_model": 16, "h": 2, "layers": 1, "d_ff": 16, "dropout": 0.0}})
    common = ["train", "--corpus", "synthetic-zh-en", "--preset", "tiny", "--device", "cpu", "--vocabulary", "200"]
    sizes = ["--steps", "4", "--tokens", "400", "--evaluate-every", "4", "--out", str(tmp_path / "run")]
    assert __main__.main([*common, *sizes, "--own", str(finished[0]), str(finished[2])]) == 0
    said = capsys.readouterr().out
    for part in ("attention             yours", "positional encoding   yours", "decoder layer         the reference"):
        assert part in said
    assert __main__.main([*common, *sizes, "--own", str(tmp_path / "none.ipynb")]) == 1
    assert "none.ipynb can't be read" in capsys.readouterr().err
