"""A course directory as `release` and `grade` see it: which assignments there are, and what is wrong with a request."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpecManager, NoSuchKernel
from nbformat import NotebookNode

from autograder.grading.config import REPOSITORY


class BadInput(Exception):
    """A request that can't be done; the message is one sentence that says what to do instead."""


def sources(course: Path) -> Path:
    """The folder with the assignments' sources: the course's own, else this repository's."""
    own = course / "solutions"
    return own if own.is_dir() else REPOSITORY / "solutions"


def assignments(folder: Path) -> list[str]:
    """The assignments in a folder of sources: its subfolders with a notebook of the same name."""
    return sorted(path.parent.name for path in folder.glob("*/*.ipynb") if path.stem == path.parent.name)


def choose(names: Sequence[str], folder: Path) -> list[str]:
    """The assignments that are meant, all of them if none is named. Raises BadInput for one that there isn't."""
    known = assignments(folder)
    if not known:
        raise BadInput(f"There is no assignment in {folder}: write one as NAME/NAME.ipynb.")
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
            raise BadInput(f"There is no assignment called {name!r}: {hint}")
    return list(dict.fromkeys(names)) or known


def read_source(folder: Path, name: str) -> NotebookNode:
    """The source notebook of an assignment. Raises BadInput if it can't be read or its kernel isn't installed."""
    path = folder / name / f"{name}.ipynb"
    try:
        source = nbformat.reader.reads(path.read_text("utf-8"))  # nbgrader validates it
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{path} can't be read as a notebook: {str(error).splitlines()[0][:120]}.") from None
    if source.get("nbformat") != 4:
        raise BadInput(f"{path} is in notebook format {source.get('nbformat')}: save it in format 4.")
    kernel = source.metadata.get("kernelspec", {}).get("name", NATIVE_KERNEL_NAME)
    try:
        if kernel != NATIVE_KERNEL_NAME:  # which is always there; looking for it takes as long as a hand-in
            KernelSpecManager().get_kernel_spec(kernel)
    except NoSuchKernel:
        raise BadInput(
            f"{name} needs the Jupyter kernel {kernel!r}, which isn't installed: run python -m ipykernel install "
            f"--sys-prefix --name {kernel}."
        ) from None
    return source
