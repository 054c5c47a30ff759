#!/usr/bin/env python3
"""Writes fixtures/opt-tiny and fixtures/tokenizer: tokenizers of every shape, and the ids Transformers gives.

  PYTHON test/tokenizer/make-fixtures.py

  PYTHON  a Python with torch, tokenizers and transformers 5.18

opt-tiny is an OPT of random weights whose tokenizer, a byte-level BPE of 600 tokens learnt from books_train.txt,
has the files and the special tokens of facebook/opt-125m. fixtures/tokenizer/expected.json has the texts, and for
each case the files that make its folder and what AutoTokenizer reads out of them:

  vocabulary             the fixture whose tokens and merges it has
  tokenizer_json         tokenizer.json without them, or null for vocab.json and merges.txt
  files                  the small files, by name
  class                  the class that AutoTokenizer took
  size, bos, eos, pad    one more than the largest id, and the ids of the named special tokens
  before, after          the ids that stand around each text, and
  bare                   each text's own: the number of their list in `ids`, as many cases have the same
  long                   sha256 of the ids, as little-endian int32, of all texts 60 times over
  decoded                the text of each list of `to_decode`, with special tokens and without

`generated` is what opt-tiny goes on with after a prompt, greedily: tokens, and the text without special ones.
"""
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, OPTConfig, OPTForCausalLM

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"

MARKS = "\"\\#\\$%\\&'\\*\\+,\\-\\./:;<=>\\?\\\\\\^_`\\|\\~"
GALACTICA_MARKS = "[\\(\\)\\[\\]\\{\\}]|([!" + MARKS + "])\\1*"
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

TEXTS = [
    "",
    " ",
    "  ",
    "\n",
    "\x00",
    "a\x00b\x01\x7f\x80\x9f",
    "It is a truth universally acknowledged, that a single man",
    " leading space",
    "  two leading spaces and  two  within ",
    "   \n\n\t \t\n   a   \n",
    "line\r\nline\r\n\r\nline\rline",
    "tabs\tand\x0bvertical\x0cforms\x1c\x1d\x1e\x1funits",
    "next\x85line \x85 and \x85  mark\ufeffbom \ufeff\ufeff end",
    "\ufeffFirst a byte order mark",
    "no\u00a0break\u00a0 \u00a0 spaces\u2003em\u3000wide\u200bzero\u2028line\u2029para\u202fnarrow\u205fmath\u180emongol",
    " " * 300 + "x" + "\n" * 200 + " y" + "\t" * 65,
    "I'm you're he's she'll we've they'd don't 'tis 'S 'LL I'M YOU'RE O'Reilly's ''s 's's",
    "it\u2019s curly, they\u2019ll",
    "0 1 12 123 1234567890 3.14159 1,000,000 1e-9 0x1F v2.0 2nd \u00bd \u2167 \u0663\u0664 \u096b\u096c \uff11\uff12 \u00b2\u00b3",
    "!!! ??? ... --- ((())) [x] {y} <z> a--b c... d!?! @#$%^&*_+= \\ | ~ ` \"q\" 'q'",
    "</s>",
    "</s></s> </s>a</s> b </s>\n",
    "<s>text</s><pad><unk> <pad> \n<pad>",
    "<|endoftext|>One<|endoftext|> Two <|endoftext|>\n<|endoftext|><|endoftext|>",
    "< /s> <|endoftext| > <|ENDOFTEXT|> </S> <|endoftext",
    " <mask> x<mask>y  <mask>  <mask>\n<mask>\t. [NEW] a[NEW]b  [NEW] NEWWORD aNEWWORD newword <x y> <x  y>a<x y",
    "caf\u00e9 cafe\u0301 na\u00efve nai\u0308ve \u00c5 A\u030a \u212b \ufb01 \u2460 \u1e9b\u0323 \u01c4",
    "z\u0351\u036b\u0343\u036a\u0302a\u0351\u036c\u030el\u0345\u0353g\u035do",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u060c \u0643\u064e\u064a\u0652\u0641\u064e \u062d\u064e\u0627\u0644\u064f\u0643\u064e\u061f \u0661\u0662\u0663",
    "\u4f60\u597d\uff0c\u4e16\u754c\u3002\u4eca\u5929\u662f2024\u5e741\u6708\u3002\U00020000\U0002a6d6",
    "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\u3001\u30ab\u30bf\u30ab\u30ca\u3000\uff76\uff9e",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e, \u0915\u094d\u0937\u0924\u094d\u0930\u093f\u092f",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \uc548\ub155\ud558\uc138\uc694 \u1112\u1161\u11ab \u05e9\u05dc\u05d5\u05dd \u0416\u0437\u044b",
    "\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f3f3\ufe0f\u200d\U0001f308 \U0001f1e9\U0001f1ea \u270b\U0001f3fd 1\ufe0f\u20e3",
    "\U0001d54f\U0001d552 \U0001f170 \uff21\uff42\uff43 \u2122 \u33a1 \ufdfa",
    "\ufffd \uffff \U0010ffff \ue000 \U000f0000",
    "a" * 700 + " " + "ab" * 150 + "Z" * 40,
    "Supercalifragilisticexpialidocious antidisestablishmentarianism pneumonoultramicroscopicsilicovolcanoconiosis",
    "toString constructor __proto__ hasOwnProperty valueOf",
    "def f(x):\n    if x == 0:\n        return {'a': [1, 2]}\n\n    return f(x-1)  # done\n",
    "https://example.com/a?b=c&d=%20#e  user@example.org  C:\\path\\to",
    "SPL1T-TH1S-Pl3A5E aSPL1T-TH1S-Pl3A5Eb CCSPL1T-TH1S-Pl3A5ESPL1T-TH1S-Pl3A5ENO \n\nx\ny",
    "madeupword0000 Ġword Ċ É éé",
]

