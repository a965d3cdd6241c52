#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what Kafka's brokers say of topics, and how far consumer groups are behind them."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
from kafka_wire import EARLIEST, LATEST, Broker
from line_probe import ProbeError, add_credentials, options, password, row, run
from tls import add_tls, tls_of

# Rows of a table that a host should have.
MAX_TOPICS = 1000
MAX_GROUPS = 1000


class Cluster:
    """The brokers of a cluster, found through the first; connections stay open until one fails."""

    def __init__(self, args):
        self.args = args
        self.first = (args.host, args.port)
        self.server = f"{args.host}:{args.port}"
        self.connections = {}

    def broker(self, address):
        if address not in self.connections:
            secret = password(self.args)
            self.connections[address] = Broker(*address, self.args.user, secret, tls_of(self.args))
        return self.connections[address]

    def collect(self):
        try:
            self.read()
        except BaseException:
            for connection in self.connections.values():
                connection.close()
            self.connections.clear()
            raise

    def read(self):
        brokers, controller, topics = self.broker(self.first).metadata()
        if not brokers:
            raise ProbeError("the cluster has no broker")
        own = [topic for topic in topics if not topic[1]]
        self.print_cluster(brokers, controller, topics, max(0, len(own) - MAX_TOPICS))
        topics = own[:MAX_TOPICS]
        ends, starts = self.offsets(brokers, topics, LATEST), self.offsets(brokers, topics, EARLIEST)
        for name, _, partitions in topics:
            self.print_topic(name, partitions, ends, starts)
        for address in brokers.values():
            self.read_groups(self.broker(address), ends)

    def offsets(self, brokers, topics, time):
        led = {}
        for name, _, partitions in topics:
            for number, leader, _, _ in partitions:
                led.setdefault(leader, []).append((name, number))
        found = {}
        for leader, partitions in led.items():
            if leader in brokers:
                found.update(self.broker(brokers[leader]).offsets(partitions, time))
        return found

    def print_cluster(self, brokers, controller, topics, left_out):
        partitions = [partition for topic in topics for partition in topic[2]]
        row(
            "kafka_cluster", self.server, len(brokers), controller, len(topics), left_out, len(partitions),
            sum(leader not in brokers for _, leader, _, _ in partitions),
            sum(in_sync < replicas for _, _, replicas, in_sync in partitions),
        )  # fmt: skip

    def print_topic(self, name, partitions, ends, starts):
        numbers = [(name, partition[0]) for partition in partitions]
        known = [number for number in numbers if number in ends and number in starts]
        complete = len(known) == len(numbers)
        written = sum(ends[number] for number in known)
        kept = written - sum(starts[number] for number in known)
        lagging = sum(in_sync < replicas for _, _, replicas, in_sync in partitions)
        # A part of the sum would look as if the counter had been set back.
        row("kafka_topic", self.server, name, len(partitions), lagging, written if complete else None,
            kept if complete else None)  # fmt: skip

    def read_groups(self, broker, ends):
        names = broker.groups()[:MAX_GROUPS]
        if not names:
            return
        for name, (state, members) in broker.describe(names).items():
            lags = {}
            for (topic, number), offset in broker.committed(name).items():
                if (topic, number) in ends:
                    lags.setdefault(topic, []).append((max(0, ends[topic, number] - offset), offset))
            everything = sum(lag for parts in lags.values() for lag, _ in parts)
            row("kafka_group", self.server, name, state, members, len(lags), everything)
            for topic, parts in lags.items():
                row("kafka_lag", self.server, name, topic, len(parts), sum(lag for lag, _ in parts),
                    max(lag for lag, _ in parts), sum(offset for _, offset in parts))  # fmt: skip


def main():
    parser = options("kafka", "Rows about a Kafka cluster, asked through one of its brokers.", 9092)
    add_credentials(parser)
    add_tls(parser)
    args = parser.parse_args()
    cluster = Cluster(args)
    run(f"Kafka at {cluster.server}", args, cluster.collect)


main()
