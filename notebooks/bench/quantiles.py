#!/usr/bin/env python3
"""What servestat's exact percentiles are measured against: the same blocks, by the tools at hand.

    python quantiles.py duckdb|pandas|polars LAKE

p50 and p99 of the chunk gaps by version and concurrency. Prints the seconds that
it took, without the start of Python and the imports, and then what it found.
"""

from __future__ import annotations

import importlib
import os
import resource
import sys
import time
from pathlib import Path

MEMORY = 32 << 30
THREADS = 2
KEYS = ["runtime_version", "max_concurrency"]


def by_duckdb(lake: Path):
    import duckdb

    db = duckdb.connect()
    db.execute(f"SET threads = {THREADS}")
    return db.execute(
        f"""SELECT runtime_version, max_concurrency, quantile_cont(gap_ns, [0.5, 0.99])
            FROM read_parquet('{lake}/blocks/v1/tokens/*/*.parquet', hive_partitioning = false)
            JOIN read_parquet('{lake}/blocks/v1/runs/*/*.parquet', hive_partitioning = false) USING (run_id) GROUP BY ALL ORDER BY ALL"""
    ).fetchall()


def by_pandas(lake: Path):
    import pandas as pd
    import pyarrow.parquet as pq

    runs = pd.concat(pq.read_table(f, columns=["run_id", *KEYS], partitioning=None).to_pandas() for f in lake.glob("blocks/v1/runs/*/*.parquet"))
    runs["group"] = runs.groupby(KEYS).ngroup().astype("int8")
    group = runs.set_index("run_id").group
    parts = []
    for f in sorted(lake.glob("blocks/v1/tokens/*/*.parquet")):
        # The run ids as a dictionary, and then as a number: 10^8 texts would not fit.
        part = pq.read_table(f, columns=["run_id", "gap_ns"], read_dictionary=["run_id"], partitioning=None).to_pandas()
        parts.append(part.assign(group=part.run_id.map(group).astype("int8")).drop(columns="run_id"))
    return pd.concat(parts).groupby("group").gap_ns.quantile([0.5, 0.99])


def by_polars(lake: Path):
    import polars as pl

    tokens = pl.scan_parquet(lake / "blocks/v1/tokens/*/*.parquet", hive_partitioning=False).select("run_id", "gap_ns")
    runs = pl.scan_parquet(lake / "blocks/v1/runs/*/*.parquet", hive_partitioning=False).select("run_id", *KEYS)
    gap = pl.col("gap_ns")
    asked = tokens.join(runs, on="run_id").group_by(KEYS).agg(gap.quantile(0.5, "linear").alias("p50"), gap.quantile(0.99, "linear").alias("p99"))
    return asked.sort(KEYS).collect(engine="streaming")


def main() -> None:
    tool, lake = sys.argv[1], Path(sys.argv[2])
    os.environ["POLARS_MAX_THREADS"] = str(THREADS)
    importlib.import_module(tool)
    # So that a table that does not fit does not take the machine with it.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    started = time.perf_counter()
    found = {"duckdb": by_duckdb, "pandas": by_pandas, "polars": by_polars}[tool](lake)
    print(f"{time.perf_counter() - started:.3f}")
    print(found)


if __name__ == "__main__":
    main()
