# SPDX-License-Identifier: MulanPSL-2.0
"""As much of Kafka's protocol as questions about topics and groups need, in versions that 0.11 to 4 know."""

import struct

from byte_stream import ByteStream
from line_probe import ProbeError

LIST_OFFSETS, METADATA, OFFSET_FETCH, DESCRIBE_GROUPS, LIST_GROUPS = 2, 3, 9, 15, 16
SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36
VERSIONS = {
    LIST_OFFSETS: 1, METADATA: 1, OFFSET_FETCH: 2, DESCRIBE_GROUPS: 0, LIST_GROUPS: 0, SASL_HANDSHAKE: 1,
    SASL_AUTHENTICATE: 0,
}  # fmt: skip
LATEST, EARLIEST = -1, -2
MAX_ANSWER = 8 << 20


def text(value):
    data = value.encode()
    return struct.pack("!h", len(data)) + data


def array(items):
    items = list(items)
    return struct.pack("!i", len(items)) + b"".join(items)


class Answer:
    """Fields one after the other."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, form):
        try:
            (value,) = struct.unpack_from("!" + form, self.data, self.at)
        except struct.error as error:
            raise ProbeError("the answer is cut, or this is no Kafka broker") from error
        self.at += struct.calcsize("!" + form)
        return value

    def short(self):
        return self.take("h")

    def int(self):
        return self.take("i")

    def long(self):
        return self.take("q")

    def bool(self):
        return self.take("?")

    def text(self):
        return self.bytes(self.short()).decode("utf-8", "replace")

    def bytes(self, size):
        """A negative size is null."""
        part = self.data[self.at : self.at + max(size, 0)]
        self.at += max(size, 0)
        return part

    def array(self, read):
        return [read() for _ in range(max(self.int(), 0))]


class Broker:
    """One connection to one broker."""

    def __init__(self, host, port, user, secret, tls=None):
        self.stream = ByteStream(host, port, tls)
        self.number = 0
        try:
            if user:
                self.log_in(user, secret)
        except BaseException:
            self.close()
            raise

    def close(self):
        self.stream.close()

    def log_in(self, user, secret):
        answer = self.ask(SASL_HANDSHAKE, text("PLAIN"))
        if answer.short() != 0:
            raise ProbeError("the broker does not take user and password (SASL PLAIN)")
        token = f"\0{user}\0{secret}".encode()
        answer = self.ask(SASL_AUTHENTICATE, struct.pack("!i", len(token)) + token)
        code = answer.short()
        if code != 0:
            raise ProbeError(f"the broker refuses user {user!r}: {answer.text() or code}")

    def ask(self, key, body):
        self.number += 1
        head = struct.pack("!hhi", key, VERSIONS[key], self.number) + text("gala-gopher")
        self.stream.send(struct.pack("!i", len(head) + len(body)) + head + body)
        (size,) = struct.unpack("!i", self.stream.exactly(4))
        if not 4 <= size <= MAX_ANSWER:
            raise ProbeError("this is no Kafka broker, or its answer is too long")
        answer = Answer(self.stream.exactly(size))
        if answer.int() != self.number:
            raise ProbeError("the broker answers another question")
        return answer

    def metadata(self):
        """Addresses of brokers by number, the controller, and (topic, internal, partitions) for each topic."""
        answer = self.ask(METADATA, struct.pack("!i", -1))

        def broker():
            found = answer.int(), answer.text(), answer.int()
            answer.text()  # rack
            return found

        def partition():
            answer.short()  # its error shows in the leader, too
            number, leader = answer.int(), answer.int()
            return number, leader, len(answer.array(answer.int)), len(answer.array(answer.int))

        def topic():
            answer.short()
            return answer.text(), answer.bool(), answer.array(partition)

        brokers = {number: (host, port) for number, host, port in answer.array(broker)}
        return brokers, answer.int(), answer.array(topic)

    def offsets(self, partitions, time):
        """The first or last offset of each (topic, partition) that this broker leads."""
        topics = {}
        for name, number in partitions:
            topics.setdefault(name, []).append(struct.pack("!iq", number, time))
        body = struct.pack("!i", -1) + array(text(name) + array(parts) for name, parts in topics.items())
        answer = self.ask(LIST_OFFSETS, body)
        found = {}
        for _ in range(answer.int()):
            name = answer.text()
            for _ in range(answer.int()):
                number, code, _, offset = answer.int(), answer.short(), answer.long(), answer.long()
                if code == 0:
                    found[name, number] = offset
        return found

    def groups(self):
        """Those that this broker coordinates."""
        answer = self.ask(LIST_GROUPS, b"")
        if answer.short() != 0:
            return []  # the coordinator is still loading
        return answer.array(lambda: (answer.text(), answer.text())[0])

    def describe(self, groups):
        """State and number of members of each group."""
        answer = self.ask(DESCRIBE_GROUPS, array(map(text, groups)))

        def member():
            for _ in range(3):
                answer.text()
            for _ in range(2):
                answer.bytes(answer.int())

        def group():
            answer.short()
            name, state = answer.text(), answer.text()
            answer.text()
            answer.text()
            return name, (state, len(answer.array(member)))

        return dict(answer.array(group))

    def committed(self, group):
        """The committed offset of each (topic, partition) that the group has read."""
        answer = self.ask(OFFSET_FETCH, text(group) + struct.pack("!i", -1))
        found = {}
        for _ in range(answer.int()):
            name = answer.text()
            for _ in range(answer.int()):
                number, offset = answer.int(), answer.long()
                answer.text()  # metadata
                if answer.short() == 0 and offset >= 0:
                    found[name, number] = offset
        return found
