// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Totals of IP, ICMP, TCP and UDP since boot, of the host's first network namespace.
 *
 * Sources: /proc/net/snmp (IPv4 and what both families share), /proc/net/netstat (its extensions), /proc/net/snmp6. The
 * first is needed. All names are the kernel's: RFC 1213 and 4022 have the meaning of the older ones.
 */
import { named, type NamedMetric, NamedNumbers } from "../core/named_numbers.ts";
import { counter, gauge, nativeProbe, table } from "../core/declare.ts";
import type { HostFiles, Writers } from "../core/probe.ts";
import { COLON, Scanner, word } from "../core/scan.ts";

/** The original's tables name the file so. */
const ORIGIN = "/proc/dev/snmp";

const of = (unit: string) => (from: string, help: string): NamedMetric =>
  named(from, counter(help, unit));
const segments = of("segments");
const datagrams = of("datagrams");
const packets = of("packets");
const messages = of("messages");
const bytes = of("bytes");
const times = of("count");

const CONNECTIONS = named(
  "CurrEstab",
  gauge("TCP connections established or in CLOSE-WAIT.", "count"),
);
const SEGMENTS_IN = segments("InSegs", "TCP segments received, bad ones included.");
const SEGMENTS_OUT = segments("OutSegs", "TCP segments sent, without those that only repeat.");
const SEGMENTS_REPEATED = segments("RetransSegs", "TCP segments sent again.");
const SEGMENTS_BAD = segments("InErrs", "TCP segments received with a bad checksum or header.");
const DATAGRAMS_IN = datagrams("InDatagrams", "UDP datagrams delivered to programs.");
const DATAGRAMS_OUT = datagrams("OutDatagrams", "UDP datagrams sent.");

/** From the Tcp lines of /proc/net/snmp. */
const TCP_STACK = {
  active_opens_total: times("ActiveOpens", "Connections that this host began."),
  passive_opens_total: times("PassiveOpens", "Connections that others began."),
  failed_attempts_total: times("AttemptFails", "Connections that failed before they were made."),
  established_resets_total: times("EstabResets", "Connections that were reset."),
  resets_sent_total: segments("OutRsts", "Segments with RST sent."),
  checksum_errors_total: segments("InCsumErrors", "Segments received with a bad checksum."),
};
/** From the TcpExt lines of /proc/net/netstat. */
const TCP_EXTENSIONS = {
  listen_overflows_total: times("ListenOverflows", "Connections refused: accept queue full."),
  listen_drops_total: times("ListenDrops", "Connections refused by a listener, for any reason."),
  request_queue_full_drops_total: times("TCPReqQFullDrop", "SYNs dropped: SYN queue full."),
  request_queue_full_cookies_total: times(
    "TCPReqQFullDoCookies",
    "SYNs answered with a cookie: SYN queue full.",
  ),
  syncookies_sent_total: times("SyncookiesSent", "SYN cookies sent."),
  syncookies_received_total: times("SyncookiesRecv", "Valid SYN cookies received."),
  syncookies_failed_total: times("SyncookiesFailed", "Invalid SYN cookies received."),
  timeouts_total: times("TCPTimeouts", "Retransmission time-outs."),
  syn_retransmits_total: segments("TCPSynRetrans", "SYNs and SYN-ACKs sent again."),
  lost_retransmits_total: segments("TCPLostRetransmit", "Repeated segments lost as well."),
  fast_retransmits_total: segments("TCPFastRetrans", "Segments repeated without a time-out."),
  out_of_order_segments_total: segments("TCPOFOQueue", "Segments queued as out of order."),
  receive_queue_drops_total: segments("TCPRcvQDrop", "Segments dropped: receive buffer full."),
  backlog_drops_total: segments("TCPBacklogDrop", "Segments dropped: socket backlog full."),
  zero_window_drops_total: segments("TCPZeroWindowDrop", "Segments dropped: window was closed."),
  pruned_total: times("PruneCalled", "Times a receive buffer was cleared to make room."),
  memory_pressures_total: times("TCPMemoryPressures", "Times TCP came to be short of memory."),
  aborts_on_data_total: times("TCPAbortOnData", "Connections reset with data unread."),
  aborts_on_close_total: times("TCPAbortOnClose", "Connections reset by close with data unread."),
  aborts_on_memory_total: times("TCPAbortOnMemory", "Connections reset for want of memory."),
  aborts_on_timeout_total: times("TCPAbortOnTimeout", "Connections given up as unanswered."),
  time_wait_overflows_total: times("TCPTimeWaitOverflow", "TIME-WAIT cut short: too many."),
};
const UDP_STACK = {
  in_datagrams_total: DATAGRAMS_IN,
  out_datagrams_total: DATAGRAMS_OUT,
  no_ports_total: datagrams("NoPorts", "Datagrams for a port that nothing listens on."),
  in_errors_total: datagrams("InErrors", "Datagrams that could not be delivered, for any reason."),
  receive_buffer_errors_total: datagrams("RcvbufErrors", "Datagrams dropped: receive buffer full."),
  send_buffer_errors_total: datagrams("SndbufErrors", "Datagrams not sent: send buffer full."),
  checksum_errors_total: datagrams("InCsumErrors", "Datagrams received with a bad checksum."),
};
const ICMP_STACK = {
  in_messages_total: messages("InMsgs", "ICMP messages received."),
  in_errors_total: messages("InErrors", "ICMP messages received with an error."),
  in_unreachable_total: messages("InDestUnreachs", "Destination-unreachable received."),
  in_time_exceeded_total: messages("InTimeExcds", "Time-exceeded received."),
  out_messages_total: messages("OutMsgs", "ICMP messages sent."),
  out_errors_total: messages("OutErrors", "ICMP messages not sent."),
  out_unreachable_total: messages("OutDestUnreachs", "Destination-unreachable sent."),
};
const IP_STACK = {
  in_packets_total: packets("InReceives", "Packets received, bad ones included."),
  in_header_errors_total: packets("InHdrErrors", "Packets dropped: bad header or TTL used up."),
  in_address_errors_total: packets("InAddrErrors", "Packets dropped: not for this host."),
  in_unknown_protocol_total: packets("InUnknownProtos", "Packets dropped: unknown protocol."),
  in_discards_total: packets("InDiscards", "Good packets dropped, as for want of memory."),
  in_delivered_total: packets("InDelivers", "Packets delivered to their protocol."),
  forwarded_total: packets("ForwDatagrams", "Packets forwarded."),
  out_packets_total: packets("OutRequests", "Packets that this host wanted to send."),
  out_discards_total: packets("OutDiscards", "Good packets not sent, as for want of memory."),
  out_no_routes_total: packets("OutNoRoutes", "Packets not sent: no route."),
  reassembly_fails_total: times("ReasmFails", "Reassemblies that failed."),
  fragmentation_fails_total: packets("FragFails", "Packets that could not be cut as needed."),
};
/** From the IpExt lines of /proc/net/netstat; those of IPv6 stand with the others. */
const IP_OCTETS = {
  in_bytes_total: bytes("InOctets", "Bytes of packets received."),
  out_bytes_total: bytes("OutOctets", "Bytes of packets sent."),
  in_no_routes_total: packets("InNoRoutes", "Packets to be forwarded dropped: no route."),
  in_truncated_total: packets("InTruncatedPkts", "Packets dropped: shorter than they say."),
};

