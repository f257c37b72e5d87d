"""One sandbox seen from outside: starts it, feeds its runs, drains their output, enforces the limits, ends it.

Killing the warden, process 1 of its namespace, kills the whole sandbox at once; a run that breaks a limit is ended
that way.
"""

from __future__ import annotations

import json
import marshal
import math
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import Any

import processes
import warden
from bubblewrap import Wrapping
from cgroups import SlotGroups
from channel import Channel
from dialogue import Abandoned, Dialogue
from limits import Limits
from program import KINDS
from submission import Run, Submission, in_memory
from usage import Usage
from warden import Keep
from zygote import clone_sandbox

_READ = 1 << 16
# Between two looks at the CPU clock: several threads may burn it faster than the wall clock runs.
_LONGEST_NAP = 0.05
_SHORTEST_NAP = 0.002
_PROMPTLY = 10.0
# A run that waits for a busy machine is given that time back, until its wall time is so many times the limit.
_MOST_STRETCH = 4.0


class SandboxFailed(Exception):
    """The sandbox, not the program, went wrong; the message says how."""


class _WardenLost(Exception):
    """The sandbox ended without a word."""


@dataclass(frozen=True)
class Sandboxes:
    """What all sandboxes of a slot are made from."""

    keep: Keep
    namespaces: int
    map_user: bool  # whether each has a user namespace of its own
    proc: int  # descriptor of a /proc that shows them
    groups: SlotGroups | None
    wrapping: Wrapping | None = None  # where bubblewrap makes them


