"""Every exercise of the course keeps the promises that exercises make. Nothing here names one."""

import ast
import inspect
import json
import math
import re
import subprocess
import sys
import textwrap
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from autograder import catalogue, probe, report
from autograder.judge import PRACTICE_SEED, alike, close, coarsest, judge, known, questions
from autograder.probe import observe

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (PRACTICE_SEED, 1, 20_261_121)
EXERCISES = list(catalogue.exercises().values())
MISTAKES = [pytest.param(e, m, id=f"{e.name}-{m.name}") for e in EXERCISES for m in e.mistakes]
ALTERNATIVES = [pytest.param(e, a, id=f"{e.name}-{i}") for e in EXERCISES for i, a in enumerate(e.alternatives)]

each_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)
each_seed = pytest.mark.parametrize("seed", SEEDS)


def verdict(exercise, candidate, seed=PRACTICE_SEED):
    return judge(
        exercise,
        lambda inputs: observe(exercise.probe, candidate, inputs, exercise.framework, exercise.expects),
        seed,
    )


# ---- the answers --------------------------------------------------------------------------------------------------


@each_seed
@each_exercise
def test_the_reference_passes(exercise, seed):
    assert verdict(exercise, exercise.reference, seed).points == exercise.points


@each_seed
@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES)
def test_a_known_mistake_fails_with_its_own_diagnosis(exercise, mistake, seed):
    found = verdict(exercise, mistake.candidate, seed)
    assert not found.passed
    assert found.diagnosis is mistake, [m.name for m in found.mistakes]
    assert mistake.hint in " ".join(report.hint(found).split())


@each_seed
@each_exercise
def test_no_two_mistakes_are_confused(exercise, seed):
    """Any two differ on some case in what the diagnosis looks at: it does not matter which is looked for first."""
    assert len({mistake.name for mistake in exercise.mistakes}) == len(exercise.mistakes)
    cases = [case for case, _ in questions(exercise, seed)]
    for one, other in combinations(range(len(exercise.mistakes)), 2):
        pairs = [(known(exercise, seed, one, i), known(exercise, seed, other, i)) for i in range(len(cases))]
        assert not all(
            a[0] == b[0] and alike(a[1], b[1], exercise.tolerance, coarsest(case.inputs))
            for (a, b), case in zip(pairs, cases, strict=True)
        ), (exercise.mistakes[one].name, exercise.mistakes[other].name)


@each_seed
@pytest.mark.parametrize(("exercise", "alternative"), ALTERNATIVES)
def test_right_answers_written_otherwise_pass(exercise, alternative, seed):
    found = verdict(exercise, alternative, seed)
    assert found.passed, report.text(found)


# ---- wrong answers of every kind ----------------------------------------------------------------------------------


def changed(exercise, change):
    """The reference with its results changed: a function of the first array that ``change`` can be applied to."""

    def apply(result):
        if isinstance(result, tuple):
            done = [apply(part) for part in result]
            return type(result)(done) if type(result) is tuple else tuple(done)
        if isinstance(result, dict):
            return {key: apply(part) for key, part in result.items()}
        if isinstance(result, list) and any(hasattr(part, "shape") for part in result):
            return [apply(part) for part in result]
        return change(result)

    if exercise.expects == "class":
        base = exercise.reference

        class Changed(base):
            def forward(self, *args, **kwargs):
                return apply(super().forward(*args, **kwargs))

        return Changed
    return lambda *args, **inputs: apply(exercise.reference(*args, **inputs))


def told(exercise, candidate):
    found = verdict(exercise, candidate)
    assert not found.passed
    text = " ".join(report.text(found).split())
    assert "Traceback" not in text and report.html(found)
    return found.failures[0].complaint.kind, text


def wants_arrays(exercise):
    """Whether some result is a floating-point array with an axis, so that shape, dtype and NaN can go wrong."""
    values = questions(exercise, PRACTICE_SEED)[0][1].values
    return any(v.kind in ("array", "tensor") and v.shape and v.dtype.startswith("float") for v in values.values())


