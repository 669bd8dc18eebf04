"""The process that does nbgrader's work for `release` and `grade`, and the handle by which they hold it.

It is a process of its own so that a crash, a leak or an endless loop takes one submission's time and nothing more. Jobs
and answers are single lines of JSON. One submission is one job that depends on nothing but the files it names.
"""

import contextlib
import functools
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from time import monotonic
from typing import BinaryIO

import psutil

from autograder.check import MIME
from autograder.grading.sandbox import Sandbox

PAUSES = (1, 2, 4, 8)  # seconds before what may have passed is tried again
# By these an error is recognised that is no hand-in's fault. The first means that another worker, or a person in
# formgrader, writes to the gradebook just now.
PASSING = ("database is locked", "deadlock detected")
OF_THE_MACHINE = (
    "No space left on device", "database or disk is full", "Disk quota exceeded", "disk I/O error",
    "Read-only file system", "unable to open database file", "readonly database", "Too many open files", "NoSandbox:",
    "SandboxLost:", "psycopg.OperationalError", "psycopg.errors.DiskFull",
)  # fmt: skip


class WorkerFailed(Exception):
    """The worker died, or took too long and was ended. The message says which."""


class Worker:
    """One worker process, started when it is first asked something and again after it was lost.

    ``environment`` holds variables that it gets beside those of this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self.process: subprocess.Popen | Forked | None = None
        self.closed = False
        self.environment = environment or {}
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True
        self.end()
        self.log.close()

    def fork(self, sandbox: Sandbox | None) -> None:
        """Start it out of this process, with all that this one has imported and a way to its ``sandbox``.

        No other thread may run meanwhile: a lock that it holds would stay held in the worker.
        """
        (job, to_do), (answer, done), parent = os.pipe(), os.pipe(), os.getpid()
        control = sandbox.share() if sandbox else None
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                if sandbox:
                    sandbox.adopt(control)
                keep_only(job, done, self.log.fileno(), kept=[control.fileno()] if control else [])
                main(parent)
            finally:
                os._exit(1)
        os.close(job)
        os.close(done)
        if control:
            control.close()
        self.process = Forked(pid, os.fdopen(to_do, "wb"), os.fdopen(answer, "rb"))

    def ask(self, kind: str, seconds: float, **job: object) -> dict:
        """Have one job done. Raises WorkerFailed if the process dies or gives no answer within ``seconds``."""
        if self.closed:
            raise WorkerFailed("the run was stopped")
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "autograder.grading.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                env={**os.environ, **self.environment},
                start_new_session=True,  # Ctrl-C is for us to handle
            )
        try:
            self.process.stdin.write(json.dumps({"kind": kind, **job}).encode() + b"\n")
            self.process.stdin.flush()
            line = self.read_line(seconds)
        except BaseException as error:
            self.end()
            if isinstance(error, OSError):
                raise WorkerFailed("the grading process ended") from None
            raise
        if not line.endswith(b"\n"):
            self.end()
            raise WorkerFailed("the grading process ended")
        return json.loads(line)

    def read_line(self, seconds: float) -> bytes:
        deadline, line = monotonic() + seconds, b""
        with DefaultSelector() as selector:
            selector.register(self.process.stdout, EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0, deadline - monotonic())):
                    raise WorkerFailed(f"it took longer than {seconds:.0f} seconds")
                chunk = os.read(self.process.stdout.fileno(), 65536)
                if not chunk:
                    return line
                line += chunk
        return line

    def end(self) -> None:
        """End the process and the kernels that it started, by their ids."""
        if self.process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.process.pid).children(recursive=True)
            for member in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process = None


@dataclass
class Forked:
    """A process forked from this one, held as `subprocess.Popen` holds one."""

    pid: int
    stdin: BinaryIO
    stdout: BinaryIO

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self.pid, 0)


# ---- inside the process ---------------------------------------------------------------------------------------------

FIGURES = ("score", "max_score", "code_score", "max_code_score", "needs_manual_grade", "late_submission_penalty")
books = {}  # the gradebooks that were opened, and which file each is
together = False  # whether a submission is entered together with its grades


def keep_only(*standard: int, kept: Sequence[int]) -> None:
    """Have these descriptors as standard input, output and error, keep some more, and close all others."""
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
    low = len(standard)
    for number in sorted(kept):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    gc.freeze()  # what was imported before is not looked through again
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)  # other threads, of a parent that had some, are not here


def get_ready(notebooks: Sequence[Mapping], url: str) -> None:
    """Do before workers are forked what each would have to do at its first job. ``url`` is the gradebook's."""
    import nbformat
    import nbgrader.apps.api  # noqa: F401 - for `api`
    from sqlalchemy import make_url
    from sqlalchemy.orm import configure_mappers

    make_url(url).get_dialect()
    configure_mappers()
    for notebook in notebooks:  # the first of a format compiles its rules
        nbformat.validate(notebook)
        nbformat.validate(notebook, relax_add_props=True)


