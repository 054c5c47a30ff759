"""Writes fixtures/safetensors-verdicts.json: headers, and whether the reference implementation accepts them.

    python test/checkpoint/safetensors/make_header_verdicts.py fixtures/safetensors-verdicts.json

With --check it writes nothing and fails where the file is not what it would write. Needs the safetensors package
(written with 0.8). Each case is the header (text, or base64 where it is no text), the bytes of data after it, the length
that the file claims where that is another, and the verdict: the tensors by name, or null for a refusal.
"""

import base64
import json
import random
import struct
import sys
from pathlib import Path

from safetensors import deserialize

ENTRY = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
DTYPES = (
    "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ I16 U16 F16 BF16 I32 U32 F32 C64 "
    "F64 I64 U64 F8_E3M4 C128 I4 E8M0 f32 F33 toString"
).split()


def entry(dtype="F32", shape="[1]", offsets="[0,4]", more=""):
    return f'{{"a":{{"dtype":"{dtype}",{more}"shape":{shape},"data_offsets":{offsets}}}}}'


def two(first, second, more=""):
    def tensor(dtype, count, start, end):
        return f'{{"dtype":"{dtype}","shape":[{count}],"data_offsets":[{start},{end}]}}'

    return f'{{"b":{tensor(*first)},"a":{tensor(*second)}{more}}}'


