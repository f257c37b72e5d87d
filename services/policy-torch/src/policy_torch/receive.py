"""Reads the messages of PullWeights into tensors, and proves what they led to."""

from __future__ import annotations

import asyncio
import hashlib
import math
import zlib
from collections import Counter
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from backsight.policy.v1 import policy_pb2 as proto
from torch import Tensor

from policy_torch.pull import SENT_TYPES, SentTensor, checksum_of


class BrokenWeightsError(Exception):
    """What was sent is not what it should be; nothing of it may be used."""


@dataclass(frozen=True)
class Received:
    """Weights that were received whole."""

    version: int
    #: Proven: SHA-256 over all elements.
    checksum: bytes
    #: Bytes of elements that were sent; a delta from the current version sends none.
    size: int
    #: What the trainer calls them; empty when it gives no names.
    weights_id: str


def blank(names: Sequence[str], shapes: Sequence[tuple[int, ...]], dtype: proto.DataType) -> list[SentTensor]:
    """Tensors to receive weights into, by name in the order of code points."""
    kind = np.dtype(f"<u{SENT_TYPES[dtype][0].itemsize}")
    pairs = sorted(zip(names, shapes, strict=True))
    return [SentTensor(name, shape, np.zeros(math.prod(shape), kind)) for name, shape in pairs]


def weights_of(tensors: Sequence[SentTensor], dtype: proto.DataType) -> dict[str, Tensor]:
    """What the tensors say, by name and in the type they were sent in, over their memory."""
    number, _ = SENT_TYPES[dtype]
    return {
        each.name: torch.from_numpy(each.elements.view(f"<i{each.elements.itemsize}")).view(number).view(each.shape)
        for each in tensors
    }


async def receive(
    stream: AsyncIterable[proto.PullWeightsResponse],
    tensors: Sequence[SentTensor],
    dtype: proto.DataType,
    base_checksum: bytes | None = None,
) -> Received:
    """Writes the stream into `tensors`: over anything for the whole, over the base's for a delta, with what its checksum was.

    On an error the tensors are of no use any more. Raises BrokenWeightsError naming the tensor whose piece is broken, is of
    another model or is missing.
    """
    by_name = {each.name: each for each in tensors}
    written: Counter[str] = Counter()
    digest, size = hashlib.sha256(), 0
    async for message in stream:
        if not message.HasField("chunk"):
            if not message.HasField("base_version"):
                _require_whole(tensors, written)
            if digest.digest() != message.checksum:
                raise BrokenWeightsError("the stream does not have its checksum")
            known = base_checksum if size == 0 else None
            proven = known or await asyncio.to_thread(checksum_of, tensors)
            if proven != message.weights_checksum:
                raise BrokenWeightsError(f"the weights do not have the checksum of version {message.version}")
            return Received(message.version, proven, size, message.weights_id)
        chunk = message.chunk
        tensor = by_name.get(chunk.name)
        if tensor is None:
            raise BrokenWeightsError(f'"{chunk.name}" is not a tensor of this model')
        # Others have the loop meanwhile.
        written[chunk.name] += await asyncio.to_thread(_write, tensor, chunk, dtype)
        await asyncio.to_thread(digest.update, chunk.data)
        size += len(chunk.data)
    raise BrokenWeightsError("the stream ended before its checksum")


def _write(tensor: SentTensor, chunk: proto.TensorChunk, dtype: proto.DataType) -> int:
    """Writes one piece; returns how many elements it has."""

    def broken(problem: str) -> BrokenWeightsError:
        return BrokenWeightsError(f'tensor "{chunk.name}": {problem}')

    elements, offset = tensor.elements, int(chunk.offset)
    if tuple(chunk.shape) != tensor.shape:
        raise broken(f"expected shape {list(tensor.shape)}, found {list(chunk.shape)}")
    if chunk.dtype != dtype:
        asked = "float32" if dtype == proto.DATA_TYPE_FLOAT32 else "bfloat16"
        raise broken(f"asked for {asked}, found {chunk.dtype}")
    if zlib.crc32(chunk.data) != chunk.crc32:
        raise broken(f"the piece at element {offset} does not have its checksum")
    piece = np.frombuffer(chunk.data, elements.dtype, len(chunk.data) // elements.itemsize)
    if chunk.gaps and len(chunk.gaps) != piece.size:
        raise broken("has more gaps than elements, or fewer")
    places = np.cumsum(chunk.gaps, dtype=np.int64)
    end = offset + (int(places[-1]) + 1 if places.size else piece.size)
    if end > elements.size:
        raise broken(f"a piece ends at element {end} of {elements.size}")
    if places.size:
        elements[offset + places] = piece
    else:
        elements[offset:end] = piece
    return piece.size


def _require_whole(tensors: Sequence[SentTensor], written: Counter[str]) -> None:
    for each in tensors:
        if (count := written[each.name]) != each.elements.size:
            raise BrokenWeightsError(f'tensor "{each.name}": {count} of {each.elements.size} elements were sent')
