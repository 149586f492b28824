"""Runs inference-perf from its source, without what it needs for clouds, data sets and tokenizers.

    python3 make.py PATH_OF_SOURCE CONFIG

The configuration has two stages of a second (rates 2 and 3), data of type mock,
streaming completions at http://127.0.0.1:18441, and all three lifecycle reports.
Start endpoint.py of jsonruntest at that port first.
"""

import asyncio
import importlib.machinery
import sys
from unittest.mock import MagicMock

ABSENT = "datasets boto3 botocore av google tiktoken uvloop opentelemetry transformers jmespath httpx".split()


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__name__ = [], spec, spec.name
        return module

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Absent())
sys.path.insert(0, sys.argv[1])
sys.argv = [sys.argv[0], "-c", sys.argv[2]]

import uvloop  # noqa: E402

uvloop.EventLoopPolicy = asyncio.DefaultEventLoopPolicy

from inference_perf.utils import custom_tokenizer  # noqa: E402

custom_tokenizer.CustomTokenizer.count_tokens = lambda self, text, *args, **kwargs: len(str(text).split())

from inference_perf import main_cli  # noqa: E402

main_cli()
