#!/usr/bin/env python3
"""Writes fixtures/eval: tasks, and what lm-evaluation-harness 0.4.13 makes of them on fixtures/gpt2-books; and in
opt/ fewer of the same on fixtures/opt-tiny, whose tokenizer puts </s> in front of a text.

  PYTHON test/eval/make-fixtures.py ORACLE BOOKS

  PYTHON  a Python with torch, transformers and lm-eval 0.4.13
  ORACLE  the folder of run_local.py, whose task templates and stand-ins for unneeded packages are used
  BOOKS   a text file of book paragraphs, one a line (books_val.txt)

In float32, without the harness's logits cache (which mixes up requests that split at different places).
expected.json has each row's log-likelihoods (choices), log-likelihood and greediness (last words),
log-likelihood, words and bytes (pages), the aggregates, and draws of Python's random for the bootstrap.
"""
import importlib.metadata
import importlib.util
import json
import os
import random
import sys
import tempfile
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
BOOTSTRAP_ITERS = 1000

oracle, books = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
for key in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[key] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
scratch = Path(tempfile.mkdtemp(prefix="ztt-eval-fixtures-"))
os.environ["HF_HOME"] = str(scratch / "hf")
sys.path.append(str(oracle / "stubs"))
spec = importlib.util.spec_from_file_location("run_local", oracle / "run_local.py")
run_local = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_local)

lines = books.read_text(encoding="utf-8").splitlines()
paragraphs = [line for line in lines if len(line) > 150]
long_text = " ".join(paragraphs[200:206])


def choices():
    rows = [json.loads(line) for line in open(FIXTURES / "books_word_order.jsonl", encoding="utf-8")][:60]
    for row in rows:
        del row["source"]
    return rows + [
        # White space at the end of the query goes to the choices.
        {"query": "The old man sat down by the fire and said:  ", "choices": ["nothing", "No, I will not go."], "gold": 1},
        {"query": "Question: Who is there?\nAnswer:\n", "choices": ["a friend", "the"], "gold": 0},
        {"query": "He went away\u00a0\u3000\x85", "choices": ["again", "at once, and never came back"], "gold": 0},
        # No query: the prefix token is the context.
        {"query": "", "choices": ["The sea was calm.", "Sea the calm was.", "<|endoftext|>"], "gold": 0},
        {"query": "<|endoftext|>It was a dark", "choices": ["night", "<|endoftext|>"], "gold": 0},
        # Choices that begin or end with spaces, one that is empty, two that are the same.
        {"query": "She opened the", "choices": [" door", "door ", "door", "door"], "gold": 3},
        {"query": "And then there was", "choices": ["", "no", "light"], "gold": 2},
        # Beyond ASCII and beyond 16 bits.
        {"query": "Caf\u00e9 \U0001f469\u200d\U0001f469\u200d\U0001f467 na\u00efve \u4f60\u597d", "choices": ["\U0001f600\U0001f600", "\u0416\u0437\u044b", "ol\u00e9"], "gold": 1},
        {"query": "\ttabs\tand\n\nnew lines\r\n\r\nof a letter", "choices": ["\n\nsigned", "\t"], "gold": 0},
        # Single tokens.
        {"query": "Is the earth round?\nAnswer:", "choices": ["no", "yes"], "gold": 1},
        # More than the model reads: what is kept of the query depends on the choice's length.
        {
            "query": long_text,
            "choices": ["He", "He went to the house.", paragraphs[210], "It was not to be thought of, she said, and " * 4],
            "gold": 1,
        },
        {"query": long_text + "\n", "choices": [" ".join(paragraphs[212:214])[:600], "and so on"], "gold": 0},
    ]


def last_words():
    # Cut where they are, passages end in common words as well, some of which the model finds.
    cut = [{"text": " ".join(line.split(" ")[: 12 + 2 * i])} for i, line in enumerate(paragraphs[20:50])]
    whole = [{"text": line} for line in paragraphs[50:56]]
    return cut + whole + [{"text": long_text}, {"text": "alone"}, {"text": "It ends with a space "}, {"text": "two  spaces"}]


