"""The weights that are trained: the student, its optimizer, and a teacher that shares the initial weights until it moves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from policy_torch.architecture import PolicyModel, read_model
from policy_torch.group import Group
from policy_torch.model import LoadedModel
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
    #: What is trained: the factors of an adapter, or all weights.
    trained: WeightSet
    #: Laid out like `Policy.moving`.
    teacher: WeightSet | None
    moments: Moments | None


class Policy:
    """A model with its training state.

    With an adapter the optimizer moves its factors alone. What a teacher holds is what they make of the targeted matrices:
    an EMA is one of the product, and the other weights are the base's for everyone.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.version = 0
        #: Whether transactions have been taken since a checkpoint was last saved or restored.
        self.unsaved = False
        self.own_teacher: WeightSet | None = None
        self.moments: Moments | None = None
        self._initial: WeightSet | None = None
        self._untouched = True
        self._initial_factors = None if model.adapter is None else model.adapter.factors.copy()

    @property
    def parameters(self) -> Parameters:
        return self.model.parameters

    @property
    def moving(self) -> Parameters:
        """The weights in which student and teacher may differ from the base: the targets of an adapter, or all."""
        return self.parameters if self.model.adapter is None else self.model.adapter.matrices

    @property
    def teacher(self) -> WeightSet:
        """The EMA teacher's weights, laid out like `moving`; only to be read."""
        return self.initial if self.own_teacher is None else self.own_teacher

    @property
    def initial(self) -> WeightSet:
        """What `moving` was when the policy was started; kept once it is asked for. All ranks ask together."""
        if self._initial is None:
            adapter, factors = self.model.adapter, self._initial_factors
            if adapter is None or factors is None:
                self._initial = self.parameters.copy() if self._untouched else self._read_initial()
            elif adapter.changes_nothing(factors, self.model.group):
                self._initial = adapter.matrices.local()  # over the memory of the base, which nothing moves
            else:
                self._initial = list(adapter.merged(factors))
        return self._initial

    def student(self) -> Iterator[Tensor]:
        """The student's part of `moving`, one tensor after the other; all ranks iterate together."""
        adapter = self.model.adapter
        yield from self.parameters.local() if adapter is None else adapter.merged()

    def whole_set(self, moving: Iterable[Tensor]) -> Iterator[Tensor]:
        """This rank's part of all parameters, of which `moving` are given and the rest are the base's."""
        given, names = iter(moving), set(self.moving.names)
        for name, own in zip(self.parameters.names, self.parameters.local(), strict=True):
            yield next(given) if name in names else own

    def moving_of(self, everything: WeightSet) -> WeightSet:
        """Those parts of all weights that are laid out like `moving`."""
        by_name = dict(zip(self.parameters.names, everything, strict=True))
        return [by_name[name] for name in self.moving.names]

    @contextmanager
    def as_teacher(self, weights: WeightSet) -> Iterator[None]:
        """The model computes as one whose `moving` weights are these."""
        adapter = self.model.adapter
        with nullcontext() if adapter is None else adapter.silenced(), self.moving.exchanged(weights):
            yield

    @contextmanager
    def as_student(self, trained: WeightSet | None) -> Iterator[None]:
        """The model computes as a student of other trained weights; None: as it is."""
        with self.model.trained.exchanged(trained):
            yield

    def make_moments(self) -> Moments:
        """The optimizer's memory; zeros before its first step."""
        if self.moments is None:
            weights = self.model.trained.local()
            self.moments = Moments([torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights], 0)
        return self.moments

    @torch.no_grad()
    def step(self, settings: OptimizerSettings) -> tuple[float, bool]:
        """Takes one AdamW step along the accumulated gradient (Loshchilov and Hutter, arXiv 1711.05101).

        Returns the gradient's global norm before clipping, and whether it was not finite, in which case nothing changes.
        """
        trained = self.model.trained
        gradients = trained.gradients()
        norm = global_norm(gradients, self.model.group)
        trained.clear_gradients()
        if not math.isfinite(norm):
            return norm, True
        weights = trained.local()
        moments = self.make_moments()
        if settings.max_gradient_norm is not None and norm > settings.max_gradient_norm:
            torch._foreach_mul_(gradients, settings.max_gradient_norm / norm)
        steps = torch.full((len(weights),), float(moments.steps), device=self.model.device)
        held = [index for index, weight in enumerate(weights) if weight.numel() > 0]
        adamw(
            [weights[i] for i in held],
            [gradients[i] for i in held],
            [moments.first[i] for i in held],
            [moments.second[i] for i in held],
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
        moments.steps += 1
        self._untouched = False
        return norm, False

    @torch.no_grad()
    def move_teacher(self, rate: float) -> None:
        """teacher <- teacher + rate (student - teacher), in float32."""
        if rate == 0:
            return
        if self.own_teacher is None:
            if self.model.adapter is None:
                # The initial weights are read again should they be needed beside a teacher that has left them.
                self.own_teacher, self._initial = self.initial, None
            else:
                self.own_teacher = [part.clone() for part in self.initial]
        for mine, student in zip(self.own_teacher, self.student(), strict=True):
            mine.copy_(student) if rate == 1 else mine.lerp_(student, rate)

    def snapshot(self) -> Snapshot:
        """A copy of all that training changes."""
        moments = self.moments
        kept = moments and Moments(
            [m.clone() for m in moments.first], [v.clone() for v in moments.second], moments.steps
        )
        teacher = self.own_teacher and [part.clone() for part in self.own_teacher]
        return Snapshot(self.version, self.model.trained.copy(), teacher, kept)

    def restore(self, state: Snapshot) -> None:
        """Takes over a state: copies what is trained, keeps the memory of the rest."""
        self.model.scatter()
        self.model.trained.assign(state.trained)
        self.version, self.own_teacher, self.moments = state.version, state.teacher, state.moments
        self._untouched = False

    @torch.no_grad()
    def replace(self, version: int, wholes: Iterable[Tensor]) -> None:
        """Takes over other weights, whole in the order of `parameters`; teacher and optimizer begin anew.

        All ranks iterate together.
        """
        self.model.scatter()
        for index, (part, whole) in enumerate(zip(self.parameters.local(), wholes, strict=True)):
            part.copy_(self.parameters.part(index, whole))
        self.version, self.own_teacher, self.moments = version, None, None
        self._untouched = False

    def start_over(self) -> None:
        """Back to the initial weights, with a fresh optimizer."""
        initial = self.initial if self._initial_factors is None else self._initial_factors
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
