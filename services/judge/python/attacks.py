"""The attacks of the judge's self-check, as one submission: standard input names one and gives it what to reach for.

Prints "held" when the sandbox held, or what got through. The judge runs it before it serves; each attack is small,
since it is repeated at every start.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any

Attack = Callable[[dict[str, Any]], str | None]
_libc = ctypes.CDLL(None, use_errno=True)


def read_host_file(aims: dict[str, Any]) -> str | None:
    """The judge puts a file into its own temporary folder, for everyone to read."""
    return "reads files of the host" if os.path.exists(aims["file"]) else None


def list_host(aims: dict[str, Any]) -> str | None:
    """Home folders, other programs, sockets, the machine's settings."""
    seen = [path for path in ("/home", "/root", "/var", "/run", "/sys", "/boot", "/etc/passwd") if os.path.exists(path)]
    return f"sees {seen}" if seen else None


def write_root(aims: dict[str, Any]) -> str | None:
    """Outside /tmp nothing may be written."""
    for folder in ("/", "/usr", "/usr/lib", "/etc", "/dev", "/proc"):
        try:
            with open(f"{folder}/written", "w", encoding="utf-8"):
                return f"writes into {folder}"
        except OSError:
            pass
    return None


def see_judge(aims: dict[str, Any]) -> str | None:
    """The judge's process, by its id and its start: a sandbox counts from 1, and may have a process of the same id."""
    try:
        with open(f"/proc/{aims['pid']}/stat", encoding="utf-8") as stat:
            started = stat.read().rpartition(")")[2].split()[19]
        return "sees the judge's process" if started == aims["started"] else None
    except OSError:
        pass
    if os.getppid() == 1:
        return None  # the warden is process 1: of a namespace that the judge is not in, wherever it may be
    try:
        os.kill(aims["pid"], 0)
        return "can signal the judge"
    except OSError:
        return None


def read_environment(aims: dict[str, Any]) -> str | None:
    """The judge's environment, in its own variables or in another process's."""
    known = {"PATH", "HOME", "LANG", "TZ", "PYTHONHASHSEED", "LC_CTYPE"}
    extra = sorted(set(os.environ) - known)
    if extra:
        return f"inherits {extra}"
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if pid != os.getpid() and environ.read():
                    return f"reads the environment of process {pid}"
        except OSError:
            pass
    return None


def read_settings(aims: dict[str, Any]) -> str | None:
    """How the process that it was forked from was started."""
    try:
        with open("/proc/self/cmdline", "rb") as line:
            return "reads how its slot was started" if line.read().strip(b"\0") else None
    except OSError:
        return None


def touch_warden(aims: dict[str, Any]) -> str | None:
    """Process 1: its memory, its descriptors, its life, its limits."""
    for name in ("mem", "fd", "environ", "maps"):
        try:
            os.listdir("/proc/1/fd") if name == "fd" else os.open(f"/proc/1/{name}", os.O_RDONLY)
            return f"opens /proc/1/{name}"
        except OSError:
            pass
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP):
        os.kill(1, number)
    try:
        resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
        return "sets limits of process 1"
    except OSError:
        return None


def write_descriptors(aims: dict[str, Any]) -> str | None:
    """Any descriptor beyond the streams and the report that is open for writing."""
    reached = []
    for descriptor in range(4, 256):
        try:
            os.write(descriptor, b"\0")
            reached.append(descriptor)
        except OSError:
            pass
    return f"writes to descriptors {reached}" if reached else None


def open_socket(aims: dict[str, Any]) -> str | None:
    """Any socket at all."""
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        try:
            socket.socket(family, socket.SOCK_STREAM)
            return f"opens a socket of {family.name}"
        except OSError:
            pass
    return None


def call_kernel(aims: dict[str, Any]) -> str | None:
    """Calls that leave a sandbox or attack the kernel; null arguments, so that success would be a different error."""
    # (x86_64, aarch64): ptrace, unshare, setns, mount, bpf, keyctl, io_uring_setup, userfaultfd, perf_event_open
    calls = [(101, 117), (272, 97), (308, 268), (165, 40), (321, 280), (250, 219), (425, 425), (323, 282), (298, 241)]
    column = 0 if os.uname().machine == "x86_64" else 1
    for numbers in calls:
        result = _libc.syscall(numbers[column], 0, 0, 0, 0, 0)
        if result >= 0 or ctypes.get_errno() != 1:
            return f"system call {numbers[column]} is open"
    return None


def make_namespace(aims: dict[str, Any]) -> str | None:
    """A new user namespace, where the program would be root."""
    flags = 0x10000000 | signal.SIGCHLD
    result = _libc.syscall(56 if os.uname().machine == "x86_64" else 220, ctypes.c_ulong(flags), 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    return "makes a user namespace" if result > 0 else None


def become_root(aims: dict[str, Any]) -> str | None:
    """A privileged user, a capability, or the right to gain one."""
    if os.getuid() == 0:
        return "runs as root"
    try:
        os.setuid(0)
        return "becomes root"
    except OSError:
        pass
    # Not from /proc, of which a sandbox may have none: _LINUX_CAPABILITY_VERSION_3, this process.
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if _libc.capget(header, sets) != 0 or any(sets):
        return f"has capabilities {[hex(word) for word in sets]}"
    get_seccomp, get_no_new_privileges, filtered = 21, 39, 2
    confined = _libc.prctl(get_no_new_privileges, 0, 0, 0, 0) == 1 and _libc.prctl(get_seccomp, 0, 0, 0, 0) == filtered
    return None if confined else "may gain privileges"


def fork_many(aims: dict[str, Any]) -> str | None:
    """More processes than allowed."""
    children = []
    try:
        for _ in range(aims["processes"] + 8):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
        return f"has {len(children)} processes"
    except OSError:
        return None
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def take_memory(aims: dict[str, Any]) -> str | None:
    """More memory than allowed; being killed for it counts as held."""
    try:
        taken = [b"x" * (1 << 20) for _ in range((aims["memory"] >> 20) + 64)]
        return f"has {len(taken)} MiB"
    except MemoryError:
        return None


def fill_disk(aims: dict[str, Any]) -> str | None:
    """More than the working folder's size, in one file and in many."""
    try:
        for index in range(64):
            with open(f"/tmp/{index}", "wb") as file:
                file.write(bytes(1 << 20))
        return "writes 64 MiB to disk"
    except OSError:
        return None


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


ATTACKS: tuple[Attack, ...] = (
    read_host_file,
    list_host,
    write_root,
    see_judge,
    read_environment,
    read_settings,
    touch_warden,
    write_descriptors,
    open_socket,
    call_kernel,
    make_namespace,
    become_root,
    fork_many,
    take_memory,
    fill_disk,
)

if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    attack = next(attack for attack in ATTACKS if attack.__name__ == wanted["attack"])
    print(attack(wanted) or "held")
