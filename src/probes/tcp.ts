// SPDX-License-Identifier: MulanPSL-2.0
/** TCP connections per link (process, role, client, server) and per service. Kernel side: bpf/tcp.bpf.c. */
import type { EventRule } from "../core/event.ts";
import { address, containerOf, id, nameOf, ofValue, text, unknown, word } from "../core/labels.ts";
import {
  bpfProbe,
  filledBy,
  log4Bounds,
  mapTable,
  ofBuckets,
  ofField,
  raises,
} from "../core/declare.ts";
import { NAMESPACE_CAPABILITIES } from "../core/probe.ts";
import { flagKey } from "../core/setting_key.ts";
import { tcp } from "../gen/layouts.ts";

const drops = (says: string): EventRule => ({ above: "drops_thr", says });
/** What the tables of links and the one that takes their place find remarkable. */
const REMARKABLE = {
  syn_srtt: { above: "latency_thr", says: "Round trip of the handshake" },
  backlog_drops: drops("Packets dropped as the backlog was full"),
  sk_drops: drops("Packets that the socket dropped"),
  lost_out: drops("Segments taken for lost"),
  sacked_out: drops("Segments selectively acknowledged"),
  filter_drops: drops("Packets dropped by the socket's filter"),
  tcp_oom: { above: 0, says: "Resets for want of TCP memory" },
} as const satisfies Record<string, EventRule>;

const ADDRESSES = {
  client_ip: address("client_ip", "family"),
  server_ip: address("server_ip", "family"),
} as const;

const PROCESS = id("tgid");

/** Given once, so that the tables of a link share their labels. */
const LINK = {
  map: "tcp_link",
  entity: "tcp_link",
  labels: { container_id: containerOf(PROCESS) },
  keys: {
    tgid: PROCESS,
    role: id("role"),
    ...ADDRESSES,
    client_port: id("client_port"),
    server_port: id("server_port"),
    protocol: id("family"),
  },
} as const;

/** Of several connections of a row, the largest. */
const largest = <Field extends string>(field: Field, help: string, unit: string) =>
  ofField("gauge", field, help, unit);

/** Each row of these is 25 series more: for who looks into a connection, not for an alert. */
const OFF = { on: false } as const;

