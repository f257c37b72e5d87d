"""The room as a process: what a caller meets beside correct answers."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from backsight.policy.v1 import policy_pb2 as proto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from room import TORCH, Room, examples, generate, messages, plan, refusal, score, train

LONG = proto.GenerateRequest(
    prompts=[proto.Prompt(token_ids=[1, 5])],
    group_size=32,
    sampling=proto.Sampling(temperature=3, max_tokens=250, seed=1),
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with Room(TORCH, tmp_path_factory.mktemp("room"), BACKSIGHT_MAX_PENDING_COMPLETIONS="40") as running:
        yield running


def restore(room: Room, name: str = "initial") -> None:
    room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name=name))


def test_health_and_reflection_tell_what_is_served(room: Room) -> None:
    health = health_pb2_grpc.HealthStub(room.channel)
    for name in ("", "backsight.policy.v1.PolicyService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(room.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (listed,) = stub.ServerReflectionInfo(iter([request]))
    assert "backsight.policy.v1.PolicyService" in [each.name for each in listed.list_services_response.service]


def test_the_same_seed_gives_the_same_completions_and_calls_may_overlap(room: Room) -> None:
    restore(room)
    alone = generate(room)
    busy = room.stub.Generate(LONG)
    next(iter(busy))
    beside = generate(room, group_size=2)[0]
    assert beside.token_ids == alone[0].token_ids
    assert beside.logprobs == pytest.approx(alone[0].logprobs, abs=1e-5)
    assert score(room, alone).policy_version == 0
    busy.cancel()


def test_a_cancelled_generate_frees_its_place(room: Room) -> None:
    restore(room)
    busy = room.stub.Generate(LONG)
    next(iter(busy))
    full = refusal(room.stub.Generate, LONG)
    assert full.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert full.message == "32 of at most 40 completions are in progress"
    assert full.read("RetryInfo").retry_delay.ToMilliseconds() == 1000
    busy.cancel()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        again = room.stub.Generate(LONG)
        try:
            next(iter(again))
        except grpc.RpcError:
            time.sleep(0.02)
            continue
        again.cancel()
        return
    raise AssertionError("The cancelled call kept its place.")


def test_a_deadline_ends_a_call(room: Room) -> None:
    assert refusal(lambda: room.stub.Generate(LONG, timeout=0.2)).code == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_training_stream_that_is_cancelled_or_ends_without_its_caller_changes_nothing(room: Room) -> None:
    restore(room)
    completions = generate(room)
    given = examples(completions)

    def endless() -> Iterator[proto.TrainStepRequest]:
        yield from messages(plan(), given)
        time.sleep(30)

    call = room.stub.TrainStep.future(endless())
    time.sleep(0.5)
    call.cancel()
    large = [each for each in given for _ in range(20)]
    call = room.stub.TrainStep.future(messages(plan(mini_batches=60), large))
    time.sleep(0.7)
    call.cancel()
    assert generate(room) == completions
    assert room.stub.Describe(proto.DescribeRequest()).version == 0
    assert train(room, plan(), completions).version == 2


def test_a_committed_transaction_is_taken_and_one_that_ends_before_its_commit_is_not(room: Room) -> None:
    restore(room)
    completions = generate(room)
    given = list(messages(plan(commits=True), examples(completions)))
    cut = refusal(room.stub.TrainStep, iter(given))
    assert cut.code == grpc.StatusCode.INVALID_ARGUMENT
    assert [violation.field for violation in cut.read("BadRequest").field_violations] == ["commit"]
    assert room.stub.Describe(proto.DescribeRequest()).version == 0
    assert generate(room) == completions
    commit = proto.TrainStepRequest(commit=proto.Commit())
    assert room.stub.TrainStep(iter([*given, commit]), timeout=300).version == 2


def test_a_step_whose_reply_was_lost_is_not_taken_twice(room: Room) -> None:
    restore(room)
    completions = generate(room)
    train(room, plan(0), completions)
    again = refusal(room.stub.TrainStep, messages(plan(0), examples(completions)))
    assert again.code == grpc.StatusCode.ABORTED
    info = again.read("ErrorInfo")
    assert (info.reason, info.domain) == ("POLICY_VERSION_MISMATCH", "backsight")
    assert dict(info.metadata) == {"current_version": "2", "expected_version": "0"}


def test_a_restored_policy_goes_on_to_the_same_bits(room: Room) -> None:
    restore(room)
    completions = generate(room)
    train(room, plan(0), completions)
    saved = room.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name="two")).checkpoint
    expected = train(room, plan(2), completions)
    trained = generate(room)
    restore(room)
    assert generate(room) == completions
    restore(room, "two")
    repeated = train(room, plan(2), completions)
    for report in (expected, repeated):
        report.ClearField("durations")
    assert repeated == expected
    assert generate(room) == trained
    assert (saved.name, saved.version) == ("two", 2)


def test_a_room_set_up_so_keeps_its_last_and_best_checkpoints_alone(tmp_path: Path) -> None:
    with Room(TORCH, tmp_path, BACKSIGHT_CHECKPOINTS_KEEP_LAST="2", BACKSIGHT_CHECKPOINTS_KEEP_BEST="1") as room:
        for name, rating in [("a", 0.9), ("b", 0.1), ("c", None), ("d", 0.5), ("e", 0.2)]:
            room.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name=name, score=rating))
            time.sleep(0.002)
        listed = room.stub.ListCheckpoints(proto.ListCheckpointsRequest()).checkpoints
        assert [(each.name, each.score) for each in listed] == [("e", 0.2), ("d", 0.5), ("a", 0.9), ("initial", 0)]
        assert sorted(file.suffix for file in (tmp_path / "checkpoints").iterdir()).count(".json") == 3


def test_a_damaged_checkpoint_is_refused_and_replaces_nothing(room: Room, tmp_path: Path) -> None:
    restore(room)
    completions = generate(room)
    path = Path(room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name="where")).path).parents[1]
    train(room, plan(0), completions)
    room.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name="torn"))
    restore(room)
    manifest = json.loads((path / "torn.json").read_text())
    file = path / manifest["folder"] / "secondMoment.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    torn = refusal(room.stub.RestoreCheckpoint, proto.RestoreCheckpointRequest(name="torn"))
    assert torn.code == grpc.StatusCode.FAILED_PRECONDITION
    assert torn.message == (f"checkpoint torn: {file}: does not have the SHA-256 it was written with; it is corrupt")
    (path / "torn.json").write_text(json.dumps(manifest | {"version": -1}))
    wrong = refusal(room.stub.RestoreCheckpoint, proto.RestoreCheckpointRequest(name="torn"))
    assert wrong.message == f"checkpoint torn: {path / 'torn.json'}: version: -1 is not right"
    assert generate(room) == completions


def test_sigterm_drains_calls_in_flight(tmp_path: Path) -> None:
    with Room(TORCH, tmp_path) as room:
        sampling = proto.Sampling(temperature=3, max_tokens=60, seed=1)
        prompts = [proto.Prompt(token_ids=[1, 5])]
        call = iter(room.stub.Generate(proto.GenerateRequest(prompts=prompts, group_size=12, sampling=sampling)))
        received = [next(call)]
        room.process.send_signal(signal.SIGTERM)
        received += list(call)
        assert len(received) == 12
        assert room.process.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"BACKSIGHT_MODEL": "/nowhere"}, "policy: /nowhere/tokenizer.json: does not exist\n"),
        (
            {"BACKSIGHT_THREADS": "all", "BACKSIGHT_DEVICE": "tpu"},
            'policy: BACKSIGHT_DEVICE must be one of auto, cpu, cuda, not "tpu"\n'
            'policy: BACKSIGHT_THREADS must be a whole number in [1, 256], not "all"\n',
        ),
        (
            {"BACKSIGHT_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""},
            "policy: BACKSIGHT_DEVICE is cuda: rank 0 of this machine needs a GPU; PyTorch sees 0\n",
        ),
        ({"BACKSIGHT_MODEL": ""}, "policy: BACKSIGHT_MODEL must be set: the Hugging Face folder of the model\n"),
        (
            {"WORLD_SIZE": "2", "RANK": "0"},
            "policy: the ranks cannot find each other, of which WORLD_SIZE says there are 2; start them by python -m "
            "torch.distributed.run: Error initializing torch.distributed using env:// rendezvous: environment variable "
            "MASTER_ADDR expected, but not set\n",
        ),
    ],
    ids=["no model", "wrong settings", "no GPU", "model unset", "no launcher"],
)
def test_a_room_that_cannot_start_says_why_in_a_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    with pytest.raises(AssertionError) as ended:
        Room(TORCH, tmp_path, **settings)
    assert str(ended.value) == f"The room ended with 1:\n{sentence}"


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(AssertionError, match=f"policy: {address} cannot be listened on"):
            Room(TORCH, tmp_path, BACKSIGHT_POLICY_ADDRESS=address)


def test_weights_cut_short_are_said(tmp_path: Path) -> None:
    script = "from small_models import make_model; from pathlib import Path; import sys; make_model(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=Path(__file__).parent)
    file = tmp_path / "llama" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(AssertionError, match=r"policy: .*llama: cannot be loaded: "):
        Room(TORCH, tmp_path, BACKSIGHT_MODEL=str(tmp_path / "llama"))
