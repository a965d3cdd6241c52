# SPDX-License-Identifier: MulanPSL-2.0
"""Runs the lines that it is sent; each can collect garbage, and tell what the interpreter itself knows of that."""
import gc
import os
import sys
import time

gc.disable()
KEPT = [[number] for number in range(20_000)]  # so that a collection takes a while
BEGAN = 0
SPENT = []


def note(phase, _):
    global BEGAN
    if phase == "start":
        BEGAN = time.monotonic_ns()
    else:
        SPENT.append(time.monotonic_ns() - BEGAN)


def collect(times):
    """Tells how many collections there were, and their sum and the longest in ns."""
    SPENT.clear()
    for _ in range(times):
        gc.collect()
    print(len(SPENT), sum(SPENT), max(SPENT, default=0))


def all_so_far():
    """Those since the interpreter started, which the kernel's side has seen too if it was there before."""
    print(sum(generation["collections"] for generation in gc.get_stats()))


class Dying:
    """Calls a function when it is collected."""

    def __init__(self, last):
        self.last = last
        self.itself = self

    def __del__(self):
        self.last()


gc.callbacks.append(note)
for line in sys.stdin:
    exec(line)
    print("done:0", flush=True)
