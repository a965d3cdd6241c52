#!/usr/bin/env python3
# SPDX-License-Identifier: MulanPSL-2.0
"""A part of the load of load_bench.ts: `connections N`, `processes N` or `forks N` (a second). Says "ready", and ends
with its input."""
import os
import resource
import select
import signal
import socket
import sys
import time


def connections(count):
    limit = 2 * count + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    held = []
    for at in range(count):
        client = socket.socket()
        # Addresses of their own, or the ports would not be enough.
        client.bind((f"127.0.{os.getpid() % 250 + 1}.{at // 20000 + 1}", 0))
        client.connect(listener.getsockname())
        held += [client, listener.accept()[0]]
    yield
    at = 0
    while True:
        # A tenth of them has something to say in a while.
        for client in held[at:at + 200:20]:
            client.send(b"x" * 100)
        for server in held[at + 1:at + 201:20]:
            server.setblocking(False)
            try:
                server.recv(4096)
            except BlockingIOError:
                pass
        at = (at + 200) % len(held)
        yield


def processes(count):
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
    try:
        while True:
            yield
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def forks(rate):
    made = 0
    start = time.monotonic()
    while True:
        while made < (time.monotonic() - start) * rate:
            os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
            made += 1
        yield


def main():
    work = {"connections": connections, "processes": processes, "forks": forks}[sys.argv[1]](int(sys.argv[2]))
    next(work)
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        next(work)
    work.close()


main()
