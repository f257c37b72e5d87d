"""Times this room's engine on a workload, and prints the figures as one line of JSON."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path

import torch
from workload import Clock, Workload, peak_flops, peak_memory_bytes, step_flops

from policy_torch.batches import Continuation
from policy_torch.core import Core, CoreOptions, Score, Tick, Train
from policy_torch.generate import Finished, Sample
from policy_torch.group import Group
from policy_torch.model import ModelOptions, compute_type, device_of, quiet_libraries
from policy_torch.objective import Distillation, Objective, Support
from policy_torch.plan import OptimizerSettings, TeacherSettings, TrainExample, TrainPlan
from policy_torch.sampling import Sampling


def main() -> None:
    workload = Workload.load(Path(sys.argv[1]))
    quiet_libraries()
    torch.set_num_threads(workload.threads)
    device = device_of(workload.device, 0)
    options = ModelOptions(Path(workload.model), device, compute_type("auto", device))
    core = Core(CoreOptions(options, Path(sys.argv[2]), workload.completions, workload.micro_batch_tokens), Group())
    longest, window = workload.teacher_prompt_tokens + workload.completion_tokens, core.model.card.context_window
    if longest > window:
        told = "--prompt-tokens, --completion-tokens: the teacher's prompt and a completion are"
        raise SystemExit(f"{told} {longest} tokens; {workload.model} reads {window}.")
    core.model.card.stop_ids.clear()  # every completion has the same length
    rounds = [_round(core, workload, number) for number in range(workload.steps + 1)][1:]
    wall, cpu = (
        {name: statistics.median(each[name][kind] for each in rounds) for name in rounds[0]} for kind in (0, 1)
    )
    for seconds in (wall, cpu):
        seconds["step"] = seconds["generate"] + seconds["train"]
    peak, source = peak_flops(device.type)
    flops = step_flops(core.model.config, workload)
    # On a machine that others use too, the processor's seconds tell what the work takes.
    seconds = wall if device.type == "cuda" or workload.threads > 1 else cpu
    tokens = workload.completions * workload.completion_tokens
    read = workload.completions * (workload.prompt_tokens + workload.completion_tokens)
    print(
        json.dumps(
            {
                "engine": "backsight",
                "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
                "parameters": core.model.card.parameter_count,
                "seconds": wall,
                "cpu_seconds": cpu,
                "generate_tokens_per_s": tokens / seconds["generate"],
                "score_tokens_per_s": read / seconds["score"],
                "train_tokens_per_s": read / seconds["train"],
                "score_utilisation": flops["score"] / seconds["score"] / peak,
                "train_utilisation": flops["train"] / seconds["train"] / peak,
                "peak_flops": peak,
                "peak_source": source,
                "peak_memory_bytes": peak_memory_bytes(device.type),
            }
        )
    )


def _round(core: Core, workload: Workload, number: int) -> dict[str, tuple[float, float]]:
    """Generates, scores and takes one SDPO step; wall and processor seconds of each."""
    clock = Clock()
    finished = _generate(core, workload, number)
    generated = clock.read()
    prompts = workload.prompt_ids(core.model.card.vocabulary_size)
    core.perform(Score([Continuation(prompts[f.prompt_index], f.token_ids) for f in finished], False, 1.0, 0))
    scored = clock.read()
    padding = [9] * 12
    examples = [
        TrainExample(
            prompts[each.prompt_index],
            [*prompts[each.prompt_index], *padding, *finished[_demonstration(index, workload.group_size)].token_ids],
            each.token_ids,
            each.logprobs,
        )
        for index, each in enumerate(finished)
    ]
    distillation = Distillation(1, 0.5, Support("top-k-tail", 20), importance_cap=2)
    plan = TrainPlan(
        core.policy.version,
        Objective("token-mean", distillation),
        TeacherSettings("ema", 0.05, "batch"),
        OptimizerSettings(1e-5, weight_decay=0.01, max_gradient_norm=1.0),
    )
    core.perform(Train(plan, examples))
    return {"generate": generated, "score": scored, "train": clock.read()}


def _demonstration(index: int, group_size: int) -> int:
    """The first right one of the group, which are the odd ones; for itself the next."""
    first = index - index % group_size + 1
    return first if index != first else first + 2


def _generate(core: Core, workload: Workload, number: int) -> list[Finished]:
    sampling = Sampling(1.0, 1.0, workload.completion_tokens, number)
    prompts = workload.prompt_ids(core.model.card.vocabulary_size)
    start = [
        Sample(number, i, j, tuple(ids), sampling) for i, ids in enumerate(prompts) for j in range(workload.group_size)
    ]
    finished: list[Finished] = []
    while len(finished) < workload.completions:
        (ticked,) = core.perform(Tick([start]))  # type: ignore[misc] # a tick of one rank
        start = []
        if ticked.failure:
            raise SystemExit(ticked.failure)
        finished += ticked.finished
    return sorted(finished, key=lambda each: (each.prompt_index, each.sample_index))


if __name__ == "__main__":
    main()
