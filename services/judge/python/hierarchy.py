"""Finds where this process may make control groups, makes those of its slot, and clears away a dead slot's."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass

from cgroups import Folder, SlotGroups, SlotGroupsV1, SlotGroupsV2
from owner import is_abandoned, is_left_behind, lock, own_name, read_stat

_V1_CONTROLLERS = ("memory", "pids", "cpuacct")
_V1_OPTIONAL = ("cpu",)
_V2_CONTROLLERS = ("memory", "pids")
_V2_OPTIONAL = ("cpu",)


@dataclass(frozen=True)
class Mount:
    """A mounted control-group hierarchy."""

    root: str  # the group shown at the mount point
    point: str
    controllers: frozenset[str]  # empty for the unified hierarchy
    unified: bool


class ControlGroups:
    """The groups of this slot: one in each hierarchy."""

    def __init__(self, parents: list[Folder], name: str, own: SlotGroups) -> None:
        self._parents = parents
        self._name = name
        self.own = own

    def remove(self) -> None:
        """Removes the groups, killing what is left in them."""
        for parent in self._parents:
            parent.remove(self._name)


def make_control_groups(mounts: list[Mount], own: dict[str, str]) -> ControlGroups:
    """Makes the groups of this slot; OSError says why there can be none.

    own maps a controller to the group this process is in, the unified hierarchy under the empty name.
    """
    name = own_name()
    legacy = {c: m for c in (*_V1_CONTROLLERS, *_V1_OPTIONAL) for m in mounts if c in m.controllers}
    if all(controller in legacy for controller in _V1_CONTROLLERS):
        return _make_v1(name, legacy, own)
    unified = next((mount for mount in mounts if mount.unified), None)
    if unified is None:
        raise OSError(errno.ENOENT, "no control groups are mounted")
    return _make_v2(name, own_folder(unified, own.get("", "/")), unified.point)


def read_mounts(path: str = "/proc/self/mountinfo") -> list[Mount]:
    """The control-group hierarchies of a mountinfo file."""
    mounts: list[Mount] = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(maxsplit=2)
            if kind in ("cgroup", "cgroup2"):
                root, point = before.split()[3:5]
                names = frozenset(options.strip().split(",")) if kind == "cgroup" else frozenset[str]()
                mounts.append(Mount(root, point, names, kind == "cgroup2"))
    return mounts


def read_own_groups(path: str = "/proc/self/cgroup") -> dict[str, str]:
    """The groups of a /proc/<pid>/cgroup file, by controller."""
    own: dict[str, str] = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            _, controllers, group = line.rstrip("\n").split(":", 2)
            for controller in controllers.split(","):
                own[controller] = group
    return own


def _make_v1(name: str, legacy: dict[str, Mount], own: dict[str, str]) -> ControlGroups:
    parents: dict[str, Folder] = {}  # by path: controllers mounted together share one
    chosen: dict[str, str] = {}
    for controller, mount in legacy.items():
        path = own_folder(mount, own.get(controller, "/"))
        chosen[controller] = path
        if path not in parents:
            parents[path] = Folder.open(path)
    made = _make_below(list(parents.values()), name)
    groups = SlotGroupsV1({controller: made[path] for controller, path in chosen.items()})
    return ControlGroups(list(parents.values()), name, groups)


def _make_v2(name: str, own: str, point: str) -> ControlGroups:
    failure: OSError | None = None
    # A group that holds processes cannot hand controllers down; the one above it often already does.
    for path in (own, os.path.dirname(own)):
        if not path.startswith(point):
            continue
        try:
            parent = Folder.open(path)
            _hand_down(parent)
            return ControlGroups([parent], name, SlotGroupsV2(_make_below([parent], name)[path]))
        except OSError as error:
            failure = error
    raise failure or OSError(errno.ENOENT, "no control group to work in")


def _hand_down(parent: Folder) -> None:
    """Has a group of the unified hierarchy give its children the controllers they need."""
    offered = parent.read("cgroup.controllers").split()
    for controller in _V2_CONTROLLERS:
        if controller not in offered:
            raise OSError(errno.ENOENT, f"{parent.path} has no {controller} controller")
    given = parent.read("cgroup.subtree_control").split()
    missing = [c for c in (*_V2_CONTROLLERS, *_V2_OPTIONAL) if c in offered and c not in given]
    if not missing:
        return
    wanted = " ".join(f"+{controller}" for controller in missing)
    try:
        parent.write("cgroup.subtree_control", wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _move_own_family(parent)
        parent.write("cgroup.subtree_control", wanted)


def _move_own_family(parent: Folder) -> None:
    """Empties a group into a leaf of its own, where nobody but the judge and its ancestors is in it."""
    family = {os.getpid(), *_ancestors(os.getpid())}
    members = parent.members()
    strangers = [pid for pid in members if pid not in family]
    if strangers:
        raise OSError(errno.EBUSY, f"{parent.path} holds other processes")
    leaf = parent.make("backsight-judge-service")
    for pid in members:
        leaf.write("cgroup.procs", pid)


def _make_below(parents: list[Folder], name: str) -> dict[str, Folder]:
    """Makes a group below each of these, all or none; by the parent's path."""
    made: dict[str, Folder] = {}
    try:
        for parent in parents:
            _remove_dead(parent)
            made[parent.path] = parent.make(name)
            lock(made[parent.path].descriptor)
    except OSError:
        for parent in parents:
            if parent.path in made:
                parent.remove(name)
        raise
    return made


def _remove_dead(parent: Folder) -> None:
    """Clears away the groups of slots that were killed before they could, this judge's or an earlier one's."""
    for name in parent.groups():
        if is_left_behind(name):
            parent.remove(name)
        elif is_abandoned(f"{parent.path}/{name}"):
            # Of a process namespace that nobody sees: if there are processes in it, they are not ours to kill.
            with contextlib.suppress(OSError):
                parent.remove_empty(name)


def own_folder(mount: Mount, group: str) -> str:
    """Where this process's group is found below a mount point."""
    root = mount.root.rstrip("/")
    below = group.removeprefix(root) if group.startswith(root) else ""
    path = os.path.normpath(f"{mount.point}/{below}")
    return path if os.path.isdir(path) else mount.point


def _ancestors(pid: int) -> list[int]:
    found: list[int] = []
    while fields := read_stat(pid):
        pid = int(fields[1])
        found.append(pid)
    return found
