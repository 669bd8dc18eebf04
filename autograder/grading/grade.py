"""Grades everything that was handed in, through nbgrader, some submissions at a time.

Each submission ends with a score or with the reason why it has none, in the gradebook (so that no student is missing
there) and in a journal, ``autograded/.journal/ASSIGNMENT.jsonl`` in the course directory. The journal is what makes a
run that was ended midway go on where it stopped: a submission that is in it unchanged is not graded again.

Student code runs in the sandbox (`autograder.grading.sandbox`), and is judged outside (`autograder.grading.verdict`).
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from time import monotonic

import nbformat
from nbgrader.coursedir import CourseDirectory
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from traitlets.config import Config

from autograder.grading import config
from autograder.grading.course import BadInput, choose, read_source, sources
from autograder.grading.notebooks import (
    MAX_BYTES,
    Unreadable,
    read_submission,
    readable_time,
    refused,
    small_text,
)
from autograder.grading.preprocessors import RunCells
from autograder.grading.sandbox import Sandbox, shared_sandbox, trouble
from autograder.grading.worker import Worker, WorkerFailed, get_ready

GRACE = (
    120  # seconds that nbgrader's own work, a slow start and the end of a kernel may take beside the notebook's time
)


OF_THE_MACHINE = {
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE", "ENFILE", "ENOMEM")
}  # errors that are no hand-in's fault
PATTERN = "*?["  # characters that nbgrader does not take as such in a student's name
WORK = "grade_"  # how the name of a run's temporary folder begins


@dataclass
class Outcome:
    """What became of one submission: its scores, or the reason why it could not be graded, and notes.

    ``score`` counts the written answers that have been read so far, ``code_score`` only the checks.
    ``to_read`` says that a person has still to read a written answer. ``fingerprint`` tells whether it has changed.
    """

    student: str
    fingerprint: str
    score: float | None = None
    max_score: float | None = None
    code_score: float | None = None
    max_code_score: float | None = None
    to_read: bool = False
    reason: str = ""
    notes: list[str] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


def grade(
    names: Sequence[str],
    course: Path = config.REPOSITORY,
    force: bool = False,
    console: Console | None = None,
    confined: bool = True,
    workers: int = 1,
    dask: str = "",
) -> int:
    """Grade the assignments named in the course directory ``course`` and print a table of each.

    With ``confined`` off, student code runs as whoever runs this, with all that they may do. ``workers`` is how many
    submissions are graded at a time; it changes nothing about what they score. Nor does ``dask``, the address of a Dask
    scheduler, whose workers then grade in place of ours.

    Returns 0 when every submission has a score or a stated reason in the gradebook, else 1.
    Raises BadInput for a request that can't be carried out; then nothing has been written.
    """
    console = console or Console()
    course = course.absolute()
    sandbox = shared_sandbox(str(course)) if confined and not dask else None
    with sandbox or contextlib.nullcontext():
        settings, folders, chosen = examine(names, course, confined, sandbox)
        if dask:
            from autograder.grading.cluster import DaskPool

            pool = DaskPool(dask, course, settings, folders[chosen[0]][0], confined)
        else:
            settings.RunCells.confined = confined
            assigned = [read_source(sources(course), name) for name in chosen]
            pool = Pool(workers, sandbox, assigned, settings)
        status = 0
        with locked(course, settings) as work, pool:
            seconds = GRACE + settings.RunCells.notebook_timeout
            batches = [Batch(name, course, work, seconds, confined) for name in chosen]
            for batch, graded in zip(batches, enter(batches, pool, folders), strict=True):
                outcomes = grade_assignment(batch, folders[batch.name], graded, settings, pool, force, console)
                console.print(table(batch.name, outcomes))
                console.print(tally(outcomes))
                status |= any(outcome.score is None for outcome in outcomes)
    return status


def examine(
    names: Sequence[str], course: Path, confined: bool = True, sandbox: Sandbox | None = None
) -> tuple[Config, dict[str, list[Path]], list[str]]:
    """The course's settings, each assignment's submissions, and the assignments. Raises BadInput; writes nothing."""
    if not course.is_dir():
        raise BadInput(f"There is no course directory {course}: name one with --course.")
    if shutil.which("alembic", path=os.path.dirname(sys.executable)) is None and shutil.which("alembic") is None:
        raise BadInput("nbgrader needs the command alembic to make a gradebook: run pip install alembic.")
    chosen = choose(names, sources(course))
    try:
        settings = config.load(course)
    except Exception as error:  # an instructor's own Python file may raise anything
        raise BadInput(f"{course / config.FILE} can't be used: {type(error).__name__}: {error}.") from None
    folders = {name: submissions(name, settings) for name in chosen}
    for name in chosen:
        read_source(sources(course), name)
        if not folders[name]:
            where = directory(settings).format_path(directory(settings).submitted_directory, "STUDENT", name)
            raise BadInput(f"Nothing was handed in for {name}: submissions belong in {where}.")
    for folder in [course, course / directory(settings).autograded_directory]:
        if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise BadInput(f"{folder} can't be written to: give yourself the right to, or name another --course.")
    try_gradebook(directory(settings).db_url)
    if confined and (why := trouble(sandbox)):
        raise BadInput(
            f"{why} Only if every hand-in is by people you trust: --unsafe-no-sandbox runs their code as your own."
        )
    return settings, folders, chosen


def directory(settings: Config) -> CourseDirectory:
    """nbgrader's view of the course directory."""
    return CourseDirectory(config=settings)