def main(parent: int) -> None:
    """Answer jobs from standard input until it, or ``parent``, ends. What nbgrader prints goes to standard error."""
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    jobs = {"release": release, "grade": grade}
    for line in sys.stdin:
        job = json.loads(line)
        follow_replaced()
        try:
            answer = jobs[job.pop("kind")](**job)
        except Exception as error:
            answer = {"error": sentence(error), "log": traceback.format_exc()}
        let_go(failed="error" in answer)
        print(json.dumps(answer), file=answers, flush=True)


def end_with(parent: int) -> None:
    """End this process when the one that started it is no more: what it does would be for nobody."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def api(course: str, work: str, execute: bool = True, confined: bool = True):
    """nbgrader's API on the gradebook and the autograded folder of ``course``; everything else is in ``work``."""
    from nbgrader import preprocessors as stock
    from nbgrader.apps.api import NbGraderAPI

    from autograder.grading.config import load

    global together
    config = load(Path(course))
    for step in ("source", "release", "submitted"):
        config.CourseDirectory[f"{step}_directory"] = str(Path(work) / step)
    config.Intake.enabled = False  # has been done, with what can't be read put aside
    # Nor is there anything to put right in its place.
    for step in (stock.ClearOutput, stock.DeduplicateIds, stock.OverwriteKernelspec, stock.OverwriteCells):
        with contextlib.suppress(ValueError):
            config.Autograde.sanitize_preprocessors.remove(step)
    together = not own_steps(config.Autograde)
    open_once()
    config.RunCells.execute = execute
    config.RunCells.confined = confined
    tempfile.tempdir = os.environ["TMPDIR"] = work  # what is left there goes when the run ends
    os.chdir(course)  # what a relative db_url is relative to
    return NbGraderAPI(config=config)


def own_steps(autograde) -> bool:
    """Whether this course has steps of its own before the grades are entered. They may look the submission up."""
    from nbconvert.preprocessors import ClearMetadataPreprocessor
    from nbgrader import preprocessors as stock

    from autograder.grading.preprocessors import RunCells, SaveGrades

    known = (RunCells, stock.IgnorePattern, ClearMetadataPreprocessor, stock.LimitOutput)
    before = [
        *autograde.sanitize_preprocessors,
        *takewhile(lambda step: step is not SaveGrades, autograde.autograde_preprocessors),
    ]
    return any(step not in known for step in before)


@functools.cache
def open_once() -> None:
    """Have nbgrader open a gradebook once in this process, and connect to it once: to one on a server, once for a job.

    By itself it does so ten times for a hand-in, each time with an engine that compiles every query anew, and looks
    each time whether all tables and the course are there.

    A submission is kept in the session until `SaveGrades` enters it with its grades, where `together` says so. Then it
    is never there without them, and the disk is waited for once.
    """
    from nbgrader.api import Gradebook

    stock, enter = Gradebook.__init__, Gradebook.add_submission

    @functools.cache
    def opened(folder: str, *which: object, **named: object) -> dict:
        stock(book := Gradebook.__new__(Gradebook), *which, **named)
        books[book] = file_of(book)
        return vars(book)

    def add_submission(book: Gradebook, *which: object, **named: object):
        book.db.autoflush, book.db.commit = False, lambda: None
        try:
            submission = enter(book, *which, **named)
        finally:
            del book.db.commit
        # Of several notebooks nbgrader looks up those that are missing. A server may not like to be kept waiting.
        if not together or len(submission.notebooks) > 1 or book.engine.name != "sqlite":
            book.db.commit()
        return submission

    Gradebook.__init__ = lambda book, *which, **named: vars(book).update(opened(os.getcwd(), *which, **named))
    Gradebook.add_submission = add_submission
    Gradebook.close = lambda book: None if book.db.new else book.db.remove()


def let_go(failed: bool = False) -> None:
    """Forget what waits to be entered in a gradebook, and close the connections to a server, or after a failure.

    One to a file is kept: the next job need not read its tables and prepare each query anew.
    """
    for book, file in books.items():
        book.db.remove()
        if failed or not file:
            book.engine.dispose()


def follow_replaced() -> None:
    """Close connections to files in whose place others were put meanwhile, as when a gradebook is restored."""
    for book, file in books.items():
        if file != (now := file_of(book)):
            book.engine.dispose()
            books[book] = now


def file_of(book) -> tuple[int, int] | None:
    """What tells a gradebook's file from any other; None if there is none, as on a server."""
    with contextlib.suppress(OSError):
        if book.engine.name == "sqlite":
            about = os.stat(book.engine.url.database)
            return about.st_dev, about.st_ino
    return None


