"""Checks this room: format, lint, types and tests; `npm run test:torch` runs it. Further arguments go to pytest.

The last line is "N passed, N failed"; the exit code is 0 when nothing failed. Under continuous integration (`CI` is set), where
what tests need is there, a skipped test counts as failed; elsewhere pytest says what it lacks.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOM = Path(__file__).resolve().parent
PYTHON = ROOM / ".venv" / "bin" / "python"
CHECKS = [["ruff", "format", "--check"], ["ruff", "check"], ["mypy"]]
#: Files of tests that run side by side: a room that starts keeps one core busy, and much of the rest is waiting.
SIDE_BY_SIDE = ["-n", "2", "--dist", "loadfile"] if (os.cpu_count() or 1) >= 4 else []
COUNTS = re.compile(r"(\d+) (passed|skipped|failed|error|errors)\b")


def main() -> int:
    if not (ROOM / ".venv" / "made-from").exists() or not (ROOM / "gen" / "backsight").exists():
        print("The Python environment is not there: run `npm run torch:setup` first.", file=sys.stderr)
        return 2
    # One thread: threads that wait for each other crawl on a machine that others use too, and results depend on their number.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    passed = failed = 0
    for check in CHECKS:
        ok = subprocess.run([PYTHON, "-m", *check], cwd=ROOM).returncode == 0
        passed, failed = passed + ok, failed + (not ok)
    tests = subprocess.Popen(
        [PYTHON, "-m", "pytest", "-rs", *SIDE_BY_SIDE, *sys.argv[1:]],
        cwd=ROOM,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    last = ""
    for line in tests.stdout or []:
        print(line, end="", flush=True)
        last = line if COUNTS.search(line) else last
    harmless = ["passed"] if os.environ.get("CI") else ["passed", "skipped"]
    for number, word in COUNTS.findall(last):
        passed, failed = passed + int(number) * (word == "passed"), failed + int(number) * (word not in harmless)
    if tests.wait() != 0 and failed == 0:
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
