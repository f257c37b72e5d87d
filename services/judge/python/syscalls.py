"""The Linux system calls that Python's standard library does not offer, called through ctypes."""

from __future__ import annotations

import ctypes
import os

CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
_MS_ATIME = 1024 | 2048  # noatime, nodiratime: the values of statvfs and mount agree
_MOUNT_SETATTR = 442
_MOUNT_ATTR_RDONLY, _MOUNT_ATTR_NOSUID, _MOUNT_ATTR_NODEV, _MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

_SIGKILL, _SIGCHLD = 9, 17  # importing signal takes half as long as an interpreter's start
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

MACHINE = os.uname().machine
# (clone, pivot_root) by machine; everything else has a libc wrapper.
_NUMBERS = {"x86_64": (56, 155), "aarch64": (220, 41)}
SUPPORTED = MACHINE in _NUMBERS



class _FilterProgram(ctypes.Structure):
    """struct sock_fprog. Made once: a sandbox that made the class anew would copy fifty pages of memory for it."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


# PyDLL keeps the interpreter lock over the call: after a raw clone the child must find it held.
_libc = ctypes.PyDLL(None, use_errno=True)


def clone_process(flags: int) -> int:
    """clone(2) with the flags given: 0 in the child, the child's process id in the caller.

    Like os.fork() without its hooks, so the caller must have one thread only.
    """
    number = _NUMBERS[MACHINE][0]
    return _call("clone", _libc.syscall(number, ctypes.c_ulong(flags | _SIGCHLD), 0, 0, 0, 0))


def fork_quickly() -> int:
    """os.fork() without the hooks that modules register for it: half the cost, for callers with one thread only."""
    if not hasattr(_libc, "_Fork"):  # before glibc 2.34
        return os.fork()
    return _call("fork", _libc._Fork())


def unshare(namespaces: int) -> None:
    """Moves this process into new namespaces."""
    _call("unshare", _libc.unshare(namespaces))


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2); the error names the target."""
    _call(
        f"mount {target}",
        _libc.mount(_text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(options)),
    )


def restrict_mount(target: str, *, devices: bool = False) -> None:
    """Makes a bind mount and all below it read-only and without set-user-id, devices or, for devices, programs."""
    attributes = _MOUNT_ATTR_RDONLY | _MOUNT_ATTR_NOSUID | (_MOUNT_ATTR_NOEXEC if devices else _MOUNT_ATTR_NODEV)
    request = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    result = _libc.syscall(
        _MOUNT_SETATTR, _AT_FDCWD, _text(target), _AT_RECURSIVE, ctypes.byref(request), ctypes.c_size_t(32)
    )
    if result == 0:
        return
    # Before Linux 5.12: one mount at a time, keeping the flags that a user namespace may not take away.
    kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | _MS_ATIME)
    wanted = MS_RDONLY | MS_NOSUID | (MS_NOEXEC if devices else MS_NODEV)
    mount("none", target, None, MS_REMOUNT | MS_BIND | kept | wanted)


def pivot_root(new_root: str) -> None:
    """Makes new_root, a mount point, the root, and lets go of the old one."""
    os.chdir(new_root)
    _call("pivot_root", _libc.syscall(_NUMBERS[MACHINE][1], b".", b"."))
    _call("umount2", _libc.umount2(b".", MNT_DETACH))
    os.chdir("/")


def set_hostname(name: str) -> None:
    """Names the host of this UTS namespace."""
    _call("sethostname", _libc.sethostname(_text(name), ctypes.c_size_t(len(name))))


def die_with_parent() -> None:
    """Has the kernel kill this process when its parent ends; lost on a change of user, so call it after one."""
    _prctl("PR_SET_PDEATHSIG", _PR_SET_PDEATHSIG, _SIGKILL)


def adopt_orphans() -> None:
    """Makes descendants whose parent has died children of this process, for it to wait for."""
    _prctl("PR_SET_CHILD_SUBREAPER", _PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same user may look into this one (/proc/<pid>/mem, fd, environ, ptrace)."""
    _prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, int(dumpable))


def drop_capabilities() -> None:
    """Gives up every capability for good: bounding, ambient, inheritable, permitted and effective."""
    for capability in range(64):
        # EINVAL: past the last capability of this kernel. EPERM: the bounding set is not ours to shrink, and
        # no_new_privs already keeps execve from granting anything.
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    _prctl("PR_CAP_AMBIENT", _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_LINUX_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _call("capset", _libc.capset(header, nothing))


def no_new_privileges() -> None:
    """Keeps execve from ever granting more than this process has."""
    _prctl("PR_SET_NO_NEW_PRIVS", _PR_SET_NO_NEW_PRIVS, 1)


def install_filter(program: bytes) -> None:
    """Installs a classic BPF program as the system-call filter of this process and all its children."""

    fprog = _FilterProgram(len(program) // 8, program)
    _call("seccomp", _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0))


def _prctl(name: str, option: int, value: int) -> None:
    _call(name, _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def _call(name: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
