"""What ``nbgrader zip_collect`` does with downloads from a learning platform, or from a mailbox.

nbgrader would unpack what students packed, wherever it leads. Here nothing is unpacked: of each archive the notebooks
are read, each up to a bound, and written under names of our own making. Whatever is refused is named with the reason,
and all others are collected.

An archive whose own name says whose it is (``ada_01-rnn.zip``) holds one notebook, that student's, under any name. The
names in any other archive are the platform's: ``ada_871_01-rnn.ipynb``, Moodle's ``ada_87_assignsubmission_file_``
with ``01-rnn.ipynb`` in it, or again such an archive.
"""

import gzip
import io
import os
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from nbgrader.plugins import ExtractorPlugin, FileNameCollectorPlugin

from autograder.grading.notebooks import MAX_BYTES

MOST_FILES = 10_000  # in one archive
LEAST_ROOM, MOST_TIMES = 100_000_000, 50  # bytes out of one archive: so many, or so many times its size
ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")
NOT_MEANT = re.compile(r"(^|/)(__MACOSX|\.[^/]*)(/|$)")  # what file managers and Jupyter add


class Refused(Exception):
    """A file that is not collected. The message says why in a few words."""


class Extract(ExtractorPlugin):
    """Takes the notebooks out of the downloaded files."""

    def extract(self, archive_path, extracted_path):
        for place, folders, names in os.walk(archive_path):
            folders.sort()
            for name in sorted(names):
                path = Path(place, name)
                target = Path(extracted_path, os.path.relpath(place, archive_path))
                self.written = []
                try:
                    self.take(path, target)
                except Refused as reason:
                    for done in self.written:  # nothing of an archive that is refused
                        done.unlink()
                    self.refuse(path.relative_to(archive_path), reason)

    def take(self, path, target):
        """A notebook, or the notebooks in an archive, into the folder ``target``. Raises Refused."""
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode):
            raise Refused("it is a link" if path.is_symlink() else "it is no regular file")
        with path.open("rb") as file:
            if path.name.lower().endswith(ARCHIVES):
                folder = target / path.name.split(".")[0]
                self.unpack(file, about.st_size, path.name, folder, self.whose(path.name))
            else:
                self.put(self.notebook(path.name, file), target / path.name)

    def unpack(self, file, size, name, target, owner, nested=False):
        """The notebooks of an archive into ``target``. Raises Refused if it is none, or another's trap."""
        left, found = LEAST_ROOM if owner else max(LEAST_ROOM, MOST_TIMES * size), []
        try:
            for inner, content in members(file, name, left):
                try:
                    if content is None or NOT_MEANT.search(inner):
                        continue
                    if isinstance(content, Refused):
                        raise content
                    if owner is None and inner.lower().endswith(ARCHIVES):
                        whose = self.whose(name_of(inner))
                        if nested or whose is None:
                            raise Refused("an archive in an archive has to say in its name whose it is")
                        data = bounded(content)
                        self.unpack(io.BytesIO(data), len(data), inner, target, whose, nested=True)
                        continue
                    data = self.notebook(inner, content)
                    left -= len(data)
                    if left < 0:
                        raise Bomb
                    if owner is None:
                        self.put(data, target / name_of(inner))
                    else:
                        found.append((PurePosixPath(inner).name, data))
                except Bomb:
                    raise
                except Refused as reason:
                    self.refuse(f"{name}: {inner}", reason)
                except Exception as error:  # these libraries raise what they run into
                    self.refuse(f"{name}: {inner}", f"it is damaged ({type(error).__name__})")
        except Bomb:
            raise Refused("there is far more in it than its size allows for: a bomb?") from None
        except Exception as error:
            raise Refused(f"it is damaged, or no archive ({type(error).__name__})") from None
        if owner is None:
            return
        student, assignment = owner
        named = [data for inner, data in found if inner == f"{assignment}.ipynb"]
        chosen = named if len(named) == 1 else [data for _, data in found]
        if len(chosen) != 1:
            raise Refused(f"there are {len(chosen)} notebooks in it, where one is asked for")
        self.put(chosen[0], target / f"{student}_{assignment}.ipynb")

    def whose(self, name):
        """(student, assignment) if the name of an archive says so, else None."""
        stem = next(name[: -len(end)] for end in ARCHIVES if name.lower().endswith(end))
        found = self.parent.collector_plugin_inst.collect_name(f"{stem}.ipynb")
        return found and (found["student_id"], found["file_id"])

    def notebook(self, name, file):
        """The content of a file that may be a hand-in. Raises Refused."""
        if Path(name).suffix not in self.parent.collector_plugin_inst.valid_ext:
            raise Refused("it is no notebook")
        return bounded(file)

    def put(self, data, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("xb") as file:
                file.write(data)
            self.written.append(path)
        except FileExistsError:
            raise Refused("there is another file of this name") from None
        except (OSError, ValueError) as error:
            raise Refused(f"no file can have this name ({error})") from None

    def refuse(self, name, reason):
        self.log.warning("Refused %s: %s.", printable(name), reason)


class Collect(FileNameCollectorPlugin):
    """Whose a file is, by its name. A name that is no student's, and a second file of one student's, are refused."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.taken = {}

    def collect(self, submitted_file):
        name = os.path.basename(submitted_file)
        found = self.collect_name(name)
        if found is None:
            reason = "its name does not say whose it is, as STUDENT_ASSIGNMENT.ipynb would"
        else:
            first = self.taken.setdefault((found["student_id"], found["file_id"]), submitted_file)
            if first == submitted_file:
                return found
            reason = f"{found['student_id']} has handed in {printable(os.path.basename(first))}, too, and that is taken"
        self.log.warning("Refused %s: %s.", printable(name), reason)
        return None

    def collect_name(self, name):
        """What the name of a file says, or None."""
        if os.path.splitext(name)[1] not in self.valid_ext:
            return None
        found = re.match(self.named_regexp, f"/{name}")
        return found.groupdict() if found and is_student(found["student_id"]) else None


def is_student(name):
    """Whether a student can be called so: a plain name of one folder, without the signs of a pattern."""
    return bool(re.fullmatch(r"[^./\\*?\[][^/\\*?\[]{0,99}", name)) and name.isprintable() and name == name.strip()


def name_of(inner):
    """The name of a platform's file in its archive. Moodle may say whose it is in the name of the folder instead."""
    path = PurePosixPath(inner)
    folder = path.parent.name.rstrip("_")
    return f"{folder}_{path.name}" if folder.endswith("_assignsubmission_file") else path.name


def printable(name):
    """A file's name without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(name))[:200]


# ---- archives -------------------------------------------------------------------------------------------------------


class Bomb(Exception):
    """More came out of an archive than may."""


def members(file, name, most) -> Iterator[tuple[str, object]]:
    """Each member of an archive: its name, and its content as a file, None for a folder, Refused for anything else."""
    for count, (inner, content) in enumerate(zipped(file) if name.lower().endswith(".zip") else tarred(file, most)):
        if count == MOST_FILES:
            raise Bomb
        parts = re.split(r"[/\\]", inner)
        if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", inner):
            content = Refused("its name leads out of the archive")
        yield inner, content


def zipped(file):
    with zipfile.ZipFile(file) as archive:
        for about in archive.infolist():
            kind = stat.S_IFMT(about.external_attr >> 16)
            if about.is_dir():
                yield about.filename, None
            elif kind not in (0, stat.S_IFREG):
                yield about.filename, Refused("it is a link" if kind == stat.S_IFLNK else "it is no regular file")
            else:
                try:
                    with archive.open(about) as content:
                        yield about.filename, content
                except (RuntimeError, NotImplementedError):
                    yield about.filename, Refused("it is encrypted, or packed in a way that is not known here")


def tarred(file, most):
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    with (
        gzip.GzipFile(fileobj=file) if packed else file as plain,
        tarfile.open(fileobj=Counted(plain, most), mode="r|") as archive,
    ):
        for about in archive:
            if about.isdir():
                yield about.name, None
            elif not about.isreg():
                yield about.name, Refused("it is a link" if about.issym() or about.islnk() else "it is no regular file")
            else:
                yield about.name, archive.extractfile(about)


class Counted:
    """A file of which no more than ``most`` bytes can be read."""

    def __init__(self, file, most):
        self.file, self.left = file, most

    def read(self, size):
        data = self.file.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise Bomb
        return data


def bounded(file):
    """All that there is to read. Raises Refused if that is more than a hand-in may have."""
    data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Refused(f"it has more than {MAX_BYTES / 1e6:.0f} MB")
    return data
