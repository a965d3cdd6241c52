# SPDX-License-Identifier: MulanPSL-2.0
"""As much of PostgreSQL's protocol 3.0 as a simple query needs; openGauss speaks it too."""

import base64
import hashlib
import hmac
import secrets
import struct

from byte_stream import ByteStream
from line_probe import ProbeError

PROTOCOL = 196608
SSL_REQUEST = struct.pack("!II", 8, 80877103)
OK, CLEARTEXT, MD5, SASL, SASL_CONTINUE, SASL_FINAL = 0, 3, 5, 10, 11, 12
MECHANISM = b"SCRAM-SHA-256"


class Postgres:
    """One session. `pid` is that of its server process."""

    def __init__(self, host, port, database, user, secret, tls=None):
        address = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else host
        self.stream = ByteStream(address, port)
        self.pid = None
        try:
            if tls is not None:
                self.stream.send(SSL_REQUEST)
                if self.stream.exactly(1) != b"S":
                    raise ProbeError("the server does not know TLS")
                self.stream.secure(tls, host)
            self.log_in(user, database, secret)
        except BaseException:
            self.stream.close()
            raise

    def close(self):
        self.stream.close()

    def query(self, text):
        """Rows of strings or None."""
        self.send(b"Q", text.encode() + b"\0")
        rows = []
        while True:
            kind, body = self.receive()
            if kind == b"D":
                rows.append(columns(body))
            elif kind == b"Z":
                return rows

    def log_in(self, user, database, secret):
        words = ("user", user, "database", database, "application_name", "gala-gopher")
        body = struct.pack("!I", PROTOCOL) + b"".join(w.encode() + b"\0" for w in words) + b"\0"
        self.stream.send(struct.pack("!I", len(body) + 4) + body)
        scram = None
        while True:
            kind, body = self.receive()
            if kind == b"R":
                (code,) = struct.unpack_from("!I", body)
                if code == CLEARTEXT:
                    self.send(b"p", secret.encode() + b"\0")
                elif code == MD5:
                    self.send(b"p", md5_answer(user, secret, body[4:8]))
                elif code == SASL and MECHANISM in body[4:].split(b"\0"):
                    scram = Scram(secret)
                    self.send(b"p", MECHANISM + b"\0" + struct.pack("!I", len(scram.first)) + scram.first)
                elif code == SASL_CONTINUE and scram is not None:
                    self.send(b"p", scram.second(body[4:]))
                elif code == SASL_FINAL and scram is not None:
                    scram.check(body[4:])
                elif code != OK:
                    raise ProbeError(f"the server wants authentication method {code}, which this probe lacks")
            elif kind == b"K":
                (self.pid,) = struct.unpack_from("!i", body)
            elif kind == b"Z":
                return

    def send(self, kind, body):
        self.stream.send(kind + struct.pack("!I", len(body) + 4) + body)

    def receive(self):
        """The next message that is no notice; throws what the server complains of."""
        while True:
            kind = self.stream.exactly(1)
            (size,) = struct.unpack("!I", self.stream.exactly(4))
            if kind not in b"RKZSDTCENIvGH":
                raise ProbeError("this is no PostgreSQL server")
            body = self.stream.exactly(size - 4)
            if kind == b"E":
                raise ProbeError(f"the server says: {message(body)}")
            if kind not in (b"N", b"S"):
                return kind, body


def columns(body):
    (count,) = struct.unpack_from("!H", body)
    at, values = 2, []
    for _ in range(count):
        (size,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if size < 0 else body[at : at + size].decode("utf-8", "replace"))
        at += max(size, 0)
    return values


def message(body):
    parts = (part for part in body.split(b"\0") if part[:1] == b"M")
    return next(parts, b"M?")[1:].decode("utf-8", "replace")


def md5_answer(user, secret, salt):
    inner = hashlib.md5(secret.encode() + user.encode()).hexdigest()
    return b"md5" + hashlib.md5(inner.encode() + salt).hexdigest().encode() + b"\0"


class Scram:
    """RFC 5802 and 7677, without channel binding."""

    def __init__(self, secret):
        self.secret = secret.encode()
        self.nonce = base64.b64encode(secrets.token_bytes(18))
        self.bare = b"n=,r=" + self.nonce
        self.first = b"n,," + self.bare
        self.signature = b""

    def second(self, challenge):
        parts = dict(part.split(b"=", 1) for part in challenge.split(b","))
        if not parts[b"r"].startswith(self.nonce):
            raise ProbeError("the server answers another login")
        salted = hashlib.pbkdf2_hmac("sha256", self.secret, base64.b64decode(parts[b"s"]), int(parts[b"i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        final = b"c=biws,r=" + parts[b"r"]
        text = b",".join((self.bare, challenge, final))
        signature = hmac.digest(hashlib.sha256(client_key).digest(), text, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), text, "sha256")
        return final + b",p=" + base64.b64encode(proof)

    def check(self, answer):
        if not hmac.compare_digest(answer, b"v=" + base64.b64encode(self.signature)):
            raise ProbeError("the server does not know the password itself")