@each_exercise
def test_the_stub_is_told_so(exercise):
    def stub(*args, **kwargs):
        raise NotImplementedError()

    assert told(exercise, stub) == (
        "unsolved",
        f"[not yet] {exercise.name}: passed 0 of {len(questions(exercise, PRACTICE_SEED))} cases, 0 of "
        f"{exercise.points:g} point{'s' * (exercise.points != 1)} {exercise.name} is not written yet. "
        "Put your answer in place of raise NotImplementedError(), run that cell, and then this one.",
    )


@each_exercise
def test_an_exception_is_told_with_its_line(exercise):
    def raises(*args, **kwargs):
        return [][7]

    kind, text = told(exercise, raises)
    assert kind == "exception" and "IndexError: list index out of range" in text and "return [][7]" in text


@each_exercise
def test_a_forgotten_return_is_told(exercise):
    kind, text = told(exercise, changed_to_none(exercise))
    assert kind in ("type", "missing") and "None" in text and "return" in text


def changed_to_none(exercise):
    if exercise.expects == "class":
        return type("Forgets", (exercise.reference,), {"forward": lambda self, *args, **kwargs: None})
    return lambda *args, **inputs: None


@each_exercise
def test_a_wrong_shape_is_told(exercise):
    if wants_arrays(exercise):
        kind, text = told(exercise, changed(exercise, lambda a: a[None] if hasattr(a, "shape") else a))
        assert kind == "shape" and "has shape" in text and "is one too many" in text


@each_exercise
def test_a_wrong_dtype_is_told(exercise):
    if not wants_arrays(exercise):
        return
    if exercise.framework == "torch":
        kind, text = told(exercise, changed(exercise, lambda a: a.int() if a.is_floating_point() else a))
    else:
        kind, text = told(exercise, changed(exercise, lambda a: np.asarray(a).astype(int)))
    assert kind == "dtype" and "has dtype int" in text


@each_exercise
def test_a_wrong_type_is_told(exercise):
    def listed(a):
        return a.tolist() if hasattr(a, "tolist") else str(a)

    kind, text = told(exercise, changed(exercise, listed))
    assert kind == "type" and "is expected" in text


@each_exercise
def test_nan_is_told_with_its_place(exercise):
    if wants_arrays(exercise):
        kind, text = told(
            exercise, changed(exercise, lambda a: a * math.nan if "float" in str(getattr(a, "dtype", "")) else a)
        )
        assert kind == "nonfinite" and "is NaN" in text


@each_exercise
def test_an_edit_in_place_is_told(exercise):
    """The results are right, gradients included; only the first float array among the inputs is doubled in place."""

    doubled = []

    def double(value):
        value *= 2
        doubled.append(value)
        return value / 2

    def edits(*args, **inputs):
        names = [*range(len(args)), *inputs]
        given = dict(zip(names, [*args, *inputs.values()], strict=True))
        for name in names:
            listed = (
                isinstance(given[name], list) and given[name] and "float" in str(getattr(given[name][0], "dtype", ""))
            )
            if listed or "float" in str(getattr(given[name], "dtype", "")):
                given[name] = [double(given[name][0]), *given[name][1:]] if listed else double(given[name])
                break
        return exercise.reference(*[given[i] for i in range(len(args))], **{name: given[name] for name in inputs})

    if exercise.expects == "function" and has_floats(exercise):
        found = verdict(exercise, edits)
        if doubled:  # a probe may hand a decoder its table as a function, out of reach
            assert found.failures[0].complaint.kind == "edited"
            assert "is changed in place" in " ".join(report.text(found).split())


def has_floats(exercise):
    """Whether a float array is among the inputs, by itself or in a list."""
    values = questions(exercise, PRACTICE_SEED)[0][0].inputs.values()
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return any(isinstance(item, np.ndarray) and item.dtype.kind == "f" for item in flat)


# ---- how an exercise is made --------------------------------------------------------------------------------------


