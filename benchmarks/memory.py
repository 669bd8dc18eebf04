"""The memory of a command and all that it starts, watched while it runs."""

import contextlib
import subprocess
import threading

import psutil


class Watched:
    """A running command: ``peak`` is the most memory so far, in bytes, that it and its descendants had together.

    Pages that several processes share are counted once (PSS, proportional set size) where the system lets us know, else
    once for each. ``each`` is called after every look at it.
    """

    def __init__(self, command, each=lambda: None, **options):
        self.peak = self.now = 0
        self.each = each
        self.ended = threading.Event()
        self.process = subprocess.Popen(command, **options)
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self):
        while not self.ended.is_set():
            self.now = memory_of(self.process.pid)
            self.peak = max(self.peak, self.now)
            self.each()
            self.ended.wait(1)  # a look at ten processes takes 20 ms of a core

    def wait(self, seconds):
        """Its exit status, as soon as it has ended. It is killed if it takes longer."""
        timer = threading.Timer(seconds, self.process.kill)
        timer.start()
        try:
            return self.process.wait()  # with a time limit, Python would look 20 times a second only
        finally:
            timer.cancel()
            self.process.kill()  # where this is interrupted
            self.ended.set()
            self.watcher.join()


def memory_of(pid):
    total = 0
    with contextlib.suppress(psutil.Error):
        top = psutil.Process(pid)
        for process in [top, *top.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                try:
                    total += process.memory_full_info().pss
                except psutil.AccessDenied:
                    total += process.memory_info().rss
    return total
