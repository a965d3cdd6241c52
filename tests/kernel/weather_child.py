#!/usr/bin/env python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Holds many connections open and makes a steady rain of short ones, in its own network namespace. Arguments: how many
are held, how many come a second. Prints a line when it holds them, rains from one line that it reads to the next, prints
what it did, with the kernel's own counters, and waits."""
import json
import os
import resource
import select
import socket
import sys
import time

HELD, RATE = (int(argument) for argument in sys.argv[1:3])
UP, DOWN = bytes(83), bytes(41)


def counters(file):
    lines = [line.split() for line in open(f"/proc/net/{file}")]
    return {
        head[0].rstrip(":") + name: int(value)
        for head, values in zip(lines[::2], lines[1::2])
        for name, value in zip(head[1:], values[1:])
    }


def exchange(client, server):
    client.sendall(UP)
    server.recv(len(UP), socket.MSG_WAITALL)
    server.sendall(DOWN)
    client.recv(len(DOWN), socket.MSG_WAITALL)


def connect(listener, source):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((source, 0))
    client.connect(listener.getsockname())
    server, _ = listener.accept()
    return client, server


def is_told():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def rain(listener):
    """As many as the rate wants, if the host is fast enough; how many it was is in the report."""
    done = 0
    begin = time.monotonic()
    while done % 50 != 0 or not is_told():
        if done > (time.monotonic() - begin) * RATE:
            time.sleep(0.001)
            continue
        client, server = connect(listener, f"127.0.1.{1 + done % 200}")
        exchange(client, server)
        client.close()
        server.close()
        done += 1
    return done


holders = []


def hold(connections):
    """A process of its own, as each may have only so many files; it ends with this one."""
    said, says = os.pipe()
    ends, lives = os.pipe()
    pid = os.fork()
    if pid == 0:
        for life in [lives] + [holder["lives"] for holder in holders]:
            os.close(life)
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        held = [connect(listener, "127.0.0.2") for _ in range(connections)]
        for pair in held:
            exchange(*pair)
        os.write(says, str(listener.getsockname()[1]).encode())
        os.read(ends, 1)
        os._exit(0)
    return {"tgid": pid, "connections": connections, "said": said, "lives": lives}


def portions():
    room = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 20000) // 2 - 100
    return [min(room, HELD - first) for first in range(0, HELD, room)]


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for portion in portions():
    holders.append(hold(portion))
for holder in holders:
    holder["port"] = int(os.read(holder.pop("said"), 9))
shower = socket.create_server(("127.0.0.1", 0), backlog=64)
print(json.dumps({"holders": holders, "short": shower.getsockname()[1]}), flush=True)
sys.stdin.readline()
print("{}", flush=True)
begin = time.monotonic()
short = rain(shower)
sys.stdin.readline()
print(
    json.dumps({"short": short, "seconds": time.monotonic() - begin, **counters("snmp"), **counters("netstat")}),
    flush=True,
)
sys.stdin.readline()
for holder in holders:
    os.close(holder["lives"])
    os.waitpid(holder["tgid"], 0)
