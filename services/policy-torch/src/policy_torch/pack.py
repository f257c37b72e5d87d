"""Turns what the engine answers into messages."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from backsight.policy.v1 import policy_pb2 as proto

from policy_torch.checkpoint import CheckpointInfo
from policy_torch.core import Core
from policy_torch.generate import Finished
from policy_torch.model import engine_version
from policy_torch.plan import TrainReport
from policy_torch.score import CompletionScore

_ABILITIES = proto.TrainingCapabilities(
    objectives=[
        proto.OBJECTIVE_KIND_DISTILLATION,
        proto.OBJECTIVE_KIND_POLICY_GRADIENT,
        proto.OBJECTIVE_KIND_LIKELIHOOD,
    ],
    teachers=[
        proto.TEACHER_KIND_EMA,
        proto.TEACHER_KIND_FROZEN,
        proto.TEACHER_KIND_LIVE,
        proto.TEACHER_KIND_TRUST_REGION,
    ],
    max_support=0,
    commits=True,
)


def describe(
    core: Core, texts: tuple[str, str, str], max_examples: int, weights_id: str = "", trains: bool = True
) -> proto.DescribeResponse:
    """The model card; `texts` are tokenizer.json, the chat template and tokenizer_config.json. `trains`: it is no follower."""
    card, options = core.model.card, core.options
    tokenizer_json, chat_template, tokenizer_config_json = texts
    return proto.DescribeResponse(
        model=card.name,
        architecture=card.architecture,
        parameter_count=card.parameter_count,
        vocabulary_size=card.vocabulary_size,
        context_window=card.context_window,
        stop_ids=card.stop_ids,
        tokenizer_json=tokenizer_json,
        chat_template=chat_template,
        tokenizer_config_json=tokenizer_config_json,
        training=_ABILITIES if trains else proto.TrainingCapabilities(),
        limits=proto.PolicyLimits(
            generation_slots=options.generation_slots * core.group.size,
            max_examples=max_examples,
            micro_batch_tokens=options.micro_batch_tokens,
        ),
        engine=proto.EngineInfo(
            name="torch", version=engine_version(), device=_device(core), threads=torch.get_num_threads()
        ),
        version=core.policy.version,
        weights_id=weights_id,
    )


def completion(finished: Finished) -> proto.GenerateResponse:
    stop = finished.finish_reason == "stop"
    return proto.GenerateResponse(
        completion=proto.Completion(
            prompt_index=finished.prompt_index,
            sample_index=finished.sample_index,
            token_ids=finished.token_ids,
            logprobs=finished.logprobs,
            finish_reason=proto.FINISH_REASON_STOP if stop else proto.FINISH_REASON_LENGTH,
            policy_version=finished.policy_version,
        )
    )


def scores(found: Sequence[CompletionScore], version: int) -> proto.ScoreResponse:
    packed = [
        proto.CompletionScore(
            logprobs=each.logprobs, entropies=each.entropies, top_ids=each.top_ids, top_logprobs=each.top_logprobs
        )
        for each in found
    ]
    return proto.ScoreResponse(scores=packed, policy_version=version)


def report(trained: TrainReport) -> proto.TrainStepResponse:
    response = proto.TrainStepResponse(version=trained.version, metrics=trained.metrics)
    for step in trained.steps:
        response.steps.add(
            loss=step.loss,
            distillation_loss=step.distillation_loss,
            policy_gradient_loss=step.policy_gradient_loss,
            likelihood_loss=step.likelihood_loss,
            gradient_norm=step.gradient_norm,
            skipped=step.skipped,
            examples=step.examples,
            loss_tokens=step.loss_tokens,
        )
    for phase, seconds in trained.seconds.items():
        response.durations.add(phase=phase).duration.FromNanoseconds(int(seconds * 1e9))
    return response


def checkpoint(info: CheckpointInfo) -> proto.Checkpoint:
    return proto.Checkpoint(
        name=info.name,
        version=info.version,
        size_bytes=info.size_bytes,
        created_at_ms=info.created_at_ms,
        score=info.score,
    )


def _device(core: Core) -> str:
    device = core.model.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return name if core.group.size == 1 else f"{core.group.size} x {name}"
