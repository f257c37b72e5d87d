"""Programs that are not Python: runs their tools, and becomes them."""

from __future__ import annotations

import fcntl
import os

import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# What runs a JavaScript program: in a sandbox's root, and on the machine.
DRIVER = "/driver.cjs"
DRIVER_FILE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "javascript", "driver.cjs")
# Where a program's artefact or source is, above all descriptors a run is given.
KEPT = 200
_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE
_F_ADD_SEALS = 1033
_MOST_SAID = 1 << 16
# Of become, and of a loader that misses a library.
_NOT_STARTED = 127


def keep_sealed(content: bytes) -> None:
    """Puts content into a file without a name at the descriptor KEPT, which no run can change for the next."""
    file = os.memfd_create("main", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
    fcntl.fcntl(file, _F_ADD_SEALS, _SEALS)
    os.dup2(file, KEPT, inheritable=False)
    os.close(file)


def become(path: str | int, arguments: list[str]) -> NoReturn:
    """Becomes another program, with this process's descriptors and limits."""
    try:
        os.execve(path, arguments, dict(os.environ))
    finally:
        os._exit(_NOT_STARTED)


def become_kept(name: str, arguments: list[str]) -> NoReturn:
    """Becomes the program at the descriptor KEPT, by that name."""
    become(KEPT, [name, *arguments])


def find_libraries(home: str) -> None:
    """Lets a toolchain find its own libraries in a sandbox without /proc, by which the loader finds them otherwise."""
    if not os.path.exists("/proc/self"):
        os.environ["LD_LIBRARY_PATH"] = os.path.join(home, "lib")


def word_end(tool: str, status: int) -> str:
    """How a tool ended that did not say why; one that did not start says nothing about the program."""
    if status == _NOT_STARTED:
        raise OSError(0, f"{tool} does not start in the sandbox")
    return f"{tool} {f'exited with code {status}' if status >= 0 else f'was killed by signal {-status}'}"


def become_user(user: int) -> None:
    """Gives up root for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def run_tool(path: str, arguments: list[str], source: int | None = None, user: int | None = None) -> tuple[int, str]:
    """Runs a tool, as a user, to its end: its exit code, negative for a signal, and what it said."""
    reading, writing = os.pipe()
    child = syscalls.fork_quickly()
    if child == 0:
        try:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            if source is not None:
                os.set_inheritable(source, True)
            if user is not None:
                become_user(user)
            become(path, arguments)
        finally:
            os._exit(_NOT_STARTED)
    os.close(writing)
    said = b""
    with open(reading, "rb", buffering=0) as pipe:
        while piece := pipe.read(_MOST_SAID):
            said = (said + piece)[:_MOST_SAID]
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode(errors="replace")
