"""JavaScript programs: run by Node.js through javascript/driver.cjs."""

from __future__ import annotations

import os

import native
from languages import Language, Program, Refused, Toolchain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from limits import Limits

# Of the 64 MiB of stack that a run has; in KiB.
_STACK = 48_000


def _prepare(source: bytes, artefact: bytes, toolchain: Toolchain, folder: str) -> Program:
    native.keep_sealed(source)
    node = [toolchain.path, "--v8-pool-size=1", f"--stack-size={_STACK}"]
    status, said = native.run_tool(toolchain.path, [*node, _driver(), "compile"], native.KEPT)
    if status != 0:
        raise _refusal(status, said)

    def run(kind: str, working_folder: str, limits: Limits, arguments: list[str]) -> NoReturn:
        os.set_inheritable(native.KEPT, True)
        os.set_inheritable(3, True)  # the report
        # Each of libuv's threads reserves a stack as large as the program's; what is read comes in order anyway.
        os.environ["UV_THREADPOOL_SIZE"] = "1"
        # The control group's limit comes first, and says what it was.
        heap = f"--max-old-space-size={2 * limits.memory_bytes >> 20}"
        native.become(toolchain.path, [*node, heap, _driver(), kind, *arguments])

    return Program(run)


def _driver() -> str:
    return native.DRIVER if os.path.exists(native.DRIVER) else native.DRIVER_FILE


def _refusal(status: int, said: str) -> Refused:
    import json

    try:
        told = json.loads(said)
        return Refused(str(told["type"]), str(told["message"]), [int(line) for line in told["lines"]])
    except (ValueError, KeyError, TypeError):
        return Refused("", f"Node.js ended with {status} before it had read the program", [])


JAVASCRIPT = Language(
    _prepare,
    folders=("/usr/share/nodejs",),
    shows="tool",
    reserves_memory=True,
)