# Not the tokens of any text: broken characters, special tokens within one, ids that are no token.
TO_DECODE = {
    "gpt2-books": [[], [0], [108], [165, 254, 0], [0, 40, 0, 0], [4095, 4096, 9999], [174, 0, 245, 224, 174, 245]],
    "opt-tiny": [[], [2], [2, 40, 2, 1, 3, 0], [112], [130, 2, 140], [599, 600, 9999], [4, 2, 4, 250, 251]],
}

ENDOFTEXT = {"content": "<|endoftext|>", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
EOS = {"content": "</s>", "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
TYPED = {"__type": "AddedToken", **EOS}
PAD = {**EOS, "content": "<pad>"}
OPT_CONFIG = {
    "errors": "replace",
    "unk_token": TYPED,
    "bos_token": TYPED,
    "eos_token": TYPED,
    "pad_token": {"__type": "AddedToken", **PAD},
    "add_prefix_space": False,
    "add_bos_token": True,
    "special_tokens_map_file": None,
    "name_or_path": "patrickvonplaten/opt-30b",
    "tokenizer_class": "GPT2Tokenizer",
}
OPT_MAP = {"bos_token": EOS, "eos_token": EOS, "unk_token": EOS, "pad_token": PAD}


def token(id, content, **flags):
    base = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id, "content": content, **base, **flags}


def decoder_of(tokens):
    return {str(t["id"]): {key: t[key] for key in t if key != "id"} for t in tokens}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def template(before, after):
    special = lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    names = {name: {"id": name, "ids": [id], "tokens": [name]} for name, id in before + after}
    single = [special(n) for n, _ in before] + [{"Sequence": {"id": "A", "type_id": 0}}] + [special(n) for n, _ in after]
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": names}


def tokenizer_json(**parts):
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None}
    model |= {"end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": byte_level(),
        "post_processor": None,
        "decoder": byte_level(True),
        **parts,
        "model": model | parts.get("model", {}),
    }


def case(name, vocabulary, model_type, tokenizer_json=None, **files):
    files = {key.replace("__", "."): value for key, value in files.items()}
    files = {"config.json": {"model_type": model_type}} | files
    return {"name": name, "vocabulary": vocabulary, "tokenizer_json": tokenizer_json, "files": files}


