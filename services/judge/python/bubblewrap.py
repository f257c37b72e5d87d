"""Sandboxes by bubblewrap (bwrap) instead of by clone: slower by an interpreter's start, and another's code to trust.

A zygote's child joins the slot's groups, becomes the slot's user and then bwrap, which starts bubblewrapped.py as
process 1 of fresh namespaces. From there on a warden is a warden.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import py_compile
import shutil
import socket
import sys
from typing import TYPE_CHECKING, NoReturn

import native
import root
from limits import Limits

if TYPE_CHECKING:
    from warden import Keep

_CHANNEL, _FILTER = 3, 4
# Where a sandbox finds these modules.
_JUDGE = "/judge"
_OWN = os.path.dirname(os.path.abspath(__file__))


def become_bubblewrap(channel: socket.socket, keep: Keep, limits: Limits) -> NoReturn:
    """Waits until the supervisor has put this process into its groups, then becomes bwrap."""
    try:
        folder = channel.recv(1 << 12).decode()
        if not folder:
            os._exit(0)
        # Beside each other above the standard streams: bwrap hands the first on, and reads the second.
        os.dup2(fcntl.fcntl(channel, fcntl.F_DUPFD, _FILTER + 1), _CHANNEL)
        with open(fcntl.fcntl(os.memfd_create("filter"), fcntl.F_DUPFD, _FILTER + 1), "wb", buffering=0) as program:
            program.write(keep.call_filter)
            os.dup2(program.fileno(), _FILTER)
        os.lseek(_FILTER, 0, os.SEEK_SET)
        if keep.user is not None:
            native.become_user(keep.user)
        inner = dataclasses.replace(keep, call_filter=b"", user=None)
        settings = {**dataclasses.asdict(inner), "call_filter": "", "beside": []}
        wanted = json.dumps({"keep": settings, "limits": limits.pack().hex(), "folder": folder})
        native.become(keep.bubblewrap, [*arguments(keep), "--seccomp", str(_FILTER), "--", *_python(), wanted])
    except Exception as error:
        print(f"bwrap was not started: {error}", file=sys.stderr)
    finally:
        os._exit(1)


def copy_modules(folder: str) -> None:
    """Copies these modules and their bytecode to where the slot's user can read them: compiling costs half a start."""
    bytecode = os.path.join(folder, "__pycache__")
    os.mkdir(bytecode)
    shutil.copy(native.DRIVER_FILE, folder)
    for name in os.listdir(_OWN):
        module, extension = os.path.splitext(name)
        if extension == ".py":
            source = shutil.copy(os.path.join(_OWN, name), folder)
            target = os.path.join(bytecode, f"{module}.{sys.implementation.cache_tag}.pyc")
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(source, target, f"{_JUDGE}/{name}", doraise=True, invalidation_mode=mode)


def probe(keep: Keep) -> str | None:
    """Why bwrap does not work here; None when it does."""
    command = [*arguments(keep), "--", os.path.realpath(sys.executable), "-I", "-S", "-c", ""]
    status, said = native.run_tool(keep.bubblewrap, command, user=keep.user)
    return None if status == 0 else (said.strip().splitlines() or [f"bwrap ended with {status}"])[-1]


def arguments(keep: Keep) -> list[str]:
    """How bwrap is called, up to the command."""
    parts = [keep.bubblewrap, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    parts += ["--unshare-cgroup-try", "--disable-userns", "--as-pid-1", "--die-with-parent", "--new-session"]
    parts += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    for name in root.LINKED:
        if os.path.islink(f"/{name}"):
            parts += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
    seen = root.visible(list(keep.beside))
    for path in seen:
        parts += ["--ro-bind", path, path]
    if "/usr/bin" not in seen and "/usr" not in seen:
        parts += ["--symlink", os.path.realpath(sys.executable), "/usr/bin/python3"]
    for name in root.DEVICES:
        parts += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in root.LINKS.items():
        parts += ["--symlink", target, f"/{name}"]
    parts += ["--dir", "/etc", "--ro-bind", keep.modules, _JUDGE, "--symlink", f"{_JUDGE}/driver.cjs", native.DRIVER]
    parts += ["--proc", "/proc", "--perms", "1777", "--size", str(keep.folder_bytes), "--tmpfs", keep.folder]
    return [*parts, "--remount-ro", "/", "--chdir", keep.folder]


def _python() -> list[str]:
    return [os.path.realpath(sys.executable), "-s", "-S", "-B", f"{_JUDGE}/bubblewrapped.py"]
