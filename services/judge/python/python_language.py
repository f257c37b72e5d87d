"""Python programs: compiled in the warden itself, run in a fork of it."""

from __future__ import annotations

import re
import sys
import warnings
from types import CodeType
from typing import NoReturn

from languages import Language, Program, Refused
from limits import Limits
from program import SOURCE_NAME, run_program

# Standard modules whose import has effects, or that need what a sandbox lacks.
_NOT_AHEAD = {"antigravity", "this", "idlelib", "tkinter", "turtle", "turtledemo", "test", "lib2to3", "ensurepip"}
_IMPORT = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([A-Za-z_][\w.]*(?:[ \t]*,[ \t]*[A-Za-z_][\w.]*)*)", re.MULTILINE)


def _prepare(source: bytes, artefact: bytes, toolchain: str, folder: str) -> Program:
    code = _compile(source)
    _import_ahead(source)

    def run(kind: str, working_folder: str, limits: Limits) -> NoReturn:
        run_program(code, source, kind, working_folder)

    return Program(run)


def _compile(source: bytes) -> CodeType:
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
    for names in _IMPORT.findall(source):
        for name in names.decode().split(","):
            top = name.strip().partition(".")[0]
            if top not in sys.modules and top in sys.stdlib_module_names and top not in _NOT_AHEAD:
                try:
                    __import__(top)
                except Exception:
                    pass  # the program will see for itself


PYTHON = Language(_prepare)
