"""What a sandbox is given, and what became of each run of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Submission:
    """A program and what comes with it."""

    language: str
    source: bytes
    artefact: bytes  # of an earlier compilation; empty for none
    files: list[tuple[str, bytes]]
    arguments: list[str]


@dataclass
class Run:
    """What became of one run."""

    outputs: tuple[bytearray, ...] = field(default_factory=lambda: (bytearray(), bytearray(), bytearray()))
    over: bool = False  # more output than allowed
    exit: int | None = None
    signal: int | None = None
    limit: str = ""  # the limit that decides: "cpu", "wall", "memory", "output"
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_bytes: int = 0
    clean: bool = False  # whether the sandbox can serve another run


def in_memory(content: bytes) -> int:
    """A file without a name that holds content; its descriptor, at the start."""
    file = os.memfd_create("sandbox")
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    os.lseek(file, 0, os.SEEK_SET)
    return file
