"""The workflows are valid, and what they run exists. GitHub itself is not asked."""

import re
from pathlib import Path

import pytest
import tomllib
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))
TARGETS = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].values()


def commands(path):
    """Every line that a workflow runs, once for each row of its matrix."""
    for job in jobs(path):
        matrix = job.get("strategy", {}).get("matrix", {})
        rows = matrix.get("include") or [{"python": version} for version in matrix.get("python", [""])]
        for row in rows:
            for line in "\n".join(step["run"] for step in job["steps"] if "run" in step).splitlines():
                yield re.sub(r"\$\{\{ matrix\.(\w+) \}\}", lambda found, row=row: row[found[1]], line)


def lint(*paths, schema="github-workflows"):
    """check-jsonschema, with a schema that it brings: its exit status, 0 where nothing is wrong, and what it says."""
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", *map(str, paths)])
    return done.exit_code, done.output


def test_the_workflows_are_valid():
    assert [path.stem for path in WORKFLOWS] == ["pages", "test", "weekly"]
    assert lint(*WORKFLOWS) == (0, "ok -- validation done\n")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("    needs: build", "    need: build", "'need' was unexpected"),
        ("  contents: read", "  content: read", "{'content': 'read'}"),
        ("      - run: make pdf", "      - rum: make pdf", "steps[3]"),
        ("    timeout-minutes: 45", "    timeout-minutes: soon", "'soon'"),
        ("  push:", "  pushed:", "'pushed'"),
    ],
)
def test_the_linter_finds_what_is_wrong(tmp_path, right, wrong, complaint):
    text = (FOLDER / "pages.yml").read_text(encoding="utf-8")
    assert right in text
    path = tmp_path / "pages.yml"
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    status, said = lint(path)
    assert status != 0 and complaint in said, said


@each_workflow
def test_a_workflow_may_do_no_more_than_it_needs(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert more == ({"deploy": {"pages": "write", "id-token": "write"}} if path.stem == "pages" else {})
    for job in workflow["jobs"].values():
        assert job.get("needs", job) in (*workflow["jobs"], job) and job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout"):
                assert step["with"]["persist-credentials"] is False


@each_workflow
def test_what_is_run_exists(path):
    lines = list(commands(path))
    assert lines
    for line in lines:
        assert "${{" not in line, line  # nothing that a stranger's branch or message could put into a command
        program, *arguments = line.split()
        if program == "make":
            assert set(arguments) <= TARGETS, line
        else:
            programs = ("python", ".ci/run", ".venv/bin/python", ".venv/bin/jupyter-book", "cp")
            assert program in programs or line.startswith("sudo apt-get install --yes fonts-"), line
        for word in [program, *arguments]:
            if word.startswith(("tests/", ".ci/", "requirements")):
                assert (ROOT / word).exists(), line
    if any(line.startswith(".venv/") for line in lines):
        assert any(line.startswith("make") for line in lines)


@each_workflow
def test_actions_are_githubs_own_with_a_major_version(path):
    used = [step["uses"] for job in jobs(path) for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[\w-]+@v\d+", name) for name in used)


def test_the_oldest_libraries_are_those_that_the_package_allows():
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    lowest = {tuple(re.split(">=", dependency)) for dependency in dependencies}
    (line,) = [line for line in commands(FOLDER / "test.yml") if "numpy==" in line]
    pinned = {(name, re.sub(r"(\.0)+$", "", version)) for name, version in re.findall(r"(\w+)==([\d.]+)", line)}
    assert pinned == lowest


def test_a_forks_name_is_nowhere():
    """A fork needs no edit: only `_config.yml` says where the course is published."""
    assert not [path.name for path in WORKFLOWS if "keep-the-attention" in path.read_text(encoding="utf-8")]
