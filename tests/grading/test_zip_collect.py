"""`nbgrader zip_collect` on downloads with every trap in them: the class is collected, and each trap has its reason."""

import io
import os
import stat
import subprocess
import sys
import tarfile
import zipfile

import nbformat
import pytest
from sample_course import NAME, make_course

NOTEBOOK = nbformat.writes(nbformat.v4.new_notebook()).encode()
SECONDS = 120


def zip_of(*members, **named):
    """A zip archive: names with content, or `ZipInfo` with content."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in [*members, *named.items()]:
            archive.writestr(name, content)
    return file.getvalue()


def tar_of(*members, mode="w:gz"):
    """A tar archive: names with content, or `TarInfo` without."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:
        for name, content in members:
            about = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return file.getvalue()


def zip_link(name):
    about = zipfile.ZipInfo(name)
    about.external_attr = (stat.S_IFLNK | 0o777) << 16
    return about


def tar_entry(name, kind, target=""):
    about = tarfile.TarInfo(name)
    about.type, about.linkname = kind, target
    return about


def encrypted():
    """The flag alone is enough."""
    data = bytearray(zip_of((f"{NAME}.ipynb", NOTEBOOK)))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + at] |= 1
    return bytes(data)


def damaged():
    data = bytearray(zip_of((f"{NAME}.ipynb", NOTEBOOK)))
    data[45] ^= 255
    return bytes(data)


BOMB = zip_of(*((f"{n}_{NAME}.ipynb", bytes(15_000_000)) for n in range(9)))
HONEST = {
    f"ada_{NAME}.ipynb": NOTEBOOK,
    f"bob_871_{NAME}-1.ipynb": NOTEBOOK,
    "platform.zip": zip_of(
        (f"cy_{NAME}.ipynb", NOTEBOOK),
        (f"some/folder/di_7_{NAME}.ipynb", NOTEBOOK),
        (f"ed_{NAME}.zip", zip_of(("work/anything.ipynb", NOTEBOOK), ("__MACOSX/._anything.ipynb", b"x"))),
        (f"ida_9_assignsubmission_file_/{NAME}.ipynb", NOTEBOOK),
        (f"jo_8_assignsubmission_file/ada_{NAME}.ipynb", NOTEBOOK),
        (f"fay_{NAME}.tar.gz", tar_of((f"./{NAME}.ipynb", NOTEBOOK), ("scratch.ipynb", NOTEBOOK))),
    ),
    f"gil_{NAME}.zip": zip_of((f"{NAME}.ipynb", NOTEBOOK), (".ipynb_checkpoints/x.ipynb", b"x")),
    f"hal_{NAME}.tar": tar_of((f"{NAME}.ipynb", NOTEBOOK), mode="w"),
}
STUDENTS = {"ada", "bob", "cy", "di", "ed", "fay", "gil", "hal", "ida", "jo"}

