"""The architecture: any decoder that transformers loads, with its head apart, and what has to be known of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from policy_torch.batches import Continuation, MicroBatch, assemble
from policy_torch.errors import CheckpointError, UnsupportedError
from policy_torch.head import Head

T = TypeVar("T")

#: What transformers loads: it has no type of its own that says what is used here.
LanguageModel = Any


class PolicyModel(nn.Module):
    """A causal language model whose head is applied by the caller.

    Everything is computed inside `forward`, which runs what it is given: so the parameters of the root (embedding, last norm,
    head) are gathered around it when the model is sharded.
    """

    def __init__(self, language_model: LanguageModel) -> None:
        super().__init__()
        self.language_model: LanguageModel = language_model
        config = language_model.config.get_text_config()
        self.scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )
        self.cap: float | None = getattr(config, "final_logit_softcapping", None)

    def forward(self, work: Callable[[PolicyModel], T]) -> T:
        return work(self)

    def head(self) -> Head:
        """The projection to logits; to be used inside `forward`."""
        output = self.language_model.get_output_embeddings()
        return Head(output.weight, getattr(output, "bias", None), self.scale, self.cap)

    def hidden(self, batch: MicroBatch) -> Tensor:
        """Final hidden states that predict the completion tokens. Shape [N, D].

        Rows are padded on the right, where a causal model does not look, so only rows that share a prompt need a mask.
        """
        inputs: dict[str, Any] = {"input_ids": batch.ids, "use_cache": False}
        if batch.positions is not None:
            dtype = self.language_model.get_input_embeddings().weight.dtype
            inputs |= {"position_ids": batch.positions, "attention_mask": batch.mask(dtype)}
        states = self.language_model.base_model(**inputs).last_hidden_state  # [B, T, D]
        return states.flatten(0, 1).index_select(0, batch.rows)


@dataclass(frozen=True)
class ModelCard:
    """What a caller must know of a model."""

    name: str
    #: config.json `model_type`.
    architecture: str
    parameter_count: int
    vocabulary_size: int
    #: Longest prompt plus completion, in tokens.
    context_window: int
    stop_ids: list[int]


def read_model(folder: Path) -> LanguageModel:
    """The language model in float32 on the CPU, without dropout."""
    config = folder / "config.json"
    if not config.is_file():
        raise CheckpointError("missing", str(config), "does not exist")
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    except Exception as error:
        raise CheckpointError("invalid", str(folder), f"cannot be loaded: {_first_line(error)}") from error
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
    return model.eval()


def layers_of(module: PolicyModel) -> Sequence[nn.Module]:
    count = module.language_model.config.get_text_config().num_hidden_layers
    lists = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each) == count]
    if not lists:
        raise UnsupportedError("SHARDING", f"No list of {count} layers was found in the model.")
    return list(lists[0])


@torch.no_grad()
def require_known_head(module: PolicyModel, folder: Path) -> None:
    """The head apart must give what the architecture itself gives: else logits are made in a way unknown here."""
    ids = torch.arange(4)[None]
    expected = module.language_model(input_ids=ids).logits  # [1, 4, V]
    states = module.language_model.base_model(input_ids=ids).last_hidden_state
    found = module.head().logits(states[0])
    if found.shape != expected[0].shape or not torch.allclose(found, expected[0].float(), rtol=1e-4, atol=1e-4):
        raise UnsupportedError(
            "ARCHITECTURE",
            f"{folder}: {module.language_model.config.model_type} forms logits in a way that is unknown here.",
        )


@torch.no_grad()
def sharing_width(module: PolicyModel) -> int | None:
    """Whether two completions in one row behind their prompt give what each gives alone: not where attention goes by place."""
    # Long enough to be attended to apart.
    both = [Continuation([1, 2, 3, 4, 5, 6], [each, *range(2, 10), 6, 7, 8]) for each in (7, 5)]
    cpu = torch.device("cpu")
    alone = torch.cat([module.hidden(assemble(both, [[item]], cpu)) for item in (0, 1)])
    try:
        together = module.hidden(assemble(both, [[0, 1]], cpu))
    except (RuntimeError, TypeError, ValueError):
        return None
    sliding = set(getattr(module.language_model.config.get_text_config(), "layer_types", None) or []) - {
        "full_attention"
    }
    same = torch.allclose(alone, together, rtol=1e-3, atol=1e-4)
    return alone.shape[1] if same and not sliding else None


def card_of(folder: Path, model: LanguageModel, parameter_count: int) -> ModelCard:
    config = model.config.get_text_config()
    return ModelCard(
        folder.resolve().name,
        model.config.model_type,
        parameter_count,
        model.get_output_embeddings().weight.shape[0],
        int(config.max_position_embeddings),
        _stop_ids(folder),
    )


def _stop_ids(folder: Path) -> list[int]:
    """generation_config.json's `eos_token_id`, else config.json's."""
    for name in ("generation_config.json", "config.json"):
        file = folder / name
        ids = json.loads(file.read_text()).get("eos_token_id") if file.is_file() else None
        if ids is not None:
            return list(ids) if isinstance(ids, list) else [int(ids)]
    return []


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
