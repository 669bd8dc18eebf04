"""The course's own steps in nbgrader's pipelines; `config` says where each stands.

On release: `Frame`, `WrittenQuestions` and `EnterCells`. On grading: `Intake`, which reads hand-ins, `RunCells` and
`SaveGrades`. They are ordinary parts of nbgrader's pipelines, so that plain ``nbgrader generate_assignment`` and
``autograde`` do what our own commands do.
"""

import atexit
import contextlib
import json
import os
import re
import tempfile
from functools import cache
from pathlib import Path
from time import monotonic, sleep

import nbformat
from nbclient.client import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbconvert.exporters import NotebookExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbgrader.api import BaseCell, Gradebook, MissingEntry
from nbgrader.preprocessors import Execute, NbGraderPreprocessor, SaveAutoGrades, SaveCells
from nbgrader.utils import is_grade, is_solution
from sqlalchemy import select
from traitlets import Bool, Integer, List, Unicode
from traitlets.log import get_logger

from autograder.check import MIME
from autograder.colab import badge, repository, setup_cell
from autograder.grading import wire
from autograder.grading.kernels import Kernel
from autograder.grading.notebooks import Unreadable, read_submission, readable_time, refused, small_text
from autograder.grading.sandbox import NoSandbox, SandboxLost, furnish, shared_sandbox
from autograder.grading.verdict import asked_by, called, digest_of, judged, outputs_of, question, secret_of, seed_of
from autograder.judge import BrokenReference

NEVER = 1_000_000  # seconds

HAND_IN = """\
## Hand in

1. Restart the kernel and run all cells from the top, so that nothing depends on a cell that is gone.
2. Look at the table above: a written answer is not in it, a person reads that one.
3. Hand the notebook in under its own name, `{notebook}.ipynb`:
   - **On a course hub:** save, then press *Submit* beside `{assignment}` in the Assignment List (menu *Nbgrader*).
   - **Anywhere else, Colab included:** download the notebook (*File → Download → Download .ipynb*) and upload it \
where your course takes hand-ins, or mail it.

You may hand in again until the deadline; the last one counts."""


CHAPTER = re.compile(r"\]\((?:\.\./)+book/([\w-]+)\.md(#[\w-]+)?\)")


class Frame(NbGraderPreprocessor):
    """Makes a notebook stand alone: badge and set-up cell before it, hand-in instructions after it, no relative link.

    Links to chapters, ``../../book/PAGE.md#LABEL`` in the source, become links into the published book.
    """

    notebook_path = Unicode(
        "exercises/{assignment}/{notebook}.ipynb",
        help="Where the repository has the released notebook; the badge links there. Empty: no badge.",
    ).tag(config=True)

    def preprocess(self, nb, resources):
        names = {key: resources["nbgrader"][key] for key in ("assignment", "notebook")}
        home = repository()
        fixed = {"deletable": False, "editable": False}
        before = [nbformat.v4.new_code_cell(setup_cell(home), id="set-up", metadata=dict(fixed))]
        if self.notebook_path:
            link = badge(self.notebook_path.format(**names), home)
            before.insert(0, nbformat.v4.new_markdown_cell(link, id="open-in-colab", metadata=dict(fixed)))
        after = nbformat.v4.new_markdown_cell(HAND_IN.format(**names), id="hand-in", metadata=dict(fixed))
        for cell in nb.cells:
            if cell.cell_type == "markdown":
                cell.source = CHAPTER.sub(rf"]({home.book_url}/book/\1.html\2)", cell.source)
        nb.cells = [*before, *nb.cells, after]
        nb.metadata = nbformat.from_dict(
            {"kernelspec": dict(nb.metadata.get("kernelspec", {})), "language_info": {"name": "python"}}
        )
        return nb, resources


class WrittenQuestions(NbGraderPreprocessor):
    """Lets a written question stand in one cell with its mark scheme: the scheme is what the student's answer replaces.

    nbgrader by itself would replace the whole cell, question and all.
    """

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "markdown" and is_solution(cell):
            cell.source = cell.source.replace("BEGIN MARK SCHEME", "BEGIN SOLUTION")
            cell.source = cell.source.replace("END MARK SCHEME", "END SOLUTION")
        return cell, resources


