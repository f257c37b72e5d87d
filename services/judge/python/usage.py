"""What a sandbox has used of the machine, and how long it waited for it: the clocks that its limits are read from."""

from __future__ import annotations

import time

import processes
from cgroups import SlotGroups


class Usage:
    """Of the sandbox whose first process is `pid`, as the /proc behind the descriptor `proc` shows it."""

    def __init__(self, proc: int, pid: int, wrapped: bool, groups: SlotGroups | None) -> None:
        self._proc, self._pid = proc, pid
        self._wrapped = wrapped  # whether bubblewrap made it
        self._groups = groups

    def cpu_seconds(self) -> float:
        """CPU seconds used so far: of the whole sandbox or, without control groups, of the run's first process."""
        if self._groups:
            return self._groups.cpu_seconds()
        children = self._run_pids()
        try:
            # The clock id that clock_getcpuclockid(3) makes of a process id.
            return time.clock_gettime(~children[0] << 3 | 2) if children else 0.0
        except OSError:
            return 0.0  # just gone

    def waited_for_cpu(self) -> float:
        """Seconds that the run's first process was ready to run while the machine ran others; 0 where none tells.

        Of several threads, the one that waited longest counts.
        """
        for pid in self._run_pids():
            try:
                return max(processes.thread_waits(self._proc, pid), default=0) / 1e9
            except OSError:
                continue  # just gone, or a kernel that does not count
        return 0.0

    def is_ready(self) -> bool:
        """Whether a thread of the run's first process runs, or would if the machine let it."""
        for pid in self._run_pids()[:1]:
            try:
                return "R" in processes.thread_states(self._proc, pid)
            except OSError:
                return False  # just gone
        return False

    def _run_pids(self) -> list[int]:
        """The children of the warden: the run's first process before any orphans."""
        children = processes.children(self._proc, self._pid)
        if self._wrapped and children:
            return processes.children(self._proc, children[0])  # the warden stands between
        return children