@each_exercise
def test_an_exercise_is_complete(exercise):
    assert len(exercise.mistakes) >= 3
    assert len(exercise.alternatives) >= 1
    assert exercise.points > 0 and exercise.difficulty in range(1, 6) and exercise.minutes > 0
    assert exercise.framework in ("numpy", "torch")
    assert len(exercise.tolerance.reason) > 20
    assert exercise.name.isidentifier()
    assert all(mistake.name and mistake.hint.rstrip().endswith((".", "?", ")")) for mistake in exercise.mistakes)


@each_exercise
def test_sections_are_labels_of_the_chapter(exercise):
    chapter = (ROOT / "book" / f"{exercise.assignment}.md").read_text(encoding="utf-8")
    labels = set(re.findall(r"^\(([\w-]+)\)=$", chapter, re.MULTILINE))
    assert {exercise.section} | {m.section for m in exercise.mistakes if m.section} <= labels


@each_exercise
def test_cases_have_several_sizes_and_both_precisions(exercise):
    cases = [case for case, _ in questions(exercise, PRACTICE_SEED)]
    assert len(cases) >= 4 and len({case.about for case in cases}) == len(cases)
    assert len({str(shapes(case.inputs)) for case in cases}) >= 3
    assert {coarsest(case.inputs) for case in cases} >= {"float32", "float64"} or not has_floats(exercise)


def shapes(value):
    if isinstance(value, np.ndarray):
        return value.shape
    if isinstance(value, dict):
        return {key: shapes(item) for key, item in value.items()}
    return [shapes(item) for item in value] if isinstance(value, (list, tuple)) else str(value)


@each_exercise
def test_the_cases_are_the_seeds(exercise):
    def drawn(seed):
        return repr([case.inputs for case in exercise.cases(np.random.default_rng(seed))])

    assert drawn(3) == drawn(3) != drawn(4)


@each_exercise
def test_hints_do_not_give_the_answer(exercise):
    tree = ast.parse(textwrap.dedent(inspect.getsource(exercise.reference)))
    code = {
        squeezed(ast.unparse(node.value))
        for node in ast.walk(tree)
        if isinstance(node, (ast.Assign, ast.Return)) and node.value
    }
    for mistake in exercise.mistakes:
        hint = squeezed(mistake.hint)
        assert not [line for line in code if len(line) > 12 and line in hint], mistake.name


def squeezed(code):
    return re.sub(r"\s", "", code)


# ---- the worked example -------------------------------------------------------------------------------------------


def answer_docstring(exercise):
    """The docstring that students get: the one in the assignment's solution cell."""
    notebook = json.loads(
        (ROOT / "solutions" / exercise.assignment / f"{exercise.assignment}.ipynb").read_text("utf-8")
    )
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == f"{exercise.name}-answer":
            tree = ast.parse("".join(cell["source"]))
            (node,) = (n for n in tree.body if getattr(n, "name", "") == exercise.name)
            return (
                ast.get_docstring(node)
                + "\n"
                + "\n".join(
                    ast.get_docstring(n) or ""
                    for n in ast.walk(node)
                    if isinstance(n, ast.FunctionDef) and n is not node
                )
            )
    raise AssertionError(f"no solution cell {exercise.name}-answer")


def written(words):
    """The numbers in a piece of text, ``log 3`` being one of them."""
    words = re.sub(r"log\s*(\d+)", lambda m: repr(math.log(int(m[1]))), words.replace("−", "-"))
    return [float(x) for x in re.findall(r"-?\d+(?:\.\d*)?(?:e-?\d+)?", words)]


def leaves(value):
    """The numbers in an input."""
    if isinstance(value, (dict, list, tuple)):
        return [x for item in (value.values() if isinstance(value, dict) else value) for x in leaves(item)]
    array = np.asarray(value)
    return [float(x) for x in array.ravel()] if array.dtype.kind in "iuf" else []


