"""What AutoTokenizer reads out of folders: stdin {"folders": [...], "texts": [...]}, stdout [[ids of each text]] for each."""
import json
import sys

from transformers import AutoTokenizer

asked = json.load(sys.stdin)
found = []
for folder in asked["folders"]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    found.append([tokenizer(text)["input_ids"] for text in asked["texts"]])
json.dump(found, sys.stdout)
