#!/usr/bin/env python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Begins handshakes that end well, end early, or never leave, in its own network namespace; prints how many, waits."""
import errno
import fcntl
import json
import os
import socket
import struct
import sys
import time

GOOD, ABANDONED, LOST = 13, 11, 5
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SIOCSIFADDR, SIOCSIFNETMASK, SIOCSIFFLAGS, IFF_UP = 0x8916, 0x891C, 0x8914, 1


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(source_port, port):
    """A SYN of nobody's: the answer to it finds no socket, and is reset."""
    address = socket.inet_aton("127.0.0.1")
    fields = (source_port, port, 1000, 0, 5 << 4, 2, 65535)
    header = struct.pack("!HHIIBBHHH", *fields, 0, 0)
    pseudo = address + address + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header))
    return struct.pack("!HHIIBBHHH", *fields, checksum(pseudo + header), 0)


def tcp_ext(name):
    names, values = [line.split() for line in open("/proc/net/netstat") if line.startswith("TcpExt")]
    return int(values[names.index(name)])


def open_tap():
    """An Ethernet on which nobody answers, and that is told so soon."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"quiet0", IFF_TAP | IFF_NO_PI))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, address in ((SIOCSIFADDR, "10.77.0.1"), (SIOCSIFNETMASK, "255.255.255.0")):
            argument = struct.pack("16sHH4s16x", b"quiet0", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, request, argument)
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", b"quiet0", IFF_UP))
    for name, value in (("mcast_solicit", 1), ("retrans_time_ms", 100)):
        with open(f"/proc/sys/net/ipv4/neigh/quiet0/{name}", "w") as file:
            file.write(str(value))
    return tap


listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
pairs = []
for _ in range(GOOD):
    client = socket.create_connection(("127.0.0.1", port))
    pairs.append((client, listener.accept()[0]))

raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for i in range(ABANDONED):
    raw.sendto(syn(2000 + i, port), ("127.0.0.1", 0))
while tcp_ext("EmbryonicRsts") < ABANDONED:
    time.sleep(0.01)

lost = 0
if os.path.exists("/dev/net/tun"):
    tap = open_tap()
    for i in range(LOST):
        client = socket.socket()
        client.settimeout(0.9)  # the SYN is not sent again before a second has passed
        try:
            client.connect((f"10.77.0.{2 + i}", 9))
        except OSError as error:
            lost += error.errno == errno.EHOSTUNREACH
        client.close()

print(
    json.dumps({"port": port, "good": GOOD, "abandoned": tcp_ext("EmbryonicRsts"), "lost": lost}),
    flush=True,
)
sys.stdin.readline()
