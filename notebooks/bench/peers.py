#!/usr/bin/env python3
"""What servestat's ingest is measured against: the same file, by the tools at hand.

    python peers.py check
    python peers.py json|duckdb|pandas RESULT.json FOLDER

Reads a detailed vLLM result and writes FOLDER/requests.parquet and
FOLDER/tokens.parquet, without the distributions that servestat makes as well.
Prints one line: the seconds that it took, without the start of Python and the
imports, and the number of gaps.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MEMORY = 8 << 30

COLUMNS = ["start_times", "ttfts", "input_lens", "output_lens"]


def write(requests: dict, itls: pa.ListArray, folder: Path) -> int:
    pq.write_table(pa.table(requests), folder / "requests.parquet", compression="zstd", compression_level=1)
    gaps = itls.flatten().to_numpy()
    counts = np.diff(itls.offsets.to_numpy())
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    tokens = pa.table({
        "request_idx": np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        "chunk_idx": (np.arange(len(gaps)) - starts + 1).astype(np.int32),
        "gap_ns": np.rint(gaps * 1e9).astype(np.int64),
    })
    delta = dict.fromkeys(tokens.column_names, "DELTA_BINARY_PACKED")
    pq.write_table(tokens, folder / "tokens.parquet", compression="zstd", compression_level=1, use_dictionary=False, column_encoding=delta)
    return len(gaps)


def run_json(path: Path, folder: Path) -> int:
    with open(path) as file:
        doc = json.load(file)
    return write({key: doc[key] for key in COLUMNS}, pa.array(doc["itls"]), folder)


def run_pandas(path: Path, folder: Path) -> int:
    frame = pd.read_json(path, orient="records", lines=True)  # one line: the result
    row = frame.iloc[0]
    return write({key: row[key] for key in COLUMNS}, pa.array(row["itls"]), folder)


def run_duckdb(path: Path, folder: Path) -> int:
    db = duckdb.connect()
    db.execute("SET threads = 2")
    db.execute(
        f"""CREATE TABLE result AS SELECT * FROM read_json('{path}', format = 'unstructured', maximum_object_size = {min(path.stat().st_size + 1, 2**32 - 1)},
            columns = {{start_times: 'DOUBLE[]', ttfts: 'DOUBLE[]', input_lens: 'BIGINT[]', output_lens: 'BIGINT[]', itls: 'DOUBLE[][]'}})"""
    )
    db.execute(
        f"""COPY (SELECT unnest(start_times) AS start, unnest(ttfts) AS ttft, unnest(input_lens) AS input, unnest(output_lens) AS output FROM result)
            TO '{folder}/requests.parquet' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"""
    )
    db.execute(
        f"""COPY (SELECT request_idx, generate_subscripts(gaps, 1)::INT AS chunk_idx, round(unnest(gaps) * 1e9)::BIGINT AS gap_ns
                  FROM (SELECT generate_subscripts(itls, 1)::INT - 1 AS request_idx, unnest(itls) AS gaps FROM result))
            TO '{folder}/tokens.parquet' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"""
    )
    return db.execute(f"SELECT count(*) FROM '{folder}/tokens.parquet'").fetchone()[0]


def main() -> None:
    if sys.argv[1] == "check":
        print(f"Python {sys.version.split()[0]}, pyarrow {pa.__version__}, DuckDB {duckdb.__version__}, pandas {pd.__version__}")
        return
    # So that a file of 5 GB does not take the machine with it.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    run = {"json": run_json, "pandas": run_pandas, "duckdb": run_duckdb}[sys.argv[1]]
    started = time.perf_counter()
    gaps = run(Path(sys.argv[2]), Path(sys.argv[3]))
    print(f"{time.perf_counter() - started:.3f} {gaps}")


if __name__ == "__main__":
    main()