class Sandbox:
    """A warden and the channel to it."""

    def __init__(self, requests: int, zygote: Channel, sandboxes: Sandboxes, limits: Limits) -> None:
        self._requests = requests
        self._zygote = zygote
        self._sandboxes = sandboxes
        self._groups = sandboxes.groups
        self._limits = limits
        self._pid: int | None = None
        self._usage: Usage | None = None
        self._channel: Channel | None = None
        self._folder: str | None = None
        self._dialogue: Dialogue | None = None  # of the current run
        self._cpu_seen = 0.0  # seconds of the current run, when last looked at
        self._peak_at_end = 0  # bytes
        self.artefact = b""  # what the program was compiled to, once it is

    def start(self, language: str) -> None:
        """Makes a sandbox for programs in a language, and waits until it has dropped everything."""
        keep = self._sandboxes.keep
        folder = keep.folder
        if not keep.isolated:
            import tempfile  # not above: it loads libraries, which every sandbox would have to map

            folder = self._folder = tempfile.mkdtemp(dir=keep.folder)
        if self._groups:
            self._groups.restrict(self._limits)
        self._pid, self._channel = clone_sandbox(self._zygote, self._limits)
        self._usage = Usage(self._sandboxes.proc, self._pid, keep.wrapped, self._groups)
        if self._sandboxes.map_user:
            _map_user(self._sandboxes.proc, self._pid)
        if self._groups:
            self._groups.join(self._pid)
        self._channel.send(marshal.dumps({"language": language, "folder": folder}))
        try:
            self._await_promptly()
        except _WardenLost:
            raise SandboxFailed("the sandbox ended before it was ready") from None

    def compile(self, submission: Submission) -> dict[str, Any] | None:
        """Has the program prepared, under this sandbox's limits; what is wrong with it, if anything."""
        assert self._channel is not None
        kills = self._groups.out_of_memory_kills() if self._groups else 0
        contents = [submission.source, submission.artefact, *(content for _, content in submission.files)]
        handed = [in_memory(content) for content in contents]
        paths = [path for path, _ in submission.files]
        names = {"language": submission.language, "files": paths, "arguments": submission.arguments}
        self._channel.send(marshal.dumps(names), handed)
        _close_all(handed)
        # Compiling waits for nothing but the machine: its CPU time decides, and the wall clock is for what hangs.
        wall = _MOST_STRETCH * self._limits.wall_seconds
        try:
            message, limit = self._await_message(None, self._limits.cpu_seconds, wall)
        except _WardenLost:
            # The compiler took the warden along: the program's doing, since nothing else runs yet.
            return _trouble("Compiling takes more memory than allowed." if self._short(kills) else "Compiling crashes.")
        if limit:
            return _trouble("Compiling takes more time than allowed.")
        if message[:1] == warden.COMPILE_ERROR:
            error: dict[str, Any] = json.loads(message[1:])
            return _trouble("Compiling takes more memory than allowed.") if self._short(kills) else error
        return None

    def _short(self, kills: int) -> bool:
        return self._groups is not None and self._groups.out_of_memory_kills() > kills

    def run(self, kind: str, payload: bytes, dialogue: Dialogue | None = None) -> Run:
        """Runs the program once; after a run that is not clean, the sandbox must not be used again."""
        self._dialogue = dialogue
        assert self._channel is not None and self._usage is not None
        groups = self._groups
        kills = groups.out_of_memory_kills() if groups else 0
        before = self._usage.cpu_seconds()
        if groups:
            groups.begin_run()
        run = Run()
        pipes = self._hand_over(kind, payload)
        started = time.monotonic()
        limit = ""
        try:
            self._await_promptly()
            nonce = os.urandom(warden.NONCE_BYTES)
            self._channel.send(nonce)
            if dialogue is not None:
                dialogue.listen()
            outputs = dict(zip(pipes, run.outputs, strict=True))
            message, limit = self._await_message((run, outputs), self._limits.cpu_seconds, self._limits.wall_seconds)
            if limit:
                self.end()
            else:
                self._read_ending(run, message, nonce)
        except _WardenLost:
            # Short of memory, the kernel picks one process of the group, and that may be the warden.
            if not groups or groups.out_of_memory_kills() == kills:
                raise SandboxFailed("the sandbox ended without a word") from None
            self.end()
            run.signal = int(signal.SIGKILL)
        finally:
            run.wall_seconds = time.monotonic() - started
            self._drain(run, pipes)
            if dialogue is not None:
                dialogue.close()
        if self._pid is None:
            run.cpu_seconds = groups.cpu_seconds() - before if groups else self._cpu_seen
            run.peak_bytes = self._peak_at_end
        if groups:
            run.peak_bytes = groups.peak_bytes() or run.peak_bytes
        run.limit = self._which_limit(limit, run, groups is not None and groups.out_of_memory_kills() > kills)
        return run

    def end(self) -> None:
        """Kills the whole sandbox and waits until it is gone."""
        if self._pid is not None:
            # Where bwrap made it, the warden is not our child until bwrap is dead.
            wardens = processes.children(self._sandboxes.proc, self._pid) if self._sandboxes.keep.wrapped else []
            try:
                (os.kill if self._sandboxes.keep.isolated else os.killpg)(self._pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(self._pid, signal.SIGKILL)  # not yet the leader of its group
            self._peak_at_end = os.wait4(self._pid, 0)[2].ru_maxrss << 10
            self._pid = None
            for warden_pid in wardens:
                self._reap(warden_pid)
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._folder is not None:
            import shutil

            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _reap(self, warden_pid: int) -> None:
        """bwrap's death has the kernel kill the warden, and with it all in its namespace; counted until waited for."""
        try:
            os.waitid(os.P_PID, warden_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return  # bwrap saw it end, and was told so itself
        os.kill(warden_pid, signal.SIGKILL)  # for the moment before it had asked to die with bwrap
        os.waitpid(warden_pid, 0)

    def _hand_over(self, kind: str, payload: bytes) -> list[int]:
        """Orders a run; the reading ends of its standard output, standard error and report."""
        assert self._channel is not None
        pipes = [os.pipe() for _ in range(3)]
        given = in_memory(payload) if self._dialogue is None else self._dialogue.open()
        theirs = [given, *(writing for _, writing in pipes)]
        user = self._sandboxes.keep.user
        if user is not None:
            for descriptor in theirs:
                os.fchown(descriptor, user, user)  # so that the program can open /dev/stdin and /dev/stdout
        self._channel.send(bytes([KINDS.index(kind)]), theirs)
        _close_all(theirs)
        return [reading for reading, _ in pipes]

    def _read_ending(self, run: Run, message: bytes, nonce: bytes) -> None:
        """Takes what the warden saw over into the run."""
        echoed, status, cpu_us, peak, clean = warden.ENDING.unpack(message[1:])
        if echoed != nonce:
            raise SandboxFailed("an answer came that is not the warden's")
        code = os.waitstatus_to_exitcode(status)
        run.exit, run.signal = (code, None) if code >= 0 else (None, -code)
        run.cpu_seconds = cpu_us / 1e6
        run.peak_bytes = peak
        run.clean = clean

    def _which_limit(self, fired: str, run: Run, short_of_memory: bool) -> str:
        """The limit that decides, the best evidence first."""
        if run.over:
            return "output"
        # A child killed for memory whose parent went on to succeed is the program's own affair.
        if short_of_memory and run.exit != 0:
            return "memory"
        if fired == "cpu" or run.cpu_seconds > self._limits.cpu_seconds or run.signal == signal.SIGXCPU:
            return "cpu"
        return fired

    def _await_promptly(self) -> None:
        """The warden's next message, where it has nothing to wait for."""
        if self._await_message(None, _PROMPTLY, _PROMPTLY)[1]:
            raise SandboxFailed(f"the sandbox did not answer within {_PROMPTLY:.0f} s")

    def _await_message(
        self, draining: tuple[Run, dict[int, bytearray]] | None, cpu: float, wall: float
    ) -> tuple[bytes, str]:
        """The warden's next message, draining a run's output meanwhile; or nothing and the limit that fired first.

        cpu and wall are in seconds from now; the wall clock stands still while the machine is busy with others.
        """
        assert self._channel is not None and self._usage is not None
        started = time.monotonic()
        before = self._usage.cpu_seconds()
        poller = select.poll()
        poller.register(self._requests, select.POLLIN)
        poller.register(self._channel, select.POLLIN)
        for pipe in draining[1] if draining else ():
            poller.register(pipe, select.POLLIN)
        feeding: int | None = None
        look_at = started + cpu
        ends_at = started + wall
        used_at_end = math.inf  # CPU seconds, when last looked at the end of its time
        while True:
            now = time.monotonic()
            if now >= ends_at and draining is not None:
                latest = started + _MOST_STRETCH * wall
                ends_at = min(started + wall + self._usage.waited_for_cpu(), latest)
                used = self._usage.cpu_seconds()
                if now >= ends_at and used - used_at_end < _LONGEST_NAP / 2 and self._usage.is_ready():
                    # The kernel counts a wait for the machine when it is over; this one lasts.
                    ends_at = min(now + _LONGEST_NAP, latest)
                used_at_end = used
            wall_left = ends_at - now
            if now >= look_at or wall_left <= 0:
                self._cpu_seen = self._usage.cpu_seconds() - before
                cpu_left = cpu - self._cpu_seen
                if cpu_left <= 0:
                    return b"", "cpu"
                look_at = now + max(_SHORTEST_NAP, min(cpu_left, _LONGEST_NAP))
            if wall_left <= 0:
                return b"", "wall"
            nap = min(wall_left, look_at - now)
            replied = False
            for descriptor, _ in poller.poll(max(0.0, nap) * 1e3 + 1):
                if descriptor == self._requests:
                    if self._dialogue is None or draining is None:
                        raise Abandoned
                    self._dialogue.take()
                elif descriptor == feeding and self._dialogue is not None:
                    self._dialogue.feed()
                elif descriptor == self._channel.fileno():
                    replied = True
                elif draining is not None and not self._read_some(draining[0], draining[1][descriptor], descriptor):
                    poller.unregister(descriptor)
            waiting = self._dialogue.waiting() if self._dialogue is not None else None
            if feeding is not None and waiting is None:
                poller.unregister(feeding)
            if feeding is None and waiting is not None:
                poller.register(waiting, select.POLLOUT)
            feeding = waiting
            if draining is not None and draining[0].over:
                return b"", "output"
            if replied:
                return self._receive(), ""

    def _receive(self) -> bytes:
        assert self._channel is not None
        message, files = self._channel.receive(warden.MAX_MESSAGE, 1)
        if not message:
            raise _WardenLost
        for file in files:
            with open(file, "rb") as artefact:
                self.artefact = os.pread(artefact.fileno(), os.fstat(file).st_size, 0)
        if message[:1] == warden.FAILED:
            raise SandboxFailed(message[1:].decode(errors="replace"))
        return message

    def _read_some(self, run: Run, output: bytearray, pipe: int) -> bool:
        """Reads a piece of output, never more than the limit; False at the end."""
        piece = os.read(pipe, _READ)
        room = self._limits.output_bytes - sum(map(len, run.outputs))
        output += piece[:room]
        if self._dialogue is not None and output is run.outputs[0] and piece:
            self._dialogue.tell(piece[:room])
        run.over = run.over or len(piece) > room
        return bool(piece)

    def _drain(self, run: Run, pipes: list[int]) -> None:
        """Reads what is left in the pipes, whose writers are dead, and closes them."""
        for pipe, output in zip(pipes, run.outputs, strict=True):
            os.set_blocking(pipe, False)
            try:
                while not run.over and self._read_some(run, output, pipe):
                    pass
            except BlockingIOError:
                pass  # without isolation a stray may still hold the other end
        _close_all(pipes)


def _trouble(message: str) -> dict[str, Any]:
    return {"type": "", "message": message, "lines": []}


def _map_user(proc: int, pid: int) -> None:
    """Gives a new user namespace one user: an ordinary one inside, this process's own outside."""
    # Setting groups is denied already: it was in the namespace that this one came from.
    for name in ("uid_map", "gid_map"):
        file = os.open(f"{pid}/{name}", os.O_WRONLY, dir_fd=proc)
        os.write(file, b"1000 0 1")
        os.close(file)


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
