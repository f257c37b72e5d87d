"""A training transaction: all optimizer steps of the plan, or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from policy_torch.architecture import PolicyModel
from policy_torch.batches import MicroBatch, Row, assemble, deal, pack
from policy_torch.head import Lesson, loss
from policy_torch.memory import in_step, with_room, within_memory
from policy_torch.metrics import Means, TermLosses, add_tokens, rollout_correction
from policy_torch.objective import Objective, Tokens, capped_ratio, token_scales
from policy_torch.plan import StepReport, TrainExample, TrainPlan, TrainReport
from policy_torch.policy import Policy
from policy_torch.randomness import share_out
from policy_torch.scaled_example import ScaledExample
from policy_torch.score import score
from policy_torch.teacher import Teacher

STATE_ADVICE = "Train an adapter (BACKSIGHT_ADAPTER_RANK), or start more ranks, on more GPUs."


@dataclass
class Stopwatch:
    """Seconds spent in named phases; an inner phase counts for itself and for the one around it."""

    #: Whose work is waited for at the end of a phase: a GPU is given work long before it has done it.
    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - begin


class Transaction:
    """One plan on one policy; all ranks run it together, each on its share of the micro-batches."""

    def __init__(
        self,
        policy: Policy,
        plan: TrainPlan,
        examples: Sequence[TrainExample],
        token_budget: int,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """`checkpoint` is called before every micro-batch and may raise, which takes nothing."""
        self._policy, self._plan, self._examples = policy, plan, examples
        self._token_budget, self._checkpoint = token_budget, checkpoint
        self._stopwatch, self._means = Stopwatch(policy.model.device), Means()

    def run(self) -> TrainReport:
        """Takes the steps; on an error the policy is as it was."""
        policy, plan = self._policy, self._plan
        policy.model.scatter()
        # A single step changes the weights only once nothing can fail any more, so there is nothing to go back to.
        group, several = policy.model.group, plan.mini_batches > 1
        before = with_room(group, "a copy to go back to", STATE_ADVICE, policy.snapshot) if several else None
        try:
            live = None if before is None else before.trained
            return self._take_steps(Teacher(policy, plan.teacher, live))
        except BaseException:
            policy.model.abandon()
            if before is not None:
                policy.restore(before)
            raise

    def _take_steps(self, teacher: Teacher) -> TrainReport:
        policy, plan = self._policy, self._plan
        with_room(policy.model.group, "the optimizer's moments", STATE_ADVICE, policy.make_moments)
        if plan.objective.distillation is not None:
            teacher.prepare()
        with self._stopwatch.measure("old_logprobs"):
            prepared = self._prepare()
        steps: list[StepReport] = []
        for indices in share_out(len(prepared), plan.mini_batches, plan.shuffle_seed):
            share = _scaled(plan.objective, [prepared[index] for index in indices])
            gradient = partial(self._gradient, share, teacher, not steps)
            losses, self._token_budget = within_memory(policy.model, self._token_budget, gradient)
            self._checkpoint()
            with self._stopwatch.measure("update"):
                norm, skipped = policy.step(plan.optimizer)
                if not skipped and plan.teacher.moves_per_step:
                    policy.move_teacher(plan.teacher.rate)
                    teacher.moved()
            steps.append(self._report(losses, share, norm, skipped))
        if plan.teacher.kind == "ema" and plan.teacher.cadence == "batch" and not all(s.skipped for s in steps):
            with self._stopwatch.measure("update"):
                policy.move_teacher(plan.teacher.rate)
        policy.version += plan.mini_batches
        policy.unsaved = True
        metrics = self._metrics(steps) | self._correction(prepared)
        return TrainReport(policy.version, steps, metrics, self._stopwatch.seconds)

    def _prepare(self) -> list[ScaledExample]:
        """Recomputes the logprobs under the weights at the start where the plan corrects for the sampler's."""
        objective, examples = self._plan.objective, self._examples
        cap = objective.rollout_importance_cap
        recomputed: dict[int, list[float]] = {}
        if cap is not None:
            needed = [index for index, example in enumerate(examples) if example.contributes(objective)]
            continuations = [examples[index].for_student() for index in needed]
            model = self._policy.model
            scores = score(model, continuations, self._token_budget, objective.temperature, checkpoint=self._checkpoint)
            recomputed = {index: each.logprobs for index, each in zip(needed, scores, strict=True)}
            self._policy.model.scatter()
        prepared: list[ScaledExample] = []
        for index, example in enumerate(examples):
            sampled = example.completion_logprobs
            old = recomputed.get(index, sampled or [0.0] * len(example.completion_ids))
            weights = [capped_ratio(cap, a, b) for a, b in zip(old, sampled or old, strict=True)]
            prepared.append(ScaledExample(example, old, weights))
        return prepared

    def _gradient(
        self, share: Sequence[ScaledExample], teacher: Teacher, compare_sampling: bool, token_budget: int
    ) -> TermLosses:
        """Accumulates the gradient of a mini-batch in micro-batches."""
        objective, model = self._plan.objective, self._policy.model
        model.trained.clear_gradients()
        losses, means = TermLosses(), Means()
        contributing = [each for each in share if each.example.contributes(objective)]
        continuations = [each.example.for_student() for each in contributing]
        if objective.distillation is not None and not teacher.has_heads:
            teacher.gather_heads()

        def work(rows: list[Row]) -> None:
            batch = assemble(continuations, rows, model.device)
            chosen = [contributing[item] for item in batch.items]
            teaching = None
            if objective.distillation is not None:
                with self._stopwatch.measure("teacher"):
                    teaching = teacher.teach(objective, [each.example for each in chosen], token_budget)
            with self._stopwatch.measure("gradient"):
                lesson = Lesson(objective, _tokens(objective, batch, chosen), teaching)
                torch.autograd.backward(model.run(partial(_loss, batch=batch, lesson=lesson)))
                add_tokens(objective, lesson.figures, chosen, compare_sampling, losses, means)

        for rows in deal(pack(continuations, token_budget, model.sharing_width), model.group.rank, model.group.size):
            self._checkpoint()
            in_step(model, work, rows)
        self._means.merge(means.over(model.group))
        return _summed(model.group.gather(losses))

    def _report(self, losses: TermLosses, share: Sequence[ScaledExample], norm: float, skipped: bool) -> StepReport:
        objective = self._plan.objective
        return StepReport(
            losses.total(objective),
            losses.distillation,
            losses.policy_gradient,
            losses.likelihood,
            norm,
            skipped,
            len(share),
            sum(_loss_tokens(objective, each) for each in share),
        )

    def _metrics(self, steps: Sequence[StepReport]) -> dict[str, float]:
        objective, taken = self._plan.objective, [step for step in steps if not step.skipped]

        def mean(values: list[float]) -> float:
            return sum(values) / max(1, len(values))

        metrics = self._means.means() | {
            # By established use this is the loss that the actor minimises, whatever its terms.
            "actor/pg_loss": mean([step.loss for step in steps]),
            "actor/grad_norm": mean([step.gradient_norm for step in taken]),
            "actor/lr": self._plan.optimizer.learning_rate,
            "actor/skipped_steps": float(len(steps) - len(taken)),
        }
        if objective.distillation is not None:
            metrics["self_distillation/distillation_loss"] = mean([step.distillation_loss for step in steps])
        if objective.policy_gradient is not None:
            metrics["self_distillation/policy_loss"] = mean([step.policy_gradient_loss for step in steps])
        if objective.likelihood is not None:
            metrics["actor/likelihood_loss"] = mean([step.likelihood_loss for step in steps])
        largest = self._means.largest("sampling/logprob_abs_diff_mean")
        return metrics if largest is None else metrics | {"sampling/logprob_abs_diff_max": largest}

    def _correction(self, prepared: Sequence[ScaledExample]) -> dict[str, float]:
        objective = self._plan.objective
        if objective.rollout_importance_cap is None:
            return {}
        pairs = [
            (each.old_logprobs, each.example.completion_logprobs)
            for each in prepared
            if each.example.contributes(objective)
        ]
        return rollout_correction(pairs, objective.rollout_importance_cap)


