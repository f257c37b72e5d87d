"""The supervisor of a slot: takes submissions from the judge, runs each in a fresh sandbox, says what happened.

It sees submissions, so it never forks; the zygote clones the sandboxes. Expected outputs never come here either: the
judge compares. A request is `{"limits", "sourceBytes", "files": [{"path", "bytes"}], "runs": [{"kind", "bytes"}]}`
followed by those bytes; the answers are the events `compiled` or `compileError`, then `ran` per run, then `done`;
or `failed`, with a message, where the sandbox itself went wrong. `{"abandon": true}` meanwhile kills the submission,
which is then answered by `abandoned`.
"""

from __future__ import annotations

import socket
from typing import Any

import wire
from limits import Limits
from sandbox import Abandoned, Run, Sandbox, SandboxFailed, Sandboxes


def serve(requests: int, answers: int, zygote: socket.socket, sandboxes: Sandboxes) -> None:
    """Serves the judge until it closes the pipe."""
    while True:
        try:
            header = wire.read_header(requests)
            if "abandon" in header:
                continue  # too late: that submission was answered
            blobs = _Blobs(requests, header)
            try:
                last = _judge(answers, requests, header, blobs, zygote, sandboxes)
            except Abandoned:
                wire.read_header(requests)  # the word that said so
                last = {"event": "abandoned"}
            except (SandboxFailed, OSError) as error:
                last = {"event": "failed", "message": str(error)}
            wire.write_frame(answers, last)
        except wire.Ended:
            return


class _Blobs:
    """The bytes of a submission, each let go of once it is used."""

    def __init__(self, requests: int, header: dict[str, Any]) -> None:
        self.source = wire.read_exactly(requests, header["sourceBytes"])
        self.files = [(file["path"], wire.read_exactly(requests, file["bytes"])) for file in header["files"]]
        self.runs = [(run["kind"], wire.read_exactly(requests, run["bytes"])) for run in header["runs"]]


def _judge(
    answers: int,
    requests: int,
    header: dict[str, Any],
    blobs: _Blobs,
    zygote: socket.socket,
    sandboxes: Sandboxes,
) -> dict[str, Any]:
    """Runs the submission, in as many sandboxes as it spoils; the last event."""
    limits = Limits.parse(header["limits"])
    done = 0
    while True:
        sandbox = Sandbox(requests, zygote, sandboxes, limits)
        try:
            sandbox.start()
            trouble = sandbox.compile(blobs.source, blobs.files)
            if trouble is not None:
                wire.write_frame(answers, {"event": "compileError", "error": trouble})
                return {"event": "done"}
            if done == 0:
                wire.write_frame(answers, {"event": "compiled"})
            while True:
                if done == len(blobs.runs):
                    return {"event": "done"}
                run = sandbox.run(*blobs.runs[done])
                _tell(answers, done, run)
                done += 1
                if not run.clean:
                    break
        finally:
            sandbox.end()
        if done == len(blobs.runs):
            return {"event": "done"}


def _tell(answers: int, index: int, run: Run) -> None:
    outputs = [bytes(output) for output in run.outputs]
    header = {
        "event": "ran",
        "run": index,
        "exit": run.exit,
        "signal": run.signal,
        "limit": run.limit,
        "cpuMs": run.cpu_seconds * 1e3,
        "wallMs": run.wall_seconds * 1e3,
        "peakBytes": run.peak_bytes,
        **dict(zip(("stdoutBytes", "stderrBytes", "reportBytes"), map(len, outputs), strict=True)),
    }
    wire.write_frame(answers, header, *outputs)

