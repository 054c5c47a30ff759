"""Writes fixtures/torch: files of torch.save, good ones with what they hold as safetensors, and hostile ones.

    python test/checkpoint/torch/make_torch_files.py fixtures/torch

Needs torch and safetensors (written with torch 2.13, safetensors 0.8).
"""

import io
import json
import os
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file

LEGACY = {"_use_new_zipfile_serialization": False}


def values(*shape, dtype=torch.float32, start=0):
    count = torch.Size(shape).numel()
    numbers = torch.arange(start, start + count, dtype=torch.float64) / 7 - 3
    return numbers.to(dtype).reshape(shape)


def dtypes():
    """Every dtype, and every odd shape and name."""
    kinds = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
    integers = [torch.int64, torch.int32, torch.int16, torch.int8]
    state = {str(kind).removeprefix("torch."): values(3, 4, dtype=kind) for kind in kinds}
    state |= {str(kind).removeprefix("torch."): torch.arange(-6, 6).to(kind) for kind in integers}
    state |= {"uint8": torch.arange(250, 256, dtype=torch.uint8), "bool": torch.tensor([True, False, True])}
    state |= {"scalar": torch.tensor(2.5), "empty": torch.zeros(0, 3), "nan": torch.tensor([float("nan"), -0.0])}
    state |= {"__proto__": values(2), "constructor": values(1, start=9), "größe.重み": values(5)}
    return state


def shared():
    """Tied tensors, views into one storage, parameters, and the ordered dict of a module with its metadata."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(6, 4)
            self.embedding.weight.data = values(6, 4)
            self.head = torch.nn.Linear(4, 6, bias=False)
            self.head.weight = self.embedding.weight
            self.register_buffer("mask", torch.ones(3, 3, dtype=torch.bool).tril())

    state = Net().state_dict()
    fused = values(9, 4, start=50)
    for name, part in zip("qkv", fused.split(3)):
        state[f"{name}.weight"] = part
    state["parameter"] = torch.nn.Parameter(values(2, 3))
    return state


def transposed():
    """Matrices that are stored by columns, as a transpose without a copy leaves them."""
    return {
        "matrix": values(5, 3).t(),
        "half": values(7, 2, dtype=torch.bfloat16).t(),
        "double": values(2, 3, dtype=torch.float64).t(),
        "bytes": torch.arange(6, dtype=torch.uint8).reshape(3, 2).t(),
        "row": values(4, 1).t(),
        "part": values(6, 3)[2:4].t(),
    }


class Evil:
    """What pickles to a call of a function."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def saved(state, **options):
    buffer = io.BytesIO()
    torch.save(state, buffer, **options)
    return buffer.getvalue()


def rezipped(data, edit=lambda name, content: (name, content), method=zipfile.ZIP_STORED, extra=()):
    """A torch file's records in an archive that Python's zipfile writes, edited; (None, …) leaves one out."""
    source = zipfile.ZipFile(io.BytesIO(data))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        records = [edit(name, source.read(name)) for name in source.namelist()]
        for name, content in [*records, *extra]:
            if name is not None:
                target.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def only_old_records(name, content):
    """What PyTorch 1.6 wrote: no byte order, no alignment."""
    kept = name.endswith(("data.pkl", "/version")) or "/data/" in name
    return (name if kept else None, b"3\n" if name.endswith("/version") else content)


def replaced(ending, content):
    return lambda name, old: (name, content if name.endswith(ending) else old)


def good():
    """What a state holds, and each way to write it."""
    for name, make in {"dtypes": dtypes, "shared": shared, "transposed": transposed}.items():
        state = make()
        yield name, state, {"zip": saved(state), "legacy": saved(state, **LEGACY)}
    state = shared()
    others = {
        "protocol-4": saved(state, pickle_protocol=4),
        "protocol-5": saved(state, pickle_protocol=5),
        "legacy-protocol-5": saved(state, pickle_protocol=5, **LEGACY),
        "old-records": rezipped(saved(state), only_old_records),
    }
    yield "shared", state, others


def refused():
    state = {"weight": values(2, 3)}
    plain = saved(state)
    command = Evil(os.system, "touch executed")
    yield "code", saved({**state, "x": command})
    yield "code-legacy", saved({**state, "x": command}, **LEGACY)
    yield "code-eval", saved({**state, "x": Evil(eval, "open('executed', 'w')")})
    yield "code-protocol-4", saved({**state, "x": command}, pickle_protocol=4)
    yield "module", saved(torch.nn.Linear(2, 2))
    yield "sparse", saved({"weight": torch.eye(3).to_sparse()})
    yield "complex", saved({"weight": torch.zeros(2, dtype=torch.complex64)})
    yield "float8", saved({"weight": torch.zeros(2).to(torch.float8_e4m3fn)})
    yield "strided", saved({"weight": values(4, 4)[:, 1:3]})
    yield "strided-3d", saved({"weight": values(2, 3, 4).permute(2, 0, 1)})
    yield "training-checkpoint", saved({"state_dict": state, "epoch": 3})
    yield "tensor", saved(values(3))
    yield "list", saved([values(3)])
    yield "big-endian", rezipped(plain, replaced("/byteorder", b"big"))
    yield "version-99", rezipped(plain, replaced("/version", b"99\n"))
    yield "deflated", rezipped(plain, method=zipfile.ZIP_DEFLATED)
    yield "twice", rezipped(plain, extra=[("archive/data/0", b"\0" * 24)])
    yield "outside", rezipped(plain, extra=[("../archive/data/1", b"\0" * 24)])
    yield "no-storage", rezipped(plain, lambda name, old: (None if name.endswith("data/0") else name, old))
    yield "short-storage", rezipped(plain, replaced("data/0", b"\0" * 20))
    yield "no-pickle", rezipped(plain, lambda name, old: (None if name.endswith("data.pkl") else name, old))
    yield "two-pickles", rezipped(plain, extra=[("other/data.pkl", b"\x80\x02}.")])


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, state, ways in good():
        for way, data in ways.items():
            (folder / f"{name}.{way}.bin").write_bytes(data)
        tensors = {key: tensor.detach().contiguous().clone() for key, tensor in state.items()}
        save_file(tensors, folder / f"{name}.safetensors")
    (folder / "refused").mkdir(exist_ok=True)
    for name, data in refused():
        (folder / "refused" / f"{name}.bin").write_bytes(data)

    sharded = folder / "sharded"
    sharded.mkdir(exist_ok=True)
    weight_map = {}
    shards = [{"a": values(2, 2), "b": values(3)}, {"c": values(4, dtype=torch.float16)}]
    for i, shard in enumerate(shards):
        name = f"pytorch_model-0000{i + 1}-of-0000{len(shards)}.bin"
        torch.save(OrderedDict(shard), sharded / name)
        weight_map |= {key: name for key in shard}
    index = {"metadata": {"total_size": 36}, "weight_map": weight_map}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")
    save_file({key: tensor for shard in shards for key, tensor in shard.items()}, sharded / "expected.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
