"""What all tests share: one thread a process, and one browser.

Threads cost more than they save on tensors as small as the tests'. Playwright allows one browser driver a process, and
under pytest-xdist a process runs tests of several folders.
"""

import os
import shutil

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; kernels inherit it

QUIET = "gpu quic background-networking component-update sync"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--no-first-run", *(f"--disable-{feature}" for feature in QUIET.split())]


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
