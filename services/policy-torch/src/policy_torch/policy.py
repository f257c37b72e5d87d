"""The weights that are trained: the student, its optimizer, and a teacher that shares the initial weights until it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from policy_torch.group import Group
from policy_torch.model import LoadedModel, PolicyModel, read_model
from policy_torch.plan import OptimizerSettings
from policy_torch.weights import Parameters, WeightSet


@dataclass
class Moments:
    """What AdamW remembers, laid out like the weights."""

    first: WeightSet
    second: WeightSet
    #: Steps taken, which bias correction counts.
    steps: int


@dataclass(frozen=True)
class Snapshot:
    """A whole training state of its own memory; None stands for initial weights and a fresh optimizer."""

    version: int
    student: WeightSet
    teacher: WeightSet | None
    moments: Moments | None


class Policy:
    """A model with its training state."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.version = 0
        self.own_teacher: WeightSet | None = None
        self.moments: Moments | None = None
        self._initial: WeightSet | None = None
        self._untouched = True

    @property
    def parameters(self) -> Parameters:
        return self.model.parameters

    @property
    def teacher(self) -> WeightSet:
        """The EMA teacher's weights; only to be read."""
        return self.initial if self.own_teacher is None else self.own_teacher

    @property
    def initial(self) -> WeightSet:
        """The weights the policy was started with; kept once they are asked for, read from the model's folder if need be."""
        if self._initial is None:
            self._initial = self.parameters.copy() if self._untouched else self._read_initial()
        return self._initial

    @torch.no_grad()
    def step(self, settings: OptimizerSettings) -> tuple[float, bool]:
        """Takes one AdamW step along the accumulated gradient (Loshchilov and Hutter, arXiv 1711.05101).

        Returns the gradient's global norm before clipping, and whether it was not finite, in which case nothing changes.
        """
        gradients = self.parameters.gradients()
        norm = global_norm(gradients, self.model.group)
        self.parameters.clear_gradients()
        if not math.isfinite(norm):
            return norm, True
        weights = self.parameters.local()
        if self.moments is None:
            self.moments = Moments([torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights], 0)
        if settings.max_gradient_norm is not None and norm > settings.max_gradient_norm:
            torch._foreach_mul_(gradients, settings.max_gradient_norm / norm)
        steps = torch.full((len(weights),), float(self.moments.steps), device=self.model.device)
        held = [index for index, weight in enumerate(weights) if weight.numel() > 0]
        adamw(
            [weights[i] for i in held],
            [gradients[i] for i in held],
            [self.moments.first[i] for i in held],
            [self.moments.second[i] for i in held],
            [],
            [steps[i] for i in held],
            fused=True,
            amsgrad=False,
            maximize=False,
            lr=settings.learning_rate,
            beta1=settings.beta1,
            beta2=settings.beta2,
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
        )
        self.moments.steps += 1
        self._untouched = False
        return norm, False

    @torch.no_grad()
    def move_teacher(self, rate: float) -> None:
        """teacher <- teacher + rate (student - teacher), in float32."""
        if rate == 0:
            return
        if self.own_teacher is None:
            # The initial weights are read again should they be needed beside a teacher that has left them.
            self.own_teacher, self._initial = self.initial, None
        student = self.parameters.local()
        if rate == 1:
            torch._foreach_copy_(self.own_teacher, student)
        else:
            torch._foreach_lerp_(self.own_teacher, student, rate)

    def snapshot(self) -> Snapshot:
        """A copy of all that training changes."""
        moments = self.moments
        kept = moments and Moments(
            [m.clone() for m in moments.first], [v.clone() for v in moments.second], moments.steps
        )
        teacher = self.own_teacher and [part.clone() for part in self.own_teacher]
        return Snapshot(self.version, self.parameters.copy(), teacher, kept)

    def restore(self, state: Snapshot) -> None:
        """Takes over a state: copies the student, keeps the memory of the rest."""
        self.model.scatter()
        self.parameters.assign(state.student)
        self.version, self.own_teacher, self.moments = state.version, state.teacher, state.moments
        self._untouched = False

    def start_over(self) -> None:
        """Back to the initial weights, with a fresh optimizer."""
        initial = self.initial
        self.restore(Snapshot(0, initial, None, None))
        self._untouched = True

    def _read_initial(self) -> WeightSet:
        fresh = PolicyModel(read_model(self.model.options.folder))
        by_name = {name.removeprefix("language_model."): each for name, each in fresh.named_parameters()}
        return [self.parameters.part(i, by_name[name].detach()) for i, name in enumerate(self.parameters.names)]


def global_norm(gradients: list[Tensor], group: Group) -> float:
    """The L2 norm over all ranks' elements, accumulated in float64."""
    squares = [torch.linalg.vector_norm(each, dtype=torch.float64).square() for each in gradients]
    return math.sqrt(group.total(float(torch.stack(squares).sum()))) if squares else 0.0
