#!/usr/bin/env python3
"""Measure the run-to-run noise of the corpus's A/A starts.

    python noise.py SCRATCH/runs OUTPUT_FOLDER

Writes noise.csv (a value for each start, level and metric), NOISE.md (the
tables) and two plots. Needs requirements-noise.txt.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
from scipy import stats

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402  (the backend is chosen first)

BASELINE_GROUP, BASELINE_VERSION = "baseline", "0.20.2"
STALL = 5  # a gap of more than this many medians of its run is a stall
RULE = 0.02  # the rule of today's dashboards: a difference of 2 % is a regression

# Metric: title, unit, factor from seconds (or tokens a second), better when higher.
METRICS = {
    "itl_mean": ("ITL mean", "ms", 1e3),
    "itl_p50": ("ITL p50", "ms", 1e3),
    "itl_p99": ("ITL p99", "ms", 1e3),
    "ttft_mean": ("TTFT mean", "ms", 1e3),
    "ttft_p50": ("TTFT p50", "ms", 1e3),
    "e2el_mean": ("E2EL mean", "ms", 1e3),
    "e2el_p50": ("E2EL p50", "ms", 1e3),
    "throughput": ("output throughput", "tok/s", 1.0),
}

# Okabe and Ito's colours, told apart by the colour-blind too, and a marker each.
STYLE = {1: ("#0072B2", "o"), 2: ("#E69F00", "s"), 4: ("#009E73", "^"), 8: ("#CC79A7", "D"), 16: ("#000000", "v")}


@dataclass
class Run:
    """One level of one start."""

    group: str
    version: str
    start: str
    order: int
    core: str  # "own", or "shared" with whatever else the machine did
    begun: datetime
    level: int
    itls: list[np.ndarray]  # one array a request
    ttfts: np.ndarray
    duration: float
    tokens: int
    probe: float  # milliseconds of a fixed piece of work, about the time of the run; NaN where not taken

    @property
    def gaps(self) -> np.ndarray:
        return np.concatenate(self.itls)

    def e2els(self) -> np.ndarray:
        return self.ttfts + np.array([itl.sum() for itl in self.itls])

    def values(self) -> dict[str, float]:
        gaps, e2els = self.gaps, self.e2els()
        return {
            "itl_mean": gaps.mean(),
            "itl_p50": np.quantile(gaps, 0.5),
            "itl_p99": np.quantile(gaps, 0.99),
            "ttft_mean": self.ttfts.mean(),
            "ttft_p50": np.quantile(self.ttfts, 0.5),
            "e2el_mean": e2els.mean(),
            "e2el_p50": np.quantile(e2els, 0.5),
            "throughput": self.tokens / self.duration,
        }


def read_label(sidecar: str, key: str) -> str:
    # The side-cars are written by run_corpus.py, one JSON string a line.
    return json.loads(re.search(rf"^  {key}: (.*)$", sidecar, re.M).group(1))


def read_probes(folder: Path) -> dict[int, float]:
    """The mean of the probes before and after each level."""
    path = folder / "probe.txt"
    if not path.exists():
        return {}
    lines = [line.split() for line in path.read_text().splitlines()]
    return {
        int(name[1:]): (float(before) + float(after)) / 2
        for (_, before), (name, after) in zip(lines, lines[1:])
    }


def read_start(folder: Path) -> Iterator[Run]:
    sidecar = (folder / "servestat.yaml").read_text()
    probes = read_probes(folder)
    for path in sorted(folder.glob("c*.json*")):
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt") as file:
            result = json.load(file)
        yield Run(
            group=folder.parent.parent.name,
            version=folder.parent.name,
            start=folder.name,
            order=int(read_label(sidecar, "order")),
            core=read_label(sidecar, "core"),
            begun=datetime.fromisoformat(read_label(sidecar, "started_at")),
            level=result["max_concurrency"],
            itls=[np.array(itl) for itl in result["itls"]],
            ttfts=np.array(result["ttfts"]),
            duration=result["duration"],
            tokens=result["total_output_tokens"],
            probe=probes.get(result["max_concurrency"], float("nan")),
        )


def read_corpus(folder: Path) -> list[Run]:
    folders = sorted(p.parent for p in folder.glob("*/*/start*/servestat.yaml") if ".partial" not in p.parent.name)
    runs = [run for start in folders for run in read_start(start)]
    return sorted(runs, key=lambda run: (run.begun, run.level))


def cv(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1) / np.mean(values))


def lag1(values: np.ndarray) -> float:
    d = values - values.mean()
    return float((d[:-1] * d[1:]).sum() / (d * d).sum())


def lag1_within_requests(run: Run) -> float:
    """Lag-1 autocorrelation of the gaps of a request, pooled over the run's requests."""
    mean = run.gaps.mean()
    pairs = sum(((itl[:-1] - mean) * (itl[1:] - mean)).sum() for itl in run.itls)
    count = sum(len(itl) - 1 for itl in run.itls)
    return float(pairs / count / run.gaps.var())


