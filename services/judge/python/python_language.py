"""Python programs: compiled in the warden itself, run in a fork of it."""

from __future__ import annotations

import sys

from languages import Language, Program, Refused, Toolchain
from program import SOURCE_NAME, run_program, seed_random

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import NoReturn

    from limits import Limits

# Standard modules whose import has effects, or that need what a sandbox lacks.
_NOT_AHEAD = {"antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "test", "lib2to3", "ensurepip"}


def _prepare(source: bytes, artefact: bytes, toolchain: Toolchain, folder: str) -> Program:
    code = _compile(source)
    _import_ahead(source)
    seed_random(source)

    def run(kind: str, working_folder: str, limits: Limits, arguments: list[str]) -> NoReturn:
        sys.argv[1:] = arguments
        run_program(code, source, kind, working_folder)

    return Program(run)


def _compile(source: bytes) -> CodeType:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code: CodeType = compile(source, SOURCE_NAME, "exec", dont_inherit=True)
            return code
    except SyntaxError as error:
        lines = [error.lineno] if error.lineno else []
        raise Refused(type(error).__name__, error.msg, lines) from None
    except (ValueError, MemoryError, RecursionError, OverflowError) as error:
        raise Refused(type(error).__name__, str(error), []) from None


def _import_ahead(source: bytes) -> None:
    """Imports the standard modules the program names once, here, so that its runs find them loaded."""
    for top in _named_modules(source):
        if top not in sys.modules and top in sys.stdlib_module_names and top not in _NOT_AHEAD:
            try:
                __import__(top)
            except Exception:
                pass  # the program will see for itself


def _named_modules(source: bytes) -> set[str]:
    """The top of every module that a statement of the source imports, each on a line."""
    found: set[str] = set()
    for line in source.replace(b";", b"\n").splitlines():
        verb, _, rest = line.decode(errors="replace").strip().partition(" ")
        if verb in ("import", "from"):
            named = rest.split(",") if verb == "import" else [rest]
            found.update(name.split()[0].partition(".")[0] for name in named if name.strip())
    return found


PYTHON = Language(_prepare)
