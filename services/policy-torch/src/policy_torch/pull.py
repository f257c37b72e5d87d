"""The weights for those who pull them: whole, or what has changed since what they have."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from backsight.policy.v1 import policy_pb2 as proto
from torch import Tensor

#: The types that weights are sent in, by their number in the contract, and as what their bits are read.
SENT_TYPES = {
    proto.DATA_TYPE_FLOAT32: (torch.float32, torch.int32),
    proto.DATA_TYPE_BFLOAT16: (torch.bfloat16, torch.int16),
}
#: Elements in one message, at most.
PIECE_ELEMENTS = 2**19
#: Bytes that a gap takes at most times: those below 128 take one.
GAP_BYTES = 1.25
#: Copies are given up when nobody has pulled for this long, in seconds.
KEPT_S = 600.0

Elements = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True)
class SentTensor:
    """One tensor as bit patterns. Shape of `elements`: [product of shape]."""

    name: str
    shape: tuple[int, ...]
    elements: Elements


@dataclass(frozen=True)
class Snapshot:
    """Weights of one version in the type they are sent in, which do not change any more."""

    version: int
    dtype: proto.DataType
    #: By name, in the order of code points.
    tensors: list[SentTensor]
    #: SHA-256 over the elements of all tensors, in order.
    checksum: bytes
    #: What they are called.
    weights_id: str = ""


def snapshot(version: int, names: list[str], tensors: list[Tensor], dtype: proto.DataType) -> Snapshot:
    """`tensors` are float32 on the host, rounded to nearest even where `dtype` is narrower."""
    number, bits = SENT_TYPES[dtype]
    sent = [
        SentTensor(name, tuple(tensor.shape), _unsigned(tensor.to(number).contiguous().view(bits)))
        for name, tensor in sorted(zip(names, tensors, strict=True), key=lambda pair: pair[0])
    ]
    return Snapshot(version, dtype, sent, checksum_of(sent))


def checksum_of(tensors: Iterable[SentTensor]) -> bytes:
    """SHA-256 over the elements of all tensors, in order."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.elements.data)
    return digest.digest()


class WeightSource:
    """Hands out snapshots, one copy per change and type; used from one event loop."""

    def __init__(self, names: list[str], copy: Callable[[], Awaitable[tuple[int, list[Tensor]]]]) -> None:
        """`copy` gives the version and all weights in float32 on the host, in the order of `names`."""
        self._names, self._copy = names, copy
        self._revision = 0
        #: Names the current weights: another name after every change.
        self.weights_id = str(uuid.uuid4())
        self._last_pull = 0.0
        self._lock = asyncio.Lock()
        #: By type: the revision it is of, the snapshot, and the one before it.
        self._kept: dict[proto.DataType, tuple[int, Snapshot, Snapshot | None]] = {}

    def changed(self, weights_id: str | None = None) -> None:
        """The weights have changed, or may have; a follower's have the name that its trainer gave them."""
        self._revision += 1
        self.weights_id = str(uuid.uuid4()) if weights_id is None else weights_id
        if time.monotonic() - self._last_pull > KEPT_S:
            self._kept.clear()

    async def current(self, dtype: proto.DataType) -> Snapshot:
        """The current weights; those who ask at the same time share one copy."""
        self._last_pull = time.monotonic()
        async with self._lock:
            revision, weights_id = self._revision, self.weights_id
            known = self._kept.get(dtype)
            if known is not None and known[0] == revision:
                return known[1]
            version, tensors = await self._copy()
            taken = await asyncio.to_thread(snapshot, version, self._names, tensors, dtype)
            taken = replace(taken, weights_id=weights_id)
            self._kept[dtype] = revision, taken, known[1] if known else None
            return taken

    def base(self, dtype: proto.DataType, version: int, checksum: bytes) -> Snapshot | None:
        """The kept snapshot of that version and checksum, if there is one; ask after `current`."""
        kept = self._kept.get(dtype)
        candidates = kept[1:] if kept else ()
        return next(
            (each for each in candidates if each and (each.version, each.checksum) == (version, checksum)), None
        )


def messages(current: Snapshot, base: Snapshot | None) -> Iterator[proto.PullWeightsResponse]:
    """The stream of a snapshot; `base` None: the whole. It is of the same model and type."""
    version, base_version = current.version, base.version if base else None
    digest = hashlib.sha256()
    for index, tensor in enumerate(current.tensors):
        before = base.tensors[index].elements if base else None
        for offset, elements, gaps in _pieces(tensor.elements, before):
            data = elements.tobytes()
            digest.update(data)
            chunk = proto.TensorChunk(
                name=tensor.name,
                dtype=current.dtype,
                shape=tensor.shape,
                offset=offset,
                data=data,
                gaps=gaps,
                crc32=zlib.crc32(data),
            )
            yield proto.PullWeightsResponse(version=version, base_version=base_version, chunk=chunk)
    yield proto.PullWeightsResponse(
        version=version,
        base_version=base_version,
        checksum=digest.digest(),
        weights_checksum=current.checksum,
        weights_id=current.weights_id,
    )


def _pieces(now: Elements, before: Elements | None) -> Iterator[tuple[int, Elements, list[int]]]:
    """Offset, elements and gaps: what has changed, scattered or as one stretch, whichever is smaller."""
    for begin in range(0, now.size, PIECE_ELEMENTS):
        piece = now[begin : begin + PIECE_ELEMENTS]
        if before is None:
            yield begin, piece, []
            continue
        changed = np.flatnonzero(piece != before[begin : begin + PIECE_ELEMENTS])
        if changed.size == 0:
            continue
        first, last = int(changed[0]), int(changed[-1])
        stretch = piece[first : last + 1]
        if changed.size * (now.itemsize + GAP_BYTES) >= stretch.nbytes:
            yield begin + first, stretch, []
        else:
            yield begin + first, piece[changed], np.diff(changed, prepend=first).tolist()


def _unsigned(bits: Tensor) -> Elements:
    """The memory of a tensor of bit patterns, flat."""
    array = bits.numpy().reshape(-1)
    return array.view(np.dtype(f"<u{array.itemsize}"))
