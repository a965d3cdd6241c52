# SPDX-License-Identifier: MulanPSL-2.0
"""Clients of a proxy, each from an address of its own below 127.0.0.0/8.

proxy_clients.py PORT CLIENTS REQUESTS CONCURRENT PATHS TLS: each client sends so many requests on one connection, and
so many clients are at work at a time. A client whose connection breaks off is done. Prints how many answers came, and how many requests were sent.
"""
import select
import socket
import ssl
import sys

port, clients, requests, concurrent, paths, tls = map(int, sys.argv[1:7])
poll = select.epoll()
live = {}
started = answered = sent = 0


def address(number):
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def ask(client):
    global sent
    sent += 1
    client["left"] -= 1
    client["heard"] = b""
    last = "close" if client["left"] == 0 else "keep-alive"
    path = f"/page{sent % paths}"
    client["socket"].send(f"GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: {last}\r\n\r\n".encode())


def start():
    global started
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address(started), 0))
    started += 1
    sock.connect(("127.0.0.1", port))
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    client = {"socket": sock, "left": requests}
    live[sock.fileno()] = client
    poll.register(sock.fileno(), select.EPOLLIN)
    ask(client)


def stop(fd):
    poll.unregister(fd)
    live.pop(fd)["socket"].close()


def is_whole(heard):
    head, end, body = heard.partition(b"\r\n\r\n")
    if not end:
        return False
    lower = head.lower()
    at = lower.find(b"content-length:")
    length = int(lower[at + 15:].split(b"\r\n")[0]) if at >= 0 else 0
    return len(body) >= length


while started < clients or live:
    while len(live) < concurrent and started < clients:
        start()
    for fd, _ in poll.poll():
        client = live[fd]
        data = client["socket"].recv(65536)
        if not data:
            stop(fd)
            continue
        client["heard"] += data
        if not is_whole(client["heard"]):
            continue
        answered += 1
        if client["left"] > 0:
            ask(client)
        else:
            stop(fd)
print(answered, sent)
