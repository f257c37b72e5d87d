"""Adapters in PEFT layout: adapter_config.json and adapter_model.safetensors, as either engine writes and reads them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, float32

from policy_torch.adapter import AdapterSettings, chosen_targets
from policy_torch.errors import CheckpointError

CONFIG_FILE, WEIGHTS_FILE = "adapter_config.json", "adapter_model.safetensors"
#: What PEFT writes before the names of the model's own tensors.
PREFIX = "base_model.model."

#: Keys whose presence with any other value changes what the adapter does.
_SUPPORTED: dict[str, list[Any]] = {
    "bias": ["none"],
    "fan_in_fan_out": [False],
    "use_dora": [False],
    "use_rslora": [False],
    "lora_bias": [False],
    "modules_to_save": [],
    "layers_to_transform": [],
    "layer_replication": [],
    "exclude_modules": [],
    "target_parameters": [],
    "trainable_token_indices": [],
    "alora_invocation_tokens": [],
    "use_qalora": [False],
    "use_bdlora": [],
}


def read_settings(folder: Path, maps: Sequence[str]) -> AdapterSettings:
    """The settings of a stored adapter of a model with those linear maps; raises CheckpointError naming file and key."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        raise CheckpointError("missing", str(file), "does not exist")
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise CheckpointError("invalid", str(file), f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise CheckpointError("invalid", str(file), "is not a JSON object")
    values: dict[str, Any] = {key: value for key, value in found.items() if value is not None}

    def fail(key: str, problem: str) -> CheckpointError:
        return CheckpointError("invalid", str(file), f"{key}: {problem}")

    if values.get("peft_type") != "LORA":
        raise fail("peft_type", f'{json.dumps(values.get("peft_type"))} is not supported; "LORA" is')
    for key, allowed in _SUPPORTED.items():
        if key in values and values[key] not in allowed:
            raise fail(key, f"{json.dumps(values[key])} is not supported")
    for key in ("rank_pattern", "alpha_pattern"):
        if values.get(key, {}) != {}:
            raise fail(key, f"{json.dumps(values[key])} is not supported")
    for key, kinds, words in (("r", int, "positive whole number"), ("lora_alpha", (int, float), "positive number")):
        value = values.get(key)
        if value is None:
            raise fail(key, "is missing")
        if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
            raise fail(key, f"{json.dumps(value)} is not a {words}")
    named = values.get("target_modules")
    names: list[Any] = list(maps) if named == "all-linear" else named if isinstance(named, list) else [named]
    for name in names:
        if not isinstance(name, str) or name.rpartition(".")[2] not in maps:
            raise fail("target_modules", f"{json.dumps(name)} is not one of {', '.join(maps)}")
    if not names:
        raise fail("target_modules", "is empty")
    # PEFT may write where each matrix lies, layer by layer; that none is left out, the tensors tell.
    targets = chosen_targets([name.rpartition(".")[2] for name in names], maps)
    return AdapterSettings(values["r"], float(values["lora_alpha"]), targets)


def read_factors(folder: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The factors of a stored adapter, in float32; raises CheckpointError for a tensor that is not as `shapes` says."""
    file = folder / WEIGHTS_FILE
    if not file.is_file():
        raise CheckpointError("missing", str(file), "does not exist")
    try:
        with safe_open(file, framework="pt") as stored:
            found = {name: list(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
            for name, shape in shapes.items():
                if PREFIX + name not in found:
                    raise _wrong(file, PREFIX + name, f"is missing; expected shape {list(shape)}")
                if found[PREFIX + name] != list(shape):
                    problem = f"expected shape {list(shape)}, found {found[PREFIX + name]}"
                    raise _wrong(file, PREFIX + name, problem)
            for name in found:
                if name.removeprefix(PREFIX) not in shapes:
                    raise _wrong(file, name, "is not a tensor of this model")
            return {name: stored.get_tensor(PREFIX + name).to(float32) for name in shapes}
    except SafetensorError as error:
        raise CheckpointError("invalid", str(file), f"cannot be read: {error}") from error


def config_text(settings: AdapterSettings, base_model: str) -> str:
    """adapter_config.json of an adapter."""
    alpha = settings.alpha
    values = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_model,
        "r": settings.rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": 0,
        "target_modules": list(settings.targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "layers_to_transform": None,
        "rank_pattern": {},
        "alpha_pattern": {},
    }
    return json.dumps(values, indent=2) + "\n"


def _wrong(file: Path, tensor: str, problem: str) -> CheckpointError:
    return CheckpointError("invalid", str(file), f'tensor "{tensor}": {problem}')
