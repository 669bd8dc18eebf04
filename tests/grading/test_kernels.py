"""A kernel in the sandbox leaves nothing behind in the process that talked with it."""

import os
import threading
import time
from copy import copy

import nbformat
import pytest
import zmq
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from autograder.grading.kernels import SandboxedKernelManager
from autograder.grading.sandbox import Sandbox, readable

LIMITS = {"memory": 1_000_000_000, "disk": 10_000_000, "limits": {}}


@pytest.fixture(scope="module")
def sandbox(sandboxed):
    with Sandbox() as sandbox:
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


def test_a_kernel_that_has_ended_between_two_cells_holds_nobody_up(sandbox):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("2")])
    manager = SandboxedKernelManager(sandbox, LIMITS, kernel_name="python3")

    def end(cell_index, **_):
        if cell_index == 0:
            kept = manager.provisioner.kept
            kept.kill()
            assert readable(kept.handle, 60)
            time.sleep(0.5)  # until the sockets are closed, too

    client = NotebookClient(notebook, km=manager, shutdown_kernel="immediate", on_cell_executed=end)
    with pytest.raises((DeadKernelError, zmq.Again)):
        client.execute(cleanup_kc=True)


def test_two_that_ask_share_a_sandbox_and_their_kernels_have_nothing_of_it(sandbox):
    opened = "import os; print(sum('socket' in os.path.realpath(f'/proc/self/fd/{n}') for n in range(1000)))"
    marked = "print(os.path.exists('/tmp/mark')); open('/tmp/mark', 'w').close()"
    alone = run(sandbox, opened, marked)
    twin = other(sandbox)
    assert alone == run(sandbox, opened, marked) == run(twin, opened, marked)
    assert alone[1] == "False\n"
    assert twin.process is None
    twin.end()
    other(sandbox).end()  # without having heard a word
    assert run(sandbox, "print(1)") == ["1\n"]


def test_whoever_shares_a_sandbox_that_is_lost_starts_an_own_one(sandboxed):
    with Sandbox() as first:
        twin = other(first)
        assert run(twin, "print(1)") == ["1\n"] and twin.process is None
    assert not twin.alive(20)
    with twin:
        assert run(twin, "print(2)") == ["2\n"] and twin.process is not None


def test_so_does_whoever_waited_for_it_to_be_ready(sandboxed):
    with Sandbox() as first:
        twin = other(first)
        assert twin.hear(20)[0] == b"ready"  # of which it is not told again
    with twin:
        twin.wait_for(b"ready")
        assert run(twin, "print(1)") == ["1\n"] and twin.process is not None


def test_a_kernel_ends_when_nobody_waits_for_it_any_more(sandbox):
    manager = SandboxedKernelManager(sandbox, LIMITS, kernel_name="python3")
    run_sync(manager.start_kernel)()
    kept = manager.provisioner.kept
    assert kept.alive()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, kept.report)  # as the end of our process would close it
    os.close(nowhere)
    assert readable(kept.handle, 60)
    run_sync(manager.cleanup_resources)()


def other(sandbox):
    """What a process forked from this one would have of the sandbox."""
    control, twin = sandbox.share(), copy(sandbox)
    twin.adopt(control)
    return twin


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
