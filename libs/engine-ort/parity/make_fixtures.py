"""Writes small random checkpoints of each family, and what transformers and PyTorch make of them.

Run by `npm run fixtures -w @backsight/engine-ort`, which makes a virtual environment with the versions pinned beside this
file. For each case of CASES a folder `fixtures/<case>` with

- the checkpoint as `save_pretrained` writes it (config.json, generation_config.json, model.safetensors or shards);
- expected.json: prompts with completions, greedy continuations, and the batch of one SDPO step;
- expected.safetensors: logprobs over the vocabulary at every completion token, and the gradient of every parameter.

And for each case of ADAPTERS a folder `adapters/<case>` with an adapter of that model as PEFT saves it, and the same of the
adapted model, the gradients being by the factors.
"""

import json
import math
import pathlib
import shutil

import peft
import torch
import transformers
from safetensors.torch import save_file
from torch.nn.functional import log_softmax

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
ADAPTER_FIXTURES = pathlib.Path(__file__).parent / "adapters"
VOCABULARY = 48
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
# For configurations without a head_dim of their own.
HEADS_FROM_WIDTH = {
    **{key: value for key, value in SIZES.items() if key != "head_dim"},
    "hidden_size": 32,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 500.0}

# Every switch of the architecture is thrown somewhere. Windows are shorter than the prompts, and prompts longer than the
# context that rotary embeddings are scaled from.
CASES = {
    "llama": {
        "config": transformers.LlamaConfig(**SIZES, tie_word_embeddings=True),
        "dtype": torch.float32,
        "alpha": 0.5,
    },
    "llama3-rope": {
        "config": transformers.LlamaConfig(
            **SIZES,
            rope_parameters={
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 32,
                "rope_theta": 1000.0,
            },
        ),
        "dtype": torch.bfloat16,
    },
    "llama-linear-rope-biases": {
        "config": transformers.LlamaConfig(
            **SIZES,
            attention_bias=True,
            mlp_bias=True,
            rope_parameters={"rope_type": "linear", "factor": 3.0, "rope_theta": 1000.0},
        ),
        "dtype": torch.float16,
        "shard": "12KB",
        "alpha": 0.0,
    },
    "mistral-window": {
        "config": transformers.MistralConfig(**SIZES, sliding_window=9),
        "dtype": torch.bfloat16,
        "alpha": 1.0,
    },
    "qwen2": {
        "config": transformers.Qwen2Config(
            **HEADS_FROM_WIDTH,
            tie_word_embeddings=True,
            use_sliding_window=True,
            sliding_window=12,
            max_window_layers=1,
            rope_parameters=YARN,
        ),
        "dtype": torch.bfloat16,
        "alpha": 0.5,
    },
    "qwen3": {
        "config": transformers.Qwen3Config(**{**SIZES, "head_dim": 32}, tie_word_embeddings=True),
        "dtype": torch.bfloat16,
        "alpha": 0.5,
    },
    "olmo2": {
        "config": transformers.Olmo2Config(**HEADS_FROM_WIDTH),
        "dtype": torch.bfloat16,
        "alpha": 0.5,
    },
    "olmo3": {
        "config": transformers.Olmo3Config(
            **HEADS_FROM_WIDTH,
            sliding_window=9,
            layer_types=["sliding_attention", "full_attention"],
            rope_parameters={
                "full_attention": {**YARN, "attention_factor": 1.2},
                "sliding_attention": {"rope_type": "default", "rope_theta": 500.0},
            },
        ),
        "dtype": torch.bfloat16,
        "alpha": 0.5,
    },
}

