"""Write fixtures/masked-loss/: what Transformers gives for labels of -100, for test/model/masked-loss.test.ts.

  python test/model/make_masked_loss.py fixtures        needs torch, transformers and safetensors

For each case: labels [B, T] int64, the gradients of the mean loss, and the losses in the metadata: of each row alone
and of the batch. Row 0 keeps its second half, row 1 three tokens here and there.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

fixtures = Path(sys.argv[1])
(fixtures / "masked-loss").mkdir(exist_ok=True)
for case in ["gpt2", "opt"]:
    ids = load_file(fixtures / "oracle" / case / "expected.safetensors")["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(fixtures / "oracle" / case, dtype=torch.float32).eval()
    labels = ids.clone()
    T = ids.shape[1]
    labels[0, : T // 2] = -100
    labels[1:] = -100
    for t in [0, 2, T // 3, T - 1]:
        labels[1, t] = ids[1, t]
    loss = model(ids, labels=labels).loss
    loss.backward()
    rows = [model(ids[i : i + 1], labels=labels[i : i + 1]).loss.item() for i in range(2)]
    tensors = {name: p.grad.contiguous() for name, p in model.named_parameters()}
    save_file(
        {"labels": labels, **tensors},
        fixtures / "masked-loss" / f"{case}.safetensors",
        metadata={"loss": repr(loss.item()), "rows": repr(rows)},
    )
    print(case, ids.shape, loss.item(), rows)
