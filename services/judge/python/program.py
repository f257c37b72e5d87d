"""The untrusted stage: runs one program once, in a process of its own, and ends that process.

Everything here shares an interpreter with the program, so nothing it says is believed: how the process ended is
observed from outside, and the report on descriptor 3 carries only what the program could say anyway, a value it
returns or an error it died of.

Modules are imported where they are needed: where bubblewrap makes the sandboxes, every submission starts an
interpreter, and most never need them.
"""

from __future__ import annotations

import _signal as signal  # signal itself imports enum and much else
import atexit
import builtins
import gc
import io
import os
import site
import sys
from os import _exit  # by this name, so that a program that patches the module ends as it said

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, NoReturn

KINDS = ("stdio", "call", "check", "dialogue")
SOURCE_NAME = "main.py"
CHECK_NAME = "check.py"
_REPORT = 3
_PAYLOAD = 4
_FRAMES = 3
_MESSAGE_CHARACTERS = 2000
_EXIT_FLUSH_FAILED = 120
_ESCAPED = {code: f"\\u{code:04x}" for code in (*range(32), ord('"'), ord("\\"))}


class _Unspeakable(Exception):
    """A result that is no JSON value."""


def prepare_interpreter(packages: list[str]) -> None:
    """Makes the zygote's interpreter look freshly started, once and for all programs; descriptors 0 to 2 may change.

    A program that finds it so touches, and so copies, a quarter of the memory pages that doing this anew would.
    """
    own = os.path.dirname(__file__)
    for name, module in list(sys.modules.items()):
        if name != "__main__" and os.path.dirname(getattr(module, "__file__", None) or "") == own:
            del sys.modules[name]
    sys.path[:] = [path for path in sys.path if path != own] + packages
    sys.argv = [SOURCE_NAME]
    sys.orig_argv = ["python3", SOURCE_NAME]
    sys.stdin = sys.__stdin__ = _text(0, "r")
    sys.stdout = sys.__stdout__ = _text(1, "w")
    sys.stderr = sys.__stderr__ = _text(2, "w", errors="backslashreplace", line_buffering=True)
    # exit() and quit(), which the site module would define.
    site.setquit()
    site.setcopyright()


def seed_random(code: bytes) -> None:
    """Lets every run that might use `random` start alike, as hashes do."""
    if b"random" in code:
        __import__("random")
    if "random" in sys.modules:
        sys.modules["random"].seed(0)


def run_program(code: CodeType, source: bytes, kind: str, working_folder: str) -> NoReturn:
    """Runs the program as `__main__`, then its call or check if it has one, and exits as Python would.

    Descriptors: 0 to 2 as usual, 3 the report, 4 the payload of a call (JSON) or a check (a token line, then code).
    """
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, working_folder)
    main = _fresh_main()
    names = vars(builtins)
    pristine = dict(names) if kind == "check" else {}
    stage = "program"
    report: dict[str, Any] = {}
    try:
        if kind == "call":
            import json  # noqa: F401 (before the program has a say in what that is)
            import typing

            vars(main).update((name, getattr(typing, name)) for name in typing.__all__)
        exec(code, vars(main))
        if kind == "call":
            report = _call(vars(main))
        elif kind == "check":
            stage = "check"
            token, _, check = _read_payload().partition(b"\n")
            # What the program patched must not judge it.
            names.clear()
            names.update(pristine)
            if "random" not in sys.modules:
                seed_random(check)
            exec(compile(check, CHECK_NAME, "exec", dont_inherit=True), vars(main))
            report = {"token": token.decode()}
        status = 0
    except SystemExit as end:
        status = _exit_status(end)
    except BaseException as error:  # whatever the program raises is its own
        report = _describe(error, stage)
        _print_traceback(error, source)
        status = 1
    status = _finish() or status
    _send(report)
    _exit(status)


