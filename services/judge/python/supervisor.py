"""The supervisor of a slot: takes submissions from the judge, runs each in a fresh sandbox, says what happened.

It sees submissions, so it never forks; the zygote clones the sandboxes. Expected outputs never come here either: the
judge compares. A request is `{"language", "limits", "arguments", "sourceBytes", "artefactBytes",
"files": [{"path", "bytes"}], "runs": [{"kind", "bytes"}]}` followed by those bytes; the answers are the events
`compiled`, with the artefact where there is a new one, or `compileError`, then `ran` per run, then `done`; or `failed`,
with a message, where the sandbox itself went wrong. `{"abandon": true}` meanwhile kills the submission, which is then
answered by `abandoned`; a run of kind `dialogue` says and hears more (dialogue.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import wire
from channel import Channel
from dialogue import Abandoned, Dialogue, skip
from every_language import LANGUAGES
from languages import COMPILE_LIMITS
from limits import Limits
from sandbox import Sandbox, SandboxFailed, Sandboxes
from submission import Run, Submission


def serve(requests: int, answers: int, zygote: Channel, sandboxes: Sandboxes) -> None:
    """Serves the judge until it closes the pipe."""
    while True:
        try:
            header = wire.read_header(requests)
            if skip(requests, header):
                continue  # too late: that submission was answered
            blobs = _Blobs(requests, header)
            try:
                last = _judge(answers, requests, header, blobs, zygote, sandboxes)
            except Abandoned as abandoned:
                if not abandoned.heard:
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
        source = wire.read_exactly(requests, header["sourceBytes"])
        artefact = wire.read_exactly(requests, header["artefactBytes"])
        files = [(file["path"], wire.read_exactly(requests, file["bytes"])) for file in header["files"]]
        self.submission = Submission(header["language"], source, artefact, files, header["arguments"])
        self.runs = [(run["kind"], wire.read_exactly(requests, run["bytes"])) for run in header["runs"]]


def _judge(
    answers: int,
    requests: int,
    header: dict[str, Any],
    blobs: _Blobs,
    zygote: Channel,
    sandboxes: Sandboxes,
) -> dict[str, Any]:
    """Runs the submission, in as many sandboxes as it spoils; the last event."""
    submission = blobs.submission
    limits = LANGUAGES[submission.language].widen(Limits.parse(header["limits"]))
    if LANGUAGES[submission.language].compiled and not submission.artefact:
        # A sandbox of its own, with the compiler's limits and none of the program's files.
        compiler = Sandbox(requests, zygote, sandboxes, COMPILE_LIMITS)
        trouble = _start(compiler, replace(submission, files=[]))
        compiler.end()
        if trouble is not None:
            return _refuse(answers, trouble)
        submission = replace(submission, artefact=compiler.artefact)
    done = 0
    while True:
        sandbox = Sandbox(requests, zygote, sandboxes, limits)
        try:
            trouble = _start(sandbox, submission)
            if trouble is not None:
                return _refuse(answers, trouble)
            if done == 0:
                made = submission.artefact if not blobs.submission.artefact else b""
                wire.write_frame(answers, {"event": "compiled", "artefactBytes": len(made)}, made)
            while True:
                if done == len(blobs.runs):
                    return {"event": "done"}
                kind, payload = blobs.runs[done]
                run = sandbox.run(kind, payload, Dialogue(requests, answers) if kind == "dialogue" else None)
                _tell(answers, done, run)
                done += 1
                if not run.clean:
                    break
        finally:
            sandbox.end()
        if done == len(blobs.runs):
            return {"event": "done"}


def _start(sandbox: Sandbox, submission: Submission) -> dict[str, Any] | None:
    """Starts the sandbox with the program prepared; what is wrong with the program, if anything."""
    try:
        sandbox.start(submission.language)
        return sandbox.compile(submission)
    except BaseException:
        sandbox.end()
        raise


def _refuse(answers: int, trouble: dict[str, Any]) -> dict[str, Any]:
    wire.write_frame(answers, {"event": "compileError", "error": trouble})
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
