"""Attention of rows in which several completions share their prompt: each reads the prompt and itself, its siblings cost nothing.

A mask over whole rows would have every token compared with all of its row. It is still what a model is given, for
architectures that do something else with it; where it reaches attention as it was made, it tells where the branches lie, and
prompts and completions are attended to apart.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


class Branches:
    """Where prompts and completions lie in B rows of T tokens: M completions of at most N read tokens, prompts of at most P."""

    def __init__(self, prompt_lengths: list[int], completions: list[tuple[int, int, int]], width: int) -> None:
        """Prompt lengths by row; of each completion the row, its first column, and the tokens that are read. T is `width`."""
        self.width = width
        self.prompts = min(width, _rounded(max(prompt_lengths)))
        self.tokens = _rounded(max((count for _, _, count in completions), default=0))
        rows, begins, counts = torch.tensor(completions, dtype=torch.long).view(-1, 3).unbind(1)  # [M] each
        steps = torch.arange(self.tokens)
        self._read = steps < counts[:, None]  # [M, N]
        self._parents = rows
        self._prompt_lengths = torch.tensor(prompt_lengths)[rows]  # [M]
        #: Flat positions of the completions' tokens; any position pads. Shape [M, N].
        self._places = torch.where(self._read, rows[:, None] * width + begins[:, None] + steps, 0)
        #: Where each token of the rows finds what was attended to for it, prompts before completions. Shape [B, T].
        columns = torch.arange(width).clamp(max=self.prompts - 1)
        origin = torch.arange(len(prompt_lengths))[:, None] * self.prompts + columns
        found = len(prompt_lengths) * self.prompts + torch.arange(self._places.numel()).view_as(self._places)
        self._origin = origin.flatten().index_put((self._places[self._read],), found[self._read])
        self._masks: dict[tuple[int, torch.dtype], Tensor] = {}

    @property
    def pairs(self) -> int:
        """Pairs of tokens that are compared, those that a mask hides included."""
        rows = len(self._origin) // self.width
        return rows * self.prompts**2 // 2 + self._places.numel() * (self.prompts + self.tokens)

    def to(self, device: torch.device) -> Branches:
        for name in ("_read", "_parents", "_prompt_lengths", "_places", "_origin"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float | None) -> Tensor:
        """Shapes [B, H, T, D] of queries and [B, h, T, D] of keys and values, to [B, T, H, D]."""
        heads, sharing = query.shape[1], query.shape[1] // key.shape[1]
        prompts = slice(self.prompts)
        before = scaled_dot_product_attention(
            query[:, :, prompts],
            key[:, :, prompts],
            value[:, :, prompts],
            is_causal=True,
            scale=scale,
            enable_gqa=sharing > 1,
        )  # [B, H, P, D]
        # Heads that share keys read them together, as further queries of one head.
        own = self._of_completions(query)  # [M, N, H, D]
        own = own.view(*own.shape[:2], -1, sharing, own.shape[-1])  # [M, N, h, H/h, D]
        own = own.permute(0, 2, 3, 1, 4).flatten(2, 3)  # [M, h, H/h N, D]
        after = scaled_dot_product_attention(
            own,
            self._with_prompts(key),
            self._with_prompts(value),
            attn_mask=self._mask(sharing, query.dtype),
            scale=scale,
        )  # [M, h, H/h N, D]
        after = after.reshape(len(self._parents), heads, self.tokens, -1).transpose(1, 2)  # [M, N, H, D]
        both = torch.cat([before.transpose(1, 2).flatten(0, 1), after.flatten(0, 1)])  # [B P + M N, H, D]
        return both.index_select(0, self._origin).view(-1, self.width, heads, both.shape[-1])

    def _of_completions(self, each: Tensor) -> Tensor:
        """Shape [B, H, T, D] to [M, N, H, D]."""
        flat = each.transpose(1, 2).flatten(0, 1)  # [B T, H, D]
        return flat.index_select(0, self._places.flatten()).view(-1, self.tokens, *flat.shape[1:])

    def _with_prompts(self, each: Tensor) -> Tensor:
        """Each completion's tokens behind those of its prompt. Shape [B, h, T, D] to [M, h, P + N, D]."""
        prompts = each[:, :, : self.prompts].transpose(1, 2).index_select(0, self._parents)  # [M, P, h, D]
        return torch.cat([prompts, self._of_completions(each)], dim=1).transpose(1, 2)

    def _mask(self, sharing: int, dtype: torch.dtype) -> Tensor:
        """What is added to the scores of completions, the same in all layers. Shape [M, 1, H/h N, P + N]."""
        mask = self._masks.get((sharing, dtype))
        if mask is None:
            device, count = self._read.device, len(self._parents)
            prompt = torch.arange(self.prompts, device=device) < self._prompt_lengths[:, None]  # [M, P]
            causal = torch.ones(self.tokens, self.tokens, dtype=torch.bool, device=device).tril()
            seen = torch.cat(
                [prompt[:, None].expand(-1, self.tokens, -1), causal.expand(count, -1, -1)], dim=2
            )  # [M, N, P + N]; what lies behind a completion's end is later than all that is asked for
            mask = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill_(~seen, torch.finfo(dtype).min)
            mask = mask.repeat(1, sharing, 1)[:, None]
            self._masks[sharing, dtype] = mask
        return mask


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, Tensor | None]:
    """transformers' attention by PyTorch, and by branches where the mask says where they lie."""
    branches: Branches | None = getattr(attention_mask, "branches", None)
    plain = options.get("softcap") is None and options.get("position_bias") is None and not options.get("dropout")
    if branches is None or not plain or branches.width != key.shape[2]:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return branches.attend(query, key, value, options.get("scaling")), None


def _rounded(length: int) -> int:
    """Up to a multiple of 8, which kernels ask of a mask's rows."""
    return -(-length // 8) * 8


ALL_ATTENTION_FUNCTIONS.register("sdpa", attention)
