"""A place for student code to run in: bubblewrap, and in it a warm process that forks a kernel for each submission.

Inside there is a read-only system, this Python with its packages, and of ours only what `inside` holds and the probes.
There is no network, no other user's file, nothing of the course: no solutions, no reference, no gradebook, no other
submission. `inside.kernel` says what is done for each submission on top of that. Everything that is ended is ended by
the process id that we were given for it.
"""

import array
import atexit
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from select import POLLIN, poll
from typing import BinaryIO

import autograder

PACKAGE = Path(autograder.__file__).resolve().parent
INSIDE = Path(__file__).resolve().parent / "inside"
GRADER, HOME, ENVIRONMENT = "/grader", "/home/student", Path("/environment")
FIRST_UID = 61_000  # where we are root, submissions run as this user and those that follow
START_SECONDS = 120
FILES_BYTES = 10_000_000  # of an assignment's data files that are copied to a kernel
LEAST = ["/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/etc/localtime", "/var/cache/fontconfig"]
HIDDEN = ["/usr/local/etc", "/usr/local/src", "/usr/src", f"{sys.prefix}/etc"]  # where settings and sources may lie

INSTALL = "Install it (Debian, Ubuntu: sudo apt install bubblewrap; Fedora: sudo dnf install bubblewrap)"


class NoSandbox(Exception):
    """This machine can't confine student code. The message is one sentence that says what to do."""


class SandboxLost(Exception):
    """The sandbox ended, or gave no answer."""


# What stands inside of ours: the launcher, and a package that is named like ours.
FURNISHED = {
    "kernel.py": INSIDE / "kernel.py",
    "autograder/__init__.py": INSIDE / "standin.py",
    "autograder/answering.py": INSIDE / "answering.py",
    "autograder/cells.py": INSIDE / "cells.py",
    "autograder/wire.py": PACKAGE / "grading" / "wire.py",
    "autograder/probe.py": PACKAGE / "probe.py",
}


def furnish(folder: Path) -> None:
    """Copy what stands inside of ours into ``folder``."""
    for name, source in FURNISHED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / name)


