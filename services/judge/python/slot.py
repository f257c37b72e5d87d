"""One slot of the judge: a process that runs one submission after another, each in a sandbox of its own.

Started as `python3 -s -S -B slot.py '{"isolation": "zygote" | "bubblewrap" | "container" | "none", "user": 60600,
"language": "cpp", "toolchains": {"cpp": "/usr/bin/g++", ...}, "bubblewrap": "/usr/bin/bwrap"}'`, with an environment
that holds nothing but what programs may see. Its sandboxes see the toolchain of that one language beside Python,
which they run as well.

Submissions come on standard input, what became of them goes to standard output, as frames; the first frame out is
`{"tier", "python"}`, or `{"error"}` with one sentence. It ends with its standard input. In a container, where a stream
may hold what its engine put there, the first frame in is `{"word"}`, and the first frame out tells more (container.py).

Three kinds of process make a slot. This one turns into the supervisor, which sees submissions and never forks; the
zygote, forked from it before it has seen any, clones sandboxes on demand; a sandbox's warden runs one submission.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import bubblewrap
import container
import hierarchy
import native
import root
import seccomp
import supervisor
import syscalls
import wire
import zygote
from cgroups import SlotGroups
from every_language import LANGUAGES
from languages import Toolchain
from owner import is_abandoned, own_name, take
from program import prepare_interpreter
from sandbox import Sandboxes
from warden import Keep

_TEMPORARY = "/tmp"
_FOLDER_BYTES = 16 << 20
_FOLDER_FILES = 1024
_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWCGROUP
)
# One empty network for all sandboxes of a slot: none of them can make a socket in it, and the kernel takes longer to
# make and to clear away a network than all else that a sandbox is made of.
_OF_THE_SLOT = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET
_NOTHING_ISOLATES = (
    "Nothing isolates programs here ({}): run the judge as root with CAP_SYS_ADMIN, or allow unprivileged user "
    "namespaces, or pass --sandbox=none to run trusted programs as yourself. npm run doctor:judge tells more."
)


class NoIsolation(Exception):
    """This machine, or this user, cannot isolate; the message is one sentence."""


@dataclass(frozen=True)
class Options:
    """As the judge gives them."""

    isolation: str
    user: int
    language: str
    toolchains: dict[str, str]
    bubblewrap: str
    stores: dict[str, str] = field(default_factory=dict)
    piped: bool = False  # a container's slot, which finds its frames in named pipes instead

    def toolchain(self) -> Toolchain:
        """That of the slot's language, where it is on the machine."""
        return Toolchain(self.toolchains[self.language], self.stores.get(self.language, ""))

    def moved(self) -> dict[str, str]:
        """What of the machine the programs see elsewhere; NoIsolation when this user may not read it."""
        moved = LANGUAGES[self.language].moved(self.toolchain())
        for path in moved.values():
            if not os.access(path, os.R_OK):
                raise NoIsolation(f"The toolchain of {self.language} at {path} is not for this user to read.")
        return moved