const LINK_TABLES = {
  tcp_tx_rx: mapTable(tcp, {
    ...LINK,
    metrics: {
      rx_bytes: ofField("counter", "rx_bytes", "Payload received in order.", "bytes"),
      tx_bytes: ofField("counter", "tx_bytes", "Payload sent, each byte once.", "bytes"),
      segs_in: ofField("counter", "segs_in", "Segments received.", "segments"),
      segs_out: ofField("counter", "segs_out", "Segments sent.", "segments"),
    },
  }),
  tcp_rtt: mapTable(tcp, {
    ...LINK,
    metrics: {
      srtt: largest("now.srtt_us", "Smoothed round trip of the slowest connection.", "us"),
      rcv_rtt: largest("now.rcv_rtt_us", "Round trip that the receiver estimates.", "us"),
    },
  }),
  tcp_windows: mapTable(tcp, {
    ...LINK,
    ...OFF,
    metrics: {
      snd_cwnd: largest("now.snd_cwnd", "Smallest congestion window.", "segments"),
      notsent_bytes: largest("now.notsent_bytes", "Written, but not sent yet.", "bytes"),
      notack_bytes: largest("now.notack_bytes", "Sent, but not acknowledged yet.", "bytes"),
      reordering: largest("now.reordering", "Packets out of order that are borne.", "segments"),
      snd_wnd: largest("now.snd_wnd", "Smallest window that a peer allows.", "bytes"),
      rcv_wnd: largest("now.rcv_wnd", "Smallest window that we allow.", "bytes"),
    },
  }),
  tcp_rate: mapTable(tcp, {
    ...LINK,
    ...OFF,
    metrics: {
      rto: largest("now.rto_us", "Time until a segment is sent again.", "us"),
      ato: largest("now.ato_us", "Time by which an acknowledgement may be put off.", "us"),
      snd_ssthresh: largest("now.snd_ssthresh", "Threshold of slow start.", "segments"),
      rcv_ssthresh: largest("now.rcv_ssthresh", "Limit of our window at present.", "bytes"),
      advmss: largest("now.advmss", "Largest segment that we told the peer.", "bytes"),
      rcv_space: largest("now.rcv_space", "Room that the reader needs per round trip.", "bytes"),
      delivery_rate: largest("now.delivery_rate", "Rate at which data arrived.", "bytes/s"),
      busy_time: largest("now.busy_time", "Time with data to send.", "jiffies"),
      rwnd_limited: largest("now.rwnd_limited", "Time held up by peer's window.", "jiffies"),
      sndbuf_limited: largest("now.sndbuf_limited", "Time held up by send buffer.", "jiffies"),
      pacing_rate: largest("now.pacing_rate", "Rate at which segments are paced.", "bytes/s"),
      max_pacing_rate: largest("now.max_pacing_rate", "Limit of that rate.", "bytes/s"),
    },
  }),
  tcp_srtt: mapTable(tcp, {
    ...LINK,
    metrics: {
      syn_srtt: raises(
        largest("now.syn_srtt_us", "Round trip of the handshake.", "us"),
        REMARKABLE.syn_srtt,
      ),
    },
  }),
  tcp_sockbuf: mapTable(tcp, {
    ...LINK,
    ...OFF,
    metrics: {
      sk_err_que_size: largest("now.sk_err_que_size", "Error queue.", "packets"),
      sk_rcv_que_size: largest("now.sk_rcv_que_size", "Receive queue.", "packets"),
      sk_wri_que_size: largest("now.sk_wri_que_size", "Write queue.", "packets"),
      sk_backlog_size: largest("now.sk_backlog_size", "Backlog queue.", "bytes"),
      sk_omem_size: largest("now.sk_omem_size", "Memory of options.", "bytes"),
      sk_forward_size: largest("now.sk_forward_size", "Memory set aside.", "bytes"),
      sk_wmem_size: largest("now.sk_wmem_size", "Memory of packets being sent.", "bytes"),
    },
  }),
  tcp_abn: mapTable(tcp, {
    ...LINK,
    metrics: {
      retran_packets: ofField("counter", "retran_packets", "Segments sent again.", "segments"),
      backlog_drops: raises(
        filledBy(
          "net_drop",
          ofField("counter", "backlog_drops", "Drops: backlog full.", "packets"),
        ),
        REMARKABLE.backlog_drops,
      ),
      sk_drops: raises(
        ofField("counter", "sk_drops", "Packets that the socket dropped.", "packets"),
        REMARKABLE.sk_drops,
      ),
      lost_out: raises(
        largest("now.lost_out", "Segments taken for lost.", "segments"),
        REMARKABLE.lost_out,
      ),
      sacked_out: raises(
        largest("now.sacked_out", "Segments selectively acknowledged.", "segments"),
        REMARKABLE.sacked_out,
      ),
      filter_drops: raises(
        filledBy(
          "net_drop",
          ofField("counter", "filter_drops", "Drops: socket's filter.", "packets"),
        ),
        REMARKABLE.filter_drops,
      ),
      tmout_count: ofField("counter", "tmout_count", "Ends by time-out.", "count"),
      snd_buf_limit_count: ofField("counter", "snd_buf_limit_count", "Send memory short.", "count"),
      rmem_scheduls: ofField("counter", "rmem_scheduls", "Receive memory short.", "count"),
      tcp_oom: raises(
        filledBy(
          "tcp_reset_sent",
          ofField("counter", "tcp_oom", "Resets for want of TCP memory.", "count"),
        ),
        REMARKABLE.tcp_oom,
      ),
      send_rsts: ofField("counter", "send_rsts", "Resets sent.", "count"),
      receive_rsts: ofField("counter", "receive_rsts", "Resets received.", "count"),
      sk_err: largest("now.sk_err", "Error of a socket.", "errno"),
      sk_err_soft: largest("now.sk_err_soft", "Passing error of a socket.", "errno"),
    },
  }),
};

const WINDOW_BOUNDS = [1000, 10000, 100000, 1000000, 10000000];
const TIME_BOUNDS = [50, 100, 200, 500, 1000];
const TIMER_BOUNDS = [1000, 10000, 20000, 40000, 80000];
const BUFFER_BOUNDS = [17, 18, 19, 20, 21, 22, 23, 24].map((power) => 2 ** power);

type Buckets =
  | "srtt"
  | "rcv_rtt"
  | "syn_srtt"
  | "snd_cwnd"
  | "notsent_bytes"
  | "notack_bytes"
  | "reordering"
  | "snd_wnd"
  | "rcv_wnd"
  | "avl_snd_wnd"
  | "rto"
  | "ato"
  | "sk_rcvbuf"
  | "sk_sndbuf";

