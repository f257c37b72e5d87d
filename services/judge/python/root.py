"""The minimal read-only root that every sandbox of a zygote shares: Python, its libraries and a few devices."""

from __future__ import annotations

import os
import sys

import syscalls

DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = {
    "dev/fd": "/proc/self/fd",
    "dev/stdin": "/proc/self/fd/0",
    "dev/stdout": "/proc/self/fd/1",
    "dev/stderr": "/proc/self/fd/2",
    # POSIX semaphores and shared memory live in the sandbox's own /tmp, and count as its memory.
    "dev/shm": "/tmp",
}


# Folders that many systems keep as links into /usr.
LINKED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def package_folders() -> list[str]:
    """Where the distribution puts Python packages for this interpreter, such as Debian's python3-numpy."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = (f"/usr/local/lib/{version}/dist-packages", "/usr/lib/python3/dist-packages")
    return [folder for folder in folders if os.path.isdir(folder)]


# Any folder that exists everywhere will do: the mount is seen by this process's namespace alone.
_BUILDING_SITE = "/tmp"


def enter_minimal_root(*, keep_proc: bool, beside: list[str], moved: dict[str, str], files: dict[str, bytes]) -> None:
    """Builds the root on a tmpfs and pivots into it; the caller owns its mount namespace.

    beside are folders and files of the machine that belong there too, where they are; moved are such that do not stay
    there, by where they go; files are written into it.

    keep_proc leaves this process's /proc in place: inside a user namespace the kernel mounts a fresh one only where
    one is visible already, and each sandbox covers it with its own.
    """
    folder = _BUILDING_SITE
    # By descriptor: the building site may cover where they are.
    opened = {target: os.open(source, os.O_PATH) for target, source in moved.items()}
    syscalls.mount("none", "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    # 16 KiB are enough for folders and links; remounted read-only below.
    syscalls.mount("tmpfs", folder, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755,size=1m")
    for name in ("proc", "tmp", "dev", "etc"):
        os.mkdir(os.path.join(folder, name))
    for name in LINKED:
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), os.path.join(folder, name))
    for source in visible(beside):
        _bind(source, source, folder)
    for target, descriptor in opened.items():
        _bind(f"/proc/self/fd/{descriptor}", target, folder)
        os.close(descriptor)
    for path in beside:
        _link(path, folder)
    for path, content in files.items():
        with open(os.path.join(folder, path.lstrip("/")), "wb") as file:
            file.write(content)
    alias = os.path.join(folder, "usr/bin/python3")
    os.makedirs(os.path.dirname(alias), exist_ok=True)
    if not os.path.exists(alias):
        os.symlink(os.path.realpath(sys.executable), alias)
    for name in DEVICES:
        _bind(f"/dev/{name}", f"/dev/{name}", folder, devices=True)
    for name, target in LINKS.items():
        os.symlink(target, os.path.join(folder, name))
    if keep_proc:
        syscalls.mount("/proc", os.path.join(folder, "proc"), None, syscalls.MS_BIND | syscalls.MS_REC)
    syscalls.mount(
        "none",
        folder,
        None,
        syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV,
    )
    syscalls.pivot_root(folder)


def visible(beside: list[str]) -> list[str]:
    """Folders and files of the machine that a sandbox sees, none of them inside another; beside are the toolchain's."""
    wanted = {os.path.realpath(path) for path in beside if os.path.exists(path)}
    return _outermost({*_library_folders(), *wanted, os.path.realpath(sys.executable)})


def _library_folders() -> set[str]:
    """The standard library, the distribution's packages, and the folders this process's shared objects come from."""
    folders = {os.path.realpath(os.path.dirname(os.__file__)), *map(os.path.realpath, package_folders())}
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            path = line.rstrip("\n").partition("/")[2]
            if ".so" in path:
                folders.add(os.path.realpath(os.path.dirname(f"/{path}")))
    # The program loader's fixed path.
    folders.update(path for path in ("/lib64", "/usr/lib64") if os.path.isdir(path) and not os.path.islink(path))
    return folders


def _outermost(folders: set[str]) -> list[str]:
    """Those folders that lie in no other one."""
    return sorted(f for f in folders if not any(f != other and f.startswith(f"{other}/") for other in folders))


def _link(path: str, root: str) -> None:
    """Lets a path that is a link lead where it does on the machine."""
    target = os.path.join(root, path.lstrip("/"))
    if os.path.realpath(path) != path and os.path.exists(path) and not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(os.path.realpath(path), target)


def _bind(source: str, path: str, root: str, *, devices: bool = False) -> None:
    target = os.path.join(root, path.lstrip("/"))
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    syscalls.mount(source, target, None, syscalls.MS_BIND | syscalls.MS_REC)
    syscalls.restrict_mount(target, devices=devices)
