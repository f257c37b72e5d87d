"""Exports: the student as a Hugging Face folder, an adapter merged in, or its adapter in PEFT layout."""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

from policy_torch.errors import UnsupportedError
from policy_torch.files import together, write_new, write_set
from policy_torch.peft_folder import CONFIG_FILE, PREFIX, WEIGHTS_FILE, config_text
from policy_torch.policy import Policy

#: Text files that an export copies, verbatim.
TEXT_FILES = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
]


def export(policy: Policy, folder: Path, adapter: bool) -> str:
    """Writes the student with the model's own texts, or its adapter alone; returns the folder. All ranks call it together.

    Files are written beside and renamed, so that one of an earlier export is replaced whole or not at all.
    """
    if adapter and policy.model.adapter is None:
        raise UnsupportedError("PEFT_EXPORT", "The policy trains no adapter that could be exported.")
    policy.model.scatter()
    temporary = folder / f".writing-{secrets.token_hex(6)}"
    work = _write_adapter if adapter else _write_model
    undo = lambda: shutil.rmtree(temporary, ignore_errors=True)  # noqa: E731
    return together(policy.model.group, folder, lambda: work(policy, folder, temporary), undo)


def _write_model(policy: Policy, folder: Path, temporary: Path) -> str:
    whole = policy.parameters, policy.whole_set(policy.student())
    write_set(policy.model.group, temporary / "model.safetensors", whole, {"format": "pt"})
    if policy.model.group.rank != 0:
        return str(folder)
    source = policy.model.options.folder
    config = json.loads((source / "config.json").read_text())
    config["dtype" if "dtype" in config else "torch_dtype"] = "float32"
    write_new(temporary / "config.json", [(json.dumps(config, indent=2) + "\n").encode()])
    for name in TEXT_FILES:
        if (source / name).is_file():
            write_new(temporary / name, [(source / name).read_bytes()])
    for file in temporary.iterdir():
        file.rename(folder / file.name)
    # The index of a sharded model would hide the file just written.
    (folder / "model.safetensors.index.json").unlink(missing_ok=True)
    temporary.rmdir()
    return str(folder)


def _write_adapter(policy: Policy, folder: Path, temporary: Path) -> str:
    model = policy.model
    assert model.adapter is not None
    factors = model.adapter.factors
    write_set(policy.model.group, temporary / WEIGHTS_FILE, (factors, factors.local()), {"format": "pt"}, PREFIX)
    if model.group.rank == 0:
        text = config_text(model.adapter.settings, model.card.name)
        write_new(temporary / CONFIG_FILE, [text.encode()])
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            (temporary / name).rename(folder / name)
        temporary.rmdir()
    return str(folder)
