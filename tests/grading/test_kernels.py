"""A kernel in the sandbox runs cells as Jupyter does, and leaves nothing behind in the process that talked with it."""

import os
import subprocess
import sys
import threading
import time
from copy import copy
from pathlib import Path
from time import monotonic
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from autograder.grading import preprocessors
from autograder.grading.kernels import Kernel
from autograder.grading.sandbox import Sandbox, furnish, readable

LIMITS = {"memory": 1_000_000_000, "disk": 10_000_000, "limits": {}}


@pytest.fixture(scope="module")
def sandbox(sandboxed):
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def kernel(sandbox):
    kernel = Kernel(sandbox, LIMITS)
    kernel.wait_until_ready(60)
    yield kernel
    kernel.end()


def told(kernel, source, question=False):
    """All messages of a cell."""
    deadline, messages = monotonic() + 60, []
    kernel.run(source, deadline, question)
    while not messages or messages[-1]["msg_type"] != "execute_reply":
        assert monotonic() < deadline
        messages.append(kernel.hear(deadline))
    return messages


def printed(kernel, source, name="stdout"):
    streams = [message["content"] for message in told(kernel, source) if message["msg_type"] == "stream"]
    return "".join(stream["text"] for stream in streams if stream["name"] == name)


def run(sandbox, *sources):
    """What the cells print, one after the other in one kernel."""
    kernel = Kernel(sandbox, LIMITS)
    kernel.wait_until_ready(60)
    try:
        return [printed(kernel, source) for source in sources]
    finally:
        kernel.end()


def crash(sandbox):
    with pytest.raises(DeadKernelError):
        run(sandbox, "import os; os._exit(1)")


CELLS = [
    "1 + 1",
    "print('a')\nimport sys\nprint('b', file=sys.stderr)\n3",
    "def f(x):\n    return 1 / x\nf(0)",
    "x = (",
    "import asyncio\nawait asyncio.sleep(0.01)\n_ + 1",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.figure(figsize=(1, 1))\nplt.plot([1, 2]);",
    "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))\nHTML('y')",
    "!echo hi",
    "In[1], Out[1]",
    "import threading\none = threading.Thread(target=print, args='t')\none.start()\none.join()",
    "import comm\nasked = comm.create_comm(target_name='nobody')",
    "open('beside.py', 'w').write('a = 1')\nimport beside\nbeside.a, __name__",
    "print('z' * 100_000)",
]


def test_cells_show_what_they_show_in_jupyter(kernel, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell in notebook.cells:
        *shown, reply = told(kernel, cell.source)
        ours = [message for message in shown if not message["msg_type"].startswith("comm")]
        assert [shown_by(one["msg_type"], one["content"]) for one in ours] == [
            shown_by(output.output_type, output) for output in cell.outputs
        ]
        assert reply["content"]["execution_count"] == cell.execution_count
        assert (reply["content"]["status"] == "error") == any(one.output_type == "error" for one in cell.outputs)


def shown_by(kind, about):
    if kind == "error":  # its text names files
        return kind, about["ename"], len(about["traceback"])
    data = {mime: "" if mime.startswith("image") else text for mime, text in about.get("data", {}).items()}
    return kind, about.get("name"), about.get("text"), data


def test_a_cell_that_asks_for_input_gets_an_error(kernel):
    for source in ("input('name? ')", "import getpass; getpass.getpass()"):
        assert told(kernel, source)[-1]["content"]["ename"] == "StdinNotImplementedError"


@pytest.mark.parametrize("then", ["print('x' * 90_000)", "pass"], ids=["printing", "silent"])
def test_an_interrupt_ends_a_cell_and_no_message(kernel, then):
    for _ in range(5):
        deadline = monotonic() + 60
        kernel.run(f"print('runs', flush=True)\nwhile True: {then}", deadline)
        assert kernel.hear(deadline)["content"]["text"].startswith("runs")
        time.sleep(0.2)  # in which nobody takes what it says
        kernel.interrupt()
        time.sleep(0.2)
        last = ""
        while last != "execute_reply":
            assert monotonic() < deadline
            message = kernel.hear(deadline)
            last = message["msg_type"]
        assert message["content"]["ename"] == "KeyboardInterrupt"
        kernel.interrupt()  # for nobody, unless it takes longer than it takes to ask for the next cell
        assert "1\n" in (printed(kernel, "print(1)") for _ in range(9))


def test_what_is_too_much_to_show_is_left_out_and_said(kernel):
    assert "too much to show" in printed(kernel, "from IPython.display import HTML; HTML('x' * 20_000_000)")


def test_a_process_forked_by_a_cell_has_nothing_to_say(kernel):
    source = "import os\nif not (child := os.fork()):\n    print('child')\n    os._exit(0)\nos.waitpid(child, 0)[1]"
    assert printed(kernel, source) == ""


def test_nor_does_one_that_comes_back_from_its_cell_take_the_next_cells(kernel):
    printed(kernel, "import os\nfor _ in range(3):\n    os.fork()")
    assert [printed(kernel, f"print({n})") for n in range(20)] == [f"{n}\n" for n in range(20)]


def test_an_error_that_cannot_be_told_is_an_error_all_the_same(kernel):
    mute = "class Mute(Exception):\n    def __str__(self):\n        if not next(times): 1 / 0\n        return 'x'\n"
    for number in range(6):  # at one of these times it is asked for the reply
        times = [1] * number + [0] * 20
        assert told(kernel, f"times = iter({times})\n{mute}raise Mute")[-1]["content"]["status"] == "error"
    assert printed(kernel, "print(1)") == "1\n"


def test_a_question_is_not_what_a_notebook_makes_of_cells(kernel):
    """It is plain Python, no cell is counted, its figures are closed, and what is raised is told."""
    told(kernel, "get_ipython().input_transformers_post.append(lambda lines: ['print(1)'])")
    assert [one["msg_type"] for one in told(kernel, "1 / 1", True)] == ["execute_reply"]
    error, reply = told(kernel, "1 / 0", True)
    assert (
        error["msg_type"] == "error" and error["content"]["ename"] == reply["content"]["ename"] == "ZeroDivisionError"
    )
    told(kernel, "__import__('matplotlib.pyplot').pyplot.figure()", True)
    shown, reply = told(kernel, "nobody sees this")
    assert shown["content"] == {"name": "stdout", "text": "1\n"}
    assert reply["content"]["execution_count"] == 2


@pytest.mark.parametrize("sent", [b"\xff\xff\xff\xff", b"\0\0\0\1[", b"\0\0\0\2{}", b'\0\0\0\4"xx"'])
def test_what_is_no_message_is_refused(kernel, sent):
    kernel.run(f"get_ipython().display_pub.session.talk.sendall({sent!r})", monotonic() + 60)
    with pytest.raises(ValueError):
        while kernel.hear(monotonic() + 60)["msg_type"] != "execute_reply":
            pass


def test_half_a_message_is_waited_for_no_longer_than_was_asked(kernel):
    kernel.run(
        "get_ipython().display_pub.session.talk.sendall(bytes(3)); import time; time.sleep(60)", monotonic() + 60
    )
    with pytest.raises(TimeoutError):
        kernel.hear(monotonic() + 0.5)


def test_a_kernel_that_takes_no_cell_holds_nobody_up(kernel):
    kernel.run("import time; time.sleep(60)", monotonic() + 60)
    with pytest.raises(TimeoutError):
        kernel.run("#" * 10_000_000, monotonic() + 0.5)


def test_a_kernel_that_has_ended_between_two_cells_holds_nobody_up(kernel):
    assert printed(kernel, "print(1)") == "1\n"
    kernel.kept.kill()
    assert readable(kernel.kept.handle, 60)
    with pytest.raises(DeadKernelError):
        told(kernel, "2")


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
    kernel = Kernel(sandbox, LIMITS)
    kernel.wait_until_ready(60)
    kept = kernel.kept
    assert kept.alive()
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, kept.report)  # as the end of our process would close it
    os.close(nowhere)
    assert readable(kept.handle, 60)
    kernel.end()