const tables = {
  // The older and the newer state of the original name the same numbers differently.
  system_tcp: table({
    entity: "system_tcp",
    keys: ["origin"],
    metrics: {
      curr_estab: CONNECTIONS,
      in_segs: SEGMENTS_IN,
      out_segs: SEGMENTS_OUT,
      retrans_segs: SEGMENTS_REPEATED,
      in_errs: SEGMENTS_BAD,
    },
  }),
  net_tcp: table({
    entity: "net",
    version: "1.0.1",
    keys: ["origin"],
    metrics: {
      tcp_curr_estab: CONNECTIONS,
      tcp_in_segs: SEGMENTS_IN,
      tcp_out_segs: SEGMENTS_OUT,
      tcp_retrans_segs: SEGMENTS_REPEATED,
      tcp_in_errs: SEGMENTS_BAD,
    },
  }),
  system_udp: table({
    entity: "system_udp",
    keys: ["origin"],
    metrics: { indata_grams: DATAGRAMS_IN, outdata_grams: DATAGRAMS_OUT },
  }),
  net_udp: table({
    entity: "net",
    version: "1.0.1",
    keys: ["origin"],
    metrics: { udp_indata_grams: DATAGRAMS_IN, udp_outdata_grams: DATAGRAMS_OUT },
  }),
  tcp_stack: table({
    entity: "tcp_stack",
    keys: [],
    metrics: { ...TCP_STACK, ...TCP_EXTENSIONS },
  }),
  udp_stack: table({ entity: "udp_stack", keys: ["family"], metrics: UDP_STACK }),
  icmp_stack: table({ entity: "icmp_stack", keys: ["family"], metrics: ICMP_STACK }),
  ip_stack: table({
    entity: "ip_stack",
    keys: ["family"],
    metrics: { ...IP_STACK, ...IP_OCTETS },
  }),
};