def pages():
    return [
        {"page": paragraphs[300]},
        {"page": "\n".join(paragraphs[301:308])},
        {"page": "  Caf\u00e9\u00a0na\u00efve \U0001f600 \u2014 \u201cquoted\u201d\x85\u3000\u4f60\u597d\x1cend\ufeff \n"},
        {"page": "<|endoftext|>" + " ".join(paragraphs[310:313])},
    ]


def for_opt(rows):
    """The first rows and the odd ones, with OPT's special token and paragraphs that its model can read."""
    kept = rows[:6] + rows[60 if len(rows) > 60 else max(6, len(rows) - 4) :]
    text = json.dumps([row for row in kept if max(map(len, row.get("choices", [""]))) < 200])
    return json.loads(text.replace("<|endoftext|>", "</s>"))


def evaluate(model, folder, names):
    """Documents without the special token that OPT's tokenizer puts in front: the harness's prefix token is another."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    templates = {"choices": run_local.MC, "last_words": run_local.LAMBADA, "pages": run_local.ROLLING}
    for name in names:
        path = json.dumps(str(folder / f"{name}.jsonl"))
        (scratch / f"{name}.yaml").write_text(templates[name].format(name=name, path=path))
    merged = {"results": {}, "samples": {}}
    for own, extra in ((["pages"], {"add_bos_token": False}), ([n for n in names if n != "pages"], {})):
        results = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": str(FIXTURES / model), "dtype": "float32", "logits_cache": False, **extra},
            tasks=own,
            task_manager=TaskManager(include_path=str(scratch), include_defaults=False),
            device="cpu",
            batch_size=8,
            bootstrap_iters=BOOTSTRAP_ITERS,
            log_samples=True,
        )
        for key, value in merged.items():
            value.update(results[key])
    return merged


def row(name, sample):
    if name == "choices":
        resps = [answer for (answer,) in sample["resps"]]
        lls, greedy = zip(*resps)
        return {"ll": lls, "greedy": greedy, "acc": sample["acc"], "acc_norm": sample["acc_norm"]}
    if name == "last_words":
        ((answer,),) = sample["resps"]
        return {"ll": answer[0], "greedy": bool(answer[1])}
    (ll, words), (_, size) = sample["word_perplexity"], sample["byte_perplexity"]
    return {"ll": ll, "words": words, "bytes": size}


def draws(seed):
    """The last of so many that the generator's state has turned over more than once."""
    generator = random.Random(seed)
    return {
        "seed": seed,
        "random": [generator.random() for _ in range(1300)][-3:],
        "choices": random.Random(seed).choices(range(1000), k=700)[-5:],
    }


def write_suite(folder, model, tasks):
    folder.mkdir(exist_ok=True)
    for name, rows in tasks.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    results = evaluate(model, folder, list(tasks))
    expected = {
        "made_by": "test/eval/make-fixtures.py",
        "lm_eval_version": importlib.metadata.version("lm_eval"),
        "bootstrap_iters": BOOTSTRAP_ITERS,
        "results": results["results"],
        "rows": {},
        "python_random": [draws(seed) for seed in (0, 1, 7, 2**32 + 5)],
    }
    for name in tasks:
        samples = sorted(results["samples"][name], key=lambda sample: sample["doc_id"])
        assert [s["doc"] for s in samples] == tasks[name], name
        expected["rows"][name] = [row(name, sample) for sample in samples]
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


def main():
    tasks = {"choices": choices(), "last_words": last_words(), "pages": pages()}
    write_suite(FIXTURES / "eval", "gpt2-books", tasks)
    write_suite(FIXTURES / "eval" / "opt", "opt-tiny", {name: for_opt(rows) for name, rows in tasks.items()})


if __name__ == "__main__":
    main()
