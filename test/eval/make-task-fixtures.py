#!/usr/bin/env python3
"""Writes fixtures/eval/tasks: rows of our own in each task's format, as the task's dataset repo lays them out, and
what lm-evaluation-harness 0.4.13 makes of them by its own task definitions, for fixtures/gpt2-books (expected.json)
and fixtures/opt-tiny (expected-opt.json).

  PYTHON test/eval/make-task-fixtures.py ORACLE BOOKS

The arguments are those of make-fixtures.py, and so are precision and cache.
"""
import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
BOOTSTRAP_ITERS = 1000

oracle, books = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
for key in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[key] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
scratch = Path(tempfile.mkdtemp(prefix="ztt-eval-tasks-"))
os.environ["HF_HOME"] = str(scratch / "hf")
sys.path.append(str(oracle / "stubs"))

import lm_eval  # noqa: E402
import yaml  # noqa: E402
from datasets import ClassLabel, Dataset, Features, Sequence, Value  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

lines = books.read_text(encoding="utf-8").splitlines()
paragraphs = [line for line in lines if len(line) > 150]
order = [json.loads(line) for line in open(FIXTURES / "books_word_order.jsonl", encoding="utf-8")]
long_text = " ".join(paragraphs[200:206])
string = Value("string")


def pair(i):
    right, wrong = order[i]["choices"] if order[i]["gold"] == 0 else order[i]["choices"][::-1]
    return order[i]["query"], right, wrong


def piqa():
    rows = []
    for i in range(14):
        goal, right, wrong = pair(i)
        rows.append({"goal": goal, "sol1": wrong if i % 3 else right, "sol2": right if i % 3 else wrong, "label": int(i % 3 > 0)})
    rows.append({"goal": " How do I\nopen a door? ", "sol1": "Turn the knob.", "sol2": "  ", "label": 0})
    rows.append({"goal": "12", "sol1": "é 😀😀", "sol2": "ж", "label": 1})
    rows.append({"goal": long_text, "sol1": paragraphs[210], "sol2": "He went home.", "label": 1})
    return rows, {"goal": string, "sol1": string, "sol2": string, "label": ClassLabel(names=["0", "1"])}


LETTERED = {"text": Sequence(string), "label": Sequence(string)}


def lettered(i, n, labels, key):
    texts = [pair(20 + i + k)[1 + (k % 2)] for k in range(n)]
    return {"choices": {"text": texts, "label": list(labels[:n])}, "answerKey": key}


def arc(first):
    rows = []
    for i in range(9):
        n, labels = (4, "ABCD") if i % 3 == 0 else (5, "12345") if i % 3 == 1 else (3, "ABC")
        rows.append({"id": f"q{i}", "question": pair(first + i)[0] or "What comes next?", **lettered(first + i, n, labels, labels[i % n])})
    rows.append({"id": "odd", "question": "Which?\n", "choices": {"text": [" a", "", "the sea", "1"], "label": ["A", "B", "C", "D"]}, "answerKey": "C"})
    return rows, {"id": string, "question": string, "choices": LETTERED, "answerKey": string}


def openbookqa():
    rows = [{"id": str(i), "question_stem": paragraphs[60 + i][:90], **lettered(40 + i, 4, "ABCD", "ABCD"[i % 4])} for i in range(9)]
    rows.append({"id": "odd", "question_stem": "The sun is ", **lettered(50, 4, "ABCD", " B")})
    return rows, {"id": string, "question_stem": string, "choices": LETTERED, "answerKey": string}


def hellaswag():
    def row(i, activity, a, b, endings, label):
        return {"ind": i, "activity_label": activity, "ctx_a": a, "ctx_b": b, "ctx": f"{a} {b}", "endings": endings, "source_id": f"own~{i}", "split": "val", "split_type": "indomain", "label": label}
    rows = []
    for i in range(8):
        words = paragraphs[80 + i].split(" ")
        endings = [" ".join(paragraphs[90 + 4 * i + k].split(" ")[:9]) for k in range(3)]
        endings.insert(i % 4, " ".join(words[20:30]))
        rows.append(row(i, "Reading aloud", " ".join(words[:12]), " ".join(words[12:20]), endings, str(i % 4)))
    rows.append(row(90, "Baking", " [header] How to bake bread [title] Mix the flour. [step] Add  water [a [b] c]", "iN a BOWL, ÉTÉ", ["stir   it [substeps] well.", " [title] Rest", "[all of it]gone", "a [b\nc] d\u00a0"], "0"))
    rows.append(row(91, "Waiting", "He sits.", "", ["He waits.", "the dog waits", "Nobody", "x"], "2"))
    return rows, {"ind": Value("int32"), **{k: string for k in ("activity_label", "ctx_a", "ctx_b", "ctx")}, "endings": Sequence(string), "source_id": string, "split": string, "split_type": string, "label": string}


