"""Two ranks over gloo, sharded by FSDP2, equal one;"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import torch
from backsight.policy.v1 import policy_pb2 as proto
from safetensors.torch import load_file

from room import TORCH, TWO_RANKS, Room, distillation, generate, messages, plan, refusal, score, train

GRADIENT = proto.PolicyGradient(weight=0.5, clip_low=0.2, clip_high=0.28)
BLEND = proto.Objective(distillation=distillation(), policy_gradient=GRADIENT, rollout_importance_cap=2.0)


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Room, Room]]:
    """One rank and two, over one folder of checkpoints. Small micro-batches: the ranks get several, and not equally many."""
    folder = tmp_path_factory.mktemp("ranks")
    settings = {"BACKSIGHT_MICRO_BATCH_TOKENS": "64", "BACKSIGHT_GENERATION_SLOTS": "5", "BACKSIGHT_THREADS": "1"}
    with Room(TORCH, folder, **settings) as one, Room(TWO_RANKS, folder, **settings) as two:
        yield one, two
        assert one.stop() == 0
        begin = time.monotonic()
        two.stop()  # torchrun ends with 1 whenever it is told to stop; it kills ranks that take longer than 30 s
        assert time.monotonic() - begin < 20


def restore(rooms: tuple[Room, Room], name: str = "initial") -> None:
    for room in rooms:
        room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name=name))


def exported(room: Room, name: str) -> dict[str, torch.Tensor]:
    path = room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name=name)).path
    return load_file(Path(path) / "model.safetensors")


def largest_difference(rooms: tuple[Room, Room], name: str) -> float:
    one, two = (exported(room, f"{name}-{index}") for index, room in enumerate(rooms))
    return max((one[tensor] - two[tensor]).abs().max().item() for tensor in one)


def test_two_ranks_sample_what_one_samples(rooms: tuple[Room, Room]) -> None:
    restore(rooms)
    one, two = (generate(room, group_size=6) for room in rooms)
    assert [list(each.token_ids) for each in one] == [list(each.token_ids) for each in two]
    for mine, theirs in zip(one, two, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)
    first, second = (score(room, one, top_k=3).scores for room in rooms)
    for left, right in zip(first, second, strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-5)
        assert left.top_ids == right.top_ids


@pytest.mark.parametrize("kind", [proto.TEACHER_KIND_EMA, proto.TEACHER_KIND_TRUST_REGION], ids=["ema", "trust region"])
def test_two_ranks_take_the_steps_of_one(rooms: tuple[Room, Room], kind: proto.TeacherKind) -> None:
    restore(rooms)
    completions = generate(rooms[0], group_size=5)
    for version in (0, 2):
        teacher = proto.Teacher(kind=kind, rate=0.2, cadence=proto.TEACHER_CADENCE_STEP)
        given = plan(version, objective=BLEND, teacher=teacher)
        one, two = (train(room, given, completions) for room in rooms)
        assert one.version == two.version == version + 2
        for mine, theirs in zip(one.steps, two.steps, strict=True):
            assert mine.loss == pytest.approx(theirs.loss, rel=1e-4, abs=1e-7)
            assert mine.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-4)
            assert (mine.examples, mine.loss_tokens) == (theirs.examples, theirs.loss_tokens)
        assert one.metrics.keys() == two.metrics.keys()
        for name, value in one.metrics.items():
            assert two.metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
    assert largest_difference(rooms, f"after-{kind}") < 1e-4
    teachers = [score(room, completions, weights=proto.WEIGHT_SET_TEACHER).scores for room in rooms]
    for mine, theirs in zip(*teachers, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


@pytest.mark.parametrize("saver", [0, 1], ids=["one saves", "two save"])
def test_a_checkpoint_goes_from_any_number_of_ranks_to_any_other(rooms: tuple[Room, Room], saver: int) -> None:
    restore(rooms)
    completions = generate(rooms[0])
    train(rooms[saver], plan(0), completions)
    rooms[saver].stub.SaveCheckpoint(proto.SaveCheckpointRequest(name=f"by-{saver}"))
    restore(rooms, f"by-{saver}")
    assert largest_difference(rooms, f"restored-{saver}") == 0
    one, two = (train(room, plan(2), completions) for room in rooms)
    assert [step.loss for step in one.steps] == pytest.approx([step.loss for step in two.steps], rel=1e-4)
    assert largest_difference(rooms, f"resumed-{saver}") < 1e-4


def test_two_ranks_refuse_and_go_on(rooms: tuple[Room, Room]) -> None:
    two = rooms[1]
    missing = refusal(two.stub.RestoreCheckpoint, proto.RestoreCheckpointRequest(name="none"))
    assert missing.code == grpc.StatusCode.NOT_FOUND
    assert refusal(two.stub.TrainStep, messages(plan(99), [])).code == grpc.StatusCode.INVALID_ARGUMENT
    call = two.stub.Generate(
        proto.GenerateRequest(
            prompts=[proto.Prompt(token_ids=[1, 5])] * 4,
            group_size=8,
            sampling=proto.Sampling(temperature=1, max_tokens=200, seed=1),
        )
    )
    next(iter(call))
    call.cancel()
    assert len(generate(two)) == 12