def grammar():
    """What JSON allows and what it does not."""
    for tail in ["", "   ", "\n\t\r ", "\0", "x", "{}", ",", "\f", "\v", "\u00a0", "\ufeff"]:
        yield f'{{"a":{ENTRY}}}{tail}', 4
    for head in [" ", "\n", "\t\t", "\ufeff", "\0", "x", "["]:
        yield f'{head}{{"a":{ENTRY}}}', 4
    for whole in ["", "null", "[]", "{", "}", "{}", " ", "0", '"a"', "true", "{}{}", "{,}", "{:}", '{"a"}', '{"a":}']:
        yield whole, 0
    yield "{}", 4
    yield f'{{"a":{ENTRY},}}', 4
    yield f"{{'a':{ENTRY}}}", 4
    yield f"{{a:{ENTRY}}}", 4
    yield f'{{"a":{ENTRY}/**/}}', 4
    yield f'{{"a"={ENTRY}}}', 4
    yield f'{{"a" : {ENTRY} }}', 4
    yield f'{{"a":{ENTRY};"b":{ENTRY}}}', 4
    yield f'{{"a":{ENTRY}', 4
    for value in ["null", "1", '""', "[]", "{}", "true", '"F32"', '["F32",[1],[0,4]]', '["F32",[1]]']:
        yield f'{{"a":{value}}}', 4
    numbers = "0 -0 1 -1 01 +1 1. .1 1.0 1e0 1E0 1e+0 1e400 1e-400 -1e400 1.5 0x1 1_0 NaN Infinity nul True 9007199254740993"
    for number in [*numbers.split(), "1" * 400, "1" * 20, "0" * 20, "1 1", "--1", "1e", "1e+", "-"]:
        yield entry(more=f'"x":{number},'), 4
        yield entry(shape=f"[{number}]"), 4
        yield entry(offsets=f"[{number},4]"), 4
    strings = ['"x"', r'"\n"', r'"\x"', r'"\u00e9"', r'"\u12"', r'"\ud83d\ude00"', r'"\ud800"', r'"\udc00"', r'"\ud800\u0041"']
    for string in [*strings, r'"\u0000"', '"\x01"', '"\x1f"', '"\x7f"', '"\t"', '"\n"', '"', r'"\"', r'"\""', '"\u2028"', r'"\/"']:
        yield f"{{{string}:{ENTRY}}}", 4
        yield entry(more=f'"x":{string},'), 4
        yield f'{{"__metadata__":{{"x":{string}}},"a":{ENTRY}}}', 4
    for raw in [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80"]:
        yield b'{"' + raw + b'":' + ENTRY.encode() + b"}", 4
    for depth in [1, 60, 124, 125, 126, 127, 128, 500]:
        yield entry(more=f'"x":{"[" * depth}{"]" * depth},'), 4
        yield entry(more=f'"x":{"[{}, " * depth}0{"]" * depth},'), 4
        yield entry(more='"x":' + '{"y":' * depth + "0" + "}" * depth + ","), 4


def keys():
    """Keys that are there twice, that are missing, that are not known."""
    yield f'{{"a":{ENTRY},"a":{ENTRY}}}', 4
    yield f'{{"a":{ENTRY},"\\u0061":{ENTRY}}}', 4
    yield two(("F32", 1, 0, 4), ("F32", 1, 4, 8)).replace('"b"', '"a"'), 8
    for key, value in {"dtype": '"F32"', "shape": "[1]", "data_offsets": "[0,4]", "x": "1"}.items():
        yield entry(more=f'"{key}":{value},'), 4
        yield entry(more=f'"{key}":{value},"{key}":{value},'), 4
        yield entry(more='"x":{"y":1,"y":1},'), 4
        yield entry().replace(f'"{key}"', f'"{key}s"'), 4
        yield entry().replace(f'"{key}"', f'"{key.upper()}"'), 4
        yield entry().replace(f'"{key}":', f'"{key}":null,"y":'), 4
    yield entry().replace("dtype", "dtyp\\u0065").replace("F32", "F3\\u0032"), 4
    for name in ["", "__proto__", "constructor", "größe", "a" * 500, " ", "__metadata__ "]:
        yield f'{{"{name}":{ENTRY}}}', 4
    metadata = ["{}", "null", "[]", '"x"', "1", '{"x":"y"}', '{"x":1}', '{"x":null}', '{"x":["y"]}', '{"x":"y","x":"y"}', ENTRY]
    for value in [*metadata, '{"x":"y","x":"z"}', '{"__proto__":"y"}', '{"":""}']:
        yield f'{{"__metadata__":{value},"a":{ENTRY}}}', 4
        yield f'{{"a":{ENTRY},"__metadata__":{value}}}', 4
    yield f'{{"__metadata__":{{}},"__metadata__":{{}},"a":{ENTRY}}}', 4
    yield f'{{"__metadata__":null,"__metadata__":null,"a":{ENTRY}}}', 4
    for dtype in ['{"F32":null}', '{"F32":1}', "11", "null", '["F32"]']:
        yield entry().replace('"F32"', dtype), 4


def sizes():
    """Shapes, dtypes and offsets that fit, and that do not."""
    for dtype in DTYPES:
        for count in [0, 1, 2, 4, 8]:
            for size in sorted({0, 1, 3, 4, 6, count, 2 * count, 4 * count, 8 * count}):
                if random.random() < 0.25 or size == count:
                    yield entry(dtype, f"[{count}]", f"[0,{size}]"), size
    big = ["4294967296", "9007199254740991", "9007199254740993", "18446744073709551615", "18446744073709551616"]
    for size in big:
        yield entry(shape=f"[{size}]", offsets="[0,0]"), 0
        yield entry(shape=f"[0,{size}]", offsets="[0,0]"), 0
        yield entry(shape=f"[{size},0]", offsets="[0,0]"), 0
        yield entry(shape=f"[{size},{size},0]", offsets="[0,0]"), 0
        yield entry(shape=f"[0,{size},{size}]", offsets="[0,0]"), 0
        yield entry(shape=f"[{size},{size}]", offsets="[0,0]"), 0
        yield entry(offsets=f"[0,{size}]"), 4
        yield entry(offsets=f"[{size},4]"), 4
        yield entry(offsets=f"[{size},{size}]", shape="[0]"), 0
        yield entry("F4", f"[{size}]", "[0,0]"), 0
        yield entry("U64", f"[{size}]", "[0,0]"), 0
    for shape in ["[]", "[1,1]", "[1,1,1,1,1,1,1,1,1]", "[-1]", '["1"]', "[null]", "[[1]]", "1", "{}", "[2]", "[0]", "[1,]", "[,]"]:
        yield entry(shape=shape), 4
    for offsets in ["[0]", "[]", "[0,4,4]", "[4,0]", "[0,3]", "[0,5]", "[4,8]", '{"0":0,"1":4}', "null", "[0,null]", "[[0,4]]", "4"]:
        yield entry(offsets=offsets), 4
    for data in [0, 3, 5, 8]:
        yield f'{{"a":{ENTRY}}}', data
    f, g = ("F32", 1, 0, 4), ("F32", 1, 4, 8)
    pairs = [(f, g), (g, f), (f, f), (f, ("F32", 1, 8, 12)), (f, ("F32", 1, 2, 6)), (f, ("F32", 0, 4, 4)), (f, ("F32", 0, 0, 0))]
    pairs += [(("F32", 0, 2, 2), f), (("U8", 1, 0, 1), ("F32", 1, 1, 5)), (("F32", 0, 0, 0), ("F32", 0, 0, 0)), (f, ("F32", 0, 8, 8))]
    pairs += [(("F4", 2, 0, 1), ("F4", 2, 1, 2)), (("F4", 3, 0, 1), ("F4", 1, 1, 2)), (f, ("F32", 2, 0, 8)), (f, ("F32", 1, 4, 7))]
    for first, second in pairs:
        for data in sorted({first[3], second[3], max(first[3], second[3]) + 1}):
            yield two(first, second), data


def lengths():
    """Lengths that the file claims, whatever it has."""
    text = f'{{"a":{ENTRY}}}'
    for claimed in [0, 1, len(text) - 1, len(text) + 1, len(text) + 4, len(text) + 5, 100_000_001, 2**31, 2**53, 2**63, 2**64 - 1]:
        yield text, 4, claimed


def mutated():
    """A good header with bytes changed, taken out, put in and doubled."""
    good = f'{{"__metadata__":{{"format":"pt"}},"w":{ENTRY},"b":{{"dtype":"F16","shape":[2,1],"data_offsets":[4,8]}}}}'.encode()
    pieces = [b'"', b",", b":", b"{", b"}", b"[", b"]", b"0", b"1", b"-", b" ", b"\\", b"e", b".", b"\x00", b"\xff", b"null"]
    for _ in range(250):
        data = bytearray(good)
        for _ in range(random.choice([1, 1, 1, 2])):
            at = random.randrange(len(data))
            piece = random.choice(pieces)
            kind = random.randrange(4)
            if kind == 0:
                data[at : at + 1] = piece
            elif kind == 1:
                data[at:at] = piece
            elif kind == 2:
                del data[at : at + random.randrange(1, 9)]
            else:
                end = at + random.randrange(1, 40)
                data[end:end] = data[at:end]
        yield bytes(data), 8


def verdict(header, data, claimed):
    length = len(header) if claimed is None else claimed
    try:
        tensors = deserialize(struct.pack("<Q", length) + header + bytes(data))
    except Exception:
        return None
    return {name: [info["dtype"], *info["shape"]] for name, info in sorted(tensors)}


def cases():
    random.seed(4)
    seen = set()
    for make in [grammar, keys, sizes, lengths, mutated]:
        for header, data, *rest in make():
            claimed = rest[0] if rest else None
            raw = header if isinstance(header, bytes) else header.encode()
            if (raw, data, claimed) in seen:
                continue
            seen.add((raw, data, claimed))
            case = {"kind": make.__name__}
            try:
                case["header"] = raw.decode()
            except UnicodeDecodeError:
                case["base64"] = base64.b64encode(raw).decode()
            case["data"] = data
            if claimed is not None:
                case["claimed"] = str(claimed)
            # As text: sizes may be beyond what JavaScript reads exactly.
            tensors = verdict(raw, data, claimed)
            case["accepted"] = None if tensors is None else json.dumps(tensors, ensure_ascii=False, separators=(",", ":"))
            yield case


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases())
    text = f"[\n{lines}\n]\n"
    path = Path(sys.argv[1])
    if "--check" not in sys.argv:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        sys.exit(f"{path} is not what the reference implementation says; write it again.")
