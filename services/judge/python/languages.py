"""The languages that programs may be written in: how one is prepared, once per submission, and run, once per test.

All of it happens inside a sandbox. Preparing answers with a Program, or raises Refused; a program's artefact lets
another sandbox start from where compiling ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from limits import Limits

# kind of run, working folder, limits: becomes the program, in a process of its own.
Run = Callable[[str, str, Limits], NoReturn]

# Compilers are slow and hungry beside the programs they make.
COMPILE_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=30.0, memory_bytes=1 << 30, output_bytes=1 << 20, processes=32)


@dataclass(frozen=True)
class Program:
    """A program that can be run."""

    run: Run
    artefact: bytes = b""  # empty where there is nothing to gain from keeping it


class Refused(Exception):
    """A program that does not compile."""

    def __init__(self, kind: str, message: str, lines: list[int]) -> None:
        super().__init__(message)
        self.trouble: dict[str, Any] = {"type": kind, "message": message, "lines": lines}


@dataclass(frozen=True)
class Language:
    """What the judge needs to know of a language."""

    # source, artefact (empty for none), path of the toolchain, working folder
    prepare: Callable[[bytes, bytes, str, str], Program]
    # Folders of the machine that its sandboxes see beside Python's, read-only; {} is the toolchain's path.
    folders: tuple[str, ...] = ()
    # Compiled in a sandbox of its own, under COMPILE_LIMITS.
    compiled: bool = False
    # Its runtime reserves far more address space than it uses, so RLIMIT_AS cannot bound it.
    reserves_memory: bool = False
