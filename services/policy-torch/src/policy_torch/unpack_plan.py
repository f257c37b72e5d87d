"""Turns the plan of a training transaction into values, or says every field of it that is wrong."""

from __future__ import annotations

from typing import Literal

from backsight.policy.v1 import policy_pb2 as proto

from policy_torch import violations as check
from policy_torch.architecture import ModelCard
from policy_torch.errors import InputError, Violation
from policy_torch.objective import Aggregation, Distillation, Objective, PolicyGradient, Support, SupportKind
from policy_torch.plan import OptimizerSettings, TeacherSettings, TrainPlan

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
