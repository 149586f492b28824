"""A small OpenAI-compatible endpoint that streams, for producing fixtures.

    python3 endpoint.py PORT [SECONDS]

It serves on 127.0.0.1 for at most SECONDS (300). Every answer has max_tokens
words, one a chunk, 4 ms apart, after 20 ms. A prompt in which the word "fail"
stands gets HTTP 503, every seventh request in which "odd" stands breaks off. On
/generate, SGLang's own interface, chunks carry three tokens.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIRST, GAP = 0.020, 0.004
count = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, body, status=200):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        if self.path in ("/server_info", "/get_server_info"):
            self.answer({"model_path": "acme/seven", "tp_size": 1, "version": "0.0.0", "internal_states": [{}]})
        elif self.path.startswith("/v1/models"):
            self.answer({"object": "list", "data": [{"id": "acme/seven", "object": "model"}]})
        else:
            self.answer({})

    def do_POST(self):
        global count
        asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        text = json.dumps(asked)
        count += 1
        if self.path not in ("/v1/completions", "/v1/chat/completions", "/generate"):
            return self.answer({})
        if "fail" in text:
            return self.answer({"error": {"message": "no replica", "code": 503}}, 503)
        params = asked.get("sampling_params", asked)
        n = params.get("max_new_tokens") or asked.get("max_completion_tokens") or params.get("max_tokens") or 8
        words = len(text.split())
        usage = {"prompt_tokens": words, "completion_tokens": n, "total_tokens": words + n}
        if not asked.get("stream"):
            time.sleep(FIRST + GAP * n)
            choice = {"index": 0, "text": "one " * n, "message": {"role": "assistant", "content": "one " * n}, "finish_reason": "length"}
            return self.answer({"id": "x", "object": "text_completion", "choices": [choice], "usage": usage})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for k, event in enumerate(self.events(n, words, usage, asked)):
                if "odd" in text and count % 7 == 0 and k == 3:
                    self.close_connection = True
                    return
                self.chunk("data: " + (event if event == "[DONE]" else json.dumps(event)) + "\n\n")
            self.chunk("")
        except OSError:
            self.close_connection = True

    def chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def events(self, n, words, usage, asked):
        chat = "chat" in self.path
        time.sleep(FIRST)
        if self.path == "/generate":
            for k in range(3, n + 3, 3):
                done = min(k, n)
                yield {"text": "one " * done, "meta_info": {"prompt_tokens": words, "completion_tokens": done, "cached_tokens": 0}}
                time.sleep(3 * GAP)
        else:
            base = {"id": "x", "object": "chat.completion.chunk" if chat else "text_completion", "model": "acme/seven"}
            if chat:
                yield {**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
            for k in range(n):
                yield {**base, "choices": [{"index": 0, **({"delta": {"content": "one "}} if chat else {"text": "one "})}]}
                time.sleep(GAP)
            if (asked.get("stream_options") or {}).get("include_usage"):
                yield {**base, "choices": [], "usage": usage}
        yield "[DONE]"


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    threading.Timer(float(sys.argv[2]) if len(sys.argv) > 2 else 300, server.shutdown).start()
    server.serve_forever()
