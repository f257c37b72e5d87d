"""Names what a slot makes after its process, so that what a dead one left behind can be told and cleared away."""

from __future__ import annotations

import fcntl
import os
import time

_PREFIX = "backsight-judge."
# Among the fields of stat after the name: when the process started, in clock ticks since boot.
_STARTED = 19
# Between making a folder and locking it.
_MOMENT_SECONDS = 60.0


def own_name() -> str:
    """A name for what belongs to this process; no other has it, nor will a later process of the same id."""
    return f"{_PREFIX}{_pid_namespace()}.{os.getpid()}.{read_stat(os.getpid())[_STARTED]}"


def is_left_behind(name: str) -> bool:
    """Whether it belongs to a process that is dead; of one in another namespace, which cannot be seen, never."""
    namespace, pid, started = (name.removeprefix(_PREFIX).split(".") + ["", ""])[:3]
    if not name.startswith(_PREFIX) or namespace != _pid_namespace() or not pid.isdigit():
        return False
    fields = read_stat(int(pid))
    # A zombie is dead, however long its parent takes to notice.
    return not fields or fields[0] in "ZX" or fields[_STARTED] != started


def take(folder: str) -> int:
    """Locks a folder for as long as this process, or a fork of it, lives: so that even those who cannot see it know."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    lock(descriptor)
    return descriptor


def lock(folder: int) -> None:
    """As take, a folder that is open: as long as it is, here or in a fork."""
    fcntl.flock(folder, fcntl.LOCK_SH)


def is_abandoned(folder: str) -> bool:
    """Whether nobody has such a folder locked, wherever its process is, and did not just make it; also is_left_behind."""
    name = os.path.basename(folder)
    if is_left_behind(name):
        return True
    if not name.startswith(_PREFIX) or name.split(".")[1] == _pid_namespace():
        return False
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False  # gone meanwhile, or not ours to clear away
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return time.time() - os.fstat(descriptor).st_mtime > _MOMENT_SECONDS
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def read_stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name; none when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _pid_namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)
