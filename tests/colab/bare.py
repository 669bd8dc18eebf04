"""An environment with only what Colab has, and notebooks run in it. `.venv-colab` is made once for the same pins.

Each notebook gets an environment of its own on top of that one, because its set-up cell installs the course's package.
"""

import hashlib
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

import nbformat
from filelock import FileLock
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

from autograder import colab

ROOT = Path(__file__).resolve().parents[2]
BARE = ROOT / ".venv-colab"
WHEELS = BARE / "wheels"  # what pip builds the package with, and what chapter 10 fetches
COLAB_HAS = ["numpy", "torch", "matplotlib", "scikit-learn", "ipykernel", "safetensors"]  # as far as chapters use it
FETCHED = ["setuptools", "sacrebleu", "portalocker", "regex", "tabulate", "colorama", "lxml"]  # by pip, from `WHEELS`
PACKAGE = ["autograder", "translator", "pyproject.toml", "README.md", "LICENSE"]  # what pip reads of the repository


def run(*command: object, **options) -> str:
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **options).stdout


def bare_environment() -> Path:
    """The site-packages of the bare environment."""
    pins, place, ready = ROOT / "requirements.txt", BARE / "environment", BARE / "ready"
    state = hashlib.sha256(pins.read_bytes() + f"{sys.version} {COLAB_HAS} {FETCHED}".encode()).hexdigest()
    BARE.mkdir(exist_ok=True)
    with FileLock(BARE / "lock"):
        if not ready.is_file() or ready.read_text(encoding="utf-8") != state:
            venv.create(place, with_pip=True, clear=True)
            pip = [place / "bin" / "python", "-m", "pip", "--quiet"]
            run(*pip, "install", "--constraint", pins, *COLAB_HAS)
            run(*pip, "download", "--no-deps", "--constraint", pins, "--dest", WHEELS, *FETCHED)
            ready.write_text(state, encoding="utf-8")
    return Path(sysconfig.get_path("purelib", vars={"base": str(place)}))


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


class Runner:
    """Runs notebooks as Colab would, each in a new environment and an empty folder, with no way to the network."""

    def __init__(self, folder: Path, source: str):
        self.folder, self.source = folder, source
        self.packages = bare_environment()

    def environment(self, name: str) -> tuple[Path, Path, dict[str, str]]:
        """A new environment on top of the bare one: its Python, the empty folder to run it in, and its variables."""
        place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        venv.create(place / "venv", with_pip=False)
        own = Path(sysconfig.get_path("purelib", vars={"base": str(place / "venv")}))
        (own / "bare.pth").write_text(str(self.packages), encoding="utf-8")
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

    def run(self, path: Path, allow_errors: bool = False) -> nbformat.NotebookNode:
        """The notebook with its outputs. Raises nbclient's CellExecutionError unless ``allow_errors``."""
        python, empty, variables = self.environment(path.stem)
        kernels = empty.parent / "kernels"
        (kernels / "bare").mkdir(parents=True)
        spec = (
            f'{{"argv": ["{python}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"], "display_name": "bare"}}'
        )
        (kernels / "bare" / "kernel.json").write_text(spec, encoding="utf-8")
        manager = AsyncKernelManager(
            kernel_name="bare", kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(kernels)])
        )
        notebook = nbformat.read(path, 4)
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=600,
            allow_errors=allow_errors,
            resources={"metadata": {"path": str(empty)}},
        )
        try:
            client.execute(env=variables)
        finally:
            run_sync(manager.shutdown_kernel)(now=True)  # the client ends only kernels that it manages itself
        return notebook
