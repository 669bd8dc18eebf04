"""Says what a machine lacks for grading, and how to get it. Changes nothing."""

import importlib.util
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbgrader.coursedir import CourseDirectory

from autograder.grading import config
from autograder.grading.course import BadInput, assignments, sources
from autograder.grading.grade import try_database
from autograder.grading.sandbox import trouble

MEMORY = 4_000_000_000
DISK = 2_000_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that grading needs. ``trouble`` says what is wrong and what to do; "" if nothing is."""

    what: str
    trouble: str = ""


def examine(course: Path) -> list[Finding]:
    """Everything that grading in the course directory ``course`` needs, in the order in which to put it right."""
    return [Finding(what, first(check, course)) for what, check in CHECKS.items()]


def first(check: Callable[[Path], Iterator[str]], course: Path) -> str:
    """The first trouble that a check finds. A check that breaks has found one."""
    try:
        return next(iter(check(course)), "")
    except BadInput as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def linux(course: Path) -> Iterator[str]:
    if sys.platform != "linux":
        yield f"this is {sys.platform}; grade on Linux, in a virtual machine or a container."


def sandbox(course: Path) -> Iterator[str]:
    if why := trouble():
        yield why


def alembic(course: Path) -> Iterator[str]:
    here = os.path.dirname(sys.executable)
    if not (shutil.which("alembic", path=here) or shutil.which("alembic")):
        yield "the command alembic, with which nbgrader makes a gradebook, is not here: pip install alembic."


def packages(course: Path) -> Iterator[str]:
    needed = ("nbgrader", "nbclient", "ipykernel", "rich", "numpy", "torch", "matplotlib")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        yield f"not installed: {', '.join(missing)}. Run pip install 'keep-the-attention[grading]' {' '.join(missing)}."


def kernel(course: Path) -> Iterator[str]:
    try:
        KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        yield "there is no Jupyter kernel python3: run python -m ipykernel install --sys-prefix."


def folder(course: Path) -> Iterator[str]:
    if not course.is_dir():
        yield f"there is no {course}: name the course directory with --course."
    elif not os.access(course, os.W_OK):
        yield f"{course} can't be written to."
    elif not assignments(sources(course)):
        yield f"there is no assignment in {sources(course)}."


def gradebook(course: Path) -> Iterator[str]:
    url = CourseDirectory(config=config.load(course)).db_url
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite"):
        try_database(url)  # its complaint is the finding
    if url.startswith("sqlite:///") and path.exists():
        try:
            with closing(sqlite3.connect(path, timeout=1)) as connection:
                connection.execute("select count(*) from sqlite_master")
        except sqlite3.Error as error:
            yield f"{path} can't be read ({error}): close other programs that use it, or put a copy in its place."


def room(course: Path) -> Iterator[str]:
    if psutil.virtual_memory().available < MEMORY:
        yield f"less than {MEMORY / 1e9:.0f} GB are free, which one hand-in may use: lower RunCells.memory_limit."
    for place in (course, Path(tempfile.gettempdir())):
        if shutil.disk_usage(place).free < DISK:
            yield f"less than {DISK / 1e9:.0f} GB are free on the disk of {place}."


CHECKS: dict[str, Callable[[Path], Iterator[str]]] = {
    "Linux": linux,
    "Python packages": packages,
    "alembic": alembic,
    "Jupyter kernel": kernel,
    "a sandbox for student code": sandbox,
    "course directory": folder,
    "gradebook": gradebook,
    "memory and disk": room,
}
