"""A kernel in the sandbox leaves nothing behind in the process that talked with it."""

import os
import threading

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from autograder.grading.kernels import SandboxedKernelManager
from autograder.grading.sandbox import Sandbox

LIMITS = {"memory": 1_000_000_000, "disk": 10_000_000, "limits": {}}


@pytest.fixture(scope="module")
def sandbox(sandboxed):
    with Sandbox(warm=()) as sandbox:
        yield sandbox


def run(sandbox, *sources):
    """What the cells print, one after the other in one kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    manager = SandboxedKernelManager(sandbox, LIMITS, kernel_name="python3")
    NotebookClient(notebook, km=manager, shutdown_kernel="immediate").execute(cleanup_kc=True)
    return ["".join(output.text for output in cell.outputs) for cell in notebook.cells]


def crash(sandbox):
    with pytest.raises(DeadKernelError):
        run(sandbox, "import os; os._exit(1)")


def held():
    """How many descriptors and threads this process has."""
    return len(os.listdir("/proc/self/fd")), threading.active_count()


def test_every_kernel_is_a_fresh_one_and_hears_all(sandbox):
    for _ in range(3):
        assert run(sandbox, "import builtins; print(hasattr(builtins, 'mark'))", "builtins.mark = 1") == ["False\n", ""]


@pytest.mark.parametrize("end", [lambda sandbox: run(sandbox, "print(1)"), crash], ids=["normal", "crash"])
def test_what_was_opened_for_a_kernel_is_closed_with_it(sandbox, end):
    end(sandbox)
    before = held()
    for _ in range(3):
        end(sandbox)
        assert held() == before