def stalls(run: Run) -> tuple[float, float]:
    """The share of gaps that are stalls, and the share of all waiting that they make up."""
    gaps = run.gaps
    long = gaps > STALL * np.median(gaps)
    return float(long.mean()), float(gaps[long].sum() / gaps.sum())


def drift_per_hour(hours: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Theil-Sen's slope as a share of the median, and the p-value of Kendall's tau."""
    slope = stats.theilslopes(values, hours).slope
    return float(slope / np.median(values)), float(stats.kendalltau(hours, values).pvalue)


def differing_pairs(values: Iterable[float]) -> float:
    pairs = [abs(b / a - 1) > RULE for a, b in combinations(values, 2)]
    return statistics.fmean(pairs)


def effect(baseline: np.ndarray, changed: np.ndarray) -> tuple[float, float, float]:
    """The change of the geometric mean, with Welch's 95 % interval on the log scale."""
    a, b = np.log(baseline), np.log(changed)
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    return tuple(float(np.expm1(x)) for x in (b.mean() - a.mean(), interval.low, interval.high))


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def percent(x: float, digits: int = 1) -> str:
    return f"{100 * x:.{digits}f}"


class Noise:
    """The A/A starts, as run-level values by level and metric."""

    def __init__(self, runs: list[Run]) -> None:
        self.all = runs
        self.runs = [r for r in runs if (r.group, r.version) == (BASELINE_GROUP, BASELINE_VERSION)]
        self.levels = sorted({r.level for r in self.runs})
        self.starts = len({r.start for r in self.runs})
        first = min(r.begun for r in self.runs)
        self.by_level = {c: [r for r in self.runs if r.level == c] for c in self.levels}
        self.hours = {
            c: np.array([(r.begun - first).total_seconds() / 3600 for r in rs]) for c, rs in self.by_level.items()
        }
        self.values = {
            c: {m: np.array([r.values()[m] for r in rs]) for m in METRICS} for c, rs in self.by_level.items()
        }

    def header(self) -> list[str]:
        return ["metric"] + [f"c={c}" for c in self.levels]

    def per_metric(self, cell) -> list[list[str]]:
        return [[METRICS[m][0]] + [cell(c, m) for c in self.levels] for m in METRICS]

    def typical(self) -> str:
        def cell(c: int, m: str) -> str:
            value = np.median(self.values[c][m]) * METRICS[m][2]
            return f"{value:.{1 if value < 100 else 0}f} {METRICS[m][1]}"

        return table(self.header(), self.per_metric(cell))

    def between(self) -> str:
        return table(self.header(), self.per_metric(lambda c, m: percent(cv(self.values[c][m]))))

    def within_itl(self, c: int) -> float:
        return statistics.fmean(cv(r.gaps) for r in self.by_level[c])

    def independent_itl(self, c: int) -> float:
        """The CV that a run's ITL mean would have if its gaps were independent."""
        return statistics.fmean(cv(r.gaps) / len(r.gaps) ** 0.5 for r in self.by_level[c])

    def within(self) -> str:
        by = self.by_level

        def mean(f, c: int) -> float:
            return statistics.fmean(f(r) for r in by[c])

        rows = [
            ["gaps a run"] + [f"{mean(lambda r: len(r.gaps), c):.0f}" for c in self.levels],
            ["CV of the gaps of a run, %"] + [percent(self.within_itl(c), 0) for c in self.levels],
            ["CV of the TTFTs of a run, %"] + [percent(mean(lambda r: cv(r.ttfts), c), 0) for c in self.levels],
            ["CV of ITL mean if gaps were independent, %"]
            + [percent(self.independent_itl(c), 2) for c in self.levels],
            ["CV of ITL mean between runs, %"] + [percent(cv(self.values[c]["itl_mean"]), 2) for c in self.levels],
            ["how many times larger"]
            + [f"{cv(self.values[c]['itl_mean']) / self.independent_itl(c):.1f}" for c in self.levels],
            ["lag-1 autocorrelation of a request's gaps"]
            + [f"{mean(lag1_within_requests, c):+.2f}" for c in self.levels],
            [f"stalls (gap > {STALL} medians), % of gaps"]
            + [percent(mean(lambda r: stalls(r)[0], c), 2) for c in self.levels],
            ["stalls, % of the waiting"] + [percent(mean(lambda r: stalls(r)[1], c), 2) for c in self.levels],
        ]
        return table(["within a run"] + self.header()[1:], rows)

    def serial(self) -> str:
        return table(self.header(), self.per_metric(lambda c, m: f"{lag1(self.values[c][m]):+.2f}"))

    def drifts(self) -> dict[tuple[int, str], tuple[float, float]]:
        return {
            (c, m): drift_per_hour(self.hours[c], self.values[c][m]) for c in self.levels for m in METRICS
        }

    def drift(self) -> str:
        drifts = self.drifts()

        def cell(c: int, m: str) -> str:
            slope, p = drifts[c, m]
            return f"{100 * slope:+.1f}" + (" *" if p < 0.05 / len(drifts) else "")

        return table(self.header(), self.per_metric(cell))

    def pairs(self) -> str:
        return table(self.header(), self.per_metric(lambda c, m: percent(differing_pairs(self.values[c][m]), 0)))

    def by_core(self) -> str:
        """Between-run CV of ITL mean and TTFT p50, by who else was on the core."""
        rows = []
        for metric in ("itl_mean", "ttft_p50", "throughput"):
            for core in ("shared", "own"):
                values = [
                    np.array([v for r, v in zip(self.by_level[c], self.values[c][metric]) if r.core == core])
                    for c in self.levels
                ]
                if len(values[0]) > 1:
                    title = f"{METRICS[metric][0]}, core {core} ({len(values[0])} starts)"
                    rows.append([title] + [percent(cv(v)) for v in values])
        return table(["CV between runs, %"] + self.header()[1:], rows)

    def start_correlation(self) -> float:
        """How much two levels of one start share: the mean correlation of their ITL means."""
        matrix = np.corrcoef([self.values[c]["itl_mean"] for c in self.levels])
        return float(matrix[np.triu_indices(len(self.levels), 1)].mean())

    def machine(self) -> tuple[int, float, float]:
        """How many runs have a probe, its CV, and its rank correlation with ITL mean within levels."""
        probes, deviations = [], []
        for c in self.levels:
            known = [(r.probe, v) for r, v in zip(self.by_level[c], self.values[c]["itl_mean"]) if r.probe > 0]
            if not known:
                continue
            speed, itl = np.array(known).T
            probes.extend(speed)
            deviations.extend(itl / np.median(itl))
        if len(probes) < 3:
            return len(probes), float("nan"), float("nan")
        return len(probes), cv(np.array(probes)), float(stats.spearmanr(probes, deviations).statistic)

    def changes(self) -> str:
        groups: dict[tuple[str, str], list[Run]] = defaultdict(list)
        for run in self.all:
            if (run.group, run.version) != (BASELINE_GROUP, BASELINE_VERSION):
                groups[run.group, run.version].append(run)
        sections = []
        for (group, version), runs in sorted(groups.items()):
            starts = len({r.start for r in runs})
            name = f"version {version}" if group == BASELINE_GROUP else group
            sections.append(f"**{name}**, {starts} starts against {self.starts}:\n")
            if starts < 2:
                sections.append("too few starts for an interval\n")
                continue

            def cell(c: int, m: str, runs: list[Run] = runs) -> str:
                changed = np.array([r.values()[m] for r in runs if r.level == c])
                mid, low, high = effect(self.values[c][m], changed)
                return f"{100 * mid:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"

            sections.append(table(self.header(), self.per_metric(cell)))
        return "\n".join(sections)


def write_csv(runs: list[Run], path: Path) -> None:
    with path.open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["group", "version", "start", "order", "core", "begun", "level", "metric", "value"])
        for run in runs:
            begun = run.begun.isoformat(timespec="seconds").replace("+00:00", "Z")
            for metric, value in run.values().items():
                row = [run.group, run.version, run.start, run.order, run.core, begun, run.level, metric, f"{value:.6g}"]
                out.writerow(row)


