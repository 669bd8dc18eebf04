"""Where the course says that it is published, in a checkout, in a fork and as an installed package."""

import json
from email.message import Message
from pathlib import Path

import pytest
import tomllib
import yaml

from autograder import colab

ROOT = Path(__file__).resolve().parents[2]
PATH = "book/colab/01-rnn.ipynb"


@pytest.fixture
def configured(monkeypatch, tmp_path):
    """Puts a `_config.yml` of our own in the place of the course's."""

    def put(**config):
        file = tmp_path / "_config.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        monkeypatch.setattr(colab, "CONFIG", file)

    return put


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Pretends that there is only the installed package, with what pip noted of its origin and its metadata."""

    def put(direct_url=None, project_urls=()):
        class Package:
            metadata = Message()

            def read_text(self, name):
                return json.dumps(direct_url) if direct_url and name == "direct_url.json" else None

        for url in project_urls:
            Package.metadata["Project-URL"] = url
        monkeypatch.setattr(colab, "CONFIG", tmp_path / "none.yml")
        monkeypatch.setattr(colab, "distribution", lambda name: Package())

    return put


def test_a_checkout_reads_the_configuration():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    here = colab.repository()
    assert here.url == config["repository"]["url"]
    assert here.branch == config["repository"]["branch"]


def test_the_package_names_the_same_repository_as_the_configuration():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"]["Repository"] == colab.repository().url


def test_a_fork_is_served_without_an_edit(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "Someone/course")
    assert colab.repository().url == "https://github.com/Someone/course"
    assert colab.repository().book_url == "https://someone.github.io/course"
    assert colab.colab_url(PATH) == f"https://colab.research.google.com/github/Someone/course/blob/main/{PATH}"
    assert "github.com/Someone/course@main" in colab.setup_cell()


def test_another_server_is_cloned_from(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/course")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.edu")
    assert "git+" in colab.setup_cell() and "https://git.example.edu/someone/course@main" in colab.setup_cell()


def test_a_book_at_an_address_of_its_own(configured, monkeypatch):
    configured(repository={"url": "https://github.com/a/b", "branch": "v1"}, html={"baseurl": "https://book.example/"})
    assert colab.repository().book_url == "https://book.example"
    assert colab.repository().git_source == "https://github.com/a/b@v1"
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")  # the workflow of the repository itself
    assert colab.repository().book_url == "https://book.example"
    monkeypatch.setenv("GITHUB_REPOSITORY", "c/b")
    assert colab.repository().book_url == "https://c.github.io/b"
    assert colab.repository().branch == "v1"


def test_the_site_of_an_owner(monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "Someone/someone.github.io")
    assert colab.repository().book_url == "https://someone.github.io"


def test_a_package_installed_from_git_knows_its_origin(installed):
    installed({"url": "https://github.com/a/b.git", "vcs_info": {"vcs": "git", "requested_revision": "2026"}})
    assert colab.repository() == colab.Repository("https://github.com", "a/b", "2026")


@pytest.mark.parametrize(
    "origin", [None, {"url": "file:///tmp/b", "dir_info": {}}, {"url": "file:///tmp/b", "vcs_info": {"vcs": "git"}}]
)
def test_a_package_installed_otherwise_goes_by_its_metadata(installed, origin):
    installed(origin, ["Homepage, https://example.org", "Repository, https://github.com/a/b"])
    assert colab.repository() == colab.Repository("https://github.com", "a/b", "main")


def test_nothing_known_is_said_in_a_sentence(installed, monkeypatch):
    installed()
    with pytest.raises(LookupError, match="set GITHUB_REPOSITORY to owner/name"):
        colab.repository()
    monkeypatch.setenv("GITHUB_REPOSITORY", "a/b")
    assert colab.repository().url == "https://github.com/a/b"


@pytest.mark.parametrize("slug", ["name", "/name", "owner/"])
def test_a_bad_override_is_refused(monkeypatch, slug):
    monkeypatch.setenv("GITHUB_REPOSITORY", slug)
    with pytest.raises(ValueError, match="names no repository"):
        colab.repository()


def test_a_configuration_without_a_repository_is_refused(configured):
    configured(title="A book")
    with pytest.raises(LookupError, match="names no repository"):
        colab.repository()


def test_the_badge_is_a_linked_image_with_a_text():
    assert colab.badge(PATH).startswith("[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](")
    assert colab.colab_url(PATH) in colab.badge(PATH)
    assert colab.badge(PATH, image="_static/badge.svg").startswith("[![Open in Colab](_static/badge.svg)](")


@pytest.mark.parametrize("slug", ["keep-the-attention/keep-the-attention", "someone/fork"])
def test_a_notebook_states_what_it_was_made_for(slug):
    made_for = colab.Repository("https://github.com", slug, "term/2026")
    assert colab.stated(PATH, f"text {colab.badge(PATH, made_for)} more") == made_for
    assert colab.stated(PATH, "no badge") is None
    assert colab.stated("book/colab/02-seq2seq.ipynb", colab.badge(PATH, made_for)) is None


def test_the_set_up_cell_leaves_numpy_and_torch_alone():
    """The run in the bare environment cannot show this: there, nothing that the package depends on is missing."""
    assert '"--no-deps"' in colab.setup_cell()


def test_the_set_up_cell_does_nothing_where_the_package_is(monkeypatch):
    monkeypatch.setenv(colab.SOURCE_VARIABLE, "file:///there/is/nothing/here")
    exec(compile(colab.setup_cell(), "set-up", "exec"), {})
