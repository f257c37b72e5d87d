"""The zygote: a warmed-up Python that clones a sandbox's first process whenever the supervisor asks.

It never sees a submission, so neither does a sandbox see another one's. Each clone is a child of the supervisor, not
of the zygote (CLONE_PARENT), and is handed its channel to the supervisor along with the request.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import NoReturn

import syscalls
from bubblewrap import become_bubblewrap
from limits import Limits
from warden import Keep, keep_sandbox

# What programs import most; sandboxes find them loaded. `threading` is missing on purpose: Python's fork hooks for it
# are dear, and a program that names it gets it imported once by its warden.
import array, bisect, collections, copy, cmath, dataclasses, datetime, decimal, fractions, functools  # noqa: E401, F401
import heapq, itertools, math, operator, random, re, statistics, string, time, traceback, typing  # noqa: E401, F401

PID = struct.Struct("<i")


def start(keep: Keep, namespaces: int) -> socket.socket:
    """Forks the zygote; the supervisor's end of the channel to it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if syscalls.fork_quickly() == 0:
        try:
            ours.close()
            syscalls.die_with_parent()
            _serve(theirs, keep, namespaces)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def clone_sandbox(zygote: socket.socket, limits: Limits) -> tuple[int, socket.socket]:
    """Asks for a sandbox: its first process, and the channel to it. OSError says why there is none."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        socket.send_fds(zygote, [limits.pack()], [theirs.fileno()])
    answer = zygote.recv(PID.size)
    if len(answer) < PID.size:
        raise OSError(0, "the zygote is dead")
    (pid,) = PID.unpack(answer)
    if pid < 0:
        raise OSError(-pid, f"clone: {os.strerror(-pid)}")
    return pid, ours


def _serve(supervisor: socket.socket, keep: Keep, namespaces: int) -> None:
    while True:
        request, files, _, _ = socket.recv_fds(supervisor, Limits.FORM.size, 1)
        if not request:
            return
        try:
            pid = syscalls.clone_process(namespaces | syscalls.CLONE_PARENT)
        except OSError as error:
            pid = -(error.errno or 1)
        if pid == 0:
            _become_sandbox(files[0], keep, Limits.unpack(request))
        os.close(files[0])
        supervisor.send(PID.pack(pid))


def _become_sandbox(channel: int, keep: Keep, limits: Limits) -> NoReturn:
    if keep.bubblewrap:
        become_bubblewrap(socket.socket(fileno=channel), keep, limits)
    keep_sandbox(channel, keep, limits)
