"""`autograder doctor` names what is missing, and only that."""

import shutil

import pytest
from sample_course import make_course

from autograder.__main__ import main
from autograder.grading import doctor


@pytest.fixture
def course(tmp_path, gradebook):
    return make_course(tmp_path / "course", gradebook)


def troubles(course):
    return {finding.what: finding.trouble for finding in doctor.examine(course) if finding.trouble}


def test_a_sound_machine_lacks_nothing(course, sandboxed, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "MEMORY", 0)
    monkeypatch.setattr(doctor, "DISK", 0)
    assert main(["doctor", "--course", str(course)]) == 0
    assert "missing" not in capsys.readouterr().out


def test_what_is_missing_is_named_with_what_to_do(course, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(doctor, "MEMORY", 10**18)
    (course / "gradebook.db").write_text("marks: all excellent" * 50)
    found = troubles(course)
    assert "apt install bubblewrap" in found["a sandbox for student code"]
    assert "pip install alembic" in found["alembic"]
    assert "can't be read" in found["gradebook"]
    assert "are free" in found["memory and disk"]
    assert main(["doctor", "--course", str(course)]) == 1
    assert "missing a sandbox for student code: " in capsys.readouterr().out


def test_a_course_that_is_not_there(tmp_path):
    assert "name the course directory" in troubles(tmp_path / "nowhere")["course directory"]
