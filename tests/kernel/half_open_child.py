#!/usr/bin/env python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Two hosts, each a network namespace, on a line that can be cut in either direction: connections that one of them knows
of alone. Does what it reads a line at a time, and prints what ss, nstat and /proc/net/tcp of the first host say then."""
import errno
import json
import os
import select
import socket
import subprocess
import sys
import time

HOSTS = {"near": ("10.78.0.1", "02:00:00:00:00:01"), "far": ("10.78.0.2", "02:00:00:00:00:02")}
#: Nobody's: frames to it are dropped where they arrive.
NOWHERE = "02:00:00:00:00:99"
UP, DOWN = 97, 53
#: What is written when nobody answers any more.
LATE = 1009
HANDSHAKES, GIVEN_UP = 7, 5

host = sys.argv[1]
held = {}


def run(command):
    return subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout


def wait_for(holds):
    while not holds():
        time.sleep(0.02)


def sysctl(name, value):
    with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
        file.write(str(value))


def begin():
    run("ip link set lo up")
    run(f"ip address add {HOSTS[host][0]}/24 dev {host}")
    run(f"ip link set {host} up")
    join()


def reach(hardware_address):
    other = "far" if host == "near" else "near"
    run(f"ip neighbour replace {HOSTS[other][0]} lladdr {hardware_address} dev {host} nud permanent")


def join():
    reach(HOSTS["far" if host == "near" else "near"][1])


def cut():
    """What this host sends does not arrive."""
    reach(NOWHERE)


def listen():
    held["listener"] = socket.create_server((HOSTS[host][0], 0), backlog=64)
    return held["listener"].getsockname()[1]


def connect(port):
    held["client"] = socket.create_connection((HOSTS["far" if host == "near" else "near"][0], port))


def accept():
    held["server"] = held["listener"].accept()[0]


def send(name, size):
    held[name].sendall(bytes(size))


def receive(name, size):
    while size:
        size -= len(held[name].recv(size))


def begin_handshakes(port, count):
    held.setdefault("connected", []).extend(held.pop("calling", []))
    held["calling"] = [socket.socket() for _ in range(count)]
    for client in held["calling"]:
        client.setblocking(False)
        client.connect_ex((HOSTS["near"][0], port))


def await_connected():
    for client in held["calling"]:
        select.select([], [client], [])


def speak():
    for client in held["calling"]:
        client.send(bytes(1))


def forget():
    for client in held.pop("calling"):
        client.close()


def error_of(name):
    """Why a connection ends, once it does."""
    try:
        held[name].recv(1)
        return "none"
    except OSError as error:
        return errno.errorcode[error.errno]


def resets():
    """What a byte does to connections that the other host has given up."""
    for name in ("client", "server"):
        send(name, 1)
    return [error_of(name) for name in ("client", "server")]


def sockets(state):
    return run(f"ss -tinmOH state {state}").splitlines()


def is_quiet():
    return not any("unacked" in line for line in sockets("established"))


class Far:
    """The other host does by name what this one asks for."""

    def __init__(self):
        command = ["unshare", "--net", sys.executable, __file__, "far"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self("pid") == self.process.pid
        near, far = HOSTS["near"][1], HOSTS["far"][1]
        run(f"ip link add near address {near} type veth peer name far address {far} netns {self.process.pid}")
        self("begin")

    def __call__(self, name, *arguments):
        print(json.dumps([name, *arguments]), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def drops():
    """What ss shows of the listener."""
    return sum(int(line.split(",d")[1].split(")")[0]) for line in run("ss -tlnmOH").splitlines())


def look(**more):
    kernel = json.loads(run("nstat -azsj"))["kernel"]
    names = ("RetransSegs", "ExtTCPTimeouts", "ExtTCPAbortOnTimeout", "ExtTCPSynRetrans", "PassiveOpens", "OutRsts")
    half_open = [line for line in open("/proc/net/tcp") if line.split()[3] == "03"]
    return {
        "ss": sockets("established"),
        "requests": len(sockets("syn-recv")),
        "proc_requests": len(half_open),
        "drops": drops(),
        "nstat": {name: kernel[f"Tcp{name}"] for name in names},
        **more,
    }


def vanish(far):
    """Each host has a client and a server; then nothing arrives any more, either way, and the near host writes."""
    near_port, far_port = listen(), far("listen")
    connect(far_port)
    far("connect", near_port)
    accept()
    far("accept")
    send("client", UP)
    far("receive", "server", UP)
    far("send", "server", DOWN)
    receive("client", DOWN)
    far("send", "client", UP)
    receive("server", UP)
    send("server", DOWN)
    far("receive", "client", DOWN)
    wait_for(lambda: is_quiet() and far("is_quiet"))
    cut()
    far("cut")
    for name in ("client", "server"):
        send(name, LATE)
    client = held["client"].getsockname()[1]
    return {"near": near_port, "near_client": client, "far": far_port, "late": LATE, "up": UP, "down": DOWN}


def given_up(far):
    """When their segments are due again, one by its own limit and one by that of the host."""
    held["client"].setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1)
    sysctl("tcp_retries2", 1)
    return look(errors=[error_of(name) for name in ("client", "server")])


def mended(far):
    join()
    far("join")
    return look(errors=far("resets"))


def half_way(far):
    """SYNs arrive, and what answers them does not."""
    port = listen()
    cut()
    far("begin_handshakes", port, HANDSHAKES)
    wait_for(lambda: len(sockets("syn-recv")) == HANDSHAKES)  # a line that is new may lose the first SYNs
    return {"near": port, "handshakes": HANDSHAKES, "given_up": GIVEN_UP}


def half_open(far):
    """SYNs are sent again, to no avail. Then the answers arrive when they are sent again; what answers those does not."""
    wait_for(lambda: drops() >= HANDSHAKES)
    far("cut")
    join()
    far("await_connected")
    return look()


def accepted(far):
    far("join")
    far("speak")  # what comes with data acknowledges too
    held["accepted"] = [held["listener"].accept()[0] for _ in range(HANDSHAKES)]
    return look()


def abandoned(far):
    """SYNs of sockets that are gone when the answer is sent again."""
    cut()
    far("begin_handshakes", held["listener"].getsockname()[1], GIVEN_UP)
    wait_for(lambda: len(sockets("syn-recv")) == GIVEN_UP)
    far("forget")
    return look()


def expired(far):
    sysctl("tcp_synack_retries", 1)
    wait_for(lambda: not sockets("syn-recv"))
    return look()


if host == "far":
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        print(json.dumps(os.getpid() if name == "pid" else globals()[name](*arguments)), flush=True)
else:
    distant = Far()
    begin()
    first = {"vanish": vanish, "half_way": half_way}[sys.argv[2]]
    print(json.dumps({**first(distant), "far_pid": distant.process.pid}), flush=True)
    steps = {"look": lambda _: look(), "given_up": given_up, "mended": mended}
    steps |= {"half_open": half_open, "accepted": accepted, "abandoned": abandoned, "expired": expired}
    for line in sys.stdin:
        print(json.dumps(steps[line.strip()](distant)), flush=True)
    distant.end()
