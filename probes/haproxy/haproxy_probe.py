#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what HAProxy's stats socket says of the process and of each frontend, backend and server."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
import csv

from byte_stream import ByteStream
from line_probe import ProbeError, from_environment, options, port_number, row, run
from tls import add_tls, tls_of

# A server that is drained or in maintenance takes no new sessions.
UP_STATES = ("UP", "OPEN", "no check")
TYPES = {"0": "frontend", "1": "backend", "2": "server", "3": "listener"}
STAT_FIELDS = (
    "scur", "slim", "stot", "qcur", "bin", "bout", "req_tot", "ereq", "econ", "eresp", "wretr", "wredis",
    "hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "chkfail", "chkdown", "downtime",
)  # fmt: skip
INFO_FIELDS = (
    "Uptime_sec", "CurrConns", "Maxconn", "CumConns", "CumReq", "CurrSslConns", "Run_queue", "Idle_pct",
    "DroppedLogs",
)  # fmt: skip


def ask(args, command):
    stream = ByteStream(args.socket, args.port, tls_of(args))
    try:
        stream.send(command.encode() + b"\n")
        return stream.rest().decode("utf-8", "replace")
    finally:
        stream.close()


def print_process(text):
    info = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if "Version" not in info:
        raise ProbeError("this is no stats socket of HAProxy")
    row("haproxy_process", info.get("node"), info["Version"], *map(info.get, INFO_FIELDS))


def print_proxies(text):
    if not text.startswith("# pxname,svname,"):
        raise ProbeError('its answer to "show stat" has no header')
    for entry in csv.DictReader(text[2:].splitlines()):
        if entry.get("pxname"):
            values = (entry.get(name) for name in STAT_FIELDS)
            kind = TYPES.get(entry.get("type"), "other")
            # A server in the middle of a change says "UP 1/2".
            up = int(any(entry.get("status", "").startswith(state) for state in UP_STATES))
            row("haproxy_proxy", entry["pxname"], entry["svname"], kind, up, *values)


def main():
    parser = options("haproxy", "Rows about an HAProxy, from its stats socket.")
    from_environment(parser, "-s", "--socket", default="/run/haproxy/admin.sock", help="path, or a host for -p")
    from_environment(parser, "-p", "--port", type=port_number, default=9999, help="where -s is a host")
    add_tls(parser)
    args = parser.parse_args()

    def collect():
        print_process(ask(args, "show info"))
        print_proxies(ask(args, "show stat"))

    run(f"HAProxy at {args.socket}", args, collect)


main()
