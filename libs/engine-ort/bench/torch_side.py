"""The PyTorch side of `npm run bench:engine`: runs one workload each time it is told to.

Reads a line on stdin, works, answers with a line of JSON on stdout. Eager PyTorch as one would write it with care: logits
only where they are needed, scaled-dot-product attention, micro-batches, no gradients where none are used, fused AdamW.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    with open(options.tokens) as file:
        tokens = json.load(file)
    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="sdpa")
    model.eval()
    run = {"generate": generate, "score": score, "train": Training(model).step}[options.workload]
    answer({"ready": torch.__version__})
    for _ in sys.stdin:
        begin, cpu = time.perf_counter(), time.process_time()
        run(model, tokens)
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer({"seconds": seconds, "cpuSeconds": cpu_seconds, "peakBytes": peak})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=["generate", "score", "train"])
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens", required=True)
    parser.add_argument("--threads", type=int, required=True)
    return parser.parse_args()


def answer(value: dict) -> None:
    print(json.dumps(value), flush=True)


def generate(model, tokens) -> None:
    prompts = torch.tensor(tokens["prompts"]).repeat_interleave(tokens["groupSize"], dim=0)
    length = tokens["completionTokens"]
    with torch.inference_mode():
        model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
            max_new_tokens=length,
            min_new_tokens=length,
            pad_token_id=0,
        )


def score(model, tokens) -> None:
    prompts, completions = sequences(tokens, "studentPrompts")
    with torch.inference_mode():
        for rows in micro_batches(tokens):
            logits = completion_logits(model, prompts[rows], completions[rows])
            logprobs = F.log_softmax(logits, dim=-1)
            logprobs.gather(-1, completions[rows].unsqueeze(-1))
            (logprobs.exp() * logprobs).sum(-1)


class Training:
    """AdamW over the student, and an EMA teacher that reads another prompt (arXiv 2601.20802, top-K and tail)."""

    def __init__(self, model) -> None:
        self.teacher = None
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.01, fused=True)

    def step(self, model, tokens) -> None:
        if self.teacher is None:
            self.teacher = copy_of(model)
        student_prompts, completions = sequences(tokens, "studentPrompts")
        teacher_prompts, _ = sequences(tokens, "teacherPrompts")
        old = torch.tensor(tokens["oldLogprobs"])
        self.optimizer.zero_grad(set_to_none=True)
        for rows in micro_batches(tokens):
            with torch.no_grad():
                teacher = completion_logits(self.teacher, teacher_prompts[rows], completions[rows])
            student = completion_logits(model, student_prompts[rows], completions[rows])
            losses = distillation(student, teacher, completions[rows], old[rows], tokens["topK"])
            (losses.sum() / completions.numel()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.teacher.parameters()), list(model.parameters()), 0.05)


def copy_of(model):
    copy = type(model)(model.config)
    copy.load_state_dict(model.state_dict())
    return copy.eval().requires_grad_(False)


def distillation(student, teacher, ids, old, k: int):
    """Jensen-Shannon divergence over the student's top K and one bucket for the rest. Shapes [B, T, V] -> [B, T]."""
    top, indices = student.topk(k, dim=-1)
    student_total = student.logsumexp(-1, keepdim=True)
    teacher_top = teacher.gather(-1, indices) - teacher.logsumexp(-1, keepdim=True)
    s, t = with_tail(top - student_total), with_tail(teacher_top)
    half = torch.log(torch.tensor(0.5))
    middle = torch.logaddexp(s + half, t + half)
    loss = 0.5 * (s.exp() * (s - middle)).sum(-1) + 0.5 * (t.exp() * (t - middle)).sum(-1)
    own = (student.gather(-1, ids.unsqueeze(-1)) - student_total).squeeze(-1)
    ratio = (own.detach() - old).clamp(-20, 20).exp().clamp(max=2.0)
    return loss * ratio


def with_tail(logprobs):
    mass = logprobs.logsumexp(-1, keepdim=True).clamp(max=-1e-7)
    return torch.cat([logprobs, torch.log(-torch.expm1(mass))], dim=-1)


def completion_logits(model, prompts, completions):
    """Logits that predict each completion token. Shapes [B, P], [B, T] -> [B, T, V]."""
    length = completions.shape[1]
    hidden = model.model(torch.cat([prompts, completions[:, :-1]], dim=1), use_cache=False).last_hidden_state
    return model.lm_head(hidden[:, -length:])


def sequences(tokens, prompts: str):
    return torch.tensor(tokens[prompts]), torch.tensor(tokens["completions"])


def micro_batches(tokens):
    size = tokens["microBatch"]
    return [slice(i, i + size) for i in range(0, len(tokens["completions"]), size)]


if __name__ == "__main__":
    main()
