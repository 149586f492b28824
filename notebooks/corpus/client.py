#!/usr/bin/env python3
"""vLLM's own benchmark client, run for several levels in one process.

Reads one JSON list of arguments of `vllm bench serve` a line from standard
input, runs it, and answers "done" on standard output. It is the same code that
`vllm bench serve` runs; a process for each level would spend longer on imports
than on measuring, on the core that is also the server's.
"""

from __future__ import annotations

import contextlib
import json
import sys

from vllm.benchmarks import serve

try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser
except ImportError:  # versions before it moved
    from vllm.utils import FlexibleArgumentParser


def main() -> None:
    parser = FlexibleArgumentParser()
    serve.add_cli_args(parser)
    print("ready", flush=True)
    for line in sys.stdin:
        # What the client prints belongs into its log, which is standard error.
        with contextlib.redirect_stdout(sys.stderr):
            serve.main(parser.parse_args(json.loads(line)))
        print("done", flush=True)


if __name__ == "__main__":
    main()