class Intake(NotebookExporter):
    """Reads a hand-in as it should be: the student's answers in a fresh copy of the release (`notebooks.normalise`).

    The release is read from the course's release folder. What can't be read is graded as the blank release under a
    notice that says why, so that no student is missing from the gradebook and none holds up the others.
    """

    enabled = Bool(True, help="Whether to normalise; off where that has been done before.").tag(config=True)

    def from_filename(self, filename, resources=None, **kw):
        path, sanitizing = Path(filename), getattr(self.parent, "_sanitizing", False)
        if sanitizing and not (self.enabled or self._preprocessors):  # there is nothing to be done
            resources["output_extension"] = self.file_extension
            return path.read_text("utf-8"), resources
        names = resources["nbgrader"]
        if sanitizing and self.enabled:
            notebook = self.read_hand_in(path, names)
        elif sanitizing:
            notebook = nbformat.read(path, as_version=4)
        else:
            notebook = nbformat.v4.reads(path.read_text("utf-8"))  # as `from_notebook_node` wrote it
        resources["metadata"] = ResourcesDict(name=names["notebook"], path=str(path.parent))
        return self.from_notebook_node(notebook, resources, **kw)

    def read_hand_in(self, path, names):
        """The hand-in as a sound notebook, which may be the blank release."""
        course = self.parent.coursedir
        release = Path(course.format_path(course.release_directory, ".", names["assignment"])) / path.name
        if not release.is_file():
            raise RuntimeError(
                f"There is no {release}, and hand-ins are graded in a copy of it: run nbgrader generate_assignment "
                f"{names['assignment']}, or autograder grade {names['assignment']}."
            )
        released = nbformat.read(release, as_version=4)
        try:
            notebook, notes = read_submission(path.parent, names["notebook"], released)
        except Unreadable as reason:
            notebook, notes = refused(released, str(reason)), [f"Not graded: {reason}"]
        for note in notes:
            self.log.warning(note)
        return notebook

    def from_notebook_node(self, nb, resources=None, **kw):
        """Apply the steps to the notebook itself: nobody else has it, so that nbconvert need not copy it four times.

        It is validated once, after the last step, and written as `grade.stage` writes it.
        """
        resources = self._init_resources(resources)
        for step in self._preprocessors:
            nb, resources = step(nb, resources)
        nbformat.validate(nb, relax_add_props=True)
        return json.dumps(nb, ensure_ascii=False) + "\n", resources


def only_files(notebooks, **_):
    """Takes out of the folder of a hand-in what nbgrader would stumble over before it looks at the notebook.

    These are links (one could lead to a disk full of zeros), pipes, sockets, and a time that is none. Notebooks
    stay: of one that is a link, `Intake` says so.
    """
    folder = Path(notebooks[0]).parent
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if path.suffix != ".ipynb" and (path.is_symlink() or not path.is_file()):
                get_logger().warning("Removed %r: it is no file.", str(path))
                path.unlink()
    time = folder / "timestamp.txt"
    if time.exists() and not readable_time(small_text(time)):
        get_logger().warning("Removed %r: it holds no time, so the hand-in is taken as on time.", str(time))
        time.unlink()


