"""The languages that programs may be written in: how one is prepared, once per submission, and run, once per test.

All of it happens inside a sandbox. Preparing answers with a Program, or raises Refused; a program's artefact lets
another sandbox start from where compiling ended.
"""

from __future__ import annotations

from limits import Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    # kind of run, working folder, limits: becomes the program, in a process of its own.
    Run = Callable[[str, str, Limits], NoReturn]
    # source, artefact (empty for none), path of the toolchain, working folder
    Prepare = Callable[[bytes, bytes, str, str], "Program"]

# Compilers are slow and hungry beside the programs they make.
COMPILE_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=30.0, memory_bytes=1 << 30, output_bytes=1 << 20, processes=32)


class Program:
    """A program that can be run."""

    def __init__(self, run: Run, artefact: bytes = b"") -> None:
        self.run = run
        self.artefact = artefact  # empty where there is nothing to gain from keeping it


class Refused(Exception):
    """A program that does not compile."""

    def __init__(self, kind: str, message: str, lines: list[int]) -> None:
        super().__init__(message)
        self.trouble: dict[str, Any] = {"type": kind, "message": message, "lines": lines}


class Language:
    """What the judge needs to know of a language."""

    def __init__(
        self, prepare: Prepare, *, folders: tuple[str, ...] = (), compiled: bool = False, reserves_memory: bool = False
    ) -> None:
        self.prepare = prepare
        # Folders of the machine that its sandboxes see beside Python's, read-only; {} is the toolchain's path.
        self.folders = folders
        # Compiled in a sandbox of its own, under COMPILE_LIMITS.
        self.compiled = compiled
        # Its runtime reserves far more address space than it uses, so RLIMIT_AS cannot bound it.
        self.reserves_memory = reserves_memory
