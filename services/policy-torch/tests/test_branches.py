"""Attention by branches: what a mask over whole rows gives, without comparing siblings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from policy_torch.batches import Continuation, MicroBatch, assemble
from policy_torch.branches import attention

CPU = torch.device("cpu")


def batch() -> MicroBatch:
    """Two groups, with a completion of one token, of which none is read, and a row of one completion."""
    prompts = [list(range(20)), [2] * 9, [3] * 5]
    lengths = [(0, 25), (0, 21), (0, 1), (1, 12), (1, 18), (2, 20)]
    continuations = [Continuation(prompts[prompt], [7] * length) for prompt, length in lengths]
    return assemble(continuations, [[0, 1, 2], [3, 4], [5]], CPU)


def attended(given: MicroBatch, mask: Tensor, sharing: int) -> list[Tensor]:
    """What attention gives where there are tokens, and its gradients by queries, keys and values."""
    source = torch.Generator().manual_seed(1)
    rows, width = given.ids.shape

    def drawn(heads: int) -> Tensor:
        return torch.randn(rows, heads, width, 8, generator=source, dtype=mask.dtype)

    query, key, value = (drawn(heads).requires_grad_() for heads in (2 * sharing, 2, 2))
    module = SimpleNamespace(num_key_value_groups=sharing, is_causal=True)
    found, _ = attention(module, query, key, value, mask, scaling=0.3)
    assert given.branches is not None
    found = found * (given.branches >= 0)[..., None, None]
    torch.autograd.backward((found * torch.randn(found.shape, generator=source)).sum())
    return [found.detach(), *(each.grad for each in (query, key, value) if each.grad is not None)]


@pytest.mark.parametrize("sharing", [1, 3])
def test_attention_gives_what_a_mask_over_whole_rows_gives(sharing: int) -> None:
    given = batch()
    mask = given.mask(torch.float64)
    assert mask is not None and given.layout is not None
    apart = attended(given, mask, sharing)
    whole = attended(given, mask.clone(), sharing)  # another tensor, which does not say where branches lie
    assert len(apart) == len(whole) == 4
    for mine, theirs in zip(apart, whole, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-9)


def test_branches_compare_fewer_pairs_than_rows_and_are_left_out_where_they_would_not() -> None:
    given = batch()
    assert given.layout is not None
    assert given.layout.pairs < given.ids.numel() * given.ids.shape[1]
    short = [Continuation([1] * 6, [2, 3]), Continuation([1] * 6, [4, 5])]
    assert assemble(short, [[0, 1]], CPU).layout is None
    assert assemble(short, [[0], [1]], CPU).layout is None


def test_attention_of_other_shapes_takes_the_mask_as_it_is() -> None:
    given = batch()
    mask = given.mask(torch.float64)
    assert mask is not None
    wider = torch.nn.functional.pad(mask, (0, 8, 0, 8))
    wider.branches = given.layout  # type: ignore[attr-defined]
    states = torch.randn(3, 2, wider.shape[-1], 8, dtype=torch.float64)
    module = SimpleNamespace(num_key_value_groups=1, is_causal=True)
    found, _ = attention(module, states, states, states, wider, scaling=0.3)
    expected = torch.nn.functional.scaled_dot_product_attention(states, states, states, wider, scale=0.3)
    torch.testing.assert_close(found, expected.transpose(1, 2))