class RunCells(Execute):
    """Runs a notebook's cells in the sandbox, and judges its checks outside.

    Every cell is run, whatever happens to the kernel: what is earned before and after a crash or a hang counts. A cell
    that ends the kernel, or can't be interrupted after its time, gets an error as its output. A new kernel then runs
    the earlier cells again, without those that did so, and goes on behind.

    The source of a grade cell is never run. It names an exercise and an object; the sandbox is asked what the object
    does (`autograder.grading.verdict`). The outputs from which nbgrader reads the points are written when the last
    kernel has ended, so that nothing in it can touch them.
    """

    shutdown_kernel = "immediate"  # nothing of a student's is worth waiting for once the last cell has run
    confined = Bool(
        True,
        help="Whether student code runs in the sandbox. Turn this off only for code of people you trust.",
    ).tag(config=True)
    execute = Bool(True, help="Whether to run anything; if not, every check earns nothing.").tag(config=True)
    exercises = List(Unicode(), help="Modules with a list EXERCISES, beside the course's own catalogue.").tag(
        config=True
    )
    warm = List(
        Unicode(),
        ["torch", "matplotlib.pyplot"],
        help="Modules that, where an assignment imports them, are imported once for all hand-ins.",
    ).tag(config=True)
    notebook_timeout = Integer(300, help="Seconds for one notebook; cells that come later are not run.").tag(
        config=True
    )
    memory_limit = Integer(4_000_000_000, help="Bytes of memory for all processes of a notebook together.").tag(
        config=True
    )
    disk_limit = Integer(200_000_000, help="Bytes that a notebook can write to its home, and to /tmp.").tag(config=True)
    process_limit = Integer(128, help="Processes and threads of a notebook.").tag(config=True)
    output_limit = Integer(1_000_000, help="Characters that one cell may print; the rest is dropped.").tag(config=True)

    def preprocess(self, nb, resources=None, km=None):
        self.deadline = monotonic() + self.notebook_timeout
        self.fatal = set()  # indices of the cells that took a kernel down
        self.printed = {}  # characters by cell index
        self.results = {}  # what to write into grade cells, by index
        self.probing = False
        self.get_ready([nb], self.parent.parent.coursedir)
        names = resources["nbgrader"]
        secret = secret_of(Path(self.course.root))
        self.seed = seed_of(secret, names["assignment"], names.get("student", ""), digest_of(nb))
        if self.execute and self.confined:
            self.run_confined(nb, resources)
        elif self.execute:
            stand_in()
            nb, resources = super().preprocess(nb, resources, km)
        for index, cell in enumerate(nb.cells):
            if cell.cell_type == "code":
                if is_check(cell):
                    cell.outputs = self.results.get(index) or [error_output("NotRun", "this check was not run")]
                cell.execution_count = cell.execution_count if type(cell.execution_count) is int else None
        return nb, resources

    def run_confined(self, nb, resources):
        """Run every cell, as `preprocess` does outside a sandbox."""
        NotebookClient.__init__(self, nb)
        self._check_assign_resources(resources)
        self.start_kernel()
        try:
            for index, cell in enumerate(nb.cells):
                self.preprocess_cell(cell, resources, index)
        finally:
            self.kernel.end()

    def start_kernel(self):
        self.kernel = ahead.pop() if ahead else self.fork_kernel(self.resources["nbgrader"]["assignment"])
        self.kernel.wait_until_ready(self.startup_timeout)

    def fork_kernel(self, assignment):
        """A kernel with copies of the data files that lie beside the assignment's source."""
        limits = {
            "DATA": self.memory_limit,
            "FSIZE": self.disk_limit,
            "NPROC": self.process_limit,
            "NOFILE": 1024,
            "CORE": 0,
        }
        return Kernel(
            shared_sandbox(self.course.root),
            {"memory": self.memory_limit, "disk": self.disk_limit, "limits": limits},
            Path(self.course.format_path(self.course.source_directory, ".", assignment)),
        )

    def get_ready(self, notebooks, course):
        """Have the sandbox start, and meanwhile import what judging the notebooks takes."""
        self.course = course
        cells = [cell for nb in notebooks for cell in nb.cells if cell.cell_type == "code"]
        if self.confined and self.execute:
            sandbox = shared_sandbox(course.root)
            sandbox.warm = [module for module in self.warm if any(imports(cell.source, module) for cell in cells)]
            sandbox.begin()
        for cell in filter(is_check, cells):
            asked_by(cell.source, self.exercises)

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code":
            return cell, resources
        if monotonic() > self.deadline:
            why = f"not run: the notebook's {self.notebook_timeout} seconds were over"
            return self.blame(cell, index, error_output("NotebookTimeout", why)), resources
        try:
            if not is_check(cell):
                return super().preprocess_cell(cell, resources, index)
            self.results[index] = self.judge(cell, index)
            return cell, resources
        except DeadKernelError:
            self.demand_sandbox()
            why = "this cell ended the Python process (out of memory, exit, or a crash)"
            fault = error_output("DeadKernel", why)
        except CellTimeoutError:
            fault = error_output("CellTimeout", f"this cell could not be stopped after {self.timeout} seconds")
        except (Unjudgeable, SandboxLost, NoSandbox):
            raise
        except Exception as error:  # what a kernel sends can break whoever reads it; that is this cell's fault
            self.demand_sandbox()
            self.log.warning("Cell %d: %s: %s", index, type(error).__name__, error)
            fault = error_output("BadReply", "this cell made the Python process send messages that are none")
        self.blame(cell, index, fault)
        self.recover(index)
        return cell, resources

    def demand_sandbox(self):
        """Raises SandboxLost if the kernel ended with the whole sandbox, which is no hand-in's fault."""
        kept = self.kernel.kept if self.confined else None
        # Of a kernel that ends by itself, its keeper says why; it has no time to if it ends with the sandbox.
        if kept and not kept.alive() and not kept.why and not shared_sandbox(self.course.root).alive(5):
            raise SandboxLost("the sandbox ended, and the kernel with it") from None

    def blame(self, cell, index, fault):
        """Leave an error as what there is to say about a cell."""
        if is_check(cell):
            self.results.setdefault(index, [fault])
        else:
            cell.outputs.append(fault)
        return cell

    def judge(self, cell, index):
        """The outputs that a grade cell gets. The cell itself stays out of the kernel."""
        asked = asked_by(cell.source, self.exercises)
        if asked is None:
            about = f"{cell.source.strip()[:60]!r} is not the check of an exercise, so it can't be judged outside"
            return [error_output("NoVerdict", about)]
        try:
            code = question(asked, self.seed)
        except Exception as error:
            raise Unjudgeable(f"the exercise {asked.exercise.name} is broken: {error}") from error
        reply, silence = self.ask(code, cell, index)
        if silence.startswith(("CellTimeoutError", "KeyboardInterrupt")):
            silence = f"it took longer than {self.timeout} seconds"
        try:
            verdict = judged(asked, self.seed, reply, silence)
        except BrokenReference as error:
            raise Unjudgeable(str(error)) from error
        outputs = self.results[index] = outputs_of(verdict, len(self.results) + 1)
        if verdict.passed and asked.exercise.instead_of:  # whatever comes of this question, the verdict stands
            reply, _ = self.ask(question(asked, self.seed, "calls"), cell, index)
            outputs[0].data[MIME]["called"] = called(asked, reply)
        return outputs

    def ask(self, code, cell, index):
        """The reply to a question, put in the place of the grade cell, or None and the reason why there is none."""
        asking = nbformat.from_dict({"cell_type": "code", "source": code, "metadata": {}, "outputs": []})
        self.probing = True
        try:
            self.execute_cell(asking, index)
        finally:
            self.probing = False
            self.nb.cells[index] = cell
        return reply_in(asking.outputs)

    def recover(self, index):
        """A new kernel in the state that the cells before ``index`` leave, without the cells that take kernels down."""
        self.fatal.add(index)
        cells = self.nb.cells
        ran = [i for i in range(index) if cells[i].cell_type == "code" and not is_check(cells[i])]
        restarted = False
        while not restarted and monotonic() < self.deadline:
            self.restart_kernel()
            restarted = all(self.run_again(i) for i in ran if i not in self.fatal)

    def restart_kernel(self):
        if self.confined:
            self.kernel.end()
            self.start_kernel()
            return
        self._cleanup_kernel()
        self.km = self.create_kernel_manager()
        self.start_new_kernel()
        self.start_new_kernel_client()

    def run_again(self, i):
        """Run cell ``i`` for its effects only. False if it takes the kernel down this time."""
        cell = self.nb.cells[i]
        try:
            self.execute_cell(nbformat.from_dict(dict(cell)), i)
        except Exception:
            self.demand_sandbox()
            self.fatal.add(i)
            return False
        finally:
            self.nb.cells[i] = cell
        return True

    def execute_cell(self, cell, index, *arguments, **named):
        """Run a cell. One that is interrupted when its time is over gets an error that says so.

        Raises DeadKernelError if it ended the kernel, and CellTimeoutError if it could not be interrupted.
        """
        if not self.confined:
            return super().execute_cell(cell, index, *arguments, **named)
        if not cell.source.strip():
            return cell
        cell.outputs, self.clear_before_next_output = [], False
        seconds = self.timeout or NEVER
        try:
            self.kernel.run(cell.source, monotonic() + seconds, self.probing)
            reply = self.listen(cell, index, monotonic() + seconds)
        except TimeoutError:
            self.kernel.interrupt()
            try:
                reply = self.listen(cell, index, monotonic() + self.iopub_timeout)
            except TimeoutError:
                raise CellTimeoutError("it could not be interrupted") from None
            if reply.get("ename") != "KeyboardInterrupt":  # it ended by itself, and the signal is still on its way
                sleep(0.2)
            reply = {"status": "error", **self.error_on_timeout}
        self.on_cell_executed(cell=cell, execute_reply={"content": reply})
        return cell

    def listen(self, cell, index, deadline):
        """Take in what a cell shows. Returns the reply at its end, and raises TimeoutError if that is late."""
        while monotonic() < deadline:
            told = self.kernel.hear(deadline)
            if told["msg_type"] == "execute_reply":
                cell.execution_count = told["content"].get("execution_count")
                return told["content"]
            header = {"msg_type": told["msg_type"]}
            self.process_message({**told, "header": header, "parent_header": {}}, cell, index)
        raise TimeoutError

    def output(self, outs, msg, display_id, cell_index):
        """Bounded: text by its length, and all else by its number and its size."""
        content = msg["content"]
        if self.probing and msg["msg_type"] == "display_data":  # in which `reply_in` looks for a reply
            outs.append(nbformat.from_dict({"output_type": "display_data", "data": content["data"]}))
            return None
        size = len(content["text"]) if msg["msg_type"] == "stream" else len(json.dumps(content, default=str)) // 5
        if not self.probing:
            self.printed[cell_index] = self.printed.get(cell_index, 0) + size
            if self.printed[cell_index] > self.output_limit or len(outs) > 1000:
                return None
        return super().output(outs, msg, display_id, cell_index)

    def handle_comm_msg(self, outs, msg, cell_index):
        """Widgets talk with nobody here."""


