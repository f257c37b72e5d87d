"""The model on its device: whole, or sharded by FSDP2 over a group, with an adapter inside or without."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from policy_torch import adapter, peft_folder
from policy_torch.adapter import Adapter, AdapterSettings, AdapterSource, FreshAdapter, StoredAdapter
from policy_torch.architecture import (
    LanguageModel,
    PolicyModel,
    card_of,
    layers_of,
    read_model,
    require_known_head,
    sharing_width,
)
from policy_torch.group import Group
from policy_torch.head import Head
from policy_torch.initial import initial_sha256
from policy_torch.ledger import CountedAllGather, CountedReduceScatter, Ledger
from policy_torch.weights import Parameters

T = TypeVar("T")

#: Attention of which a position's past is a matter of distance alone, so that rows of a cache may be shifted.
SHIFTABLE = {"full_attention", "sliding_attention"}


@dataclass(frozen=True)
class ModelOptions:
    """How a model is loaded."""

    folder: Path
    device: torch.device
    #: Type in which matrices are multiplied; weights, gradients and the objective are float32 whatever it is.
    compute: torch.dtype = torch.float32
    #: Keeps each layer's input alone for the backward pass, and computes the rest again.
    recompute_layers: bool = False
    #: Trained in place of all weights.
    adapter: AdapterSource | None = None


class LoadedModel:
    """A model on its device, with what is known of it."""

    def __init__(self, options: ModelOptions, group: Group) -> None:
        self.options, self.group = options, group
        self.device = options.device
        self.ledger = Ledger()
        language_model = read_model(options.folder)
        self.config = language_model.config
        module = PolicyModel(language_model)
        require_known_head(module, options.folder)
        #: Width by which to weigh whether completions share a prompt's reading; None where the architecture cannot.
        self.sharing_width = sharing_width(module)
        named = _named_parameters(module)
        self.card = card_of(options.folder, language_model, sum(each.numel() for _, each in named))
        #: On rank 0, of the weights that training begins with; None where an adapter that moves them is merged in, whose
        #: product no two engines round alike.
        self.initial_sha256: str | None = None
        if group.rank == 0 and not isinstance(options.adapter, StoredAdapter):
            self.initial_sha256 = initial_sha256(named)
        settings = None if options.adapter is None else _adapt(module, options.adapter)
        if options.recompute_layers:
            _recompute_layers(language_model)
        self.sharded = group.size > 1 or options.compute != torch.float32
        self.module = _shard(module, options, group, self.ledger) if self.sharded else module.to(options.device)
        named = _named_parameters(self.module)
        #: The model's own, without those of an adapter.
        self.parameters = Parameters([each for each in named if not adapter.is_factor(each[0])])
        self.adapter: Adapter | None = None
        if settings is not None:
            factors = Parameters([each for each in named if adapter.is_factor(each[0])])
            self.adapter = Adapter(settings, self.module, self.parameters, factors)
        self._gathered = False

    @property
    def trained(self) -> Parameters:
        """What the optimizer moves: the factors of the adapter, or all weights."""
        return self.parameters if self.adapter is None else self.adapter.factors

    @property
    def can_generate(self) -> bool:
        return set(getattr(self.config.get_text_config(), "layer_types", None) or SHIFTABLE) <= SHIFTABLE

    def run(self, work: Callable[[PolicyModel], T]) -> T:
        """Runs `work` with the root's parameters gathered."""
        return self.module(work)

    def head_copy(self) -> Head:
        """The head for use outside `run`: over the model's memory, or gathered from all shards in the compute type."""
        if not self.sharded:
            return self.module.head().detached()
        self.scatter()
        output = self.module.language_model.get_output_embeddings()
        bias = getattr(output, "bias", None)
        return Head(
            self._whole(output.weight), None if bias is None else self._whole(bias), self.module.scale, self.module.cap
        )

    def _whole(self, sharded: Any) -> Tensor:
        shape, compute = sharded.shape, self.options.compute
        return self.ledger.perform(
            lambda: sharded.detach().to(compute).full_tensor(),
            lambda: torch.zeros(shape, dtype=compute, device=self.device),
        )

    @property
    def to_gather(self) -> int:
        """Elements that `gather` brings together on every rank; 0 where it does nothing."""
        return self.parameters.count if self.sharded and not self._gathered else 0

    def gather(self) -> None:
        """Keeps all parameters gathered on every rank until `scatter`, so that forward passes need no other rank."""
        if not self.sharded or self._gathered:
            return
        for each in self._shards():
            each.set_reshard_after_forward(False, recurse=False)
            each.unshard()
        self._gathered = True

    def scatter(self) -> None:
        """Leaves every rank its shards alone; needed before any weight is changed."""
        if not self.sharded:
            return
        for each in self._shards():
            each.set_reshard_after_forward(True, recurse=False)
            each.reshard()
        self._gathered = False

    def abandon(self) -> None:
        """Forgets a pass that an error broke off."""
        if self.sharded:
            root: Any = self.module
            root.reset_iter_state()
        self.trained.clear_gradients()
        self.scatter()

    def _shards(self) -> list[FSDPModule]:
        return [each for each in self.module.modules() if isinstance(each, FSDPModule)]


