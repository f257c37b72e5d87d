"""The weights that a policy began with, as a checksum: part of its state, since teachers go by them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from torch import Tensor

_QKV = [f"self_attn.{each}_proj" for each in "qkv"]
_GATED = ["mlp.gate_proj", "mlp.up_proj"]

#: Tensors of a layer in the order of `modelTensors` in libs/engine, by which both engines take the checksum.
_LAYER = [
    "input_layernorm.weight",
    *(f"{each}.weight" for each in _QKV),
    *(f"{each}.bias" for each in _QKV),
    "self_attn.q_norm.weight",
    "self_attn.k_norm.weight",
    "self_attn.o_proj.weight",
    "self_attn.o_proj.bias",
    "post_attention_layernorm.weight",
    *(f"{each}.weight" for each in _GATED),
    *(f"{each}.bias" for each in _GATED),
    "mlp.down_proj.weight",
    "mlp.down_proj.bias",
    "post_feedforward_layernorm.weight",
]
_PLACES = {name: place for place, name in enumerate(_LAYER)}


def initial_sha256(named: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 over all weights as little-endian float32, one tensor after the other."""
    digest = hashlib.sha256()
    for _, tensor in sorted(named, key=lambda each: _place(each[0])):
        digest.update(tensor.detach().float().cpu().contiguous().numpy().reshape(-1).data.cast("B"))
    return digest.hexdigest()


def _place(name: str) -> tuple[int, int, int, str]:
    """Embedding, layers, last norm, head; what the embedded engine does not know follows by name."""
    layered = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", name)
    if layered:
        return 1, int(layered[1]), _PLACES.get(layered[2], len(_LAYER)), name
    order = {"model.embed_tokens.weight": 0, "model.norm.weight": 2, "lm_head.weight": 3}
    return order.get(name, 4), 0, 0, name
