"""PyTorch's side of bench/training.ts: the same model from the same checkpoint, in eager mode, with
scaled_dot_product_attention and fused AdamW. Answers a line for each line: seconds, or the peak memory.

  python bench/training.py CHECKPOINT THREADS [DEVICE]       needs torch, safetensors
"""

import json
import resource
import sys
import time

import torch
import torch.nn.functional as F

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
device = torch.device(sys.argv[3] if len(sys.argv) > 3 else "cpu")
# float32 throughout, as ours.
torch.backends.cuda.matmul.allow_tf32 = False


def load():
    from safetensors.torch import load_file

    begun = time.perf_counter()
    state = load_file(f"{folder}/model.safetensors")
    tensors = {name: torch.nn.Parameter(value.float().clone().to(device)) for name, value in state.items()}
    wait()
    return tensors, time.perf_counter() - begun


def wait():
    if device.type == "cuda":
        torch.cuda.synchronize()


p, _ = load()
config = json.load(open(f"{folder}/config.json"))
base, ztt = config["base_config"], config["ztt"]
heads, width = base["n_head"], base["n_embd"]
slots = (
    [f"head.{i}." for i in range(ztt["head"])]
    + [f"middle.{i}." for _ in range(ztt["cycles"]) for i in range(ztt["middle"])]
    + [f"tail.{i}." for i in range(ztt["tail"])]
)


def norm(name, x):
    return F.layer_norm(x, (width,), p[name + ".weight"], p[name + ".bias"], base["layer_norm_epsilon"])


def linear(name, x):
    return torch.addmm(p[name + ".bias"], x.reshape(-1, x.shape[-1]), p[name + ".weight"]).view(*x.shape[:-1], -1)


def block(name, x, zero_key, mask):
    b, t, _ = x.shape
    q, k, v = (
        y.view(b, t, heads, -1).transpose(1, 2)
        for y in linear(name + "attn.c_attn", norm(name + "ln_1", x)).split(width, -1)
    )
    k = torch.cat([zero_key[None, :, None].expand(b, -1, -1, -1), k], 2)
    v = torch.cat([torch.zeros_like(v[:, :, :1]), v], 2)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    x = x + linear(name + "attn.c_proj", mixed.transpose(1, 2).reshape(b, t, width))
    up = F.gelu(linear(name + "mlp.c_fc", norm(name + "ln_2", x)), approximate="tanh")
    return x + linear(name + "mlp.c_proj", up)


def loss_of(ids):
    t = ids.shape[1]
    mask = torch.ones(t, t, dtype=torch.bool, device=device).tril()
    mask = torch.cat([torch.ones(t, 1, dtype=torch.bool, device=device), mask], 1)
    x = p["wte.weight"][ids] + p["wpe.weight"][:t]
    for slot, name in enumerate(slots):
        x = block(name, x, p["zero_tokens.key"][slot], mask)
    logits = norm("ln_f", x) @ p["wte.weight"].T
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))


def decays(name):
    return p[name].dim() == 2 and name not in ("wte.weight", "wpe.weight")


optimizer = torch.optim.AdamW(
    [
        {"params": [p[n] for n in p if decays(n)], "weight_decay": 0.01},
        {"params": [p[n] for n in p if not decays(n)], "weight_decay": 0.0},
    ],
    lr=1e-5,
    fused=True,
)


def step(ids):
    loss = loss_of(ids)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(list(p.values()), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


for line in sys.stdin:
    question = json.loads(line)
    answer = {}
    if question["ask"] == "load":
        answer["seconds"] = load()[1]
    elif question["ask"] == "memory":
        answer["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    else:
        ids = torch.tensor(question["ids"], device=device)
        begun = time.perf_counter()
        if question["ask"] == "forward":
            with torch.no_grad():
                answer["loss"] = loss_of(ids).item()
        else:
            answer["loss"] = step(ids)
        wait()
        answer["seconds"] = time.perf_counter() - begun
    print(json.dumps(answer), flush=True)
