"""What /proc tells of the processes of a run; proc is a descriptor of one that shows them. OSError: it is just gone."""

from __future__ import annotations

import os


def children(proc: int, pid: int | None) -> list[int]:
    """Ids of the processes that it has started and not waited for, the oldest first; none of one that is gone."""
    try:
        file = os.open(f"{pid}/task/{pid}/children", os.O_RDONLY, dir_fd=proc)
    except OSError:
        return []
    with open(file, encoding="ascii") as text:
        return [int(child) for child in text.read().split()]


def thread_states(proc: int, pid: int) -> list[str]:
    """The state of each of its threads, a letter of proc(5)."""
    return [stat.rpartition(")")[2].split()[0] for stat in _of_threads(proc, pid, "stat")]


def thread_waits(proc: int, pid: int) -> list[int]:
    """Nanoseconds that each of its threads was ready to run, and the machine ran others."""
    return [int(schedstat.split()[1]) for schedstat in _of_threads(proc, pid, "schedstat")]


def _of_threads(proc: int, pid: int, name: str) -> list[str]:
    """The text of a file of each of its threads."""
    tasks = os.open(f"{pid}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=proc)
    try:
        texts: list[str] = []
        for thread in os.listdir(tasks):
            with open(os.open(f"{thread}/{name}", os.O_RDONLY, dir_fd=tasks), encoding="utf-8") as file:
                texts.append(file.read())
        return texts
    finally:
        os.close(tasks)