def plot_runs(noise: Noise, path: Path) -> None:
    figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharey=True, layout="constrained")
    for axis, metric in zip(axes, ("itl_mean", "ttft_p50")):
        axis.axhspan(-100 * RULE, 100 * RULE, color="#999999", alpha=0.3, lw=0, label="±2 %")
        for c in noise.levels:
            values = noise.values[c][metric]
            colour, marker = STYLE[c]
            deviation = 100 * (values / np.median(values) - 1)
            axis.plot(60 * noise.hours[c], deviation, marker, color=colour, ms=5, mfc="none", label=f"c={c}")
        axis.set_title(f"{METRICS[metric][0]}: {noise.starts} starts, nothing changed", fontsize=10)
        axis.set_xlabel("start of the server, minutes into the run")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("difference from the level's median, %")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=9)
    save(figure, path)


def plot_independence(noise: Noise, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(8, 3.8), layout="constrained")
    at = np.arange(len(noise.levels))
    believed = [100 * noise.independent_itl(c) for c in noise.levels]
    real = [100 * cv(noise.values[c]["itl_mean"]) for c in noise.levels]
    bars = [
        axis.bar(at - 0.2, believed, 0.38, color="#56B4E9", label="if tokens were independent"),
        axis.bar(at + 0.2, real, 0.38, color="#D55E00", hatch="//", label="between real starts"),
    ]
    for bar in bars:
        axis.bar_label(bar, fmt="%.1f", fontsize=9)
    axis.set_xticks(at, [f"c={c}" for c in noise.levels])
    axis.set_xlabel("max concurrency")
    axis.set_ylabel("CV of a run's ITL mean, %")
    axis.set_title("Tokens are not replicates: the noise of ITL mean, believed and real", fontsize=10)
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(fontsize=9)
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


