"""Weights on their way in: written whole, scattered or as a stretch, and refused where they are not what they should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import torch
from backsight.policy.v1 import policy_pb2 as proto

from policy_torch.pull import messages, snapshot
from policy_torch.receive import BrokenWeightsError, blank, receive, weights_of

FLOAT32 = proto.DATA_TYPE_FLOAT32
WEIGHTS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4)}


def stream_of(*sent: proto.PullWeightsResponse) -> AsyncIterator[proto.PullWeightsResponse]:
    async def stream() -> AsyncIterator[proto.PullWeightsResponse]:
        for each in sent:
            yield each

    return stream()


def whole() -> list[proto.PullWeightsResponse]:
    return list(messages(snapshot(3, list(WEIGHTS), list(WEIGHTS.values()), FLOAT32), None))


def changed(index: int, **fields: Any) -> list[proto.PullWeightsResponse]:
    """The stream of the whole with other fields in one message: of its piece, or of the last message."""
    sent = whole()
    part = sent[index].chunk if sent[index].HasField("chunk") else sent[index]
    for name, value in fields.items():
        if isinstance(value, list):
            del getattr(part, name)[:]
            getattr(part, name).extend(value)
        else:
            setattr(part, name, value)
    return sent


BROKEN: dict[str, tuple[list[proto.PullWeightsResponse], str]] = {
    "an unknown tensor": (changed(0, name="c"), '"c" is not a tensor of this model'),
    "another shape": (changed(0, shape=[3, 2]), 'tensor "a": expected shape [2, 3], found [3, 2]'),
    "another type": (changed(1, dtype=proto.DATA_TYPE_BFLOAT16), 'tensor "b": asked for float32, found 2'),
    "a flipped bit": (
        changed(0, data=b"\1" + bytes(23)),
        'tensor "a": the piece at element 0 does not have its checksum',
    ),
    "a piece that is too far": (changed(0, offset=1), 'tensor "a": a piece ends at element 7 of 6'),
    "gaps that are too many": (changed(1, gaps=[0] * 5), 'tensor "b": has more gaps than elements, or fewer'),
    "gaps that are too wide": (changed(1, gaps=[0, 1, 1, 2]), 'tensor "b": a piece ends at element 5 of 4'),
    "a missing tensor": (whole()[1:], 'tensor "a": 0 of 6 elements were sent'),
    "another stream": (changed(2, checksum=b"x"), "the stream does not have its checksum"),
    "other weights": (changed(2, weights_checksum=b"x"), "the weights do not have the checksum of version 3"),
    "no end": (whole()[:-1], "the stream ended before its checksum"),
}


@pytest.mark.parametrize(("sent", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_that_is_not_what_it_should_be_is_refused(sent: list[proto.PullWeightsResponse], problem: str) -> None:
    tensors = blank(list(WEIGHTS), [tuple(each.shape) for each in WEIGHTS.values()], FLOAT32)
    with pytest.raises(BrokenWeightsError) as raised:
        asyncio.run(receive(stream_of(*sent), tensors, FLOAT32))
    assert str(raised.value) == problem


@pytest.mark.parametrize("dtype", [FLOAT32, proto.DATA_TYPE_BFLOAT16], ids=["float32", "bfloat16"])
def test_what_is_received_is_what_was_sent_whole_scattered_or_as_a_stretch(dtype: proto.DataType) -> None:
    random = np.random.default_rng(4)
    names, shapes = ["b", "a", "c"], [(70, 90), (600_000,), ()]
    tensors = blank(names, shapes, dtype)
    values = [torch.from_numpy(random.standard_normal(shape).astype("f4").reshape(shape)) for shape in shapes]
    base = None
    for version, share in enumerate([1.0, 0.001, 0.9, 0.0]):
        values = [torch.where(torch.rand(each.shape) < share, each + 1, each) for each in values]
        current = snapshot(version, names, values, dtype)
        checksum = None if base is None else base.checksum
        received = asyncio.run(receive(stream_of(*messages(current, base)), tensors, dtype, checksum))
        assert (received.version, received.checksum) == (version, current.checksum)
        found = weights_of(tensors, dtype)
        rounded = {name: each.to(found[name].dtype) for name, each in zip(names, values, strict=True)}
        assert all(torch.equal(found[name], rounded[name]) for name in names)
        base = current
    assert received.size == 0
