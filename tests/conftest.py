"""What all tests share: one thread a process, random numbers that come again, one browser, and the built book.

Threads cost more than they save on tensors as small as the tests'. Playwright allows one browser driver a process, and
under pytest-xdist a process runs tests of several folders.
"""

import os
import shutil
import sys
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; kernels inherit it

QUIET = "gpu quic background-networking component-update sync"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--no-first-run", *(f"--disable-{feature}" for feature in QUIET.split())]


class TorchsNumbers:
    """torch's random numbers for Hypothesis, which by itself seeds those of Python and NumPy."""

    def seed(self, number: int) -> None:
        if torch := sys.modules.get("torch"):
            torch.manual_seed(number)

    def getstate(self):
        torch = sys.modules.get("torch")
        return torch.get_rng_state() if torch else None

    def setstate(self, state) -> None:
        if state is not None:
            sys.modules["torch"].set_rng_state(state)


TORCHS_NUMBERS = TorchsNumbers()  # Hypothesis keeps no strong reference to it
hypothesis.register_random(TORCHS_NUMBERS)


@pytest.fixture(autouse=True)
def same_numbers():
    """Every test draws the same numbers from torch, whatever ran before it."""
    TORCHS_NUMBERS.seed(0)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window. Tests that need it are skipped where it is not installed, and fail so in CI."""
    from playwright.sync_api import sync_playwright

    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    chromium = os.environ.get("CHROME_PATH") or next(filter(None, found), None)
    if chromium is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("no Chromium: install it (apt install chromium), or name it by CHROME_PATH")
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGUMENTS)
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def book_html(tmp_path_factory) -> Path:
    """The real book's pages. Its cells have run in environments like Colab's.

    The environment variable BOOK_HTML names a folder of pages to test instead, built elsewhere.
    """
    if "BOOK_HTML" in os.environ:
        return Path(os.environ["BOOK_HTML"])
    import bare
    from building import build_real_book

    built = build_real_book(tmp_path_factory.mktemp("book"))
    if built.returncode:
        pytest.fail(f"the book cannot be built:\n{built.stderr[-5000:]}", pytrace=False)
    return bare.BOOK / "_build" / "html"
