"""The reader's own graded code in the translator's model.

`pieces` takes five functions out of finished assignment notebooks and puts each to its exercise's own check. `plug_in`
makes a model compute with those that passed, in training and in decoding. What is missing, unsolved or wrong stays the
reference's, and `Piece` says why. The model's parameters and their names stay as they are, so that a run trained with
one's own code is a run like any other.

A notebook's code is run here, in this process, as the reader would run it. Of each function only that is run which it
needs: its definition, and the imports, functions and constants of the notebook that it uses.
"""

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from autograder import catalogue, report
from autograder.judge import judge
from autograder.probe import observe
from autograder.reference.multi_head_attention import MultiHeadAttention, merge_heads, split_heads
from autograder.reference.transformer import DecoderLayer, EncoderLayer, Transformer

PARTS = {
    "scaled_dot_product_attention": "attention",
    "multi_head_attention": "multi-head attention",
    "sinusoidal_encoding": "positional encoding",
    "feed_forward_block": "encoder layer",  # the half of it that is not attention
    "decoder_layer": "decoder layer",
}


class BadNotebook(Exception):
    """A notebook that can't be read. The message says which and why."""


@dataclass(frozen=True)
class Piece:
    """One part of the model: the exercise that builds it, the reader's code if it is taken, and why (not)."""

    part: str
    exercise: str
    code: Callable | None
    because: str

    def __str__(self) -> str:
        return f"{self.part:21} {'yours' if self.code else 'the reference'}: {self.because}"


# ---- out of the notebooks ------------------------------------------------------------------------------------------


def pieces(notebooks: Sequence[Path]) -> list[Piece]:
    """For each part of the model the code to compute it with, from the first of the notebooks that defines it.

    Raises BadNotebook where one can't be read at all.
    """
    given = [(Path(path), read(Path(path))) for path in notebooks]
    found = {exercise: piece(exercise, given) for exercise in PARTS}
    attention, heads = found["scaled_dot_product_attention"], found["multi_head_attention"]
    if attention.code and heads.code:
        found[attention.exercise] = replace(
            attention, code=None, because="not needed, your multi_head_attention has an attention of its own"
        )
    return list(found.values())


def piece(exercise: str, given: Sequence[tuple[Path, list[str]]]) -> Piece:
    """The first definition of one exercise's function, if it passes the exercise's check."""
    because = f"no notebook given has {exercise}"
    for path, cells in given:
        if not any(defines(cell, exercise) for cell in cells):
            continue
        try:
            code = run(cells, exercise, path)
        except Exception as error:  # whatever the reader's code runs into
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            return Piece(PARTS[exercise], exercise, None, f"{exercise} of {path.name} can't be run ({what})")
        asked = catalogue.find(exercise)
        verdict = judge(asked, partial(ask, asked, code))
        if verdict.passed:
            because = f"{exercise} of {path.name} passed all {verdict.total} cases"
            return Piece(PARTS[exercise], exercise, code, because)
        because = f"{exercise} of {path.name}: {report.standing(verdict)}. {report.hint(verdict)}"
        return Piece(PARTS[exercise], exercise, None, because)
    return Piece(PARTS[exercise], exercise, None, because)


def ask(exercise: catalogue.Exercise, code: Callable, inputs: dict) -> object:
    return observe(exercise.probe, code, inputs, exercise.framework, exercise.expects)


def read(path: Path) -> list[str]:
    """The sources of a notebook's code cells."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except OSError as error:
        raise BadNotebook(f"{path} can't be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadNotebook(
            f"{path} is no notebook, or a damaged one: download it again from where you wrote it."
        ) from None
    return sources


def defines(cell: str, name: str) -> bool:
    return re.search(rf"^def {name}\b", cell, re.MULTILINE) is not None


def run(cells: Sequence[str], name: str, path: Path) -> Callable:
    """Run what the function ``name`` needs of a notebook, and return the function. Raises what the code raises."""
    statements = [statement for cell in cells for statement in parsed(cell, needed=defines(cell, name))]
    wanted, chosen, before = {name}, [], None
    while chosen != before:  # what is wanted may want more
        before = chosen
        chosen = [statement for statement in statements if wanted & set(binds(statement))]
        wanted |= {node.id for statement in chosen for node in ast.walk(statement) if isinstance(node, ast.Name)}
    names: dict = {"__name__": path.stem}
    exec(compile(ast.Module(chosen, []), str(path), "exec"), names)
    return names[name]


def parsed(cell: str, needed: bool) -> list[ast.stmt]:
    """A cell's statements, without lines for IPython (%, !). One with a mistake has none, unless it is ``needed``."""
    try:
        return ast.parse(re.sub(r"^[%!].*$", "", cell, flags=re.MULTILINE)).body
    except SyntaxError:
        if needed:
            raise
        return []


