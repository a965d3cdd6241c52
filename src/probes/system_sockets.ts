// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Sockets in use by protocol, the memory they hold and what the kernel allows, and tracked connections.
 *
 * Sources: /proc/net/sockstat and sockstat6 (the host's first network namespace; memory is that of all namespaces),
 * /proc/sys/net/ipv4/tcp_mem, tcp_max_orphans and udp_mem, /proc/sys/net/netfilter/nf_conntrack_{count,max}.
 */
import { named, type NamedMetric, NamedNumbers } from "../core/named_numbers.ts";
import { gauge, nativeProbe, table } from "../core/declare.ts";
import { COLON, Scanner, word } from "../core/scan.ts";

const sockets = (from: string, help: string): NamedMetric => named(from, gauge(help, "count"));
const pages = (from: string, help: string): NamedMetric => named(from, gauge(help, "pages"));

/** Names are those of the file behind that of their line: `TCP: inuse 5`. */
const ALL = { used: sockets("used", "Sockets of all kinds, Unix and netlink ones included.") };
const TCP = {
  tcp_inuse: sockets("inuse", "IPv4 TCP sockets that are bound or connected."),
  tcp_orphans: sockets("orphan", "TCP sockets that no process holds any more."),
  tcp_time_wait: sockets("tw", "TCP connections in TIME-WAIT."),
  tcp_allocated: sockets("alloc", "TCP sockets of any state and address family."),
  tcp_memory_pages: pages("mem", "Memory in buffers of TCP sockets."),
};
const UDP = {
  udp_inuse: sockets("inuse", "IPv4 UDP sockets that are bound."),
  udp_memory_pages: pages("mem", "Memory in buffers of UDP sockets."),
};
const RAW = { raw_inuse: sockets("inuse", "IPv4 raw sockets.") };
const FRAGMENTS = {
  fragment_queues: sockets("inuse", "IPv4 packets that wait for their missing fragments."),
  fragment_memory_bytes: named(
    "memory",
    gauge("Memory of IPv4 fragments that wait for the others.", "bytes"),
  ),
};
const TCP6 = { tcp6_inuse: sockets("inuse", "IPv6 TCP sockets that are bound or connected.") };
const UDP6 = { udp6_inuse: sockets("inuse", "IPv6 UDP sockets that are bound.") };
const RAW6 = { raw6_inuse: sockets("inuse", "IPv6 raw sockets.") };
const FRAGMENTS6 = {
  fragment6_queues: sockets("inuse", "IPv6 packets that wait for their missing fragments."),
  fragment6_memory_bytes: named(
    "memory",
    gauge("Memory of IPv6 fragments that wait for the others.", "bytes"),
  ),
};

/** Files of a few numbers: path, which of its numbers, metric. */
const LIMITS = [
  ["proc/sys/net/ipv4/tcp_mem", 2, "tcp_memory_limit_pages"],
  ["proc/sys/net/ipv4/udp_mem", 2, "udp_memory_limit_pages"],
  ["proc/sys/net/ipv4/tcp_max_orphans", 0, "tcp_orphans_limit"],
] as const;

export default nativeProbe({
  name: "system_sockets",
  help: "Sockets by protocol, their memory and limits, tracked connections, from /proc/net/" +
    "sockstat, sockstat6 and /proc/sys/net.",
  partOf: ["baseinfo"],
  tables: {
    system_sockets: table({
      entity: "sockets",
      keys: [],
      metrics: {
        ...ALL,
        ...TCP,
        tcp_memory_limit_pages: gauge("Memory from which TCP sockets are refused more.", "pages"),
        tcp_orphans_limit: gauge("Orphaned TCP sockets from which more are reset.", "count"),
        ...UDP,
        udp_memory_limit_pages: gauge("Memory from which UDP sockets are refused more.", "pages"),
        ...RAW,
        ...FRAGMENTS,
        ...TCP6,
        ...UDP6,
        ...RAW6,
        ...FRAGMENTS6,
      },
    }),
    system_conntrack: table({
      entity: "conntrack",
      keys: [],
      metrics: {
        connections: gauge("Connections that netfilter tracks.", "count"),
        connections_limit: gauge("Connections from which new ones are dropped.", "count"),
      },
    }),
  },
  open(files) {
    files.read("proc/net/sockstat");
    const scan = new Scanner();
    const lines = newLines({
      sockets: ALL,
      TCP,
      UDP,
      RAW,
      FRAG: FRAGMENTS,
      TCP6,
      UDP6,
      RAW6,
      FRAG6: FRAGMENTS6,
    });
    const numberIn = (path: string, index: number) => {
      const bytes = files.readOptional(path);
      if (bytes === undefined) return NaN;
      scan.over(bytes);
      for (let skipped = 0; skipped < index; skipped++) scan.number();
      return scan.number();
    };
    return ({ system_sockets, system_conntrack }) => {
      for (const { numbers } of lines) numbers.clear();
      scanLines(scan.over(files.read("proc/net/sockstat")), lines);
      const six = files.readOptional("proc/net/sockstat6");
      if (six !== undefined) scanLines(scan.over(six), lines);
      const row = system_sockets.row();
      for (const { numbers } of lines) numbers.show(row);
      for (const [path, index, metric] of LIMITS) row.set(metric, numberIn(path, index));

      const tracked = numberIn("proc/sys/net/netfilter/nf_conntrack_count", 0);
      if (Number.isNaN(tracked)) return;
      system_conntrack.row()
        .set("connections", tracked)
        .set("connections_limit", numberIn("proc/sys/net/netfilter/nf_conntrack_max", 0));
    };
  },
});

interface Line {
  readonly name: Uint8Array;
  readonly numbers: NamedNumbers;
}

function newLines(
  metrics: Readonly<Record<string, Readonly<Record<string, NamedMetric>>>>,
): Line[] {
  return Object.entries(metrics).map(([name, own]) => (
    { name: word(name), numbers: new NamedNumbers([own]) }
  ));
}

/** Lines of a protocol, then names each followed by a number. */
function scanLines(scan: Scanner, lines: readonly Line[]): void {
  for (; !scan.ended; scan.nextLine()) {
    const line = scan.field(COLON) ? lines.find(({ name }) => scan.is(name)) : undefined;
    if (line === undefined) continue;
    while (scan.word()) {
      const index = line.numbers.find(scan);
      line.numbers.set(index, scan.number());
    }
  }
}
