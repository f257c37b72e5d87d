"""The suite that judges any policy by its address, on this one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from room import REPOSITORY, TORCH, TWO_RANKS, Room
from test_follow import follower_of, until_synced

CLI = REPOSITORY / "services" / "cli" / "dist" / "main.js"


pytestmark = pytest.mark.skipif(not CLI.exists(), reason="the command line is not built: run npm run build")


def judged(room: Room) -> dict[str, Any]:
    """The suite's report."""
    suite = subprocess.run(
        ["node", str(CLI), "conformance", "--policy", room.address, "--json"], capture_output=True, text=True
    )
    assert suite.stderr == ""
    [report] = json.loads(suite.stdout)
    assert report["failed"] == 0
    return report


@pytest.mark.parametrize("command", [TORCH, TWO_RANKS], ids=["one rank", "two ranks"])
def test_the_suite_passes(command: list[str], tmp_path: Path) -> None:
    with Room(command, tmp_path) as room:
        report = judged(room)
        assert report["passed"] > 40
        assert [each["name"] for each in report["results"] if each["fate"] == "not-offered"] == []
        # A launcher that is killed would leave its ranks behind; told to stop, torchrun itself ends with 1.
        assert room.stop() == (0 if command is TORCH else 1)


def test_the_suite_passes_a_follower_and_asks_no_training_of_it(tmp_path: Path) -> None:
    with Room(TORCH, tmp_path / "trainer") as trainer, follower_of(trainer, tmp_path / "follower") as follower:
        until_synced(follower, trainer)
        report = judged(follower)
        assert report["passed"] >= 19
        rooms = {each["name"].partition(".")[0] for each in report["results"] if each["fate"] == "passed"}
        assert rooms >= {"describe", "generate", "score", "pull"}
