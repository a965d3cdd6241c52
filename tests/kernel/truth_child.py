#!/usr/bin/env python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Real traffic in a network namespace of its own; prints what others say of it, waits. Argument: idle, redis, nginx, tools,
loss, netem."""
import faulthandler
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time


def counters():
    lines = open("/proc/net/snmp").read().splitlines()
    return {
        head.split()[0].rstrip(":") + key: int(value)
        for head, row in zip(lines[::2], lines[1::2])
        for key, value in zip(head.split()[1:], row.split()[1:])
    }


def connect(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.02)
    raise SystemExit(f"nobody listens on {port}")


def read_all(sock):
    data = b""
    while part := sock.recv(65536):
        data += part
    return data


def transfer(sender, receiver, size):
    """Both at once: the buffers of a line that loses packets may hold less."""
    sending = threading.Thread(target=sender.sendall, args=[bytes(size)])
    sending.start()
    while size:
        size -= len(receiver.recv(min(size, 65536)))
    sending.join()


def idle():
    listener = socket.create_server(("127.0.0.1", 0))
    held = []
    for i in range(7):
        client = connect(listener.getsockname()[1])
        server = listener.accept()[0]
        for _ in range(5):
            transfer(client, server, 1000 + 777 * i)
            transfer(server, client, 30000 + 7777 * i)
        held += [client, server]
    time.sleep(0.5)  # delayed acknowledgements are out
    ss = subprocess.run(["ss", "-tiepmnOH", "state", "established"], capture_output=True, text=True)
    return {"port": listener.getsockname()[1], "ss": ss.stdout.splitlines(), "held": held}


def redis():
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            ["redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            stdout=subprocess.DEVNULL,
        )
        connect(6379).close()
        bench = ["redis-benchmark", "-n", "10007", "-c", "20", "-t", "set", "-d", "100", "-q"]
        subprocess.run(bench, check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.2)
        with connect(6379) as client:
            client.sendall(b"INFO stats\r\nQUIT\r\n")
            reply = read_all(client)
        stats = dict(line.split(":", 1) for line in reply.decode().split("\r\n") if ":" in line)
        server.terminate()
        server.wait()
    # QUIT is read after INFO was answered.
    received = int(stats["total_net_input_bytes"])
    sent = int(stats["total_net_output_bytes"]) + len(reply)
    connections = int(stats["total_connections_received"])
    return {"pid": server.pid, "received": received, "sent": sent, "connections": connections}


NGINX = """daemon off; worker_processes 1; pid %(folder)s/pid; error_log /dev/null;
events { worker_connections 512; }
http {
  log_format bytes '$bytes_sent $request_length'; access_log %(folder)s/log bytes;
  client_body_temp_path %(folder)s; proxy_temp_path %(folder)s; fastcgi_temp_path %(folder)s;
  uwsgi_temp_path %(folder)s; scgi_temp_path %(folder)s;
  server { listen 127.0.0.1:80; location / { return 200 '%(body)s'; } } }
"""


def nginx():
    with tempfile.TemporaryDirectory() as folder:
        config = f"{folder}/nginx.conf"
        with open(config, "w") as file:
            file.write(NGINX % {"folder": folder, "body": "x" * 1000})
        server = subprocess.Popen(["nginx", "-c", config, "-p", folder], stderr=subprocess.DEVNULL)
        connect(80).close()
        wrk = ["wrk", "-t1", "-c10", "-d1s", "http://127.0.0.1/"]
        subprocess.run(wrk, check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        server.terminate()
        server.wait()
        lines = [line.split() for line in open(f"{folder}/log")]
    return {"sent": sum(int(s) for s, _ in lines), "received": sum(int(r) for _, r in lines)}


def loss():
    listener = socket.create_server(("127.0.0.1", 0))
    client = connect(listener.getsockname()[1])
    server = listener.accept()[0]
    transfer(client, server, 100000)
    subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
    client.sendall(bytes(1000))
    time.sleep(1.0)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    size = 1000
    while size:
        size -= len(server.recv(size))
    time.sleep(0.3)
    return {"port": listener.getsockname()[1], "held": [client, server, listener]}


def tools():
    """netcat and iperf3; both end before this tells of them."""
    port, size = 7007, 1000003
    with tempfile.TemporaryFile() as got:
        server = subprocess.Popen(["nc", "-d", "-l", "127.0.0.1", str(port)], stdout=got)
        while ":1B5F " not in open("/proc/net/tcp").read():
            time.sleep(0.01)
        subprocess.run(["nc", "-N", "127.0.0.1", str(port)], input=bytes(size), stdout=subprocess.DEVNULL)
        server.wait()
        received = os.fstat(got.fileno()).st_size
    iperf = iperf3()
    while sockets():
        time.sleep(0.02)
    return {"nc": {"pid": server.pid, "port": port, "sent": size, "received": received}, "iperf": iperf}


def netem():
    """Packets are lost at random. Segments are packets: netem would lose 64 KB at once."""
    subprocess.run("ip link set lo mtu 1500 gso_max_segs 1".split(), check=True)
    tc = "tc qdisc add dev lo root netem loss 3% delay 1ms".split()
    subprocess.run(tc, check=True)
    listener = socket.create_server(("127.0.0.1", 0))
    client = connect(listener.getsockname()[1])
    server = listener.accept()[0]
    for _ in range(5):
        transfer(client, server, 100000)
        transfer(server, client, 150000)
    iperf = iperf3()
    subprocess.run("tc qdisc del dev lo root".split(), check=True)
    while (ss := live()) is None:
        time.sleep(0.1)
    nstat = subprocess.run(["nstat", "-azsj"], check=True, capture_output=True, text=True).stdout
    kernel = json.loads(nstat)["kernel"]
    return {
        "port": listener.getsockname()[1],
        "ss": ss,
        "iperf": iperf,
        "nstat": {name: kernel[name] for name in ("TcpOutSegs", "TcpRetransSegs", "TcpActiveOpens")},
        "held": [client, server, listener],
    }


def iperf3():
    server = subprocess.Popen(["iperf3", "-s", "-1", "--forceflush"], stdout=subprocess.PIPE, text=True)
    while "listening" not in server.stdout.readline():
        pass
    client = ["iperf3", "-c", "127.0.0.1", "-n", "2M", "-l", "16K", "-J"]
    said = json.loads(subprocess.run(client, capture_output=True, text=True).stdout)
    server.communicate()
    return {
        "client_port": said["start"]["connected"][0]["local_port"],
        "sent": said["end"]["sum_sent"]["bytes"],
        "received": said["end"]["sum_received"]["bytes"],
        "retransmits": said["end"]["sum_sent"]["retransmits"],
    }


def sockets():
    ss = subprocess.run(["ss", "-tinmOH", "exclude", "time-wait", "exclude", "listening"], capture_output=True, text=True)
    return ss.stdout.splitlines()


def live():
    """What ss says of the two sockets that are held, once nothing is on its way and the others have ended."""
    lines = sockets()
    busy = len(lines) != 2 or any("unacked" in line or "notsent" in line for line in lines)
    return None if busy else lines


faulthandler.dump_traceback_later(120, exit=True)
MODES = {"idle": idle, "redis": redis, "nginx": nginx, "tools": tools, "loss": loss, "netem": netem}
said = MODES[sys.argv[1]]()
faulthandler.cancel_dump_traceback_later()
kept = said.pop("held", [])
print(json.dumps({**said, "self": os.getpid(), "snmp": counters()}), flush=True)
sys.stdin.readline()
