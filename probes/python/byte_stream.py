# SPDX-License-Identifier: MulanPSL-2.0
"""A TCP or Unix connection that is read by exact lengths or lines, within a bound."""

import socket

from line_probe import ProbeError

MAX_BYTES = 16 << 20


class ByteStream:
    """
    `address` is a host, or the path of a Unix socket; `tls` (tls.Tls or None) is for servers that begin with it. The
    alarm of line_probe.run bounds the time.
    """

    def __init__(self, address, port=0, tls=None):
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
        if tls is not None:
            try:
                self.secure(tls, address)
            except BaseException:
                self.close()
                raise

    def secure(self, tls, host):
        """From here on encrypted. What came before and was not read is dropped: nobody has vouched for it."""
        self.file.close()
        self.socket = tls.wrap(self.socket, host)
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
