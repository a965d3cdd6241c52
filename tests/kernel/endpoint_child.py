#!/usr/bin/env python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Does a countable work with sockets in its own network namespace, prints what the kernel says of it, and again for each line it reads."""
import json
import select
import socket
import sys

CONNECTIONS, REFUSED, DATAGRAMS, FLOOD = 23, 19, 101, 997


def port_of(sock):
    return sock.getsockname()[1]


def counters(file):
    lines = open(f"/proc/net/{file}").read().splitlines()
    return {
        name.rstrip(":") + key: int(value)
        for head, row in zip(lines[::2], lines[1::2])
        for name, key, value in zip([head.split()[0]] * 999, head.split()[1:], row.split()[1:])
    }


listener = socket.create_server(("127.0.0.1", 0))
pairs = []
for _ in range(CONNECTIONS):
    client = socket.create_connection(listener.getsockname())
    pairs.append((client, listener.accept()[0]))

closed = socket.create_server(("127.0.0.1", 0))
closed_port = port_of(closed)
closed.close()
for _ in range(REFUSED):
    try:
        socket.create_connection(("127.0.0.1", closed_port))
    except ConnectionRefusedError:
        pass

# Room for 3 in the accept queue (backlog 2): further clients get no answer to their last ACK or SYN.
full = socket.create_server(("127.0.0.1", 0), backlog=2)
waiting = []
for _ in range(7):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(full.getsockname())
    waiting.append(client)
select.select([], [], [], 1.3)

receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(receiver.getsockname())
for _ in range(DATAGRAMS):
    sender.send(bytes(100))
    receiver.recv(200)
for _ in range(50):  # gone before anybody reads it
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as short:
        short.sendto(bytes(10), receiver.getsockname())
        receiver.recv(200)

deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
deaf.bind(("127.0.0.1", 0))
for _ in range(FLOOD):
    sender.sendto(bytes(100), deaf.getsockname())


def report():
    drops = [line.split() for line in open("/proc/net/udp").read().splitlines()[1:]]
    print(
        json.dumps(
            {
                "listener": port_of(listener),
                "full": port_of(full),
                "receiver": port_of(receiver),
                "deaf": port_of(deaf),
                "deafDrops": [int(f[-1]) for f in drops if int(f[1].split(":")[1], 16) == port_of(deaf)][0],
                "snmp": counters("snmp"),
                "netstat": counters("netstat"),
            }
        ),
        flush=True,
    )


report()
for _ in sys.stdin:
    report()