GPT2_ADDED = [token(0, "<|endoftext|>")]
OPT_ADDED = [token(i, t) for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>"])]
STRIPPED = [
    token(600, "<mask>", lstrip=True),
    token(601, "[NEW]", rstrip=True, special=False),
    token(602, "NEWWORD", normalized=True, special=False),
    token(603, "<x y>"),
]

CASES = [
    case("gpt2, tokenizer.json alone", "gpt2-books", "gpt2", tokenizer_json(added_tokens=GPT2_ADDED)),
    case("gpt2, vocab.json and merges.txt alone", "gpt2-books", "gpt2"),
    case(
        "gpt2, as openai-community/gpt2",
        "gpt2-books",
        "gpt2",
        tokenizer_json(added_tokens=[token(0, "<|endoftext|>", normalized=True)], post_processor=byte_level(True)),
        tokenizer_config__json={"model_max_length": 1024},
    ),
    case(
        "gpt2, as stanford-crfm",
        "gpt2-books",
        "gpt2",
        tokenizer_config__json={
            "unk_token": "<|endoftext|>",
            "bos_token": "<|endoftext|>",
            "eos_token": "<|endoftext|>",
            "add_prefix_space": False,
            "model_max_length": 1024,
            "special_tokens_map_file": None,
            "tokenizer_class": "GPT2Tokenizer",
        },
        special_tokens_map__json={key: "<|endoftext|>" for key in ("bos_token", "eos_token", "unk_token")},
    ),
    case(
        "gpt2 with add_prefix_space",
        "gpt2-books",
        "gpt2",
        tokenizer_config__json={"add_prefix_space": True, "tokenizer_class": "GPT2Tokenizer"},
    ),
    case(
        "gpt2 whose config overrules the add_prefix_space of tokenizer.json",
        "gpt2-books",
        "gpt2",
        tokenizer_json(pre_tokenizer=byte_level(True)),
        tokenizer_config__json={"add_prefix_space": False, "tokenizer_class": "GPT2TokenizerFast"},
    ),
    case(
        "gpt2 with bos, which tokenizer.json does not add",
        "gpt2-books",
        "gpt2",
        tokenizer_json(added_tokens=GPT2_ADDED),
        tokenizer_config__json={"add_bos_token": True, "tokenizer_class": "GPT2Tokenizer"},
    ),
    case(
        "gpt2 with a padding token added",
        "gpt2-books",
        "gpt2",
        tokenizer_config__json={"pad_token": "[PAD]", "bos_token": None},
        added_tokens__json={"[NEW]": 4097, "[PAD]": 4096},
    ),
    case(
        "gpt2 with bos and eos around",
        "gpt2-books",
        "gpt2",
        tokenizer_config__json={"add_bos_token": True, "add_eos_token": True},
    ),
    case(
        "opt, as facebook/opt-125m",
        "opt-tiny",
        "opt",
        tokenizer_config__json=OPT_CONFIG,
        special_tokens_map__json=OPT_MAP,
    ),
    case("opt without special_tokens_map.json", "opt-tiny", "opt", tokenizer_config__json=OPT_CONFIG),
    case("opt, the vocabulary alone: it begins with nothing", "opt-tiny", "opt"),
    case(
        "opt, all added tokens in tokenizer_config.json",
        "opt-tiny",
        "opt",
        tokenizer_config__json={
            **{key: value for key, value in OPT_CONFIG.items() if not key.endswith("_token") or key == "add_bos_token"},
            "bos_token": "</s>",
            "eos_token": "</s>",
            "unk_token": "</s>",
            "pad_token": "<pad>",
            "added_tokens_decoder": decoder_of([OPT_ADDED[1], OPT_ADDED[2], *STRIPPED]),
        },
        special_tokens_map__json={"bos_token": "ignored"},
    ),
    case(
        "opt, saved as tokenizer.json",
        "opt-tiny",
        "opt",
        tokenizer_json(added_tokens=OPT_ADDED, post_processor=template([("</s>", 2)], [])),
        tokenizer_config__json={"tokenizer_class": "GPT2Tokenizer", "add_bos_token": False, "bos_token": "</s>",
                                "eos_token": "</s>", "unk_token": "</s>"},
    ),
    case(
        "galactica",
        "opt-tiny",
        "opt",
        tokenizer_json(
            added_tokens=OPT_ADDED + [token(600, "[START_REF]"), token(601, "<work>")],
            normalizer={"type": "NFKC"},
            pre_tokenizer={
                "type": "Sequence",
                "pretokenizers": [
                    split({"String": "SPL1T-TH1S-Pl3A5E"}, "Removed"),
                    {"type": "Digits", "individual_digits": True},
                    split({"Regex": GALACTICA_MARKS}),
                    split({"String": "\n"}),
                    byte_level(),
                ],
            },
        ),
        tokenizer_config__json={"name_or_path": "/content/tokenizer", "tokenizer_class": "PreTrainedTokenizerFast"},
    ),
    case(
        "tokens that take white space along, and a normaliser",
        "opt-tiny",
        "opt",
        tokenizer_json(added_tokens=OPT_ADDED + STRIPPED, normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]}),
        tokenizer_config__json={"tokenizer_class": "PreTrainedTokenizerFast"},
    ),
    case(
        "words split by a pattern, runs of digits, processors in sequence",
        "opt-tiny",
        "opt",
        tokenizer_json(
            pre_tokenizer={
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "Digits", "individual_digits": False},
                    split({"Regex": WORDS}, "Removed", True),
                    byte_level(False, False),
                ],
            },
            post_processor={"type": "Sequence", "processors": [byte_level(), template([("<s>", 0)], [("</s>", 2), ("</s>", 2)])]},
            added_tokens=OPT_ADDED,
            model={"ignore_merges": True},
        ),
        tokenizer_config__json={"tokenizer_class": "TokenizersBackend", "bos_token": "<s>", "eos_token": "</s>"},
    ),
    case(
        "as RoBERTa's, with add_prefix_space",
        "opt-tiny",
        "opt",
        tokenizer_json(
            pre_tokenizer=byte_level(True),
            post_processor={"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True},
            added_tokens=OPT_ADDED,
        ),
        tokenizer_config__json={"tokenizer_class": "PreTrainedTokenizerFast", "cls_token": "<s>", "sep_token": "</s>"},
    ),
    case(
        "gpt2, as Transformers 4 saved it",
        "gpt2-books",
        "gpt2",
        tokenizer_json(added_tokens=[token(0, "<|endoftext|>", normalized=True), token(4096, "[PAD]")]),
        tokenizer_config__json={
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": decoder_of([token(0, "<|endoftext|>", normalized=True), token(4096, "[PAD]")]),
            "bos_token": "<|endoftext|>",
            "clean_up_tokenization_spaces": True,
            "eos_token": "<|endoftext|>",
            "errors": "replace",
            "model_max_length": 1024,
            "pad_token": "[PAD]",
            "tokenizer_class": "GPT2Tokenizer",
            "unk_token": "<|endoftext|>",
        },
        special_tokens_map__json={"bos_token": ENDOFTEXT, "eos_token": ENDOFTEXT, "pad_token": "[PAD]", "unk_token": ENDOFTEXT},
    ),
    case(
        "a tokenizer.json and its added tokens, as Transformers 4 saved them",
        "opt-tiny",
        "opt",
        tokenizer_json(added_tokens=OPT_ADDED + STRIPPED, post_processor=template([("</s>", 2)], [])),
        tokenizer_config__json={
            "added_tokens_decoder": decoder_of(OPT_ADDED + STRIPPED),
            "additional_special_tokens": ["<x y>", {**TYPED, "content": "<mask>", "lstrip": True}],
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    ),
]

SAVED = [
    "gpt2, as openai-community/gpt2",
    "gpt2 with a padding token added",
    "opt, as facebook/opt-125m",
    "opt, all added tokens in tokenizer_config.json",
    "galactica",
    "tokens that take white space along, and a normaliser",
]


def write_json(path, value, **options):
    path.write_text(json.dumps(value, ensure_ascii=False, **options) + "\n", encoding="utf-8")


def make_opt():
    """A byte-level BPE with OPT's special tokens where OPT has them, and a model for it."""
    folder = FIXTURES / "opt-tiny"
    folder.mkdir(exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=598,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train([str(FIXTURES / "books_train.txt")], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = model["vocab"] | {"madeupword0000": 598, "madeupword0001": 599}
    assert sorted(vocabulary.values()) == list(range(600))
    write_json(folder / "vocab.json", vocabulary)
    lines = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"])]
    (folder / "merges.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", OPT_CONFIG)
    write_json(folder / "special_tokens_map.json", OPT_MAP)
    torch.manual_seed(0)
    # OPT pads its embedding: 50265 tokens, 50272 rows.
    config = OPTConfig(vocab_size=608, hidden_size=24, num_hidden_layers=2, num_attention_heads=2, ffn_dim=48,
                       max_position_embeddings=256, word_embed_proj_dim=24, dropout=0.0, init_std=0.15)
    OPTForCausalLM(config).save_pretrained(folder)


def vocabulary_of(name):
    folder = FIXTURES / name
    if (folder / "tokenizer.json").exists():
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        return model["vocab"], [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]]
    lines = (folder / "merges.txt").read_text(encoding="utf-8").split("\n")[1:-1]
    return json.loads((folder / "vocab.json").read_text(encoding="utf-8")), [tuple(line.split(" ")) for line in lines]


def write_case(case, folder):
    vocabulary, merges = vocabulary_of(case["vocabulary"])
    if case["tokenizer_json"] is None:
        write_json(folder / "vocab.json", vocabulary)
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges), encoding="utf-8")
    else:
        parts = case["tokenizer_json"]
        model = {**parts["model"], "vocab": vocabulary, "merges": [list(merge) for merge in merges]}
        write_json(folder / "tokenizer.json", {**parts, "model": model})
    for name, content in case["files"].items():
        write_json(folder / name, content)


