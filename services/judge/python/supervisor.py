"""The supervisor of a slot: takes submissions from the judge, runs each in a fresh sandbox, says what happened.

It sees submissions, so it never forks; the zygote clones the sandboxes. Expected outputs never come here either: the
judge compares. A request is `{"language", "limits", "arguments", "sourceBytes", "artefactBytes",
"files": [{"path", "bytes"}], "runs": [{"kind", "bytes"}], "announce"}` followed by those bytes; the answers are the
events `compiled`, where there is a new artefact, nothing to run, or it is to be announced, or `compileError`, then `ran`
per run; or `failed`, with a message, where the sandbox itself went wrong. `{"abandon": true}` meanwhile kills the submission, which is then answered
by `abandoned`; a run of kind `dialogue` says and hears more (dialogue.py). The last answer says `"over": true`, once
nothing of the submission is left: for most, it is the only one.
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

# A header, and the bytes that it announces.
Answer = tuple[dict[str, Any], list[bytes]]


def serve(requests: int, answers: int, zygote: Channel, sandboxes: Sandboxes) -> None:
    """Serves the judge until it closes the pipe."""
    while True:
        try:
            header = wire.read_header(requests)
            if skip(requests, header):
                continue  # too late: that submission was answered
            blobs = _Blobs(requests, header)
            blobs_of_last: list[bytes] = []
            try:
                last, blobs_of_last = _judge(answers, requests, header, blobs, zygote, sandboxes)
            except Abandoned as abandoned:
                if not abandoned.heard:
                    wire.read_header(requests)  # the word that said so
                last = {"event": "abandoned"}
            except (SandboxFailed, OSError) as error:
                last = {"event": "failed", "message": str(error)}
            wire.write_frame(answers, {**last, "over": True}, *blobs_of_last)
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
) -> Answer:
    """Runs the submission, in as many sandboxes as it spoils; the last answer, which the caller gives."""
    submission = blobs.submission
    limits = LANGUAGES[submission.language].widen(Limits.parse(header["limits"]))
    if LANGUAGES[submission.language].compiled and not submission.artefact:
        # A sandbox of its own, with the compiler's limits and none of the program's files.
        compiler = Sandbox(requests, zygote, sandboxes, COMPILE_LIMITS)
        trouble = _start(compiler, replace(submission, files=[]))
        compiler.end()
        if trouble is not None:
            return _refusal(trouble)
        submission = replace(submission, artefact=compiler.artefact)
    made = submission.artefact if not blobs.submission.artefact else b""
    done = 0
    while True:
        sandbox = Sandbox(requests, zygote, sandboxes, limits)
        try:
            trouble = _start(sandbox, submission)
            if trouble is not None:
                return _refusal(trouble)
            if not blobs.runs:
                return _preparation(made)
            if done == 0 and (made or header["announce"]):
                _give(answers, _preparation(made))
            while True:
                kind, payload = blobs.runs[done]
                run = sandbox.run(kind, payload, Dialogue(requests, answers) if kind == "dialogue" else None)
                ending = _ending(done, run)
                done += 1
                if done == len(blobs.runs):
                    return ending
                _give(answers, ending)
                if not run.clean:
                    break
        finally:
            sandbox.end()


def _start(sandbox: Sandbox, submission: Submission) -> dict[str, Any] | None:
    """Starts the sandbox with the program prepared; what is wrong with the program, if anything."""
    try:
        sandbox.start(submission.language)
        return sandbox.compile(submission)
    except BaseException:
        sandbox.end()
        raise


def _give(answers: int, answer: Answer) -> None:
    header, blobs = answer
    wire.write_frame(answers, header, *blobs)


def _refusal(trouble: dict[str, Any]) -> Answer:
    return {"event": "compileError", "error": trouble}, []


def _preparation(made: bytes) -> Answer:
    return {"event": "compiled", "artefactBytes": len(made)}, [made]


def _ending(index: int, run: Run) -> Answer:
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
    return header, outputs
