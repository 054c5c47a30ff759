"""Write fixtures/training: twenty steps of torch.optim.AdamW on tiny models, for test/finetune/step/trainer-oracle.test.ts.

  python test/finetune/make_training.py REFERENCE fixtures/training    needs torch, transformers, safetensors

REFERENCE is the folder of ztt_reference.py, whose forward pass is used. For each family there is a source checkpoint,
and for each run a file with the token ids (and labels, -100 where a token does not count), what the run starts from
besides the source (zero keys, LoRA matrices), and every tensor that it trained as it is at the end. The metadata has
the run's settings, and the loss and the gradient norm (before clipping) of each step. All is computed in float64.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, OPTConfig, OPTForCausalLM

sys.path.insert(0, sys.argv[1])
import ztt_reference as ref

out = Path(sys.argv[2])
STEPS, ROWS, TOKENS, VOCABULARY, LAYERS, HEADS, WIDTH = 20, 4, 12, 53, 4, 2, 16
SOURCES = {
    "gpt2": (GPT2LMHeadModel, GPT2Config(
        vocab_size=VOCABULARY, n_positions=16, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=24,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0)),
    "opt": (OPTForCausalLM, OPTConfig(
        vocab_size=VOCABULARY, max_position_embeddings=16, hidden_size=WIDTH, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, ffn_dim=24, word_embed_proj_dim=WIDTH, dropout=0.0, pad_token_id=1, bos_token_id=2,
        eos_token_id=2)),
}
ADAMW = dict(beta1=0.9, beta2=0.95, epsilon=1e-8, weightDecay=0.1, clipNorm=1.0, accumulate=2, warmup=4)
VANILLA = dict(layout="vanilla", cycles=1, head=0, tail=0)
CYCLED = dict(cycles=2, head=1, tail=1)
RUNS = {
    "vanilla": dict(**VANILLA, train="all", lr=3e-3, lrSchedule="cosine"),
    "htc": dict(layout="htc", **CYCLED, train="all", lr=3e-3, lrSchedule="linear"),
    "ztt": dict(layout="ztt", **CYCLED, train="all", lr=3e-3, lrSchedule="cosine", masked=True),
    "middle": dict(layout="ztt", **CYCLED, train="middle", lr=3e-3, lrSchedule="constant"),
    "zero-tokens+norms": dict(layout="ztt", **CYCLED, train="zero-tokens+norms", lr=1e-2, lrSchedule="constant",
                              clipNorm=0.2),
    "lora-shared": dict(layout="ztt", **CYCLED, train="lora+zero-tokens", lr=1e-2, lrSchedule="cosine",
                        clipNorm=0.4, lora=dict(rank=3, alpha=6, per="shared", targets="all")),
    "lora-cycle": dict(layout="htc", **CYCLED, train="lora", lr=1e-2, lrSchedule="constant",
                       clipNorm=0.15, lora=dict(rank=2, alpha=3, per="cycle", targets="attention")),
    "distill": dict(layout="ztt", **CYCLED, train="all", lr=3e-3, lrSchedule="linear",
                    clipNorm=0.32, distill=dict(weight=0.7, temperature=2)),
}
ATTENTION = {"gpt2": ["attn.c_attn", "attn.c_proj"],
             "opt": [f"self_attn.{n}_proj" for n in ("q", "k", "v", "out")]}
FEED_FORWARD = {"gpt2": ["mlp.c_fc", "mlp.c_proj"], "opt": ["fc1", "fc2"]}


class Lora:
    """Adds (alpha / rank) x A^T B^T to the linear maps of a reference model's blocks, slot by slot."""

    def __init__(self, model, run, tensors):
        self.tensors, self.lora = tensors, run["lora"]
        self.order, self.slot = slots_of(run), -1
        inner = {name: getattr(model, name) for name in ("block", "conv1d", "linear") if hasattr(model, name)}

        def block(layer, x, zero_key):
            self.slot = (self.slot + 1) % len(self.order)
            return inner["block"](layer, x, zero_key)

        model.block = block
        for kind in ("conv1d", "linear"):
            if kind in inner:
                setattr(model, kind, lambda name, x, f=inner[kind]: f(name, x) + self.delta(name, x))

    def delta(self, name, x):
        part, place, cycle = self.order[self.slot]
        module = name.split(".", 2)[2]
        key = f"lora.{part}.{place}.{cycle if self.lora['per'] == 'cycle' else 'shared'}.{module}"
        if key + ".A" not in self.tensors:
            return 0
        scale = self.lora["alpha"] / self.lora["rank"]
        return scale * (x @ self.tensors[key + ".A"].T) @ self.tensors[key + ".B"].T


