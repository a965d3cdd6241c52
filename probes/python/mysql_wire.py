# SPDX-License-Identifier: MulanPSL-2.0
"""As much of the MySQL protocol as a query with text rows needs; MariaDB speaks it too."""

import hashlib
import struct

from byte_stream import ByteStream
from line_probe import ProbeError

# CLIENT_LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
CAPABILITIES = 0x00000001 | 0x00000200 | 0x00002000 | 0x00008000 | 0x00080000
CLIENT_SSL = 0x00000800
UTF8 = 33
MAX_PACKET = 1 << 24
NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"
FULL_AUTHENTICATION = b"\x01\x04"


class MySql:
    """One session. `address` is a host or the path of a Unix socket; `tls` is for the first."""

    def __init__(self, address, port, user, secret, tls=None):
        self.stream = ByteStream(address, port)
        self.address = address
        self.tls = tls
        self.is_private = tls is not None or address.startswith("/")
        self.sequence = 0
        self.version = ""
        try:
            self.log_in(user, secret)
        except BaseException:
            self.stream.close()
            raise

    def close(self):
        self.stream.close()

    def query(self, text):
        """Rows of strings or None."""
        self.sequence = 0
        self.send(b"\x03" + text.encode())
        columns, _ = length(self.receive(), 0)
        for _ in range(columns):
            self.receive()
        self.receive()  # the end of the columns
        rows = []
        while True:
            packet = self.receive()
            if packet[:1] == b"\xfe" and len(packet) < 9:
                return rows
            rows.append(texts(packet, columns))

    def log_in(self, user, secret):
        greeting = self.receive()
        if greeting[:1] != b"\x0a":
            raise ProbeError("this is no MySQL server")
        end = greeting.index(b"\0")
        self.version = greeting[1:end].decode("utf-8", "replace")
        # Thread, 8 bytes of nonce, filler, 2 + 1 + 2 + 2 of flags, length of the nonce, 10 reserved
        at = end + 5
        nonce = greeting[at : at + 8] + greeting[at + 27 : at + 39]
        plugin = greeting[at + 40 :].split(b"\0")[0].decode()
        body = self.begin(struct.unpack_from("<H", greeting, end + 14)[0]) + user.encode() + b"\0"
        if plugin not in (NATIVE, SHA2):
            plugin = NATIVE  # the server asks for another if it wants one
        proof = scramble(plugin, secret, nonce)
        self.send(body + bytes([len(proof)]) + proof + plugin.encode() + b"\0")
        while True:
            packet = self.receive()
            if packet[:1] == b"\0":
                return
            if packet[:1] == b"\xfe":
                name, nonce = packet[1:].split(b"\0", 1)
                plugin = name.decode()
                self.send(scramble(plugin, secret, nonce[:20]))
            elif packet == FULL_AUTHENTICATION:
                if not self.is_private:
                    raise ProbeError(f"{SHA2} sends the password itself: only through TLS or a Unix socket")
                self.send(secret.encode() + b"\0")

    def begin(self, server):
        """Switches to TLS if that is wanted; returns how the log-in begins."""
        if self.tls is None:
            return struct.pack("<IIB23x", CAPABILITIES, MAX_PACKET - 1, UTF8)
        if not server & CLIENT_SSL:
            raise ProbeError("the server does not know TLS")
        head = struct.pack("<IIB23x", CAPABILITIES | CLIENT_SSL, MAX_PACKET - 1, UTF8)
        self.send(head)
        self.sequence += 1
        self.stream.secure(self.tls, self.address)
        return head

    def send(self, body):
        self.stream.send(struct.pack("<I", len(body))[:3] + bytes([self.sequence]) + body)

    def receive(self):
        head = self.stream.exactly(4)
        size = head[0] | head[1] << 8 | head[2] << 16
        if size == MAX_PACKET - 1:
            raise ProbeError("a packet is too long, or this is no MySQL server")
        self.sequence = head[3] + 1 & 255
        packet = self.stream.exactly(size)
        if packet[:1] == b"\xff":
            text = packet[3:].decode("utf-8", "replace")
            raise ProbeError(f"the server says: {text[6:] if text.startswith('#') else text}")
        return packet


def scramble(plugin, secret, nonce):
    if not secret:
        return b""
    if plugin == NATIVE:
        once = hashlib.sha1(secret.encode()).digest()
        mask = hashlib.sha1(nonce + hashlib.sha1(once).digest()).digest()
    elif plugin == SHA2:
        once = hashlib.sha256(secret.encode()).digest()
        mask = hashlib.sha256(hashlib.sha256(once).digest() + nonce).digest()
    else:
        raise ProbeError(f"the server wants authentication by {plugin}, which this probe lacks")
    return bytes(a ^ b for a, b in zip(once, mask))


def length(packet, at):
    """A length-encoded number (None: NULL), and where it ends."""
    first = packet[at]
    if first < 251:
        return first, at + 1
    if first == 251:
        return None, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size


def texts(packet, count):
    at, values = 0, []
    for _ in range(count):
        size, at = length(packet, at)
        values.append(None if size is None else packet[at : at + size].decode("utf-8", "replace"))
        at += size or 0
    return values