def winogrande():
    names = [("Mary", "Susan"), ("the old captain", "the boy"), ("the cup", "the table"), ("John", "the Englishman")]
    ends = ["was very tired.", "had been ill for a week.", "was too small.", "was afraid of the dark."]
    rows = []
    for i in range(12):
        one, two = names[i % 4]
        rows.append({"sentence": f"{one[0].upper()}{one[1:]} looked at {two} for a long time because _ {ends[(i * 3 + i // 4) % 4]}", "option1": one, "option2": two, "answer": str(1 + i % 2)})
    # Options that begin alike, one that the other begins with; no text behind the blank's sentence but one word; two blanks.
    rows.append({"sentence": "The door of the house was open, so _   stood in the rain. ", "option1": "the girl", "option2": "the girls", "answer": "1"})
    rows.append({"sentence": "_ fell _ down", "option1": "Jack", "option2": "The hill", "answer": "2"})
    rows.append({"sentence": long_text + " And so _ went home.", "option1": "he", "option2": "the old man", "answer": "2"})
    return rows, {k: string for k in ("sentence", "option1", "option2", "answer")}


def sciq():
    rows = []
    for i in range(9):
        texts = [pair(100 + 4 * i + k)[1] for k in range(4)]
        rows.append({"question": pair(140 + i)[0] or "Why?", "distractor3": texts[2], "distractor1": texts[0], "distractor2": texts[1], "correct_answer": texts[3], "support": "" if i % 4 == 0 else "\n  " + paragraphs[110 + i]})
    return rows, {k: string for k in ("question", "distractor3", "distractor1", "distractor2", "correct_answer", "support")}


def boolq():
    rows = [{"question": f"did the {w} come back", "passage": paragraphs[130 + i] if i != 4 else "\n" + paragraphs[134] + " ", "idx": i, "label": i % 2} for i, w in enumerate(["old man", "ship", "king", "dog", "girl", "boat", "captain", "soldier"])]
    return rows, {"question": string, "passage": string, "idx": Value("int32"), "label": ClassLabel(names=["False", "True"])}


def lambada():
    rows = [{"text": " ".join(line.split(" ")[: 10 + i])} for i, line in enumerate(paragraphs[20:34])]
    return rows + [{"text": "alone"}, {"text": "It ends in a space "}, {"text": long_text}], {"text": string}


def lambada_standard():
    rows, features = lambada()
    return [{"text": row["text"].lower(), "domain": "fiction"} for row in rows[:8]], {**features, "domain": string}


def wikitext():
    tokenised = " \n = The Old House = \n \n The house , built in 1 @,@ 024 by J. ' Old ' Smith 's father , was 3 @.@ 5 m high ; it had ( as \" few others \" did ) a well @-@ kept garden [ sic ] : roses { red } . \n = = History = = \n N men lived there at 20 \u00b0 C ! Was it the boys ' own ? / ' 5/ No . ( unclosed \n = = = Later = = = \n = = = = End = = = = \n"
    pages = [tokenised + " \n ".join(paragraphs[220:228]).replace(",", " ,").replace(".", " ."), "  \u00a0one \x1c page\u3000", paragraphs[240]]
    return [{"page": page} for page in pages], {"page": string}


