"""What `npm run bench:torch` and `npm run test:torch` refuse, in a sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from room import TINY

ROOM = Path(__file__).parents[1]
RUN = ROOM / "bench" / "run.py"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prompts", "0"], "argument --prompts: must be a whole number of at least 1, is 0"),
        (["--group-size", "3"], "argument --group-size: must be a whole number of at least 4, is 3"),
        (["--steps", "some"], "argument --steps: must be a whole number of at least 1, is some"),
        (["--model", "/nowhere"], "--model: /nowhere/config.json does not exist."),
        (
            ["--model", str(TINY), "--device", "cpu", "--prompt-tokens", "5000"],
            f"the teacher's prompt and a completion are 5140 tokens; {TINY} reads ",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: list[str], said: str) -> None:
    done = subprocess.run([sys.executable, RUN, *arguments], capture_output=True, text=True)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", ["bench/run.py", "run_checks.py"])
def test_an_environment_that_is_half_made_is_not_used(program: str, tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "gen" / "backsight").mkdir(parents=True)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    shutil.copy(ROOM / program, tmp_path / program)
    done = subprocess.run([sys.executable, tmp_path / program], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "The Python environment is not there: run `npm run torch:setup` first.\n"
