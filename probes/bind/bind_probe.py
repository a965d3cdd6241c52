#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what BIND's statistics channel says of the server, its kinds of queries and answers, and its caches."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
from http_get import address, json_page
from line_probe import ProbeError, from_environment, options, row, run

SERVER_FIELDS = (
    "Requestv4", "Requestv6", "ReqTCP", "ReqEdns0", "Response", "TruncatedResp", "QrySuccess", "QryAuthAns",
    "QryNoauthAns", "QryReferral", "QryNxrrset", "QryNXDOMAIN", "QrySERVFAIL", "QryFORMERR", "QryRecursion",
    "QryDuplicate", "QryDropped", "QryFailure", "AuthQryRej", "RecQryRej", "XfrRej",
)  # fmt: skip
RESOLVER_FIELDS = ("Queryv4", "Queryv6", "Responsev4", "Responsev6", "QueryTimeout", "Retry", "NumFetch", "Lame")
CACHE_FIELDS = ("CacheHits", "CacheMisses", "QueryHits", "QueryMisses", "DeleteLRU", "DeleteTTL", "CacheNodes")


def numbers(statistics, names):
    """BIND leaves out a count that is zero."""
    return (statistics.get(name, 0) for name in names)


def print_tables(server, statistics):
    row("bind_server", server, statistics.get("version"), *numbers(statistics.get("nsstats", {}), SERVER_FIELDS))
    # "RESERVED6" and the like stand for numbers that nobody uses.
    for table, group in (("bind_opcode", "opcodes"), ("bind_qtype", "qtypes"), ("bind_rcode", "rcodes")):
        for name, count in statistics.get(group, {}).items():
            if count > 0:
                row(table, server, name, count)
    for view, content in statistics.get("views", {}).items():
        resolver = content.get("resolver", {})
        cache = numbers(resolver.get("cachestats", {}), CACHE_FIELDS)
        row("bind_view", server, view, *numbers(resolver.get("stats", {}), RESOLVER_FIELDS), *cache)


def main():
    parser = options("bind", "Rows about a BIND name server, from its statistics channel.")
    from_environment(parser, "-u", "--url", default="http://127.0.0.1:8053", help="without a path")
    args = parser.parse_args()
    server = address(args.url)

    def collect():
        statistics = json_page(args.url.rstrip("/") + "/json/v1/server")
        if not isinstance(statistics, dict) or "nsstats" not in statistics and "opcodes" not in statistics:
            raise ProbeError("the page is not that of BIND's statistics")
        print_tables(server, statistics)

    run(f"BIND at {server}", args, collect)


main()
