"""Runs a notebook's cells in IPython's shell for Jupyter, and tells over one socket what they show.

That is what ipykernel does for a notebook that a person sits at. Here nobody does, so there is no completion, no
debugger, no widget and no thread. Hence a shell can be made once, before the processes that use it are forked from one
another. A message, either way, is JSON behind its length: in, a cell's ``code`` and whether it is a ``question`` of the
grader's; out, what Jupyter calls ``msg_type`` and ``content``, last the ``execute_reply``.
"""

import builtins
import getpass
import io
import json
import os
import signal
import socket
import sys
import threading
import time

from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import StdinNotImplementedError
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from traitlets.config import Config

from autograder import probe, wire

MOST_BYTES = 15_000_000  # of one message
MOST_TEXT = 100_000  # characters that are printed before they are sent
OFTEN = 0.2  # seconds between two looks at what was printed


class Talk(Session):
    """What a shell takes for its way to Jupyter. Processes forked from the one that opened it have nothing to say."""

    owner = 0

    def open(self, talk: socket.socket) -> None:
        self.talk, self.owner, self.lock = talk, os.getpid(), threading.RLock()
        self.running = self.sending = self.interrupted = False
        signal.signal(signal.SIGINT, self.interrupt)

    def interrupt(self, *_: object) -> None:
        """Interrupts a cell that runs, but no message."""
        if self.sending:
            self.interrupted = True
        elif self.running:
            raise KeyboardInterrupt

    def send(self, stream, msg_or_type, content=None, *_, **__):
        """Called with what Jupyter would be told: a message, or its type and content."""
        if isinstance(msg_or_type, dict):
            self.say(msg_or_type["msg_type"], msg_or_type["content"])
        else:
            self.say(msg_or_type, content)

    def say(self, kind: str, content: dict) -> None:
        """Send a message, whole. In place of one that is too large, a word about it."""
        if self.owner != os.getpid():
            return
        message = wire.framed({"msg_type": kind, "content": content}, json_default)
        if len(message) > MOST_BYTES:
            self.say("stream", {"name": "stdout", "text": f"[too much to show: {len(message):,} bytes]\n"})
            return
        with self.lock:
            self.sending = threading.current_thread() is threading.main_thread()
            try:
                self.talk.sendall(message)
            finally:
                self.sending = False
            if self.interrupted:
                self.interrupted = False
                self.interrupt()

    def hear(self) -> dict | None:
        """The next message; None from whoever is gone."""
        length = self.read(wire.LENGTH.size)
        return json.loads(self.read(*wire.LENGTH.unpack(length))) if length else None

    def read(self, size: int) -> bytes:
        read = b""
        while len(read) < size and (more := self.talk.recv(size - len(read))):
            read += more
        return read


class Printed(io.TextIOBase):
    """Standard output or standard error of the cells."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, name: str, number: int, talk: Talk) -> None:
        self.name, self.number, self.talk = name, number, talk
        self.parts, self.size, self.sent = [], 0, 0.0

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.number

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        for start in range(0, len(text), MOST_TEXT):
            self.parts.append(text[start : start + MOST_TEXT])
            self.size += len(self.parts[-1])
            if self.size > MOST_TEXT or time.monotonic() > self.sent + OFTEN:
                self.flush()
        return len(text)

    def flush(self) -> None:
        parts, self.parts, self.size, self.sent = self.parts, [], 0, time.monotonic()
        if parts:
            self.talk.say("stream", {"name": self.name, "text": "".join(parts)})


class Shell(ZMQInteractiveShell):
    """A shell at which nobody sits."""

    def enable_gui(self, gui=None):
        """There is no window to show anything in."""

    def ask_exit(self):
        """It ends when whoever asks is gone."""


def make_shell() -> Shell:
    """A shell that has imported and compiled what its first cell, its first error and its first answer take."""
    shell = Shell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    shell.displayhook.session = shell.display_pub.session = Talk()
    for code in ("1", "1 / 0", "__import__('autograder.answering').answering.practise()"):
        shell.run_cell(code, silent=True)
    shell.logger  # noqa: B018 - which the first cell that is not silent would import
    return shell


def serve(shell: Shell, talk: socket.socket) -> None:
    """Run one cell after the other, until nobody asks any more. A process that a cell forks comes back, and ends."""
    session = shell.displayhook.session
    session.open(talk)
    sys.stdout, sys.stderr = Printed("stdout", 1, session), Printed("stderr", 2, session)
    builtins.input = getpass.getpass = nobody_answers
    sys.path.insert(0, "")
    printed = sys.stdout, sys.stderr
    session.say("ready", {})
    while session.owner == os.getpid() and (asked := session.hear()) is not None:
        session.say("execute_reply", run(shell, asked["code"], asked["question"], printed))


def run(shell: Shell, code: str, question: bool, printed: tuple[Printed, Printed]) -> dict:
    """Run a cell or a question, which is plain Python and needs nothing of IPython. Returns Jupyter's reply."""
    session = shell.displayhook.session
    session.running = True
    try:
        if question:
            error = put(shell, code)
        else:
            result = shell.run_cell(code, store_history=True)
            error = result.error_before_exec or result.error_in_exec
        for stream in printed:
            stream.flush()
    except KeyboardInterrupt as interrupt:
        error = interrupt
    finally:
        session.running = session.interrupted = False
        shell.payload_manager.clear_payload()
    reply = {"status": "ok", "execution_count": shell.execution_count - 1}
    if error is not None:
        about = {
            "ename": type(error).__name__,
            "evalue": probe.plain_text(error),
            "traceback": shell._last_traceback or [],
        }
        reply |= {"status": "error", **about}
    return reply


def put(shell: Shell, question: str) -> BaseException | None:
    """Put a question to the notebook. Returns the error that came of it."""
    try:
        eval(question, {})
    except BaseException as error:
        about = {"ename": type(error).__name__, "evalue": probe.plain_text(error), "traceback": []}
        shell.displayhook.session.say("error", about)
        return error
    finally:
        shell.events.trigger("post_execute")  # by which figures are closed, and not shown under the next cell
    return None


def nobody_answers(*_, **__):
    raise StdinNotImplementedError("This cell asks for input, and nobody is there to give it.")
