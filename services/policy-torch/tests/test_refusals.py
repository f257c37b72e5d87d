"""What is refused is refused in the same words as by the embedded policy: code, message, violations, reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from backsight.policy.v1 import policy_pb2 as proto

from room import EMBEDDED, TORCH, Room, distillation, examples, generate, messages, needs_embedded, plan, refusal

OK = proto.Sampling(temperature=1, max_tokens=4, seed=1)
PROMPT = proto.Prompt(token_ids=[1, 5])
ITEM = proto.ScoreItem(prompt_ids=[1], completion_ids=[2])
EXAMPLE = proto.Example(student_prompt_ids=[1], completion_ids=[2, 3], completion_logprobs=[-1, -2])

Call = Callable[[Room], tuple[Any, ...]]


@pytest.fixture(scope="module")
def torch_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with Room(TORCH, tmp_path_factory.mktemp("torch")) as room:
        yield room


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with Room(["node", str(EMBEDDED)], tmp_path_factory.mktemp("embedded")) as room:
        yield room


def generating(**request: Any) -> Call:
    given: dict[str, Any] = {"prompts": [PROMPT], "group_size": 1, "sampling": OK} | request
    return lambda room: (room.stub.Generate, proto.GenerateRequest(**given))


def scoring(**request: Any) -> Call:
    return lambda room: (room.stub.Score, proto.ScoreRequest(**{"items": [ITEM]} | request))


def training(given: proto.TrainPlan | None = None, *rest: proto.Example) -> Call:
    return lambda room: (room.stub.TrainStep, messages(given or plan(mini_batches=1), list(rest)))


def sending(*requests: proto.TrainStepRequest) -> Call:
    return lambda room: (room.stub.TrainStep, iter(requests))


def objective(**terms: Any) -> proto.TrainPlan:
    return plan(objective=proto.Objective(**terms))


def example(**changes: Any) -> proto.Example:
    changed = proto.Example()
    changed.CopyFrom(EXAMPLE)
    for name in changes:
        changed.ClearField(name)
    changed.MergeFrom(proto.Example(**changes))
    return changed


NAN = float("nan")
INVALID: dict[str, Call] = {
    "no prompts": generating(prompts=[]),
    "an empty prompt": generating(prompts=[PROMPT, proto.Prompt()]),
    "an id outside the vocabulary": generating(prompts=[proto.Prompt(token_ids=[1, 414])]),
    "a prompt that fills the context": generating(prompts=[proto.Prompt(token_ids=[1] * 256)]),
    "an empty group": generating(group_size=0),
    "no sampling": generating(sampling=None, group_size=0),
    "sampling out of range": generating(
        sampling=proto.Sampling(temperature=-1, top_p=1.5, max_tokens=0, stop_ids=[1, 999])
    ),
    "a temperature that is no number": generating(sampling=proto.Sampling(temperature=NAN, max_tokens=1)),
    "no items": scoring(items=[]),
    "items that are wrong": scoring(
        items=[proto.ScoreItem(), proto.ScoreItem(prompt_ids=[1] * 200, completion_ids=[2] * 57)],
        temperature=0,
        top_k=415,
    ),
    "an empty stream": sending(),
    "an example first": sending(proto.TrainStepRequest(example=EXAMPLE)),
    "two plans": sending(*[proto.TrainStepRequest(plan=plan())] * 2),
    "an empty message": sending(proto.TrainStepRequest(plan=plan()), proto.TrainStepRequest()),
    "an empty plan": training(proto.TrainPlan()),
    "no objective at all": training(objective()),
    "weights of zero": training(objective(likelihood=proto.Likelihood(weight=0))),
    "a distillation without a support": training(objective(distillation=proto.Distillation(weight=1, alpha=0.5))),
    "a support beyond the vocabulary": training(
        objective(distillation=distillation(support=proto.Support(kind=proto.SUPPORT_KIND_TOP_K_TAIL, k=415)))
    ),
    "a support of nothing": training(
        objective(distillation=distillation(support=proto.Support(kind=proto.SUPPORT_KIND_TOP_K_RENORMALISED)))
    ),
    "settings of a distillation out of range": training(
        objective(distillation=distillation(weight=-1, alpha=1.5, importance_cap=0))
    ),
    "sampled tokens with a wrong alpha": training(
        objective(distillation=distillation(granularity=proto.GRANULARITY_SAMPLED_TOKEN))
    ),
    "settings of a policy gradient out of range": training(
        objective(
            policy_gradient=proto.PolicyGradient(weight=-0.25, clip_low=1.5, clip_high=-1, dual_clip=1),
            likelihood=proto.Likelihood(weight=float("inf")),
            rollout_importance_cap=0,
            temperature=-0.5,
        )
    ),
    "no teacher where something is distilled": training(plan(teacher=None)),
    "a teacher without a kind": training(plan(teacher=proto.Teacher(rate=0.5))),
    "a teacher's rate out of range": training(plan(teacher=proto.Teacher(kind=proto.TEACHER_KIND_EMA, rate=1.01))),
    "settings of an optimizer out of range": training(
        plan(
            optimizer=proto.Optimizer(
                learning_rate=-1, beta1=1, beta2=-0.1, epsilon=0, weight_decay=-1, max_gradient_norm=0
            ),
            mini_batches=0,
            expected_version=-1,
        )
    ),
    "no optimizer": training(plan(optimizer=None)),
    "more mini-batches than examples": training(plan(mini_batches=2), EXAMPLE),
    "no examples": training(plan(mini_batches=1)),
    "a stream that ends before its commit": training(plan(mini_batches=1, commits=True), EXAMPLE),
    "an example after the commit": sending(
        proto.TrainStepRequest(plan=plan(mini_batches=1, commits=True)),
        proto.TrainStepRequest(commit=proto.Commit()),
        proto.TrainStepRequest(example=EXAMPLE),
    ),
    "a commit before the plan": sending(proto.TrainStepRequest(commit=proto.Commit())),
    "an empty example": training(None, EXAMPLE, proto.Example(rollout_id="r7")),
    "ids of an example outside the vocabulary": training(
        None, example(student_prompt_ids=[414], teacher_prompt_ids=[0, 500], completion_ids=[7, 600])
    ),
    "an example that is too long": training(
        None, example(student_prompt_ids=[1] * 255, teacher_prompt_ids=[1] * 256, rollout_id="r8")
    ),
    "logprobs missing": training(None, example(completion_logprobs=[])),
    "too few logprobs": training(None, example(completion_logprobs=[-1])),
    "a logprob above 0": training(None, example(completion_logprobs=[-1, 0.5])),
    "a logprob that is no number": training(None, example(completion_logprobs=[NAN, -1])),
    "weights of an example out of range": training(
        None, example(advantage=NAN, distillation_weight=-1, policy_gradient_weight=-0.5, likelihood_weight=NAN)
    ),
    "very many wrong examples": training(None, *[proto.Example()] * 40),
    "a checkpoint without a name": lambda room: (room.stub.SaveCheckpoint, proto.SaveCheckpointRequest()),
    "a checkpoint's name with a path": lambda room: (
        room.stub.SaveCheckpoint,
        proto.SaveCheckpointRequest(name="../a"),
    ),
    "a checkpoint named as the initial one": lambda room: (
        room.stub.SaveCheckpoint,
        proto.SaveCheckpointRequest(name="initial"),
    ),
    "a score that is no number": lambda room: (
        room.stub.SaveCheckpoint,
        proto.SaveCheckpointRequest(name="a", score=NAN),
    ),
    "an export's name": lambda room: (room.stub.ExportCheckpoint, proto.ExportCheckpointRequest(name=".a")),
}
REFUSED: dict[str, tuple[Call, grpc.StatusCode, str]] = {
    "another version": (training(plan(7, mini_batches=1), EXAMPLE), grpc.StatusCode.ABORTED, "ErrorInfo"),
    "a checkpoint that is not there": (
        lambda room: (room.stub.RestoreCheckpoint, proto.RestoreCheckpointRequest(name="none")),
        grpc.StatusCode.NOT_FOUND,
        "ResourceInfo",
    ),
    "an export in PEFT layout": (
        lambda room: (
            room.stub.ExportCheckpoint,
            proto.ExportCheckpointRequest(name="a", layout=proto.EXPORT_LAYOUT_PEFT),
        ),
        grpc.StatusCode.UNIMPLEMENTED,
        "ErrorInfo",
    ),
}


@needs_embedded
@pytest.mark.parametrize("call", INVALID.values(), ids=INVALID.keys())
def test_what_can_never_be_right_is_refused_in_the_same_words(torch_room: Room, embedded: Room, call: Call) -> None:
    mine, theirs = (refusal(*call(room)) for room in (torch_room, embedded))
    assert mine.code == theirs.code == grpc.StatusCode.INVALID_ARGUMENT
    assert mine.violations() == theirs.violations()
    assert mine.message == theirs.message
    assert mine.read("RequestInfo").request_id


@needs_embedded
@pytest.mark.parametrize(("call", "code", "detail"), REFUSED.values(), ids=REFUSED.keys())
def test_other_refusals_agree(torch_room: Room, embedded: Room, call: Call, code: Any, detail: str) -> None:
    mine, theirs = (refusal(*call(room)) for room in (torch_room, embedded))
    assert mine.code == theirs.code == code
    assert mine.message == theirs.message
    assert mine.read(detail) == theirs.read(detail)


def test_a_refused_transaction_changes_nothing(torch_room: Room) -> None:
    completions = generate(torch_room)
    wrong = [*examples(completions), proto.Example()]
    assert refusal(torch_room.stub.TrainStep, messages(plan(), wrong)).code == grpc.StatusCode.INVALID_ARGUMENT
    assert torch_room.stub.Describe(proto.DescribeRequest()).version == 0
    assert generate(torch_room) == completions
