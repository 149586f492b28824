#!/usr/bin/env python3
"""A noisy neighbour of known size: busy for BUSY of every PERIOD milliseconds.

    taskset -c 1 python neighbour.py

Pinned to the server's core, with real-time priority, it takes 4 of every 12 ms:
what the server computes takes about half as long again. Ends when its standard input closes.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

BUSY_S = 0.004
PERIOD_S = 0.012


def main() -> None:
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    begin = time.perf_counter()
    while not closed.is_set():
        while time.perf_counter() < begin + BUSY_S:
            pass
        begin += PERIOD_S
        time.sleep(max(0.0, begin - time.perf_counter()))


if __name__ == "__main__":
    main()
