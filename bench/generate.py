"""Transformers' side of bench/generate.ts: answers a line for each line.

  python bench/generate.py CHECKPOINT THREADS        needs torch, transformers
"""

import json
import sys
import time

import torch
from transformers import GPT2LMHeadModel

folder, threads = sys.argv[1], int(sys.argv[2])
torch.set_num_threads(threads)
model = GPT2LMHeadModel.from_pretrained(folder).eval()
model.generation_config.pad_token_id = 0

for line in sys.stdin:
    asked = json.loads(line)
    ids = torch.tensor([asked["ids"]])
    begun, cpu = time.perf_counter(), time.process_time()
    with torch.no_grad():
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=asked["tokens"],
            eos_token_id=None, use_cache=True)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({"seconds": seconds, "cpu": cpu, "ids": made[0, ids.shape[1]:].tolist()}), flush=True)