def main(options: Options) -> None:
    """Prepares, says so, serves until standard input ends."""
    os.environ.pop("LD_BIND_NOW", None)  # for this process alone
    # A terminal's Ctrl-C, and the end of a whole service, reach the judge as well, which ends us in order.
    for everybodys in (signal.SIGINT, signal.SIGTERM):
        signal.signal(everybodys, signal.SIG_IGN)
    requests, answers = container.open_pipes() if options.piped else (os.dup(0), os.dup(1))
    nothing = os.open("/dev/null", os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    groups: hierarchy.ControlGroups | None = None
    folder: str | None = None
    told: dict[str, Any] = {}
    complaint: str | None = None
    try:
        if options.isolation != "container":
            _clear_folders()
        if options.isolation == "container":
            container.forget_surroundings()
            told = container.introduce(requests, options.language)
            found = {each["name"]: each["path"] for each in told["image"]["toolchains"]}
            options = replace(options, toolchains=found)
            rootless = _enter_mount_namespace(options.user)
            sandboxes = _isolate(options, rootless, _read_groups())
            tier = "container"
        elif options.isolation == "zygote":
            if not syscalls.SUPPORTED:
                raise NoIsolation(f"The sandbox knows x86_64 and aarch64, not {syscalls.MACHINE}.")
            rootless = _enter_mount_namespace(options.user)
            groups, complaint = _make_groups()
            sandboxes = _isolate(options, rootless, groups.own if groups is not None else None)
            tier = "namespaces" if groups is None else "control-groups"
        elif options.isolation == "bubblewrap":
            groups, complaint = _make_groups()
            folder = _make_folder(0o755)  # its sandboxes' users read it
            sandboxes = _wrap(options, groups, folder)
            tier = "namespaces" if groups is None else "control-groups"
        else:
            folder = _make_folder(0o700)
            keep = _keep(options, None, folder, b"", control_groups=False)
            sandboxes, tier = Sandboxes(keep, 0, False, _open_proc(), None), "none"
        prepare_interpreter(root.package_folders())
        gc.disable()
        gc.collect()
        gc.freeze()
        channel = zygote.start(sandboxes.keep, sandboxes.namespaces, sandboxes.wrapping)
        if complaint is not None:
            print(complaint, file=sys.stderr)
        python = ".".join(map(str, sys.version_info[:3]))
        wire.write_frame(answers, {"tier": tier, "python": python, **told})
        supervisor.serve(requests, answers, channel, sandboxes)
    except NoIsolation as error:
        wire.write_frame(answers, {"error": str(error)})
    finally:
        if groups is not None:
            groups.remove()
        if folder is not None:
            _clear_away(folder)


def _make_groups() -> tuple[hierarchy.ControlGroups | None, str | None]:
    """The slot's groups, or why there are none."""
    try:
        return hierarchy.make_control_groups(hierarchy.read_mounts(), hierarchy.read_own_groups()), None
    except OSError as error:
        return None, f"no control groups: {error.strerror}"


def _read_groups() -> SlotGroups:
    try:
        return container.open_container_groups(_open_proc())
    except OSError as error:
        raise NoIsolation(f"The container's control groups cannot be read ({error.strerror}).") from error


def _make_folder(mode: int) -> str:
    """A folder of the machine's for this slot alone."""
    folder = os.path.join(_TEMPORARY, own_name())
    os.mkdir(folder)
    os.chmod(folder, mode)
    take(folder)
    return folder


def _clear_folders() -> None:
    """Clears away the folders of dead slots."""
    parent = _TEMPORARY
    for folder in (os.path.join(parent, name) for name in os.listdir(parent)):
        if is_abandoned(folder):
            _clear_away(folder)


def _clear_away(folder: str) -> None:
    import shutil  # not above: it loads libraries, which every sandbox would have to map

    shutil.rmtree(folder, ignore_errors=True)


def _isolate(options: Options, rootless: bool, groups: SlotGroups | None) -> Sandboxes:
    """Leaves the host's file tree: this process itself then sees no more of it than /proc, and its sandboxes not that."""
    files: dict[str, bytes] = {}
    if options.language == "javascript":
        with open(native.DRIVER_FILE, "rb") as file:
            files[native.DRIVER] = file.read()
    call_filter = seccomp.build_filter(syscalls.MACHINE)
    proc = _open_proc()
    beside, moved = LANGUAGES[options.language].beside(), options.moved()
    try:
        root.enter_minimal_root(keep_proc=rootless, beside=beside, moved=moved, files=files)
    except OSError as error:
        raise NoIsolation(_NOTHING_ISOLATES.format(error.strerror)) from error
    return Sandboxes(
        _keep(options, None if rootless else options.user, "/tmp", call_filter, control_groups=groups is not None),
        _NAMESPACES | (syscalls.CLONE_NEWUSER if rootless else 0),
        rootless,
        proc,
        groups,
    )


def _wrap(options: Options, groups: hierarchy.ControlGroups | None, folder: str) -> Sandboxes:
    """Sandboxes that bubblewrap makes; this process stays where it is."""
    if not syscalls.SUPPORTED:
        raise NoIsolation(f"The sandbox knows x86_64 and aarch64, not {syscalls.MACHINE}.")
    user = options.user if _can_become(options.user) else None
    call_filter = seccomp.build_filter(syscalls.MACHINE)
    keep = _keep(options, user, "/tmp", call_filter, control_groups=groups is not None, wrapped=True)
    bubblewrap.copy_modules(folder)
    syscalls.adopt_orphans()  # a warden, when the bwrap above it is gone
    troubles: list[str] = []
    for masked in (False, True):
        seen = LANGUAGES[options.language].beside(), options.moved()
        wrapping = bubblewrap.Wrapping(options.bubblewrap, keep, *seen, folder, masked=masked)
        trouble = wrapping.probe()
        if trouble is None:
            return Sandboxes(keep, 0, False, _open_proc(), groups.own if groups is not None else None, wrapping)
        troubles.append(trouble)
    raise NoIsolation(_NOTHING_ISOLATES.format(troubles[0]))


def _open_proc() -> int:
    return os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)


def _keep(
    options: Options,
    user: int | None,
    folder: str,
    call_filter: bytes,
    *,
    control_groups: bool,
    wrapped: bool = False,
) -> Keep:
    toolchain = options.toolchain()
    if call_filter:
        toolchain = LANGUAGES[options.language].within(toolchain)
    return Keep(
        isolated=bool(call_filter),
        user=user,
        folder=folder,
        folder_bytes=_FOLDER_BYTES,
        folder_files=_FOLDER_FILES,
        call_filter=call_filter,
        late_filter=seccomp.build_late_filter(syscalls.MACHINE) if call_filter else b"",
        control_groups=control_groups,
        toolchains={**options.toolchains, options.language: toolchain.path},
        stores={options.language: toolchain.store} if toolchain.store else {},
        wrapped=wrapped,
    )


def _enter_mount_namespace(user: int) -> bool:
    """A mount namespace to build the root in; True when that took a user namespace, for want of privilege."""
    can_become = _can_become(user)
    if can_become:
        try:
            syscalls.unshare(_OF_THE_SLOT)
            return False
        except PermissionError:
            pass
    try:
        if can_become:
            # Root without CAP_SYS_ADMIN, as in most containers: a sandbox must not be the owner of the machine's files.
            native.become_user(user)
            syscalls.set_dumpable(True)
        outer_user, outer_group = os.geteuid(), os.getegid()
        syscalls.unshare(syscalls.CLONE_NEWUSER | _OF_THE_SLOT)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {outer_user} 1"), ("gid_map", f"0 {outer_group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError as error:
        raise NoIsolation(_NOTHING_ISOLATES.format(error.strerror)) from error
    return True


def _can_become(user: int) -> bool:
    """Whether this process is root over that user, too: in a user namespace it may be over itself alone."""
    if os.geteuid() != 0:
        return False
    with open("/proc/self/uid_map", encoding="ascii") as mapped:
        ranges = [[int(number) for number in line.split()] for line in mapped]
    return any(first <= user < first + count for first, _, count in ranges)


if __name__ == "__main__":
    main(Options(**json.loads(sys.argv[1])))
