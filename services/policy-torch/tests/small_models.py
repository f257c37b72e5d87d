"""Model folders of a few thousand random weights, for tests; large ones give them opinions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

SIZES: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

#: What is special about each architecture, by the name of its configuration.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "qwen2": {},
    "qwen3": {},
    "mistral": {"sliding_window": 5},
    "gemma2": {"sliding_window": 5, "final_logit_softcapping": 3.0, "query_pre_attn_scalar": 8},
    "gemma3_text": {"sliding_window": 5, "query_pre_attn_scalar": 8},
    "olmo2": {},
    "phi": {},
    "granite": {"logits_scaling": 0.5},
    "cohere": {"logit_scale": 2.0},
    "gpt2": {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64, "n_inner": 48},
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
}


def make_model(folder: Path, architecture: str = "llama", seed: int = 5, **changes: Any) -> Path:
    """Writes a random model of an architecture and returns its folder."""
    settings = SIZES | ARCHITECTURES[architecture] | changes
    if architecture == "gpt2":
        settings = {name: value for name, value in settings.items() if name not in ("hidden_size", "head_dim")}
    config = AutoConfig.for_model(architecture, **settings)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    path = folder / architecture
    model.save_pretrained(path)
    (path / "tokenizer.json").write_text('{"version":"1.0"}')
    (path / "chat_template.jinja").write_text("{{ messages }}")
    return path
