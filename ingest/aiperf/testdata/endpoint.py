"""A small OpenAI-compatible endpoint that streams paced tokens, for making fixtures.

It answers /v1/chat/completions and /v1/completions on 127.0.0.1 with letters,
one token each, at fixed pace. Every fifth chunk carries two tokens, because a
chunk is not a token; a chat stream begins with a chunk that carries the role
only and may begin with reasoning; the server's usage comes last. It counts what
it did under vLLM's names in /metrics. It needs nothing but Python and ends by itself after --seconds.

With --tokenizer DIR it writes a tokenizer of one token a byte into DIR, which
any client that uses Hugging Face tokenizers can load without a network, and
ends.
"""

import argparse
import itertools
import json
import pathlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOST_TOKENS = 256
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def chunks(n):
    """Yields the tokens of each chunk of an answer of n tokens."""
    sent = 0
    for i in itertools.count():
        size = min(2 if i % 5 == 4 else 1, n - sent)
        if size <= 0:
            return
        yield "".join(LETTERS[(sent + k) % 26] for k in range(size))
        sent += size


class Metrics:
    """What /metrics says: vLLM's names, one engine."""

    BOUNDS = (0.02, 0.05, 0.1)

    def __init__(self):
        self.lock = threading.Lock()
        self.running = self.prompt = self.generated = self.done = 0
        self.ttfts = []

    def began(self):
        with self.lock:
            self.running += 1

    def ended(self, usage, ttft):
        with self.lock:
            self.running -= 1
            self.done += 1
            self.prompt += usage["prompt_tokens"]
            self.generated += usage["completion_tokens"]
            self.ttfts.append(ttft)

    def text(self):
        label = 'engine="0",model_name="acme/seven"'
        with self.lock:
            lines = ["# HELP vllm:num_requests_running Number of requests in model execution batches.", "# TYPE vllm:num_requests_running gauge",
                     f"vllm:num_requests_running{{{label}}} {self.running}.0"]
            for name, value in (("prompt_tokens", self.prompt), ("generation_tokens", self.generated)):
                lines += [f"# TYPE vllm:{name}_total counter", f"vllm:{name}_total{{{label}}} {value}.0"]
            lines += ["# TYPE vllm:request_success_total counter", f'vllm:request_success_total{{{label},finished_reason="length"}} {self.done}.0']
            name = "vllm:time_to_first_token_seconds"
            lines.append(f"# TYPE {name} histogram")
            for bound in (*self.BOUNDS, float("inf")):
                le = "+Inf" if bound == float("inf") else bound
                lines.append(f'{name}_bucket{{{label},le="{le}"}} {sum(t <= bound for t in self.ttfts)}.0')
            lines += [f"{name}_count{{{label}}} {len(self.ttfts)}.0", f"{name}_sum{{{label}}} {sum(self.ttfts)}"]
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    options = None
    served = itertools.count(1)
    metrics = Metrics()

    def log_message(self, *args):
        pass

    def reply(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": "acme/seven", "object": "model", "owned_by": "acme"}]})
        elif self.path == "/metrics":
            body = self.metrics.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.reply(200 if self.path == "/health" else 404, {})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path not in ("/v1/chat/completions", "/v1/completions"):
            return self.reply(404, {"error": {"message": "no such path"}})
        asked = json.loads(text)
        if self.options.fail_every and next(self.served) % self.options.fail_every == 0:
            return self.reply(503, {"error": {"message": "overloaded, by request of the fixture", "code": 503}})
        try:
            self.answer(asked, "chat" in self.path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, asked, chat):
        n = min(asked.get("max_completion_tokens") or asked.get("max_tokens") or 16, MOST_TOKENS)
        prompt = asked.get("messages") if chat else asked.get("prompt")
        text = "".join(str(m.get("content")) for m in prompt) if chat else str(prompt)
        usage = {"prompt_tokens": len(text) + (8 if chat else 0), "completion_tokens": n,
                 "prompt_tokens_details": {"cached_tokens": 16}}
        usage["total_tokens"] = usage["prompt_tokens"] + n
        reasoning = min(self.options.reasoning, n) if chat else 0
        if reasoning:
            usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        self.metrics.began()
        try:
            self.send_answer(asked, chat, n, reasoning, usage)
        finally:
            self.metrics.ended(usage, self.options.ttft)

    def send_answer(self, asked, chat, n, reasoning, usage):
        if not asked.get("stream"):
            time.sleep(self.options.ttft)
            whole = "".join(chunks(n))
            choice = {"index": 0, "finish_reason": "length"}
            choice.update({"message": {"role": "assistant", "content": whole}} if chat else {"text": whole})
            return self.reply(200, self.envelope(chat, False, [choice], usage))
        self.stream(asked, chat, n, reasoning, usage)

    def envelope(self, chat, stream, choices, usage=None):
        kind = ("chat.completion.chunk" if stream else "chat.completion") if chat else "text_completion"
        body = {"id": "cmpl-fixture", "object": kind, "created": 1, "model": "acme/seven", "choices": choices}
        if usage:
            body["usage"] = usage
        return body

    def stream(self, asked, chat, n, reasoning, usage):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

        def send(body):
            self.wfile.write(b"data: " + (body if isinstance(body, bytes) else json.dumps(body).encode()) + b"\n\n")
            self.wfile.flush()

        def piece(delta, finish=None):
            choice = {"index": 0, "finish_reason": finish}
            choice.update({"delta": delta} if chat else {"text": delta.get("content", "")})
            return self.envelope(chat, True, [choice])

        if chat:
            send(piece({"role": "assistant", "content": ""}))
        time.sleep(self.options.ttft)
        sent = 0
        for i, text in enumerate(chunks(n)):
            if i:
                time.sleep(self.options.itl)
            key = "reasoning_content" if sent < reasoning else "content"
            sent += len(text)
            send(piece({key: text}, "length" if sent == n else None))
        if (asked.get("stream_options") or {}).get("include_usage"):
            send(self.envelope(chat, True, [], usage))
        send(b"[DONE]")


def write_tokenizer(folder):
    """Writes a tokenizer whose tokens are bytes, in the way of GPT-2's byte-level BPE."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {b: chr(b) for b in plain}
    letters |= {b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in letters)}
    vocab = {letters[b]: b for b in range(256)} | {"<|end|>": 256}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
        "added_tokens": [{"id": 256, "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "pre_tokenizer": level, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|end|>", "eos_token": "<|end|>", "pad_token": "<|end|>",
         "model_max_length": 100000, "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"}))
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": 257}))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--port", type=int, default=8931)
    p.add_argument("--ttft", type=float, default=0.030, help="seconds before the first token")
    p.add_argument("--itl", type=float, default=0.008, help="seconds between chunks")
    p.add_argument("--reasoning", type=int, default=0, help="tokens of reasoning at the start of a chat answer")
    p.add_argument("--fail-every", type=int, default=0, help="answer every n-th request with 503")
    p.add_argument("--seconds", type=float, default=300, help="end after so long")
    p.add_argument("--tokenizer", type=pathlib.Path, help="write a tokenizer into this folder, and end")
    options = p.parse_args()
    if options.tokenizer:
        return write_tokenizer(options.tokenizer)
    Handler.options = options
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    server.daemon_threads = True
    threading.Timer(options.seconds, server.shutdown).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
