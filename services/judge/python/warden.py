"""Process 1 of a sandbox: the trusted parent of the program's runs.

It drops everything before it meets the program, compiles it once, forks a child per run, observes with waitpid how
the child ended, and says so on a channel that the child does not have: the descriptor is closed in the child, this
process cannot be looked into or signalled from inside, and each answer carries a nonce that arrives here only after
the child was forked, so that not even the child's copy of this memory holds it.
"""

from __future__ import annotations

import _signal as signal  # signal itself imports enum and much else
import marshal
import os
import resource
import struct
from os import _exit  # by this name: in a run's process the program may have patched the module

import limits as bounds
import native
import syscalls
from channel import Channel
from languages import Language, Program, Refused, Toolchain
from limits import Limits
from program import KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MAX_FILES = 200
MAX_MESSAGE = 1 << 17
NONCE_BYTES = 16
# First byte of the warden's messages; FAILED and COMPILE_ERROR carry text and JSON, ENDED carries
# ENDING, COMPILED a new artefact as a descriptor.
READY, COMPILED, COMPILE_ERROR, STARTED, ENDED, FAILED = (bytes([tag]) for tag in b"RCESDF")
# nonce, wait status, CPU microseconds, peak bytes, whether the next run would find nothing of this one
ENDING = struct.Struct(f"<{NONCE_BYTES}siqq?")

_CHANNEL = 3
# Where a container masks its /proc, nobody may mount another: in place of the link that would be there, one to a copy of
# the input, in the sandbox's own folder.
INPUT_LINK, INPUT_COPY = "/proc/self/fd/0", "/tmp/.stdin"


class Keep:
    """How a slot's sandboxes are kept."""

    def __init__(
        self,
        *,
        isolated: bool,
        user: int | None,
        folder: str,
        folder_bytes: int,
        folder_files: int,
        call_filter: bytes,
        late_filter: bytes,
        control_groups: bool,
        toolchains: dict[str, str],
        stores: dict[str, str],
        wrapped: bool,
    ) -> None:
        self.isolated = isolated  # in namespaces of its own; otherwise an ordinary process (--sandbox=none)
        self.user = user  # the user to become; None: the user namespace already hides the real one
        self.folder = folder  # the working folder; where not isolated, its parent
        self.folder_bytes = folder_bytes
        self.folder_files = folder_files
        self.call_filter = call_filter
        self.late_filter = late_filter  # for a run beside: what its warden needs
        self.control_groups = control_groups
        self.toolchains = toolchains  # by language: the path of its interpreter or compiler, as sandboxes see it
        self.stores = stores  # by language: what the judge has made ready for its compiler, likewise
        self.wrapped = wrapped  # bubblewrap makes the sandboxes


def keep_sandbox(
    channel_descriptor: int, keep: Keep, limits: Limits, languages: dict[str, Language], folder: str = ""
) -> NoReturn:
    """Sets the sandbox up, when told to unless bubblewrap has, then serves the supervisor until it hangs up."""
    try:
        if channel_descriptor != _CHANNEL:
            os.dup2(channel_descriptor, _CHANNEL)
        os.set_inheritable(_CHANNEL, False)
        nothing = os.open("/dev/null", os.O_RDWR)
        for standard in range(3):
            os.dup2(nothing, standard)
        _close_from(_CHANNEL + 1)
        channel = Channel.of(_CHANNEL)
        try:
            # Told to: the supervisor has put us into our groups.
            folder = folder or marshal.loads(channel.receive(MAX_MESSAGE)[0])["folder"]
            _set_up(keep, limits, folder)
            channel.send(READY)
            _serve(channel, keep, limits, languages, folder)
        except Exception as error:
            channel.send(FAILED + f"{type(error).__name__}: {error}".encode())
    finally:
        _exit(0)


def _set_up(keep: Keep, limits: Limits, folder: str) -> None:
    """Order matters: mounts need privilege, a change of user clears the parent-death signal and the dumpable flag."""
    if not keep.wrapped:
        os.setsid()
    # Without a handler, nothing from inside the namespace reaches its process 1.
    for everybodys in (signal.SIGINT, signal.SIGTERM):
        signal.signal(everybodys, signal.SIG_DFL)
    if keep.isolated and not keep.wrapped:
        _mount_private_folders(keep)
        syscalls.set_hostname("sandbox")
    os.chdir(folder)
    os.umask(0o022)
    bounds.restrict_files_and_stack()
    if keep.user is not None:
        native.become_user(keep.user)
    if not keep.control_groups:
        bounds.restrict_processes(limits, per_user=keep.isolated)
    if keep.isolated:
        syscalls.drop_capabilities()
        syscalls.no_new_privileges()
        syscalls.set_dumpable(False)
    syscalls.die_with_parent()
    if keep.isolated and not keep.wrapped:
        syscalls.install_filter(keep.call_filter)


