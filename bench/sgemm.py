"""PyTorch's side of bench/sgemm.ts: the same questions and answers as `engine-test serve`."""

import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.manual_seed(0)
operands = None


def call():
    a, b, c = operands
    begun = time.perf_counter()
    torch.matmul(a, b, out=c)
    return time.perf_counter() - begun


for line in sys.stdin:
    words = line.split()
    if words[0] == "go":
        print(sum(call() for _ in range(int(words[1]))), flush=True)
        continue
    batch, ta, tb, m, n, k = map(int, words)
    lead = [batch] if batch > 1 else []
    a = torch.rand(*lead, k, m).mT if ta else torch.rand(*lead, m, k)
    b = torch.rand(*lead, n, k).mT if tb else torch.rand(*lead, k, n)
    operands = a, b, torch.empty(*lead, m, n)
    call()
    print(0, flush=True)
