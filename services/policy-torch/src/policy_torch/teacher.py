"""The teacher reads its prompts and the student's completions, and hands over hidden states: it never generates."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch

from policy_torch.batches import assemble, pack
from policy_torch.head import Head, Teaching
from policy_torch.model import PolicyModel
from policy_torch.objective import Objective
from policy_torch.plan import TeacherSettings, TrainExample
from policy_torch.policy import Policy
from policy_torch.weights import WeightSet


class Teacher:
    """The teacher of one transaction."""

    def __init__(self, policy: Policy, settings: TeacherSettings, live: WeightSet | None, token_budget: int) -> None:
        """`live` is what was trained at the start of the transaction; None while the student still has it."""
        self._policy, self._settings, self._live = policy, settings, live
        self._token_budget = token_budget
        self._heads: dict[str, Head] = {}

    def teach(self, objective: Objective, examples: Sequence[TrainExample]) -> Teaching:
        """Reads the examples that are distilled, in micro-batches; the others get zeros. All ranks call it together."""
        kind, policy = self._settings.kind, self._policy
        if kind == "ema":
            return self._read("own", policy.as_teacher(policy.teacher), objective, examples)
        if kind == "live":
            return self._read("live", policy.as_student(self._live), objective, examples)
        own = self._read("own", policy.as_teacher(policy.initial), objective, examples)
        if kind == "frozen":
            return own
        live = self._read("live", policy.as_student(self._live), objective, examples)
        return Teaching(own.hidden, own.head, live, self._settings.rate)

    def moved(self) -> None:
        """The teacher's weights have changed."""
        self._heads.clear()

    def halve_budget(self) -> None:
        """Memory ran out: reads smaller micro-batches from now on."""
        self._token_budget = max(1, self._token_budget // 2)

    @torch.no_grad()
    def _read(
        self,
        name: str,
        weights: AbstractContextManager[None],
        objective: Objective,
        examples: Sequence[TrainExample],
    ) -> Teaching:
        """Reads with the weights that the model computes with inside `weights`."""
        model = self._policy.model
        model.scatter()
        offsets, total = [], 0
        for example in examples:
            offsets.append(total)
            total += len(example.completion_ids)
        chosen = [index for index, example in enumerate(examples) if example.distilled(objective)]
        continuations = [examples[index].for_teacher() for index in chosen]
        passes = pack(continuations, self._token_budget, model.sharing_width)
        passes += [[] for _ in range(model.group.most(len(passes)) - len(passes))]
        with weights:
            if name not in self._heads:
                self._heads[name] = model.head_copy()
            head = self._heads[name]
            hidden = torch.zeros(total, head.weight.shape[1], dtype=head.weight.dtype, device=model.device)  # [N, D]
            for rows in passes:
                batch = assemble(continuations, rows, model.device)
                states = model.run(partial(PolicyModel.hidden, batch=batch))
                begin = 0
                for item, count in zip(batch.items, batch.counts, strict=True):
                    offset = offsets[chosen[item]]
                    hidden[offset : offset + count] = states[begin : begin + count]
                    begin += count
            model.scatter()
        return Teaching(hidden, head)