def _mount_private_folders(keep: Keep) -> None:
    options = f"size={keep.folder_bytes},nr_inodes={keep.folder_files},mode=1777"
    syscalls.mount("tmpfs", keep.folder, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
    flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    try:
        # Processes only: none of the machine's other files. Since Linux 5.8.
        syscalls.mount("proc", "/proc", "proc", flags, "subset=pid")
    except OSError:
        try:
            syscalls.mount("proc", "/proc", "proc", flags)
        except OSError:
            # A container that masks its /proc lets none be mounted: better none than the container's.
            syscalls.mount("tmpfs", "/proc", "tmpfs", flags & ~syscalls.MS_RDONLY, "size=4k,mode=755")
            os.makedirs(os.path.dirname(INPUT_LINK))
            os.symlink(INPUT_COPY, INPUT_LINK)
            syscalls.mount("none", "/proc", None, flags | syscalls.MS_REMOUNT | syscalls.MS_BIND)


def _serve(channel: Channel, keep: Keep, limits: Limits, languages: dict[str, Language], folder: str) -> None:
    """First the program and its files, then one run after another."""
    message, files = channel.receive(MAX_MESSAGE, 2 + MAX_FILES)
    if not message:
        return
    submission = marshal.loads(message)
    source, artefact = _read_all(files[0]), _read_all(files[1])
    for path, file in zip(submission["files"], files[2:], strict=True):
        _put_file(folder, path, file)
    name = submission["language"]
    language, toolchain = languages[name], Toolchain(keep.toolchains[name], keep.stores.get(name, ""))
    if not keep.control_groups:
        bounds.restrict_memory(limits, reserves=language.reserves_memory, stacks=language.stacks)
    try:
        program = language.prepare(source, artefact, toolchain, folder)
    except Refused as refusal:
        import json  # not marshal: the supervisor reads nothing that could harm it

        channel.send(COMPILE_ERROR + json.dumps(refusal.trouble).encode())
        return
    if artefact or not program.artefact:
        channel.send(COMPILED)
    else:
        with open(os.memfd_create("artefact"), "wb", buffering=0) as made:
            made.write(program.artefact)
            channel.send(COMPILED, [made.fileno()])
    masked = keep.isolated and _is_masked()
    while True:
        order, files = channel.receive(1, 4)
        if not order:
            return
        if masked:
            _copy_input(files[0] if KINDS[order[0]] == "stdio" else None)
        before = _folder_state(keep, folder)
        child = syscalls.fork_quickly()
        if child == 0:
            _become_program(KINDS[order[0]], files, program, keep, limits, folder, submission["arguments"])
        for file in files:
            os.close(file)
        channel.send(STARTED)
        nonce, _ = channel.receive(NONCE_BYTES)
        status, cpu, peak = _await_end(child, keep)
        clean = _folder_state(keep, folder) == before
        channel.send(ENDED + ENDING.pack(nonce, status, int(cpu * 1e6), peak, clean))


def _become_program(
    kind: str, files: list[int], program: Program, keep: Keep, limits: Limits, folder: str, arguments: list[str]
) -> NoReturn:
    """In the child: takes its descriptors (payload, stdout, stderr, report), closes all others, runs the program."""
    try:
        payload, out, err, report = files
        if kind in ("stdio", "dialogue"):
            kind = "stdio"
            os.dup2(payload, 0)  # otherwise standard input stays /dev/null
        os.dup2(out, 1)
        os.dup2(err, 2)
        # Handed over in this order, they are 4 to 7: taking over the channel's number overwrites none of them.
        os.dup2(report, _CHANNEL, inheritable=False)
        first = 4 if kind == "stdio" else 5
        os.closerange(first, native.KEPT)
        _close_from(native.KEPT + 1)
        bounds.restrict_cpu(limits)
        if keep.isolated:
            # Its own files in /proc are its own again, such as /dev/stdin.
            syscalls.set_dumpable(True)
            syscalls.install_filter(keep.late_filter)
        else:
            syscalls.die_with_parent()
        program.run(kind, folder, limits, arguments)
    finally:
        _exit(70)


def _await_end(child: int, keep: Keep) -> tuple[int, float, int]:
    """Waits for the run's first process, then kills and reaps all it left behind: status, CPU seconds, peak bytes."""
    cpu, peak, status = 0.0, 0, 0
    while True:
        try:
            pid, ended, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return status, cpu, peak << 10
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)
        if pid == child:
            status = ended
            if keep.isolated:
                try:
                    os.kill(-1, signal.SIGKILL)  # everything in this namespace but this process
                except ProcessLookupError:
                    pass


def _is_masked() -> bool:
    try:
        return os.readlink(INPUT_LINK) == INPUT_COPY
    except OSError:
        return False


def _copy_input(payload: int | None) -> None:
    """What /dev/stdin leads to where there is no /proc: the input, where the folder has room for it, or nothing."""
    try:
        os.unlink(INPUT_COPY)
    except FileNotFoundError:
        pass
    if payload is None:
        return
    left = os.fstat(payload).st_size
    try:
        with open(INPUT_COPY, "xb", buffering=0) as copy:
            while left > 0:
                # From its beginning on, and without moving where the program will read.
                left -= os.sendfile(copy.fileno(), payload, copy.tell(), left)
    except OSError:
        os.unlink(INPUT_COPY)


def _put_file(folder: str, path: str, file: int) -> None:
    target = os.path.join(folder, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as out:
        out.write(_read_all(file))


def _read_all(file: int) -> bytes:
    with open(file, "rb") as reader:
        return reader.read()


def _folder_state(keep: Keep, folder: str) -> tuple[int, ...]:
    """Changes whenever a run changes anything in the working folder that a later run could find."""
    times = os.stat(folder)
    if not keep.isolated:
        return (times.st_mtime_ns, times.st_ctime_ns)
    space = os.statvfs(folder)
    return (space.f_ffree, space.f_bfree, times.st_mtime_ns, times.st_ctime_ns)


def _close_from(descriptor: int) -> None:
    os.closerange(descriptor, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