@each_exercise
def test_the_first_case_is_the_docstrings_example(exercise):
    """Every number of its inputs and results is in the example, to the digits written there."""
    example = answer_docstring(exercise).partition("Example")[2]
    assert example, "the docstring has no example"
    numbers = written(example)
    case, want = questions(exercise, PRACTICE_SEED)[0]
    results = [
        x
        for name, v in want.values.items()
        if v.array is not None and "gradient of " not in name
        for x in leaves(v.array)
    ]
    # Results may be rounded to two digits or more.
    lacking = [x for x in leaves(case.inputs) if not any(abs(x - y) < 1e-6 for y in numbers)]
    lacking += [
        x for x in results if math.isfinite(x) and abs(x) > 1e-6 and not any(abs(x - y) <= 0.005 for y in numbers)
    ]
    assert not lacking


# ---- probes run apart from judging --------------------------------------------------------------------------------


@each_exercise
def test_the_probe_needs_only_its_arguments_numpy_torch_and_probe(exercise):
    """Its source, in a bare namespace, does what it does here."""
    if inspect.getmodule(exercise.probe) is probe:
        assert getattr(probe, exercise.probe.__name__) is exercise.probe
        return
    import torch

    bare = {"np": np, "torch": torch, "probe": probe}
    exec(textwrap.dedent(inspect.getsource(exercise.probe)), bare)
    alone = bare[exercise.probe.__name__]
    for case, want in questions(exercise, PRACTICE_SEED):
        got = observe(alone, exercise.reference, case.inputs, exercise.framework, exercise.expects)
        assert got.fault is None and got.values.keys() == want.values.keys()
        for name, value in want.values.items():
            assert value.array is None or close(value, got.values[name], exercise.tolerance)


def test_probes_run_where_neither_catalogue_nor_reference_can_be_imported(tmp_path):
    """In a process whose `autograder` is probe.py alone, as in a sandbox."""
    package = tmp_path / "autograder"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "probe.py").write_text(Path(probe.__file__).read_text("utf-8"))
    sources = {
        e.probe.__name__: textwrap.dedent(inspect.getsource(e.probe))
        for e in EXERCISES
        if inspect.getmodule(e.probe) is not probe
    }
    names = sorted({e.probe.__name__ for e in EXERCISES})
    code = (
        "import sys, json, numpy as np, torch\n"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
        "from autograder import probe\n"
        "sources, names = json.load(sys.stdin)\n"
        "space = {'np': np, 'torch': torch, 'probe': probe}\n"
        "for source in sources.values(): exec(source, space)\n"
        "assert all(callable(space.get(name) or getattr(probe, name)) for name in names)\n"
        "def candidate(*args, **inputs): raise NotImplementedError\n"
        "for name in names:\n"
        "    seen = probe.observe(space.get(name) or getattr(probe, name), candidate, {'x': np.ones(2)}, 'numpy')\n"
        "    assert seen.fault, name\n"
        "try:\n    import autograder.reference\nexcept ModuleNotFoundError: print('apart')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([sources, names]), cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("apart\n", 0), done.stderr


# ---- finding exercises --------------------------------------------------------------------------------------------


@each_exercise
def test_an_exercise_is_found_by_name_and_by_assignment(exercise):
    assert catalogue.find(exercise.name) is exercise
    assert exercise in catalogue.of_assignment(exercise.assignment)


def test_what_there_is_not_is_not_found():
    assert catalogue.find("no such exercise") is None and catalogue.of_assignment("99-none") == []


def test_an_exercise_is_found_without_importing_other_chapters():
    first = EXERCISES[0]
    module = next(m for m in catalogue.modules() if first in catalogue.listed(m))
    code = (
        "import sys; from autograder import catalogue;"
        f"assert catalogue.find({first.name!r});"
        "print(*[m.rpartition('.')[2] for m in sys.modules if m.startswith('autograder.catalogue.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [module]


def test_the_course_has_this_many(record_property, capsys):
    count = {
        "exercises": len(EXERCISES),
        "cases": sum(len(questions(e, PRACTICE_SEED)) for e in EXERCISES),
        "known mistakes": len(MISTAKES),
        "alternatives": len(ALTERNATIVES),
    }
    with capsys.disabled():
        print("\n" + ", ".join(f"{n} {what}" for what, n in count.items()))
    assert count["cases"] >= 4 * count["exercises"] and count["known mistakes"] >= 3 * count["exercises"]
