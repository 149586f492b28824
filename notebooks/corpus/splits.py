#!/usr/bin/env python3
"""Does `servestat compare` find regressions where nothing was changed?

    python splits.py SERVESTAT SCRATCH/runs/baseline/0.20.2 --splits 200 --starts 10

Splits the A/A starts at random into two sides, compares them, and counts the
verdicts by exit code.
"""

from __future__ import annotations

import argparse
import random
import subprocess
from collections import Counter
from pathlib import Path

VERDICTS = {0: "not regressed", 1: "regressed", 2: "inconclusive", 3: "not comparable", 4: "servestat failed"}


def compare(servestat: Path, sides: tuple[list[Path], list[Path]]) -> str:
    arguments = [",".join(map(str, side)) for side in sides]
    done = subprocess.run([str(servestat), "compare", *arguments], capture_output=True, text=True)
    return VERDICTS[done.returncode]


def split(starts: list[Path], size: int, rng: random.Random) -> tuple[list[Path], list[Path]]:
    drawn = rng.sample(starts, 2 * size)
    return sorted(drawn[:size]), sorted(drawn[size:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servestat", type=Path)
    parser.add_argument("folder", type=Path, help="of A/A starts")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--starts", type=int, default=10, help="starts a side")
    args = parser.parse_args()
    args.servestat = args.servestat.resolve()
    starts = sorted(args.folder.glob("start[0-9][0-9]"))
    rng = random.Random(1)
    drawn = [split(starts, args.starts, rng) for _ in range(args.splits)]
    verdicts = Counter(compare(args.servestat, sides) for sides in drawn)
    for verdict, count in verdicts.most_common():
        print(f"{count:4d} of {args.splits}: {verdict}")


if __name__ == "__main__":
    main()
