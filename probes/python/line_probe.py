# SPDX-License-Identifier: MulanPSL-2.0
"""What the Python probes here share: options, credentials, the endless loop, rows and complaints."""

import argparse
import os
import signal
import stat
import sys
import threading
import time

# A write of that much to a pipe is never cut in two, whoever kills the probe.
MAX_LINE_BYTES = 4096
MAX_FIELD_CHARACTERS = 300
MAX_REASON_CHARACTERS = 300
# The same complaint again only after that long.
REPEAT_SECONDS = 600


class ProbeError(Exception):
    """What is wrong with the server or its answer, in one line."""


class TimedOut(ProbeError):
    pass


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"[ERROR] {self.prog}: {message} (--help says what there is)\n")


def options(name, description, port=None):
    """A parser with the options that all have; defaults come from GOPHER_<NAME>_<OPTION>."""
    prefix = f"GOPHER_{name.upper()}_"
    parser = Parser(prog=name, description=description, add_help=False)
    parser.set_defaults(prefix=prefix)
    parser.add_argument("--help", action="help")
    if port is not None:
        from_environment(parser, "-h", "--host", default="127.0.0.1", help="the server's address")
        from_environment(parser, "-p", "--port", type=port_number, default=port)
    from_environment(parser, "-t", "--interval", type=seconds, default=5.0, help="seconds between rows")
    from_environment(parser, "--timeout", type=seconds, default=3.0, help="seconds for one reading")
    return parser


def from_environment(parser, *flags, default, **more):
    """An option whose default an environment variable can change; argparse checks that text as well."""
    variable = parser.get_default("prefix") + flags[-1].lstrip("-").replace("-", "_").upper()
    more["help"] = f"{more.get('help', '')} ({variable}, else {default!r})".replace("%", "%%").strip()
    parser.add_argument(*flags, default=os.environ.get(variable, default), **more)


def port_number(text):
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return number


def seconds(text):
    number = float(text)
    if not 0.05 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not 0.05 to 86400 seconds")
    return number


def add_credentials(parser, user=""):
    """The password itself is never an option: everybody may read a command line."""
    from_environment(parser, "--user", default=user)
    from_environment(parser, "--password-file", default="", help="file whose first line is the password")


def password(args):
    """Read anew for each connection, so that a changed file counts without a restart."""
    if not args.password_file:
        return os.environ.get(args.prefix + "PASSWORD", "")
    try:
        with open(args.password_file, encoding="utf-8") as file:
            return file.readline(4096).rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise ProbeError(f"cannot read the password file: {error}") from error


def row(table, *fields):
    """Prints a row; None is a value that is not known."""
    line = f"|{table}|{'|'.join(map(clean, fields))}|\n".encode()
    if len(line) > MAX_LINE_BYTES:
        raise ProbeError(f"a row of {table} has {len(line)} bytes")
    os.write(1, line)


def clean(field):
    if field is None:
        return ""
    return printable(str(field)[:MAX_FIELD_CHARACTERS].replace("|", "/"))


def printable(text):
    return "".join(c if c.isprintable() else "?" for c in text.encode("utf-8", "replace").decode())


def run(target, args, collect):
    """Calls collect, which prints rows or raises, every interval for ever; target says what is observed."""
    run_all(args, {target: collect})


def run_all(args, collectors):
    """For several targets, one after the other: each has the whole time-out, and its own complaints."""
    signal.signal(signal.SIGALRM, on_alarm)
    watch_stdin()
    parent = os.getppid()
    complaints = {target: Complaints(target) for target in collectors}
    tick = time.monotonic()
    while os.getppid() == parent:
        for target, collect in collectors.items():
            read_once(args.timeout, collect, complaints[target])
        tick = max(tick + args.interval, time.monotonic())
        time.sleep(max(0, tick - time.monotonic()))


def read_once(timeout, collect, complaints):
    try:
        # One limit for all of a reading: a server that sends a byte a second must not hold us up.
        signal.setitimer(signal.ITIMER_REAL, timeout)
        try:
            collect()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        complaints.good()
    except BrokenPipeError as error:
        if not can_print():
            sys.exit(0)
        complaints.bad(error)
    except Exception as error:  # pylint: disable=broad-except # a strange answer must not end the probe
        complaints.bad(error)


def on_alarm(_signal, _frame):
    raise TimedOut("no answer within the time-out")


def can_print():
    """Whether somebody still reads our output: a broken pipe may be the server's as well."""
    try:
        os.write(1, b"\n")
        return True
    except OSError:
        return False


def watch_stdin():
    """Ends the probe when the agent closes its stdin or is gone. A terminal or /dev/null says nothing."""
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return

    def read():
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()


class Complaints:
    """Says what is wrong once, and again when it is something else, takes long, or is over."""

    def __init__(self, target):
        self.target = target
        self.last = None
        self.since = 0.0

    def bad(self, error):
        reason = " ".join((str(error) or type(error).__name__).split())[:MAX_REASON_CHARACTERS]
        if not isinstance(error, (ProbeError, OSError)):
            reason = f"{type(error).__name__}: {reason}"
        now = time.monotonic()
        if reason == self.last and now - self.since < REPEAT_SECONDS:
            return
        self.last, self.since = reason, now
        self.say("[WARN]", f"no rows from {self.target}: {reason}")

    def good(self):
        if self.last is not None:
            self.say("[INFO]", f"{self.target} answers again")
        self.last = None

    @staticmethod
    def say(level, text):
        try:
            os.write(2, f"{level} {printable(text)}\n".encode())
        except OSError:
            pass  # nobody listens


class Kept:
    """One connection for many readings: opened when needed, dropped when anything goes wrong."""

    def __init__(self, connect):
        self.connect = connect
        self.connection = None

    def use(self, work):
        fresh = self.connection is None
        try:
            return self.attempt(work)
        except OSError:
            # The server may have been restarted since the last reading.
            if fresh:
                raise
            return self.attempt(work)

    def attempt(self, work):
        try:
            if self.connection is None:
                self.connection = self.connect()
            return work(self.connection)
        except BaseException:
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            raise
