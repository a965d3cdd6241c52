#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what SHOW GLOBAL STATUS of MySQL or MariaDB says."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
from line_probe import Kept, add_credentials, from_environment, options, password, row, run
from mysql_wire import MySql
from tls import add_tls, tls_of

# In the order of mysql_probe.meta.
NAMES = (
    "Uptime", "Threads_connected", "Threads_running", "max_connections", "Max_used_connections",
    "Connections", "Aborted_connects", "Aborted_clients", "Questions", "Slow_queries", "Com_select",
    "Com_insert", "Com_update", "Com_delete", "Com_commit", "Com_rollback", "Bytes_received", "Bytes_sent",
    "Created_tmp_disk_tables", "Select_full_join", "Table_locks_waited", "Innodb_row_lock_waits",
    "Innodb_row_lock_time", "Innodb_buffer_pool_read_requests", "Innodb_buffer_pool_reads",
    "Innodb_buffer_pool_bytes_data", "Innodb_data_read", "Innodb_data_written",
)  # fmt: skip
LIMIT = "max_connections"
STATUS = f"SHOW GLOBAL STATUS WHERE Variable_name IN ({', '.join(map(repr, NAMES))})"
VARIABLES = f"SHOW GLOBAL VARIABLES LIKE '{LIMIT}'"


def main():
    parser = options("mysql", "Rows about a MySQL or MariaDB server.", 3306)
    from_environment(parser, "-s", "--socket", default="", help="path of a Unix socket, instead of -h and -p")
    add_credentials(parser, user="root")
    add_tls(parser)
    args = parser.parse_args()
    address = args.socket or args.host
    name = args.socket or f"{args.host}:{args.port}"
    tls = None if args.socket else tls_of(args)
    server = Kept(lambda: MySql(address, args.port, args.user, password(args), tls))

    def collect():
        rows = server.use(lambda session: session.query(STATUS) + session.query(VARIABLES))
        status = dict(rows)
        row("mysql_status", name, server.connection.version, *map(status.get, NAMES))

    run(f"MySQL at {name}", args, collect)


main()