@pytest.mark.parametrize(
    ("sources", "warm"),
    [
        (["import numpy as np"], []),
        (["x = 1\nimport torch"], ["torch"]),
        (["from torch.nn import functional as F"], ["torch"]),
        (
            ["import numpy, torch as t", "%matplotlib inline\nimport matplotlib.pyplot as plt"],
            ["torch", "matplotlib.pyplot"],
        ),
        (["if True:\n    import torch"], ["torch"]),
        (["torch = 1  # import nothing", "print('import')\ntorch", "import torchvision"], []),
        (["import torch\nx = ("], ["torch"]),
    ],
)
def test_what_an_assignment_imports_is_imported_once_for_all_its_hand_ins(monkeypatch, sources, warm):
    asked = SimpleNamespace(begin=lambda: None)
    monkeypatch.setattr(preprocessors, "shared_sandbox", lambda course: asked)
    notebooks = [nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]) for source in sources]
    preprocessors.RunCells().get_ready(notebooks, SimpleNamespace(root=""))
    assert asked.warm == warm


@pytest.mark.parametrize("module", ["secrets", "IPython.core.logger"])
def test_what_a_first_cell_and_answer_take_is_there_before_a_kernel_is_forked(tmp_path, module):
    """NumPy's generators import `secrets` when they are first used, IPython its logger with the first cell it notes."""
    furnish(tmp_path)
    code = f"import sys; from autograder import cells; cells.make_shell(); print({module!r} in sys.modules)"
    python = [sys.executable, "-c", code]
    done = subprocess.run(
        python, env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


GATHER = """
import ctypes, mmap, re, kernel
data, tried = [bytes(range(100)) + bytes([i % 256]) for i in range(200_000)], mmap.mmap(-1, 8 << 20, mmap.MAP_PRIVATE)
tried[:] = b"x" * len(tried)
start = -(-ctypes.addressof(ctypes.c_char.from_buffer(tried)) // kernel.LARGE_PAGE) * kernel.LARGE_PAGE
able = kernel.libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(kernel.LARGE_PAGE), kernel.COLLAPSE) == 0
count = lambda: int(re.search(r"AnonHugePages: *(\\d+)", open("/proc/self/smaps_rollup").read())[1])
before = count()
kernel.gather_memory()
print("fewer" if count() > before else "as many", able)
"""


def test_kernels_share_memory_in_large_pages():
    program = [sys.executable, "-c", GATHER]
    inside = Path(preprocessors.__file__).parent / "inside"
    done = subprocess.run(program, cwd=inside, env={}, capture_output=True, text=True, timeout=120)
    assert not done.stderr
    if "False" in done.stdout:
        pytest.skip("this system does not gather a process's memory when it is asked to")
    assert done.stdout == "fewer True\n"


def test_what_an_assignment_does_not_import_can_be_imported_all_the_same(kernel):
    assert printed(kernel, "import sys\nprint('torch' in sys.modules)\nimport torch\nprint(torch.ones(2).sum())") == (
        "False\ntensor(2.)\n"
    )


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