def submissions(name: str, settings: Config) -> list[Path]:
    """The folders in which an assignment was handed in, one a student, in the students' order."""
    course = directory(settings)
    everyone = Path(course.format_path(course.submitted_directory, "x", name)).parent.parent
    return sorted(
        student / name
        for student in (everyone.iterdir() if everyone.is_dir() else ())
        if not student.name.startswith(".") and os.path.lexists(student / name)
    )


def try_gradebook(url: str) -> None:
    """Raise BadInput if a gradebook in a file is damaged or locked, or one in a database can't be reached."""
    path = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite"):
        return try_database(url)
    if not url.startswith("sqlite:///") or not path.exists():
        return
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=3, isolation_level=None)) as gradebook:
            gradebook.execute("begin immediate")
            gradebook.execute("select count(*) from sqlite_master")
            gradebook.execute("rollback")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise BadInput(
                f"{path} is locked: close the other program that uses the gradebook, then try again."
            ) from None
        raise BadInput(f"{path} can't be used as a gradebook: {error}.") from None
    except sqlite3.DatabaseError:
        raise BadInput(f"{path} is not a gradebook: move it away, or put a copy of the right one there.") from None


def try_database(url: str) -> None:
    """Raise BadInput if there is no database at ``url``. The message does not hold its password."""
    try:
        safe = make_url(url).set(query={}).render_as_string(hide_password=True)
        engine = create_engine(url)
        with contextlib.closing(engine.connect()):
            pass
        engine.dispose()
    except ModuleNotFoundError as error:
        install = "pip install 'keep-the-attention[postgresql]'"
        raise BadInput(f"The gradebook's database needs the package {error.name}: {install}.") from None
    except ArgumentError:
        raise BadInput("CourseDirectory.db_url in nbgrader_config.py is no address of a database.") from None
    except SQLAlchemyError as error:
        why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise BadInput(f"The gradebook {safe} can't be reached: {why}.") from None


def journal_folder(course: Path, settings: Config) -> Path:
    return course / directory(settings).autograded_directory / ".journal"


@contextlib.contextmanager
def locked(course: Path, settings: Config) -> Iterator[Path]:
    """Keep a second run off the same course. Gives a folder for the run's work; all that is temporary lies in it.

    The lock names that folder, so that the next run removes it where this one is killed. Raises BadInput if another run
    is at work.
    """
    folder = journal_folder(course, settings)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(f"Another autograder grade is at work in {course}: wait for its end.") from None
        lock.seek(0)
        left = Path(lock.read() or "/")
        if left.name.startswith(WORK) and left.parent == Path(tempfile.gettempdir()):
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=WORK, ignore_cleanup_errors=True) as work:
            lock.truncate(0)
            lock.write(work)
            lock.flush()
            yield Path(work)
        lock.truncate(0)


