"""Runs the chapters' cells before Sphinx reads the chapters: in parallel, and only where a result is missing or stale.

myst-nb runs notebooks one after another, and its cache looks at nothing but the cells. This extension fills the same
cache (jupyter-cache) first, with as many kernels as there are cores, so that myst-nb then finds every result there. A
result is stale when anything that could change it has changed: the cells; the modules and data files of this
repository that they import, directly or through each other; Python, IPython, matplotlib, NumPy, torch and the kernel;
the kernels' configuration.

Kernels use one thread each, a fixed hash seed, and a temporary working directory, so that a result does not depend on
the machine's load or on the number of chapters, and a chapter cannot lean on files that Colab would not have.

A cell that raises, times out or writes to stderr stops the build, with the chapter, the cell and the error. It is not
for rendering: `book_figures` sees to the figures.
"""

import ast
import asyncio
import hashlib
import os
import platform
import re
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import create_nb_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from sphinx.util import logging
from traitlets.config import Config

log = logging.getLogger(__name__)

KERNEL_CONFIG = Path(__file__).parent / "ipython"
LIBRARIES = ("ipykernel", "ipython", "matplotlib", "matplotlib-inline", "nbclient", "numpy", "torch")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass
class Chapter:
    """A notebook to run: where it is from, what its result depends on, and, after the run, what it took."""

    source: Path
    label: str
    notebook: dict
    fingerprint: str
    seconds: float = 0.0  # of the cells alone: no kernel start, no shutdown
    failure: str = ""
    running: int = field(default=-1, repr=False)  # index of the cell that is running, for the message when it fails


def own_files(code: str, roots: list[Path]) -> set[Path]:
    """The files under ``roots`` that ``code`` needs: modules it imports, what these import, and data beside them."""
    found: set[Path] = set()
    pending = [code]
    while pending:
        with suppress(SyntaxError):  # the kernel will say so better
            for name in imported_names(ast.parse(pending.pop())):
                for module in module_files(name, roots) - found:
                    found.add(module)
                    pending.append(module.read_text(encoding="utf-8"))
    for folder in {module.parent for module in found if module.name == "__init__.py"}:
        found |= {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    return found


def imported_names(tree: ast.AST) -> set[str]:
    """Dotted names that a module imports, absolute imports only; ``from a import b`` gives both ``a`` and ``a.b``."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_files(name: str, roots: list[Path]) -> set[Path]:
    """Those of ours that ``import a.b.c`` runs: ``a/__init__.py``, ``a/b/__init__.py``, ``a/b/c.py``."""
    parts = name.split(".")
    files = set()
    for root in roots:
        for depth in range(1, len(parts) + 1):
            path = root.joinpath(*parts[:depth])
            files |= {file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()}
    return files


def environment_fingerprint() -> str:
    """What every chapter's result depends on besides its own code: versions, and how the kernels are configured."""
    parts = [platform.python_version(), platform.machine()]
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):
            parts.append(f"{library} {version(library)}")
    configuration = sorted(path for path in KERNEL_CONFIG.rglob("*") if path.is_file() and path.suffix != ".pyc")
    parts += [path.read_text(encoding="utf-8") for path in [*configuration, Path(__file__)]]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def read_chapter(app, docname: str, environment: str) -> Chapter | None:
    """The chapter as a notebook with its fingerprint, or None where the page is plain Markdown."""
    source = Path(app.env.doc2path(docname))
    text = source.read_text(encoding="utf-8")
    reader = create_nb_reader(str(source), app.env.myst_config, app.env.mystnb_config, text)
    if reader is None:
        return None
    notebook = reader.read(text)
    code = "\n".join(plain_python(cell.source) for cell in notebook.cells if cell.cell_type == "code")
    roots = [Path(app.srcdir)]
    digest = hashlib.sha256(environment.encode())
    for path in sorted(own_files(code, roots)):
        digest.update(str(path.relative_to(app.srcdir)).encode() + b"\0" + path.read_bytes())
    return Chapter(source, str(source.relative_to(app.srcdir)), notebook, digest.hexdigest())