def release(course: str, work: str, assignment: str, students: Sequence[str] = ()) -> dict:
    """Generate ``work/release/ASSIGNMENT`` and enter the assignment in the gradebook; say who is graded already.

    The ``students`` are entered, too.
    """
    from nbgrader.api import MissingEntry

    nbgrader = api(course, work)
    done = nbgrader.generate_assignment(assignment)
    if not done["success"]:
        return {"error": reason(done), "log": done.get("log", "")}
    with nbgrader.gradebook as gradebook, contextlib.suppress(MissingEntry):
        enter_students(gradebook.db, students)
        submissions = gradebook.assignment_submissions(assignment)
        return {"graded": {submission.student.id: scores(submission) for submission in submissions}}


def enter_students(session, students: Sequence[str]) -> None:
    """Enter those who are not in the gradebook yet, in one transaction. By itself nbgrader takes one for each."""
    from nbgrader.api import Student
    from sqlalchemy import select

    try:
        known = set(session.scalars(select(Student.id)))
        session.add_all(Student(id=student) for student in students if student not in known)
        session.commit()
    except Exception:  # a name that is no name for this gradebook: nbgrader says so when it comes to that hand-in
        session.rollback()


def grade(course: str, work: str, assignment: str, student: str, execute: bool, confined: bool) -> dict:
    """Autograde ``work/submitted/STUDENT/ASSIGNMENT`` into the gradebook and ``course/autograded``."""
    import nbformat

    from autograder.grading.preprocessors import kernel_ahead

    nbgrader = api(course, work, execute, confined)
    with (
        kernel_ahead(nbgrader.config, nbgrader.coursedir, assignment)
        if execute and confined
        else contextlib.nullcontext()
    ):
        done = nbgrader.autograde(assignment, student, force=True)
    for pause in PAUSES:
        if done["success"] or not any(words in done.get("log", "") for words in PASSING):
            break
        time.sleep(pause)
        let_go(failed=True)
        done = nbgrader.autograde(assignment, student, force=True)
    if not done["success"]:
        log = done.get("log", "")
        return {
            "error": reason(done),
            "log": log,
            "machine": any(words in log for words in (*PASSING, *OF_THE_MACHINE)),
        }
    with nbgrader.gradebook as gradebook:
        answer = scores(gradebook.find_submission(assignment, student))
    autograded = nbgrader.coursedir.format_path(nbgrader.coursedir.autograded_directory, student, assignment)
    notebook = nbformat.v4.reads(Path(autograded, f"{assignment}.ipynb").read_text("utf-8"))
    errors = [out for cell in notebook.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    first = f"{errors[0].ename}: {errors[0].evalue}" if errors else ""
    return answer | {"notes": troubles(notebook), "first_error": first}


def scores(submission) -> dict:
    """What the gradebook says of a submission."""
    from nbgrader.api import BaseCell, Grade, SubmittedNotebook
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    gradebook = object_session(submission)
    gradebook.refresh(submission, FIGURES)  # each by itself would be a query
    parts = select(BaseCell.name, Grade.score).join(Grade.cell).join(Grade.notebook)
    return {
        "score": submission.score - (submission.late_submission_penalty or 0),
        "max_score": submission.max_score,
        "code_score": submission.code_score,
        "max_code_score": submission.max_code_score,
        "to_read": bool(submission.needs_manual_grade),
        "parts": dict(gradebook.execute(parts.where(SubmittedNotebook.assignment_id == submission.id)).tuples().all()),
    }


def troubles(notebook) -> list[str]:
    """What `RunCells` had to say about the cells of an autograded notebook."""
    ours = ("DeadKernel", "CellTimeout", "NotebookTimeout", "NoVerdict", "BadReply", "CellTimeoutError")
    found = []
    for number, cell in enumerate(notebook.cells, start=1):
        name = cell.metadata.get("nbgrader", {}).get("grade_id") or f"cell {number}"
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename in ours:
                found.append(f"{name}: {output.evalue or 'stopped when its time was over'}.")
            elif why := output.get("data", {}).get(MIME, {}).get("unanswered"):
                found.append(f"{name}: {why}.")
            elif called := output.get("data", {}).get(MIME, {}).get("called"):
                found.append(f"{name}: calls {' and '.join(called)}, in whose place an own one was asked for.")
    return found


def reason(done: dict) -> str:
    """The last line of what an nbgrader command that failed has logged, which names the cause."""
    log = [line for line in done.get("log", "").splitlines() if line.strip()]
    causes = [line for line in log if line.split(":")[0].endswith(("Error", "Exception"))]
    return (causes or log or done["error"].strip().splitlines())[-1].removeprefix("[ERROR] ").strip()


def sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    main(os.getppid())
