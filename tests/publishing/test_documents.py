"""What the documents for contributors and users of the repository name is there."""

import re
from pathlib import Path

import pytest
import tomllib
import yaml
from test_workflows import TARGETS, lint

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()} - {"_build", ".venv"}

each_document = pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])


def code(name):
    """What stands in a document's code spans and code blocks, and what its links lead to here."""
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*"\n".join(blocks).splitlines(), *re.findall(r"`([^`]+)`", rest), *re.findall(r"\]\(([^):]+)\)", rest)]


@each_document
def test_every_make_target_exists(name):
    targets = [target for line in code(name) for target in re.findall(r"\bmake ([a-z-]+)", line)]
    assert targets and set(targets) <= TARGETS


@each_document
def test_every_path_exists(name):
    """A path begins with a folder of the repository or is a file beside this document; NN and NAME stand for any."""
    words = {word.strip(",;.") for line in code(name) for word in line.split("#")[0].split()}
    paths = {word for word in words if word.split("/")[0] in FOLDERS or re.fullmatch(r"[\w.]+\.(md|yml|cff)", word)}
    assert len(paths) >= 5
    made = {"_build/html/index.html", "_build/keep-the-attention.pdf"}
    for path in paths - made:
        assert list(ROOT.glob(re.sub(r"NN-name|NAME", "*", path))), path


def test_the_commands_of_contributing_run_what_there_is():
    lines = [line.split("#")[0].split() for line in code("CONTRIBUTING.md") if line.startswith((".venv/", "make"))]
    assert len(lines) >= 8
    programs = {tuple(words[:3]) if "-m" in words else words[0] for words in lines}
    assert programs == {"make", ".venv/bin/pip", (".venv/bin/python", "-m", "pytest")}


def test_the_citation_is_valid_and_names_the_same_place_as_the_configuration():
    assert lint(ROOT / "CITATION.cff", schema="citation-file-format")[0] == 0
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["repository-code"] == config["repository"]["url"]
    assert [author["name"] for author in citation["authors"]] == [config["author"]]
    assert citation["title"].startswith(config["title"])
    assert citation["version"] == project["version"]
    assert citation["license"] == [project["license"], "CC-BY-4.0"]


def test_the_hooks_before_a_commit_run_what_there_is():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (group,) = config["repos"]
    assert group["repo"] == "local"
    for hook in group["hooks"]:
        program, *arguments = hook["entry"].split()
        assert hook["language"] == "system" and program in (".venv/bin/ruff", ".venv/bin/python")
        assert all((ROOT / word).is_file() for word in arguments if word.endswith(".py"))
    files = {hook["id"]: hook.get("files") for hook in group["hooks"]}
    assert re.search(files["notebooks"], "solutions/01-rnn/01-rnn.ipynb")
    assert re.search(files["colab"], "book/01-rnn.md") and not re.search(files["colab"], "tests/conftest.py")


def test_the_changelog_keeps_its_form():
    """Versions from new to old under the headings of Keep a Changelog."""
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## Unreleased"
    assert all(re.fullmatch(r"## \d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", line) for line in versions[1:])
    kinds = {line for line in lines if line.startswith("### ")}
    assert kinds <= {f"### {kind}" for kind in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")}
