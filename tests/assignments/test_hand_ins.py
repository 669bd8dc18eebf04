"""Whatever a student's cells look like, `normalise` gives the release with the answers in it."""

import nbformat
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from sample_course import sample_source

from autograder.grading.notebooks import Unreadable, copy_of, keys, normalise, parse, sound

RELEASE = sample_source()  # the shape is that of a release; what the answers hold does not matter here
IDS = [cell.id for cell in RELEASE.cells]


def flags(cell):
    return dict(cell.metadata.get("nbgrader", {}))


@st.composite
def hand_ins(draw):
    """The release's cells in any order, any number of times, with any sources, among cells of the student's own."""
    cells = []
    for n in draw(st.lists(st.integers(-2, len(RELEASE.cells) - 1), max_size=20)):
        text = draw(st.text(max_size=20))
        if n < 0:
            cell = new_code_cell(text) if n == -1 else new_markdown_cell(text)
        else:
            cell = copy_of(RELEASE.cells[n])
            if draw(st.booleans()):
                cell.source = text
            if draw(st.booleans()):
                cell.metadata.tags = ["skip-execution"]
            if draw(st.booleans()) and flags(cell):
                cell.metadata.nbgrader |= {"points": 100, "locked": False, "solution": True, "grade": False}
        cells.append(sound(cell))
    return cells


@settings(deadline=None, max_examples=50)
@given(hand_ins())
def test_every_released_cell_is_there_once_in_order_as_released(cells):
    answers = {"double-answer", "root-answer", "why"}
    handed_in = {key[1] for cell in cells for key in keys(cell)[:1] if key[0] == "answer or check"}
    try:
        notebook, _ = normalise(cells, RELEASE)
    except Unreadable:
        assert not handed_in & answers
        return
    nbformat.validate(notebook)
    released = [cell for cell in notebook.cells if not cell.id.startswith("own-")]
    assert sorted(cell.id for cell in released) == sorted(IDS)
    if {f"{name}-answer" for name in ("double", "root")} <= handed_in:
        kept = [cell.id for cell in released if cell.id in answers | {"double", "root"}]
        for name in ("double", "root"):
            assert kept.index(f"{name}-answer") < kept.index(name)
    originals = {cell.id: cell for cell in RELEASE.cells}
    for cell in released:
        assert cell.metadata == originals[cell.id].metadata
        assert cell.cell_type == originals[cell.id].cell_type
        if flags(cell) and not flags(cell)["solution"]:
            assert cell.source == originals[cell.id].source
    own = [cell.source for cell in notebook.cells if cell.id.startswith("own-")]
    assert all(not cell.metadata for cell in notebook.cells if cell.id.startswith("own-"))
    recognised = {key for cell in RELEASE.cells for key in keys(cell)}
    assert sorted(own) == sorted(cell["source"] for cell in cells if not recognised & set(keys(cell)))


def test_a_sound_hand_in_stays_as_it_is():
    notebook, notes = normalise(map(sound, RELEASE.cells), RELEASE)
    assert (notebook, notes) == (RELEASE, [])


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_cells_or_unreadable_with_a_sentence(text):
    try:
        cells = parse(text, "n.ipynb")
    except Unreadable as reason:
        assert str(reason).startswith("n.ipynb is ")
        assert str(reason).endswith(".")
    else:
        assert isinstance(cells, list)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
CELL = st.fixed_dictionaries({}, optional={key: JSON for key in ("source", "metadata", "id", "attachments", "outputs")})


@given(
    st.lists(st.builds(lambda cell, kind: cell | {"cell_type": kind}, CELL, st.sampled_from(["code", "markdown", "x"])))
)
def test_odd_cells_become_sound_ones(cells):
    release = RELEASE
    sane = [cell for cell in map(sound, cells) if cell]
    notebook, _ = normalise([*sane, *map(sound, release.cells)], release)
    nbformat.validate(notebook)
