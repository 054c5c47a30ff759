"""Writes fixtures/families: tiny checkpoints of every shape that GPT-2 and OPT repos come in, as they lie on the Hub, each
with expected.safetensors: input_ids and the logits that Transformers gives for them.

    python test/model/make_families.py fixtures/families

Needs torch, transformers and safetensors (written with torch 2.13, transformers 5.18). Tensors that are no parameters
(masks, versions, other heads) are added with values that would show in the logits if they were taken for some.
"""

import json
import sys
import zlib
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import GPT2Config, GPT2LMHeadModel, OPTConfig, OPTForCausalLM

GPT2 = dict(
    vocab_size=23, n_positions=12, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0,
    resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
)
OPT = dict(
    vocab_size=23, max_position_embeddings=12, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, ffn_dim=24,
    word_embed_proj_dim=16, dropout=0.0, pad_token_id=1, bos_token_id=2, eos_token_id=2,
)


def masks(kind, fill=True):
    """GPT-2's causal masks and fill values, in one of the dtypes they were saved in."""
    state = {f"transformer.h.{i}.attn.bias": torch.ones(12, 12).tril().view(1, 1, 12, 12).to(kind) for i in range(2)}
    if fill:
        state |= {f"transformer.h.{i}.attn.masked_bias": torch.tensor(-10000.0) for i in range(2)}
    return state


def head(name, rows=1):
    return {f"{name}.summary.weight": torch.ones(rows, 16), f"{name}.summary.bias": torch.ones(rows)}


def bare(state):
    return {name.removeprefix("transformer.").removeprefix("model."): tensor for name, tensor in state.items()}


def without_head(state):
    return {name: tensor for name, tensor in state.items() if not name.startswith("lm_head")}


def only_decoder(state):
    return {name.removeprefix("model.decoder."): tensor for name, tensor in state.items()}


def megatron(state):
    """Matrices as Megatron's converter leaves them: transposed without a copy."""
    return {
        name: tensor.t().contiguous().t() if ".c_fc.weight" in name or ".c_proj.weight" in name else tensor
        for name, tensor in state.items()
    }


def other_head(state):
    """A head of its own beside a config that ties it, as a merge of LoRA with modules_to_save leaves it."""
    weight = state["lm_head.weight"]
    return state | {"lm_head.weight": weight + torch.randn_like(weight) * 0.3}


def head_alone(state):
    """Of a tied pair, the head is stored."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("wte.weight")}


# Each: the options of its config, extra tensors, edits of the state, how it is written, edits of config.json.
CASES = {
    "crfm": dict(
        config=dict(scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True), extra=masks(torch.uint8), torch={}
    ),
    "gpt2-old": dict(extra=masks(torch.float32, fill=False), edits=[without_head, bare], torch=dict(legacy=True),
                     json=dict(model_type=None, architectures=["GPT2Model"], n_ctx=12, output_past=True)),
    "gpt2-bool-masks": dict(extra=masks(torch.bool), json=dict(eos_token_id=[0, 3])),
    "gpt2-untied": dict(config=dict(tie_word_embeddings=False, activation_function="gelu", n_inner=40)),
    "gpt2-other-head": dict(edits=[other_head], reload=True),
    "gpt2-head-alone": dict(edits=[head_alone], reload=True),
    "gpt2-unscaled": dict(config=dict(scale_attn_weights=False, activation_function="gelu_fast", layer_norm_epsilon=0.1)),
    "gpt2-double-heads": dict(extra=head("multiple_choice_head"), json=dict(architectures=["GPT2DoubleHeadsModel"])),
    "gpt2-value-head": dict(extra=head("v_head"), torch={}),
    "gpt2-megatron": dict(edits=[megatron], torch={}),
    "opt-first": dict(extra={"model.decoder.version": torch.tensor([3.0])}, edits=[without_head, bare], torch={},
                      json=dict(prefix="</s>", torch_dtype="float16", word_embed_proj_dim=16)),
    "opt-350m": dict(config=dict(word_embed_proj_dim=8, do_layer_norm_before=False), edits=[without_head], torch=dict(legacy=True)),
    "opt-projected-untied": dict(config=dict(word_embed_proj_dim=8, tie_word_embeddings=False)),
    "opt-post-norm": dict(config=dict(do_layer_norm_before=False), json=dict(word_embed_proj_dim=None)),
    "opt-no-final-norm": dict(config=dict(_remove_final_layer_norm=True), edits=[without_head, only_decoder]),
    "opt-untied": dict(config=dict(tie_word_embeddings=False), torch={}),
    "opt-other-head": dict(edits=[other_head], torch={}, reload=True),
    "opt-sharded": dict(torch=dict(shards=2)),
    "opt-value-head": dict(extra=head("v_head")),
    "galactica": dict(config=dict(activation_function="gelu"), json=dict(learned_embeddings=True, scale_embeddings=False), torch={}),
    "opt-no-biases": dict(config=dict(enable_bias=False)),
    "opt-plain-norms": dict(config=dict(layer_norm_elementwise_affine=False)),
}


def write_shards(folder, state, count):
    names = list(state)
    weight_map = {}
    for i in range(count):
        shard = f"pytorch_model-{i + 1:05}-of-{count:05}.bin"
        part = names[i::count]
        # The tied head lies in its embedding's shard.
        part = [name for name in part if name != "lm_head.weight"] + (["lm_head.weight"] if names[0] in part else [])
        torch.save({name: state[name] for name in part}, folder / shard)
        weight_map |= dict.fromkeys(part, shard)
    index = {"metadata": {"total_size": sum(tensor.nbytes for tensor in state.values())}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def write(folder, name, config={}, extra={}, edits=(), torch_options=None, json_edits={}, reload=False):
    family, base, settings = (GPT2LMHeadModel, GPT2, GPT2Config) if name in GPT2_CASES else (OPTForCausalLM, OPT, OPTConfig)
    settings = settings(**{**base, **config})
    model = family(settings).eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.15)
    ids = torch.randint(3, 23, (2, 9))
    logits = model(input_ids=ids).logits.detach()
    state = {key: tensor.detach() for key, tensor in model.state_dict().items()} | extra
    for edit in edits:
        state = edit(state)
    folder.mkdir(parents=True, exist_ok=True)
    if torch_options is not None and "shards" in torch_options:
        write_shards(folder, state, torch_options["shards"])
    elif torch_options is not None:
        torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=not torch_options.get("legacy"))
    else:
        if settings.tie_word_embeddings and not reload:
            state = without_head(state)
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / "model.safetensors", {"format": "pt"})
    written = settings.to_dict() | dict(architectures=[family.__name__]) | json_edits
    kept = {key: value for key, value in written.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    if reload:
        logits = family.from_pretrained(folder).eval()(input_ids=ids).logits.detach()
    save_file({"input_ids": ids, "logits": logits}, folder / "expected.safetensors")


GPT2_CASES = [name for name in CASES if name.startswith(("gpt2", "crfm"))]

if __name__ == "__main__":
    for name, case in CASES.items():
        torch.manual_seed(zlib.crc32(name.encode()))
        options = {key: case[key] for key in ["config", "extra", "edits"] if key in case}
        options |= dict(torch_options=case.get("torch"), json_edits=case.get("json", {}), reload=case.get("reload", False))
        write(Path(sys.argv[1]) / name, name, **options)
