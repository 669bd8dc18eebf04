"""Environments with only what Colab has, and kernels that run in them.

What Colab has is linked from the environment that the tests run in: pip would put the same files there once more, the
pins being the same. Each kernel starts in an environment of its own on top, because its notebook may install packages.

    python tests/bare.py RUNNER -f CONNECTION_FILE

becomes such a kernel. Jupyter runs it so, where `Runner.jupyter` is its path.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import asdict, dataclass, replace
from importlib.metadata import distribution
from pathlib import Path

from filelock import FileLock
from packaging.requirements import Requirement

from autograder import colab

ROOT = Path(__file__).resolve().parents[1]
BARE = ROOT / ".venv-colab"
PACKAGES = BARE / "packages"
WHEELS = BARE / "wheels"  # what pip builds the package with, and what chapter 10 fetches
BOOK = BARE / "book"  # the real book, whose cells ran in such environments
COLAB_HAS = ["numpy", "torch", "matplotlib", "scikit-learn", "ipykernel", "safetensors"]  # as far as chapters use it
FETCHED = ["setuptools", "sacrebleu", "portalocker", "regex", "tabulate", "colorama", "lxml"]  # by pip, from `WHEELS`
PACKAGE = ["autograder", "translator", "pyproject.toml", "README.md", "LICENSE"]  # what pip reads of the repository
OF_THE_BOOK = ["IPYTHONDIR", "MATPLOTLIBRC", "PYTHONHASHSEED"]  # what the book's build asks of its kernels


def run(*command: object, **options) -> str:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **options).stdout


def link(names: list[str]) -> None:
    """Link these distributions into `PACKAGES`, with all that they need."""
    PACKAGES.mkdir()
    pending, seen = [*names], set()
    while pending:
        requirement = Requirement(pending.pop())
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(requirement.name)
        package = distribution(requirement.name)
        pending += package.requires or []
        files = {line.split(",")[0].split("/")[0] for line in package.read_text("RECORD").splitlines()}
        for name in files - {"..", "__pycache__"}:
            if not (PACKAGES / name).is_symlink():
                (PACKAGES / name).symlink_to(package.locate_file(name))


def bare_packages() -> Path:
    """The folder with what Colab has and nothing else. It is made once, as `WHEELS` is, until the pins change."""
    pins, ready = ROOT / "requirements.txt", BARE / "ready"
    state = hashlib.sha256(pins.read_bytes() + Path(__file__).read_bytes() + f"{sys.prefix} {sys.version}".encode())
    BARE.mkdir(exist_ok=True)
    with FileLock(BARE / "lock"):
        if not ready.is_file() or ready.read_text(encoding="utf-8") != state.hexdigest():
            for old in (PACKAGES, WHEELS, BOOK):
                shutil.rmtree(old, ignore_errors=True)
            link([*COLAB_HAS, "pip"])
            pip = [sys.executable, "-m", "pip", "--quiet"]
            run(*pip, "download", "--no-deps", "--constraint", pins, "--dest", WHEELS, *FETCHED)
            ready.write_text(state.hexdigest(), encoding="utf-8")
    return PACKAGES


def git_url(folder: Path) -> str:
    """Make a git repository in ``folder`` of the package as it is in the working tree; return what goes after git+."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *PACKAGE, cwd=ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org", "-C", folder]
    run(*git, "init", "--quiet", "--initial-branch", "main")
    run(*git, "add", "--all", "--force")
    run(*git, "commit", "--quiet", "--message", "The package as it is in the working tree")
    return f"file://{folder}@main"


def purelib(environment: Path) -> str:
    return sysconfig.get_path("purelib", vars={"base": str(environment)})


@dataclass(frozen=True)
class Runner:
    """Makes environments in ``folder`` on top of ``packages``; the set-up cell fetches the course from ``source``."""

    folder: str
    source: str
    packages: tuple[str, ...]

    @classmethod
    def bare(cls, folder: Path, source: str) -> "Runner":
        return cls(str(folder), source, (str(bare_packages()),))

    def set_up(self) -> "Runner":
        """This runner after the set-up cell: in its environments that cell finds the package, so that pip runs once."""
        python, empty, variables = self.environment("set-up")
        run(python, "-c", colab.setup_cell(), cwd=empty, env=variables)
        return replace(self, packages=(purelib(python.parents[1]), *self.packages))

    def environment(self, name: str) -> tuple[Path, Path, dict[str, str]]:
        """A new environment without a way to the network: its Python, the empty folder to run it in, its variables."""
        place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        venv.create(place / "venv", with_pip=False)
        Path(purelib(place / "venv"), "bare.pth").write_text("\n".join(self.packages), encoding="utf-8")
        (place / "empty").mkdir()
        (place / "home").mkdir()
        nowhere = "http://127.0.0.1:9"
        return (
            place / "venv" / "bin" / "python",
            place / "empty",
            {
                "PATH": os.environ["PATH"],
                "HOME": str(place / "home"),
                "LANG": "C.UTF-8",
                "OMP_NUM_THREADS": "1",
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(WHEELS),
                "http_proxy": nowhere,
                "https_proxy": nowhere,
                colab.SOURCE_VARIABLE: self.source,
            },
        )

    def jupyter(self) -> str:
        """A folder for JUPYTER_PATH: there the kernel `python3` starts in a new environment, whoever starts it."""
        command = [sys.executable, __file__, json.dumps(asdict(self)), "-f", "{connection_file}"]
        spec = Path(self.folder, "kernels", "python3", "kernel.json")
        spec.parent.mkdir(parents=True, exist_ok=True)
        spec.write_text(json.dumps({"argv": command, "display_name": "Python 3", "language": "python"}), "utf-8")
        return self.folder


def become_kernel(runner: str, *arguments: str) -> None:
    python, empty, variables = Runner(**json.loads(runner)).environment("kernel")
    variables |= {name: os.environ[name] for name in OF_THE_BOOK if name in os.environ}
    os.chdir(empty)
    os.execve(python, [python, "-m", "ipykernel_launcher", *arguments], variables)


if __name__ == "__main__":
    become_kernel(*sys.argv[1:])
