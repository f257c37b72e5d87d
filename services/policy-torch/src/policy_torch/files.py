"""Files of a checkpoint: written whole and flushed, verified by size and checksum, tensors as safetensors."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from policy_torch.errors import CheckpointError
from policy_torch.group import Group
from policy_torch.weights import Parameters

T = TypeVar("T")

#: What one file holds: parameters, and this rank's part of each.
TensorSet = tuple[Parameters, Iterable[Tensor]]

_PIECE = 16 * 2**20


def safetensors(
    parameters: Parameters, wholes: Iterator[Tensor], metadata: dict[str, str] | None = None, prefix: str = ""
) -> Iterator[bytes | memoryview]:
    """The pieces of a safetensors file of float32 tensors; `prefix` is put before their names."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    begin = 0
    for name, shape in zip(parameters.names, parameters.shapes, strict=True):
        end = begin + 4 * math.prod(shape)
        header[prefix + name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield struct.pack("<Q", len(text)) + text
    for tensor in wholes:
        values = tensor.detach().to("cpu", torch.float32).contiguous().numpy().reshape(-1)
        yield values.data.cast("B")


def verify(file: Path, written: dict[str, Any]) -> None:
    if not file.is_file():
        raise CheckpointError("invalid", str(file), "is missing from the checkpoint")
    if (size := file.stat().st_size) != written["sizeBytes"]:
        problem = f"has {size} bytes where {written['sizeBytes']} were written; it is corrupt"
        raise CheckpointError("invalid", str(file), problem)
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != written["sha256"]:
            raise CheckpointError("invalid", str(file), "does not have the SHA-256 it was written with; it is corrupt")


def write_new(file: Path, pieces: Any) -> dict[str, Any]:
    """Writes pieces to a file that must not exist yet, flushed to the disk; returns size and checksum."""
    digest, size = hashlib.sha256(), 0
    with file.open("xb") as stream:
        for piece in pieces:
            view = memoryview(piece)
            for begin in range(0, len(view), _PIECE):
                stream.write(view[begin : begin + _PIECE])
                digest.update(view[begin : begin + _PIECE])
            size += len(view)
        stream.flush()
        os.fsync(stream.fileno())
    return {"sizeBytes": size, "sha256": digest.hexdigest()}


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def file_errors(file: Path) -> Iterator[None]:
    """What the file system says, as a CheckpointError."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "no space left on the disk" if full else (error.strerror or str(error))
        raise CheckpointError("no-space" if full else "io", str(error.filename or file), problem) from error


def write_set(
    group: Group, file: Path, given: TensorSet, metadata: dict[str, str] | None = None, prefix: str = ""
) -> dict[str, Any]:
    """Float32 tensors one after the other in the order of the parameters; returns size and checksum.

    Every rank takes part in gathering, whatever becomes of rank 0's writing.
    """
    parameters, weights = given
    wholes = (parameters.whole(index, part) for index, part in enumerate(weights))
    try:
        if group.rank != 0:
            return {"sizeBytes": 0, "sha256": ""}  # rank 0 tells
        file.parent.mkdir(parents=True, exist_ok=True)
        return write_new(file, safetensors(parameters, wholes, metadata, prefix))
    finally:
        for whole in wholes:
            # A GPU is only told to gather. A rank that did not wait for it would have told it of everything at once, and the
            # time in which rank 0 writes would count as time in which the group hangs.
            whole.flatten()[:1].cpu()


def together(group: Group, about: Path, work: Callable[[], T], undo: Callable[[], None] = lambda: None) -> T:
    """Runs `work` on all ranks; where one fails, all fail with its error."""
    result: T | None = None
    failure: CheckpointError | None = None
    try:
        with file_errors(about):
            result = work()
    except CheckpointError as error:
        failure = error
        undo()
    reasons = group.gather(failure and (failure.reason, failure.file, failure.problem))
    for reason in reasons:
        if reason is not None:
            raise failure or CheckpointError(*reason)
    assert result is not None
    return result
