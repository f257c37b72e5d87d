"""Policies that follow a trainer of either engine: they sample with its weights, and with no others."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import torch
from backsight.policy.v1 import policy_pb2 as proto
from backsight.policy.v1 import policy_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from safetensors.torch import load_file, save_file

from room import (
    EMBEDDED,
    PROMPTS,
    TINY,
    TORCH,
    TWO_RANKS,
    Refusal,
    Room,
    generate,
    messages,
    needs_embedded,
    plan,
    refusal,
    score,
    train,
)
from small_models import make_model
from test_exposition import fetch, figures, free_port

NODE = ["node", str(EMBEDDED)]
ENGINES = [pytest.param(TORCH, id="torch"), pytest.param(NODE, id="embedded", marks=needs_embedded)]
BRIEF = proto.DescribeRequest(brief=True)
QUICK = {"BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS": "20", "BACKSIGHT_POLICY_FOLLOW_STALE_AFTER_MS": "100"}


def follower_of(trainer: Room | str, folder: Path, command: list[str] = TORCH, **settings: str) -> Room:
    """A follower that asks often and logs what it takes over; torch starts from other weights than the trainer's."""
    address = trainer if isinstance(trainer, str) else trainer.address
    own = {"BACKSIGHT_MODEL": str(other_weights(folder)), "BACKSIGHT_POLICY_LOG_LEVEL": "info"}
    return Room([*command, "--follow", address], folder, **QUICK | own | settings)


def other_weights(folder: Path) -> Path:
    """A model of the same shape whose weights must never be sampled from."""
    path = folder / "weights"
    if not path.exists():
        shutil.copytree(TINY, path)
        tensors = {name: tensor.float() + 0.05 for name, tensor in load_file(TINY / "model.safetensors").items()}
        save_file(tensors, path / "model.safetensors", {"format": "pt"})
    return path


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"not within 60 s: {what}"
        time.sleep(0.02)


def until_synced(follower: Room, trainer: Room) -> None:
    name = trainer.stub.Describe(BRIEF).weights_id
    until(lambda: follower.stub.Describe(BRIEF).weights_id == name, f"the weights {name}")


def is_serving(room: Room, service: str = "") -> bool:
    asked = health_pb2.HealthCheckRequest(service=service)
    serving: bool = (
        health_pb2_grpc.HealthStub(room.channel).Check(asked).status == health_pb2.HealthCheckResponse.SERVING
    )
    return serving


def logged(room: Room, message: str) -> list[dict[str, Any]]:
    """What the room said of one kind of event."""
    lines = [json.loads(line) for line in room.said if line.startswith("{")]
    return [line for line in lines if line["msg"] == message]


def taken(room: Room) -> list[tuple[int, bool]]:
    return [(line["version"], line["whole"]) for line in logged(room, "weights taken over")]


def exported(room: Room, name: str) -> dict[str, torch.Tensor]:
    path = room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name=name)).path
    return load_file(Path(path) / "model.safetensors")


def assert_same_weights(one: Room, other: Room, name: str) -> None:
    ours, theirs = exported(one, name), exported(other, name)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[each], theirs[each]) for each in ours)


def assert_rounded_weights(one: Room, other: Room, name: str) -> None:
    ours, theirs = exported(one, name), exported(other, name)
    assert all(torch.equal(ours[each], theirs[each].bfloat16().float()) for each in theirs)


@pytest.mark.parametrize("command", ENGINES)
def test_it_scores_and_samples_with_the_weights_of_a_trainer_of_either_engine(
    command: list[str], tmp_path: Path
) -> None:
    with Room(command, tmp_path / "trainer") as trainer, follower_of(trainer, tmp_path / "follower") as follower:
        for version in (0, 2, 4):
            until_synced(follower, trainer)
            completions = generate(trainer)
            ours, theirs = score(follower, completions), score(trainer, completions)
            assert ours.policy_version == theirs.policy_version == version
            sampled = generate(follower)
            assert [each.token_ids for each in sampled] == [each.token_ids for each in completions]
            assert {each.policy_version for each in sampled} == {version}
            if command is TORCH:
                assert (ours, sampled) == (theirs, completions)
            for one, other in zip(ours.scores, theirs.scores, strict=True):
                assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
            assert_same_weights(follower, trainer, f"at-{version}")
            train(trainer, plan(version), completions)
        until(lambda: taken(follower) == [(0, True), (2, False), (4, False), (6, False)], "version 6 as a delta")
        # The version alone would not tell what a restored trainer has.
        trainer.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name="initial"))
        train(trainer, plan(0, shuffle_seed=9), completions)
        until_synced(follower, trainer)
        assert follower.stub.Describe(BRIEF).version == 2
        assert_same_weights(follower, trainer, "again-2")
        # Nothing of it is the follower's to save.
        assert follower.stop() == 0
        assert not (tmp_path / "follower" / "checkpoints" / "stopped.json").exists()


