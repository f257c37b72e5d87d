"""One torch trainer and the followers that sample for it, as people start them, of either engine; one is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from room import EMBEDDED, REPOSITORY, TORCH, Room
from test_exposition import figures, free_port
from test_follow import until

SERVICES = REPOSITORY / "services"
CLI = SERVICES / "cli" / "dist" / "main.js"
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


def training(policy: str, environment: str, coordinator: str, *sets: str) -> subprocess.Popen[str]:
    """A short run of the quickstart's recipe against these rooms."""
    quick = ["tasksPerStep=6", "miniBatches=4", "evaluation.everySteps=4", "evaluation.samplesPerTask=1"]
    rooms = [f"policy.address={policy}", f"environment.address={environment}"]
    options = [word for each in [*rooms, *quick, *sets] for word in ("--set", each)]
    recipe = str(REPOSITORY / "recipes" / "quickstart-sdpo.yaml")
    run = ["node", str(CLI), "train", recipe, "--coordinator", coordinator, *options]
    return subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_followers_sample_while_torch_trains_and_one_may_die(house: dict[str, Any]) -> None:
    first, _ = house["followers"]
    with training(house["policy"], house["judge"], house["coordinator"], "steps=4") as run:
        lines = []
        for line in run.stdout or []:
            lines.append(line)
            if "step 2/4" in line and not any("killed" in each for each in lines):
                os.kill(process_with(f"BACKSIGHT_POLICY_ADDRESS={first}"), signal.SIGKILL)
                lines.append("killed\n")
        said = run.stderr.read() if run.stderr else ""
    assert run.returncode == 0, said
    assert "succeeded after 4 of 4 steps" in lines[-1]
    assert "staleness 0.00 steps, at most 0" in lines[-2]
    assert "followers sampled 100 %" in lines[-2]


@contextmanager
def started(room: str, **settings: str) -> Iterator[None]:
    """Another room, once it listens."""
    command = ["node", str(SERVICES / room / "dist" / "main.js")]
    process = subprocess.Popen(command, env=os.environ | settings, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"{room} listening on ")
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_a_torch_and_an_embedded_follower_sample_for_one_torch_trainer(tmp_path: Path) -> None:
    judge, coordinator, *metrics = (f"127.0.0.1:{free_port()}" for _ in range(5))
    quick = {"BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS": "50"}

    def settings(index: int) -> dict[str, str]:
        return quick | {"BACKSIGHT_POLICY_METRICS_ADDRESS": metrics[index]}

    with (
        Room(TORCH, tmp_path, **settings(0)) as policy,
        Room([*TORCH, "--follow", policy.address], tmp_path, **settings(1)) as torch_one,
        Room(["node", str(EMBEDDED), "--follow", policy.address], tmp_path, **settings(2)) as embedded,
        started("judge", BACKSIGHT_JUDGE_ADDRESS=judge, BACKSIGHT_TASKS=str(TASKS)),
        started(
            "coordinator",
            BACKSIGHT_COORDINATOR_ADDRESS=coordinator,
            BACKSIGHT_STORE=str(tmp_path / "store.sqlite"),
            BACKSIGHT_COORDINATOR_FOLLOWERS=f"{policy.address}={torch_one.address},{embedded.address}",
        ),
        training(policy.address, judge, coordinator, "steps=2") as run,
    ):
        said, complained = run.communicate()
        assert run.returncode == 0, complained
        assert "succeeded after 2 of 2 steps" in said
        assert "staleness 0.00 steps, at most 0" in said
        assert "followers sampled 100 %" in said
        sampled = [figures(each)["policy_generated_tokens_total", ""] for each in metrics]
        assert min(sampled[1:]) > 0
        until(lambda: {figures(each)["policy_version", ""] for each in metrics} == {8}, "the last step everywhere")