ahead = []  # kernels that start before `RunCells` takes them: one or none


@contextlib.contextmanager
def kernel_ahead(config, course, assignment):
    """Meanwhile a kernel starts for the hand-in, which has first to be entered in the gradebook."""
    running = RunCells(config=config)
    running.course = course
    if shared_sandbox(course.root).warm is not None:  # else what to import is not known yet
        with contextlib.suppress(NoSandbox, SandboxLost, OSError):  # which `RunCells` will run into, and say
            ahead.append(running.fork_kernel(assignment))
    try:
        yield
    finally:
        while ahead:
            ahead.pop().end()


class EnterCells(SaveCells):
    """Enters a release's cells in the gradebook as nbgrader does, but in one transaction: all of them, or none.

    Where all are there already, which nbgrader would take out and enter again, nothing is done.
    """

    def _create_notebook(self, nb):
        if self.entered():
            return
        session = self.gradebook.db
        session.commit = session.flush  # nbgrader commits after each cell
        try:
            super()._create_notebook(nb)
        finally:
            del session.commit
        session.commit()

    def entered(self):
        """Whether the gradebook has these cells and no others."""
        try:
            notebook = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        except MissingEntry:
            return False
        owner = {"notebook": self.notebook_id, "assignment": self.assignment_id}
        return all(
            {cell.name: cell.to_dict() for cell in getattr(notebook, f"{kind}_cells")}
            == {name: {**info, "name": name, **owner} for name, info in getattr(self, f"new_{kind}_cells").items()}
            for kind in ("grade", "solution", "task", "source")
        )