def test_it_follows_in_bfloat16_with_the_weights_rounded_at_half_the_bytes(tmp_path: Path) -> None:
    with (
        Room(TORCH, tmp_path / "trainer") as trainer,
        follower_of(trainer, tmp_path / "follower", BACKSIGHT_POLICY_FOLLOW_TYPE="bfloat16") as follower,
    ):
        for version in (0, 2):
            until_synced(follower, trainer)
            assert_rounded_weights(follower, trainer, f"at-{version}")
            train(trainer, plan(version), generate(trainer))
        until(lambda: taken(follower)[1:] == [(2, False), (4, False)], "version 4 as a delta")
        whole, delta, _ = (line["bytes"] for line in logged(follower, "weights taken over"))
        assert whole == 2 * trainer.stub.Describe(BRIEF).parameter_count
        assert delta < whole


def test_it_follows_a_trainer_of_an_adapter_and_can_be_followed_itself(tmp_path: Path) -> None:
    adapter = {"BACKSIGHT_ADAPTER_RANK": "2", "BACKSIGHT_ADAPTER_TARGETS": "v_proj"}
    next_command = NODE if EMBEDDED.exists() else TORCH
    with (
        Room(TORCH, tmp_path / "trainer", **adapter) as trainer,
        follower_of(trainer, tmp_path / "first") as first,
        follower_of(first, tmp_path / "second", next_command) as second,
    ):
        until_synced(first, trainer)
        train(trainer, plan(0), generate(trainer))
        until_synced(first, trainer)
        until_synced(second, trainer)
        assert_same_weights(first, trainer, "after")
        assert_same_weights(second, trainer, "after")
        # Of an adapter's trainer only the matrices that it adapts are sent.
        matrices = {name: each for name, each in exported(trainer, "sizes").items() if ".v_proj." in name}
        assert logged(first, "weights taken over")[1]["bytes"] <= 4 * sum(each.numel() for each in matrices.values())