# ---- one assignment -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """What the submissions of one assignment have in common. ``seconds`` is how long one may take."""

    name: str
    course: Path
    work: Path
    seconds: float
    confined: bool

    def ask(self, worker: "Worker | Pool", kind: str, **job: object) -> dict:
        """Have a worker do a job. Raises WorkerFailed."""
        given = {"course": str(self.course), "work": str(self.work), "assignment": self.name}
        return worker.ask(kind, self.seconds, **given, **job)


class Pool:
    """Some workers, and one thread more, so that the next submission is read while others are graded.

    Where this process has no other thread, the workers are forked from it, and have one sandbox together. What judging
    the notebooks ``assigned`` takes has then been imported.
    """

    def __init__(
        self, size: int, sandbox: Sandbox | None, assigned: Sequence[nbformat.NotebookNode], settings: Config
    ) -> None:
        self.sandbox, self.assigned, self.settings = sandbox, assigned, settings
        self.workers = [Worker() for _ in range(size)]
        self.threads = ThreadPoolExecutor(size + 1)
        self.free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self.workers:
            self.free.put(worker)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.threads.shutdown(wait=False, cancel_futures=True)
        for worker in self.workers:  # whoever still waits for one hears that it ended
            worker.__exit__()
        self.threads.shutdown()

    def release(self, batches: Sequence[Batch], students: Sequence[str]) -> list[dict]:
        """Get ready and fork the workers, and have one of them enter assignments and students."""
        with contextlib.suppress(Exception):  # it breaks again in a worker, which says of which hand-in
            RunCells(config=self.settings).get_ready(self.assigned, directory(self.settings))
            get_ready(self.assigned, directory(self.settings).db_url)
        if threading.active_count() == 1:
            for worker in self.workers:
                worker.fork(self.sandbox)
        return [batch.ask(self.workers[0], "release", students=students) for batch in batches]

    def run(self, task: Callable[..., Outcome], *arguments: object) -> Future[Outcome]:
        """Call ``task`` with these arguments, and with this pool in the place of a worker."""
        return self.threads.submit(task, self, *arguments)

    def ask(self, kind: str, seconds: float, **job: object) -> dict:
        """Have a worker do one job, as soon as there is a free one. Raises WorkerFailed."""
        worker = self.free.get()
        try:
            return worker.ask(kind, seconds, **job)
        finally:
            self.free.put(worker)


def enter(batches: Sequence[Batch], pool: Pool, folders: Mapping[str, Sequence[Path]]) -> list[dict]:
    """Enter the assignments in the gradebook, and who handed in, whose ``folders`` these are.

    Returns, of each assignment, the scores of all who are graded. Raises BadInput.
    """
    for batch in batches:
        hidden = shutil.ignore_patterns(".*", "__pycache__")
        shutil.copytree(sources(batch.course) / batch.name, batch.work / "source" / batch.name, ignore=hidden)
    try:
        everyone = {folder.parent.name for batch in batches for folder in folders[batch.name]}
        answers = pool.release(batches, sorted(student for student in everyone if not set(PATTERN) & set(student)))
    except WorkerFailed as error:
        names = ", ".join(batch.name for batch in batches)
        raise BadInput(f"nbgrader could not make the student's version of {names}: {error}.") from None
    for batch, answer in zip(batches, answers, strict=True):
        if "error" in answer:
            raise BadInput(f"nbgrader can't enter {batch.name} in the gradebook: {answer['error']}")
    return [answer["graded"] for answer in answers]


