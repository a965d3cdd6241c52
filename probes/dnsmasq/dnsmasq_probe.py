#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints dnsmasq's own statistics, which it gives as TXT records of class CHAOS in the domain "bind"."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
import secrets
import socket
import struct

from line_probe import ProbeError, options, row, run

CLASS_CHAOS, TYPE_TXT = 3, 16
CACHE_NAMES = ("hits", "misses", "cachesize", "insertions", "evictions", "auth")
HEADER = struct.Struct("!HHHHHH")
RECORD = struct.Struct("!HHIH")
RESEND_SECONDS = 0.7
MAX_DATAGRAM = 65535


def ask(udp, name):
    """The texts of the answer to one question; it is sent again when the answer is lost."""
    number = secrets.randbelow(65536)
    question = b"".join(bytes([len(part)]) + part for part in (name.encode(), b"bind", b""))
    question += struct.pack("!HH", TYPE_TXT, CLASS_CHAOS)
    while True:  # the alarm of the reading ends it
        udp.send(HEADER.pack(number, 0x0100, 1, 0, 0, 0) + question)
        try:
            while True:
                answer = udp.recv(MAX_DATAGRAM)
                if len(answer) >= HEADER.size and HEADER.unpack_from(answer)[0] == number:
                    return texts(answer, len(question), name)
        except socket.timeout:
            continue


def texts(answer, question_bytes, name):
    _, flags, _, count, _, _ = HEADER.unpack_from(answer)
    if flags & 15 or not flags & 0x8000 or count != 1:
        raise ProbeError(f"{name}.bind has no answer (code {flags & 15}): is this dnsmasq?")
    # The one record starts with a pointer of two bytes to the question's name.
    at = HEADER.size + question_bytes + 2
    try:
        kind, _, _, length = RECORD.unpack_from(answer, at)
    except struct.error as error:
        raise ProbeError(f"the answer to {name}.bind is cut") from error
    data = answer[at + RECORD.size :]
    if kind != TYPE_TXT or len(data) < length:
        raise ProbeError(f"the answer to {name}.bind is no text")
    found = []
    while length > 0:
        size = data[0]
        found.append(data[1 : 1 + size].decode("utf-8", "replace"))
        data, length = data[1 + size :], length - 1 - size
    return found


def collect(args):
    server = f"{args.host}:{args.port}"
    family, kind, protocol, _, address = socket.getaddrinfo(args.host, args.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as udp:
        # Connected: a port where nobody listens says so at once.
        udp.connect(address)
        udp.settimeout(RESEND_SECONDS)
        values = []
        for name in CACHE_NAMES:
            (text,) = ask(udp, name)
            values.append(text)
        row("dnsmasq_cache", server, *values)
        for text in ask(udp, "servers"):
            # "address#port queries failures": of later versions more may follow.
            upstream, queries, failures = text.split()[:3]
            row("dnsmasq_upstream", server, upstream.replace("#", ":"), queries, failures)


def main():
    args = options("dnsmasq", "Rows about a dnsmasq, asked by DNS.", 53).parse_args()
    run(f"dnsmasq at {args.host}:{args.port}", args, lambda: collect(args))


main()