def _named_parameters(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [
        (adapter.plain_name(name.removeprefix("language_model.")), each) for name, each in module.named_parameters()
    ]


def _adapt(module: PolicyModel, source: AdapterSource) -> AdapterSettings:
    """Puts a new or a stored adapter into the model."""
    maps = adapter.linear_maps(layers_of(module))
    if isinstance(source, FreshAdapter):
        settings = AdapterSettings(source.rank, source.alpha, adapter.chosen_targets(source.targets, maps))
        adapter.inject(module.language_model, settings)
        adapter.fill(module.language_model, source)
        return settings
    settings = peft_folder.read_settings(source.folder, maps)
    adapter.inject(module.language_model, settings)
    shapes = {name: tuple(each.shape) for name, each in _named_parameters(module) if adapter.is_factor(name)}
    adapter.fill(module.language_model, peft_folder.read_factors(source.folder, shapes))
    return settings


def _recompute_layers(model: LanguageModel) -> None:
    model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()  # layers are recomputed in training mode alone; there is no dropout


def _shard(module: PolicyModel, options: ModelOptions, group: Group, ledger: Ledger) -> PolicyModel:
    """Shards every layer, and the rest with the root: float32 shards, gathered in the compute type, reduced in float32."""
    mesh = group.mesh(options.device)
    precision = MixedPrecisionPolicy(param_dtype=options.compute, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for layer in layers_of(module):
        fully_shard(layer, mesh=mesh, mp_policy=precision)
    fully_shard(module, mesh=mesh, mp_policy=precision)
    for each in module.modules():
        if isinstance(each, FSDPModule):
            # Token scales look at the whole mini-batch: gradients of ranks are summed, not averaged.
            each.set_gradient_divide_factor(1.0)
            each.set_force_sum_reduction_for_comms(True)  # Gloo knows no other
            each.set_custom_all_gather(CountedAllGather(ledger))  # type: ignore[arg-type] # its base class is private
            each.set_custom_reduce_scatter(CountedReduceScatter(ledger))  # type: ignore[arg-type]
    return module


def engine_version() -> str:
    return f"{torch.__version__} (transformers {transformers.__version__})"


def quiet_libraries() -> None:
    """Libraries below say what matters by errors; their progress bars and notices would break the log's lines."""
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("torch").setLevel(logging.ERROR)


def device_of(name: str, local_rank: int) -> torch.device:
    """`auto` is the GPU of this rank where there is one; raises ValueError when it has none and must."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise ValueError(f"rank {local_rank} of this machine needs a GPU; PyTorch sees {torch.cuda.device_count()}")
        torch.cuda.set_device(local_rank)
        return torch.device("cuda", local_rank)
    return torch.device(name)


def compute_type(name: str, device: torch.device) -> torch.dtype:
    """`auto` is bfloat16 on a GPU and float32 elsewhere."""
    types: dict[str, Any] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    return types["bfloat16" if device.type == "cuda" else "float32"] if name == "auto" else types[name]
