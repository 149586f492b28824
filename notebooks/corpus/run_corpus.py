#!/usr/bin/env python3
"""Run the corpus: fresh starts of real vLLM servers on a CPU, one after another.

    python run_corpus.py --root SCRATCH --max-minutes 75

SCRATCH is the folder of install.py (venvs/) and make_model.py (model/tiny-llama);
the results go to SCRATCH/runs. A start whose folder is there is skipped, and a
folder is renamed to its final name only when it is complete, so the command may
be killed and repeated at any time. No start begins that could not end within
--max-minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

HERE = Path(__file__).resolve().parent

# The versions. A is the one with many starts; the others are compared with it.
A, B, C = "0.20.2", "0.19.1", "0.32.0"

# The workload, the same for every start. A level has a seed of its own, so that
# no prompt comes twice in the life of a server (its prefix cache is on).
PROMPTS = {1: 16, 2: 28, 4: 40, 8: 64, 16: 96}  # by level: three to seven seconds each
LEVELS = tuple(PROMPTS)
INPUT_LEN, OUTPUT_LEN = 64, 48
WARMUP_LEVEL, WARMUP_SEED = 4, 999
MODEL = "tiny-llama"

HOST, PORT = "127.0.0.1", 8123
CORE = "1"  # of server, client and neighbour; whatever else the machine does belongs on the others
IMPORT_CORE = "0"  # where the client's imports run while the server starts; it is on CORE before it sends anything
PRIORITY = -20  # with less, the scheduler leaves other work on the core when the machine is crowded
READY_S, LEVEL_S = 180, 120

SERVER_FLAGS = [
    "--served-model-name", MODEL, "--load-format", "dummy", "--host", HOST, "--port", str(PORT),
    "--max-model-len", "1024", "--enforce-eager", "--dtype", "bfloat16",
]  # fmt: skip
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": CORE,
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Group:
    """One kind of start: what differs from the baseline."""

    name: str
    flags: tuple[str, ...] = ()
    neighbour: bool = False
    measured: bool = True  # else the start is expected to fail, and only its log is kept


BASELINE = Group("baseline")
QUEUE = Group("max-num-seqs-4", ("--max-num-seqs", "4"))
NEIGHBOUR = Group("neighbour", neighbour=True)
UNCHUNKED = Group("no-chunked-prefill", ("--no-enable-chunked-prefill",))
STARTUP = (
    Group("startup-mtp", ("--speculative-config", '{"method":"mtp","num_speculative_tokens":1}'), measured=False),
    Group(
        "startup-tool-parser",
        ("--enable-auto-tool-choice", "--tool-call-parser", "nonesuch"),
        measured=False,
    ),
    Group(
        "startup-ngram",
        ("--speculative-config", '{"method":"ngram","num_speculative_tokens":3,"prompt_lookup_max":3}'),
        measured=False,
    ),
)


@dataclass(frozen=True)
class Start:
    group: Group
    version: str
    repeat: int
    levels: tuple[int, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.group.name}/{self.version}/start{self.repeat:02d}"


def plan() -> list[Start]:
    """All starts in their order.

    Rounds of nine, every second one backwards (A B B A): whatever drifts with
    time then falls on all groups alike, and a corpus cut short is still balanced.
    """
    once = [
        (BASELINE, A), (BASELINE, B), (BASELINE, C), (BASELINE, A), (QUEUE, A),
        (NEIGHBOUR, A), (BASELINE, A), (UNCHUNKED, A), (BASELINE, A),
    ]  # fmt: skip
    rounds = [once if i % 2 == 0 else once[::-1] for i in range(5)]
    failing = [(g, A) for g in STARTUP]
    extra = [(BASELINE, C), (BASELINE, B), (BASELINE, B), (BASELINE, C)]
    starts: list[Start] = []
    seen: dict[tuple[str, str], int] = {}
    for group, version in rounds[0] + failing + sum(rounds[1:], []) + extra:
        key = (group.name, version)
        seen[key] = seen.get(key, 0) + 1
        # Seeded by what the start is, not by where it stands in the plan.
        rng = random.Random(f"{group.name}/{version}/{seen[key]}")
        starts.append(Start(group, version, seen[key], tuple(rng.sample(LEVELS, len(LEVELS)))))
    return starts


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def spawn(command: list[str], core: str = CORE, **options) -> subprocess.Popen:
    """Start a process on the corpus's core, in a session of its own.

    Linux may schedule sessions, not processes, against each other ("autogroup"),
    and a nice value then counts within a session only: so it is given to both.
    """
    pinned = ["taskset", "-c", core, "nice", "-n", str(PRIORITY), *command]
    process = subprocess.Popen(pinned, start_new_session=True, **options)
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(PRIORITY))
    return process


def move_to_core(process: subprocess.Popen) -> None:
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {int(CORE)})


def stop(process: subprocess.Popen) -> None:
    """End a process and its children; each was started in a session of its own."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sig)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
    # The engine's children end a little after the server that they belong to.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and group_alive(process.pid):
        time.sleep(0.2)