def fill(template: str, noise: Noise) -> str:
    cells = [(c, m) for c in noise.levels for m in METRICS]
    cvs = {cell: cv(noise.values[cell[0]][cell[1]]) for cell in cells}
    itl = [cvs[c, "itl_mean"] for c in noise.levels]
    pairs = {cell: differing_pairs(noise.values[cell[0]][cell[1]]) for cell in cells}
    serial = [lag1(noise.values[c][m]) for c, m in cells]
    band = 1.96 / noise.starts**0.5
    drifts = noise.drifts()
    span = max(r.begun for r in noise.runs) - min(r.begun for r in noise.runs)
    facts = {
        "version": BASELINE_VERSION,
        "starts": str(noise.starts),
        "runs": str(len(noise.runs)),
        "minutes": f"{span.total_seconds() / 60:.0f}",
        "itl_cv_low": percent(min(itl)),
        "itl_cv_high": percent(max(itl)),
        "cv_high": percent(max(cvs.values()), 0),
        "pairs_itl": percent(statistics.fmean(pairs[c, "itl_mean"] for c in noise.levels), 0),
        "pairs_all": percent(statistics.fmean(pairs.values()), 0),
        "excess_low": f"{min(x / noise.independent_itl(c) for x, c in zip(itl, noise.levels)):.1f}",
        "excess_high": f"{max(x / noise.independent_itl(c) for x, c in zip(itl, noise.levels)):.1f}",
        "cells": str(len(cells)),
        "serial_outside": str(sum(abs(x) > band for x in serial)),
        "serial_band": f"{band:.2f}",
        "serial_mean": f"{statistics.fmean(serial):+.2f}",
        "drift_yes": str(sum(p < 0.05 / len(cells) for _, p in drifts.values())),
        "start_correlation": f"{noise.start_correlation():.2f}",
        "probes": str(noise.machine()[0]),
        "probe_cv": percent(noise.machine()[1], 0),
        "probe_correlation": f"{noise.machine()[2]:.2f}",
        "shared": str(len({r.start for r in noise.runs if r.core == "shared"})),
        "own": str(len({r.start for r in noise.runs if r.core == "own"})),
        "by_core": noise.by_core(),
        "typical": noise.typical(),
        "between": noise.between(),
        "within": noise.within(),
        "serial": noise.serial(),
        "drift": noise.drift(),
        "pairs": noise.pairs(),
        "changes": noise.changes(),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda m: facts[m.group(1)].rstrip("\n"), template)


def main() -> None:
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    noise = Noise(read_corpus(source))
    write_csv(noise.all, target / "noise.csv")
    plot_runs(noise, target / "noise-runs.png")
    plot_independence(noise, target / "noise-tokens.png")
    template = (Path(__file__).resolve().parent / "NOISE.md.in").read_text()
    (target / "NOISE.md").write_text(fill(template, noise))


if __name__ == "__main__":
    main()