def grade_assignment(
    batch: Batch,
    folders: Sequence[Path],
    graded: dict,
    settings: Config,
    pool: Pool,
    force: bool,
    console: Console,
) -> list[Outcome]:
    """Grade one assignment's submissions; the outcomes stand in the students' order. `enter` gave ``graded``."""
    name, course, work = batch.name, batch.course, batch.work
    source = sources(course) / name
    journal = Journal(journal_folder(course, settings) / f"{name}.jsonl")
    source_digest = digest([source / f"{name}.ipynb"])
    fingerprints = {folder.parent.name: source_digest + fingerprint_of(folder) for folder in folders}
    before = {} if force else journal.outcomes
    same = {student: one for student, one in before.items() if one.fingerprint == fingerprints.get(student)}
    release = nbformat.read(work / "release" / name / f"{name}.ipynb", as_version=4)
    if force:
        journal.forget(folder.parent.name for folder in folders)
    outcomes, waiting = {}, []
    for folder in folders:
        student = folder.parent.name
        if student in same and student in graded:
            scores = graded[student]  # to which manual grades may have come
            outcomes[student] = Outcome(**asdict(same[student]) | scores)
        else:
            waiting.append(pool.run(grade_one, batch, folder, release, fingerprints[student]))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(name, total=len(folders), completed=len(outcomes))
        for done in as_completed(waiting):
            outcome = done.result()
            if outcome.score is not None:
                try:
                    journal.add(outcome)
                except OSError as error:
                    outcome = undone(Outcome(outcome.student, outcome.fingerprint), str(error))
            outcomes[outcome.student] = outcome
            progress.update(task, description=escape(f"{name} {outcome.student}"), advance=1)
    return [outcomes[folder.parent.name] for folder in folders]


def grade_one(
    worker: Worker | Pool, batch: Batch, folder: Path, release: nbformat.NotebookNode, fingerprint: str
) -> Outcome:
    """Grade one submission. One that can't be read, or that takes nbgrader down, is entered with its reason instead."""
    staged = batch.work / "submitted" / folder.parent.name / batch.name
    try:
        return grade_staged(worker, batch, folder, release, fingerprint, staged)
    finally:  # not at the end of the run, where nothing else would be done while the disk is waited for
        shutil.rmtree(staged.parent, ignore_errors=True)


def grade_staged(
    worker: Worker | Pool,
    batch: Batch,
    folder: Path,
    release: nbformat.NotebookNode,
    fingerprint: str,
    staged: Path,
) -> Outcome:
    """Grade one submission, of which ``staged`` will hold what nbgrader is given."""
    student, start = folder.parent.name, monotonic()
    job = {"student": student, "confined": batch.confined}
    outcome = Outcome(student, fingerprint)
    if set(PATTERN) & set(student):
        outcome.reason = "Its folder's name holds one of * ? [, which nbgrader takes for a pattern: rename the folder."
        return outcome
    try:
        notebook, outcome.notes = read_submission(folder, batch.name, release)
        outcome.notes += stage(notebook, folder, staged)
        answer = batch.ask(worker, "grade", execute=True, **job)
        outcome.reason = answer.pop("error", "")
        if answer.get("machine"):
            return undone(outcome, outcome.reason)
    except Unreadable as error:
        outcome.reason = str(error)
    except WorkerFailed as error:
        outcome.reason = f"It could not be graded: {error}."
    except Exception as error:  # whatever it is, the next student's submission is graded
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            return undone(outcome, str(error))
        outcome.reason = f"It could not be read: {type(error).__name__}: {error}."
    if outcome.reason:
        try:
            stage(refused(release, outcome.reason), folder, staged)
            answer = batch.ask(worker, "grade", execute=False, **job)
        except (WorkerFailed, OSError) as error:
            answer = {"error": str(error)}
        if "error" in answer:
            outcome.reason += f" It is not in the gradebook either: {answer['error']}"
            return outcome
        answer["notes"] = []
    outcome.notes += answer.pop("notes")
    for key in ("score", "max_score", "code_score", "max_code_score", "to_read", "parts"):
        setattr(outcome, key, answer[key])
    outcome.seconds = round(monotonic() - start, 2)
    return outcome


def undone(outcome: Outcome, why: str) -> Outcome:
    """The outcome where this machine lacks something: no hand-in's fault, and so neither in gradebook nor journal."""
    outcome.reason = f"This machine could not: {why.rstrip('.')}. Put that right, and run the same command again."
    return outcome


