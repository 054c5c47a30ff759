"""Write fixtures/mixed-depths/: gradients of a pass in which some tokens leave early, for test/model/mixed-depths.test.ts.

  python test/model/make_mixed_depths.py REFERENCE fixtures        needs torch and safetensors

REFERENCE is the folder of ztt_reference.py, whose blocks are used, in float64. For each family's source in
fixtures/training, as ztt with 3 cycles: token ids, zero keys, one number a token, the logits of the mixed pass, which
tokens went on in cycles 2 and 3, and the gradient of its next-token loss by every parameter. Of row 0 no token leaves; of
row 1 a share leaves by the largest numbers, of row 2 by the most zero attention, half of it before each cycle.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, sys.argv[1])
import ztt_reference as ref

fixtures = Path(sys.argv[2])
(fixtures / "mixed-depths").mkdir(exist_ok=True)
SHAPE = dict(layout="ztt", cycles=3, head=1, tail=1)
SHARES = [0.0, 0.5, 0.7]
ROWS, TOKENS, VOCABULARY = 3, 12, 53


def leave(scores, goes, count):
    """Takes `count` tokens with the largest scores out of those that go on."""
    order = scores.masked_fill(~goes, -1).argsort(descending=True)
    goes = goes.clone()
    goes[order[:count]] = False
    return goes


def mixed(model, ids, zero_keys, numbers):
    """The mixed pass as forward_token_exit runs it, but with given shares in place of a threshold."""
    x, goes, chosen = model.embed(ids), torch.ones(ids.shape, dtype=torch.bool), []
    for s, (part, cycle, layer) in enumerate(order := ref.slots(model.layers, **SHAPE)):
        y, z = model.block(layer, x, zero_keys[s])
        if part == "middle" and cycle >= 2 and order[s - 1][1] != cycle:
            step = cycle - 2
            rows = []
            for row, share in enumerate(SHARES):
                upto = lambda part: int(share * TOKENS * part / 2 + 0.5)
                scores = numbers[row] if row == 1 else z[row].mean(0).detach()
                rows.append(leave(scores, goes[row], upto(step + 1) - upto(step)))
            goes = torch.stack(rows)
            chosen.append(goes)
        x = torch.where(goes[..., None], y, x) if part == "middle" else y
    return model.logits(x), torch.stack(chosen)


for family in ["gpt2", "opt"]:
    torch.manual_seed(1)
    config = json.loads((fixtures / "training" / family / "config.json").read_text())
    state = load_file(fixtures / "training" / family / "model.safetensors")
    ids = torch.randint(3, VOCABULARY, (ROWS, TOKENS))
    plain = ref.load(config, state)
    zero_keys = torch.randn(len(ref.slots(plain.layers, **SHAPE)), plain.heads, plain.width // plain.heads)
    numbers = torch.rand(ROWS, TOKENS)
    leaves = {name: value.double().requires_grad_() for name, value in state.items()}
    keys = zero_keys.double().requires_grad_()
    logits, goes = mixed(ref.load(config, leaves), ids, keys, numbers.double())
    loss = ref.loss(logits, ids)
    loss.backward()
    tensors = dict(input_ids=ids, zero_keys=zero_keys, numbers=numbers, goes=goes.long(), **{"zero_tokens.key": keys.grad.float()})
    for name, leaf in leaves.items():
        tensors[name] = leaf.grad.float().contiguous()
    print(family, loss.item(), goes.sum(-1).tolist())
    metadata = dict(shape=json.dumps(SHAPE), shares=json.dumps(SHARES), loss=str(loss.item()))
    save_file(tensors, fixtures / "mixed-depths" / f"{family}.safetensors", metadata=metadata)
