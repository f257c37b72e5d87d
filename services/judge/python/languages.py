"""The languages that programs may be written in: how one is prepared, once per submission, and run, once per test.

All of it happens inside a sandbox. Preparing answers with a Program, or raises Refused; a program's artefact lets
another sandbox start from where compiling ended.
"""

from __future__ import annotations

import os

from limits import STACK_BYTES, Limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    # kind of run, working folder, limits, arguments: becomes the program, in a process of its own.
    Run = Callable[[str, str, Limits, list[str]], NoReturn]
    # source, artefact (empty for none), toolchain, working folder
    Prepare = Callable[[bytes, bytes, "Toolchain", str], "Program"]

# Compilers are slow and hungry beside the programs they make.
COMPILE_LIMITS = Limits(cpu_seconds=10.0, wall_seconds=30.0, memory_bytes=1 << 30, output_bytes=1 << 20, processes=32)

# Where its sandboxes see what must not stay where it is on the machine, such as a toolchain in somebody's home.
_HOME, _STORE = "/toolchain", "/store"


class Toolchain:
    """What prepares a language's programs, by its paths on this machine or, within a root, in a sandbox."""

    def __init__(self, path: str, store: str = "") -> None:
        self.path = path  # of its interpreter or compiler
        self.store = store  # the folder of what the judge has made ready for its compiler; empty for none

    @property
    def home(self) -> str:
        """The folder that holds all of it, beside whose `bin` the rest lies."""
        return os.path.dirname(os.path.dirname(self.path))


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
        self,
        prepare: Prepare,
        *,
        folders: tuple[str, ...] = (),
        shows: str = "",
        compiled: bool = False,
        reserves_memory: bool = False,
        stacks: int = STACK_BYTES,
        runtime_bytes: int = 0,
        runtime_threads: int = 0,
    ) -> None:
        self.prepare = prepare
        # Folders of the machine that its sandboxes see where they are, beside Python's, read-only; patterns of names.
        self._folders = folders
        # What its sandboxes see of the toolchain elsewhere than it is: "", the "tool" alone, or its whole "home".
        self._shows = shows
        # Compiled in a sandbox of its own, under COMPILE_LIMITS.
        self.compiled = compiled
        # Its runtime reserves far more address space than it uses, so RLIMIT_AS cannot bound it.
        self.reserves_memory = reserves_memory
        # Such a runtime's threads reserve stacks of so many bytes together; one beside the main thread, mostly.
        self.stacks = stacks
        # What its runtime takes for itself, beside what the program was allowed.
        self.runtime_bytes = runtime_bytes
        self.runtime_threads = runtime_threads

    def beside(self) -> list[str]:
        """What of the machine its sandboxes see where it is."""
        import glob

        return [path for pattern in self._folders for path in sorted(glob.glob(pattern))]

    def moved(self, toolchain: Toolchain) -> dict[str, str]:
        """What of the machine its sandboxes see elsewhere: by the path there, the path here."""
        within = self.within(toolchain)
        tool = {"": {}, "tool": {within.path: toolchain.path}, "home": {within.home: toolchain.home}}[self._shows]
        return {**tool, **({within.store: toolchain.store} if toolchain.store else {})}

    def within(self, toolchain: Toolchain) -> Toolchain:
        """The toolchain as its sandboxes see it."""
        path = f"{_HOME}/bin/{os.path.basename(toolchain.path)}" if self._shows else toolchain.path
        return Toolchain(path, _STORE if toolchain.store else "")

    def widen(self, limits: Limits) -> Limits:
        """What a program may use, and its runtime beside it."""
        return limits.with_more(self.runtime_bytes, self.runtime_threads)
