# SPDX-License-Identifier: MulanPSL-2.0
"""As much of Redis' protocol as a question and its answer need."""

from byte_stream import ByteStream
from line_probe import ProbeError, password
from tls import tls_of


def connect(args):
    stream = ByteStream(args.host, args.port, tls_of(args))
    try:
        secret = password(args)
        if secret:
            ask(stream, *([b"AUTH"] + ([args.user.encode()] if args.user else []) + [secret.encode()]))
        return stream
    except BaseException:
        stream.close()
        raise


def ask(stream, *words):
    stream.send(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
    line = stream.line()
    if line.startswith(b"-"):
        raise ProbeError(f"the server refuses {words[0].decode()}: {line[1:].decode('utf-8', 'replace')}")
    if line[:1] in b"+:":
        return line[1:]
    if not line.startswith(b"$"):
        raise ProbeError("this is no Redis server")
    return stream.exactly(int(line[1:]) + 2)[:-2]