def saved(name):
    """What save_pretrained makes of a case."""
    original = next(case for case in CASES if case["name"] == name)
    with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as target:
        write_case(original, Path(source))
        AutoTokenizer.from_pretrained(source).save_pretrained(target)
        files = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(Path(target).glob("*.json"))}
    parts = files.pop("tokenizer.json")
    assert (parts["model"].pop("vocab"), parts["model"].pop("merges")) == (
        vocabulary_of(original["vocabulary"])[0],
        [list(merge) for merge in vocabulary_of(original["vocabulary"])[1]],
    )
    files["config.json"] = original["files"]["config.json"]
    return {**original, "name": f"{name}, saved by Transformers", "tokenizer_json": parts, "files": files}


def expect(case):
    with tempfile.TemporaryDirectory() as name:
        write_case(case, Path(name))
        tokenizer = AutoTokenizer.from_pretrained(name)
    ids = [tokenizer(text)["input_ids"] for text in TEXTS]
    bare = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    empty = ids[TEXTS.index("")]
    before = next(n for n in range(len(empty) + 1) if all(i == empty[:n] + b + empty[n:] for i, b in zip(ids, bare)))
    lists = TO_DECODE[case["vocabulary"]]
    return {
        **case,
        "class": type(tokenizer).__name__,
        "size": max(tokenizer.get_vocab().values()) + 1,
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "pad": tokenizer.pad_token_id,
        "before": empty[:before],
        "after": empty[before:],
        "bare": bare,
        "long": hashlib.sha256(np.array(tokenizer("".join(TEXTS) * 60, add_special_tokens=False)["input_ids"], "<i4").tobytes()).hexdigest(),
        "decoded": [tokenizer.decode(x) for x in lists],
        "decoded_without_special": [tokenizer.decode(x, skip_special_tokens=True) for x in lists],
    }


