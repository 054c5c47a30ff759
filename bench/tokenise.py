"""Hugging Face's side of bench/tokenise.ts: a text's lines through tokenizers, on all cores."""

import json
import resource
import sys
import time

from tokenizers import Tokenizer

BATCH = 10_000


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


tokenizer = Tokenizer.from_file(sys.argv[1])
begun, used, tokens = time.perf_counter(), processor(), 0
with open(sys.argv[2], encoding="utf-8", newline="") as file:
    while lines := file.readlines(BATCH * 50):
        tokens += sum(len(one.ids) for one in tokenizer.encode_batch_fast(lines, add_special_tokens=False))
print(json.dumps({"seconds": time.perf_counter() - begun, "processor": processor() - used, "tokens": tokens}))