TRAPS = {  # what is downloaded: content, and a part of the line that refuses it
    f".._{NAME}.ipynb": (NOTEBOOK, "does not say whose it is"),
    f"._{NAME}.ipynb": (NOTEBOOK, "does not say whose it is"),
    f"*_{NAME}.ipynb": (NOTEBOOK, "does not say whose it is"),
    f"a\x1b[2Jb_{NAME}.ipynb": (NOTEBOOK, "Refused a?[2Jb_"),
    f"a\nb_{NAME}.ipynb": (NOTEBOOK, "Refused a?b_"),
    f"ada_{NAME}-7.ipynb": (NOTEBOOK, f"Refused ada_{NAME}.ipynb: ada has handed in ada_{NAME}-7.ipynb, too"),
    "homework.ipynb": (NOTEBOOK, "Refused homework.ipynb: its name does not say whose it is"),
    "notes.pdf": (b"%PDF", "Refused notes.pdf: it is no notebook"),
    f"large_{NAME}.ipynb": (bytes(20_000_001), f"Refused large_{NAME}.ipynb: it has more than 20 MB"),
    f"no_{NAME}.zip": (b"PK no archive", f"Refused no_{NAME}.zip: it is damaged, or no archive"),
    f"cut_{NAME}.tar.gz": (HONEST["platform.zip"][:50], f"Refused cut_{NAME}.tar.gz: it is damaged"),
    f"crc_{NAME}.zip": (damaged(), f"{NAME}.ipynb: it is damaged"),
    f"key_{NAME}.zip": (encrypted(), "it is encrypted"),
    f"none_{NAME}.zip": (zip_of(("readme.txt", b"")), "there are 0 notebooks in it"),
    f"two_{NAME}.zip": (zip_of(("a.ipynb", NOTEBOOK), ("b.ipynb", NOTEBOOK)), "there are 2 notebooks in it"),
    f"up_{NAME}.zip": (zip_of((f"../../../{NAME}.ipynb", NOTEBOOK)), "leads out of the archive"),
    f"abs_{NAME}.zip": (zip_of((f"/tmp/{NAME}.ipynb", NOTEBOOK)), "leads out of the archive"),
    f"back_{NAME}.zip": (zip_of((f"..\\..\\{NAME}.ipynb", NOTEBOOK)), "leads out of the archive"),
    f"drive_{NAME}.zip": (zip_of((f"C:\\{NAME}.ipynb", NOTEBOOK)), "leads out of the archive"),
    f"link_{NAME}.zip": (zip_of((zip_link(f"{NAME}.ipynb"), b"/etc/passwd")), "it is a link"),
    f"bomb_{NAME}.zip": (BOMB, f"Refused bomb_{NAME}.zip: there is far more in it"),
    "bombs.zip": (BOMB, "Refused bombs.zip: there is far more in it"),
    f"many_{NAME}.zip": (zip_of(*((f"{n}", b"") for n in range(10_001))), f"Refused many_{NAME}.zip: there is"),
    f"gz_{NAME}.tar.gz": (tar_of(("zeros", bytes(150_000_000))), f"Refused gz_{NAME}.tar.gz: there is far more in it"),
    f"tarup_{NAME}.tgz": (tar_of((f"../{NAME}.ipynb", NOTEBOOK)), "leads out of the archive"),
    f"symlink_{NAME}.tgz": (tar_of((tar_entry(f"{NAME}.ipynb", tarfile.SYMTYPE, "/etc/passwd"), b"")), "it is a link"),
    f"hard_{NAME}.tgz": (tar_of((tar_entry(f"{NAME}.ipynb", tarfile.LNKTYPE, "/etc/passwd"), b"")), "it is a link"),
    f"pipe_{NAME}.tgz": (tar_of((tar_entry(f"{NAME}.ipynb", tarfile.FIFOTYPE), b"")), "it is no regular file"),
    "others.zip": (zip_of(("inner.zip", zip_of((f"ada_{NAME}.ipynb", b"not ada's")))), "has to say in its name whose"),
    "impostor.zip": (
        zip_of((f"zed_{NAME}.zip", zip_of((f"x_{NAME}.zip", zip_of((f"ada_{NAME}.ipynb", b"not ada's")))))),
        "it is no notebook",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A course into which everything above was downloaded, collected once; and what the command said."""
    course = make_course(tmp_path_factory.mktemp("zip") / "course")
    archive = course / "downloaded" / NAME / "archive"
    archive.mkdir(parents=True)
    for name, content in (HONEST | {name: content for name, (content, _) in TRAPS.items()}).items():
        (archive / name).write_bytes(content)
    (archive / f"linked_{NAME}.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(archive / f"fifo_{NAME}.ipynb")
    (archive / os.fsdecode(b"\xff_" + f"{NAME}.ipynb".encode())).write_bytes(NOTEBOOK)
    before = {path for path in course.parent.rglob("*")}
    command = [sys.executable, "-m", "nbgrader", "zip_collect", NAME]
    done = subprocess.run(command, cwd=course, capture_output=True, timeout=SECONDS, text=True, errors="replace")
    assert done.returncode == 0, done.stderr
    new = {path for path in course.parent.rglob("*")} - before
    return course, new, done.stderr


def test_the_class_is_collected_and_nobody_else(collected):
    course, _, said = collected
    found = {path.parent.parent.name for path in (course / "submitted").rglob("*.ipynb")}
    assert found == STUDENTS, said
    for path in (course / "submitted").rglob("*"):
        assert not path.is_symlink()
        if path.is_file():
            assert (path.name, path.parent.name, path.read_bytes()) == (f"{NAME}.ipynb", NAME, NOTEBOOK)


def test_nothing_is_written_elsewhere(collected):
    course, new, _ = collected
    places = (course / "submitted", course / "downloaded" / NAME / "extracted")
    assert all(any(path.is_relative_to(place) for place in places) for path in new), new
    assert sum(path.stat().st_size for path in new) < 130_000_000


@pytest.mark.parametrize("trap", TRAPS)
def test_what_is_refused_is_named_with_its_reason(collected, trap):
    _, _, said = collected
    lines = [line for line in said.splitlines() if "Refused" in line]
    assert any(TRAPS[trap][1] in line for line in lines), lines


def test_links_and_pipes_are_refused_without_being_opened(collected):
    _, _, said = collected
    assert f"Refused linked_{NAME}.ipynb: it is a link" in said
    assert f"Refused fifo_{NAME}.ipynb: it is no regular file" in said
