"""Produces completions.json, chat.json and broken.json beside it.

    python3 make.py PATH_OF_VLLM PATH_OF_TOKENIZER

PATH_OF_VLLM holds vllm/benchmarks of the package, and nothing else of it: what the
client of `vllm bench serve` takes from the rest, which wants a GPU's libraries, is
filled in here. Any tokenizer will do.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
ENDPOINT = os.path.join(HERE, "../../../jsonrun/jsonruntest/endpoint.py")
PORT = "18434"


class Other:
    """Stands for what only other data sets and backends use."""


def get_tokenizer(name, *args, **kwargs):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(name)


NAMES = {
    "vllm.inputs": {"MultiModalDataDict": dict},
    "vllm.logger": {"init_logger": logging.getLogger},
    "vllm.lora.request": {"LoRARequest": Other},
    "vllm.lora.utils": {"get_adapter_absolute_path": str},
    "vllm.multimodal.audio": {"get_audio_duration": Other},
    "vllm.multimodal.image": {"convert_image_mode": Other},
    "vllm.multimodal.utils": {"encode_image_url": Other, "fetch_image": Other},
    "vllm.tokenizers": {"TokenizerLike": Other, "get_tokenizer": get_tokenizer},
    "vllm.transformers_utils.repo_utils": {"hf_api": Other},
    "vllm.utils.argparse_utils": {"FlexibleArgumentParser": argparse.ArgumentParser},
    "vllm.utils.gc_utils": {"freeze_gc_heap": lambda: None},
    "vllm.utils.import_utils": {"PlaceholderModule": lambda name: types.SimpleNamespace(placeholder_attr=lambda attr: Other)},
    "vllm.utils.mistral": {"is_mistral_tokenizer": lambda tokenizer: False},
    "vllm.utils.network_utils": {"join_host_port": lambda host, port: f"{host}:{port}"},
}


def fill_in():
    for name, names in NAMES.items():
        parts = name.split(".")
        for i in range(2, len(parts) + 1):
            path = ".".join(parts[:i])
            if path not in sys.modules:
                sys.modules[path] = types.ModuleType(path)
                sys.modules[path].__path__ = []
        vars(sys.modules[name]).update(names)


def client(arguments):
    fill_in()
    from vllm.benchmarks import serve

    parser = argparse.ArgumentParser()
    serve.add_cli_args(parser)
    serve.main(parser.parse_args(arguments))


def run(folder, name, backend, endpoint, *more):
    arguments = ["--backend", backend, "--endpoint", endpoint, "--host", "127.0.0.1", "--port", PORT, "--model", "acme/seven", "--tokenizer", "acme/seven"]
    arguments += ["--dataset-name", "random", "--random-input-len", "8", "--random-output-len", "7", "--max-concurrency", "2", "--disable-tqdm"]
    arguments += ["--percentile-metrics", "ttft,tpot,itl,e2el", "--save-result", "--save-detailed", "--result-dir", HERE, "--result-filename", name + ".json"]
    env = {**os.environ, "PYTHONPATH": os.path.abspath(sys.argv[1]), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, os.path.abspath(__file__), "client", *arguments, *more], env=env, cwd=folder, check=True, timeout=100)
    # Tracebacks have places of the machine.
    path = os.path.join(HERE, name + ".json")
    with open(path) as f:
        text = f.read()
    for place, instead in ((os.path.abspath(sys.argv[1]), "/vllm"), (sys.prefix, "/python")):
        text = text.replace(place, instead)
    with open(path, "w") as f:
        f.write(text)


def main():
    server = subprocess.Popen([sys.executable, ENDPOINT, PORT, "120"])
    time.sleep(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(os.path.join(folder, "acme"))
            os.symlink(os.path.abspath(sys.argv[2]), os.path.join(folder, "acme", "seven"))
            run(folder, "completions", "openai", "/v1/completions", "--num-prompts", "5", "--goodput", "ttft:30", "tpot:10")
            run(folder, "chat", "openai-chat", "/v1/chat/completions", "--num-prompts", "5")
            run(folder, "broken", "openai", "/v1/completions", "--num-prompts", "10", "--request-rate", "50", "--extra-body", '{"user": "odd"}')
    finally:
        server.kill()


if sys.argv[1] == "client":
    client(sys.argv[2:])
else:
    main()