def test_a_running_request_goes_on_and_each_completion_has_the_version_that_sampled_it(tmp_path: Path) -> None:
    with (
        Room(TORCH, tmp_path / "trainer") as trainer,
        follower_of(trainer, tmp_path / "follower", BACKSIGHT_GENERATION_SLOTS="4") as follower,
    ):
        until_synced(follower, trainer)
        asked = proto.GenerateRequest(
            prompts=[proto.Prompt(token_ids=PROMPTS[0])],
            group_size=200,
            sampling=proto.Sampling(temperature=2, max_tokens=60, seed=5),
        )
        running = follower.stub.Generate(asked, timeout=120)
        first = next(iter(running)).completion
        trainer.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name="0"))
        train(trainer, plan(0), generate(trainer))
        trainer.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name="2"))
        completions = [first, *(answer.completion for answer in running)]
        assert len(completions) == 200
        assert {each.policy_version for each in completions} == {0, 2}
        for version in (0, 2):
            trainer.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name=str(version)))
            own = [each for each in completions if each.policy_version == version]
            for mine, theirs in zip(own, score(trainer, own, temperature=2).scores, strict=True):
                assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_it_goes_on_without_its_trainer_says_that_it_is_stale_and_catches_up_with_the_next(tmp_path: Path) -> None:
    address, metrics = (f"127.0.0.1:{free_port()}" for _ in range(2))
    with follower_of(address, tmp_path / "follower", BACKSIGHT_POLICY_METRICS_ADDRESS=metrics) as follower:
        waiting = f"waiting for the weights of the trainer at {address}"
        cannot = f"{waiting}: the room at {address} cannot be reached: Connection refused"
        until_refused(follower, cannot)
        for call in (generate, lambda room: score(room, [proto.Completion(token_ids=[5])]), exported_as_x, pull):
            refused = refusal(call, follower)
            assert refused.code == grpc.StatusCode.UNAVAILABLE
            assert refused.message.startswith(waiting)
            assert refused.read("RetryInfo").retry_delay.ToMilliseconds() == 1000
        assert (is_serving(follower), is_serving(follower, "liveness")) == (False, True)
        assert (fetch(metrics, "/healthz")[0], figures(metrics)["policy_weights_stale", ""]) == (503, 0)
        with Room(TORCH, tmp_path / "trainer", BACKSIGHT_POLICY_ADDRESS=address) as trainer:
            until(lambda: is_serving(follower), "weights")
            completions = generate(trainer)
            train(trainer, plan(0), completions)
            until_synced(follower, trainer)
            assert (fetch(metrics, "/healthz")[0], figures(metrics)["policy_version", ""]) == (200, 2)
            before = score(follower, completions)
            trainer.process.kill()
        until(lambda: not is_serving(follower), "staleness")
        assert (fetch(metrics, "/healthz")[0], figures(metrics)["policy_weights_stale", ""]) == (503, 1)
        assert score(follower, completions) == before
        assert {each.policy_version for each in generate(follower)} == {2}
        with Room(TORCH, tmp_path / "trainer", BACKSIGHT_POLICY_ADDRESS=address) as trainer:
            until_synced(follower, trainer)
            until(lambda: is_serving(follower), "freshness")
            assert figures(metrics)["policy_weights_stale", ""] == 0
            # The version went back, and the base of a delta is gone.
            assert taken(follower) == [(0, True), (2, False), (0, True)]
            assert (score(follower, completions), generate(follower)) == (score(trainer, completions), completions)


def exported_as_x(room: Room) -> None:
    room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name="x"))


def pull(room: Room) -> Any:
    return room.stub.PullWeights(proto.PullWeightsRequest())


def test_two_ranks_follow_as_one(tmp_path: Path) -> None:
    with (
        Room(TORCH, tmp_path / "trainer") as trainer,
        follower_of(trainer, tmp_path / "float32", TWO_RANKS) as follower,
        follower_of(follower, tmp_path / "bfloat16", TWO_RANKS, BACKSIGHT_POLICY_FOLLOW_TYPE="bfloat16") as rounded,
    ):
        for version in (0, 2):
            for each in (follower, rounded):
                until_synced(each, trainer)
            completions = generate(trainer, group_size=6)
            sampled = generate(follower, group_size=6)
            assert [each.token_ids for each in sampled] == [each.token_ids for each in completions]
            for mine, theirs in zip(
                score(follower, completions).scores, score(trainer, completions).scores, strict=True
            ):
                assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)
            assert_same_weights(follower, trainer, f"at-{version}")
            assert_rounded_weights(rounded, trainer, f"at-{version}")
            train(trainer, plan(version), completions)
        until(lambda: taken(follower) == [(0, True), (2, False), (4, False)], "version 4 as a delta")
        for each in (rounded, follower):
            assert each.stop() == 1  # torchrun ends so whenever it is told to stop


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with Room(TORCH, tmp_path_factory.mktemp("trainer")) as running:
        yield running


@pytest.fixture(scope="module")
def followers(trainer: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Room]]:
    """One of each engine, which is to answer in the same words."""
    folder = tmp_path_factory.mktemp("followers")
    with follower_of(trainer, folder / "torch") as mine, follower_of(trainer, folder / "embedded", NODE) as theirs:
        for each in (mine, theirs):
            until_synced(each, trainer)
        yield [mine, theirs]


TRAINERS_CALLS: dict[str, Callable[[Room], Refusal]] = {
    "a step": lambda room: refusal(room.stub.TrainStep, messages(plan(), [])),
    "a checkpoint": lambda room: refusal(room.stub.SaveCheckpoint, proto.SaveCheckpointRequest(name="a")),
    "a restored checkpoint": lambda room: refusal(
        room.stub.RestoreCheckpoint, proto.RestoreCheckpointRequest(name="initial")
    ),
    "a teacher's score": lambda room: refusal(
        room.stub.Score,
        proto.ScoreRequest(
            items=[proto.ScoreItem(prompt_ids=[1], completion_ids=[2])], weights=proto.WEIGHT_SET_TEACHER
        ),
    ),
}


