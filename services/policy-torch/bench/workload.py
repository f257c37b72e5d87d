"""The workload that both trainers are timed on: a model folder, prompts, and one SDPO step's shape."""

from __future__ import annotations

import json
import random
import re
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

#: Random-weight Qwen3 models with real proportions, for machines that can reach no model: (width, feed-forward, layers,
#: heads, key-value heads, vocabulary).
SIZES: dict[str, tuple[int, int, int, int, int, int]] = {
    "20m": (384, 1024, 8, 6, 2, 16_384),
    "135m": (576, 1536, 30, 9, 3, 49_152),
    "0.6b": (1024, 3072, 28, 16, 8, 151_936),
    "1.7b": (2048, 6144, 28, 16, 8, 151_936),
}


@dataclass(frozen=True)
class Workload:
    """One step: so many prompts, completions of each, and tokens in both."""

    model: str
    prompts: int
    group_size: int
    prompt_tokens: int
    completion_tokens: int
    #: Steps that are timed, after one that is not.
    steps: int
    device: str
    threads: int
    micro_batch_tokens: int

    @property
    def completions(self) -> int:
        return self.prompts * self.group_size

    @property
    def teacher_prompt_tokens(self) -> int:
        """A question and a sibling's answer, and a few words around them."""
        return self.prompt_tokens + self.completion_tokens + 12

    def prompt_ids(self, vocabulary: int) -> list[list[int]]:
        """Random ids, the same for both trainers."""
        source = random.Random(1)
        return [[source.randrange(8, vocabulary) for _ in range(self.prompt_tokens)] for _ in range(self.prompts)]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @staticmethod
    def load(path: Path) -> Workload:
        return Workload(**json.loads(path.read_text()))


def make_random_model(folder: Path, size: str) -> Path:
    """Writes a random model of a size, with a tokenizer of whole words t0, t1, ...; returns its folder."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    width, feed_forward, layers, heads, key_value_heads, vocabulary = SIZES[size]
    path = folder / f"random-qwen3-{size}"
    if (path / "tokenizer.json").exists():
        return path
    config = AutoConfig.for_model(
        "qwen3",
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_value_heads,
        head_dim=128 if width >= 1024 else 64,
        vocab_size=vocabulary,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(1)
    AutoModelForCausalLM.from_config(config).save_pretrained(path)
    words = {"<pad>": 0, "<bos>": 1, "<eos>": 2, "<unk>": 3} | {f"t{i}": i for i in range(4, vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>"
    )
    fast.save_pretrained(path)
    return path


class Clock:
    """Wall and processor seconds since it was made or last read."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        wall, cpu = time.perf_counter(), time.process_time()
        passed = wall - self._wall, cpu - self._cpu
        self._wall, self._cpu = wall, cpu
        return passed


def peak_memory_bytes(device: str) -> int:
    """Of this process: the device's where there is one, else resident."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def step_flops(config: Any, workload: Workload) -> dict[str, float]:
    """Floating-point operations that the model's definition needs, by phase; nothing that is computed twice is counted twice.

    Two per weight and token for a matrix product, and 4 H d for each pair of tokens that attention compares; backward costs
    twice the forward pass. The embedding is a look-up; the head runs for completion tokens alone; a prompt that completions
    share is read once.
    """
    text = config.get_text_config()
    heads, head_dim = text.num_attention_heads, getattr(text, "head_dim", text.hidden_size // text.num_attention_heads)
    key_value = getattr(text, "num_key_value_heads", heads) * head_dim
    layer = text.hidden_size * (2 * heads * head_dim + 2 * key_value + 3 * text.intermediate_size)
    head = text.hidden_size * text.vocab_size

    def forward(prompt: int, completions: int) -> float:
        own = workload.completion_tokens
        pairs = prompt * prompt / 2 + completions * (prompt * own + own * own / 2)
        tokens = prompt + completions * own
        return (
            text.num_hidden_layers * (2 * layer * tokens + 4 * heads * head_dim * pairs) + 2 * head * completions * own
        )

    student = workload.prompts * forward(workload.prompt_tokens, workload.group_size)
    # One completion of a group is the demonstration of the others, and gets another.
    teaching = workload.teacher_prompt_tokens
    teacher = workload.prompts * (forward(teaching, workload.group_size - 1) + forward(teaching, 1))
    return {"score": student, "train": 3 * student + teacher}


#: Dense bfloat16 peak of devices, in FLOP/s, as their makers state it; the first whose words are all in the name.
PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "GH200": 989e12,
    "H200 NVL": 835e12,
    "H200": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
}


def stated_peak(name: str) -> tuple[float, str] | None:
    """The peak of a device by the name that its driver gives it, and how that is known."""
    for part, peak in PEAKS.items():
        if all(re.search(rf"\b{word}\b", name) for word in part.split()):
            return peak, f"stated for {part}, dense bfloat16"
    return None


def peak_flops(device: str) -> tuple[float, str]:
    """What the device can do at best, and how that is known: stated by its maker, or a large matrix product timed here."""
    if device == "cuda" and (stated := stated_peak(torch.cuda.get_device_name())):
        return stated
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    size = 8192 if device == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=dtype)
    best = float("inf")
    for _ in range(8):
        clock = Clock()
        product = a @ a
        float(product[0, 0])
        wall, cpu = clock.read()
        best = min(best, cpu if torch.get_num_threads() == 1 and device == "cpu" else wall)
    return 2 * size**3 / best, f"the best of eight {size}-square matrix products"
