"""Checkpoints: named states in one folder, in the layout of libs/engine, so that either engine restores what the other saved.

A checkpoint exists once its manifest `<name>.json` does, which an atomic rename puts there after the data folder `<name>@<id>`
is on the disk: a crash at any moment leaves the checkpoint of that name as it was before. Rank 0 writes; every rank reads.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from policy_torch.config import CHECKPOINT_NAME
from policy_torch.errors import CheckpointError, InputError, Violation
from policy_torch.export import export
from policy_torch.files import TensorSet, sync_folder, together, verify, write_new, write_set
from policy_torch.policy import Moments, Policy, Snapshot
from policy_torch.weights import Parameters, WeightSet

#: The weights that the policy was started with; no checkpoint may take the name.
INITIAL = "initial"
#: Key of the checksum of the weights a policy began with.
_INITIAL_KEY = "initialSha256"
_FORMAT = {"format": "backsight-checkpoint", "formatVersion": 1}
_PARTS = ("weights", "teacher", "reference", "firstMoment", "secondMoment", "adapter")
#: The parts that have all weights; the others are of what is trained.
_WHOLE = ("weights", "teacher", "reference")


@dataclass(frozen=True)
class CheckpointInfo:
    """One checkpoint's description."""

    name: str
    version: int
    size_bytes: int
    created_at_ms: int
    #: How good its weights are, if who saved it said so.
    score: float | None = None


@dataclass(frozen=True)
class Retention:
    """Which checkpoints stay when another is saved; both None: all."""

    #: So many of the newest.
    last: int | None = None
    #: So many of those with the highest scores; of equal ones the newest.
    best: int | None = None


def require_name(name: str) -> None:
    """1 to 100 letters, digits, dots, dashes and underscores, no dot first."""
    if name == INITIAL:
        raise InputError([Violation("name", f'"{INITIAL}" names the weights the policy was started with')])
    if not CHECKPOINT_NAME.fullmatch(name):
        rule = "is not 1 to 100 letters, digits, dots, dashes and underscores, starting with no dot"
        raise InputError([Violation("name", f"{json.dumps(name, ensure_ascii=False)} {rule}")])


