"""Figures over HTTP: under the names of the other rooms, and true."""

from __future__ import annotations

import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from backsight.policy.v1 import policy_pb2 as proto
from prometheus_client.parser import text_string_to_metric_families

from policy_torch.exposition import Figures, MetricsServer
from room import TORCH, Room, generate, messages, plan, refusal, train

SERVICE = "backsight.policy.v1.PolicyService"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def fetch(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def figures(address: str) -> dict[tuple[str, str], float]:
    """Values by name and by their labels but the room's."""
    _, text = fetch(address, "/metrics")
    return {
        (sample.name, " ".join(value for name, value in sorted(sample.labels.items()) if name != "room")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_tell_what_the_room_did(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with Room(TORCH, tmp_path, BACKSIGHT_POLICY_METRICS_ADDRESS=address) as room:
        before = figures(address)
        assert before["policy_version", ""] == before["policy_generated_tokens_total", ""] == 0
        completions = generate(room)
        train(room, plan(0), completions)
        refusal(room.stub.TrainStep, messages(plan(0), []))
        dropped = room.stub.Generate(
            proto.GenerateRequest(
                prompts=[proto.Prompt(token_ids=[1])],
                group_size=30,
                sampling=proto.Sampling(temperature=5, max_tokens=250, seed=1),
            )
        )
        dropped.cancel()
        assert refusal(lambda: dropped).code == grpc.StatusCode.CANCELLED
        wait_until_idle(address)
        after = figures(address)
        assert after["policy_version", ""] == after["policy_optimizer_steps_total", ""] == 2
        assert after["policy_skipped_steps_total", ""] == 0
        assert after["policy_generated_tokens_total", ""] >= sum(len(each.token_ids) for each in completions)
        reasons = ("stop", "length")
        assert sum(after.get(("policy_completions_total", reason), 0) for reason in reasons) >= len(completions)
        assert after["grpc_server_handled_total", f"OK {SERVICE}/TrainStep"] == 1
        assert after["grpc_server_handled_total", f"INVALID_ARGUMENT {SERVICE}/TrainStep"] == 1
        assert after["grpc_server_handling_seconds_count", f"{SERVICE}/TrainStep"] == 2
        assert after["process_resident_memory_bytes", ""] > 1e6
        room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name="initial"))
        assert figures(address)["policy_version", ""] == 0
        # A room that drains says so while calls are in flight.
        sampling = proto.Sampling(temperature=3, max_tokens=250, seed=1)
        prompts = [proto.Prompt(token_ids=[1, 5])]
        call = room.stub.Generate(proto.GenerateRequest(prompts=prompts, group_size=64, sampling=sampling))
        next(iter(call))
        assert fetch(address, "/healthz")[0] == 200
        room.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while fetch(address, "/healthz")[0] != 503:
            assert time.monotonic() < deadline
        call.cancel()
        assert room.process.wait(timeout=30) == 0


def wait_until_idle(address: str) -> None:
    deadline = time.monotonic() + 20
    while any(value for (name, _), value in figures(address).items() if name == "grpc_server_in_flight"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_healthz_says_whether_the_room_serves() -> None:
    serving = True
    server = MetricsServer("127.0.0.1:0", Figures(), lambda: serving)
    assert fetch(server.address, "/healthz") == (200, "serving\n")
    assert fetch(server.address, "/other") == (404, "try /metrics or /healthz\n")
    serving = False
    assert fetch(server.address, "/healthz") == (503, "not serving\n")
    with pytest.raises(OSError, match="in use"):
        MetricsServer(server.address, Figures(), lambda: True)
    server.close()
