"""Runs models that ztt wrote through Transformers, for test/python/transformers.test.ts.

  python run_models.py JOBS.json                needs torch, transformers, safetensors

A job is a model's folder and what to do with it; what comes of it goes to the safetensors file `results`. See Job in
transformers.test.ts.
"""
import copy
import json
import sys
import weakref

import torch
from torch.nn import functional as F
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
# The models are tiny: threads would wait for each other.
torch.set_num_threads(1)


def load(folder, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=dtype)


@torch.no_grad()
def plain(folder, rows):
    """The logits of a model that Transformers knows, without any code of its own."""
    return {"logits": AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False)(torch.tensor(rows)).logits}


def padded(rows):
    """Rows of token ids, padded on the left, and their attention mask, both [B, T]."""
    length = max(map(len, rows))
    ids = torch.tensor([[1] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


@torch.no_grad()
def forward(model, call):
    """The logits of all tokens that are no padding, row after row, and the slots that ran for each."""
    ids, mask = padded(call["rows"])
    whole = bool(mask.all())
    first = ids.shape[1] - call["steps"]

    def run(start, end, past):
        own_mask = None if whole else mask[:, :end]
        kept = {"past_key_values": past, "use_cache": call["steps"] > 0}
        observed = {"output_zero_attentions": call.get("observe", False)}
        return model(ids[:, start:end], own_mask, **kept, **observed, **call["options"])

    outputs = [run(0, first, None)]
    for end in range(first + 1, ids.shape[1] + 1):
        outputs.append(run(end - 1, end, outputs[-1].past_key_values))
    real = mask.bool()
    logits, slots = (torch.cat([out[name] for out in outputs], 1)[real] for name in ("logits", "slots_per_token"))
    result = {"logits": logits, "slots": slots.float()}
    if outputs[0].zero_attentions is not None:
        result["zero_attentions"] = torch.stack(outputs[0].zero_attentions)
    return result


def generate(model, call):
    """The tokens that follow each row, [B, tokens]."""
    ids, mask = padded(call["rows"])
    greedy = {"do_sample": False, "pad_token_id": 1, "max_new_tokens": call["tokens"]}
    out = model.generate(input_ids=ids, attention_mask=mask, **greedy, **call["options"])
    return {"ids": out[:, ids.shape[1] :].float()}


@torch.no_grad()
def reordered(model, call):
    """
    The slots that ran for the last tokens, [B, 1], and for each way to change a cache's rows the largest difference of
    the last tokens' logits from those of the rows that they were, out of the cache as it was.
    """
    ids, mask = padded(call["rows"])
    before, last, B = (ids[:, :-1], mask[:, :-1]), ids[:, -1:], len(ids)
    # Some rows leave before the first middle slot, the others later or never.
    z = model(*before, output_zero_attentions=True).zero_attentions[model.config.ztt["head"]].mean(1)
    exits = {"threshold": ((z * before[1]).sum(1) / before[1].sum(1)).mean().item(), "exit_from_cycle": 1}
    cache = model(*before, use_cache=True, **exits).past_key_values
    indices = torch.arange(B).flip(0)
    ways = {
        "reorder_cache": (indices, indices),
        "batch_select_indices": (indices[:1], indices[:1]),
        "batch_repeat_interleave": (2, torch.arange(B).repeat_interleave(2)),
    }

    def after(rows, cache):
        return model(last[rows], mask[rows], past_key_values=cache, **exits)

    expected = after(torch.arange(B), copy.deepcopy(cache))
    result = {"slots": expected.slots_per_token.float()}
    for way, (argument, rows) in ways.items():
        changed = copy.deepcopy(cache)
        getattr(changed, way)(argument)
        result[way] = (after(rows, changed).logits - expected.logits[rows]).abs().max()[None]
    return result


@torch.no_grad()
def beams(model, call):
    """
    What beam search finds with a cache and without, [B, tokens], and the mean log-probability of each that it says and
    that a forward pass gives, [B].
    """
    ids, mask = padded(call["rows"])
    search = {"num_beams": 3, "do_sample": False, "pad_token_id": 1, "eos_token_id": None}
    search |= {"max_new_tokens": call["tokens"], "return_dict_in_generate": True, "output_scores": True}
    inputs = {"input_ids": ids, "attention_mask": mask}
    cached, whole = (model.generate(**inputs, **search, **call["options"], use_cache=use) for use in (True, False))
    N = ids.shape[1]
    exits = {"exit_granularity": "token"} | call["options"]
    logits = model(cached.sequences, F.pad(mask, (0, call["tokens"]), value=1), use_cache=False, **exits).logits
    found = cached.sequences[:, N:, None]
    scores = logits[:, N - 1 : -1].log_softmax(-1).gather(-1, found)[..., 0].mean(1)
    sequences = {"cached": cached.sequences, "whole": whole.sequences}
    result = {name: value[:, N:].float() for name, value in sequences.items()}
    return result | {"says": cached.sequences_scores, "scores": scores}


@torch.no_grad()
def kept(model, rows):
    """How many slots' outputs are still there when the LM head runs."""
    outputs, alive = [], []
    blocks = [block for part in (model.head, model.middle, model.tail) for block in part]
    note = lambda block, inputs, output: outputs.append(weakref.ref(output[0]))
    hooks = [block.register_forward_hook(note) for block in blocks]
    count = lambda head, inputs: alive.append(sum(output() is not None for output in outputs))
    hooks.append(model.lm_head.register_forward_pre_hook(count))
    model(torch.tensor(rows))
    for hook in hooks:
        hook.remove()
    return {"outputs": torch.tensor(alive).float()}


def train(folder, call):
    """The loss and gradients of one batch, and every parameter after a step of AdamW."""
    model = load(folder).train()
    if call["checkpointing"]:
        model.gradient_checkpointing_enable()
    ids = torch.tensor(call["rows"])
    named = dict(model.named_parameters())
    embeddings = ("wte", "wpe", "embed_tokens", "embed_positions")
    decays = {name: p.dim() == 2 and not any(part in name for part in embeddings) for name, p in named.items()}
    groups = [
        {"params": [p for name, p in named.items() if decays[name] == kind], "weight_decay": decay}
        for kind, decay in ((True, call["weight_decay"]), (False, 0.0))
    ]
    optimizer = torch.optim.AdamW(groups, lr=call["lr"], betas=call["betas"], eps=call["epsilon"])
    loss = model(ids, labels=ids).loss
    loss.backward()
    result = {"loss": loss.detach()} | {f"gradient.{name}": p.grad.clone() for name, p in named.items()}
    torch.nn.utils.clip_grad_norm_(named.values(), call["clip_norm"])
    optimizer.step()
    return result | {f"after.{name}": p.detach() for name, p in named.items()}


def save(folder, call):
    """Saves the model in its own dtype; what was saved gives the same logits, to the bit."""
    model = load(folder, "auto")
    model.save_pretrained(call["folder"])
    again = load(call["folder"], "auto")
    ids = torch.tensor(call["rows"])
    with torch.no_grad():
        return {"same": (model(ids).logits == again(ids).logits).all()[None].float()}


for job in json.load(open(sys.argv[1])):
    if "plain" in job:
        save_file(plain(job["folder"], job["plain"]), job["results"])
        continue
    model = load(job["folder"]).eval()
    work = {name: forward(model, call) for name, call in job["forward"].items()}
    work |= {name: generate(model, call) for name, call in job["generate"].items()}
    work |= {name: reordered(model, call) for name, call in job["reordered"].items()}
    work |= {name: beams(model, call) for name, call in job["beams"].items()}
    work |= {name: train(job["folder"], call) for name, call in job["train"].items()}
    work["kept"] = kept(model, job["save"]["rows"])
    work["save"] = save(job["folder"], job["save"])
    results = {f"{name}.{key}": value for name, values in work.items() for key, value in values.items()}
    save_file({key: value.contiguous().clone() for key, value in results.items()}, job["results"])