class Checkpoints:
    """The checkpoints of one policy; the caller sees to it that nobody writes the weights meanwhile."""

    def __init__(self, folder: Path, policy: Policy, retention: Retention | None = None) -> None:
        self.folder, self._policy = folder, policy
        self._retention = retention or Retention()
        self._started_at_ms = _now_ms()

    def save(self, name: str, score: float | None = None, retain: bool = True) -> CheckpointInfo:
        """Writes the whole state atomically; `retain` then removes what the retention does not keep.

        All ranks call it together.
        """
        require_name(name)
        policy = self._policy
        policy.model.scatter()
        whole, trained = policy.parameters, policy.model.trained
        sets: dict[str, TensorSet] = {"weights": (whole, policy.whole_set(policy.student()))}
        if policy.own_teacher is not None:
            sets["teacher"] = (whole, policy.whole_set(policy.own_teacher))
        if policy.moments is not None:
            sets |= {"firstMoment": (trained, policy.moments.first), "secondMoment": (trained, policy.moments.second)}
        if policy.model.adapter is not None:
            sets["adapter"] = (trained, trained.local())
        data = f"{name}@{secrets.token_hex(6)}"
        group = policy.model.group
        saved = together(
            group, self.folder / name, lambda: self._write(name, data, sets, score), lambda: self._discard(data)
        )
        policy.unsaved = False
        if group.rank == 0 and retain:
            self._retain()
        return saved

    def restore(self, name: str) -> CheckpointInfo:
        """Reads the whole state before any of it is taken over. All ranks call it together."""
        policy = self._policy
        if name == INITIAL:
            policy.start_over()
            policy.unsaved = False
            return self.initial()
        require_name(name)
        group = policy.model.group
        info, state, stored = together(group, self.folder / name, lambda: self._read(name))
        if policy.model.adapter is not None:
            same = self._fits(state, stored)
            together(group, self.folder / name, lambda: self._require_base(name, same))
        together(group, self.folder / name, lambda: self._require_initial(name))
        policy.restore(state)
        policy.unsaved = False
        return info

    def list(self) -> list[CheckpointInfo]:
        """Newest first, and the initial weights last."""
        found: list[CheckpointInfo] = []
        for file in self.folder.glob("*.json"):
            try:
                require_name(file.stem)
                found.append(_info(file.stem, self._manifest(file.stem)))
            except (InputError, CheckpointError):
                continue  # any other JSON file of the folder is no checkpoint
        found.sort(key=lambda each: (-each.created_at_ms, each.name))
        return [*found, self.initial()]

    def export(self, name: str, adapter: bool = False) -> str:
        """Writes the student, or its adapter alone, into `exports/<name>`; returns that folder. All ranks call it together."""
        require_name(name)
        return export(self._policy, self.folder / "exports" / name, adapter)

    def initial(self) -> CheckpointInfo:
        return CheckpointInfo(INITIAL, 0, 4 * self._policy.parameters.count, self._started_at_ms)

    def sweep(self) -> None:
        """Removes what crashed saves left, and no data whose manifest cannot be read; rank 0 calls it before the first save."""
        if self._policy.model.group.rank != 0:
            return
        listed = {info.name for info in self.list() if info.name != INITIAL}
        kept = {self._manifest(name)["folder"] for name in listed}
        unreadable = {file.stem for file in self.folder.glob("*.json")} - listed
        for entry in self.folder.glob("*@*"):
            data = re.fullmatch(r"([A-Za-z0-9._-]+)@[0-9a-f]{12}", entry.name)
            if data and entry.name not in kept and data[1] not in unreadable:
                shutil.rmtree(entry, ignore_errors=True)
        for entry in self.folder.glob(".*@*.json"):
            entry.unlink(missing_ok=True)

    def _retain(self) -> None:
        """Removes what the retention does not keep, oldest first; the newest always stays."""
        last, best = self._retention.last, self._retention.best
        if last is None and best is None:
            return
        everything = [each for each in self.list() if each.name != INITIAL]
        scored = [each for each in everything if each.score is not None]
        ranked = sorted(scored, key=lambda each: -(each.score or 0.0))
        kept = [*everything[: last or 1], *ranked[: best or 0]]
        for each in reversed([each for each in everything if each not in kept]):
            data = self._manifest(each.name)["folder"]
            # Without its manifest a checkpoint is none; data that a crash leaves is for the sweep.
            (self.folder / f"{each.name}.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder / data, ignore_errors=True)

    def _write(self, name: str, data: str, sets: dict[str, TensorSet], score: float | None) -> CheckpointInfo:
        policy, folder = self._policy, self.folder
        writes = policy.model.group.rank == 0
        failure: OSError | None = None
        files: dict[str, dict[str, Any]] = {}
        for part, given in sets.items():
            try:
                files[part] = write_set(policy.model.group, folder / data / f"{part}.safetensors", given)
            except OSError as error:
                failure = failure or error  # the other ranks go on gathering, and this one with them
        if failure is not None:
            raise failure
        manifest = {
            **_FORMAT,
            "name": name,
            "version": policy.version,
            "optimizerSteps": policy.moments.steps if policy.moments else 0,
            "createdAtMs": _now_ms(),
            "folder": data,
            "files": files,
            "extra": {_INITIAL_KEY: began} if (began := policy.model.initial_sha256) is not None else {},
        }
        if score is not None:
            manifest["score"] = score
        if writes:
            sync_folder(folder / data)
            part_file = folder / f".{data}.json"
            write_new(part_file, [(json.dumps(manifest, indent=2) + "\n").encode()])
            part_file.rename(folder / f"{name}.json")
            sync_folder(folder)
            for older in folder.glob(f"{name}@*"):
                if older.name != data:
                    shutil.rmtree(older, ignore_errors=True)
        return _info(name, manifest)

    def _discard(self, data: str) -> None:
        """Removes an unpublished save; one that a manifest names already stays."""
        published = any(f'"{data}"' in file.read_text() for file in self.folder.glob("*.json"))
        if not published and self._policy.model.group.rank == 0:
            shutil.rmtree(self.folder / data, ignore_errors=True)
            (self.folder / f".{data}.json").unlink(missing_ok=True)

    def _read(self, name: str) -> tuple[CheckpointInfo, Snapshot, WeightSet]:
        """What a checkpoint holds, and its student as stored."""
        manifest, model = self._manifest(name), self._policy.model
        file = str(self.folder / f"{name}.json")
        if "adapter" in manifest["files"] and model.adapter is None:
            raise CheckpointError("invalid", file, "holds an adapter and its optimizer; this policy trains all weights")
        if "adapter" not in manifest["files"] and model.adapter is not None:
            raise CheckpointError("invalid", file, "holds no adapter")
        sets: dict[str, WeightSet] = {}
        for part, written in manifest["files"].items():
            tensors = self.folder / manifest["folder"] / f"{part}.safetensors"
            if model.group.rank == 0:
                verify(tensors, written)
            sets[part] = self._read_tensors(tensors, self._policy.parameters if part in _WHOLE else model.trained)
        if "weights" not in sets:
            raise CheckpointError("invalid", file, "names no weights")
        first, second = sets.get("firstMoment"), sets.get("secondMoment")
        if (first is None) != (second is None):
            raise CheckpointError("invalid", name, "holds one of two optimizer moments")
        moments = None if first is None or second is None else Moments(first, second, manifest["optimizerSteps"])
        teacher = None if "teacher" not in sets else self._policy.moving_of(sets["teacher"])
        state = Snapshot(manifest["version"], sets.get("adapter", sets["weights"]), teacher, moments)
        return _info(name, manifest), state, sets["weights"]

    def _fits(self, state: Snapshot, stored: WeightSet) -> bool:
        """Whether a stored student is this model with that adapter, up to rounding. All ranks ask together."""
        policy, adapter = self._policy, self._policy.model.adapter
        assert adapter is not None
        different = 0
        for found, expected in zip(stored, policy.whole_set(adapter.merged(state.trained)), strict=True):
            different += not torch.allclose(found, expected, rtol=1e-3, atol=1e-4)
        return policy.model.group.most(different) == 0

    def _require_base(self, name: str, same: bool) -> bool:
        if not same:
            problem = "holds an adapter of another model than this; start the policy with that model"
            raise CheckpointError("invalid", name, problem)
        return same

    def _require_initial(self, name: str) -> bool:
        """A frozen teacher and a trust region go by the initial weights, and an EMA teacher begins at them. Rank 0 knows."""
        saved, model = self._manifest(name)["extra"].get(_INITIAL_KEY), self._policy.model
        if isinstance(saved, str) and model.initial_sha256 not in (None, saved):
            began = f"was saved by a policy that began with other weights than {model.card.name}"
            raise CheckpointError("invalid", name, f"{began}; start it with that model")
        return True

    def _read_tensors(self, file: Path, parameters: Parameters) -> WeightSet:
        """This rank's part of every tensor, after all names and shapes are checked."""
        try:
            with safe_open(file, framework="pt") as stored:
                found = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
                for name, shape in zip(parameters.names, parameters.shapes, strict=True):
                    if name not in found:
                        raise _invalid(file, name, f"is missing; expected shape {list(shape)}")
                    if found[name] != shape:
                        raise _invalid(file, name, f"expected shape {list(shape)}, found {list(found[name])}")
                for name in found.keys() - set(parameters.names):
                    raise _invalid(file, name, "is not a tensor of this model")
                return [parameters.part(i, stored.get_tensor(name)) for i, name in enumerate(parameters.names)]
        except SafetensorError as error:
            raise CheckpointError("invalid", str(file), f"cannot be read: {error}") from error

    def _manifest(self, name: str) -> dict[str, Any]:
        """The checked manifest of a checkpoint."""
        file = self.folder / f"{name}.json"
        if not file.is_file():
            raise CheckpointError("missing", str(file), "does not exist")
        try:
            manifest = json.loads(file.read_text())
        except ValueError as error:
            raise CheckpointError("invalid", str(file), f"is not JSON: {error}") from error
        for key, right in _RULES.items():
            value = manifest.get(key) if isinstance(manifest, dict) else None
            if not right(value):
                raise CheckpointError("invalid", str(file), f"{key}: {json.dumps(value)} is not right")
        return manifest


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_files(value: object) -> bool:
    return isinstance(value, dict) and all(
        part in _PARTS
        and isinstance(each, dict)
        and _is_count(each.get("sizeBytes"))
        and isinstance(each.get("sha256"), str)
        for part, each in value.items()
    )


_RULES: dict[str, Callable[[Any], bool]] = {
    "format": lambda value: value == _FORMAT["format"],
    "formatVersion": lambda value: value == _FORMAT["formatVersion"],
    "folder": lambda value: isinstance(value, str) and re.fullmatch(r"[\w.-]+@[0-9a-f]+", value) is not None,
    "extra": lambda value: isinstance(value, dict),
    "files": _are_files,
    "version": _is_count,
    "optimizerSteps": _is_count,
    "createdAtMs": _is_count,
    "score": lambda value: value is None or (isinstance(value, int | float) and not isinstance(value, bool)),
}


def _info(name: str, manifest: dict[str, Any]) -> CheckpointInfo:
    size = sum(file["sizeBytes"] for file in manifest["files"].values())
    return CheckpointInfo(name, manifest["version"], size, manifest["createdAtMs"], manifest.get("score"))


def _invalid(file: Path, tensor: str, problem: str) -> CheckpointError:
    return CheckpointError("invalid", str(file), f'tensor "{tensor}": {problem}')


def _now_ms() -> int:
    return int(time.time() * 1000)
