"""Where this course is published, and how its notebooks open in Google Colab: links, the badge, the set-up cell.

The repository is named once, by ``repository`` in `_config.yml`. GitHub's own variable ``GITHUB_REPOSITORY`` overrides
it, so that a fork publishes links to itself without an edit. Nothing here reads or writes a notebook, and a student's
`check` imports it only to link to the book.
"""

import json
import os
import re
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

PACKAGE = "keep-the-attention"
COLAB = "https://colab.research.google.com"
CONFIG = Path(__file__).resolve().parent.parent / "_config.yml"  # there in a checkout, not in an installed package
FOLDED = {
    "cellView": "form",
    "jupyter": {"source_hidden": True},
}  # a code cell's metadata: folded in Colab, in JupyterLab
SOURCE_VARIABLE = "KEEP_THE_ATTENTION_GIT"  # makes the set-up cell fetch from another git URL, for tests and for hubs


@dataclass(frozen=True)
class Repository:
    """A published copy of the course: ``https://github.com``, ``owner/name``, and the branch or tag.

    ``book`` is the published book's base URL without a final slash; empty means the repository's own GitHub Pages.
    """

    server: str
    slug: str
    branch: str
    book: str = ""

    @property
    def url(self) -> str:
        """The repository's page, which is also what git clones from."""
        return f"{self.server}/{self.slug}"

    @property
    def git_source(self) -> str:
        """What pip takes after ``git+``: the address and the revision."""
        return f"{self.url}@{self.branch}"

    @property
    def book_url(self) -> str:
        """The published book's base URL, without a final slash. Owners are lower case in addresses of GitHub Pages."""
        if self.book:
            return self.book
        owner, name = self.slug.split("/")
        host = f"{owner.lower()}.github.io"
        return f"https://{host}" if name.lower() == host else f"https://{host}/{name}"


def repository() -> Repository:
    """The repository that this course is published from.

    ``GITHUB_REPOSITORY`` (``owner/name``) and ``GITHUB_SERVER_URL`` come first. The rest is from `_config.yml`; in an
    installed package, where there is none, from what pip noted when it installed from git, or from its metadata.

    Raises LookupError where none of these names a repository, ValueError where one is not ``SERVER/OWNER/NAME``.
    """
    known = _configured() if CONFIG.is_file() else _installed()
    if slug := os.environ.get("GITHUB_REPOSITORY"):
        server = os.environ.get("GITHUB_SERVER_URL") or (known.server if known else "https://github.com")
        here = _parse(f"{server}/{slug}", known.branch if known else "main")
        return known if known and known.url == here.url else here  # a fork's book is not at the original's address
    if known is None:
        raise LookupError("The course's repository is not known here: set GITHUB_REPOSITORY to owner/name.")
    return known


def _parse(url: str, branch: str, book: str = "") -> Repository:
    server, *slug = url.removesuffix("/").removesuffix(".git").rsplit("/", 2)
    if len(slug) != 2 or "://" not in server or not all(slug):
        raise ValueError(f"{url!r} names no repository: write SERVER/OWNER/NAME, as in https://github.com/owner/name.")
    return Repository(server, "/".join(slug), branch, book.rstrip("/"))


def _configured() -> Repository:
    import yaml  # only a checkout has a configuration to read; the installed package does not depend on PyYAML

    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8")) or {}
    named = config.get("repository") or {}
    if "url" not in named:
        raise LookupError(f"{CONFIG} names no repository: add url and branch under repository.")
    return _parse(named["url"], named.get("branch", "main"), (config.get("html") or {}).get("baseurl") or "")


def _installed() -> Repository | None:
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        return None
    origin = json.loads(package.read_text("direct_url.json") or "{}")  # written by pip (PEP 610)
    if "vcs_info" in origin and "://" in origin["url"] and not origin["url"].startswith("file:"):
        return _parse(origin["url"], origin["vcs_info"].get("requested_revision", "main"))
    for line in package.metadata.get_all("Project-URL") or []:
        label, _, url = line.partition(", ")
        if label == "Repository":
            return _parse(url, "main")
    return None


def colab_url(path: str, of: Repository | None = None) -> str:
    """The address that opens the notebook at ``path`` (from the repository's root) in Colab.

    Colab reads from github.com only, whatever ``GITHUB_SERVER_URL`` says.
    """
    of = of or repository()
    return f"{COLAB}/github/{of.slug}/blob/{of.branch}/{path}"


def badge(path: str, of: Repository | None = None, image: str = f"{COLAB}/assets/colab-badge.svg") -> str:
    """Markdown for the "Open in Colab" badge of the notebook at ``path``.

    The default image is Colab's own, for notebooks and READMEs; a page that must read offline gives a local one.
    """
    return f"[![Open in Colab]({image})]({colab_url(path, of)})"


def stated(path: str, notebook: str) -> Repository | None:
    """The repository that a notebook was made for, as the badge in its text says; None where it has no badge of ours.

    ``path`` is where the notebook is, from the repository's root. In a fork this need not be `repository`.
    """
    found = re.search(rf"{re.escape(COLAB)}/github/([^/]+/[^/]+)/blob/(\S+?)/{re.escape(path)}", notebook)
    if found is None:
        return None
    here = repository()
    named = replace(here, slug=found[1], branch=found[2])
    return named if named.slug == here.slug else replace(named, book="")


def setup_cell(of: Repository | None = None) -> str:
    """The source of a notebook's first code cell: fetches the course's package where it is missing, else does nothing.

    pip installs from git at the notebook's own revision, without dependencies: Colab's torch and numpy stay.
    """
    return SETUP_CELL.format(variable=SOURCE_VARIABLE, source=(of or repository()).git_source)


SETUP_CELL = """\
# @title Set-up: fetches the course's package where it is missing
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("autograder") is None:
    source = "git+" + os.environ.get(
        "{variable}", "{source}"
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-input", source]
    if subprocess.run(pip, capture_output=True, stdin=subprocess.DEVNULL).returncode:
        raise RuntimeError(
            "The course's package could not be fetched: check that this machine is online, then run this cell again "
            f"(`!pip install --no-deps {{source}}` shows what went wrong)."
        )
    importlib.invalidate_caches()
"""
