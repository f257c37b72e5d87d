"""JavaScript programs: run by Node.js through javascript/driver.cjs."""

from __future__ import annotations

import json
import os
from typing import NoReturn

import native
from languages import Language, Program, Refused
from limits import Limits

DRIVER = "/driver.cjs"
# Of the 64 MiB of stack that a run has; in KiB.
_STACK = 48_000


def _prepare(source: bytes, artefact: bytes, toolchain: str, folder: str) -> Program:
    native.keep_sealed(source)
    arguments = [toolchain, "--v8-pool-size=1", f"--stack-size={_STACK}"]
    status, said = native.run_tool(toolchain, [*arguments, driver_path(), "compile"], native.KEPT)
    if status != 0:
        raise _refusal(status, said)

    def run(kind: str, working_folder: str, limits: Limits) -> NoReturn:
        os.set_inheritable(native.KEPT, True)
        os.set_inheritable(3, True)  # the report
        # The control group's limit comes first, and says what it was.
        heap = f"--max-old-space-size={2 * limits.memory_bytes >> 20}"
        native.become(toolchain, [*arguments, heap, driver_path(), kind])

    return Program(run)


def driver_path() -> str:
    """In a sandbox's root, or where nothing is isolated beside this file."""
    if os.path.exists(DRIVER):
        return DRIVER
    return os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "javascript", "driver.cjs")


def _refusal(status: int, said: str) -> Refused:
    try:
        told = json.loads(said)
        return Refused(str(told["type"]), str(told["message"]), [int(line) for line in told["lines"]])
    except (ValueError, KeyError, TypeError):
        return Refused("", f"Node.js ended with {status} before it had read the program", [])


JAVASCRIPT = Language(
    _prepare,
    folders=("{}", "/usr/share/nodejs"),
    reserves_memory=True,
)
