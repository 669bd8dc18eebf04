"""nbgrader's settings for this course: one function for every place that needs them, and nothing else.

`nbgrader_config.py` at the top of the repository calls `configure`, so that plain ``nbgrader`` commands work there. A
course directory of one's own needs the same file::

    from pathlib import Path
    from autograder.grading.config import configure

    c = get_config()
    configure(c, Path(__file__).parent)
    c.CourseDirectory.course_id = "attention-2027"  # what differs from the defaults goes after

``autograder grade --course DIR`` reads that file too, and takes these settings where DIR has none.
"""

import os
import sys
from pathlib import Path

from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader import preprocessors as stock
from traitlets.config import Config, PyFileConfigLoader

from autograder.grading import preprocessors as ours
from autograder.grading import shown, zipcollect

REPOSITORY = Path(__file__).resolve().parent.parent.parent
FILE = "nbgrader_config.py"

CELL_SECONDS = 60  # one cell; importing torch on a busy machine takes ten of them
NOTEBOOK_SECONDS = 300  # one submission, restarts after a dead kernel included


def configure(c: Config, root: Path) -> None:
    """Set nbgrader up for the course in the folder ``root``: its folders, its pipelines, its time limits.

    The sources are ``root/solutions`` or, where there is none, this repository's. Releases go to ``root/exercises``.
    """
    commands_on_path()
    sources = Path(root) / "solutions"
    c.CourseDirectory.course_id = "keep-the-attention"
    c.CourseDirectory.source_directory = "solutions" if sources.is_dir() else str(REPOSITORY / "solutions")
    c.CourseDirectory.release_directory = "exercises"

    c.GenerateAssignment.preprocessors = [
        stock.IncludeHeaderFooter,
        ours.Frame,
        ours.WrittenQuestions,
        stock.InstantiateTests,
        stock.LockCells,
        stock.ClearSolutions,
        stock.ClearOutput,
        stock.CheckCellMetadata,
        stock.ComputeChecksums,
        ours.EnterCells,
        stock.ClearHiddenTests,
        stock.ClearMarkScheme,
        stock.ComputeChecksums,
        stock.CheckCellMetadata,
    ]
    c.Autograde.pre_convert_hook = ours.only_files
    c.Autograde.exporter_class = ours.Intake
    c.Autograde.sanitize_preprocessors = [
        stock.ClearOutput,
        stock.DeduplicateIds,
        stock.OverwriteKernelspec,
        stock.OverwriteCells,
    ]
    c.Autograde.autograde_preprocessors = [
        ours.RunCells,
        stock.IgnorePattern,
        ClearMetadataPreprocessor,
        stock.LimitOutput,
        ours.SaveGrades,
        stock.AssignLatePenalties,
    ]  # no CheckCellMetadata: cells have had the release's metadata since `Intake`

    c.Execute.timeout = CELL_SECONDS  # also what JupyterLab's Validate button waits
    c.Execute.startup_timeout = 120
    c.Execute.skip_cells_with_tag = ""  # with a tag of its own choice a cell would not be run, and pass
    c.RunCells.notebook_timeout = NOTEBOOK_SECONDS
    # No script of a student's in feedback and formgrader.
    c.HTMLExporter.sanitize_html = True
    c.HTMLExporter.filters = {"clean_html": shown.clean, "markdown2html": shown.markdown2html}
    c.HTMLExporter.preprocessors = [shown.Harmless]

    c.ExchangeFactory.collect = "autograder.grading.collect.Collect"  # by name: only one command needs it

    # `nbgrader zip_collect`: "ada_01-rnn.ipynb", and what learning platforms and browsers make of it:
    # "ada_871_23_01-rnn-1.ipynb", "ada_01-rnn (2).ipynb".
    c.ZipCollectApp.extractor_plugin = zipcollect.Extract
    c.ZipCollectApp.collector_plugin = zipcollect.Collect
    c.FileNameCollectorPlugin.named_regexp = (
        r".*/(?P<student_id>[^_/]+)_(?:.*_)?(?P<file_id>(?:\d\d|[A-Z])-[a-z]+(?:-[a-z]+)*)(?:-\d+| \(\d+\))?\.ipynb$"
    )


def load(course: Path) -> Config:
    """The settings for the course directory ``course``: `configure`, then its own `nbgrader_config.py` if any."""
    config = Config()
    configure(config, course)
    if (course / FILE).is_file():
        config.merge(PyFileConfigLoader(FILE, str(course)).load_config())
    config.CourseDirectory.root = str(course)
    return config


def commands_on_path() -> None:
    """Put this Python's own commands on PATH: nbgrader makes a gradebook by running ``alembic``."""
    here = str(Path(sys.executable).parent)
    if here not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([here, *filter(None, [os.environ.get("PATH")])])
