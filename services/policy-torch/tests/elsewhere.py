"""A device that is none: tensors that say they are elsewhere, compute on the CPU, and mix with the CPU's as little as a GPU's do.

They call themselves `meta`, whose tensors autograd takes along without a driver. What would make the CPU wait for a GPU is counted.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

ELSEWHERE = torch.device("meta")


class Mixed(AssertionError):
    """One operator met tensors of both devices."""


class Remote(Tensor):
    """A tensor elsewhere, over the CPU's tensor `near`."""

    near: Tensor

    @staticmethod
    def __new__(cls: type[Remote], near: Tensor) -> Remote:
        self: Remote = Tensor._make_wrapper_subclass(
            cls,
            near.size(),
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=ELSEWHERE,
            requires_grad=near.requires_grad,
        )
        self.near = near.detach()
        return self

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override] # an operator alone comes with neither
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return perform(func, args, kwargs or {})

    @property
    def data(self) -> Tensor:
        return Remote(self.near)

    @data.setter
    def data(self, value: Tensor) -> None:
        assert isinstance(value, Remote)
        self.near = value.near

    def numpy(self, **_: Any) -> Any:
        raise Mixed("numpy reads a tensor that is elsewhere")


class Device(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside it, `ELSEWHERE` is a device; `waits` counts what has come back from it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []
        self._makers = _Makers()

    def __enter__(self) -> Device:
        # A module that is sent here keeps its parameters' identity, and so which are tied, as on a GPU.
        torch.__future__.set_swap_module_params_on_conversion(True)
        self._makers.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        self._makers.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        torch.__future__.set_swap_module_params_on_conversion(False)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return perform(func, args, kwargs or {}, self.waits)


class _Makers(TorchFunctionMode):
    """`torch.tensor` makes nothing of numbers for a device `meta`: here they are sent there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and kwargs.get("device") == ELSEWHERE:
            del kwargs["device"]
            return Remote(func(*args, **kwargs))
        return func(*args, **kwargs)


#: Operators that take tensors of both devices.
TRANSFERS = ("aten::copy_", "aten::_to_copy")
#: Those that tell the CPU numbers, or shapes that depend on them.
READERS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::unique", "aten::equal")


def perform(func: Any, args: Any, kwargs: dict[str, Any], waits: list[str] | None = None) -> Any:
    """An operator on the CPU's memory; its results are where its tensors are, or where it is told to put them."""
    name = func._schema.name
    tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
    remote = [each for each in tensors if isinstance(each, Remote)]
    told = kwargs.get("device")
    if remote and name not in TRANSFERS:
        near = [each for each in tensors if not isinstance(each, Remote) and each.dim() > 0]
        if near:
            raise Mixed(f"{name} meets {[tuple(each.shape) for each in near]} of the CPU")
        masks = name.startswith("aten::index") and any(each.dtype == torch.bool for each in remote[1:])
        if waits is not None and (name in READERS or masks):
            waits.append(name)
    there = bool(remote) if told is None else torch.device(told) == ELSEWHERE
    if name == "aten::copy_":
        there = isinstance(args[0], Remote)
    if waits is not None and remote and not there and name in TRANSFERS:
        waits.append(name)
    known = {id(each.near): each for each in remote} | {id(each): each for each in tensors}
    if told is not None and torch.device(told) == ELSEWHERE:
        kwargs = kwargs | {"device": torch.device("cpu")}
    lowered = tree_map(lambda each: each.near if isinstance(each, Remote) else each, (args, kwargs))
    result = func(*lowered[0], **lowered[1])

    def placed(each: Any) -> Any:
        if not isinstance(each, Tensor) or not there:
            return known.get(id(each), each) if isinstance(each, Tensor) else each
        found = known.get(id(each))
        return Remote(each) if found is None else found

    return tree_map(placed, result)
