"""Control groups of the slots: memory without swap, number of processes and CPU accounting, on v1, v2 and hybrid hosts.

A slot's groups are made once and used by one sandbox after another. They are reached through folder descriptors, so
that they stay in reach after the zygote has left the host's root, and out of reach once a sandbox closes them.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import Protocol

from limits import Limits

_PERIOD_US = 100_000
_REMOVAL_SECONDS = 2.0


class Folder:
    """A control group, held by descriptor."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @staticmethod
    def open(path: str) -> Folder:
        """Opens an existing group."""
        return Folder(path, os.open(path, os.O_RDONLY | os.O_DIRECTORY))

    def make(self, name: str) -> Folder:
        """Makes, or takes over, a group inside this one."""
        try:
            os.mkdir(name, 0o755, dir_fd=self.descriptor)
        except FileExistsError:
            pass
        descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.descriptor)
        return Folder(f"{self.path}/{name}", descriptor)

    def read(self, name: str) -> str:
        """The text of a control file."""
        file = os.open(name, os.O_RDONLY, dir_fd=self.descriptor)
        try:
            return os.read(file, 1 << 16).decode()
        finally:
            os.close(file)

    def write(self, name: str, value: int | str) -> None:
        """Writes a control file."""
        file = os.open(name, os.O_WRONLY, dir_fd=self.descriptor)
        try:
            os.write(file, str(value).encode())
        except OSError as error:
            raise OSError(error.errno, f"{self.path}/{name} = {value}: {os.strerror(error.errno or 0)}") from error
        finally:
            os.close(file)

    def write_if_present(self, name: str, value: int | str) -> None:
        """Writes a control file that only some kernels have."""
        try:
            self.write(name, value)
        except OSError:
            pass

    def has(self, name: str) -> bool:
        """Whether there is such a control file."""
        return os.access(name, os.F_OK, dir_fd=self.descriptor)

    def members(self) -> list[int]:
        """Process ids in the group."""
        return [int(line) for line in self.read("cgroup.procs").split()]

    def groups(self) -> list[str]:
        """Names of the groups inside."""
        return [entry.name for entry in os.scandir(self.descriptor) if entry.is_dir(follow_symlinks=False)]

    def remove(self, name: str) -> None:
        """Removes a group inside this one, killing what is left there; another process may be doing the same."""
        try:
            inner = Folder(f"{self.path}/{name}", os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.descriptor))
        except FileNotFoundError:
            return
        try:
            for below in inner.groups():
                inner.remove(below)
            deadline = time.monotonic() + _REMOVAL_SECONDS
            while not self.remove_empty(name):
                if time.monotonic() > deadline:
                    raise OSError(errno.EBUSY, f"{inner.path} cannot be removed")
                kill_members(inner)
        finally:
            os.close(inner.descriptor)

    def remove_empty(self, name: str) -> bool:
        """Removes a group inside this one, unless there are processes in it: False then."""
        try:
            os.rmdir(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
        return True


class SlotGroups(Protocol):
    """The groups of one slot."""

    def restrict(self, limits: Limits) -> None:
        """Sets the limits for the sandbox to come, after killing whatever an accident left in the slot."""

    def join(self, pid: int) -> None:
        """Puts a process, and so all its future children, into the groups."""

    def begin_run(self) -> None:
        """Forgets the peak of the run before."""

    def cpu_seconds(self) -> float:
        """CPU time used in the slot since it was made."""

    def peak_bytes(self) -> int:
        """Largest memory use since begin_run; 0 where the kernel cannot tell."""

    def out_of_memory_kills(self) -> int:
        """Processes killed for want of memory since the slot was made."""


class SlotGroupsV1:
    """Slot groups where each controller has a hierarchy of its own."""

    def __init__(self, folders: dict[str, Folder]) -> None:
        self._memory = folders["memory"]
        self._pids = folders["pids"]
        self._accounting = folders["cpuacct"]
        self._cpu = folders.get("cpu")
        self._all = list({folder.path: folder for folder in folders.values()}.values())

    def restrict(self, limits: Limits) -> None:
        kill_members(self._pids)
        # The limit with swap may never be below the one without, so it steps aside first.
        self._memory.write_if_present("memory.memsw.limit_in_bytes", -1)
        self._memory.write("memory.limit_in_bytes", limits.memory_bytes)
        self._memory.write_if_present("memory.memsw.limit_in_bytes", limits.memory_bytes)
        self._memory.write_if_present("memory.swappiness", 0)
        self._pids.write("pids.max", limits.processes + 1)
        if self._cpu is not None:
            self._cpu.write_if_present("cpu.cfs_period_us", _PERIOD_US)
            self._cpu.write_if_present("cpu.cfs_quota_us", _PERIOD_US)

    def join(self, pid: int) -> None:
        for folder in self._all:
            folder.write("cgroup.procs", pid)

    def begin_run(self) -> None:
        self._memory.write("memory.max_usage_in_bytes", 0)

    def cpu_seconds(self) -> float:
        return int(self._accounting.read("cpuacct.usage")) / 1e9

    def peak_bytes(self) -> int:
        return int(self._memory.read("memory.max_usage_in_bytes"))

    def out_of_memory_kills(self) -> int:
        return field(self._memory.read("memory.oom_control"), "oom_kill")


class SlotGroupsV2:
    """Slot groups in the unified hierarchy."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._peak: int | None = None
        self._resets = False

    def restrict(self, limits: Limits) -> None:
        kill_members(self._folder)
        self._folder.write("memory.max", limits.memory_bytes)
        self._folder.write_if_present("memory.swap.max", 0)
        self._folder.write("pids.max", limits.processes + 1)
        self._folder.write_if_present("cpu.max", f"{_PERIOD_US} {_PERIOD_US}")

    def join(self, pid: int) -> None:
        self._folder.write("cgroup.procs", pid)

    def begin_run(self) -> None:
        # From Linux 6.12 a write starts the peak afresh, for readers of the same open file.
        if self._peak is None and self._folder.has("memory.peak"):
            self._peak = os.open("memory.peak", os.O_RDWR, dir_fd=self._folder.descriptor)
        try:
            self._resets = self._peak is not None and os.write(self._peak, b"reset") > 0
        except OSError:
            self._resets = False

    def cpu_seconds(self) -> float:
        return field(self._folder.read("cpu.stat"), "usage_usec") / 1e6

    def peak_bytes(self) -> int:
        return int(os.pread(self._peak, 64, 0)) if self._resets and self._peak is not None else 0

    def out_of_memory_kills(self) -> int:
        return field(self._folder.read("memory.events"), "oom_kill")


def kill_members(folder: Folder) -> None:
    """Kills every process in a group and waits until they are gone, or the group is."""
    deadline = time.monotonic() + _REMOVAL_SECONDS
    try:
        while (members := folder.members()) and time.monotonic() < deadline:
            for pid in members:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.001)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise


def field(text: str, name: str) -> int:
    """The number behind a name, in a control file of such lines; 0 where there is none."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0