def binds(statement: ast.stmt) -> Iterator[str]:
    """The names that a definition, an import or an assignment gives a meaning to. Of other statements none."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            for alias in aliases:
                yield alias.asname or alias.name.split(".")[0]
        case ast.Assign() | ast.AnnAssign():
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    yield node.id


# ---- into the model ------------------------------------------------------------------------------------------------


def plug_in(model: Transformer, own: Sequence[Piece]) -> Transformer:
    """Make a pre-norm model compute with these pieces, in place, and return it. Its parameters stay as they are."""
    code = {piece.exercise: piece.code for piece in own if piece.code}
    if encoding := code.get("sinusoidal_encoding"):
        model.embed = partial(embed, model, encoding)
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            if heads := code.get("multi_head_attention"):
                module.keys_values = inputs_as_keys_values
                module.attend = partial(attend_with_heads, module, heads)
            elif attention := code.get("scaled_dot_product_attention"):
                module.attend = partial(attend, module, attention)
        if isinstance(module, EncoderLayer | DecoderLayer) and (block := code.get("feed_forward_block")):
            module.around_feed_forward.before = unchanged  # the block has a norm of its own
            module.feed_forward.forward = partial(feed_forward, module, block)
        if isinstance(module, DecoderLayer) and (wiring := code.get("decoder_layer")):
            module.forward = partial(decoder_layer, module, wiring)
    return model


def embed(model: Transformer, encoding: Callable, embedding: nn.Embedding, tokens: torch.Tensor, start: int = 0):
    """`Transformer.embed` with the reader's table of positions."""
    d_model = embedding.embedding_dim
    PE = encoding(tokens.shape[1], d_model, start).to(embedding.weight)  # [n, d_model]
    return model.dropout(d_model**0.5 * embedding(tokens) + PE)


def attend(module: MultiHeadAttention, attention: Callable, X_q, K, V, mask=None):
    """`MultiHeadAttention.attend` with the reader's attention."""
    Q = split_heads(module.query(X_q), module.h)  # [batch, h, t, d_k]
    return module.output(merge_heads(attention(Q, K, V, None if mask is None else mask[..., None, :, :])))


def unchanged(X):
    return X


def inputs_as_keys_values(X):
    """What the reader's multi-head attention asks for is X, so X is what is kept: [batch, 1, m, d_model], twice."""
    return X[:, None], X[:, None]


def attend_with_heads(module: MultiHeadAttention, heads: Callable, X_q, X, _, mask=None):
    """`MultiHeadAttention.attend` with the reader's layer, which has no biases: a column of ones brings them in.

    [X, 1] times W with the bias as its last row is X W + b. X: [batch, 1, m, d_model], from `inputs_as_keys_values`.
    """
    if mask is None:
        mask = torch.ones(1, 1, 1, dtype=torch.bool, device=X_q.device)
    W_Q, W_K, W_V = (
        torch.cat([linear.weight.T, linear.bias[None]]) for linear in (module.query, module.key, module.value)
    )  # [d_model + 1, d_model] each
    X_q, X = (F.pad(tokens, (0, 1), value=1.0) for tokens in (X_q, X[:, 0]))
    out, _ = heads(X_q, X, W_Q, W_K, W_V, module.output.weight.T, module.h, mask)
    return out + module.output.bias


def feed_forward(layer: EncoderLayer | DecoderLayer, block: Callable, X):
    """What the reader's block adds to X; the layer adds it itself, behind its dropout."""
    ffn, norm = layer.feed_forward, layer.around_feed_forward.norm
    W_1, W_2 = ffn.inner.weight.T, ffn.outer.weight.T
    return block(X, W_1, ffn.inner.bias, W_2, ffn.outer.bias, norm.weight, norm.bias, True) - X


def decoder_layer(layer: DecoderLayer, wiring: Callable, Y, past, source, real):
    """`DecoderLayer.forward` wired by the reader.

    The reader's layer has its norms behind the sums. With nothing in their place and a norm at the entrance of each
    sublayer instead, the same wiring is pre-norm. Behind p words of a cache it sees t new ones; the mask for that is
    made here.
    """
    p, t = past[0].shape[2], Y.shape[1]
    present = []

    def self_attention(X_q, X, mask):
        new = layer.self_attention.keys_values(layer.around_self.before(X))
        present[:] = [torch.cat(pair, dim=2) for pair in zip(past, new, strict=True)]
        if p:
            mask = torch.ones(1, t, p + t, dtype=torch.bool).tril(p)
        N = layer.around_self.before(X_q)
        return layer.around_self.dropout(layer.self_attention.attend(N, *present, mask.to(Y.device)))

    def cross_attention(X_q, X, mask):
        N = layer.around_cross.before(X_q)
        return layer.around_cross.dropout(layer.cross_attention.attend(N, *source, mask))

    def ffn(Y):
        return layer.around_feed_forward.dropout(layer.feed_forward(layer.around_feed_forward.before(Y)))

    X = merge_heads(source[0])  # [batch, m, d_model]: the source in the shape of the encoder's output
    return wiring(Y, X, real[:, 0], self_attention, cross_attention, ffn, [unchanged] * 3), present