def generate(prompt):
    folder = FIXTURES / "opt-tiny"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), OPTForCausalLM.from_pretrained(folder)
    inputs = tokenizer(prompt, return_tensors="pt")
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=24)[0, inputs["input_ids"].shape[1] :]
    return {"prompt": prompt, "ids": ids.tolist(), "text": tokenizer.decode(ids, skip_special_tokens=True)}


def main():
    make_opt()
    (FIXTURES / "tokenizer").mkdir(exist_ok=True)
    cases = [expect(case) for case in [*CASES, *map(saved, SAVED)]]
    ids = []
    for case in cases:
        if case["bare"] not in ids:
            ids.append(case["bare"])
        case["bare"] = ids.index(case["bare"])
    expected = {
        "made_by": "test/tokenizer/make-fixtures.py",
        "transformers_version": transformers.__version__,
        "texts": TEXTS,
        "to_decode": TO_DECODE,
        "cases": cases,
        "ids": ids,
        "generated": [generate(prompt) for prompt in ("It is a truth", " \u4f60\u597d, said", "</s>")],
    }
    # One list of ids a line.
    text = json.dumps(expected, ensure_ascii=True, separators=(",", ":"))
    (FIXTURES / "tokenizer" / "expected.json").write_text(text.replace("],[", "],\n[") + "\n")


if __name__ == "__main__":
    main()