def _fresh_main() -> ModuleType:
    """A new `__main__`, as in an interpreter that starts with the program as its script."""
    main = type(sys)("__main__")
    main.__file__ = SOURCE_NAME
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main
    return main


def _text(
    descriptor: int, mode: str, errors: str = "surrogateescape", line_buffering: bool = False
) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, mode, closefd=False)
    buffered = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
    text = io.TextIOWrapper(buffered, encoding="utf-8", errors=errors, line_buffering=line_buffering)
    text.mode = mode  # as the interpreter's own streams have it
    return text


def _read_payload() -> bytes:
    with open(_PAYLOAD, "rb", closefd=False) as payload:
        return payload.read()


def _call(namespace: dict[str, Any]) -> dict[str, Any]:
    """Calls the function the payload names and reports what it returns."""
    import json

    payload = json.loads(_read_payload())
    name = payload["function"]
    function = namespace.get(name)
    if not callable(function) and isinstance(namespace.get("Solution"), type):
        function = getattr(namespace["Solution"](), name, None)
    if not callable(function):
        raise NameError(f"the program defines no function {name!r}")
    result = function(*payload["arguments"])
    try:
        return {"result": json.dumps(result)}
    except (TypeError, ValueError, RecursionError):
        return {"unspeakable": repr(result)[:_MESSAGE_CHARACTERS]}


def _describe(error: BaseException, stage: str) -> dict[str, Any]:
    """An exception for the feedback: its type, its message, and the last lines of the submission on its way."""
    lines: list[int] = []
    check_lines: list[int] = []
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name == SOURCE_NAME:
            lines.append(trace.tb_lineno)
        elif name == CHECK_NAME:
            check_lines.append(trace.tb_lineno)
        trace = trace.tb_next
    try:
        message = str(error)
    except Exception:  # its __str__ is the program's
        message = ""
    return {
        "stage": stage,
        "type": type(error).__name__,
        "message": message[:_MESSAGE_CHARACTERS],
        "lines": lines[-_FRAMES:],
        "checkLines": check_lines[-1:],
        "assertion": isinstance(error, AssertionError),
        "memory": isinstance(error, MemoryError),
    }


def _print_traceback(error: BaseException, source: bytes) -> None:
    """The traceback on standard error, without the frames of this file."""
    try:
        import linecache
        import traceback

        lines = source.decode(errors="replace").splitlines(keepends=True)
        linecache.cache[SOURCE_NAME] = (len(source), None, lines, SOURCE_NAME)
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == _send.__code__.co_filename:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
    except Exception:  # a program may have closed or replaced its streams
        pass


def _exit_status(end: SystemExit) -> int:
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    try:
        print(end.code, file=sys.stderr)
    except Exception:
        pass
    return 1


def _finish() -> int:
    """What the interpreter does at its end: joins threads, runs exit handlers, flushes. Non-zero when that fails."""
    try:
        threading = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()  # joins the non-daemon threads
        atexit._run_exitfuncs()
    except BaseException:
        import traceback

        traceback.print_exc()
    status = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException:
            status = _EXIT_FLUSH_FAILED
    return status


def _send(report: dict[str, Any]) -> None:
    if not report:
        return
    data = _encode(report)
    try:
        while data:
            data = data[os.write(_REPORT, data) :]
    except OSError:  # the program closed the descriptor: it has nothing to say
        pass


def _encode(report: dict[str, Any]) -> bytes:
    """JSON of texts, truth values and lists of numbers; a program short of memory could not import the json module."""
    parts = (
        f"{_quote(name)}: {_quote(value) if isinstance(value, str) else _number(value)}"
        for name, value in report.items()
    )
    # Half a surrogate pair becomes its escape, which is that of JSON.
    return f"{{{', '.join(parts)}}}".encode("utf-8", "backslashreplace")


def _quote(text: str) -> str:
    return f'"{text.translate(_ESCAPED)}"'


def _number(value: bool | list[int]) -> str:
    return str(value).lower()
