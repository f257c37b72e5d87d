"""A slot that has a container to itself: whoever runs the container sets its limits; here they are only read.

Beside the sandbox, the container holds this slot's supervisor and zygote, which are to survive what kills a program.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import hierarchy
import wire
from cgroups import Folder, SlotGroups, field
from every_language import LANGUAGES
from languages import COMPILE_LIMITS
from limits import Limits

# All that a program may know of its surroundings; a container's engine and its image add more.
_ENVIRONMENT = {"PATH", "HOME", "LANG", "TZ", "PYTHONHASHSEED"}
# Beside the folder of these modules.
_IMAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "image.json")
# Beside it, likewise: named pipes of the machine's, where the judge shares it.
_PIPES = ("requests", "answers")
_FIRST_TO_DIE = 1000
_LAST_TO_RUN = 10


def forget_surroundings() -> None:
    """Drops the variables that the container's engine or image set."""
    for name in set(os.environ) - _ENVIRONMENT:
        del os.environ[name]


def open_pipes() -> tuple[int, int]:
    """Opens those that frames come and go by; OSError where nobody has the other ends."""
    folder = os.path.dirname(_IMAGE)
    requests, answers = (
        os.open(os.path.join(folder, name), mode | os.O_NONBLOCK)
        for name, mode in zip(_PIPES, (os.O_RDONLY, os.O_WRONLY), strict=True)
    )
    for descriptor in (requests, answers):
        os.set_blocking(descriptor, True)
    return requests, answers


def introduce(requests: int, language: str) -> dict[str, Any]:
    """What the judge wants to hear of this slot, its own first word among it: so it knows that the stream is clean.

    image is what it wrote into the image when it made that; compiling bounds the container while a compiler runs.
    """
    word = wire.read_header(requests)["word"]
    with open(_IMAGE, encoding="utf-8") as file:
        image = json.load(file)
    bounds = {"memoryBytes": COMPILE_LIMITS.memory_bytes, "processes": COMPILE_LIMITS.processes}
    return {"word": word, "image": image, "compiling": bounds if LANGUAGES[language].compiled else None}


def open_container_groups(proc: int) -> SlotGroups:
    """The control groups of this container; OSError says why they cannot be read. proc is a descriptor of /proc."""
    mounts, own = hierarchy.read_mounts(), hierarchy.read_own_groups()
    legacy = {c: m for c in ("memory", "cpuacct") for m in mounts if c in m.controllers}
    if len(legacy) == 2:
        memory, accounting = (Folder.open(hierarchy.own_folder(m, own.get(c, "/"))) for c, m in legacy.items())
        return _ContainerGroups(proc, (memory, "memory.oom_control"), (accounting, "cpuacct.usage"), unified=False)
    unified = next((mount for mount in mounts if mount.unified), None)
    if unified is None:
        raise OSError(0, "no control groups are mounted")
    folder = Folder.open(hierarchy.own_folder(unified, own.get("", "/")))
    return _ContainerGroups(proc, (folder, "memory.events"), (folder, "cpu.stat"), unified=True)


class _ContainerGroups:
    """The groups of the whole container, which the sandbox is in from its birth."""

    def __init__(self, proc: int, memory: tuple[Folder, str], accounting: tuple[Folder, str], *, unified: bool) -> None:
        self._proc = proc
        self._memory = memory
        self._accounting = accounting
        self._unified = unified
        # What cannot be read now must not be missed for the first time when a program has died.
        self.out_of_memory_kills()
        self.cpu_seconds()

    def restrict(self, limits: Limits) -> None:
        """The judge did, before it handed the submission over."""

    def join(self, pid: int) -> None:
        # The supervisor shares their CPU time, and must not wait for sixteen of them before it can kill them.
        os.setpriority(os.PRIO_PROCESS, pid, _LAST_TO_RUN)
        # Of what is in the container, the kernel is to kill the program, for which /proc is read-only: it stays so.
        file = os.open(f"{pid}/oom_score_adj", os.O_WRONLY, dir_fd=self._proc)
        try:
            os.write(file, str(_FIRST_TO_DIE).encode())
        finally:
            os.close(file)

    def begin_run(self) -> None:
        """There is nothing to begin: the peak is the container's, of all its runs."""

    def cpu_seconds(self) -> float:
        folder, name = self._accounting
        text = folder.read(name)
        used = field(text, "usage_usec") / 1e6 if self._unified else int(text) / 1e9
        return used - time.process_time()

    def peak_bytes(self) -> int:
        return 0

    def out_of_memory_kills(self) -> int:
        folder, name = self._memory
        return field(folder.read(name), "oom_kill")
