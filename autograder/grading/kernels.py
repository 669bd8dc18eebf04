"""Our end of a kernel in the sandbox: has cells run there, one at a time, and hears what they show.

What comes out of a sandbox is not trusted. A message is of bounded size, and nobody waits for one longer than they
want to.
"""

import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT
from time import monotonic

from nbclient.exceptions import DeadKernelError

from autograder.grading import wire
from autograder.grading.sandbox import FILES_BYTES, Sandbox, SandboxLost, readable

MESSAGE_BYTES = 16_000_000
LAST_SECONDS = 5  # in which a kernel that has fallen silent ends, if it does


class Kernel:
    """A fresh kernel in a ``sandbox``, under ``limits`` (see `inside.kernel`), with copies of the files in ``folder``.

    Raises NoSandbox or SandboxLost.
    """

    def __init__(self, sandbox: Sandbox, limits: Mapping, folder: Path | None = None) -> None:
        self.sandbox = sandbox
        self.talk, theirs = socket.socketpair()
        self.heard = bytearray()
        try:
            with theirs:
                self.kept = sandbox.fork(theirs, data_files(folder) if folder else {}, limits)
        except BaseException:
            self.talk.close()
            raise

    def wait_until_ready(self, seconds: float) -> None:
        """Wait for its first word. Raises SandboxLost."""
        try:
            self.hear(monotonic() + seconds)
        except (DeadKernelError, TimeoutError) as error:
            self.end()
            raise SandboxLost(f"a kernel did not start ({error})") from None

    def run(self, code: str, deadline: float, question: bool = False) -> None:
        """Have it run a cell or a ``question``, of which `hear` then tells. Raises TimeoutError or DeadKernelError."""
        self.talk.settimeout(max(0.001, deadline - monotonic()))
        try:
            self.talk.sendall(wire.framed({"code": code, "question": question}))
        except TimeoutError:
            raise
        except OSError:
            raise self.silence() from None

    def hear(self, deadline: float) -> dict:
        """Its next message, with ``msg_type`` and ``content`` as in Jupyter.

        Raises TimeoutError if none has come until ``deadline`` (of `monotonic`), DeadKernelError if none will come, and
        ValueError for what is no message.
        """
        head = wire.LENGTH.size
        self.read(head, deadline)
        (size,) = wire.LENGTH.unpack(self.heard[:head])
        if size > MESSAGE_BYTES:
            raise ValueError("a message is too large")
        self.read(head + size, deadline)
        message = json.loads(self.heard[head : head + size])
        del self.heard[: head + size]
        if not (
            isinstance(message, dict)
            and isinstance(message.get("msg_type"), str)
            and isinstance(message.get("content"), dict)
        ):
            raise ValueError("a message is none")
        return message

    def read(self, size: int, deadline: float) -> None:
        """Wait until ``size`` bytes have been heard."""
        while len(self.heard) < size:
            if not readable(self.talk.fileno(), max(0, deadline - monotonic())):
                raise TimeoutError("no answer")
            try:
                more = self.talk.recv(1 << 20)
            except OSError:
                more = b""
            if not more:
                raise self.silence()
            self.heard += more

    def silence(self) -> DeadKernelError:
        """What to raise when nobody is at the other end. The kernel's keeper gets the time to say why."""
        if self.kept.handle is not None:
            readable(self.kept.handle, LAST_SECONDS)
        return DeadKernelError("Kernel died")

    def interrupt(self) -> None:
        self.kept.signal(SIGINT)

    def end(self) -> None:
        """End it with all that it has started. The next one in its sandbox starts when nothing of it is left."""
        self.kept.kill()
        self.sandbox.leaving.append(self.kept)
        self.talk.close()


def data_files(folder: Path) -> dict[str, Path]:
    """The regular files beside a notebook, small enough together, by their names in the notebook's folder."""
    found, left = {}, FILES_BYTES
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(place, name) for name in sorted(names)):
            about = path.lstat()
            if path.suffix == ".ipynb" or not stat.S_ISREG(about.st_mode) or about.st_size > left or len(found) == 100:
                continue
            left -= about.st_size
            found[str(path.relative_to(folder))] = path
    return found
