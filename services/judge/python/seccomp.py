"""The system-call filter of a sandbox, as a classic BPF program built by hand.

What ordinary programs need stays open; what reaches past the sandbox, or widens the kernel's surface without serving
a program that computes, answers EPERM; calls newer than this table answer ENOSYS, as on an older kernel.
"""

from __future__ import annotations

import errno
import struct

import syscalls

# name: (x86_64, aarch64); None where the machine has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # networks
    "socket": (41, 198),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # System V objects and message queues, which would outlive a test
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # kernel surface
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "seccomp": (317, 277),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "memfd_secret": (447, 447),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "uselib": (134, None),
    "sysfs": (139, None),
    "_sysctl": (156, None),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}

_CLONE = (56, 220)
# Own limits only: the warden has the program's user, and limits of 0 would end it.
_PRLIMIT64 = (302, 261)
# Its flags lie in memory, out of the filter's sight: ENOSYS makes libc fall back to clone.
_CLONE3 = (435, 435)
_NEWEST_KNOWN = 450
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_GREATER = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_NEW_NAMESPACES = (
    syscalls.CLONE_NEWNS
    | syscalls.CLONE_NEWCGROUP
    | syscalls.CLONE_NEWUTS
    | syscalls.CLONE_NEWIPC
    | syscalls.CLONE_NEWUSER
    | syscalls.CLONE_NEWPID
    | syscalls.CLONE_NEWNET
)


def build_filter(machine: str) -> bytes:
    """The filter for a machine, as an array of struct sock_filter."""
    column = {"x86_64": 0, "aarch64": 1}[machine]
    deny = _ERRNO | errno.EPERM
    unknown = _ERRNO | errno.ENOSYS
    program = [
        _op(_LOAD, _AT_ARCHITECTURE),
        _op(_EQUAL, _ARCHITECTURE[machine], 1, 0),
        _op(_RETURN, _KILL_PROCESS),
        _op(_LOAD, _AT_NUMBER),
        _op(_GREATER, _NEWEST_KNOWN, 0, 1),  # takes the x32 calls of x86_64 with it
        _op(_RETURN, unknown),
        _op(_EQUAL, _CLONE3[column], 0, 1),
        _op(_RETURN, unknown),
    ]
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            program += [_op(_EQUAL, number, 0, 1), _op(_RETURN, deny)]
    program += [
        _op(_EQUAL, _PRLIMIT64[column], 0, 4),
        _op(_LOAD, _AT_FIRST_ARGUMENT),
        _op(_EQUAL, 0, 0, 1),
        _op(_RETURN, _ALLOW),
        _op(_RETURN, deny),
        _op(_EQUAL, _CLONE[column], 1, 0),
        _op(_RETURN, _ALLOW),
        _op(_LOAD, _AT_FIRST_ARGUMENT),
        _op(_ANY_BIT, _NEW_NAMESPACES, 0, 1),
        _op(_RETURN, deny),
        _op(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def build_late_filter(machine: str) -> bytes:
    """What a run is refused beside, and its warden needs: memory in files without a name, which no limit counts."""
    number = {"x86_64": 319, "aarch64": 279}[machine]
    program = [
        _op(_LOAD, _AT_NUMBER),
        _op(_EQUAL, number, 0, 1),
        _op(_RETURN, _ERRNO | errno.EPERM),
        _op(_RETURN, _ALLOW),
    ]
    return b"".join(program)


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
