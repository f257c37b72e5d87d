"""The ranks that hold one policy together: rank 0 serves, all of them work. One process alone is a group of one."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

#: Through which a tensor travels: 256 MiB.
_PIECE_BYTES = 2**28


class Group:
    """Agreement between ranks, over the CPU; every method is called by all of them in the same order."""

    def __init__(self, rank: int = 0, size: int = 1, control: Any = None) -> None:
        self.rank, self.size = rank, size
        self._control = control

    @staticmethod
    def join(device: torch.device, timeout_s: float) -> Group:
        """Joins the group that torchrun started this process in; without torchrun there is nobody else."""
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return Group()
        timeout = timedelta(seconds=timeout_s)
        dist.init_process_group(_backend(device), timeout=timeout)
        return Group(dist.get_rank(), size, dist.new_group(backend="gloo", timeout=timeout))

    def mesh(self, device: torch.device) -> DeviceMesh:
        """All ranks in one dimension."""
        if not dist.is_initialized():
            dist.init_process_group(_backend(device), store=HashStore(), rank=0, world_size=1)
        return init_device_mesh(device.type, (self.size,))

    def broadcast(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._control)
        return box[0]

    def spread(self, whole: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Rank 0's tensor of that shape and type on every rank; the others give None."""
        if whole is None:
            whole = torch.empty(shape, dtype=dtype)
        if self.size > 1:
            data = whole.view(-1).view(torch.uint8)
            for begin in range(0, len(data), _PIECE_BYTES):
                dist.broadcast(data[begin : begin + _PIECE_BYTES], src=0, group=self._control)
        return whole

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, by rank; the same list everywhere."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self._control)
        return values

    def most(self, value: int) -> int:
        """The largest of the ranks' values."""
        if self.size == 1:
            return value
        box = torch.tensor(value)
        dist.all_reduce(box, op=dist.ReduceOp.MAX, group=self._control)
        return int(box)

    def total(self, value: float) -> float:
        """The sum of the ranks' values, in float64."""
        if self.size == 1:
            return value
        box = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(box, group=self._control)
        return float(box)

    def leave(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


def _backend(device: torch.device) -> str:
    return "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