def command(furnished: Mapping[str, int], hide: Sequence[Path] = ()) -> list[str]:
    """The command line that runs Python in bubblewrap. ``hide`` names folders that must not be seen inside.

    ``furnished`` has an open descriptor of each file in `FURNISHED`.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise NoSandbox(f"Grading needs bubblewrap (the command bwrap), which is not here. {INSTALL}.")
    words = [bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--hostname", "grader"]
    words += ["--new-session", "--die-with-parent", "--clearenv"]
    if os.geteuid() == 0:
        # Root's own powers make the namespaces; `inside.kernel` then gives them up together with the user id.
        words += ["--cap-drop", "ALL"]
        words += [
            word for power in ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP") for word in ("--cap-add", f"CAP_{power}")
        ]
    else:
        words += ["--unshare-user"]
    for place, path in shown().items():
        above = [str(parent) for parent in reversed(place.parents[:-1])]
        words += [word for folder in above for word in ("--perms", "0755", "--dir", folder)]
        words += (
            ["--symlink", os.readlink(path), str(place)] if path.is_symlink() else ["--ro-bind", str(path), str(place)]
        )
    words += [word for folder in ("/etc", "/var", "/var/cache") for word in ("--perms", "0755", "--dir", folder)]
    for path in LEAST:
        words += ["--ro-bind-try", path, path]
    # What must not be seen goes over what is shown.
    for mask in map(Path.resolve, (*map(Path, HIDDEN), PACKAGE, PACKAGE.parent / "translator", *hide)):
        for place, path in shown().items():
            if mask.is_dir() and mask.is_relative_to(path) and not path.is_symlink():
                words += ["--tmpfs", str(place / mask.relative_to(path))]
    words += [
        "--tmpfs",
        "/tmp",
        "--perms",
        "0755",
        "--dir",
        "/home",
        "--tmpfs",
        HOME,
    ]  # each submission gets its own over these
    words += ["--perms", "0755", "--tmpfs", GRADER, "--perms", "0755", "--dir", f"{GRADER}/autograder"]
    for name, descriptor in furnished.items():
        words += ["--perms", "0644", "--file", str(descriptor), f"{GRADER}/{name}"]
    words += ["--dev", "/dev", "--proc", "/proc"]
    words += [word for place in (GRADER, "/dev", "/") for word in ("--remount-ro", place)]
    python = Path(sys.executable)
    if sys.prefix != sys.base_prefix:
        python = ENVIRONMENT / python.absolute().relative_to(Path(sys.prefix).absolute())
    settings = {
        "HOME": HOME, "USER": "student", "LOGNAME": "student", "LANG": "C.UTF-8", "TMPDIR": "/tmp",
        "PATH": f"{python.parent}:/usr/bin:/bin", "PYTHONPATH": GRADER, "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "NBGRADER_EXECUTION": "autograde",
    }  # fmt: skip
    words += [word for name, value in settings.items() for word in ("--setenv", name, value)]
    return [*words, "--chdir", "/", str(python)]


def shown() -> dict[Path, Path]:
    """What of this machine is seen inside, read-only: the place there, and the path here."""
    places = {Path("/usr"): Path("/usr")}
    places |= {path: path for path in map(Path, ("/bin", "/sbin", "/lib", "/lib32", "/lib64")) if path.exists()}
    base = Path(sys.base_prefix).resolve()
    if not base.is_relative_to("/usr"):
        places[base] = base
    if sys.prefix != sys.base_prefix:
        places[ENVIRONMENT] = Path(sys.prefix).resolve()
    return places


def trouble(sandbox: "Sandbox | None" = None) -> str:
    """Why this machine can't confine student code, in one sentence that says what to do; "" if it can.

    That is found by a ``sandbox`` that will be needed, or by one for this purpose.
    """
    try:
        with contextlib.nullcontext(sandbox) if sandbox else Sandbox() as tried:
            tried.made()
    except NoSandbox as error:
        return str(error)
    return ""


def refusal(said: str) -> str:
    """Why there is no sandbox, from the last line of what bubblewrap or the launcher said."""
    if said.startswith("bwrap"):
        return (
            f"bubblewrap can't make a sandbox here ({said}): have this system or container allow user namespaces "
            "(sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu), or grade as root."
        )
    return f"the sandbox did not start: {said}."


class Sandbox:
    """One sandbox with its warm parent process, started when it is first asked for a kernel.

    ``hide`` are folders that must not be seen inside. ``warm`` are the modules imported once, for all kernels; a
    sandbox can begin before they are known.
    """

    def __init__(self, hide: Sequence[Path] = (), warm: Sequence[str] | None = None) -> None:
        self.hide, self.warm = hide, warm
        self.process: subprocess.Popen | None = None  # none, too, if the sandbox is another process's
        self.control: socket.socket | None = None
        self.log: BinaryIO | None = None
        self.told = False  # what to import
        self.heard: list[bytes] = []  # how far it is
        self.leaving: list[Kept] = []  # kernels that have been killed

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        """Have it start, or start again after it was lost, and don't wait until it is ready."""
        if not self.alive():
            self.launch()
        if self.warm is not None and not self.told:
            self.told = True
            with contextlib.suppress(OSError):  # it has just ended; `start` will notice
                self.control.send(json.dumps(self.warm).encode())

    def alive(self, seconds: float = 0) -> bool:
        """Whether somebody is at the other end of the control socket, and stays there for some ``seconds``."""
        return self.control is not None and not hung_up(self.control, seconds)

    def launch(self) -> None:
        self.end()
        self.control, theirs = control_sockets()
        program = [f"{GRADER}/kernel.py", str(theirs.fileno())]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is ended
        with theirs, contextlib.ExitStack() as opened:
            furnished = {name: opened.enter_context(path.open("rb")).fileno() for name, path in FURNISHED.items()}
            self.process = subprocess.Popen(
                [*command(furnished, self.hide), *program],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                pass_fds=[theirs.fileno(), *furnished.values()],
                start_new_session=True,
            )

    def made(self) -> None:
        """Wait until it is there, though it may still be importing. Raises NoSandbox."""
        self.begin()
        self.wait_for(b"made")

    def start(self) -> None:
        """Be ready for the next kernel. Raises NoSandbox."""
        self.warm = self.warm or ()
        self.begin()
        self.wait_for(b"ready")

    def wait_for(self, word: bytes) -> None:
        """Wait until it has said so. One that was another process's and is lost gives way to an own one."""
        while word not in self.heard:
            said, _ = self.hear(START_SECONDS)
            if said:
                self.heard.append(said)
            elif self.process is None:
                self.end()
                self.begin()
            else:
                self.log.seek(0)
                lines = self.log.read().decode(errors="replace").strip().splitlines() or ["it ended without a word"]
                self.end()
                raise NoSandbox(refusal(lines[-1][:200]))

    def hear(self, seconds: float) -> tuple[bytes, int]:
        """The next message from inside, and the id, as we see it, of the process that sent it. b"" if there is none."""
        if not readable(self.control.fileno(), seconds):
            return b"", 0
        try:
            message, extras, _, _ = self.control.recvmsg(10_000, socket.CMSG_SPACE(12))
        except OSError:
            return b"", 0
        sender = next((data for _, kind, data in extras if kind == socket.SCM_CREDENTIALS), bytes(12))
        return message, int.from_bytes(sender[:4], sys.byteorder)

    def fork(self, talk: socket.socket, files: Mapping[str, Path], limits: Mapping) -> "Kept":
        """A fresh kernel at the other end of ``talk``, with copies of ``files``. Raises NoSandbox or SandboxLost."""
        self.start()
        while self.leaving:
            self.leaving.pop().wait()
        report, theirs = os.pipe()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, theirs)
            opened = {name: open_regular(path) for name, path in files.items()}
            for descriptor in opened.values():
                stack.callback(os.close, descriptor)
            request = {"files": list(opened), "uid": FIRST_UID + os.getpid() % 4000, **limits}
            descriptors = array.array("i", [theirs, talk.fileno(), *opened.values()])
            try:
                self.control.sendmsg(
                    [json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
                )
            except OSError as error:
                os.close(report)
                self.end()
                raise SandboxLost(f"the sandbox ended ({error.strerror})") from None
        answer, pid = self.hear(START_SECONDS)
        if answer != b"kept":
            os.close(report)
            self.end()
            raise SandboxLost(f"no kernel could be started: {answer.decode(errors='replace')[:200] or 'no answer'}")
        return Kept(pid, report)

    def share(self) -> socket.socket:
        """A control socket for a process forked from this one, which `adopt`s it."""
        self.warm = self.warm or ()
        self.begin()
        ours, theirs = control_sockets()
        brought = array.array("i", [theirs.fileno()])
        with theirs, contextlib.suppress(OSError):  # without a sandbox at the other end, `start` will notice
            self.control.sendmsg([b"join"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, brought)])
        return ours

    def adopt(self, control: socket.socket) -> None:
        """In a forked process: use the other's sandbox by a control socket of one's own."""
        self.control, self.process, self.log, self.heard = control, None, None, []

    def end(self) -> None:
        """End the sandbox with everything in it."""
        if self.control:
            self.control.close()
        if self.process:
            self.process.kill()  # bubblewrap's end is the end of process 1 inside, and so of all others
            self.process.wait()
        if self.log:
            self.log.close()
        self.process = self.control = self.log = None
        self.told, self.heard = False, []
        while self.leaving:
            self.leaving.pop().close()


