# SPDX-License-Identifier: MulanPSL-2.0
"""A TCP or Unix connection that is read by exact lengths or lines, within a bound."""

import socket

from line_probe import ProbeError

MAX_BYTES = 16 << 20


class ByteStream:
    """`address` is a host, or the path of a Unix socket. The alarm of line_probe.run bounds the time."""

    def __init__(self, address, port=0):
        if address.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(address)
            except BaseException:
                self.socket.close()
                raise
        else:
            self.socket = socket.create_connection((address, port))
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def exactly(self, count):
        if not 0 <= count <= MAX_BYTES:
            raise ProbeError(f"the server announces {count} bytes")
        data = self.file.read(count)
        if len(data) < count:
            raise ConnectionResetError("the server closed the connection")
        return data

    def line(self):
        """Without its end."""
        data = self.file.readline(65536)
        if not data.endswith(b"\n"):
            raise ConnectionResetError("the server closed the connection, or a line is too long")
        return data.rstrip(b"\r\n")

    def rest(self):
        data = self.file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ProbeError(f"the answer has more than {MAX_BYTES} bytes")
        return data

    def close(self):
        self.file.close()
        self.socket.close()
