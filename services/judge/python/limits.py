"""What one run of a program may use."""

from __future__ import annotations

import math
import resource
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FILE_BYTES = 16 << 20
_OPEN_FILES = 256
STACK_BYTES = 64 << 20
_INTERPRETER_BYTES = 64 << 20


class Limits:
    """Limits of one run; the memory and the processes are those of the whole tree."""

    FORM = struct.Struct("<ddqqq")

    def __init__(
        self, cpu_seconds: float, wall_seconds: float, memory_bytes: int, output_bytes: int, processes: int
    ) -> None:
        self.cpu_seconds = cpu_seconds
        self.wall_seconds = wall_seconds
        self.memory_bytes = memory_bytes
        self.output_bytes = output_bytes
        self.processes = processes

    @staticmethod
    def parse(header: dict[str, Any]) -> Limits:
        """Reads the limits that the judge sent."""
        return Limits(
            cpu_seconds=header["cpuMs"] / 1000,
            wall_seconds=header["wallMs"] / 1000,
            memory_bytes=header["memoryBytes"],
            output_bytes=header["outputBytes"],
            processes=header["processes"],
        )

    def with_more(self, memory_bytes: int, processes: int) -> Limits:
        """These, and more memory and processes."""
        memory = self.memory_bytes + memory_bytes
        return Limits(self.cpu_seconds, self.wall_seconds, memory, self.output_bytes, self.processes + processes)

    def pack(self) -> bytes:
        """As bytes, for the zygote."""
        return self.FORM.pack(self.cpu_seconds, self.wall_seconds, self.memory_bytes, self.output_bytes, self.processes)

    @staticmethod
    def unpack(data: bytes) -> Limits:
        """From bytes."""
        return Limits(*Limits.FORM.unpack(data))


def restrict_files_and_stack() -> None:
    """Bounds what needs no control group: file sizes, open files, the stack; no core files."""
    for kind, value in (
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_STACK, STACK_BYTES),
    ):
        _restrict(kind, value)


def restrict_memory(limits: Limits, *, reserves: bool, stacks: int) -> None:
    """Stands in for a control group: address space per process or, if a runtime reserves it, what it writes to.

    stacks is how many bytes the stacks of such a runtime's threads come to, which it reserves as if it wrote to them.
    """
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            already = int(statm.read().split()[5 if reserves else 0]) * resource.getpagesize()
    except FileNotFoundError:
        already = _INTERPRETER_BYTES  # a container may allow no /proc
    if reserves:
        _restrict(resource.RLIMIT_DATA, already + stacks + limits.memory_bytes)
    else:
        _restrict(resource.RLIMIT_AS, already + limits.memory_bytes)


def restrict_processes(limits: Limits, *, per_user: bool) -> None:
    """Stands in for a control group where the user is the slot's own."""
    if per_user:
        _restrict(resource.RLIMIT_NPROC, limits.processes + 1)


def restrict_cpu(limits: Limits) -> None:
    """The second line behind the supervisor's clock, and coarser: the kernel counts ticks, and may count too many."""
    seconds = math.ceil(limits.cpu_seconds) + 1
    _restrict(resource.RLIMIT_CPU, seconds, seconds + 1)


def _restrict(kind: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(kind)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))
