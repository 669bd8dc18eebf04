"""Defers what nbgrader and nbconvert import and grading does not use: a fifth of what a run takes before it begins.

nbgrader imports its extensions of the Jupyter server whenever any part of it is imported, and other packages for pages
and archives. All of that is imported by whoever first uses it. No part of nbgrader needs to be known here: a name taken
from one of these packages is good for a call, before the package is there and after.
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

UNUSED = ("nbgrader.server_extensions", "bs4", "requests", "setuptools")


@contextlib.contextmanager
def deferred(packages: Sequence[str] = UNUSED) -> Iterator[None]:
    """Meanwhile an import of one of ``packages`` gives a `Deferred` in its place; after that, the package itself."""
    sys.meta_path.insert(0, Finder(packages))
    try:
        yield
    finally:
        end()


def end() -> None:
    """Have imports give the packages themselves from now on."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Finder)]
    for name in [name for name, module in sys.modules.items() if isinstance(module, Deferred)]:
        del sys.modules[name]


class Deferred(ModuleType):
    """A package, or a module in it, that is imported when something of it is called."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:
            return getattr(import_module(self.__name__), name)

        def later(*arguments: Any, **named: Any) -> Any:
            end()
            return getattr(import_module(self.__name__), name)(*arguments, **named)

        return later


class Finder(MetaPathFinder, Loader):
    """Finds `Deferred` packages with whatever modules they are asked for."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.packages = packages

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if any(f"{name}.".startswith(f"{package}.") for package in self.packages):
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Deferred(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing in it."""