/** One value of each connection and reading. */
const spread = <Name extends Buckets>(
  name: Name,
  bounds: readonly number[],
  help: string,
  unit: string,
) => ofBuckets({ field: `${name}.slots`, sum: `${name}.sum` } as const, bounds, help, unit);

const total = <Field extends string>(field: Field, help: string, unit: string) =>
  ofField("counter", `link.${field}` as const, help, unit);
const most = <Field extends string>(field: Field, help: string, unit: string, scale = 1) =>
  ofField("gauge", `link.now.${field}` as const, help, unit, scale);

const METRIC_TABLES = {
  tcp_metric: mapTable(tcp, {
    map: "tcp_metric",
    entity: "tcp_link",
    on: false,
    insteadOf: Object.keys(LINK_TABLES),
    keys: {
      tgid: id("link.tgid"),
      comm: text("comm"),
      role: word("link.role", ["server", "client"]),
      client_ip: address("link.client_ip", "link.family"),
      toa_client_ip: unknown(),
      server_ip: address("link.server_ip", "link.family"),
      client_port: id("link.client_port"),
      server_port: id("link.server_port"),
      protocol: id("link.family"),
    },
    metrics: {
      rx_bytes: total("rx_bytes", "Payload received in order.", "bytes"),
      tx_bytes: total("tx_bytes", "Payload sent, each byte once.", "bytes"),
      segs_in: total("segs_in", "Segments received.", "segments"),
      segs_out: total("segs_out", "Segments sent.", "segments"),
      srtt: spread("srtt", TIME_BOUNDS, "Smoothed round trip.", "us"),
      rcv_rtt: spread("rcv_rtt", TIME_BOUNDS, "Round trip that the receiver estimates.", "us"),
      snd_cwnd: spread("snd_cwnd", WINDOW_BOUNDS, "Congestion window.", "segments"),
      notsent_bytes: spread("notsent_bytes", WINDOW_BOUNDS, "Written, not sent yet.", "bytes"),
      notack_bytes: spread("notack_bytes", WINDOW_BOUNDS, "Sent, not acknowledged yet.", "bytes"),
      reordering: spread("reordering", WINDOW_BOUNDS, "Packets out of order, borne.", "segments"),
      snd_wnd: spread("snd_wnd", WINDOW_BOUNDS, "Window that the peer allows.", "bytes"),
      rcv_wnd: spread("rcv_wnd", WINDOW_BOUNDS, "Window that we allow.", "bytes"),
      avl_snd_wnd: spread("avl_snd_wnd", WINDOW_BOUNDS, "Peer's window still free.", "bytes"),
      zero_rcv_wnd_count: total("zero_rcv_wnd_count", "Readings with our window shut.", "count"),
      zero_snd_wnd_count: total("zero_snd_wnd_count", "Readings with peer's window shut.", "count"),
      zero_win_rx_ratio: raises(
        ofField("gauge", "zero_rx_ppm", "Of those per byte.", "ratio", 1e-6),
        { above: "res_upper_thr", says: "Closed windows received for each byte" },
      ),
      zero_win_tx_ratio: raises(
        ofField("gauge", "zero_tx_ppm", "Of those per byte.", "ratio", 1e-6),
        { above: "res_upper_thr", says: "Closed windows sent for each byte" },
      ),
      rto: spread("rto", TIMER_BOUNDS, "Time until a segment is sent again.", "ms"),
      ato: spread("ato", TIMER_BOUNDS, "Time by which an ACK may be put off.", "ms"),
      syn_srtt: spread("syn_srtt", TIME_BOUNDS, "Round trip of the handshake.", "us"),
      syn_srtt_max: raises(
        most("syn_srtt_us", "The same, of the slowest connection.", "us"),
        REMARKABLE.syn_srtt,
      ),
      sk_rcvbuf: spread("sk_rcvbuf", BUFFER_BOUNDS, "Limit of the receive buffer.", "bytes"),
      sk_sndbuf: spread("sk_sndbuf", BUFFER_BOUNDS, "Limit of the send buffer.", "bytes"),
      retran_packets: total("retran_packets", "Segments sent again.", "segments"),
      backlog_drops: raises(
        filledBy("net_drop", total("backlog_drops", "Drops: backlog full.", "packets")),
        REMARKABLE.backlog_drops,
      ),
      sk_drops: raises(
        total("sk_drops", "Packets that the socket dropped.", "packets"),
        REMARKABLE.sk_drops,
      ),
      lost_out: raises(
        most("lost_out", "Segments taken for lost.", "segments"),
        REMARKABLE.lost_out,
      ),
      sacked_out: raises(
        most("sacked_out", "Segments selectively acknowledged.", "segments"),
        REMARKABLE.sacked_out,
      ),
      filter_drops: raises(
        filledBy("net_drop", total("filter_drops", "Drops: socket's filter.", "packets")),
        REMARKABLE.filter_drops,
      ),
      tmout_count: total("tmout_count", "Ends by time-out.", "count"),
      snd_buf_limit_count: total("snd_buf_limit_count", "Send memory short.", "count"),
      rmem_scheduls: total("rmem_scheduls", "Receive memory short.", "count"),
      tcp_oom: raises(
        filledBy("tcp_reset_sent", total("tcp_oom", "Resets for want of TCP memory.", "count")),
        REMARKABLE.tcp_oom,
      ),
      send_rsts: total("send_rsts", "Resets sent.", "count"),
      receive_rsts: total("receive_rsts", "Resets received.", "count"),
      retrans_ratio: most("retrans_ppm", "Segments sent again by sent.", "ratio", 1e-6),
    },
  }),
};