@cache
def shared_sandbox(hide: str) -> Sandbox:
    """One sandbox a process and course, for all its kernels."""
    sandbox = Sandbox([Path(hide)])
    atexit.register(sandbox.end)
    return sandbox


def control_sockets() -> tuple[socket.socket, socket.socket]:
    """Our end, which learns who sends, and the one for inside."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return ours, theirs


class Kept:
    """A kernel, held by its keeper's process id. ``why`` says what ended it, once it has ended."""

    def __init__(self, pid: int, report: int) -> None:
        self.pid, self.report = pid, report
        self.handle = os.pidfd_open(pid)  # names this process for good, also when its number is used again
        self.why = ""

    def alive(self) -> bool:
        if self.handle is None:
            return False
        if not readable(self.handle, 0):
            return True
        with contextlib.suppress(OSError):
            os.set_blocking(self.report, False)
            self.why = os.read(self.report, 100).decode(errors="replace")
        self.close()
        return False

    def signal(self, number: int) -> None:
        """Send the keeper a signal: it passes an interrupt on, and takes everything with it when it is killed."""
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def wait(self) -> None:
        """Wait until nothing of it is left."""
        while self.alive():
            readable(self.handle, 1)

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            os.close(self.report)
            self.handle = None


def hung_up(control: socket.socket, seconds: float) -> bool:
    waiting = poll()
    waiting.register(control, 0)
    return bool(waiting.poll(seconds * 1000))


def readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read within ``seconds``; unlike `select`, of descriptors of any number."""
    waiting = poll()
    waiting.register(descriptor, POLLIN)
    return bool(waiting.poll(seconds * 1000))


def open_regular(path: Path) -> int:
    """A descriptor of a regular file, through no link."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
