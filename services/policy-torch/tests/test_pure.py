"""The pure parts: random numbers, draws, batches."""

from __future__ import annotations

import hashlib
import math
import random

import numpy as np
import pytest
import torch

from policy_torch.batches import Continuation, assemble, deal, pack
from policy_torch.initial import initial_sha256
from policy_torch.randomness import draw_uniform, philox, share_out
from policy_torch.sampling import draw


def test_philox_gives_the_published_vectors() -> None:
    """Known answers of Random123."""
    assert philox((0, 0), (0, 0, 0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert philox((ones, ones), (ones,) * 4) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


def test_draws_and_orders_are_those_of_the_embedded_engine() -> None:
    assert draw_uniform(2**53 - 1, 5, 7, 300) == 0.7459861564407226
    assert share_out(13, 4, 7) == [[5, 1, 10], [6, 8, 7], [4, 11, 3], [9, 12, 0, 2]]
    assert share_out(2, 3, 1)[0] == []


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_draw_walks_the_distribution_in_order_of_ids() -> None:
    probabilities = torch.tensor([[0.5, 0.2, 0.3]])
    for uniform, token in [(0.0, 0), (0.49, 0), (0.51, 1), (0.69, 1), (0.71, 2), (0.999999, 2)]:
        ids, logprobs = draw(probabilities.log(), column(1), column(1), column(uniform))
        assert ids.item() == token
        assert logprobs.item() == pytest.approx(math.log(probabilities[0, token]), rel=1e-6)


def test_draw_keeps_the_fewest_tokens_that_reach_top_p_and_renormalises() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()
    drawn = [draw(logits, column(1), column(0.6), column(u)) for u in (0.0, 0.56, 0.58, 0.99)]
    assert [ids.item() for ids, _ in drawn] == [1, 1, 3, 3]
    assert [p.exp().item() for _, p in drawn] == pytest.approx([4 / 7, 4 / 7, 3 / 7, 3 / 7])
    tied = torch.zeros(1, 4)
    assert draw(tied, column(1), column(0.5), column(0.99))[0].item() == 1


def test_draw_takes_the_most_likely_token_at_temperature_0_and_reports_it_at_temperature_1() -> None:
    logits = torch.tensor([[0.3, 0.4, 0.3], [0.4, 0.4, 0.2]]).log()
    ids, logprobs = draw(logits, column(0, 0), column(0.1, 0.1), column(0.9, 0.9))
    assert ids.tolist() == [1, 0]
    assert logprobs.tolist() == pytest.approx([math.log(0.4)] * 2)


def test_a_batch_is_drawn_row_by_row() -> None:
    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(1))
    temperatures, top_ps, uniforms = column(1, 0, 0.5, 2, 1, 1), column(1, 1, 0.7, 0.3, 0.9, 1), column(*[0.37] * 6)
    together = draw(logits, temperatures, top_ps, uniforms)
    for row in range(6):
        one = slice(row, row + 1)
        alone = draw(logits[one], temperatures[one], top_ps[one], uniforms[one])
        assert together[0][row] == alone[0][0]
        assert together[1][row].item() == pytest.approx(alone[1][0].item(), abs=1e-12)


def test_pack_fills_the_budget_with_like_lengths_and_lets_a_longer_one_go_alone() -> None:
    lengths = [3, 50, 9, 17, 8, 4]
    continuations = [Continuation([1] * length, [2]) for length in lengths]
    packed = pack(continuations, 32)
    assert sorted(item for rows in packed for row in rows for item in row) == list(range(6))
    assert packed[0] == [[1]]
    for rows in packed:
        padded = -(-max(lengths[item] for (item,) in rows) // 8) * 8
        assert len(rows) == 1 or len(rows) * padded <= 32


def test_the_initial_checksum_goes_by_the_embedded_engines_order() -> None:
    of_layer = "input_layernorm.weight self_attn.q_proj.weight self_attn.k_proj.weight self_attn.v_proj.weight "
    of_layer += "self_attn.q_proj.bias self_attn.k_proj.bias self_attn.v_proj.bias self_attn.q_norm.weight "
    of_layer += "self_attn.k_norm.weight self_attn.o_proj.weight post_attention_layernorm.weight mlp.gate_proj.weight "
    of_layer += "mlp.up_proj.weight mlp.down_proj.weight post_feedforward_layernorm.weight"
    layers = [f"model.layers.{layer}.{name}" for layer in (0, 1, 2, 10) for name in of_layer.split()]
    names = ["model.embed_tokens.weight", *layers, "model.norm.weight", "lm_head.weight"]
    named = [(name, torch.tensor([[float(place), -0.5]])) for place, name in enumerate(names)]
    bits = np.array([[place, -0.5] for place in range(len(names))], dtype="<f4").tobytes()
    random.Random(3).shuffle(named)
    assert initial_sha256(named) == hashlib.sha256(bits).hexdigest()


def test_a_row_of_less_than_half_the_length_begins_another_batch() -> None:
    continuations = [Continuation([1] * length, [2]) for length in (64, 40, 32, 30, 16)]
    assert pack(continuations, 1024) == [[[0], [1], [2], [3]], [[4]]]


def test_deal_gives_every_rank_as_many_batches() -> None:
    batches = [[[0]], [[1]], [[2]], [[3]], [[4]]]
    shares = [deal(batches, rank, 3) for rank in range(3)]
    assert shares == [[[[0]], [[3]]], [[[1]], [[4]]], [[[2]], []]]
    assert deal([], 0, 2) == []


def test_assemble_points_at_the_states_that_predict_the_completion() -> None:
    batch = assemble([Continuation([5, 6], [7, 8]), Continuation([9], [4])], [[1], [0]], torch.device("cpu"))
    assert batch.ids.tolist() == [[9, 0, 0, 0, 0, 0, 0, 0], [5, 6, 7, 0, 0, 0, 0, 0]]
    assert batch.rows.tolist() == [0, 9, 10]
    assert batch.completion_ids.tolist() == [4, 7, 8]
    empty = assemble([], [], torch.device("cpu"))
    assert (empty.rows.numel(), empty.ids.shape) == (0, (1, 8))


def test_completions_share_a_row_behind_their_prompt_where_that_is_less_work() -> None:
    prompt, other = [1] * 20, [2] * 4
    continuations = [Continuation(prompt, [3, 4]), Continuation(other, [5]), Continuation(prompt, [6, 7, 8])]
    assert pack(continuations, 64, width=64) == [[[0, 2]], [[1]]]
    assert pack(continuations, 22, width=64) == [[[2]], [[0]], [[1]]]
    long = [Continuation([1], [2] * 900), Continuation([1], [2] * 900)]
    assert pack(long, 4096, width=64) == [[[0], [1]]]
    batch = assemble(continuations, [[0, 2]], torch.device("cpu"))
    assert batch.rows.tolist() == [19, 20, 19, 21, 22]
    assert batch.positions is not None
    assert batch.positions[0, 18:23].tolist() == [18, 19, 20, 20, 21]
    mask = batch.mask(torch.float32)
    assert mask is not None
    seen = (mask[0, 0] == 0).long()
    assert seen[19].sum() == 20
    assert seen[22].nonzero().flatten().tolist() == [*range(20), 21, 22]
