"""The room's settings, from environment variables: the embedded policy's names, and a few of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from policy_torch.adapter import AdapterSource, FreshAdapter, StoredAdapter

T = TypeVar("T")

#: 1 to 100 letters, digits, dots, dashes and underscores, no dot first.
CHECKPOINT_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
#: Flags, and the settings that they stand for.
FLAGS = {"--follow": "BACKSIGHT_POLICY_FOLLOW"}
LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"]


class SettingsError(Exception):
    """What is wrong with the environment, one line per setting."""


@dataclass(frozen=True)
class FollowSettings:
    """Whom to follow and how."""

    #: `host:port` of the trainer, or of another follower.
    trainer: str
    #: How often to ask for new weights, in seconds.
    interval_s: float
    #: After how long without an answer the weights count as stale, in seconds.
    stale_after_s: float
    #: What weights are sent in: `float32`, or `bfloat16`, which rounds them.
    type: str


@dataclass(frozen=True)
class PolicyConfig:
    """Frozen settings; see README.md for what each means."""

    model: Path
    checkpoints: Path
    address: str
    log_level: str
    device: str
    compute: str
    recompute_layers: bool
    #: Trained in place of all weights, if any.
    adapter: AdapterSource | None
    threads: int
    generation_slots: int
    micro_batch_tokens: int
    max_examples: int
    max_pending_completions: int
    group_timeout_s: int
    #: Where /metrics and /healthz are, if anywhere.
    metrics_address: str | None
    #: Name of the checkpoint that a drain saves; None saves none.
    stop_checkpoint: str | None
    #: Checkpoints that stay when another is saved; 0 sets no such limit.
    keep_last: int
    keep_best: int
    #: Whose weights the policy samples with, if not its own; it then samples only.
    follow: FollowSettings | None


def read_config(environment: Mapping[str, str]) -> PolicyConfig:
    """Reads and checks every variable; raises SettingsError with one line per problem. An empty variable counts as unset."""
    reader = _Reader(environment)
    config = _read(reader)
    if config.follow is not None and config.adapter is not None:
        excluded = "a policy that follows takes whole weights: BACKSIGHT_POLICY_FOLLOW excludes an adapter"
        reader.problems.append(excluded)
    if reader.problems:
        raise SettingsError("\n".join(reader.problems))
    return config


def with_flags(environment: Mapping[str, str], arguments: Sequence[str]) -> dict[str, str]:
    """The environment, with what flags say in the place of what it says; raises SettingsError for every other argument."""
    problems: list[str] = []
    said: dict[str, str] = {}
    left = list(arguments)
    while left:
        flag, equals, value = left.pop(0).partition("=")
        if flag not in FLAGS:
            problems.append(f"{flag} is no flag of this room; {'=..., '.join(FLAGS)}=... and --help are")
            continue
        if not equals and left:
            value = left.pop(0)
        if value:
            said[FLAGS[flag]] = value
        else:
            problems.append(f"{flag} takes a value: {flag}=...")
    if problems:
        raise SettingsError("\n".join(problems))
    return {**environment, **said}


def usage() -> str:
    """What `--help` prints: every variable, what it must be, and what it is when unset."""
    reader = _Reader({})
    _read(reader)
    options = [(f"{flag}=...", f"in place of {variable}") for flag, variable in FLAGS.items()]
    told = [f"  {option:<12}  {meaning}" for option, meaning in [*options, ("-h, --help", "prints this")]]
    head = ["policy: PolicyService on PyTorch.", "", *told, ""]
    return "\n".join([*head, "Settings, as environment variables; README.md says what each is for:", *reader.told, ""])


def _read(reader: _Reader) -> PolicyConfig:
    cores = min(os.cpu_count() or 1, 16)
    return PolicyConfig(
        model=reader.required("BACKSIGHT_MODEL", "the Hugging Face folder of the model", _path, Path()),
        checkpoints=reader.read("BACKSIGHT_CHECKPOINTS", "a folder", _path, Path("checkpoints").resolve()),
        address=reader.read(
            "BACKSIGHT_POLICY_ADDRESS", "an address host:port, for example 127.0.0.1:7101", _address, "127.0.0.1:7101"
        ),
        log_level=reader.choice("BACKSIGHT_POLICY_LOG_LEVEL", LOG_LEVELS, "info"),
        device=reader.choice("BACKSIGHT_DEVICE", ["auto", "cpu", "cuda"], "auto"),
        compute=reader.choice("BACKSIGHT_COMPUTE_TYPE", ["auto", "float32", "bfloat16"], "auto"),
        recompute_layers=reader.choice("BACKSIGHT_RECOMPUTE_LAYERS", ["yes", "no"], "no") == "yes",
        adapter=_adapter(reader),
        threads=reader.integer("BACKSIGHT_THREADS", 1, 256, cores),
        generation_slots=reader.integer("BACKSIGHT_GENERATION_SLOTS", 1, 4096, 96),
        micro_batch_tokens=reader.integer("BACKSIGHT_MICRO_BATCH_TOKENS", 8, 4_194_304, 4096),
        max_examples=reader.integer("BACKSIGHT_MAX_EXAMPLES", 1, 1_000_000, 16_384),
        max_pending_completions=reader.integer("BACKSIGHT_MAX_PENDING_COMPLETIONS", 1, 1_000_000, 16_384),
        keep_last=reader.integer("BACKSIGHT_CHECKPOINTS_KEEP_LAST", 1, 1_000_000, 0),
        keep_best=reader.integer("BACKSIGHT_CHECKPOINTS_KEEP_BEST", 1, 1_000_000, 0),
        metrics_address=reader.read(
            "BACKSIGHT_POLICY_METRICS_ADDRESS", "an address host:port, for example 127.0.0.1:7101", _address, None
        ),
        stop_checkpoint=reader.stop_checkpoint("BACKSIGHT_STOP_CHECKPOINT", "stopped"),
        follow=_follow(reader),
        group_timeout_s=reader.integer("BACKSIGHT_GROUP_TIMEOUT_SECONDS", 1, 86_400, 600),
    )


def _follow(reader: _Reader) -> FollowSettings | None:
    """Whose weights the policy samples with."""
    trainer = reader.read("BACKSIGHT_POLICY_FOLLOW", "an address host:port, for example 127.0.0.1:7101", _address, None)
    interval_ms = reader.integer("BACKSIGHT_POLICY_FOLLOW_INTERVAL_MS", 10, 3_600_000, 500)
    stale_after_ms = reader.integer("BACKSIGHT_POLICY_FOLLOW_STALE_AFTER_MS", 100, 86_400_000, 30_000)
    sent = reader.choice("BACKSIGHT_POLICY_FOLLOW_TYPE", ["float32", "bfloat16"], "float32")
    return None if trainer is None else FollowSettings(trainer, interval_ms / 1000, stale_after_ms / 1000, sent)


def _adapter(reader: _Reader) -> AdapterSource | None:
    """Which adapter the policy trains, in the embedded policy's words where settings exclude each other."""
    folder = reader.read("BACKSIGHT_ADAPTER", "a folder in PEFT layout", _path, None)
    rank = reader.integer("BACKSIGHT_ADAPTER_RANK", 1, 4096, 0)
    alpha = reader.read("BACKSIGHT_ADAPTER_ALPHA", "a number in [0.000001, 1000000]", _alpha, None)
    names = reader.read("BACKSIGHT_ADAPTER_TARGETS", "names of matrices separated by commas", _names, tuple[str, ...]())
    seed = reader.integer("BACKSIGHT_ADAPTER_SEED", 0, 2**31 - 1, 0)
    of_new = [
        f"BACKSIGHT_ADAPTER_{each}" for each, given in (("ALPHA", alpha is not None), ("TARGETS", names)) if given
    ]
    if folder is not None:
        if rank or of_new:
            excluded = (
                "BACKSIGHT_ADAPTER has a rank, an alpha and targets of its own: leave the settings for a new one out"
            )
            reader.problems.append(excluded)
        return StoredAdapter(folder)
    if rank:
        return FreshAdapter(rank, 2.0 * rank if alpha is None else alpha, names, seed)
    reader.problems.extend(f"{variable} needs BACKSIGHT_ADAPTER_RANK" for variable in of_new)
    return None


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []
        #: What has been asked for: lines for `--help`.
        self.told: list[str] = []

    def read(self, variable: str, expected: str, parse: Callable[[str], T | None], fallback: T) -> T:
        text = self._environment.get(variable, "")
        default = f"; default {fallback}" if isinstance(fallback, (str, int, float)) and fallback else ""
        self.told += [f"  {variable}", f"      {expected}{default}"]
        if not text:
            return fallback
        value = parse(text)
        if value is None:
            self.problems.append(f'{variable} must be {expected}, not "{text}"')
            return fallback
        return value

    def required(self, variable: str, about: str, parse: Callable[[str], T | None], placeholder: T) -> T:
        if not self._environment.get(variable, ""):
            self.problems.append(f"{variable} must be set: {about}")
        return self.read(variable, about, parse, placeholder)

    def integer(self, variable: str, low: int, high: int, fallback: int) -> int:
        def parse(text: str) -> int | None:
            value = int(text) if text.lstrip("-").isdecimal() else None
            return value if value is not None and low <= value <= high else None

        return self.read(variable, f"a whole number in [{low}, {high}]", parse, fallback)

    def choice(self, variable: str, words: list[str], fallback: str) -> str:
        return self.read(variable, f"one of {', '.join(words)}", lambda t: t if t in words else None, fallback)

    def stop_checkpoint(self, variable: str, fallback: str) -> str | None:
        rule = 'the name of a checkpoint, or "none"'
        name = self.read(
            variable, rule, lambda t: t if t != "initial" and CHECKPOINT_NAME.fullmatch(t) else None, fallback
        )
        return None if name == "none" else name


def _path(text: str) -> Path | None:
    return Path(text).resolve() if text else None


def _alpha(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 1e-6 <= value <= 1e6 else None


def _names(text: str) -> tuple[str, ...] | None:
    return tuple(filter(None, (name.strip() for name in text.split(",")))) or None


def _address(text: str) -> str | None:
    host, colon, port = text.rpartition(":")
    return text if colon and host and port.isdecimal() and int(port) < 65_536 else None
