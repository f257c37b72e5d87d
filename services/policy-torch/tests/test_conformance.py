"""The suite that judges any policy by its address, on this one."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from room import REPOSITORY, TORCH, TWO_RANKS, Room

CLI = REPOSITORY / "services" / "cli" / "dist" / "main.js"


@pytest.mark.skipif(not CLI.exists(), reason="the command line is not built: run npm run build")
@pytest.mark.parametrize("command", [TORCH, TWO_RANKS], ids=["one rank", "two ranks"])
def test_the_suite_passes(command: list[str], tmp_path: Path) -> None:
    with Room(command, tmp_path) as room:
        judged = subprocess.run(
            ["node", str(CLI), "conformance", "--policy", room.address, "--json"], capture_output=True, text=True
        )
        assert judged.stderr == ""
        [report] = json.loads(judged.stdout)
        assert report["failed"] == 0
        assert report["passed"] > 40
        assert [each["name"] for each in report["results"] if each["fate"] == "not-offered"] == []
        # A launcher that is killed would leave its ranks behind; told to stop, torchrun itself ends with 1.
        assert room.stop() == (0 if command is TORCH else 1)