def plain_python(source: str) -> str:
    """A cell without IPython's magics and shell lines, which `ast` cannot parse."""
    return re.sub(r"^\s*[%!].*$", "", source, flags=re.MULTILINE)


def is_fresh(cache, chapter: Chapter) -> bool:
    """Whether the cache has this chapter's result, made from the same sources and libraries."""
    with suppress(KeyError):
        return cache.match_cache_notebook(chapter.notebook).data.get("fingerprint") == chapter.fingerprint
    return False


def expected_seconds(cache, chapter: Chapter) -> tuple[float, int]:
    """What to sort by, to start with the longest: how long the chapter took the last time it ran under any version.

    That is infinite if it never did; then the length of its code decides.
    """
    earlier = [record for record in cache.list_cache_records() if record.uri == str(chapter.source)]
    seconds = max((record.data.get("execution_seconds", 0.0) for record in earlier), default=float("inf"))
    return seconds, sum(len(cell.source) for cell in chapter.notebook.cells if cell.cell_type == "code")


def forget_earlier(cache, chapter: Chapter) -> None:
    """Drop results of earlier versions of the chapter, so that the cache does not grow with every edit."""
    for record in cache.list_cache_records():
        if record.uri == str(chapter.source):
            cache.remove_cache(record.pk)


def kernel_environment(folder: Path) -> dict[str, str]:
    """Environment variables of the kernels; ``folder`` becomes their private IPython directory."""
    shutil.copytree(KERNEL_CONFIG, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return {
        **os.environ,
        **dict.fromkeys(THREADS, "1"),
        "PYTHONHASHSEED": "0",
        "IPYTHONDIR": str(folder),
        "MATPLOTLIBRC": str(folder / "matplotlibrc"),
    }


async def run_chapter(chapter: Chapter, environment: dict[str, str], timeout: int) -> None:
    """Run a chapter's cells in a kernel of its own; outputs and failure go into ``chapter``."""
    began = {}

    def begin(cell, cell_index):
        chapter.running = cell_index
        began[cell_index] = time.perf_counter()

    def end(cell, cell_index, execute_reply):
        chapter.seconds += time.perf_counter() - began[cell_index]
        stderr = "".join(out.text for out in cell.outputs if out.output_type == "stream" and out.name == "stderr")
        if stderr and "remove-stderr" not in cell.metadata.get("tags", []):
            chapter.failure = chapter.failure or describe(chapter, "the cell writes to stderr:\n" + stderr.strip())

    with tempfile.TemporaryDirectory() as folder:
        # Sockets are files (not ports, which every user of the machine could reach), where the system has such.
        sockets = {} if os.name == "nt" else {"KernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}}
        client = NotebookClient(
            chapter.notebook,
            timeout=timeout,
            on_cell_execute=begin,
            on_cell_executed=end,
            record_timing=False,
            shutdown_kernel="immediate",  # nothing in it is worth waiting for
            config=Config(sockets),
        )
        try:
            await client.async_execute(cwd=folder, env=environment)
        except CellExecutionError as error:
            chapter.failure = describe(chapter, f"{error.ename}: {error.evalue}")
        except CellTimeoutError:
            chapter.failure = describe(
                chapter, f"the cell took longer than {timeout} s (execute.timeout in _config.yml)"
            )
        except DeadKernelError:
            chapter.failure = describe(chapter, "the kernel died (out of memory, or a crash in compiled code)")


def describe(chapter: Chapter, problem: str) -> str:
    """``book/01-rnn.md:120, cell 7: NameError: ...``, and the cell's source below."""
    cells = chapter.notebook.cells
    line = chapter.notebook.metadata.get("source_map", [0] * len(cells))[chapter.running] + 1
    number = sum(cell.cell_type == "code" for cell in cells[: chapter.running + 1])
    source = "\n".join(f"    | {text}" for text in cells[chapter.running].source.splitlines())
    return f"{chapter.label}:{line}, code cell {number}: {problem}\n{source}"


async def run_all(chapters: list[Chapter], cache_path: str, timeout: int, workers: int) -> None:
    """Run the chapters, at most ``workers`` at a time; each good result goes into the cache at once."""
    cache = get_cache(cache_path)
    free = asyncio.Semaphore(workers)
    chapters = sorted(chapters, key=lambda chapter: expected_seconds(cache, chapter), reverse=True)  # longest first

    with tempfile.TemporaryDirectory() as folder:
        environment = kernel_environment(Path(folder))

        async def run_one(chapter: Chapter) -> None:
            async with free:
                await run_chapter(chapter, environment, timeout)
            if chapter.failure:
                log.info("  %s: failed", chapter.label)
                return
            forget_earlier(cache, chapter)
            data = {"execution_seconds": chapter.seconds, "fingerprint": chapter.fingerprint}
            bundle = CacheBundleIn(chapter.notebook, str(chapter.source), data=data)
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            log.info("  %s: %.1f s", chapter.label, chapter.seconds)

        await asyncio.gather(*(run_one(chapter) for chapter in chapters))


def stale_chapters(app, docnames) -> dict[str, Chapter]:
    """Of the given pages, those whose cells have to run, by page name."""
    if app.env.mystnb_config.execution_mode != "cache":
        return {}
    cache = get_cache(app.env.mystnb_config.execution_cache_path)
    environment = environment_fingerprint()
    chapters = {docname: read_chapter(app, docname, environment) for docname in docnames}
    return {docname: chapter for docname, chapter in chapters.items() if chapter and not is_fresh(cache, chapter)}


def add_outdated(app, env, added, changed, removed) -> list[str]:
    """Have Sphinx read again what has not changed itself, but whose libraries or imported modules have."""
    return list(stale_chapters(app, env.found_docs - added - changed))


def execute(app, env, docnames) -> None:
    """Run the stale ones of the chapters that Sphinx is about to read."""
    chapters = list(stale_chapters(app, sorted(docnames)).values())
    if not chapters:
        return
    workers = min(len(chapters), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    log.info("running the cells of %d chapters, %d at a time ...", len(chapters), workers)
    began = time.perf_counter()
    config = env.mystnb_config
    # In a thread of its own, where nbclient leaves signals alone: Ctrl-C reaches us, and cancelling stops the kernels.
    with ThreadPoolExecutor(max_workers=1) as thread:
        loop = asyncio.new_event_loop()
        work = loop.create_task(run_all(chapters, config.execution_cache_path, config.execution_timeout, workers))
        done = thread.submit(loop.run_until_complete, work)
        try:
            done.result()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(work.cancel)
            raise
    loop.close()
    failures = [chapter.failure for chapter in chapters if chapter.failure]
    if failures:
        # SystemExit rather than an error of Sphinx's: Jupyter Book would bury the message under its own traceback.
        raise SystemExit("\n\n".join(["", "The book was not built, because cells failed:", *failures]))
    total = sum(chapter.seconds for chapter in chapters)
    longest = max(chapter.seconds for chapter in chapters)
    log.info(
        "cells took %.1f s in all, %.1f s in the longest chapter; %.1f s passed",
        total, longest, time.perf_counter() - began,
    )  # fmt: skip


def insist_on_result(app, docname, content) -> None:
    """Stop where the result is missing after all, rather than have myst-nb run the cells outside of our kernels."""
    if stale_chapters(app, [docname]):
        raise SystemExit(f"\n{docname}: its cells were edited while the book was being built. Build it again.")


def forget_failed_build(app, error) -> None:
    """After warnings under -W, make the next build read everything again.

    Sphinx would otherwise keep what it has read, find nothing to do the next time, and call that a success.
    """
    if (app.warningiserror or app.keep_going) and app._warncount:
        Path(app.doctreedir, "environment.pickle").unlink(missing_ok=True)


def setup(app):
    app.connect("env-get-outdated", add_outdated)
    app.connect("env-before-read-docs", execute)
    app.connect("source-read", insist_on_result)
    app.connect("build-finished", forget_failed_build)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
