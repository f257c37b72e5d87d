"""Frames between the judge and a slot: a length, a JSON header, then the raw bytes that the header announces."""

from __future__ import annotations

import json
import os
import struct
from typing import Any

_LENGTH = struct.Struct("<I")
_CHUNK = 1 << 20
_LONGEST_HEADER = 1 << 26


class Ended(Exception):
    """The judge has closed the pipe, or is dead."""


def read_header(descriptor: int) -> dict[str, Any]:
    """Reads one JSON header."""
    (length,) = _LENGTH.unpack(read_exactly(descriptor, _LENGTH.size))
    if length > _LONGEST_HEADER:
        raise ValueError(f"{length} bytes are announced, for a header: this is no frame")
    header: dict[str, Any] = json.loads(read_exactly(descriptor, length))
    return header


def read_exactly(descriptor: int, count: int) -> bytes:
    """Reads count bytes."""
    parts: list[bytes] = []
    while count > 0:
        part = os.read(descriptor, min(count, _CHUNK))
        if not part:
            raise Ended
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def write_frame(descriptor: int, header: dict[str, Any], *blobs: bytes) -> None:
    """Writes a JSON header, then the blobs it announces."""
    encoded = json.dumps(header).encode()
    write_all(descriptor, b"".join((_LENGTH.pack(len(encoded)), encoded, *blobs)))


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of data."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BrokenPipeError as error:
            raise Ended from error
