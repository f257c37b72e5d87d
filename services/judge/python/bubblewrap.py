"""Sandboxes by bubblewrap (bwrap) instead of by clone: slower by an interpreter's start, and another's code to trust.

A zygote's child joins the slot's groups, becomes the slot's user and then bwrap, which starts bubblewrapped.py as
process 1 of fresh namespaces. From there on a warden is a warden.
"""

from __future__ import annotations

import fcntl
import marshal
import os
import py_compile
import sys
from typing import NoReturn

import native
import root
from channel import Channel
from limits import Limits
from warden import INPUT_COPY, INPUT_LINK, Keep

_CHANNEL, _FILTER = 3, 4
# Where a sandbox finds these modules.
_JUDGE = "/judge"
_OWN = os.path.dirname(os.path.abspath(__file__))


class Wrapping:
    """How bwrap is called for the sandboxes of a slot: found out once, since it takes a look at many files."""

    def __init__(
        self, path: str, keep: Keep, beside: list[str], moved: dict[str, str], modules: str, *, masked: bool
    ) -> None:
        self._path = path
        self._user = keep.user
        self._arguments = [path, *_arguments(keep, beside, moved, modules, masked=masked)]
        inner = {**vars(keep), "call_filter": b"", "user": None}
        self._settings = {"keep": inner, "packages": root.package_folders()}
        self._filter = keep.call_filter

    def probe(self) -> str | None:
        """Why bwrap does not work here; None when it does."""
        command = [*self._arguments, "--", os.path.realpath(sys.executable), "-I", "-S", "-c", ""]
        status, said = native.run_tool(self._path, command, user=self._user)
        return None if status == 0 else (said.strip().splitlines() or [f"bwrap ended with {status}"])[-1]

    def become_bubblewrap(self, channel: Channel, limits: Limits) -> NoReturn:
        """Waits until the supervisor has put this process into its groups, then becomes bwrap."""
        try:
            told, _ = channel.receive(1 << 12)
            if not told:
                os._exit(0)
            # Beside each other above the standard streams: bwrap hands the first on, and reads the second.
            os.dup2(_above(channel.fileno()), _CHANNEL)
            program = _above(os.memfd_create("filter"))
            os.write(program, self._filter)
            os.lseek(program, 0, os.SEEK_SET)
            os.dup2(program, _FILTER)
            if self._user is not None:
                native.become_user(self._user)
            wanted = {**self._settings, **marshal.loads(told), "limits": limits.pack()}
            python = [os.path.realpath(sys.executable), "-s", "-S", "-B", f"{_JUDGE}/bubblewrapped.pyc"]
            command = ["--seccomp", str(_FILTER), "--", *python, marshal.dumps(wanted).hex()]
            native.become(self._path, [*self._arguments, *command])
        except Exception as error:
            print(f"bwrap was not started: {error}", file=sys.stderr)
        finally:
            os._exit(1)


def _above(descriptor: int) -> int:
    """A copy out of the way of the descriptors that bwrap is handed."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FILTER + 1)


def copy_modules(folder: str) -> None:
    """Compiles these modules to where the slot's user can read them: compiling costs half a start."""
    import shutil  # not above: it loads libraries, which every sandbox would have to map

    shutil.copy(native.DRIVER_FILE, folder)
    for name in os.listdir(_OWN):
        module, extension = os.path.splitext(name)
        if extension == ".py":
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            target = os.path.join(folder, f"{module}.pyc")
            py_compile.compile(
                os.path.join(_OWN, name), target, f"{_JUDGE}/{name}", doraise=True, invalidation_mode=mode
            )


def _arguments(keep: Keep, beside: list[str], moved: dict[str, str], modules: str, *, masked: bool) -> list[str]:
    """How bwrap is called, up to the filter and the command; modules is the folder of copy_modules.

    Where a container masks its /proc, nobody may mount another, nor write to it: its sandboxes have none but for the
    way to their input, and what keeps them from making user namespaces is the filter alone.
    """
    parts = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    parts += ["--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", "--new-session"]
    no_proc = ["--dir", os.path.dirname(INPUT_LINK), "--symlink", INPUT_COPY, INPUT_LINK]
    parts += no_proc if masked else ["--disable-userns", "--proc", "/proc"]
    parts += ["--uid", "1000", "--gid", "1000", "--hostname", "sandbox"]
    for name in root.LINKED:
        if os.path.islink(f"/{name}"):
            parts += ["--symlink", os.readlink(f"/{name}"), f"/{name}"]
    seen = root.visible(beside)
    for path in seen:
        parts += ["--ro-bind", path, path]
    for there, here in moved.items():
        parts += ["--ro-bind", here, there]
    if "/usr/bin" not in seen and "/usr" not in seen:
        parts += ["--symlink", os.path.realpath(sys.executable), "/usr/bin/python3"]
    for name in root.DEVICES:
        parts += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for name, target in root.LINKS.items():
        parts += ["--symlink", target, f"/{name}"]
    parts += ["--dir", "/etc", "--ro-bind", modules, _JUDGE, "--symlink", f"{_JUDGE}/driver.cjs", native.DRIVER]
    parts += ["--perms", "1777", "--size", str(keep.folder_bytes), "--tmpfs", keep.folder]
    return [*parts, "--remount-ro", "/", "--chdir", keep.folder]
