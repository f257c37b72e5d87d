"""One torch trainer and two embedded followers that sample for it, as people start them; one follower is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from room import REPOSITORY

CLI = REPOSITORY / "services" / "cli" / "dist" / "main.js"
TASKS = REPOSITORY / "deploy" / "kustomize" / "overlays" / "laptop" / "tasks.jsonl"

pytestmark = pytest.mark.skipif(not CLI.exists(), reason="the command line is not built: run npm run build")


def free_ports(count: int) -> int:
    """The first of so many ports side by side that nobody listens on."""
    for first in range(20000 + os.getpid() % 5000, 60000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for offset, each in enumerate(sockets):
                each.bind(("127.0.0.1", first + offset))
            return first
        except OSError:
            continue
        finally:
            for each in sockets:
                each.close()
    raise AssertionError("no free ports")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Addresses of a house with a torch policy."""
    port = free_ports(12)
    up = ["up", "--engine", "torch", "--followers", "2", "--threads", "1", "--port", str(port)]
    rooms = subprocess.Popen(
        ["node", str(CLI), *up, "--data", str(tmp_path), "--tasks", str(TASKS), "--json"],
        env=os.environ | {"BACKSIGHT_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        text = ""
        for line in rooms.stdout or []:
            text += line
            if line.startswith("}"):
                break
        yield json.loads(text)
    finally:
        rooms.send_signal(signal.SIGINT)
        assert rooms.wait(timeout=60) == 0


def process_with(setting: str) -> int:
    """The room that has this setting."""
    found = [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and setting.encode() in environment_of(folder).split(b"\0")
    ]
    assert len(found) == 1
    return found[0]


def environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def test_followers_sample_while_torch_trains_and_one_may_die(house: dict[str, Any]) -> None:
    first, _ = house["followers"]
    sets = [f"policy.address={house['policy']}", f"environment.address={house['judge']}", "steps=4"]
    quick = ["tasksPerStep=6", "miniBatches=4", "evaluation.everySteps=4", "evaluation.samplesPerTask=1"]
    recipe = str(REPOSITORY / "recipes" / "quickstart-sdpo.yaml")
    options = [word for each in sets + quick for word in ("--set", each)]
    run = ["node", str(CLI), "train", recipe, "--coordinator", house["coordinator"], *options]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as training:
        lines = []
        for line in training.stdout or []:
            lines.append(line)
            if "step 2/4" in line and not any("killed" in each for each in lines):
                os.kill(process_with(f"BACKSIGHT_POLICY_ADDRESS={first}"), signal.SIGKILL)
                lines.append("killed\n")
        said = training.stderr.read() if training.stderr else ""
    assert training.returncode == 0, said
    assert "succeeded after 4 of 4 steps" in lines[-1]
    assert "staleness 0.00 steps, at most 0" in lines[-2]
    assert "followers sampled 100 %" in lines[-2]
