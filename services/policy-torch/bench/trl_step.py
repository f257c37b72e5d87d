"""Times TRL's SDPOTrainer on a workload, and prints the figures as one line of JSON; it runs in an environment of its own."""

from __future__ import annotations

import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

import torch
import trl
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl.experimental.sdpo import SDPOConfig, SDPOTrainer
from workload import Clock, Workload, peak_memory_bytes


class Steps(TrainerCallback):  # type: ignore[misc]
    """Wall and processor seconds of each step, and of generation within it."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float]] = []
        self.generations: list[tuple[float, float]] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._clock = Clock()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.steps.append(self._clock.read())


def main() -> None:
    workload = Workload.load(Path(sys.argv[1]))
    torch.set_num_threads(workload.threads)
    tokenizer = AutoTokenizer.from_pretrained(workload.model)
    vocabulary = len(tokenizer)
    texts = [tokenizer.decode(ids) for ids in workload.prompt_ids(vocabulary)]
    rows = [{"prompt": text} for text in texts for _ in range(workload.steps + 1)]
    settings = SDPOConfig(
        output_dir=sys.argv[2],
        per_device_train_batch_size=workload.completions,
        num_generations=workload.group_size,
        max_prompt_length=None,
        max_completion_length=workload.completion_tokens,
        generation_kwargs={"min_new_tokens": workload.completion_tokens},
        max_steps=workload.steps + 1,
        learning_rate=1e-5,
        weight_decay=0.01,
        max_grad_norm=1.0,
        distillation_mode="topk_logits",
        distillation_topk=20,
        distillation_add_tail=True,
        distillation_alpha=0.5,
        distillation_is_clip=2.0,
        teacher_model_kind="ema",
        teacher_update_rate=0.05,
        gradient_checkpointing=False,
        use_cpu=workload.device == "cpu",
        bf16=workload.device == "cuda",
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
        dataloader_pin_memory=False,
        model_init_kwargs={"dtype": torch.float32},
    )

    def reward(completions: list[str], **_: Any) -> list[float]:
        """Every other completion is right, so that every completion has a sibling to learn from."""
        return [float(index % 2) for index in range(len(completions))]

    watched = Steps()
    trainer = SDPOTrainer(
        model=workload.model,
        reward_funcs=reward,
        args=settings,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[watched],
    )
    generate = trainer._generate

    def timed(*arguments: Any) -> Any:
        clock = Clock()
        answer = generate(*arguments)
        watched.generations.append(clock.read())
        return answer

    trainer._generate = timed
    trainer.train()
    wall, cpu = (
        {"step": _median(watched.steps, kind), "generate": _median(watched.generations, kind)} for kind in (0, 1)
    )
    for seconds in (wall, cpu):
        seconds["train"] = seconds["step"] - seconds["generate"]
    print(
        json.dumps(
            {
                "engine": f"TRL {trl.__version__} SDPOTrainer",
                "seconds": wall,
                "cpu_seconds": cpu,
                "peak_memory_bytes": peak_memory_bytes(workload.device),
            }
        )
    )


def _median(seconds: list[tuple[float, float]], kind: int) -> float:
    return statistics.median(each[kind] for each in seconds[1:])


if __name__ == "__main__":
    main()
