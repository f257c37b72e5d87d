"""The room's settings, from environment variables: the embedded policy's names, and a few of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

LOG_LEVELS = ["silent", "fatal", "error", "warn", "info", "debug", "trace"]


class SettingsError(Exception):
    """What is wrong with the environment, one line per setting."""


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
    threads: int
    generation_slots: int
    micro_batch_tokens: int
    max_examples: int
    max_pending_completions: int
    group_timeout_s: int
    #: Checkpoints that stay when another is saved; 0 sets no such limit.
    keep_last: int
    keep_best: int


def read_config(environment: Mapping[str, str]) -> PolicyConfig:
    """Reads and checks every variable; raises SettingsError with one line per problem. An empty variable counts as unset."""
    reader = _Reader(environment)
    cores = min(os.cpu_count() or 1, 16)
    config = PolicyConfig(
        model=reader.required("BACKSIGHT_MODEL", "the Hugging Face folder of the model", _path, Path()),
        checkpoints=reader.read("BACKSIGHT_CHECKPOINTS", "a folder", _path, Path("checkpoints").resolve()),
        address=reader.read(
            "BACKSIGHT_POLICY_ADDRESS", "an address host:port, for example 127.0.0.1:7101", _address, "127.0.0.1:7101"
        ),
        log_level=reader.choice("BACKSIGHT_POLICY_LOG_LEVEL", LOG_LEVELS, "info"),
        device=reader.choice("BACKSIGHT_DEVICE", ["auto", "cpu", "cuda"], "auto"),
        compute=reader.choice("BACKSIGHT_COMPUTE_TYPE", ["auto", "float32", "bfloat16"], "auto"),
        recompute_layers=reader.choice("BACKSIGHT_RECOMPUTE_LAYERS", ["yes", "no"], "no") == "yes",
        threads=reader.integer("BACKSIGHT_THREADS", 1, 256, cores),
        generation_slots=reader.integer("BACKSIGHT_GENERATION_SLOTS", 1, 4096, 96),
        micro_batch_tokens=reader.integer("BACKSIGHT_MICRO_BATCH_TOKENS", 8, 4_194_304, 4096),
        max_examples=reader.integer("BACKSIGHT_MAX_EXAMPLES", 1, 1_000_000, 16_384),
        max_pending_completions=reader.integer("BACKSIGHT_MAX_PENDING_COMPLETIONS", 1, 1_000_000, 16_384),
        keep_last=reader.integer("BACKSIGHT_CHECKPOINTS_KEEP_LAST", 1, 1_000_000, 0),
        keep_best=reader.integer("BACKSIGHT_CHECKPOINTS_KEEP_BEST", 1, 1_000_000, 0),
        group_timeout_s=reader.integer("BACKSIGHT_GROUP_TIMEOUT_SECONDS", 1, 86_400, 600),
    )
    if reader.problems:
        raise SettingsError("\n".join(reader.problems))
    return config


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, variable: str, expected: str, parse: Callable[[str], T | None], fallback: T) -> T:
        text = self._environment.get(variable, "")
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


def _path(text: str) -> Path | None:
    return Path(text).resolve() if text else None


def _address(text: str) -> str | None:
    host, colon, port = text.rpartition(":")
    return text if colon and host and port.isdecimal() and int(port) < 65_536 else None