def _loss(module: PolicyModel, batch: MicroBatch, lesson: Lesson) -> Tensor:
    return loss(module.hidden(batch), module.head(), lesson)


def _loss_tokens(objective: Objective, scaled: ScaledExample) -> int:
    example = scaled.example
    return len(example.completion_ids) if objective.carries_loss(example.taught) else 0


def _scaled(objective: Objective, share: Sequence[ScaledExample]) -> list[ScaledExample]:
    """Gives each example of a mini-batch its factor."""
    scales = token_scales(objective.aggregation, [_loss_tokens(objective, each) for each in share])
    return [
        ScaledExample(each.example, each.old_logprobs, each.rollout_weights, scale)
        for each, scale in zip(share, scales, strict=True)
    ]


def _tokens(objective: Objective, batch: MicroBatch, chosen: Sequence[ScaledExample]) -> Tokens:
    """What the objective reads per completion token, in the order of the batch. Shape [N] each."""
    device = batch.ids.device
    counts = torch.tensor(batch.counts, dtype=torch.long)

    def column(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).repeat_interleave(counts)

    rollout = torch.tensor([w for each in chosen for w in each.rollout_weights], dtype=torch.float32)
    factor = column([each.token_scale for each in chosen]) * rollout
    old = torch.tensor([x for each in chosen for x in each.old_logprobs], dtype=torch.float32)
    distillation, policy_gradient = objective.distillation, objective.policy_gradient
    weights = (
        [
            (distillation.weight if distillation and each.example.taught else 0) * each.example.distillation_weight
            for each in chosen
        ],
        [(policy_gradient.weight if policy_gradient else 0) * each.example.policy_gradient_weight for each in chosen],
        [(objective.likelihood or 0) * each.example.likelihood_weight for each in chosen],
    )
    scales = [(column(each) * factor).to(device) for each in weights]
    advantages = column([each.example.advantage for each in chosen])
    return Tokens(batch.completion_ids, old.to(device), advantages.to(device), scales[0], scales[1], scales[2])


def _summed(parts: list[TermLosses]) -> TermLosses:
    return TermLosses(
        sum(part.distillation for part in parts),
        sum(part.policy_gradient for part in parts),
        sum(part.likelihood for part in parts),
    )