const FAMILIES: string[] = [];
Object.assign(FAMILIES, { 0: "", 2: "ipv4", 10: "ipv6" });

/** Up to 4.2 s, and 70 minutes. */
const SLOTS = 13;

const SERVICE = {
  map: "tcp_service",
  entity: "tcp_service",
  keys: {
    tgid: PROCESS,
    role: word("role", ["server", "client"]),
    server_ip: address("server_ip", "family"),
    server_port: id("server_port"),
    protocol: id("family"),
  },
  labels: { comm: ofValue(text("comm")), container_id: containerOf(PROCESS) },
} as const;

const SERVICE_TABLES = {
  tcp_service: mapTable(tcp, {
    ...SERVICE,
    metrics: {
      connections: ofField("gauge", "open", "Connections open.", "connections"),
      opened_total: ofField("counter", "opened", "Connections set up.", "connections"),
      closed_total: ofField("counter", "closed", "Connections ended.", "connections"),
      failed_total: ofField("counter", "failed", "Connections not set up.", "connections"),
      sent_segments_total: ofField("counter", "segs_out", "Segments sent.", "segments"),
      retransmitted_segments_total: ofField("counter", "retrans", "Sent again.", "segments"),
      resets_sent_total: ofField("counter", "resets_sent", "Resets that we sent.", "count"),
      resets_received_total: ofField("counter", "resets_received", "Peer's resets.", "count"),
      window_limited_seconds_total: ofField(
        "counter",
        "window_us",
        "Time with data to send that the peer's window, shut or too small, held up.",
        "seconds",
        1e-6,
      ),
      setup_seconds: ofBuckets(
        { field: "setup_slots", sum: "setup_us", scale: 1e-6 },
        log4Bounds(SLOTS, 1e-6),
        "Set-up: a client's from SYN on, a server's from SYN-ACK on.",
        "seconds",
      ),
    },
  }),
  tcp_service_life: mapTable(tcp, {
    ...SERVICE,
    on: false,
    metrics: {
      life_seconds: ofBuckets(
        { field: "life_slots", sum: "life_ms", scale: 1e-3 },
        log4Bounds(SLOTS, 1e-3),
        "From set-up to end.",
        "seconds",
      ),
    },
  }),
};

