"""What a runner pod runs: its first process, and the way slots are started beside it.

`runner.py keep LOCK SECONDS` is process 1: it reaps what slots orphan, and ends, and the pod with it, once no slot has
held LOCK for so long; whoever started the pod is dead then, or has lost it. `runner.py slot LOCK ENVIRONMENT SETTINGS`
becomes a slot that holds LOCK, with that environment (JSON) instead of the pod's, where the cluster leaves addresses.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from typing import NoReturn

_LOOK_SECONDS = 2.0


def keep(lock: str, patience: float) -> None:
    """Returns once no slot has held the lock for so many seconds."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    # Process 1 gets no signal without a handler; and children that nobody waits for are reaped by the kernel.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    seen = time.monotonic()
    while time.monotonic() - seen < patience:
        time.sleep(min(_LOOK_SECONDS, patience))
        if _is_held(descriptor):
            seen = time.monotonic()


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def become_slot(lock: str, environment: str, settings: str) -> NoReturn:
    """A slot; the lock is let go of when the last of its processes is dead."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    os.set_inheritable(descriptor, True)
    slot = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slot.py")
    command = [sys.executable, "-s", "-S", "-B", slot, settings]
    os.execve(sys.executable, command, json.loads(environment))


if __name__ == "__main__":
    if sys.argv[1] == "keep":
        keep(sys.argv[2], float(sys.argv[3]))
    else:
        become_slot(*sys.argv[2:])
