"""Produces native.jsonl, chat.jsonl, completions.jsonl and vllm.jsonl beside it.

    python3 make.py PATH_OF_SGLANG PATH_OF_TOKENIZER [NAME...]

makes all of them, or those of these names.

PATH_OF_SGLANG holds the package without its __init__.py (which wants a GPU's
libraries), and in its place the few names that the benchmark takes from
sglang.srt: FAKE_BOOTSTRAP_HOST of disaggregation.utils, and resolve_base_url and
resolve_host_port of utils.network. Any tokenizer will do.
"""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ENDPOINT = os.path.join(HERE, "../../../jsonrun/jsonruntest/endpoint.py")
PORT = "18433"

server = subprocess.Popen([sys.executable, ENDPOINT, PORT, "120"])
time.sleep(1)
try:
    for backend, name in (("sglang", "native"), ("sglang-oai-chat", "chat"), ("sglang-oai", "completions"), ("vllm", "vllm")):
        if sys.argv[3:] and name not in sys.argv[3:]:
            continue
        subprocess.run(
            [sys.executable, "-m", "sglang.bench_serving", "--backend", backend, "--host", "127.0.0.1", "--port", PORT]
            + ["--model", sys.argv[2], "--tokenizer", sys.argv[2], "--tag", "fresh", "--dataset-name", "random-ids"]
            + ["--random-input-len", "8", "--random-output-len", "7", "--random-range-ratio", "1", "--num-prompts", "5"]
            + ["--request-rate", "inf", "--max-concurrency", "2", "--warmup-requests", "0", "--disable-tqdm"]
            + ["--output-details", "--output-file", os.path.join(HERE, name + ".jsonl")],
            env={**os.environ, "PYTHONPATH": sys.argv[1], "HF_HUB_OFFLINE": "1"},
            check=True,
            timeout=100,
        )
finally:
    server.kill()