const TCP_STATES = [
  "",
  "established",
  "syn_sent",
  "syn_recv",
  "fin_wait1",
  "fin_wait2",
  "time_wait",
  "close",
  "close_wait",
  "last_ack",
  "listen",
  "closing",
];
/** Numbers of IP that have a name here. */
const PROTOCOLS: string[] = [];
Object.assign(PROTOCOLS, { 0: "", 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6" });

const TROUBLE_TABLES = {
  tcp_reset: mapTable(tcp, {
    map: "tcp_resets",
    entity: "tcp_reset",
    keys: {
      direction: word("direction", ["sent", "received"]),
      reason: nameOf("reason", {
        type: "sk_rst_reason",
        prefix: "SK_RST_REASON_",
        none: 0xffff_ffff,
      }),
      state: word("state", TCP_STATES),
      tgid: id("tgid"),
      peer_ip: address("peer_ip", "family"),
      server_port: id("server_port"),
    },
    metrics: {
      resets_total: ofField(
        "counter",
        "resets",
        "Resets, with the state that our socket was in (none: no socket was there).",
        "count",
      ),
    },
  }),
  net_drop: mapTable(tcp, {
    map: "net_drops",
    entity: "net_drop",
    keys: {
      reason: nameOf("reason", { type: "skb_drop_reason", prefix: "SKB_DROP_REASON_" }),
      protocol: word("protocol", PROTOCOLS),
      family: word("family", FAMILIES),
    },
    metrics: {
      packets_total: ofField("counter", "packets", "Packets dropped, why.", "packets"),
    },
  }),
};

const DELAY_BOUNDS = [1e6, 1e7, 1e8, 1e9, 1e10];

/** The second of each choice before 6.3. */
const DELAY_CALLS = [
  ["tcp_delay_sent", "tcp_delay_sent_inet"],
  ["tcp_delay_sent", "tcp_delay_sent_inet6"],
  ["tcp_delay_read", "tcp_delay_read_inet"],
  ["tcp_delay_read", "tcp_delay_read_inet6"],
] as const;

const DELAY_TABLES = {
  proc_flow_perf: mapTable(tcp, {
    map: "tcp_delays",
    entity: "proc_flow_perf",
    on: false,
    programs: ["tcp_delay_segment", ...new Set(DELAY_CALLS.flat())],
    keys: {
      tgid: PROCESS,
      role: word("role", ["server", "client"]),
      remote_ip: address("remote_ip", "family"),
      server_port: id("server_port"),
    },
    metrics: {
      sys_delay: ofBuckets(
        { field: "sys_delay.slots", sum: "sys_delay.sum" },
        DELAY_BOUNDS,
        "From the arrival of data to its reading.",
        "ns",
      ),
      net_delay: ofBuckets(
        { field: "net_delay.slots", sum: "net_delay.sum" },
        DELAY_BOUNDS,
        "From the writing of data to its acknowledgement.",
        "ns",
      ),
    },
  }),
};

export default bpfProbe({
  name: "tcp",
  help: "TCP connections of this host by process and peer, from iter/tcp and inet_sock_set_state.",
  capabilities: NAMESPACE_CAPABILITIES,
  partOf: ["tcpprobe"],
  layout: tcp,
  settings: {
    report_cport: flagKey("Whether the client's port is a label: a row for each connection."),
  },
  // The original's -c and report_cport.
  constants: (settings, tables) => ({
    keep_client_port: Number(settings.flag("report_cport")),
    want_link: Number(Object.keys(LINK_TABLES).some((name) => tables.has(name))),
    want_metric: Number(tables.has("tcp_metric")),
    want_service: Number(Object.keys(SERVICE_TABLES).some((name) => tables.has(name))),
    want_resets: Number(tables.has("tcp_reset")),
    want_drops: Number(tables.has("net_drop")),
  }),
  iterators: [
    // What is older than the agent, and once an hour what was missed for want of memory.
    { program: "tcp_found", every: 720 },
    { program: "tcp_living", over: "sock_memories" },
    // Every 6th reading too (30 s), for sockets that were handed over.
    { program: "tcp_owners", wishes: "owner_wishes", every: 6 },
    { program: "tcp_owners_old", wishes: "owner_wishes", every: 6 },
    { program: "tcp_again", over: "sock_memories", wishes: "again_wishes", every: 6 },
  ],
  namespaces: "net_namespaces",
  optional: [
    "tcp_limit",
    "tcp_error",
    "tcp_reset_sent",
    "tcp_reset_sent_old",
    "tcp_reset_received",
    "net_drop",
    "net_drop_old",
  ],
  choices: [
    ["tcp_owners", "tcp_owners_old"],
    ["tcp_reset_sent", "tcp_reset_sent_old"],
    ["net_drop", "net_drop_old"],
    ...DELAY_CALLS,
  ],
  ceilings: ["tcp_link", "tcp_metric", "tcp_service", "tcp_resets", "tcp_delays"],
  alive: "reading",
  changes: "changes",
  tables: {
    ...LINK_TABLES,
    ...METRIC_TABLES,
    ...SERVICE_TABLES,
    ...TROUBLE_TABLES,
    ...DELAY_TABLES,
  },
});
