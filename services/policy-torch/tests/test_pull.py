"""Weights on their way to followers: whole and as deltas, and an embedded policy that follows this one."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest
import torch
from backsight.policy.v1 import policy_pb2 as proto
from safetensors.numpy import load_file

from policy_torch.pull import messages, snapshot
from room import EMBEDDED, TORCH, Room, generate, needs_embedded, plan, refusal, score, train

TYPES: dict[proto.DataType, np.dtype[Any]] = {
    proto.DATA_TYPE_FLOAT32: np.dtype("<u4"),
    proto.DATA_TYPE_BFLOAT16: np.dtype("<u2"),
}
Tensors = dict[str, npt.NDArray[np.unsignedinteger]]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with Room(TORCH, tmp_path_factory.mktemp("room")) as running:
        yield running


def receive(
    stream: Iterator[proto.PullWeightsResponse], tensors: Tensors, dtype: proto.DataType
) -> proto.PullWeightsResponse:
    """Writes a stream into `tensors`, checks what it promises, and returns its last message."""
    digest = hashlib.sha256()
    for message in stream:
        if not message.HasField("chunk"):
            assert message.checksum == digest.digest()
            whole = hashlib.sha256(b"".join(tensors[name].tobytes() for name in sorted(tensors)))
            assert message.weights_checksum == whole.digest()
            return message
        chunk = message.chunk
        assert (chunk.dtype, chunk.crc32) == (dtype, zlib.crc32(chunk.data))
        digest.update(chunk.data)
        values = np.frombuffer(chunk.data, TYPES[dtype])
        places = np.cumsum(chunk.gaps) if chunk.gaps else np.arange(values.size)
        tensors[chunk.name][chunk.offset + places] = values
    raise AssertionError("The stream ended before its checksum.")


def exported(room: Room, name: str) -> dict[str, npt.NDArray[np.float32]]:
    path = room.stub.ExportCheckpoint(proto.ExportCheckpointRequest(name=name)).path
    return {each: weights.reshape(-1) for each, weights in load_file(Path(path) / "model.safetensors").items()}


def bits(weights: npt.NDArray[np.float32], dtype: proto.DataType) -> npt.NDArray[np.unsignedinteger]:
    """As the contract sends them."""
    if dtype == proto.DATA_TYPE_FLOAT32:
        return weights.view("<u4")
    return torch.from_numpy(weights.copy()).bfloat16().view(torch.int16).numpy().view("<u2")


@pytest.mark.parametrize("dtype", TYPES)
def test_pulled_weights_are_the_exported_ones_whole_and_after_a_step(room: Room, dtype: proto.DataType) -> None:
    room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name="initial"))
    expected = exported(room, "before")
    tensors: Tensors = {name: np.zeros(weights.size, TYPES[dtype]) for name, weights in expected.items()}
    first = receive(room.stub.PullWeights(proto.PullWeightsRequest(dtype=dtype)), tensors, dtype)
    assert (first.version, first.HasField("base_version")) == (0, False)
    assert all(np.array_equal(tensors[name], bits(weights, dtype)) for name, weights in expected.items())

    asked = proto.PullWeightsRequest(base_version=0, base_checksum=first.weights_checksum, dtype=dtype)
    (nothing,) = room.stub.PullWeights(asked)
    assert (nothing.version, nothing.base_version, nothing.HasField("chunk")) == (0, 0, False)

    train(room, plan(0), generate(room))
    second = receive(room.stub.PullWeights(asked), tensors, dtype)
    assert (second.version, second.base_version) == (2, 0)
    after = exported(room, "after")
    assert all(np.array_equal(tensors[name], bits(weights, dtype)) for name, weights in after.items())


def test_a_base_that_is_not_kept_and_a_type_that_is_not_sent_are_refused(room: Room) -> None:
    gone = refusal(room.stub.PullWeights, proto.PullWeightsRequest(base_version=0, base_checksum=b"other"))
    assert gone.code == grpc.StatusCode.FAILED_PRECONDITION
    assert "ask for the whole" in gone.message
    half = refusal(room.stub.PullWeights, proto.PullWeightsRequest(dtype=proto.DATA_TYPE_FLOAT16))
    assert half.violations() == ["dtype: must be float32 or bfloat16"]


def test_little_is_sent_where_little_has_changed() -> None:
    before = torch.ones(1000, 1000)
    after = before.clone()
    after.view(-1)[::100] = 2
    base, current = (
        snapshot(version, ["w"], [weights], proto.DATA_TYPE_BFLOAT16) for version, weights in enumerate([before, after])
    )
    size = sum(message.ByteSize() for message in messages(current, base))
    assert size < 10_000 * 3 + 500
    tensors: Tensors = {"w": base.tensors[0].elements.copy()}
    receive(messages(current, base), tensors, proto.DATA_TYPE_BFLOAT16)
    assert np.array_equal(tensors["w"], current.tensors[0].elements)


@needs_embedded
def test_an_embedded_policy_follows_this_one(room: Room, tmp_path: Path) -> None:
    room.stub.RestoreCheckpoint(proto.RestoreCheckpointRequest(name="initial"))
    command = ["node", str(EMBEDDED), "--follow", room.address]
    with Room(command, tmp_path, BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS="50") as follower:
        for version in (0, 2, 4):
            until_version(follower, version)
            completions = generate(room)
            ours, theirs = score(room, completions), score(follower, completions)
            assert theirs.policy_version == version
            for one, other in zip(ours.scores, theirs.scores, strict=True):
                assert np.allclose(one.logprobs, other.logprobs, atol=1e-4)
            train(room, plan(version), completions)


def until_version(room: Room, version: int) -> None:
    """Waits until the room has weights, and those of that version."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if score(room, [proto.Completion(token_ids=[5])]).policy_version == version:
                return
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE
        time.sleep(0.05)
    raise AssertionError(f"The room did not reach version {version}.")
