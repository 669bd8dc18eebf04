"""The benchmark of many hand-ins still runs to its end, and compares every score."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_many_hand_ins_run_to_their_end(sandboxed):
    command = [sys.executable, "benchmarks/grading_scale.py", "--hand-ins", "4", "--workers", "2"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "4 hand-ins, 2 workers" in done.stdout
    assert " MB at most" in done.stdout