def slots_of(run):
    """(part, place in the part, cycle) of each slot."""
    starts = {"head": 0, "middle": run["head"], "tail": LAYERS - run["tail"]}
    order = ref.slots(LAYERS, run["layout"], run["cycles"], run["head"], run["tail"])
    return [(part, layer - starts[part], cycle) for part, cycle, layer in order]


def our_name(name, run):
    """The name in our checkpoints of a tensor of the source, without the source's prefix."""
    kind, _, rest = name.partition(".")
    if kind not in ("h", "layers"):
        return name
    layer, _, rest = rest.partition(".")
    layer, head, tail = int(layer), run["head"], run["tail"]
    part = "head" if layer < head else "tail" if layer >= LAYERS - tail else "middle"
    place = layer - {"head": 0, "middle": head, "tail": LAYERS - tail}[part]
    return f"{part}.{place}.{rest}"


def lora_tensors(family, run, weights):
    """First values: A uniform within 1 / sqrt(inputs), as PEFT's, and B zeros."""
    lora, tensors = run["lora"], {}
    modules = ATTENTION[family] + (FEED_FORWARD[family] if lora["targets"] == "all" else [])
    for part, place, cycle in slots_of(run):
        for module in modules:
            shape = weights[f"{part}.{place}.{module}.weight"].shape
            inputs, outputs = shape if family == "gpt2" else reversed(shape)
            key = f"lora.{part}.{place}.{cycle if lora['per'] == 'cycle' else 'shared'}.{module}"
            if key + ".A" not in tensors:
                tensors[key + ".A"] = (torch.rand(lora["rank"], inputs) * 2 - 1) / math.sqrt(inputs)
                tensors[key + ".B"] = torch.zeros(outputs, lora["rank"])
    return tensors


def is_trained(name, train):
    norm = "ln_" in name or "layer_norm" in name
    kinds = dict(all=True, middle=name.startswith("middle."), norms=norm, lora=name.startswith("lora."))
    kinds["zero-tokens"] = name == "zero_tokens.key"
    return any(kinds[part] for part in train.split("+"))


def decays(name, tensor):
    return tensor.dim() == 2 and not any(e in name for e in ("wte", "wpe", "embed_tokens", "embed_positions"))


def learning_rate(step, run):
    peak, warmup = run["lr"], ADAMW["warmup"]
    if step <= warmup:
        return peak * step / warmup
    done = (step - warmup) / (STEPS - warmup)
    shape = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant": 1.0}[run["lrSchedule"]]
    return peak * (0.1 + 0.9 * shape)


def losses_of(logits, teacher_logits, labels, distill):
    """The sum of the losses of all positions that count."""
    s, y = logits[:, :-1].reshape(-1, VOCABULARY), labels[:, 1:].reshape(-1)
    entropy = F.cross_entropy(s, y, reduction="sum", ignore_index=-100)
    if distill is None:
        return entropy
    t, T, X = teacher_logits[:, :-1].reshape(-1, VOCABULARY), distill["temperature"], distill["weight"]
    kl = F.kl_div(F.log_softmax(s / T, -1), F.log_softmax(t / T, -1), reduction="none", log_target=True).sum(-1)
    return (1 - X) * entropy + X * T * T * kl[y != -100].sum()


