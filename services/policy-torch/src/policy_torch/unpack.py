"""Turns messages into the engine's values, or says every field that is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from backsight.policy.v1 import policy_pb2 as proto

from policy_torch import violations as check
from policy_torch.architecture import ModelCard
from policy_torch.batches import Continuation
from policy_torch.core import Score
from policy_torch.errors import InputError, Violation
from policy_torch.objective import Objective
from policy_torch.plan import TrainExample, TrainPlan
from policy_torch.sampling import Sampling
from policy_torch.unpack_plan import unpack_plan

#: Violations after which a stream is read no further.
ENOUGH = 16


@dataclass(frozen=True)
class Generation:
    """A generate request."""

    prompts: list[list[int]]
    group_size: int
    sampling: Sampling


@dataclass(frozen=True)
class Transaction:
    """A whole training transaction."""

    plan: TrainPlan
    examples: list[TrainExample]
    #: The coordinator's run and step, for logs.
    run_id: str
    step: int


def unpack_generate(request: proto.GenerateRequest, card: ModelCard) -> Generation:
    """Checks prompts and sampling against the model; a completion may fill what the prompt leaves of the context."""
    prompts = [list(prompt.token_ids) for prompt in request.prompts]
    found = [] if prompts else [Violation("prompts", "must hold at least one prompt, is empty")]
    for index, each in enumerate(prompts):
        field = f"prompts[{index}].token_ids"
        found += check.ids(field, each, card.vocabulary_size)
        # At least one token must fit after the prompt.
        found += check.context(field, len(each), 1, card.context_window)
    found += check.number("group_size", request.group_size, at_least=1)
    if not request.HasField("sampling"):
        raise InputError([*found, Violation("sampling", "must be set")])
    sampling = request.sampling
    top_p = sampling.top_p if sampling.HasField("top_p") else 1.0
    found += check.number("sampling.temperature", sampling.temperature, at_least=0)
    found += check.number("sampling.top_p", top_p, above=0, at_most=1)
    found += check.number("sampling.max_tokens", sampling.max_tokens, at_least=1)
    found += check.vocabulary("sampling.stop_ids", sampling.stop_ids, card.vocabulary_size)
    if found:
        raise InputError(found)
    stop_ids = tuple(sampling.stop_ids)
    settings = Sampling(sampling.temperature, top_p, sampling.max_tokens, sampling.seed, stop_ids)
    return Generation(prompts, request.group_size, settings)


def unpack_score(request: proto.ScoreRequest, card: ModelCard) -> Score:
    """Checks items and settings against the model."""
    temperature = request.temperature if request.HasField("temperature") else 1.0
    found = [] if request.items else [Violation("items", "must hold at least one item, is empty")]
    continuations: list[Continuation] = []
    for index, item in enumerate(request.items):
        each = Continuation(list(item.prompt_ids), list(item.completion_ids))
        found += check.ids(f"items[{index}].prompt_ids", each.prompt_ids, card.vocabulary_size)
        found += check.ids(f"items[{index}].completion_ids", each.completion_ids, card.vocabulary_size)
        found += check.context(f"items[{index}]", len(each.prompt_ids), len(each.completion_ids), card.context_window)
        continuations.append(each)
    found += check.number("temperature", temperature, above=0)
    found += check.number("top_k", request.top_k, at_most=card.vocabulary_size)
    if found:
        raise InputError(found)
    return Score(continuations, request.weights == proto.WEIGHT_SET_TEACHER, temperature, request.top_k)


async def read_transaction(
    requests: AsyncIterator[proto.TrainStepRequest],
    card: ModelCard,
    max_examples: int,
    not_given_up: Callable[[], Awaitable[None]],
) -> Transaction:
    """Reads until the caller closes.

    A plan that is wrong is refused at once, so that no example is sent in vain; examples that are wrong at the end, or once
    there are enough of them.

    The end of a stream without a commit may be a caller's who gave up: `not_given_up` waits for the word of that and raises, if
    it comes.
    """
    message: proto.TrainPlan | None = None
    plan: TrainPlan | None = None
    examples: list[TrainExample] = []
    found: list[Violation] = []
    committed = False
    async for request in requests:
        payload = request.WhichOneof("payload")
        if plan is None:
            if payload != "plan":
                raise _wrong("plan", "must be the first message")
            message = request.plan
            plan = unpack_plan(message, card)
            continue
        if payload is None:
            raise _wrong("payload", f"must be set, is not in message {len(examples) + 2}")
        if payload == "plan":
            raise _wrong("plan", f"must be the first message alone, is message {len(examples) + 2} too")
        if committed:
            raise _wrong("commit", f"must be the last message, is followed by message {len(examples) + 3}")
        if payload == "commit":
            committed = True
            continue
        if len(examples) == max_examples:
            raise _wrong("examples", f"must be at most {max_examples}, are more")
        example, wrong = unpack_example(request.example, f"examples[{len(examples)}]", plan.objective, card)
        examples.append(example)
        found += wrong
        if len(found) >= ENOUGH:
            raise InputError(found)
    if not committed:
        await not_given_up()
    if message is None or plan is None:
        raise _wrong("plan", "must be sent, the stream was empty")
    # However late the word comes, what was not committed is not taken.
    if message.commits and not committed:
        ended = f"the stream ended after {len(examples)} examples"
        raise _wrong("commit", f"must be the last message, was not sent; {ended}")
    if found:
        raise InputError(found)
    if len(examples) < plan.mini_batches:
        many = f"must be at most the number of examples {len(examples)}, is {plan.mini_batches}"
        raise _wrong("plan.mini_batches", many)
    return Transaction(plan, examples, message.run_id, message.step)


def unpack_example(
    message: proto.Example, field: str, objective: Objective, card: ModelCard
) -> tuple[TrainExample, list[Violation]]:
    """Checks an example against the model and the objective; `field` is its path, for example `examples[3]`."""
    example = TrainExample(
        list(message.student_prompt_ids),
        list(message.teacher_prompt_ids),
        list(message.completion_ids),
        list(message.completion_logprobs),
        message.advantage,
        message.distillation_weight if message.HasField("distillation_weight") else 1.0,
        message.policy_gradient_weight if message.HasField("policy_gradient_weight") else 1.0,
        message.likelihood_weight if message.HasField("likelihood_weight") else 1.0,
        message.rollout_id,
    )
    vocabulary, window = card.vocabulary_size, card.context_window
    student, teacher, tokens = example.student_prompt_ids, example.teacher_prompt_ids, example.completion_ids
    found = check.ids(f"{field}.student_prompt_ids", student, vocabulary)
    found += check.vocabulary(f"{field}.teacher_prompt_ids", teacher, vocabulary)
    found += check.ids(f"{field}.completion_ids", tokens, vocabulary)
    found += check.context(f"{field}.student_prompt_ids", len(student), len(tokens), window)
    found += check.context(f"{field}.teacher_prompt_ids", len(teacher), len(tokens), window)
    found += _logprobs(f"{field}.completion_logprobs", example, _needed_by(objective))
    found += check.number(f"{field}.advantage", example.advantage)
    found += check.number(f"{field}.distillation_weight", example.distillation_weight, at_least=0)
    found += check.number(f"{field}.policy_gradient_weight", example.policy_gradient_weight, at_least=0)
    found += check.number(f"{field}.likelihood_weight", example.likelihood_weight, at_least=0)
    if example.rollout_id:
        found = [Violation(v.field, f"{v.description} (rollout {example.rollout_id})") for v in found]
    return example, found


def _needed_by(objective: Objective) -> str | None:
    """The first setting of an objective that reads the sampled logprobs."""
    if objective.policy_gradient is not None:
        return "objective.policy_gradient"
    if objective.distillation is not None and objective.distillation.importance_cap is not None:
        return "objective.distillation.importance_cap"
    return None if objective.rollout_importance_cap is None else "objective.rollout_importance_cap"


def _logprobs(field: str, example: TrainExample, needed: str | None) -> list[Violation]:
    expected, found = len(example.completion_ids), len(example.completion_logprobs)
    if found == 0 and needed is None:
        return []
    if found != expected:
        why = f"; plan.{needed} needs them" if found == 0 else ""
        many = f"must be one per completion token, are {found} for {expected} tokens{why}"
        return [Violation(field, many)]
    for position, logprob in enumerate(example.completion_logprobs):
        if not -float("inf") < logprob <= 0:
            wrong = f"must be at most 0 and finite, is {check.told(logprob)} at position {position}"
            return [Violation(field, wrong)]
    return []


def _wrong(field: str, description: str) -> InputError:
    return InputError([Violation(field, description)])
