"""The decoder: what it writes is what the model alone would write, whoever shares the cache and whenever a slot falls free."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from policy_torch.batches import Continuation
from policy_torch.generate import Decoder, Finished, Sample
from policy_torch.group import Group
from policy_torch.model import LoadedModel, ModelOptions, quiet_libraries
from policy_torch.sampling import Sampling
from policy_torch.score import score
from room import TINY
from small_models import ARCHITECTURES, make_model

quiet_libraries()
CPU = torch.device("cpu")


def load(folder: Path, compute: torch.dtype = torch.float32) -> LoadedModel:
    return LoadedModel(ModelOptions(folder, CPU, compute), Group())


def samples(prompts: list[list[int]], group_size: int, sampling: Sampling) -> list[Sample]:
    return [Sample(1, i, j, tuple(ids), sampling) for i, ids in enumerate(prompts) for j in range(group_size)]


def decode(model: LoadedModel, waiting: list[Sample], slots: int) -> list[Finished]:
    """All completions, through so many slots, in order."""
    decoder = Decoder(model, slots, token_budget=256)
    finished: list[Finished] = []
    while waiting or decoder.running:
        if decoder.free and waiting:
            now, waiting = waiting[: decoder.free], waiting[decoder.free :]
            finished += decoder.start(now, version=3)
        finished += decoder.step()
    return sorted(finished, key=lambda each: (each.prompt_index, each.sample_index))


def random_prompts(vocabulary: int, lengths: list[int]) -> list[list[int]]:
    source = random.Random(4)
    return [[source.randrange(3, vocabulary) for _ in range(length)] for length in lengths]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_writes_what_transformers_writes(architecture: str, tmp_path: Path) -> None:
    model = load(make_model(tmp_path, architecture))
    prompts = random_prompts(61, [3, 17, 9, 12, 1])
    greedy = Sampling(temperature=0, top_p=1, max_tokens=14, seed=1)
    finished = decode(model, samples(prompts, 1, greedy), slots=3)
    for each, prompt in zip(finished, prompts, strict=True):
        ids = torch.tensor([prompt])
        written = model.module.language_model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=14, do_sample=False
        )
        assert each.token_ids == written[0, len(prompt) :].tolist()
    found = score(model, [Continuation(prompts[e.prompt_index], e.token_ids) for e in finished], token_budget=40)
    for each, scored in zip(finished, found, strict=True):
        assert each.logprobs == pytest.approx(scored.logprobs, abs=2e-4)


@pytest.mark.parametrize("slots", [1, 4, 64])
def test_completions_depend_on_nothing_but_their_seed(slots: int) -> None:
    model = load(TINY)
    asked = samples(random_prompts(400, [5, 30, 11]), 5, Sampling(temperature=1.3, top_p=0.95, max_tokens=16, seed=9))
    expected = decode(model, asked, slots=7)
    assert [each.token_ids for each in decode(model, asked, slots)] == [each.token_ids for each in expected]
    assert {each.policy_version for each in expected} == {3}


def test_logprobs_are_those_of_the_distribution_drawn_from() -> None:
    model = load(TINY)
    prompts = random_prompts(400, [5, 30])
    finished = decode(model, samples(prompts, 8, Sampling(temperature=0.8, top_p=1, max_tokens=12, seed=2)), slots=5)
    found = score(model, [Continuation(prompts[e.prompt_index], e.token_ids) for e in finished], 512, temperature=0.8)
    for each, scored in zip(finished, found, strict=True):
        assert each.logprobs == pytest.approx(scored.logprobs, abs=1e-4)


def test_a_completion_ends_at_a_stop_id_at_its_limit_or_with_the_context() -> None:
    model = load(TINY)
    prompt = random_prompts(400, [8])[0]
    (free,) = decode(model, samples([prompt], 1, Sampling(0, 1, 6, 1)), slots=1)
    stop = free.token_ids[2]
    (stopped,) = decode(model, samples([prompt], 1, Sampling(0, 1, 6, 1, stop_ids=(stop,))), slots=1)
    assert stopped.token_ids == free.token_ids[: free.token_ids.index(stop) + 1]
    assert stopped.finish_reason == "stop"
    (cut,) = decode(model, samples([prompt], 1, Sampling(0, 1, 2, 1)), slots=1)
    assert (cut.token_ids, cut.finish_reason) == (free.token_ids[:2], "length")
    hot = Sampling(temperature=50, top_p=1, max_tokens=1000, seed=6)
    full = decode(model, samples([[5] * 250], 4, hot), slots=4)
    assert {len(each.token_ids) for each in full if each.finish_reason == "length"} == {6}


def test_dropping_a_request_frees_its_slots_and_leaves_the_others_alone() -> None:
    model = load(TINY)
    sampling = Sampling(temperature=1, top_p=1, max_tokens=12, seed=9)
    mine = samples(random_prompts(400, [20]), 3, sampling)
    others = [Sample(2, 0, j, tuple(range(3, 60)), sampling) for j in range(4)]
    alone = decode(model, mine, slots=8)
    decoder = Decoder(model, 7, 256)
    finished = decoder.start([*others, *mine], 3) + decoder.step()
    decoder.drop({2})
    assert decoder.free >= 4
    while decoder.running:
        finished += decoder.step()
    kept = [each for each in finished if each.request == 1]
    assert sorted(each.token_ids for each in kept) == sorted(each.token_ids for each in alone)


def test_weights_that_have_diverged_are_said() -> None:
    model = load(TINY)
    with torch.no_grad():
        model.parameters.local()[3].fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="the weights have diverged"):
        decode(model, samples([[5, 6]], 1, Sampling(1, 1, 4, 1)), slots=1)


def test_bfloat16_scores_about_as_float32() -> None:
    texts = [Continuation(prompt, list(range(20, 32))) for prompt in random_prompts(400, [5, 30])]
    exact, coarse = (score(load(TINY, each), texts, 512, temperature=4.0) for each in (torch.float32, torch.bfloat16))
    for one, other in zip(exact, coarse, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=0.1)
        assert one.entropies == pytest.approx(other.entropies, abs=0.1)


def test_bfloat16_samples_and_scores_alike() -> None:
    model = load(TINY, torch.bfloat16)
    model.gather()
    prompts = random_prompts(400, [5, 30])
    finished = decode(model, samples(prompts, 4, Sampling(temperature=1, top_p=1, max_tokens=8, seed=2)), slots=8)
    model.scatter()
    found = score(model, [Continuation(prompts[e.prompt_index], e.token_ids) for e in finished], 512)
    for each, scored in zip(finished, found, strict=True):
        assert each.logprobs == pytest.approx(scored.logprobs, abs=0.15)