def train(family, name, run, config, source, seed):
    torch.manual_seed(seed)
    adamw = {**ADAMW, "clipNorm": run.get("clipNorm", ADAMW["clipNorm"])}
    weights = {our_name(k, run): v for k, v in source.items()}
    started = {}
    if run["layout"] == "ztt":
        started["zero_tokens.key"] = torch.randn(len(slots_of(run)), HEADS, WIDTH // HEADS) * 0.3
    if "lora" in run:
        started |= lora_tensors(family, run, weights)
    params = {k: v.double().clone().requires_grad_(is_trained(k, run["train"])) for k, v in {**weights, **started}.items()}
    model = ref.load(config, {k: params[our_name(k, run)] for k in source})
    if "lora" in run:
        Lora(model, run, params)
    teacher = ref.load(config, {k: v.double() for k, v in source.items()})
    trained = {k: p for k, p in params.items() if p.requires_grad}
    groups = [
        dict(params=[p for k, p in trained.items() if decays(k, p)], weight_decay=adamw["weightDecay"]),
        dict(params=[p for k, p in trained.items() if not decays(k, p)], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, betas=(adamw["beta1"], adamw["beta2"]), eps=adamw["epsilon"])
    ids = torch.randint(3, VOCABULARY, (STEPS, ROWS, TOKENS))
    ids[:, :, 1::2] = (ids[:, :, 0::2] * 7 + 1) % VOCABULARY       # half of it can be learnt
    labels = ids.clone()
    if run.get("masked"):
        labels[torch.rand(labels.shape) < 0.3] = -100
        labels[:, 0, : TOKENS // 2] = -100
    layout = {key: run[key] for key in ("layout", "cycles", "head", "tail")}
    losses, norms = [], []
    for step in range(1, STEPS + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, run)
        optimizer.zero_grad()
        total = (labels[step - 1][:, 1:] != -100).sum()
        loss_sum = 0.0
        size = ROWS // adamw["accumulate"]
        for i in range(0, ROWS, size):
            x, y = ids[step - 1, i : i + size], labels[step - 1, i : i + size]
            logits = ref.forward(model, x, zero_keys=params.get("zero_tokens.key"), **layout)[0]
            with torch.no_grad():
                teacher_logits = ref.forward(teacher, x)[0]
            loss = losses_of(logits, teacher_logits, y, run.get("distill")) / total
            loss.backward()
            loss_sum += loss.item()
        losses.append(loss_sum)
        norms.append(torch.nn.utils.clip_grad_norm_(trained.values(), adamw["clipNorm"]).item())
        optimizer.step()
    tensors = {"ids": ids, **({"labels": labels} if run.get("masked") else {})}
    tensors |= {f"start.{k}": v for k, v in started.items() if not k.endswith(".B")}
    tensors |= {f"end.{k}": p.detach().float() for k, p in trained.items()}
    lora = run.get("lora")
    if lora:
        lora = {**lora, "targets": ATTENTION[family] + (FEED_FORWARD[family] if lora["targets"] == "all" else [])}
    meta = dict(arrangement=layout, train=run["train"], lora=lora, distill=run.get("distill"),
                settings=dict(**adamw, steps=STEPS, lr=run["lr"], lrSchedule=run["lrSchedule"]),
                losses=losses, norms=norms)
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / family / f"{name}.safetensors",
              metadata={"run": json.dumps(meta)})
    clipped = sum(norm > adamw["clipNorm"] for norm in norms)
    print(f"{family:5} {name:18} loss {losses[0]:.4f} -> {losses[-1]:.4f}, {clipped} of {STEPS} steps clipped")


for number, (family, (kind, config)) in enumerate(SOURCES.items()):
    torch.manual_seed(number)
    model = kind(config)
    for p in model.parameters():  # larger than the default init, so that mistakes show
        p.data.add_(torch.randn_like(p) * 0.15)
    model.save_pretrained(out / family)
    prefix = {"gpt2": "transformer.", "opt": "model.decoder."}[family]
    source = {k.removeprefix(prefix): v for k, v in load_file(out / family / "model.safetensors").items()}
    source = {k: v for k, v in source.items() if not k.startswith("lm_head")}
    for index, (name, run) in enumerate(RUNS.items()):
        train(family, name, run, config.to_dict(), source, 1000 * number + index)
