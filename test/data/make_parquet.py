"""Write fixtures/data/: parquet files of every shape that datasets have, for test/data/parquet.test.ts.

  python test/data/make_parquet.py fixtures        needs pyarrow
"""
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(sys.argv[1]) / "data"
folder.mkdir(exist_ok=True)

# What test/data/parquet.test.ts expects.
texts = [f"Row {i}: é 😀 " + "word " * (i * 7 % 23) for i in range(200)]
table = pa.table({
    "id": pa.array(range(200), pa.int64()),
    "text": texts,
    "label": pa.array(["yes" if i % 3 else "no" for i in range(200)]),
    "tags": pa.array([["a", "b"]] * 200),
})
small = {"row_group_size": 70, "data_page_size": 512, "write_batch_size": 16}
for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    pq.write_table(table, folder / f"{codec}.parquet", compression=codec, **small)
pq.write_table(table, folder / "v2.parquet", compression="zstd", data_page_version="2.0", use_dictionary=False, **small)
pq.write_table(table, folder / "delta.parquet", use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"},
               data_page_version="2.0", **small)
pq.write_table(table.cast(pa.schema([("id", pa.int64()), ("text", pa.large_string()), ("label", pa.string()),
                                     ("tags", pa.list_(pa.string()))])), folder / "large-string.parquet")
pq.write_table(pa.table({"prompt": ["2 + 2 =", "3 + 3 ="], "completion": [" 4", " 6"]}), folder / "prompts.parquet")
pq.write_table(pa.table({"text": ["fine", None, "fine"]}), folder / "null.parquet")
pq.write_table(pa.table({"text": pa.array([], pa.string())}), folder / "empty.parquet")
pq.write_table(pa.table({"id": [1, 2], "score": [0.5, 1.5]}), folder / "numbers.parquet")
invalid = pa.array([b"fine", b"not \xff\xfe fine"], pa.binary())
pq.write_table(pa.table({"text": invalid}), folder / "invalid-utf8.parquet")
