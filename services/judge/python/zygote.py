"""The zygote: a warmed-up Python that clones a sandbox's first process whenever the supervisor asks.

It never sees a submission, so neither does a sandbox see another one's. Each clone is a child of the supervisor, not
of the zygote (CLONE_PARENT), and is handed its channel to the supervisor along with the request.
"""

from __future__ import annotations

import os
import struct
from typing import NoReturn

import arguments
import syscalls
from bubblewrap import Wrapping
from channel import Channel
from every_language import LANGUAGES
from limits import Limits
from warden import Keep, keep_sandbox

# What programs import most; sandboxes find them loaded. `threading` is missing on purpose: Python's fork hooks for it
# are dear, and a program that names it gets it imported once by its warden.
import array, bisect, collections, copy, cmath, dataclasses, datetime, decimal, fractions, functools  # noqa: E401, F401
import heapq, itertools, json, linecache, math, operator, random, re, signal, site, statistics  # noqa: E401, F401
import string, time, traceback, types, typing, warnings  # noqa: E401, F401

PID = struct.Struct("<i")
# Found out while there is a /proc.
_ARGUMENTS = arguments.find()


def start(keep: Keep, namespaces: int, wrapping: Wrapping | None) -> Channel:
    """Forks the zygote; the supervisor's end of the channel to it."""
    ours, theirs = Channel.pair()
    if syscalls.fork_quickly() == 0:
        try:
            ours.close()
            syscalls.die_with_parent()
            # Not the supervisor's: by them the judge knows it for a slot.
            arguments.forget(_ARGUMENTS)
            _serve(theirs, keep, namespaces, wrapping)
        finally:
            os._exit(0)
    theirs.close()
    return ours


def clone_sandbox(zygote: Channel, limits: Limits) -> tuple[int, Channel]:
    """Asks for a sandbox: its first process, and the channel to it. OSError says why there is none."""
    ours, theirs = Channel.pair()
    zygote.send(limits.pack(), [theirs.fileno()])
    theirs.close()
    answer, _ = zygote.receive(PID.size)
    if len(answer) < PID.size:
        raise OSError(0, "the zygote is dead")
    (pid,) = PID.unpack(answer)
    if pid < 0:
        raise OSError(-pid, f"clone: {os.strerror(-pid)}")
    return pid, ours


def _serve(supervisor: Channel, keep: Keep, namespaces: int, wrapping: Wrapping | None) -> None:
    while True:
        request, files = supervisor.receive(Limits.FORM.size, 1)
        if not request:
            return
        try:
            pid = syscalls.clone_process(namespaces | syscalls.CLONE_PARENT)
        except OSError as error:
            pid = -(error.errno or 1)
        if pid == 0:
            _become_sandbox(files[0], keep, Limits.unpack(request), wrapping)
        os.close(files[0])
        supervisor.send(PID.pack(pid))


def _become_sandbox(channel: int, keep: Keep, limits: Limits, wrapping: Wrapping | None) -> NoReturn:
    if wrapping is not None:
        wrapping.become_bubblewrap(Channel.of(channel), limits)
    keep_sandbox(channel, keep, limits, LANGUAGES)
