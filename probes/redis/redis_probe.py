#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what a Redis server's INFO says, in the five tables of the original."""

import argparse
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
import resp
from line_probe import Kept, ProbeError, add_credentials, from_environment, options, row, run
from tls import add_tls


def read_info(stream):
    text = resp.ask(stream, b"INFO").decode("utf-8", "replace")
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    info = dict(pairs)
    if "redis_version" not in info:
        raise ProbeError("its INFO has no redis_version")
    return info


def intrinsic_latency_us(duration):
    """The longest time that this host took this process off its CPU, as `redis-cli --intrinsic-latency`."""
    longest = 0
    last = start = time.perf_counter_ns()
    end = start + int(duration * 1e9)
    while last < end:
        now = time.perf_counter_ns()
        longest = max(longest, now - last)
        last = now
    return longest / 1000


def milliseconds(text):
    number = float(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 1000 ms")
    return number


def print_tables(info, latency):
    def fields(table, *names):
        row(table, *(info.get(name) for name in names))

    fields("redis_server", "redis_version", "tcp_port", "hz", "io_threads_active")
    fields("redis_clients", "connected_clients", "cluster_connections")
    fields("redis_memory", "used_memory")
    fields(
        "redis_stats",
        "total_connections_received",
        "total_commands_processed",
        "instantaneous_ops_per_sec",
        "total_net_input_bytes",
        "total_net_output_bytes",
    )
    row("redis_latency", latency)


def main():
    parser = options("redis", "Rows about a Redis server.", 6379)
    add_credentials(parser)
    add_tls(parser)
    from_environment(
        parser, "--latency-ms", type=milliseconds, default=10.0, help="busy loop for redis_latency"
    )
    args = parser.parse_args()
    server = Kept(lambda: resp.connect(args))

    def collect():
        info = server.use(read_info)
        print_tables(info, intrinsic_latency_us(args.latency_ms / 1000))

    run(f"Redis at {args.host}:{args.port}", args, collect)


main()