export default nativeProbe({
  name: "system_protocols",
  help: "Totals of IP, ICMP, TCP and UDP, from /proc/net/snmp, netstat and snmp6.",
  partOf: ["system_infos", "baseinfo"],
  tables,
  open(files) {
    files.read("proc/net/snmp");
    const scan = new Scanner();
    const four = newFour();
    const six = newSix();
    return (rows) => {
      readFour(files, scan, four);
      writeTcp(rows, four);
      const udp = four.Udp.numbers;
      if (udp.known) {
        udp.show(rows.system_udp.row(ORIGIN), SYSTEM_TABLE);
        udp.show(rows.net_udp.row(ORIGIN), NET_TABLE);
        udp.show(rows.udp_stack.row("ipv4"), STACK_TABLE);
      }
      if (four.Icmp.numbers.known) four.Icmp.numbers.show(rows.icmp_stack.row("ipv4"));
      if (four.Ip.numbers.known || four.IpExt.numbers.known) {
        const row = rows.ip_stack.row("ipv4");
        four.Ip.numbers.show(row);
        four.IpExt.numbers.show(row);
      }
      const bytes = files.readOptional("proc/net/snmp6");
      six.scanLines(scan.over(bytes ?? EMPTY));
      if (!six.known) return;
      six.show(rows.ip_stack.row("ipv6"), SIX_IP);
      six.show(rows.icmp_stack.row("ipv6"), SIX_ICMP);
      six.show(rows.udp_stack.row("ipv6"), SIX_UDP);
    };
  },
});

const EMPTY = new Uint8Array(0);

/** The lines of one protocol: a heading with names, then numbers. */
interface Protocol {
  readonly heading: Uint8Array;
  readonly numbers: NamedNumbers;
  /** Of the last heading: its text, and the number of each column, -1 for one that is not shown. */
  names: string;
  readonly columns: number[];
}

/** Places in the lists of tables that `newFour` and `newSix` give. */
const [SYSTEM_TABLE, NET_TABLE, STACK_TABLE] = [0, 1, 2] as const;
const [SIX_IP, SIX_ICMP, SIX_UDP] = [0, 1, 2] as const;

type Four = Readonly<Record<"Ip" | "Icmp" | "Tcp" | "Udp" | "TcpExt" | "IpExt", Protocol>>;

function newFour(): Four {
  const protocol = (name: string, ...metrics: ConstructorParameters<typeof NamedNumbers>[0]) => (
    { heading: word(name), numbers: new NamedNumbers(metrics), names: "", columns: [] }
  );
  const { system_tcp, net_tcp, system_udp, net_udp } = tables;
  return {
    Ip: protocol("Ip", IP_STACK),
    Icmp: protocol("Icmp", ICMP_STACK),
    Tcp: protocol("Tcp", system_tcp.metrics, net_tcp.metrics, TCP_STACK),
    Udp: protocol("Udp", system_udp.metrics, net_udp.metrics, UDP_STACK),
    TcpExt: protocol("TcpExt", TCP_EXTENSIONS),
    IpExt: protocol("IpExt", IP_OCTETS),
  };
}

function newSix(): NamedNumbers {
  return new NamedNumbers([
    under("Ip6", { ...IP_STACK, ...IP_OCTETS }),
    under("Icmp6", ICMP_STACK),
    under("Udp6", UDP_STACK),
  ]);
}

function under(prefix: string, metrics: Readonly<Record<string, NamedMetric>>) {
  return Object.fromEntries(
    Object.entries(metrics).map(([metric, spec]) => {
      const from = spec.from === "ForwDatagrams" ? "OutForwDatagrams" : spec.from;
      return [metric, { ...spec, from: `${prefix}${from}` }];
    }),
  );
}

function readFour(files: HostFiles, scan: Scanner, four: Four): void {
  const protocols = Object.values(four);
  for (const { numbers } of protocols) numbers.clear();
  scanProtocols(scan.over(files.read("proc/net/snmp")), protocols);
  const extensions = files.readOptional("proc/net/netstat");
  if (extensions !== undefined) scanProtocols(scan.over(extensions), protocols);
}

function writeTcp(rows: Writers<typeof tables>, { Tcp, TcpExt }: Four): void {
  if (Tcp.numbers.known) {
    Tcp.numbers.show(rows.system_tcp.row(ORIGIN), SYSTEM_TABLE);
    Tcp.numbers.show(rows.net_tcp.row(ORIGIN), NET_TABLE);
  }
  if (!Tcp.numbers.known && !TcpExt.numbers.known) return;
  const row = rows.tcp_stack.row();
  Tcp.numbers.show(row, STACK_TABLE);
  TcpExt.numbers.show(row);
}

function scanProtocols(scan: Scanner, protocols: readonly Protocol[]): void {
  while (!scan.ended) {
    const found = scan.field(COLON) ? protocols.find(({ heading }) => scan.is(heading)) : undefined;
    if (found === undefined) {
      scan.nextLine();
      continue;
    }
    learnColumns(scan, found);
    scan.nextLine();
    // The numbers must be those of this heading.
    if (!scan.field(COLON) || !scan.is(found.heading)) continue;
    for (const index of found.columns) found.numbers.set(index, scan.number());
    scan.nextLine();
  }
}

/** A heading does not change while the kernel runs: comparing it whole costs a tenth of finding its 130 names. */
function learnColumns(scan: Scanner, protocol: Protocol): void {
  const names = scan.rest();
  if (names === protocol.names) return;
  protocol.names = names;
  protocol.columns.length = 0;
  while (scan.word()) protocol.columns.push(protocol.numbers.find(scan));
}
