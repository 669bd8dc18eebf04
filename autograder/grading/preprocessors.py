"""The course's own steps in nbgrader's pipelines; `config` says where each stands.

On release: `Frame` and `WrittenQuestions`. On grading: `Normalise`, `RunCells` and `PlainPoints`. They are ordinary
nbgrader preprocessors, so that plain ``nbgrader generate_assignment`` and ``autograde`` do what our own commands do.
"""

import math
import re
from pathlib import Path
from time import monotonic

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Integer, Unicode

from autograder.colab import badge, repository, setup_cell
from autograder.grading.notebooks import Unreadable, normalise, plain_number, sound

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


class Normalise(NbGraderPreprocessor):
    """Puts the student's answers into a fresh copy of the release, so that deleted, copied or changed cells do no harm.

    The release is read from the course's release folder. Where it isn't there, the notebook is left as it is.
    """

    def preprocess(self, nb, resources):
        course = self.parent.parent.coursedir
        assignment, notebook = resources["nbgrader"]["assignment"], resources["nbgrader"]["notebook"]
        release = Path(course.format_path(course.release_directory, ".", assignment)) / f"{notebook}.ipynb"
        if not release.is_file():
            self.log.warning("Not normalised, because there is no %s", release)
            return nb, resources
        try:
            nb, notes = normalise([sound(cell) for cell in nb.cells], nbformat.read(release, as_version=4))
        except Unreadable as reason:
            raise RuntimeError(str(reason)) from None
        for note in notes:
            self.log.warning(note)
        return nb, resources


class RunCells(Execute):
    """Runs every cell, whatever happens to the kernel: what is earned before and after a crash or a hang counts.

    A cell that ends the kernel, or can't be interrupted after its time, gets an error as its output. A new kernel then
    runs the earlier cells again, without those that did so, and goes on behind.
    """

    shutdown_kernel = "immediate"  # nothing of a student's is worth waiting for once the last cell has run
    notebook_timeout = Integer(300, help="Seconds for one notebook; cells that come later are not run.").tag(
        config=True
    )
    output_limit = Integer(1_000_000, help="Characters that one cell may print; the rest is dropped.").tag(config=True)

    def preprocess(self, nb, resources=None, km=None):
        self.deadline = monotonic() + self.notebook_timeout
        self.fatal = set()  # indices of the cells that took a kernel down
        self.printed = {}  # characters by cell index
        return super().preprocess(nb, resources, km)

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type == "code" and monotonic() > self.deadline:
            fail(cell, "NotebookTimeout", f"not run: the notebook's {self.notebook_timeout} seconds were over")
            return cell, resources
        try:
            return super().preprocess_cell(cell, resources, index)
        except DeadKernelError:
            fail(cell, "DeadKernel", "this cell ended the Python process (out of memory, exit, or a crash)")
        except CellTimeoutError:
            fail(cell, "CellTimeout", f"this cell could not be stopped after {self.timeout} seconds")
        self.recover(index)
        return cell, resources

    def recover(self, index):
        """A new kernel in the state that the cells before ``index`` leave, without the cells that take kernels down."""
        self.fatal.add(index)
        ran = [i for i in range(index) if self.nb.cells[i].cell_type == "code"]
        restarted = False
        while not restarted:
            self._cleanup_kernel()
            self.km = self.create_kernel_manager()
            self.start_new_kernel()
            self.start_new_kernel_client()
            restarted = all(self.run_again(i) for i in ran if i not in self.fatal)

    def run_again(self, i):
        """Run cell ``i`` for its effects only. False if it takes the kernel down this time."""
        cell = self.nb.cells[i]
        try:
            self.execute_cell(nbformat.from_dict(dict(cell)), i)
        except (DeadKernelError, CellTimeoutError):
            self.fatal.add(i)
            return False
        finally:
            self.nb.cells[i] = cell
        return True

    def output(self, outs, msg, display_id, cell_index):
        if msg["msg_type"] == "stream":
            self.printed[cell_index] = self.printed.get(cell_index, 0) + len(msg["content"]["text"])
            if self.printed[cell_index] > self.output_limit:
                return None
        return super().output(outs, msg, display_id, cell_index)


class PlainPoints(NbGraderPreprocessor):
    """Leaves one plain number, or an error, as the result of each check, because of how nbgrader reads outputs.

    nbgrader takes "np.float64(0.0)", "nan", "-1", or no result at all for full marks, and anything on stderr, a mere
    warning too, for none.
    """

    def preprocess_cell(self, cell, resources, index):
        if cell.cell_type != "code" or not is_grade(cell):
            return cell, resources
        for output in cell.outputs:
            if output.output_type == "stream":
                output.name = "stdout"
        results = [output for output in cell.outputs if output.output_type == "execute_result"]
        kept = [output for output in cell.outputs if output.output_type != "execute_result"]
        failed = any(output.output_type == "error" for output in kept)
        cell.outputs = kept
        if failed:
            return cell, resources
        shown = results[-1]["data"].get("text/plain", "") if results else "nothing"
        points, most = plain_number(shown), float(cell.metadata.nbgrader["points"])
        if points is None or math.isnan(points) or not 0 <= points <= most:
            fail(cell, "NoPoints", f"the check reported {shown[:60]}, not a number of points from 0 to {most:g}")
        else:
            plain = nbformat.v4.new_output(
                "execute_result", {"text/plain": repr(points)}, execution_count=cell.execution_count
            )
            cell.outputs.append(plain)
        return cell, resources


def fail(cell, name, message):
    """Append an error output, which nbgrader scores 0."""
    cell.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"]))