@needs_embedded
@pytest.mark.parametrize("call", TRAINERS_CALLS.values(), ids=TRAINERS_CALLS.keys())
def test_what_changes_weights_is_for_the_trainer_which_it_names(
    trainer: Room, followers: list[Room], call: Callable[[Room], Refusal]
) -> None:
    mine, theirs = (call(each) for each in followers)
    where = f"send this call to the trainer at {trainer.address}, whose weights this policy follows"
    assert mine.code == theirs.code == grpc.StatusCode.FAILED_PRECONDITION
    assert mine.message == theirs.message == f"policy: samples only; {where}"
    assert mine.read("PreconditionFailure") == theirs.read("PreconditionFailure")


@needs_embedded
def test_its_card_offers_no_training_and_no_checkpoints(trainer: Room, followers: list[Room]) -> None:
    for each in followers:
        card = each.stub.Describe(BRIEF)
        assert card.HasField("training")
        assert card.training == proto.TrainingCapabilities()
        assert card.weights_id == trainer.stub.Describe(BRIEF).weights_id
        assert not each.stub.ListCheckpoints(proto.ListCheckpointsRequest()).checkpoints


@needs_embedded
def test_another_model_is_refused_in_the_same_words_naming_both(tmp_path: Path) -> None:
    with Room(TORCH, tmp_path / "trainer", BACKSIGHT_MODEL=str(make_model(tmp_path))) as other:
        theirs = f"llama (llama, {other.stub.Describe(BRIEF).parameter_count} parameters, vocabulary of 61)"
        ours = "weights (llama, 742272 parameters, vocabulary of 414)"
        why = f"the trainer at {other.address} has another model: {theirs}, where this policy is {ours}"
        expected = f"waiting for the weights of the trainer at {other.address}: {why}"
        with follower_of(other, tmp_path / "a") as mine, follower_of(other, tmp_path / "b", NODE) as embedded:
            for each in (mine, embedded):
                until_refused(each, expected)
                assert not is_serving(each)


def until_refused(follower: Room, message: str) -> None:
    until(lambda: refusal(generate, follower).message == message, message)


class Faulty(policy_pb2_grpc.PolicyServiceServicer):  # type: ignore[misc] # generated code is not typed
    """Hands on what a trainer says, and a broken piece of one tensor while it is told to."""

    def __init__(self, trainer: Room) -> None:
        self._trainer, self.broken = trainer, False

    def Describe(self, request: proto.DescribeRequest, context: Any) -> proto.DescribeResponse:
        return self._trainer.stub.Describe(request)

    def PullWeights(self, request: proto.PullWeightsRequest, context: Any) -> Iterator[proto.PullWeightsResponse]:
        for message in self._trainer.stub.PullWeights(request):
            if self.broken and message.chunk.name == "model.norm.weight":
                message.chunk.data = bytes([message.chunk.data[0] ^ 4]) + message.chunk.data[1:]
            yield message


def test_it_keeps_its_weights_when_a_piece_arrives_broken_names_the_tensor_and_asks_again(
    trainer: Room, tmp_path: Path
) -> None:
    trainer.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name="initial"))
    faulty = Faulty(trainer)
    server = grpc.server(futures.ThreadPoolExecutor(4))
    policy_pb2_grpc.add_PolicyServiceServicer_to_server(faulty, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with follower_of(f"127.0.0.1:{port}", tmp_path) as follower:
            until_synced(follower, trainer)
            completions = generate(trainer)
            before = score(follower, completions)
            faulty.broken = True
            train(trainer, plan(0), completions)
            until(lambda: len(logged(follower, "the weights could not be pulled")) > 1, "refusals")
            problem = logged(follower, "the weights could not be pulled")[0]["problem"]
            assert problem == 'tensor "model.norm.weight": the piece at element 0 does not have its checksum'
            assert score(follower, completions) == before
            faulty.broken = False
            until_synced(follower, trainer)
            assert score(follower, completions) == score(trainer, completions)
    finally:
        server.stop(0)
