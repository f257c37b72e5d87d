"""This engine and the embedded one, each as a process with the tiny model: the same numbers, and each other's checkpoints."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from backsight.policy.v1 import policy_pb2 as proto
from safetensors.numpy import load_file, save_file

from room import EMBEDDED, TINY, TORCH, Room, distillation, generate, needs_embedded, plan, score, train

pytestmark = needs_embedded

FULL = proto.Support(kind=proto.SUPPORT_KIND_FULL)
RENORMALISED = proto.Support(kind=proto.SUPPORT_KIND_TOP_K_RENORMALISED, k=8)
GRADIENT = proto.PolicyGradient(weight=1, clip_low=0.2, clip_high=0.28, dual_clip=3)
TEACHERS = [proto.TEACHER_KIND_EMA, proto.TEACHER_KIND_FROZEN, proto.TEACHER_KIND_LIVE, proto.TEACHER_KIND_TRUST_REGION]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Room, Room]]:
    """This room and the embedded one, over one folder of checkpoints: they take turns in it."""
    folder = tmp_path_factory.mktemp("rooms")
    with Room(TORCH, folder) as torch_room, Room(["node", str(EMBEDDED)], folder) as embedded:
        yield torch_room, embedded
        assert torch_room.stop() == 0
        assert embedded.stop() == 0


def restore(both: tuple[Room, Room], name: str = "initial") -> None:
    for room in both:
        room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name=name))


def exported(room: Room, name: str) -> dict[str, np.ndarray[Any, Any]]:
    path = room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name=name)).path
    return load_file(Path(path) / "model.safetensors")


def assert_same_weights(one: dict[str, Any], other: dict[str, Any], start: dict[str, Any]) -> None:
    """Weights within 1e-4 relative, and so is the way they have gone from where they started."""
    assert one.keys() == other.keys()

    def norm(weights: dict[str, Any], origin: dict[str, Any]) -> float:
        return float(np.sqrt(sum(np.square(weights[name] - origin[name], dtype=np.float64).sum() for name in weights)))

    size = norm(other, {name: 0 for name in other})
    assert norm(one, other) < 1e-4 * size
    for name in one:
        assert np.abs(one[name] - other[name]).max() < 1e-4 * max(1.0, np.abs(other[name]).max()), name
    assert norm(one, other) < 5e-3 * norm(other, start)


def test_both_describe_the_same_model(rooms: tuple[Room, Room]) -> None:
    mine, theirs = (room.stub.Describe(proto.DescribeRequest()) for room in rooms)
    assert (mine.engine.name, theirs.engine.name) == ("torch", "onnxruntime")
    for description in (mine, theirs):
        description.ClearField("engine")
        description.ClearField("weights_id")  # another for every process
    assert mine == theirs


@pytest.mark.parametrize("sampling", [{}, {"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.0}], ids=str)
def test_the_same_seed_samples_the_same_completions(rooms: tuple[Room, Room], sampling: dict[str, Any]) -> None:
    restore(rooms)
    mine, theirs = (generate(room, seed=2**53 - 1, **sampling) for room in rooms)
    assert [list(each.token_ids) for each in mine] == [list(each.token_ids) for each in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert one.finish_reason == other.finish_reason
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_scores_agree(rooms: tuple[Room, Room]) -> None:
    restore(rooms)
    completions = generate(rooms[1], temperature=2.0)
    for settings in ({}, {"temperature": 0.5, "top_k": 5}, {"weights": proto.WEIGHT_SET_TEACHER}):
        mine, theirs = (score(room, completions, **settings) for room in rooms)
        for one, other in zip(mine.scores, theirs.scores, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
            assert one.entropies == pytest.approx(other.entropies, abs=1e-4)
            assert one.top_ids == other.top_ids
            assert one.top_logprobs == pytest.approx(other.top_logprobs, abs=1e-4)


@pytest.mark.parametrize(
    ("objective", "teacher"),
    [
        *((proto.Objective(distillation=distillation()), kind) for kind in TEACHERS),
        (proto.Objective(distillation=distillation(alpha=1.0, support=FULL)), TEACHERS[0]),
        (proto.Objective(distillation=distillation(alpha=0.0, support=RENORMALISED), temperature=0.8), TEACHERS[0]),
        (
            proto.Objective(
                distillation=distillation(alpha=1.0, granularity=proto.GRANULARITY_SAMPLED_TOKEN),
                policy_gradient=GRADIENT,
                likelihood=proto.Likelihood(weight=0.1),
                aggregation=proto.AGGREGATION_SEQUENCE_MEAN_TOKEN_MEAN,
                rollout_importance_cap=2.0,
            ),
            TEACHERS[0],
        ),
        (proto.Objective(policy_gradient=GRADIENT, aggregation=proto.AGGREGATION_SEQUENCE_MEAN_TOKEN_SUM), TEACHERS[0]),
    ],
    ids=["ema", "frozen", "live", "trust-region", "reverse full", "forward renormalised", "blend", "grpo"],
)
def test_a_transaction_gives_the_same_losses_norms_and_weights(
    rooms: tuple[Room, Room], objective: proto.Objective, teacher: proto.TeacherKind
) -> None:
    restore(rooms)
    start = exported(rooms[0], "start")
    completions = generate(rooms[1], temperature=1.5)
    # Epsilon well above rounding noise: else a weight without a gradient steps to a side that rounding alone chooses.
    optimizer = proto.Optimizer(learning_rate=1e-3, epsilon=1e-4, weight_decay=0.01, max_gradient_norm=1.0)
    moving = proto.Teacher(kind=teacher, rate=0.1, cadence=proto.TEACHER_CADENCE_STEP)
    given = plan(0, objective=objective, teacher=moving, optimizer=optimizer, mini_batches=3)
    mine, theirs = (train(room, given, completions) for room in rooms)
    assert mine.version == theirs.version == 3
    for one, other in zip(mine.steps, theirs.steps, strict=True):
        for field in ("loss", "distillation_loss", "policy_gradient_loss", "likelihood_loss", "gradient_norm"):
            assert getattr(one, field) == pytest.approx(getattr(other, field), rel=1e-4, abs=1e-7), field
        assert (one.examples, one.loss_tokens, one.skipped) == (other.examples, other.loss_tokens, other.skipped)
    assert mine.metrics.keys() == theirs.metrics.keys()
    for name, value in theirs.metrics.items():
        assert mine.metrics[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
    assert_same_weights(exported(rooms[0], "mine"), exported(rooms[1], "theirs"), start)
    teachers = [score(room, completions, weights=proto.WEIGHT_SET_TEACHER).scores for room in rooms]
    for one, other in zip(*teachers, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@pytest.mark.parametrize("saver", [0, 1], ids=["torch saves", "onnxruntime saves"])
def test_either_engine_goes_on_from_the_others_checkpoint(rooms: tuple[Room, Room], saver: int) -> None:
    restore(rooms)
    completions = generate(rooms[0])
    train(rooms[saver], plan(0), completions)
    saved = rooms[saver].stub.SaveCheckpoint(proto.SaveCheckpointRequest(name=f"by-{saver}")).checkpoint
    restore(rooms, f"by-{saver}")
    listed = [room.stub.ListCheckpoints(proto.ListCheckpointsRequest()).checkpoints for room in rooms]
    assert all(saved in each and each[-1].name == "initial" for each in listed)
    # Weights alone would do for the scores; optimizer and teacher show in the next steps.
    reports = [train(room, plan(2), completions) for room in rooms]
    assert [each.version for each in reports] == [4, 4]
    for one, other in zip(reports[0].steps, reports[1].steps, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-4)
        assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-4)
    students = [score(room, completions).scores for room in rooms]
    for one, other in zip(*students, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=2e-4)


def test_either_refuses_the_checkpoint_of_a_policy_that_began_with_other_weights(
    rooms: tuple[Room, Room], tmp_path: Path
) -> None:
    restore(rooms)
    for index, room in enumerate(rooms):
        room.stub.SaveCheckpoint(proto.SaveCheckpointRequest(name=f"began-{index}"))
    checkpoints = rooms[0].folder / "checkpoints"
    manifests = [json.loads((checkpoints / f"began-{index}.json").read_text()) for index in (0, 1)]
    assert manifests[0]["extra"] == manifests[1]["extra"]
    # The same shapes with one number changed.
    model = shutil.copytree(TINY, tmp_path / "another")
    weights = load_file(model / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"] + np.eye(1, len(weights["model.norm.weight"]))[0]
    save_file({name: each.astype(np.float32) for name, each in weights.items()}, model / "model.safetensors")
    for command in (TORCH, ["node", str(EMBEDDED)]):
        with Room(command, rooms[0].folder, BACKSIGHT_MODEL=str(model)) as other:
            for name in ("began-0", "began-1"):
                with pytest.raises(grpc.RpcError) as refused:
                    other.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name=name))
                assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
                assert "began with other weights than another" in refused.value.details()
            assert other.stub.Describe(proto.DescribeRequest()).version == 0


def test_both_export_the_same_bits(rooms: tuple[Room, Room]) -> None:
    restore(rooms)
    mine, theirs = (exported(room, f"bits-{index}") for index, room in enumerate(rooms))
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
