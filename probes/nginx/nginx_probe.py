#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what nginx's stub_status says."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
import re

from http_get import address, page
from line_probe import ProbeError, add_credentials, from_environment, options, password, row, run
from tls import Tls, add_tls_files

STATUS = re.compile(
    r"\s*Active connections:\s*(\d+)\s+"
    r"server accepts handled requests\s+(\d+)\s+(\d+)\s+(\d+)\s+"
    r"Reading:\s*(\d+)\s+Writing:\s*(\d+)\s+Waiting:\s*(\d+)\s*"
)


def main():
    parser = options("nginx", "Rows about an nginx server, from stub_status.")
    from_environment(parser, "-u", "--url", default="http://127.0.0.1/stub_status")
    add_credentials(parser)
    add_tls_files(parser)
    args = parser.parse_args()
    server = address(args.url)

    def collect():
        match = STATUS.fullmatch(page(args.url, args.user, password(args), Tls(args)))
        if match is None:
            raise ProbeError("the page is not that of stub_status")
        row("nginx_status", server, *match.groups())

    run(f"nginx at {server}", args, collect)


main()
