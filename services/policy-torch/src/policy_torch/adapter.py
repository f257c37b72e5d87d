"""A low-rank adapter (LoRA, arXiv 2106.09685): PEFT puts it into the model, whose own weights are frozen.

Each targeted matrix W computes as W + (alpha / rank) B A, of which A and B are trained. Shapes: W [out, in], A [rank, in],
B [out, rank]. A teacher that follows the student follows that product, never the factors: the mean of products is not the
product of means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from policy_torch.errors import UnsupportedError
from policy_torch.randomness import uniforms
from policy_torch.weights import Parameters, WeightSet

if TYPE_CHECKING:
    from policy_torch.group import Group

#: The matrices that are targeted unless others are named: those that the embedded engine knows, in storage order.
USUAL_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
#: PEFT's name of the one adapter.
_NAME = "default"


@dataclass(frozen=True)
class AdapterSettings:
    """An adapter's shape; there is no dropout."""

    rank: int
    #: Above 0.
    alpha: float
    #: Which matrices of every layer, by the last part of their names.
    targets: tuple[str, ...]

    @property
    def scale(self) -> float:
        """What multiplies B A."""
        return self.alpha / self.rank


@dataclass(frozen=True)
class FreshAdapter:
    """A new one, which changes nothing yet; no targets: the usual ones that the model has."""

    rank: int
    alpha: float
    targets: tuple[str, ...] = ()
    #: Draws its first factors.
    seed: int = 0


@dataclass(frozen=True)
class StoredAdapter:
    """One in a folder in PEFT layout, to go on with."""

    folder: Path


AdapterSource = FreshAdapter | StoredAdapter


class Adapter:
    """An adapter inside a model, its factors whole or sharded like the matrices that they adapt."""

    def __init__(self, settings: AdapterSettings, module: nn.Module, base: Parameters, factors: Parameters) -> None:
        self.settings, self.factors = settings, factors
        stems = [name.removesuffix(".lora_A.weight") for name in factors.names[::2]]
        #: The targeted matrices, in the order of their factors.
        self.matrices = base.subset([f"{stem}.weight" for stem in stems])
        self._layers = lora_layers(module)

    def merged(self, factors: WeightSet | None = None) -> Iterator[Tensor]:
        """This rank's part of W + (alpha / rank) B A, one targeted matrix after the other; all ranks iterate together.

        Rows of B are sharded as those of W are, so that only A has to be gathered. None: the factors as they are now.
        """
        with torch.no_grad():
            parts = self.factors.local() if factors is None else factors
            for number, base in enumerate(self.matrices.local()):
                down = self.factors.whole(2 * number, parts[2 * number])  # [rank, in]
                yield torch.addmm(base, parts[2 * number + 1], down, alpha=self.settings.scale)

    def changes_nothing(self, factors: WeightSet, group: Group) -> bool:
        """Whether every B is zero, as those of a fresh adapter."""
        return group.most(max((int(up.any()) for up in factors[1::2] if up.numel()), default=0)) == 0

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """The model computes with its own matrices alone inside; what they hold is the caller's matter."""
        for layer in self._layers:
            layer.scaling[_NAME] = 0.0
        try:
            yield
        finally:
            for layer in self._layers:
                layer.scaling[_NAME] = self.settings.scale


def linear_maps(layers: Sequence[nn.Module]) -> list[str]:
    """The last parts of the names of the layers' linear maps, the usual targets first."""
    found = {
        name.rpartition(".")[2]: None
        for layer in layers
        for name, each in layer.named_modules()
        if isinstance(each, nn.Linear)
    }
    usual = [name for name in USUAL_TARGETS if name in found]
    return [*usual, *(name for name in found if name not in usual)]


def chosen_targets(asked: Sequence[str], maps: Sequence[str]) -> tuple[str, ...]:
    """The targets in storage order; raises UnsupportedError for a name that the model does not have."""
    targets = [name for name in maps if name in asked] if asked else [name for name in maps if name in USUAL_TARGETS]
    unknown = [name for name in asked if name not in maps]
    if unknown or not targets:
        named = ", ".join(unknown) or "none of the usual ones"
        told = f"adapter.targets: must be among {', '.join(maps)}, are {named}"
        raise UnsupportedError("ADAPTER_TARGETS", told)
    return tuple(targets)


def inject(language_model: Any, settings: AdapterSettings) -> None:
    """Freezes the model and puts an adapter into it, in float32."""
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds to load

    language_model.requires_grad_(False)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        target_modules=list(settings.targets),
        lora_dropout=0.0,
        bias="none",
    )
    inject_adapter_in_model(config, language_model)


def lora_layers(module: nn.Module) -> list[Any]:
    """The adapted linear maps of a model, in storage order."""
    from peft.tuners.lora import LoraLayer

    return [each for each in module.modules() if isinstance(each, LoraLayer)]


@torch.no_grad()
def fill(language_model: Any, source: FreshAdapter | dict[str, Tensor]) -> None:
    """Gives the factors their first values: stored ones, by name, or fresh ones.

    Fresh: B is zero and A uniform in +-1 / sqrt(in), as PEFT begins, from the numbers that the embedded engine draws.
    """
    if isinstance(source, dict):
        for name, parameter in language_model.named_parameters():
            if is_factor(name):
                parameter.copy_(source[plain_name(name)])
        return
    for stream, layer in enumerate(lora_layers(language_model)):
        down = layer.lora_A[_NAME].weight
        drawn = torch.from_numpy(2 * uniforms(source.seed, down.numel(), stream) - 1)
        down.copy_((drawn * (1 / math.sqrt(down.shape[1]))).view_as(down))
        layer.lora_B[_NAME].weight.zero_()


def is_factor(name: str) -> bool:
    return ".lora_A." in name or ".lora_B." in name


def plain_name(name: str) -> str:
    """A parameter's name without what PEFT adds: that of a model without an adapter, or of a factor as it is stored."""
    return name.replace(".base_layer.", ".").replace(f".{_NAME}.weight", ".weight")
