"""lm-evaluation-harness's side of bench/evaluation.ts: tasks by the harness's own definitions, on rows of files.

  python bench/evaluation.py MODEL DATA OUT THREADS LIMIT TASK...      needs torch, transformers, lm-eval 0.4.13

DATA has TASK.jsonl for each task. In float32; OUT gets seconds (of the harness's run, the model being loaded before)
and each row's log-likelihoods. ORACLE_STUBS may name a folder of stand-ins for packages that lm-eval imports and
these tasks do not need.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

model, data, out, threads, limit, *tasks = sys.argv[1:]
for key in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[key] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("HF_HOME", tempfile.mkdtemp(prefix="ztt-bench-hf-"))
if "ORACLE_STUBS" in os.environ:
    sys.path.append(os.environ["ORACLE_STUBS"])

import lm_eval  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

torch.set_num_threads(int(threads))
folder = Path(tempfile.mkdtemp(prefix="ztt-bench-tasks-"))
definitions = [p for p in (Path(lm_eval.__file__).parent / "tasks").rglob("*.yaml") if p.stat().st_size < 4000]
for name in tasks:
    (source,) = [p for p in definitions if f"\ntask: {name}\n" in "\n" + p.read_text()]
    rows = {"data_files": {"test": str(Path(data, f"{name}.jsonl").resolve())}}
    own = {"include": str(source), "task": f"own_{name}", "tag": [], "dataset_path": "json", "dataset_name": None, "dataset_kwargs": rows}
    own |= {"training_split": None, "validation_split": None, "test_split": "test"}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(own))

lm = HFLM(pretrained=model, dtype="float32", device="cpu", batch_size=8)
begun = time.perf_counter()
results = lm_eval.simple_evaluate(
    model=lm,
    tasks=[f"own_{name}" for name in tasks],
    task_manager=TaskManager(include_path=str(folder), include_defaults=False),
    limit=int(limit),
    bootstrap_iters=0,
    log_samples=True,
)
seconds = time.perf_counter() - begun


def answers(sample):
    if "word_perplexity" in sample:
        return [sample["word_perplexity"][0]]
    return [ll for ((ll, _),) in sample["resps"]]


rows = {
    name: [
        {"ll": answers(sample), "acc": sample.get("acc"), "acc_norm": sample.get("acc_norm")}
        for sample in sorted(results["samples"][f"own_{name}"], key=lambda sample: sample["doc_id"])
    ]
    for name in tasks
}
Path(out).write_text(json.dumps({"seconds": seconds, "rows": rows}))
