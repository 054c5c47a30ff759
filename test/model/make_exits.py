"""Write fixtures/exits/: the loss at exits and what exits cost, for test/model/exit-objective.test.ts.

  python test/model/make_exits.py REFERENCE fixtures        needs torch and safetensors

REFERENCE is the folder of ztt_reference.py, whose blocks are used, in float64. For each family's source in
fixtures/training, as ztt with 3 cycles: token ids, labels (-100 where a token does not count), zero keys, and for each
unit the gradient of the whole loss by every parameter. The metadata has the losses and what was found at each slot.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

sys.path.insert(0, sys.argv[1])
import ztt_reference as ref

fixtures = Path(sys.argv[2])
(fixtures / "exits").mkdir(exist_ok=True)
SHAPE = dict(layout="ztt", cycles=3, head=1, tail=1)
OBJECTIVE = dict(exitLossWeight=0.3, weight=2.0, margin=0.02, slots=[3, 4, 6], closed=[5])
ROWS, TOKENS, VOCABULARY = 3, 12, 53


def token_losses(model, x, ids):
    return F.cross_entropy(model.logits(x)[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")


def run(model, ids, counts, zero_keys, unit):
    """counts [B, T - 1]: whether the next token counts. Returns the losses and what was found at the slots."""
    slots = ref.slots(model.layers, **SHAPE)
    share = counts / counts.sum()
    tail = [(s, layer) for s, (part, _, layer) in enumerate(slots) if part == "tail"]

    def after_exit(x):
        for s, layer in tail:
            x, _ = model.block(layer, x, zero_keys[s])
        return token_losses(model, x, ids)

    x, exits, zeros, ends = model.embed(ids), {}, {}, []
    for s, (part, cycle, layer) in enumerate(slots):
        if s in OBJECTIVE["slots"]:
            exits[s] = after_exit(x.detach()).detach()
        if s in OBJECTIVE["slots"] + OBJECTIVE["closed"]:
            # The gradient of the objective reaches the slot's zero key alone.
            frozen = type(model).__new__(type(model))
            frozen.__dict__ = {**model.__dict__, "sd": {k: v.detach() for k, v in model.sd.items()}}
            zeros[s] = frozen.block(layer, x.detach(), zero_keys[s])[1]
        x, _ = model.block(layer, x, zero_keys[s])
        if part == "middle" and slots[s + 1][:2] != (part, cycle) and cycle < SHAPE["cycles"]:
            ends.append(x)
    full = token_losses(model, x, ids)
    loss = (full * share).sum()
    exit_loss = sum((after_exit(end) * share).sum() for end in ends)
    objective, found = 0.0, {}
    for s in zeros:
        # A closed slot is drawn to 0, as if an exit cost more than any margin.
        cost = exits[s] - full.detach() if s in exits else torch.full_like(full.detach(), math.inf)
        if unit == "row":
            of_row = share.sum(1, keepdim=True)
            target = (((cost * share).nansum(1, keepdim=True) / of_row) <= OBJECTIVE["margin"]).double()
            z, weight = zeros[s], (of_row / ids.shape[1]).expand_as(ids)
            target = target.expand_as(ids)
        else:
            z, weight, target = zeros[s][..., :-1], share, (cost <= OBJECTIVE["margin"]).double()
        objective = objective - (weight * (target[:, None] * z.log() + (1 - target[:, None]) * (1 - z).log()).mean(1)).sum()
        if s in exits:
            found[s] = dict(cost=(cost * share).sum().item(), harmless=(target * weight).sum().item(),
                            zero=zeros[s].mean().item())
    whole = loss + OBJECTIVE["exitLossWeight"] * exit_loss + OBJECTIVE["weight"] * objective
    return whole, loss, found


for family in ["gpt2", "opt"]:
    torch.manual_seed(0)
    config = json.loads((fixtures / "training" / family / "config.json").read_text())
    state = load_file(fixtures / "training" / family / "model.safetensors")
    ids = torch.randint(3, VOCABULARY, (ROWS, TOKENS))
    labels = ids.clone()
    labels[0, :7], labels[2, 4:6] = -100, -100
    counts = (labels[:, 1:] != -100).double()
    plain = ref.load(config, state)
    zero_keys = torch.randn(len(ref.slots(plain.layers, **SHAPE)), plain.heads, plain.width // plain.heads)
    tensors, metadata = dict(input_ids=ids, labels=labels, zero_keys=zero_keys), {}
    for unit in ["row", "token"]:
        leaves = {name: value.double().requires_grad_() for name, value in state.items()}
        keys = zero_keys.double().requires_grad_()
        whole, loss, found = run(ref.load(config, leaves), ids, counts, keys, unit)
        whole.backward()
        for name, leaf in {**leaves, "zero_tokens.key": keys}.items():
            tensors[f"{unit}.{name}"] = leaf.grad.float().contiguous()
        metadata[unit] = json.dumps(dict(loss=loss.item(), exits=found))
        print(family, unit, loss.item(), found)
    metadata |= dict(objective=json.dumps(OBJECTIVE), shape=json.dumps(SHAPE))
    save_file(tensors, fixtures / "exits" / f"{family}.safetensors", metadata=metadata)