def group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def get(path: str, timeout: float = 10) -> bytes:
    with urllib.request.urlopen(f"http://{HOST}:{PORT}{path}", timeout=timeout) as response:
        return response.read()


def environment() -> dict[str, str]:
    env = dict(os.environ, **ENVIRONMENT)
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # it would make every import compile
    return env


@contextlib.contextmanager
def server(start: Start, root: Path, log: Path) -> Iterator[subprocess.Popen]:
    venv = root / "venvs" / start.version
    command = [str(venv / "bin" / "vllm"), "serve", f"model/{MODEL}", *SERVER_FLAGS, *start.group.flags]
    with log.open("wb") as out:
        process = spawn(command, cwd=root, env=environment(), stdout=out, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            stop(process)


def wait_ready(process: subprocess.Popen) -> bool:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            get("/health", timeout=2)
            return True
        time.sleep(0.5)
    return False


@contextlib.contextmanager
def client(start: Start, root: Path, log: Path) -> Iterator[subprocess.Popen]:
    python = root / "venvs" / start.version / "bin" / "python"
    with log.open("wb") as out:
        process = spawn(
            [str(python), str(HERE / "client.py")], IMPORT_CORE, cwd=root, env=environment(),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=out, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            stop(process)


def expect(process: subprocess.Popen, word: str) -> None:
    # A client that hangs is killed; its answer is then the end of the file.
    timer = threading.Timer(LEVEL_S, process.kill)
    timer.start()
    try:
        for line in process.stdout:
            if line.strip() == word:
                return
        raise RuntimeError(f"the client ended before it said {word}")
    finally:
        timer.cancel()


def measure(process: subprocess.Popen, level: int, seed: int, result: Path | None, metadata: list[str]) -> None:
    arguments = [
        "--backend", "openai", "--host", HOST, "--port", str(PORT),
        "--model", MODEL, "--tokenizer", f"model/{MODEL}",
        "--dataset-name", "random", "--random-input-len", str(INPUT_LEN), "--random-output-len", str(OUTPUT_LEN),
        "--num-prompts", str(PROMPTS[level]), "--max-concurrency", str(level), "--num-warmups", "2",
        "--seed", str(seed), "--ignore-eos", "--disable-tqdm", "--percentile-metrics", "ttft,tpot,itl,e2el",
    ]  # fmt: skip
    if result:
        arguments += ["--save-result", "--save-detailed", "--result-dir", str(result.parent)]
        arguments += ["--result-filename", result.name, "--metadata", *metadata]
    print(json.dumps(arguments), file=process.stdin, flush=True)
    expect(process, "done")
    if result and not result.exists():
        raise RuntimeError(f"the client left no {result.name}")


@contextlib.contextmanager
def neighbour(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    process = spawn([sys.executable, str(HERE / "neighbour.py")], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.stdin.close()
        stop(process)


def scrape(path: Path) -> None:
    # A comment line with the time of the scrape; the rest is the server's answer.
    at = now()
    path.write_bytes(f"# scraped at {at}\n".encode() + get("/metrics"))


def probe() -> float:
    """Milliseconds that a fixed piece of work takes on the corpus's core.

    The host of a virtual machine is not always equally fast; this says how fast
    the core was just then. Real-time priority, because vLLM's worker polls for a
    while after its last request.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(CORE)})
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    begin = time.perf_counter()
    total = 0
    for i in range(1_500_000):
        total += i * i
    took = time.perf_counter() - begin
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.sched_setaffinity(0, before)
    return 1000 * took


def sweep(start: Start, process: subprocess.Popen, folder: Path) -> None:
    expect(process, "ready")
    move_to_core(process)
    with neighbour(start.group.neighbour):
        measure(process, WARMUP_LEVEL, WARMUP_SEED, None, [])
        scrape(folder / "metrics-before.txt")
        probes = [f"before {probe():.1f}"]
        for position, level in enumerate(start.levels, 1):
            metadata = [f"vllm_version={start.version}", f"level_position={position}"]
            measure(process, level, level, folder / f"c{level}.json", metadata)
            scrape(folder / f"metrics-after-{position}-c{level}.txt")
            probes.append(f"c{level} {probe():.1f}")
    (folder / "probe.txt").write_text("\n".join(probes) + "\n")


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor()


def facts_of(python: Path) -> dict[str, str]:
    code = (
        "import json, platform, importlib.metadata as m;"
        "print(json.dumps({'python': platform.python_version(), 'torch': m.version('torch')}))"
    )
    return json.loads(subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True).stdout)


def sidecar(start: Start, order: int, begun: str, root: Path) -> str:
    """servestat.yaml: what a result file does not say about its server."""
    labels = {
        "group": start.group.name,
        "flags": " ".join(start.group.flags),
        "core": "own",
        "neighbour": "4 ms of every 12 ms of the core" if start.group.neighbour else "",
        "order": str(order),
        "level_order": " ".join(map(str, start.levels)),
        "started_at": begun,
        "kernel": "Linux " + ".".join(platform.release().split(".")[:2]),
    } | facts_of(root / "venvs" / start.version / "bin" / "python")
    values = {
        "runtime": "vllm",
        "runtime_version": start.version,
        "hardware": f"CPU, 1 core ({cpu_name()}, VM) for server and client",
        "model": "tiny-llama (2 layers, random weights)",
        "tokenizer": MODEL,
        "dataset": f"random {INPUT_LEN}/{OUTPUT_LEN}",
        "path": "c{max_concurrency}.json",
        "server_start": f"{start.group.name}-{start.version}-start{start.repeat:02d}",
        "server_log": "server.log",
    }
    # JSON's strings are YAML's, and "0.20" stays a string.
    lines = [f"{key}: {json.dumps(value)}" for key, value in values.items()]
    lines += [f"repeat: {start.repeat}", "labels:"]
    lines += [f"  {key}: {json.dumps(value)}" for key, value in labels.items() if value]
    return "\n".join(lines) + "\n"


def record(start: Start, order: int, root: Path) -> None:
    """Run one start into its folder."""
    final = root / "runs" / start.name
    folder = final.with_name(final.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun = now()
    (folder / "servestat.yaml").write_text(sidecar(start, order, begun, root))
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(server(start, root, folder / "server.log"))
        if start.group.measured:
            load = stack.enter_context(client(start, root, folder / "client.log"))
        ready = wait_ready(process)
        outcome = "ready" if ready else f"ended with {process.poll()}"
        if start.group.measured:
            if not ready:
                raise RuntimeError(f"the server did not become ready: it {outcome}")
            sweep(start, load, folder)
    (folder / "outcome.txt").write_text(f"begun {begun}\nended {now()}\nserver {outcome}\n")
    folder.rename(final)


def run_all(root: Path, max_minutes: float, only: list[str]) -> None:
    begin = time.monotonic()
    longest = 120.0
    failures: dict[tuple[str, str], int] = {}
    for order, start in enumerate(plan(), 1):
        key = (start.group.name, start.version)
        wanted = not only or any(start.name.startswith(prefix) for prefix in only)
        # A group that fails twice will fail again; the time belongs to the others.
        if not wanted or (root / "runs" / start.name).exists() or failures.get(key, 0) >= 2:
            continue
        left = max_minutes * 60 - (time.monotonic() - begin)
        if left < longest:
            print(f"stopped before {start.name}: {left:.0f} s left", flush=True)
            return
        at = time.monotonic()
        try:
            record(start, order, root)
            result = "done"
        except (RuntimeError, OSError) as error:
            failures[key] = failures.get(key, 0) + 1
            result = f"failed: {error}"
        took = time.monotonic() - at
        longest = max(longest, took)
        print(f"{now()} {order:3d} {start.name}: {result} in {took:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="scratch folder outside the repository")
    parser.add_argument("--max-minutes", type=float, default=75)
    parser.add_argument("--only", nargs="*", default=[], help="only starts whose path begins so")
    parser.add_argument("--list", action="store_true", help="print the plan and stop")
    args = parser.parse_args()
    # Asked to end, end as after an error: what was started is stopped on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if args.list:
        for order, start in enumerate(plan(), 1):
            print(order, start.name, *start.levels)
        return
    run_all(args.root.resolve(), args.max_minutes, args.only)


if __name__ == "__main__":
    main()
