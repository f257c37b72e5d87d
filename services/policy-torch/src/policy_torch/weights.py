"""Weight sets: float32 tensors laid out like a model's parameters, each rank holding its shards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

#: This rank's part of every parameter, in their order.
WeightSet = list[Tensor]

#: Through which shards are exchanged: 64 MiB of float32.
_BUFFER_ELEMENTS = 2**24


class Parameters:
    """A model's parameters by their Hugging Face names, tied ones once; whole or sharded over ranks."""

    def __init__(self, named: list[tuple[str, nn.Parameter]]) -> None:
        self.names = [name for name, _ in named]
        self.shapes = [tuple(parameter.shape) for _, parameter in named]
        self._parameters = [parameter for _, parameter in named]

    @property
    def count(self) -> int:
        """Elements of all parameters together."""
        return sum(parameter.numel() for parameter in self._parameters)

    def subset(self, names: list[str]) -> Parameters:
        """Some of them, in the order of their names as given."""
        places = [self.names.index(name) for name in names]
        return Parameters([(self.names[place], self._parameters[place]) for place in places])

    def local(self) -> WeightSet:
        """This rank's part, over the memory that the model computes with."""
        return [_local(parameter).detach() for parameter in self._parameters]

    def gradients(self) -> WeightSet:
        """This rank's part of the gradient; zeros where no loss reached a parameter."""
        parts: WeightSet = []
        for parameter in self._parameters:
            gradient = parameter.grad
            parts.append(torch.zeros_like(_local(parameter)) if gradient is None else _local(gradient))
        return parts

    def clear_gradients(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    def copy(self, device: torch.device | None = None) -> WeightSet:
        """This rank's part in memory of its own."""
        return [part.to(device, copy=True) if device else part.clone() for part in self.local()]

    @torch.no_grad()
    def assign(self, weights: WeightSet) -> None:
        for part, value in zip(self.local(), weights, strict=True):
            part.copy_(value)

    @contextmanager
    def exchanged(self, weights: WeightSet | None) -> Iterator[None]:
        """The model computes with other weights inside; None leaves its own."""
        if weights is None:
            yield
            return
        self._exchange(weights)
        try:
            yield
        finally:
            self._exchange(weights)

    @torch.no_grad()
    def _exchange(self, weights: WeightSet) -> None:
        # Of one size, and allocated first: memory that runs out half-way would leave two sets mixed.
        buffer: Tensor | None = None
        if any(isinstance(parameter, DTensor) for parameter in self._parameters):
            buffer = torch.empty(_BUFFER_ELEMENTS, device=self._parameters[0].device)
        for index, parameter in enumerate(self._parameters):
            if buffer is not None:
                # FSDP keeps pointers into the shard: its content is exchanged.
                _exchange_content(_local(parameter), weights[index], buffer)
            else:
                parameter.data, weights[index] = weights[index], parameter.data

    def whole(self, index: int, part: Tensor) -> Tensor:
        """A whole tensor from the ranks' parts; all ranks call it together."""
        parameter = self._parameters[index]
        if not isinstance(parameter, DTensor):
            return part
        sharded = DTensor.from_local(
            part, parameter.device_mesh, parameter.placements, shape=parameter.shape, stride=parameter.stride()
        )
        return sharded.full_tensor()

    def part(self, index: int, whole: Tensor) -> Tensor:
        """This rank's part of a whole tensor that every rank has, in memory of its own."""
        parameter = self._parameters[index]
        if not isinstance(parameter, DTensor):
            return whole.to(parameter.device, torch.float32, copy=True)
        on_device = whole.to(parameter.device, torch.float32)
        sharded = distribute_tensor(on_device, parameter.device_mesh, parameter.placements, src_data_rank=None)
        return _local(sharded).clone()


def _exchange_content(one: Tensor, other: Tensor, buffer: Tensor) -> None:
    if one.data_ptr() == other.data_ptr():
        return
    first, second = one.view(-1), other.view(-1)
    for begin in range(0, first.numel(), buffer.numel()):
        piece = slice(begin, begin + buffer.numel())
        saved = buffer[: first[piece].numel()].copy_(first[piece])
        first[piece].copy_(second[piece])
        second[piece].copy_(saved)


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
