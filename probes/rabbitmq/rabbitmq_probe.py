#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what RabbitMQ's management API says of the broker, its queues, its producers and its consumers."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
import collections

from http_get import address, json_page
from line_probe import ProbeError, add_credentials, from_environment, options, password, row, run, seconds
from tls import Tls, add_tls_files

# As many as the API gives at once, and rows of a table that a host should have.
MAX_QUEUES = 500
MAX_CHANNELS = 500
MESSAGES = ("publish", "deliver_get", "redeliver", "ack")
QUEUES = f"queues?page=1&page_size={MAX_QUEUES}&columns=vhost,name,state,messages_ready," \
    "messages_unacknowledged,consumers,memory,message_stats"  # fmt: skip
CHANNELS = f"channels?page=1&page_size={MAX_CHANNELS}&columns=connection_details,consumer_count,message_stats.publish"


class Broker:
    def __init__(self, args):
        self.args = args
        self.server = address(args.url)

    def ask(self, what):
        url = f"{self.args.url.rstrip('/')}/api/{what}"
        return json_page(url, self.args.user, password(self.args), Tls(self.args))

    def collect(self):
        overview = self.ask("overview")
        if "rabbitmq_version" not in overview:
            raise ProbeError("the page is not that of RabbitMQ's management API")
        queues = self.ask(QUEUES)
        self.print_overview(overview, max(0, queues["total_count"] - len(queues["items"])))
        for queue in queues["items"]:
            self.print_queue(queue)
        self.print_clients(self.ask(CHANNELS)["items"])

    def print_overview(self, overview, left_out):
        objects, totals = group(overview, "object_totals"), group(overview, "queue_totals")
        row(
            "rabbitmq_overview", self.server, overview["rabbitmq_version"], overview.get("node"),
            *map(objects.get, ("connections", "channels", "consumers", "queues", "exchanges")), left_out,
            *map(totals.get, ("messages_ready", "messages_unacknowledged")),
            *messages(overview),
        )  # fmt: skip

    def print_queue(self, queue):
        row(
            "rabbitmq_queue", self.server, queue["vhost"], queue["name"], queue.get("state"),
            *map(queue.get, ("messages_ready", "messages_unacknowledged", "consumers", "memory")),
            *messages(queue),
        )  # fmt: skip

    def print_clients(self, channels):
        counts = collections.defaultdict(lambda: [0, 0, 0])
        for channel in channels:
            count = counts[group(channel, "connection_details").get("peer_host", "unknown")]
            count[0] += 1
            count[1] += group(channel, "message_stats").get("publish", 0) > 0
            count[2] += channel.get("consumer_count", 0)
        for client, count in counts.items():
            row("rabbitmq_client", self.server, client, *count)
        producers = sorted(client for client, count in counts.items() if count[1])
        consumers = sorted(client for client, count in counts.items() if count[2])
        row("rabbitmq_probe", self.server.rpartition(":")[0], ",".join(producers), ",".join(consumers))


def group(thing, name):
    """What is in there by name; an empty group comes as an empty list."""
    found = thing.get(name)
    return found if isinstance(found, dict) else {}


def messages(thing):
    """A count that was never above zero is left out."""
    return (group(thing, "message_stats").get(name, 0) for name in MESSAGES)


def main():
    parser = options("rabbitmq", "Rows about a RabbitMQ broker, from its management API.")
    from_environment(parser, "-u", "--url", default="http://127.0.0.1:15672")
    add_credentials(parser, user="guest")
    add_tls_files(parser)
    parser.add_argument("period", nargs="?", type=seconds, help="as -t, like the original")
    args = parser.parse_args()
    args.interval = args.period or args.interval
    broker = Broker(args)
    run(f"RabbitMQ at {broker.server}", args, broker.collect)


main()
