"""Turns messages into the engine's values, or says every field that is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from backsight.policy.v1 import policy_pb2 as proto

from policy_torch import violations as check
from policy_torch.batches import Continuation
from policy_torch.core import Score
from policy_torch.errors import InputError, Violation
from policy_torch.model import ModelCard
from policy_torch.objective import Aggregation, Distillation, Objective, PolicyGradient, Support, SupportKind
from policy_torch.plan import OptimizerSettings, TeacherSettings, TrainExample, TrainPlan
from policy_torch.sampling import Sampling

#: Violations after which a stream is read no further.
ENOUGH = 16

_AGGREGATIONS: dict[int, Aggregation] = {
    proto.AGGREGATION_SEQUENCE_MEAN_TOKEN_MEAN: "sequence-mean-token-mean",
    proto.AGGREGATION_SEQUENCE_MEAN_TOKEN_SUM: "sequence-mean-token-sum",
}
_SUPPORTS: dict[int, SupportKind] = {
    proto.SUPPORT_KIND_FULL: "full",
    proto.SUPPORT_KIND_TOP_K_TAIL: "top-k-tail",
    proto.SUPPORT_KIND_TOP_K_RENORMALISED: "top-k-renormalised",
}
_CADENCES: dict[int, Literal["step", "hold"]] = {
    proto.TEACHER_CADENCE_STEP: "step",
    proto.TEACHER_CADENCE_HOLD: "hold",
}


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


def unpack_plan(plan: proto.TrainPlan, card: ModelCard) -> TrainPlan:
    """Reads a plan; what is unset takes the default that the contract names."""
    mini_batches = plan.mini_batches if plan.HasField("mini_batches") else 1
    found = check.number("plan.expected_version", plan.expected_version, at_least=0)
    found += check.number("plan.mini_batches", mini_batches, at_least=1)
    objective = _objective(plan.objective, card, found) if plan.HasField("objective") else None
    if objective is None and not plan.HasField("objective"):
        found.append(Violation("plan.objective", "must be set"))
    distils = plan.HasField("objective") and plan.objective.HasField("distillation")
    teacher = _teacher(plan, distils, found)
    optimizer = _optimizer(plan, found)
    if found or objective is None or teacher is None or optimizer is None:
        raise InputError(found)
    return TrainPlan(plan.expected_version, objective, teacher, optimizer, mini_batches, plan.shuffle_seed)


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


def _objective(message: proto.Objective, card: ModelCard, found: list[Violation]) -> Objective | None:
    at = "plan.objective"
    has_distillation = message.HasField("distillation")
    distillation = _distillation(message.distillation, card, found) if has_distillation else None
    policy_gradient: PolicyGradient | None = None
    if message.HasField("policy_gradient"):
        given = message.policy_gradient
        dual_clip = given.dual_clip if given.HasField("dual_clip") else None
        policy_gradient = PolicyGradient(given.weight, given.clip_low, given.clip_high, dual_clip)
    likelihood = message.likelihood.weight if message.HasField("likelihood") else None
    weights = [policy_gradient.weight if policy_gradient else 0.0, likelihood or 0.0]
    # A distillation that cannot be read is a violation of its own, not a term left out.
    if not has_distillation and not any(weights):
        nothing = "must give distillation, policyGradient or likelihood a weight above 0, gives none"
        found.append(Violation(at, nothing))
    if distillation is not None:
        found += _distillation_violations(distillation)
    if policy_gradient is not None:
        within = f"{at}.policy_gradient"
        found += check.number(f"{within}.weight", policy_gradient.weight, at_least=0)
        found += check.number(f"{within}.clip_low", policy_gradient.clip_low, at_least=0, at_most=1)
        found += check.number(f"{within}.clip_high", policy_gradient.clip_high, at_least=0)
        found += check.number(f"{within}.dual_clip", policy_gradient.dual_clip, above=1)
    found += check.number(f"{at}.likelihood.weight", likelihood, at_least=0)
    cap = message.rollout_importance_cap if message.HasField("rollout_importance_cap") else None
    temperature = message.temperature if message.HasField("temperature") else 1.0
    found += check.number(f"{at}.rollout_importance_cap", cap, above=0)
    found += check.number(f"{at}.temperature", temperature, above=0)
    aggregation = _AGGREGATIONS.get(message.aggregation, "token-mean")
    return Objective(aggregation, distillation, policy_gradient, likelihood, cap, temperature)


def _distillation(message: proto.Distillation, card: ModelCard, found: list[Violation]) -> Distillation | None:
    field = "plan.objective.distillation.support"
    kind = _SUPPORTS.get(message.support.kind)
    if kind is None:
        found.append(Violation(f"{field}.kind", "must be set"))
        return None
    support = Support(kind, 0 if kind == "full" else message.support.k)
    if kind != "full":
        found += check.number(f"{field}.k", support.k, at_most=card.vocabulary_size)
    cap = message.importance_cap if message.HasField("importance_cap") else None
    sampled = message.granularity == proto.GRANULARITY_SAMPLED_TOKEN
    return Distillation(message.weight, message.alpha, support, "sampled-token" if sampled else "logit", cap)


def _distillation_violations(distillation: Distillation) -> list[Violation]:
    at, alpha = "plan.objective.distillation", distillation.alpha
    found = check.number(f"{at}.weight", distillation.weight, at_least=0)
    found += check.number(f"{at}.alpha", alpha, at_least=0, at_most=1)
    if distillation.granularity == "sampled-token" and alpha != 1:
        mismatch = f"must be 1 with granularity sampled-token, is {check.told(alpha)}"
        found.append(Violation(f"{at}.alpha", mismatch))
    if distillation.support.kind != "full":
        found += check.whole(f"{at}.support.k", distillation.support.k, at_least=1)
    found += check.number(f"{at}.importance_cap", distillation.importance_cap, above=0)
    return found


def _teacher(plan: proto.TrainPlan, distils: bool, found: list[Violation]) -> TeacherSettings | None:
    if not plan.HasField("teacher"):
        if distils:
            found.append(Violation("plan.teacher", "must be set"))
            return None
        # Nobody teaches: the teacher stays as it is.
        return TeacherSettings("ema", 0.0, "hold")
    rate = plan.teacher.rate
    cadence: Literal["batch", "step", "hold"] = _CADENCES.get(plan.teacher.cadence, "batch")
    kinds = {
        proto.TEACHER_KIND_EMA: TeacherSettings("ema", rate, cadence),
        proto.TEACHER_KIND_FROZEN: TeacherSettings("frozen", rate, cadence),
        proto.TEACHER_KIND_LIVE: TeacherSettings("live", rate, cadence),
        proto.TEACHER_KIND_TRUST_REGION: TeacherSettings("trust-region", rate, cadence),
    }
    teacher = kinds.get(plan.teacher.kind)
    if teacher is None:
        found.append(Violation("plan.teacher.kind", "must be set"))
    else:
        found += check.number("plan.teacher.rate", rate, at_least=0, at_most=1)
    return teacher


def _optimizer(plan: proto.TrainPlan, found: list[Violation]) -> OptimizerSettings | None:
    if not plan.HasField("optimizer"):
        found.append(Violation("plan.optimizer", "must be set"))
        return None
    given, at = plan.optimizer, "plan.optimizer"
    settings = OptimizerSettings(
        given.learning_rate,
        given.beta1 if given.HasField("beta1") else 0.9,
        given.beta2 if given.HasField("beta2") else 0.999,
        given.epsilon if given.HasField("epsilon") else 1e-8,
        given.weight_decay if given.HasField("weight_decay") else 0.0,
        given.max_gradient_norm if given.HasField("max_gradient_norm") else None,
    )
    found += check.number(f"{at}.learning_rate", settings.learning_rate, at_least=0)
    found += check.decay(f"{at}.beta1", settings.beta1)
    found += check.decay(f"{at}.beta2", settings.beta2)
    found += check.number(f"{at}.epsilon", settings.epsilon, above=0)
    found += check.number(f"{at}.weight_decay", settings.weight_decay, at_least=0)
    found += check.number(f"{at}.max_gradient_norm", settings.max_gradient_norm, above=0)
    return settings


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
