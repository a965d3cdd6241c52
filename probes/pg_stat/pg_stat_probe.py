#!/usr/bin/python3
# SPDX-License-Identifier: MulanPSL-2.0
"""Prints what pg_stat_database of PostgreSQL or openGauss says, and the transactions per second."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "python"))

# pylint: disable=wrong-import-position
import re
import time

from line_probe import Kept, add_credentials, from_environment, options, password, row, run_all, seconds
from postgres_wire import Postgres
from tls import add_tls, tls_of

DEFAULT_CONF = "/etc/gala-gopher/extend_probes/pg_stat_probe.conf"
COUNTERS = (
    "xact_commit", "xact_rollback", "blks_read", "blks_hit", "tup_returned", "tup_fetched", "tup_inserted",
    "tup_updated", "tup_deleted", "conflicts", "temp_files", "temp_bytes", "deadlocks",
)  # fmt: skip
QUERY = (
    f"SELECT datid, datname, numbackends, {', '.join(COUNTERS)} FROM pg_stat_database"
    " WHERE datname NOT IN ('template0', 'template1')"
)
CONF_LINE = re.compile(
    r"""\s*(-?)\s*  # a dash starts a server
    (?:(ip|port|dbname|user|password)\s*:\s*(?:"([^"]*)"|'([^']*)'|([^\s\#"']+)))?
    \s*(?:\#.*)?""",
    re.VERBOSE,
)
COMMIT_AT = 3


class Server:
    """One server, its session, and the commits of each database at the last reading."""

    def __init__(self, tls, ip, port, dbname, user, secret):
        self.ip, self.port = ip, port
        self.kept = Kept(lambda: Postgres(ip, port, dbname, user, secret(), tls))
        self.commits = {}
        self.read_at = 0.0

    def collect(self):
        rows = self.kept.use(lambda session: session.query(QUERY))
        now = time.monotonic()
        tgid = server_process(self.kept.connection.pid)
        commits = {}
        for line in rows:
            datid, datname, backends = line[:COMMIT_AT]
            commits[datid] = int(line[COMMIT_AT])
            row("pg_stat_database", f"{self.ip}:{self.port}", datname, backends, *line[COMMIT_AT:])
            before = self.commits.get(datid)
            # Fewer: somebody has set the statistics back.
            if before is not None and commits[datid] >= before:
                tps = (commits[datid] - before) / (now - self.read_at)
                row("pg_tps", tgid, datid, "POSTGRE", 0, self.ip, self.port, datname, f"{tps:.3f}")
        self.commits, self.read_at = commits, now


def server_process(session_pid):
    """The parent of our session's process, when that runs here; 0 as in the original when it does not."""
    try:
        with open(f"/proc/{session_pid}/status", encoding="utf-8") as file:
            status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return 0
    local = status.get("Name", "").strip() in ("postgres", "postmaster")
    return status["PPid"].strip() if local else 0


def configured(path):
    """The servers of a pg_stat_probe.conf: a YAML list of five plain keys each, and nothing else of YAML."""
    servers = []
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError as error:
        sys.exit(f"[ERROR] cannot read {path}: {error.strerror}")
    for number, line in enumerate(lines, 1):
        match = CONF_LINE.fullmatch(line)
        if line.split("#")[0].strip() in ("", "servers:"):
            continue
        if match is None:
            sys.exit(f"[ERROR] {path}:{number}: wanted ip, port, dbname, user or password, and a value")
        if match[1]:
            servers.append({})
        if match[2] and servers:
            servers[-1][match[2]] = next(value for value in match.groups()[2:] if value is not None)
    for entry in servers:
        missing = {"ip", "port", "dbname", "user", "password"} - entry.keys()
        if missing or not entry["port"].isdigit():
            sys.exit(f"[ERROR] {path}: a server has no {', '.join(sorted(missing)) or 'number as port'}")
    return [(e["ip"], int(e["port"]), e["dbname"], e["user"], lambda e=e: e["password"]) for e in servers]


def main():
    parser = options("pg_stat", "Rows about PostgreSQL or openGauss servers.", 5432)
    add_credentials(parser, user="postgres")
    add_tls(parser)
    from_environment(parser, "--dbname", default="postgres", help="database to log in to")
    from_environment(parser, "--conf", default="", help="the original's file of servers, instead of -h and so on")
    parser.add_argument("-d", dest="interval", type=seconds, help="as -t")
    args = parser.parse_args()
    if not args.conf and not os.environ.get("GOPHER_PG_STAT_HOST") and "-h" not in sys.argv:
        args.conf = DEFAULT_CONF if os.path.exists(DEFAULT_CONF) else ""
    if args.conf:
        targets = configured(args.conf)
    else:
        targets = [(args.host, args.port, args.dbname, args.user, lambda: password(args))]
    servers = [Server(tls_of(args), *target) for target in targets]
    if not servers:
        sys.exit(f"[ERROR] {args.conf} names no server")
    run_all(args, {f"PostgreSQL at {s.ip}:{s.port}": s.collect for s in servers})


main()
