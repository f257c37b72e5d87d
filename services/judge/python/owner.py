"""Names what a slot makes after its process, so that what a dead one left behind can be told and cleared away."""

from __future__ import annotations

import os

_PREFIX = "backsight-judge."
# Among the fields of stat after the name: when the process started, in clock ticks since boot.
_STARTED = 19


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


def read_stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name; none when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _pid_namespace() -> str:
    return str(os.stat("/proc/self/ns/pid").st_ino)
