"""Write fixtures/adamw.json: five steps of torch.optim.AdamW with clipping, for test/finetune/step/adamw.test.ts.

  python test/finetune/step/make_adamw.py fixtures/adamw.json        needs torch
"""
import json
import sys

import torch

torch.manual_seed(0)
matrix = torch.nn.Parameter(torch.randn(3, 4))
bias = torch.nn.Parameter(torch.randn(4))
start = {"matrix": matrix.tolist(), "bias": bias.tolist()}
optimizer = torch.optim.AdamW([
    {"params": [matrix], "weight_decay": 0.01},
    {"params": [bias], "weight_decay": 0.0},
], lr=0.05, betas=(0.9, 0.999), eps=1e-8)
steps = []
for _ in range(5):
    matrix.grad, bias.grad = torch.randn(3, 4), torch.randn(4)
    gradients = {"matrix": matrix.grad.tolist(), "bias": bias.grad.tolist()}
    norm = torch.nn.utils.clip_grad_norm_([matrix, bias], 1.0).item()
    optimizer.step()
    steps.append({"gradients": gradients, "norm": norm, "matrix": matrix.tolist(), "bias": bias.tolist()})
with open(sys.argv[1], "w") as file:
    json.dump({"start": start, "steps": steps}, file)
    file.write("\n")
