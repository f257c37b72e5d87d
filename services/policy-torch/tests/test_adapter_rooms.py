"""The same adapter in the embedded engine, in this one, and in this one on two ranks: the same numbers, files that go either way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backsight.policy.v1 import policy_pb2 as proto
from safetensors.numpy import load_file

from policy_torch.adapter import StoredAdapter
from policy_torch.batches import Continuation
from policy_torch.group import Group
from policy_torch.model import LoadedModel, ModelOptions
from policy_torch.score import score as score_here
from room import EMBEDDED, PROMPTS, TINY, TORCH, TWO_RANKS, Room, generate, needs_embedded, plan, score, train
from test_parity import TEACHERS, assert_same_weights
from test_pull import receive

pytestmark = needs_embedded

ADAPTER = {"BACKSIGHT_ADAPTER_RANK": "3", "BACKSIGHT_ADAPTER_ALPHA": "7.5", "BACKSIGHT_ADAPTER_SEED": "11"}
SMALL = {"BACKSIGHT_MICRO_BATCH_TOKENS": "64"}
NODE = ["node", str(EMBEDDED)]
Rooms = dict[str, Room]


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    """Over one folder of checkpoints: they take turns in it."""
    folder = tmp_path_factory.mktemp("rooms")
    with (
        Room(NODE, folder, **ADAPTER) as embedded,
        Room(TORCH, folder, **ADAPTER, **SMALL) as one,
        Room(TWO_RANKS, folder, **ADAPTER, **SMALL) as two,
    ):
        yield {"embedded": embedded, "one": one, "two": two}


def restore(rooms: Rooms, name: str = "initial") -> None:
    for room in rooms.values():
        room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name=name))


def export(room: Room, name: str, layout: proto.ExportLayout = proto.EXPORT_LAYOUT_HUGGING_FACE) -> Path:
    return Path(room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name=name, layout=layout)).path)


def factors(room: Room, name: str) -> dict[str, Any]:
    return load_file(export(room, name, proto.EXPORT_LAYOUT_PEFT) / "adapter_model.safetensors")


def assert_same_scores(rooms: Rooms, completions: list[proto.Completion], **settings: Any) -> None:
    first, *others = (score(room, completions, **settings).scores for room in rooms.values())
    for other in others:
        for mine, theirs in zip(first, other, strict=True):
            assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


def test_the_same_seed_draws_the_same_factors(rooms: Rooms) -> None:
    restore(rooms)
    found = {name: factors(room, f"fresh-{name}") for name, room in rooms.items()}
    for name in ("one", "two"):
        assert found[name].keys() == found["embedded"].keys()
        assert all(np.array_equal(found[name][each], found["embedded"][each]) for each in found[name])
    texts = {
        name: (export(rooms[name], f"fresh-{name}", proto.EXPORT_LAYOUT_PEFT) / "adapter_config.json").read_text()
        for name in rooms
    }
    assert texts["one"] == texts["two"] == texts["embedded"]


@pytest.mark.parametrize("kind", TEACHERS, ids=["ema", "frozen", "live", "trust-region"])
def test_a_transaction_gives_the_same_losses_norms_and_weights(rooms: Rooms, kind: proto.TeacherKind) -> None:
    restore(rooms)
    start = load_file(export(rooms["embedded"], "start") / "model.safetensors")
    completions = generate(rooms["embedded"], temperature=1.5)
    optimizer = proto.Optimizer(learning_rate=1e-3, epsilon=1e-4, weight_decay=0.01, max_gradient_norm=1.0)
    teacher = proto.Teacher(kind=kind, rate=0.1, cadence=proto.TEACHER_CADENCE_STEP)
    given = plan(0, teacher=teacher, optimizer=optimizer, mini_batches=3)
    reports = {name: train(room, given, completions) for name, room in rooms.items()}
    theirs = reports["embedded"]
    for name in ("one", "two"):
        for one, other in zip(reports[name].steps, theirs.steps, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=1e-4, abs=1e-7)
            assert one.gradient_norm == pytest.approx(other.gradient_norm, rel=1e-4)
        for figure, value in theirs.metrics.items():
            assert reports[name].metrics[figure] == pytest.approx(value, rel=1e-3, abs=1e-4), figure
    weights = {name: load_file(export(room, f"after-{name}") / "model.safetensors") for name, room in rooms.items()}
    for name in ("one", "two"):
        assert_same_weights(weights[name], weights["embedded"], start)
    assert_same_scores(rooms, completions)
    assert_same_scores(rooms, completions, weights=proto.WEIGHT_SET_TEACHER)


@pytest.mark.parametrize("saver", ["embedded", "one", "two"])
def test_any_goes_on_from_the_others_checkpoint(rooms: Rooms, saver: str) -> None:
    restore(rooms)
    completions = generate(rooms["one"])
    train(rooms[saver], plan(0), completions)
    rooms[saver].stub.SaveCheckpoint(proto.SaveCheckpointRequest(name=f"by-{saver}"))
    restore(rooms, f"by-{saver}")
    assert_same_scores(rooms, completions)
    assert_same_scores(rooms, completions, weights=proto.WEIGHT_SET_TEACHER)
    # Optimizer and teacher show in the next steps.
    reports = [train(room, plan(2), completions) for room in rooms.values()]
    for other in reports[1:]:
        assert other.version == 4
        for mine, theirs in zip(reports[0].steps, other.steps, strict=True):
            assert mine.loss == pytest.approx(theirs.loss, rel=1e-4)
            assert mine.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-4)


@pytest.mark.parametrize("maker", ["one", "two"])
def test_an_adapter_trained_here_scores_equal_in_the_embedded_engine(rooms: Rooms, maker: str, tmp_path: Path) -> None:
    restore(rooms)
    completions = generate(rooms["one"])
    train(rooms[maker], plan(0), completions)
    folder = export(rooms[maker], f"by-{maker}", proto.EXPORT_LAYOUT_PEFT)
    with Room(NODE, tmp_path, BACKSIGHT_ADAPTER=str(folder)) as reader:
        assert_same_scores({"maker": rooms[maker], "reader": reader}, completions)


def test_an_adapter_trained_by_the_embedded_engine_scores_equal_here(rooms: Rooms) -> None:
    restore(rooms)
    completions = generate(rooms["one"])
    train(rooms["embedded"], plan(0), completions)
    folder = export(rooms["embedded"], "by-embedded", proto.EXPORT_LAYOUT_PEFT)
    model = LoadedModel(ModelOptions(TINY, torch.device("cpu"), adapter=StoredAdapter(folder)), Group())
    texts = [Continuation(PROMPTS[each.prompt_index], list(each.token_ids)) for each in completions]
    expected = rooms["embedded"]
    for mine, theirs in zip(score_here(model, texts, 512), score(expected, completions).scores, strict=True):
        assert mine.logprobs == pytest.approx(theirs.logprobs, abs=1e-4)


@pytest.mark.parametrize("name", ["one", "two"])
def test_pulled_weights_have_the_adapter_merged_in(rooms: Rooms, name: str) -> None:
    restore(rooms)
    room, dtype = rooms[name], proto.DATA_TYPE_FLOAT32
    train(room, plan(0), generate(room))
    expected = load_file(export(room, f"pulled-{name}") / "model.safetensors")
    tensors = {each: np.zeros(weights.size, "<u4") for each, weights in expected.items()}
    last = receive(room.stub.PullWeights(proto.PullWeightsRequest(dtype=dtype)), tensors, dtype)
    assert last.version == 2
    assert all(np.array_equal(tensors[each], w.reshape(-1).view("<u4")) for each, w in expected.items())
