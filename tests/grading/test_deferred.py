"""What nbgrader imports and grading does not use is imported by whoever uses it, and then as ever."""

import subprocess
import sys

USED = """\
import sys
from autograder.grading.deferred import UNUSED, deferred

with deferred():
    import autograder.grading.grade
import nbgrader.apps.api
assert not {*UNUSED} & {*sys.modules}, {*UNUSED} & {*sys.modules}

import bs4, nbgrader, nbgrader.server_extensions.formgrader, pathlib, tempfile, zipfile
assert bs4.BeautifulSoup("<p>one", "html.parser").p.text == "one"
assert nbgrader.server_extensions.formgrader.load_jupyter_server_extension.__module__.startswith("nbgrader.")

from nbgrader.auth import jupyterhub
from nbgrader.utils import unzip
assert jupyterhub.requests.exceptions.HTTPError.__mro__[-2] is BaseException
folder = pathlib.Path(tempfile.mkdtemp())
with zipfile.ZipFile(folder / "some.zip", "w") as archive:
    archive.writestr("inside", "here")
unzip(str(folder / "some.zip"), str(folder))
assert (folder / "inside").read_text() == "here"
"""

AT_ONCE = """\
import sys
from autograder.grading.deferred import deferred

with deferred(["colorsys", "wave"]):
    from colorsys import rgb_to_hsv
    import wave
    assert rgb_to_hsv(0, 0, 1)[2] == 1
    assert "wave" not in sys.modules
    import wave as itself
    assert wave.Error is itself.Error
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_deferred_package_is_there_for_whoever_uses_it():
    run(USED)


def test_one_that_is_called_meanwhile_is_imported_at_once():
    run(AT_ONCE)
