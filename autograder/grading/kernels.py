"""Jupyter's way to a kernel in the sandbox: a kernel provisioner, and the manager that uses it.

Talk with a kernel goes over Unix sockets that are opened out here, in a folder of ours that is not seen inside, and
handed in as open descriptors. Messages are bounded, and a connection that breaks is not made again.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import tempfile
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

import zmq.asyncio
from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Instance, Type

from autograder.grading.sandbox import FILES_BYTES, Kept, Sandbox

CHANNELS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")
MESSAGE_BYTES = 16_000_000


class SandboxProvisioner(KernelProvisionerBase):
    """Starts a kernel in a `Sandbox`, and ends it by its keeper's process id."""

    sandbox = Instance(Sandbox)
    limits: dict
    kept: Kept | None = None
    folder: str | None = None

    @property
    def has_process(self) -> bool:
        return self.kept is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """What the kernel spec's command line is does not matter: the kernel is forked, not started."""
        kwargs.pop("extra_arguments", None)
        return {"cmd": [], "cwd": kwargs.get("cwd")}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        self.folder = tempfile.mkdtemp(prefix="kernel_")
        info = {"transport": "ipc", "ip": f"{self.folder}/k", "signature_scheme": "hmac-sha256"}
        info |= {name: number for number, name in enumerate(CHANNELS, start=1)}
        key = self.parent.session.key
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(listening(f"{info['ip']}-{info[name]}")) for name in CHANNELS]
            files = data_files(Path(kwargs["cwd"])) if kwargs.get("cwd") else {}
            self.kept = self.sandbox.fork(info | {"key": key.decode()}, sockets, files, self.limits)
        return info | {"key": key}

    async def poll(self) -> int | None:
        return None if self.kept and self.kept.alive() else 0

    async def wait(self) -> int | None:
        while await self.poll() is None:
            await asyncio.sleep(0.002)
        return 0

    async def send_signal(self, signum: int) -> None:
        if self.kept:
            self.kept.signal(signum if signum == signal.SIGINT else signal.SIGKILL)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def cleanup(self, restart: bool = False) -> None:
        if self.kept:
            self.kept.kill()
            await self.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


class SandboxedKernelClient(AsyncKernelClient):
    """Talks with a kernel that has no heartbeat, and closes with its channels what they were opened in."""

    def start_channels(self, **kwargs: Any) -> None:
        super().start_channels(**kwargs | {"hb": False})
        for channel in (self.shell_channel, self.iopub_channel, self.stdin_channel, self.control_channel):
            channel.socket.linger = 0  # what a kernel that has ended did not take in is not kept for it

    def stop_channels(self) -> None:
        self.context.destroy(linger=0)
        super().stop_channels()

    async def wait_for_ready(self, timeout: float = 60) -> None:
        """Return as soon as one answer has come whole on both channels. Raises RuntimeError."""
        deadline = monotonic() + timeout
        while monotonic() < deadline and await self.is_alive():
            asked = self.kernel_info()
            with contextlib.suppress(Empty):
                while (await self.get_shell_msg(timeout=1))["parent_header"].get("msg_id") != asked:
                    pass
                state = ""
                while state != "idle":  # what was said before this channel was connected is lost; then ask again
                    said = await self.get_iopub_msg(timeout=0.1)
                    state = said["parent_header"].get("msg_id") == asked and said["content"].get("execution_state")
                return
        raise RuntimeError("the kernel gave no answer")


class SandboxedKernelManager(AsyncKernelManager):
    """Manages a kernel that is forked in a sandbox."""

    client_factory = Type(SandboxedKernelClient)

    def __init__(self, sandbox: Sandbox, limits: dict, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.transport = "ipc"
        self.context = bounded_context()
        self.provisioner = SandboxProvisioner(parent=self, kernel_spec=self.kernel_spec, sandbox=sandbox)
        self.provisioner.limits = limits

    def client(self, **kwargs: Any):
        return super().client(context=self.context, **kwargs)

    async def shutdown_kernel(self, now: bool = True, restart: bool = False) -> None:
        """At once, and without the tenth of a second after which the base class looks again."""
        await self.provisioner.kill(restart)
        await self.provisioner.wait()


def bounded_context() -> zmq.asyncio.Context:
    """Sockets made in it take no message that is too large, never connect twice, and don't wait for whoever is gone."""
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
    context.setsockopt(zmq.RECONNECT_IVL, -1)
    context.setsockopt(zmq.SNDTIMEO, 1000)
    context.setsockopt(zmq.LINGER, 0)
    return context


@contextlib.contextmanager
def listening(path: str):
    """A listening Unix socket at ``path``."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        one.bind(path)
        one.listen(8)
        one.setblocking(False)
        yield one


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