def stage(notebook: nbformat.NotebookNode, folder: Path, staged: Path) -> list[str]:
    """Put what nbgrader is to grade into ``staged``: the notebook, and the two small files that its exchange adds."""
    notes = []
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(parents=True)
    text = json.dumps(notebook, ensure_ascii=False)  # faster than nbformat's, which is for people to read
    (staged / f"{staged.name}.ipynb").write_text(text, encoding="utf-8")
    for extra in ("timestamp.txt", "submission_secret.txt"):
        text = small_text(folder / extra)
        if extra == "timestamp.txt" and text and not readable_time(text):
            notes.append(f"timestamp.txt says {text.strip()[:40]!r}, which is no time: taken as on time.")
        elif text:
            (staged / extra).write_text(text, encoding="utf-8")
    return notes


def fingerprint_of(folder: Path) -> str:
    """What changes when a student hands in something else."""
    try:
        return digest([folder, *sorted(folder.iterdir())] if folder.is_dir() else [folder])
    except OSError as error:  # a folder that can't be listed; `read_submission` will say so
        return str(error.errno)


def digest(paths: Sequence[Path]) -> str:
    """A short fingerprint of files: names, kinds, sizes and, of regular files of a sensible size, the contents."""
    total = hashlib.sha256()
    for path in paths:
        about = path.lstat()
        total.update(f"{path.name}\0{stat.S_IFMT(about.st_mode)}\0".encode(errors="surrogateescape"))
        if stat.S_ISREG(about.st_mode):
            total.update(f"{about.st_size}\0".encode())
            if about.st_size <= MAX_BYTES:
                with contextlib.suppress(OSError):
                    total.update(path.read_bytes())
    return total.hexdigest()[:16]


class Journal:
    """The outcomes of an assignment, one line of JSON each, the last line of a student being the one that holds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, Outcome] = {}
        for line in path.read_text("utf-8", errors="replace").splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError, TypeError):  # the last line of a run that was killed may be torn
                outcome = Outcome(**json.loads(line))
                self.outcomes[outcome.student] = outcome

    def forget(self, students: Iterable[str]) -> None:
        """Forget these students' outcomes: a run that is ended while it grades them again has to do so at the next."""
        self.outcomes = {student: self.outcomes[student] for student in self.outcomes.keys() - set(students)}
        lines = "".join(json.dumps(asdict(outcome)) + "\n" for outcome in self.outcomes.values())
        fresh = self.path.with_suffix(".new")
        fresh.write_text(lines, encoding="utf-8")
        os.replace(fresh, self.path)

    def add(self, outcome: Outcome) -> None:
        """Note an outcome for good."""
        torn = self.path.exists() and self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * bool(torn) + json.dumps(asdict(outcome)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.outcomes[outcome.student] = outcome


# ---- the table ------------------------------------------------------------------------------------------------------


def table(name: str, outcomes: Sequence[Outcome]) -> Table:
    """A table of one assignment: who scored what, and what there is to say about it."""
    result = Table("student", "score", "of", "checks", "remarks", title=name)
    for column in (1, 2, 3):
        result.columns[column].justify = "right"
    for outcome in outcomes:
        remarks = ([f"not graded: {outcome.reason}"] if outcome.reason else []) + outcome.notes
        if outcome.to_read:
            remarks.append("a written answer is to be read")
        shown = [f"{value:g}" if value is not None else "-" for value in (outcome.score, outcome.max_score)]
        checks = f"{outcome.code_score:g}/{outcome.max_code_score:g}" if outcome.score is not None else "-"
        result.add_row(escape(outcome.student), *shown, checks, escape("\n".join(remarks)))
    return result


def tally(outcomes: Sequence[Outcome]) -> str:
    graded = sum(not outcome.reason for outcome in outcomes)
    stated = sum(bool(outcome.reason) for outcome in outcomes)
    to_read = sum(outcome.to_read for outcome in outcomes)
    return f"{graded} graded, {stated} not graded for the reason given, {to_read} with a written answer to read."
