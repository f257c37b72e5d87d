"""What a mini-batch makes of an example."""

from __future__ import annotations

from dataclasses import dataclass

from policy_torch.plan import TrainExample


@dataclass(frozen=True)
class ScaledExample:
    """An example in its mini-batch."""

    example: TrainExample
    #: Shape [T]; zeros where no term needs them.
    old_logprobs: list[float]
    #: Shape [T]; ones without a cap.
    rollout_weights: list[float]
    #: Factor of its token losses in the mini-batch's loss.
    token_scale: float = 0.0
