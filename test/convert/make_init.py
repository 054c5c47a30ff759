"""Writes fixtures/init.json: statistics of the first weights that Transformers gives models of some families.

    python test/convert/make_init.py
"""

import json
from pathlib import Path

import torch
from transformers import (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM, Qwen3Config,
                          Qwen3ForCausalLM, __version__)

CASES = {
    "gpt2": (GPT2LMHeadModel, GPT2Config(
        vocab_size=600, n_positions=64, n_embd=96, n_layer=3, n_head=4, initializer_range=0.05)),
    "opt": (OPTForCausalLM, OPTConfig(
        vocab_size=600, max_position_embeddings=64, hidden_size=96, num_hidden_layers=3, num_attention_heads=4,
        ffn_dim=256, init_std=0.03, word_embed_proj_dim=48, do_layer_norm_before=False, pad_token_id=1)),
    "opt-untied": (OPTForCausalLM, OPTConfig(
        vocab_size=600, max_position_embeddings=64, hidden_size=96, num_hidden_layers=3, num_attention_heads=4,
        ffn_dim=256, word_embed_proj_dim=96, tie_word_embeddings=False)),
    "llama": (LlamaForCausalLM, LlamaConfig(
        vocab_size=600, max_position_embeddings=64, hidden_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=256, initializer_range=0.04, attention_bias=True, pad_token_id=3)),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(
        vocab_size=600, max_position_embeddings=64, hidden_size=96, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=256, head_dim=16, tie_word_embeddings=True)),
}


def statistics(tensor: torch.Tensor) -> dict:
    values = tensor.double()
    std = values.std(unbiased=False).item()
    return {
        "shape": list(tensor.shape),
        "mean": values.mean().item(),
        "std": std,
        # Of a normal distribution 0.683.
        "within_one_std": ((values - values.mean()).abs() <= std).double().mean().item(),
        "zero_rows": [i for i, row in enumerate(values) if (row == 0).all()] if tensor.dim() == 2 else [],
    }


cases = {}
for name, (model_class, config) in CASES.items():
    torch.manual_seed(0)
    model = model_class(config)
    state = dict(model.named_parameters())  # without the tied head
    cases[name] = {
        "config": config.to_dict(),
        "tensors": {key: statistics(value.detach()) for key, value in state.items()},
    }
root = Path(__file__).resolve().parents[2]
text = json.dumps({"transformers": __version__, "cases": cases}, indent=1, sort_keys=True)
(root / "fixtures/init.json").write_text(text + "\n")
