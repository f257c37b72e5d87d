"""A training transaction as values: the plan, the examples, and the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policy_torch.batches import Continuation
from policy_torch.objective import Objective


@dataclass(frozen=True)
class TeacherSettings:
    """Whose weights teach and whether they move."""

    kind: Literal["ema", "frozen", "live", "trust-region"]
    #: EMA: share of the student taken at each move. Trust region: share of the live logits. In [0, 1].
    rate: float
    #: When an EMA teacher moves: after the transaction, after each optimizer step, or not.
    cadence: Literal["batch", "step", "hold"]

    @property
    def moves_per_step(self) -> bool:
        return self.kind == "ema" and self.cadence == "step"


@dataclass(frozen=True)
class OptimizerSettings:
    """AdamW with decoupled weight decay and global-norm clipping."""

    learning_rate: float
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    #: None clips nothing.
    max_gradient_norm: float | None = None


@dataclass(frozen=True)
class TrainPlan:
    """One transaction: all its optimizer steps are taken, or none."""

    expected_version: int
    objective: Objective
    teacher: TeacherSettings
    optimizer: OptimizerSettings
    #: Optimizer steps, each on an equal share of the examples.
    mini_batches: int = 1
    #: Orders the examples before they are shared out.
    shuffle_seed: int = 0


@dataclass(frozen=True)
class TrainExample:
    """One completion with what the student saw and what the teacher sees."""

    student_prompt_ids: list[int]
    #: Empty when nothing teaches this completion.
    teacher_prompt_ids: list[int]
    #: Exactly as sampled. Shape [T].
    completion_ids: list[int]
    #: Exactly as sampled. Shape [T], or empty when no term needs them.
    completion_logprobs: list[float]
    advantage: float = 0.0
    distillation_weight: float = 1.0
    policy_gradient_weight: float = 1.0
    likelihood_weight: float = 1.0
    rollout_id: str = ""

    @property
    def taught(self) -> bool:
        return bool(self.teacher_prompt_ids)

    def distilled(self, objective: Objective) -> bool:
        """Whether the teacher's distributions are needed for it."""
        return objective.distillation is not None and self.taught and self.distillation_weight != 0

    def contributes(self, objective: Objective) -> bool:
        """Whether any term of the objective moves the weights for it; others are counted and not computed."""
        return (
            self.distilled(objective)
            or (objective.policy_gradient is not None and self.policy_gradient_weight * self.advantage != 0)
            or (objective.likelihood is not None and self.likelihood_weight != 0)
        )

    def for_student(self) -> Continuation:
        return Continuation(self.student_prompt_ids, self.completion_ids)

    def for_teacher(self) -> Continuation:
        return Continuation(self.teacher_prompt_ids, self.completion_ids)


@dataclass(frozen=True)
class StepReport:
    """The figures of one optimizer step."""

    loss: float
    #: The terms before the objective's weights.
    distillation_loss: float
    policy_gradient_loss: float
    likelihood_loss: float
    #: Before clipping.
    gradient_norm: float
    #: The gradient was not finite and the weights were left as they were.
    skipped: bool
    examples: int
    loss_tokens: int


@dataclass(frozen=True)
class TrainReport:
    """What a transaction did."""

    version: int
    steps: list[StepReport]
    #: Under their established names, for example `actor/entropy`.
    metrics: dict[str, float]
    #: Seconds per phase.
    seconds: dict[str, float]