class SaveGrades(SaveAutoGrades):
    """Enters points and comments as nbgrader does, but with one look at the gradebook and in one transaction."""

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        with Gradebook(names["db_url"], self.parent.parent.coursedir.course_id) as gradebook:
            gradebook.db.flush()  # in a worker of ours, the submission itself still waits for that
            of = gradebook.find_submission_notebook(names["notebook"], names["assignment"], names["student"])
            cells = dict(
                gradebook.db.execute(select(BaseCell.id, BaseCell.name).filter_by(notebook_id=of.notebook_id)).all()
            )
            self.gradebook = Entries(
                {cells[grade.cell_id]: grade for grade in of.grades},
                {cells[comment.cell_id]: comment for comment in of.comments},
            )
            self.notebook_id = self.assignment_id = self.student_id = ""  # there is but one
            nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
            gradebook.db.commit()
        return nb, resources


class Entries:
    """What `SaveGrades` has of the gradebook in place of the gradebook itself: the entries of one hand-in, by cell."""

    def __init__(self, grades, comments):
        self.find_grade = lambda cell, *_: grades[cell]
        self.find_comment = lambda cell, *_: comments[cell]
        self.db = self

    def commit(self):
        """All is committed at the end."""


class Unjudgeable(Exception):
    """A defect of the course, not of the hand-in."""


@cache
def stand_in():
    """Have kernels that are not confined find what a sandbox holds of ours, and not the package itself."""
    folder = tempfile.TemporaryDirectory(prefix="unconfined_")
    atexit.register(folder.cleanup)
    path = Path(folder.name, "grader")
    furnish(path)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(path), *filter(None, [os.environ.get("PYTHONPATH")])])


def imports(source, module):
    """Whether a line of ``source`` looks like an import of ``module``, or of a part of its package."""
    return bool(re.search(rf"^\s*(import|from)\b.*\b{module.partition('.')[0]}\b", source, flags=re.MULTILINE))


def is_check(cell):
    """Whether a cell is a test of ours, whose source is not for the kernel."""
    return cell.cell_type == "code" and is_grade(cell) and not is_solution(cell)


def reply_in(outputs):
    """The answer among a cell's outputs, or None and the reason why there is none."""
    for output in outputs:
        if output.output_type == "display_data" and isinstance(output["data"].get(wire.MIME), str):
            return output["data"][wire.MIME], ""
    for output in outputs:
        if output.output_type == "error":
            return None, f"{output.ename}: {output.evalue}"[:200].strip(": ")
    return None, ""


def error_output(name, message):
    """An error, which nbgrader scores 0."""
    return nbformat.v4.new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])