ADAPTERS = {
    "llama": {"r": 2, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj"]},
    "qwen3": {"r": 3, "lora_alpha": 3, "target_modules": "all-linear"},
    "olmo2": {"r": 1, "lora_alpha": 2, "target_modules": ["k_proj", "o_proj", "up_proj", "down_proj"]},
}


def random_weights(model, generator):
    """Weights large enough that every part has a say; norms near 1."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            parameter.data = 1 + 0.3 * noise
        else:
            parameter.data = noise * (0.5 if name.endswith("bias") else 1.2 / math.sqrt(parameter.shape[-1]))
        if "embed_tokens" in name:
            parameter.data = 0.7 * noise


def tokens(generator, count):
    return torch.randint(3, VOCABULARY, (count,), generator=generator).tolist()


def logits(model, prompt, completion):
    """Logits that predict each completion token. Shape [T, V]."""
    read = torch.tensor([prompt + completion])
    return model(read).logits[0, len(prompt) - 1 : -1]


def sdpo_loss(model, batch, alpha, support, cap):
    """Mean over tokens of the importance-weighted divergence between student and teacher, the teacher held fixed."""
    losses = []
    for example in batch:
        completion = example["completionIds"]
        student = log_softmax(logits(model, example["studentPromptIds"], completion), -1)
        with torch.no_grad():
            teacher = log_softmax(logits(model, example["teacherPromptIds"], completion), -1)
        ids = student.detach().topk(support).indices
        s, t = with_tail(student.gather(-1, ids)), with_tail(teacher.gather(-1, ids))
        sampled = student.gather(-1, torch.tensor(completion)[:, None])[:, 0].detach()
        ratio = (sampled - torch.tensor(example["completionLogprobs"])).exp().clamp(max=cap)
        losses.append(ratio * divergence(alpha, s, t))
    return torch.cat(losses).mean()


def with_tail(head):
    mass = head.logsumexp(-1, keepdim=True).clamp(max=-1e-7)
    return torch.cat([head, torch.log(-torch.expm1(mass))], -1)


def divergence(alpha, s, t):
    """KL(t||s) at 0, KL(s||t) at 1, between them the generalised Jensen-Shannon divergence."""
    kl = lambda p, q: (p.exp() * (p - q)).sum(-1)
    if alpha == 0:
        return kl(t, s)
    if alpha == 1:
        return kl(s, t)
    middle = torch.logaddexp(s + math.log(1 - alpha), t + math.log(alpha))
    return (1 - alpha) * kl(s, middle) + alpha * kl(t, middle)


def make(name, case, seed):
    folder = FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(case["config"], dtype=torch.float32)
    random_weights(model, generator)
    model = model.to(case["dtype"])
    model.save_pretrained(folder, max_shard_size=case.get("shard", "1GB"))
    (folder / "tokenizer.json").write_text("{}\n")
    # What is expected is computed in float32 from the weights as stored.
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()

    expected, arrays = outcome(model, generator, case.get("alpha"))
    write(folder, expected, arrays)


def make_adapter(name, settings, seed):
    folder = ADAPTER_FIXTURES / name
    shutil.rmtree(folder, ignore_errors=True)
    generator = torch.Generator().manual_seed(seed)
    base = transformers.AutoModelForCausalLM.from_pretrained(
        FIXTURES / name, dtype=torch.float32, attn_implementation="eager"
    )
    config = peft.LoraConfig(**settings, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, config).eval()
    for parameter_name, parameter in model.named_parameters():
        if "lora_" in parameter_name:
            parameter.data = 0.4 * torch.randn(parameter.shape, generator=generator)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    # Without the path of the machine, and without the order of a set.
    saved = json.loads((folder / "adapter_config.json").read_text())
    saved.update(base_model_name_or_path=name, target_modules=sorted(saved["target_modules"]))
    (folder / "adapter_config.json").write_text(json.dumps(saved) + "\n")
    expected, arrays = outcome(model, generator, 0.5)
    prefix, suffix = "gradient.base_model.model.", ".default.weight"
    arrays = {
        "gradient." + key[len(prefix) :].replace(suffix, ".weight") if key.startswith(prefix) else key: value
        for key, value in arrays.items()
    }
    write(folder, expected, arrays)


def outcome(model, generator, alpha):
    """What is expected of a model, with the gradient of an SDPO step where there is an alpha."""
    items, arrays = [], {}
    with torch.no_grad():
        for index in range(20):
            prompt, completion = tokens(generator, 1 + 3 * index), tokens(generator, 1 + index % 4)
            items.append({"promptIds": prompt, "completionIds": completion})
            arrays[f"logprobs.{index}"] = log_softmax(logits(model, prompt, completion), -1)
        greedy = []
        for length in (1, 7, 20, 45):
            prompt = tokens(generator, length)
            whole = model.generate(input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=24)[0].tolist()
            greedy.append({"promptIds": prompt, "completionIds": whole[length:]})

    expected = {"items": items, "greedy": greedy}
    if alpha is not None:
        batch = []
        for index in range(5):
            example = {
                "studentPromptIds": tokens(generator, 3 + 5 * index),
                "teacherPromptIds": tokens(generator, 30 - 4 * index),
                "completionIds": tokens(generator, 4 + 3 * index),
            }
            with torch.no_grad():
                own = log_softmax(logits(model, example["studentPromptIds"], example["completionIds"]), -1)
            own = own.gather(-1, torch.tensor(example["completionIds"])[:, None])[:, 0]
            # As if sampled by weights a little behind: some ratios reach the cap.
            noise = torch.randn(own.shape, generator=generator)
            example["completionLogprobs"] = (own + 0.5 * noise).clamp(max=0).tolist()
            batch.append(example)
        step = {"alpha": alpha, "support": 6, "importanceCap": 1.5}
        loss = sdpo_loss(model, batch, *step.values())
        loss.backward()
        expected["step"] = {**step, "loss": loss.item(), "examples": batch}
        for parameter, value in model.named_parameters():
            if value.requires_grad:
                arrays[f"gradient.{parameter}"] = value.grad
    return expected, arrays


def write(folder, expected, arrays):
    save_file({key: value.contiguous() for key, value in arrays.items()}, folder / "expected.safetensors")
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(f"{folder.name}: {sum(file.stat().st_size for file in folder.iterdir()) / 1024:.0f} KB")


def main():
    transformers.logging.set_verbosity_error()
    for seed, (name, case) in enumerate(CASES.items()):
        make(name, case, seed)
    for seed, (name, settings) in enumerate(ADAPTERS.items()):
        make_adapter(name, settings, 100 + seed)


if __name__ == "__main__":
    main()
