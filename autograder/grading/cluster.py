"""Grading on a cluster: the same tasks as on one machine, handed to Dask's own scheduler and workers.

A task is one submission, named by its place in the course directory; it depends on nothing but the files there. So the
course directory has to be on a file system that every worker sees under the same path, and every worker needs this
package and a sandbox. A task whose worker dies is given to another by Dask, and ends with the same score: the cases are
drawn from the hand-in and the course's secret, not by whoever grades.
"""

import atexit
import contextlib
import fcntl
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

import nbformat
from traitlets.config import Config

from autograder.grading.course import BadInput, sources
from autograder.grading.grade import Batch, Outcome, digest, directory, fingerprint_of, grade_one, journal_folder
from autograder.grading.notebooks import write
from autograder.grading.sandbox import PACKAGE, trouble
from autograder.grading.worker import Worker

CONNECT_SECONDS = 10  # to find the scheduler, and then for a first worker to be there
FOLDER = "grade_dask_"
INSTALL = "pip install 'keep-the-attention[dask]'"


class DaskPool:
    """Dask in place of `grade.Pool`: it runs the same tasks.

    Raises BadInput where there is no such scheduler, or one of its workers can't grade this course.
    """

    def __init__(self, address: str, course: Path, settings: Config, known: Path, confined: bool) -> None:
        """``known`` is a submission, which the workers have to see as we do."""
        try:
            from distributed import Client
        except ModuleNotFoundError as error:
            raise BadInput(f"--dask needs the package {error.name}: {INSTALL}.") from None
        try:
            self.client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            why = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadInput(
                f"There is no Dask scheduler at {address} ({why}): start one with dask scheduler, and name the address "
                "that it prints, such as tcp://10.0.0.1:8786."
            ) from None
        try:
            self.examine(course, known, confined, directory(settings).db_url)
        except BaseException:
            self.client.close()
            raise
        self.worker = Worker()
        self.executor = self.client.get_executor()
        self.folder = journal_folder(course, settings)
        self.released: set[str] = set()

    def examine(self, course: Path, known: Path, confined: bool, url: str) -> None:
        """Raise BadInput if there is no worker, or one that can't grade this course."""
        try:
            self.client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        except TimeoutError:
            raise BadInput(
                f"The Dask scheduler has no worker yet: start some with dask worker {self.client.scheduler.address}."
            ) from None
        ours = (own_version(), fingerprint_of(known))
        told = self.client.run(fitness, str(course), str(known), confined, on_error="return")
        hosts = set()
        for worker, answer in told.items():
            if isinstance(answer, BaseException):
                what = f"{type(answer).__name__}: {answer}"
                raise BadInput(f"The Dask worker {worker} can't grade ({what}): it needs this package, as here.")
            host, version, seen, lacking = answer
            hosts.add(host)
            if seen != ours[1]:
                raise BadInput(
                    f"The Dask worker {worker} does not see {course} as this machine does: put the course directory "
                    "on a file system that all share, under the same path."
                )
            if version != ours[0]:
                raise BadInput(f"The Dask worker {worker} has another version of this package: install the same one.")
            if lacking:
                raise BadInput(f"The Dask worker {worker} can't grade: {lacking}")
        if len(hosts | {socket.gethostname()}) > 1 and url.startswith("sqlite"):
            raise BadInput(
                "Several machines can't share a gradebook in a file: set CourseDirectory.db_url to a PostgreSQL "
                "database in nbgrader_config.py."
            )

    def __enter__(self) -> "DaskPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.__exit__()
        self.client.close()  # what has not been started is not wanted any more

    def release(self, batches: Sequence[Batch], students: Sequence[str]) -> list[dict]:
        """Enter assignments and students, which is done here."""
        return [batch.ask(self.worker, "release", students=students) for batch in batches]

    def run(self, task: Callable[..., Outcome], batch: Batch, folder: Path, release, fingerprint: str) -> Future:
        """Have a submission graded by whichever worker is free. The future always ends with an outcome."""
        kept = self.folder / f"{batch.name}.ipynb"  # the student's version, where the workers see it
        if batch.name not in self.released:
            write(release, kept)
            self.released.add(batch.name)
        asked = asdict(batch) | {"course": str(batch.course), "work": ""}
        inner = self.executor.submit(remote, asked, str(folder), str(kept), fingerprint)
        outer: Future = Future()

        def finish(done: Future) -> None:
            try:
                outer.set_result(Outcome(**done.result()))
            except BaseException as error:  # the worker died again and again, or the scheduler is gone
                why = f"{type(error).__name__}: {error}".splitlines()[0]
                reason = f"It could not be graded on the cluster ({why}): run the same command again."
                outer.set_result(Outcome(folder.parent.name, fingerprint, reason=reason))

        inner.add_done_callback(finish)
        return outer


def own_version() -> str:
    """A fingerprint of this package's sources: other code might give other scores."""
    return digest(sorted(PACKAGE.rglob("*.py")))


# ---- in a Dask worker -----------------------------------------------------------------------------------------------

idle: list[Worker] = []  # grading processes of this Dask worker that have nothing to do


def fitness(course: str, known: str, confined: bool) -> tuple[str, str, str, str]:
    """What the client wants to know of a worker: its host, its version, what it sees of the course, what it lacks."""
    return socket.gethostname(), own_version(), fingerprint_of(Path(known)), trouble() if confined else ""


def remote(asked: dict, folder: str, release: str, fingerprint: str) -> dict:
    """Grade one submission. Several tasks may run in one Dask worker, each with a grading process of its own."""
    course = Path(asked["course"])
    batch = replace(Batch(**asked), course=course, work=furnished(sources(course) / asked["name"]))
    try:
        worker = idle.pop()
    except IndexError:
        worker = Worker()
    try:
        found = grade_one(worker, batch, Path(folder), nbformat.read(release, as_version=4), fingerprint)
    finally:
        idle.append(worker)
    return asdict(found)


def furnished(source: Path) -> Path:
    """A folder on this machine with a copy of an assignment's sources, for all the tasks that need it."""
    work = own_folder() / digest(sorted(source.rglob("*")))
    place = work / "source" / source.name
    if not place.exists():
        fresh = Path(tempfile.mkdtemp(dir=own_folder())) / source.name
        shutil.copytree(source, fresh, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        place.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # another thread has done the same
            fresh.rename(place)
    return work


@cache
def own_folder() -> Path:
    """This process's folder for what is temporary. It removes those that killed Dask workers have left."""
    for left in Path(tempfile.gettempdir()).glob(f"{FOLDER}*/lock"):
        with contextlib.suppress(OSError), left.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER))
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    atexit.register(lambda: (shutil.rmtree(folder, ignore_errors=True), lock.close()))
    return folder