# For each task: its rows, and the folder and split of its file in a dataset repo.
TASKS = {
    "lambada_openai": (lambada, "EleutherAI/lambada_openai/default/test"),
    "lambada_standard": (lambada_standard, "cimec/lambada/plain_text/test"),
    "piqa": (piqa, "baber/piqa/data/validation"),
    "arc_easy": (lambda: arc(150), "allenai/ai2_arc/ARC-Easy/test"),
    "arc_challenge": (lambda: arc(170), "allenai/ai2_arc/ARC-Challenge/test"),
    "hellaswag": (hellaswag, "Rowan/hellaswag/data/validation"),
    "winogrande": (winogrande, "allenai/winogrande/winogrande_xl/validation"),
    "sciq": (sciq, "allenai/sciq/data/test"),
    "openbookqa": (openbookqa, "allenai/openbookqa/main/test"),
    "boolq": (boolq, "aps/super_glue/boolq/validation"),
    "wikitext": (wikitext, "EleutherAI/wikitext_document_level/wikitext-2-raw-v1/test"),
}


def definition(name, task_yaml, path):
    """The harness's own definition, with the rows taken from our file."""
    own = {"include": str(task_yaml), "task": f"own_{name}", "tag": [], "dataset_path": "parquet", "dataset_name": None, "dataset_kwargs": {"data_files": {"test": str(path)}}}
    own |= {"training_split": None, "validation_split": None, "test_split": "test"}
    target = scratch / "tasks" / f"{name}.yaml"
    target.parent.mkdir(exist_ok=True)
    target.write_text(yaml.safe_dump(own))


def evaluate(model):
    """Documents without the special token that OPT's tokenizer puts in front: the harness's prefix token is another."""
    merged = {"results": {}, "samples": {}, "versions": {}}
    for tasks, extra in ((["wikitext"], {"add_bos_token": False}), ([n for n in TASKS if n != "wikitext"], {})):
        results = lm_eval.simple_evaluate(
            model="hf",
            model_args={"pretrained": str(FIXTURES / model), "dtype": "float32", "logits_cache": False, **extra},
            tasks=[f"own_{name}" for name in tasks],
            task_manager=TaskManager(include_path=str(scratch / "tasks"), include_defaults=False),
            device="cpu",
            batch_size=8,
            bootstrap_iters=BOOTSTRAP_ITERS,
            log_samples=True,
        )
        for key, value in merged.items():
            value.update(results[key])
    return merged


def sample_row(sample, text):
    """A row's numbers; with its texts, if they are wanted."""
    rolling = "word_perplexity" in sample
    resps = [] if rolling else [answer for (answer,) in sample["resps"]]
    numbers = {
        "ll": [sample["word_perplexity"][0]] if rolling else [ll for ll, _ in resps],
        "greedy": [bool(greedy) for _, greedy in resps],
        "metrics": {metric: sample[metric] for metric in sample["metrics"]},
    }
    if not text:
        return numbers
    return {"arguments": [list(each) for each in sample["arguments"]], "target": str(sample["target"]), **numbers}


def main():
    folder = FIXTURES / "eval" / "tasks"
    here = Path(lm_eval.__file__).parent / "tasks"
    paths = [path for place in ("lambada", "piqa", "arc", "hellaswag", "winogrande", "sciq", "openbookqa", "super_glue/boolq", "wikitext") for path in (here / place).glob("*.yaml")]
    for name, (rows, place) in TASKS.items():
        data, features = rows()
        path = folder / f"{place}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_list(data, features=Features(features)).to_parquet(str(path))
        (source,) = [p for p in paths if f"\ntask: {name}\n" in "\n" + p.read_text()]
        definition(name, source, path)
    for model, file in (("gpt2-books", "expected.json"), ("opt-tiny", "expected-opt.json")):
        results = evaluate(model)
        strip = lambda name: name.removeprefix("own_")
        expected = {
            "made_by": "test/eval/make-task-fixtures.py",
            "lm_eval_version": importlib.metadata.version("lm_eval"),
            "bootstrap_iters": BOOTSTRAP_ITERS,
            "results": {strip(name): result for name, result in results["results"].items()},
            "versions": {strip(name): version for name, version in results["versions"].items()},
            "rows": {strip(name): [sample_row(s, model == "gpt2-books") for s in sorted(samples, key=lambda s: s["doc_id"])] for name, samples in results["samples"].items()},
        }
        text = json.dumps(expected, indent=1, ensure_ascii=False, default=str)
        (folder / file).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
