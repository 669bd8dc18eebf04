"""Finds hand-ins whose answers are the same once layout, comments, docstrings and the choice of names are taken away.

Short answers to the same question coincide by themselves, and so do the usual ways of writing a longer one. What is
left after that is a reason to look at two hand-ins side by side. It is no verdict: friends who worked together, a book
that all of them read, or plain chance lead to the same answers.
"""

import ast
import hashlib
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

LONG = 40  # statements and expressions beyond those that the exercise gives: about four lines
LONG_TEXT = 20  # words of a written answer
LEAST = 2  # longer answers that two hand-ins must have in common
FEW, SHARE = 5, 20  # an answer that more than 5 hand-ins, and more than 1 in 20, have is the usual way of writing it
MAX_SOURCE = 50_000  # characters that are parsed

REGION = re.compile(r"^[ \t]*### BEGIN SOLUTION.*?### END SOLUTION[^\n]*\n?", re.DOTALL | re.MULTILINE)
SCHEME = re.compile(r"^=== BEGIN MARK SCHEME ===.*?=== END MARK SCHEME ===[^\n]*\n?", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Form:
    """An answer as it is compared, how much there is of it, and its text."""

    key: str
    size: int
    text: str


@dataclass(frozen=True)
class Same:
    """One answer that several hand-ins have in common; ``to_the_letter``: names and comments included."""

    answer: str
    students: tuple[str, ...]
    to_the_letter: bool


@dataclass(frozen=True)
class Group:
    """Hand-ins that are worth reading side by side, and what they have in common."""

    students: tuple[str, ...]
    same: tuple[Same, ...]


@dataclass(frozen=True)
class Question:
    """What one answer cell gives and what its model answer is: its grade id, whether it is code, and its source."""

    answer: str
    code: bool
    source: str

    def form(self, text: str) -> Form:
        return code_form(text) if self.code else prose_form(text, SCHEME.sub("", self.source))

    @property
    def enough(self) -> int:
        """The size from which on an answer is a longer one."""
        return code_form(REGION.sub("", self.source)).size + LONG if self.code else LONG_TEXT


def alike(
    questions: Iterable[Question], answers: Mapping[str, Mapping[str, str]]
) -> tuple[list[Group], dict[str, list[str]]]:
    """The groups of hand-ins that have answers in common, and who has which longer answers as the model has them.

    ``answers`` are the sources of the answer cells by student and grade id.
    """
    usual = max(FEW, len(answers) // SHARE)
    same: list[Same] = []
    weight: dict[tuple[str, str], int] = defaultdict(int)  # a written answer counts for all that is needed
    as_model: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        model, enough = question.form(question.source).key, question.enough
        found: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for student, mine in sorted(answers.items()):
            form = question.form(mine.get(question.answer, ""))
            if form.size >= enough:
                found[form.key].append((student, form.text))
        for key, owners in found.items():
            students = tuple(student for student, _ in owners)
            if question.code and key == model:
                for student in students:
                    as_model[student].append(question.answer)
            elif 1 < len(students) <= usual:
                same.append(Same(question.answer, students, len({text for _, text in owners}) == 1))
                for pair in combinations(students, 2):
                    weight[pair] += 1 if question.code else LEAST
    pairs = {pair for pair, count in weight.items() if count >= LEAST}
    groups = [
        Group(students, tuple(found for one in same if (found := within(one, students))))
        for students in connected(pairs)
    ]
    return groups, {student: names for student, names in sorted(as_model.items()) if len(names) >= LEAST}


def within(same: Same, students: Iterable[str]) -> Same | None:
    both = tuple(student for student in same.students if student in set(students))
    return Same(same.answer, both, same.to_the_letter) if len(both) > 1 else None


def connected(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """The sets whose members are linked by a chain of pairs, in order."""
    group: dict[str, set[str]] = {}
    for a, b in pairs:
        together = group.get(a, {a}) | group.get(b, {b})
        group |= dict.fromkeys(together, together)
    return sorted({tuple(sorted(students)) for students in group.values()})


# ---- what an answer is compared by ----------------------------------------------------------------------------------


def code_form(source: str) -> Form:
    """The syntax tree of code without its docstrings and annotations, its own names numbered."""
    text = source.strip()
    try:
        if len(text) > MAX_SOURCE:
            raise ValueError("too long to be parsed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a student's string is no concern of the reader of the report
            tree = ast.parse(text)
        size = sum(isinstance(node, (ast.stmt, ast.expr, ast.arg)) for node in ast.walk(bare(tree)))
        content = ast.dump(numbered(tree), annotate_fields=False)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        content = "".join(re.sub(r"#[^\n]*", "", text).split())
        size = len(content) // 5
    return Form(digest(content), size, text)


def bare(tree: ast.Module) -> ast.Module:
    """The tree without what says nothing about how an answer works."""
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [one for one in node.body if not is_text(one)] or [ast.Pass()]
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    return tree


def is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def numbered(tree: ast.Module) -> ast.Module:
    """The tree with the names that it binds itself replaced by numbers, in the order of their first appearance."""
    own = {name for node in ast.walk(tree) for name in binds(node)}
    numbers: dict[str, str] = {}
    for node in ast.walk(tree):
        for attribute in ("id", "arg", "name", "asname"):
            name = getattr(node, attribute, None)
            if name in own and not isinstance(node, (ast.keyword, ast.alias)):
                setattr(node, attribute, numbers.setdefault(name, f"_{len(numbers)}"))
    return tree


def binds(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    return []


def prose_form(text: str, question: str) -> Form:
    """The words of a written answer, without the lines of the question that stand in its cell."""
    asked = {line.strip() for line in question.splitlines()}
    own = [line for line in text.splitlines() if line.strip() not in asked]
    words = re.findall(r"\w+", " ".join(own).casefold())
    return Form(digest(" ".join(words)), len(words), "\n".join(own).strip())


def digest(content: str) -> str:
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
