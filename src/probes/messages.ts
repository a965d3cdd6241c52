// SPDX-License-Identifier: MulanPSL-2.0
/** What applications say to each other: requests, answers, errors and latency. Kernel side: bpf/messages.bpf.c. */
import { Connections } from "../core/messages/connections.ts";
import { Datagrams } from "../core/messages/datagrams.ts";
import { Forwarding } from "../core/messages/forwarding.ts";
import { ForwardCounts } from "../core/messages/forward_counts.ts";
import type { Verdict } from "../core/messages/peers.ts";
import { TopicCounts } from "../core/messages/topic_counts.ts";
import { Traffic } from "../core/messages/traffic.ts";
import { observedConstants, observedEntries, observeKeys } from "../core/observe.ts";
import { recordProbe } from "../core/declare.ts";
import type {
  MapEntry,
  RecordHost,
  RecordReading,
  RecordWay,
  Settings,
  UserHook,
  Writers,
} from "../core/probe.ts";
import { wholeNumbers } from "../core/setting_format.ts";
import {
  booleanKey,
  choiceKey,
  flagKey,
  listKey,
  numberKey,
  type TextFormat,
} from "../core/setting_key.ts";
import { messages } from "../gen/layouts.ts";
import { protocols } from "../gen/protocols.ts";
import { recordTaker } from "./messages/records.ts";
import { writeForwards, writeLink, writeSample, writeTopics } from "./messages/rows.ts";
import { TABLES } from "./messages/tables.ts";

const SERVERS = "redis-server,postgres,mariadbd,mysqld,nginx,haproxy,java,dnsmasq,named";
/** enum verdict of the kernel side. */
const VERDICTS = {
  wanted: Uint8Array.of(1),
  unwanted: Uint8Array.of(2),
  forgotten: Uint8Array.of(4),
} as const;
const OPENSSL: readonly UserHook[] = [
  { symbol: "SSL_read", entry: "messages_tls_begin", returns: "messages_tls_read" },
  { symbol: "SSL_read_ex", entry: "messages_tls_begin_ex", returns: "messages_tls_read_ex" },
  { symbol: "SSL_write", entry: "messages_tls_begin", returns: "messages_tls_written" },
  { symbol: "SSL_write_ex", entry: "messages_tls_begin_ex", returns: "messages_tls_written_ex" },
];
const FIRST_ENTRY = new Uint8Array(4);

function portEntries(settings: Settings): MapEntry[] {
  return portsOf(settings).map((port) => ({
    map: "observed_ports",
    key: new Uint8Array(Uint16Array.of(port).buffer),
    value: Uint8Array.of(1),
  }));
}

function portsOf(settings: Settings): number[] {
  return settings.list("ports").map(Number);
}

const SOCKETS: TextFormat = {
  accepts: (text) => ["tcp", "udp", "unix"].includes(text),
  allowed: "of tcp, udp, unix",
};
const SOCKET_PROGRAMS = ["messages_received", "messages_sent", "messages_arrived"];
/** What is said under TLS belongs to a socket that is read in its own functions. */
const TLS_PROGRAMS = [...new Set(OPENSSL.flatMap(({ entry, returns }) => [entry, returns]))];
const CALL_PROGRAMS = [
  "message_program_changes",
  "message_call_begins",
  "message_call_ends",
];
/** When data came, for the system calls; UDP and Unix sockets have no such note. */
const SEGMENT_PROGRAM = "message_segment_comes";

/** Which sockets are read, and where: in the sockets' own functions, or in the system calls of their processes. */
function ways(settings: Settings): readonly [RecordWay, ...RecordWay[]] {
  const kinds = new Set(settings.list("sockets"));
  const source = settings.text("source");
  const others = { calls_udp: kinds.has("udp") ? 1 : 0, calls_unix: kinds.has("unix") ? 1 : 0 };
  const needsCalls = others.calls_udp + others.calls_unix > 0;
  const sockets: RecordWay = {
    name: "sockets",
    off: [
      SEGMENT_PROGRAM,
      ...needsCalls ? [] : CALL_PROGRAMS,
      ...settings.flag("tls") ? [] : TLS_PROGRAMS,
    ],
    optional: [],
    constants: { ...others, calls_tcp: 0 },
    maxEntries: needsCalls ? {} : { call_memories: 1 },
  };
  const calls: RecordWay = {
    name: "calls",
    off: [...SOCKET_PROGRAMS, ...TLS_PROGRAMS],
    optional: [SEGMENT_PROGRAM],
    constants: { ...others, calls_tcp: kinds.has("tcp") ? 1 : 0, tls: 0 },
    maxEntries: {},
  };
  if (source === "calls" || !kinds.has("tcp")) return [calls];
  return source === "sockets" ? [sockets] : [sockets, calls];
}

/** Tells the kernel what is thought of a connection. */
function decider(host: RecordHost): (id: number, verdict: Verdict) => void {
  const idBytes = new Uint8Array(8);
  const idView = new DataView(idBytes.buffer);
  const changeBytes = new Uint8Array(8);
  const changeView = new DataView(changeBytes.buffer);
  let changes = 0n;
  return (id, verdict) => {
    idView.setBigUint64(0, BigInt(id), true);
    host.update("verdicts", idBytes, VERDICTS[verdict]);
    if (verdict === "wanted") return; // its pieces come anyway
    changeView.setBigUint64(0, ++changes, true);
    host.update("verdict_changes", FIRST_ENTRY, changeBytes);
  };
}

function open(host: RecordHost): RecordReading {
  const maxConnections = host.settings.number("connections");
  const traffic = new Traffic(maxConnections);
  const forwards = new ForwardCounts(maxConnections, host.settings.flag("report_cport"));
  const forwarding = new Forwarding(forwards);
  const topics = new TopicCounts(maxConnections);
  const decide = decider(host);
  const connections = new Connections({
    protocols,
    traffic,
    maxConnections,
    proxies: host.settings.flag("links"),
    tls: host.settings.flag("tls"),
    forwarding,
    topics,
    decide,
  });
  const datagrams = new Datagrams({ protocols, traffic, maxFlows: maxConnections, decide });
  return {
    take: recordTaker({ connections, datagrams }),
    read(tables, elapsed) {
      const own = tables as Writers<typeof TABLES>;
      for (const link of traffic.links.values()) {
        writeLink(own, link, host.containerOf(link.tgid), elapsed);
      }
      for (const connection of connections.answered()) {
        writeSample(own, connection, host.containerOf(connection.peers.tgid));
      }
      writeForwards(own, forwards.all());
      writeTopics(own, topics.all());
      connections.age();
      datagrams.age();
      traffic.age();
      forwarding.age();
      forwards.age();
      topics.age();
    },
    losses: () => ({
      ...connections.losses,
      ...datagrams.losses,
      unpaired_messages: connections.losses.unpaired_messages + datagrams.losses.unpaired_messages,
      unpaired_forwards: forwarding.unpaired,
      tables_full: traffic.refused + forwards.refused + topics.refused,
    }),
    facts: () => ({ connections: connections.size, datagram_sockets: datagrams.size }),
  };
}

export default recordProbe({
  name: "messages",
  help:
    "Requests and answers of Redis, HTTP/1, PostgreSQL, MySQL, Kafka and DNS, from the first bytes of each.",
  partOf: [
    "ksliprobe",
    "redissli",
    "opengauss_sli",
    "trace_dnsmasq",
    "nginx_probe",
    "trace_haproxy",
  ],
  on: false,
  layout: messages,
  settings: {
    ...observeKeys(SERVERS),
    ports: listKey(wholeNumbers(65535, "ports"), 'Only connections with one of these; "" is any.'),
    sockets: listKey(SOCKETS, "Which sockets are read; udp (DNS) and unix take system calls.", {
      value: "tcp",
    }),
    source: choiceKey(
      ["auto", "sockets", "calls"],
      "auto",
      "Where TCP is read: in the sockets' functions, in system calls, or where the kernel can.",
    ),
    first_bytes: numberKey(128, [32, 255], "Bytes of each piece that are read.", { unit: "bytes" }),
    connections: numberKey(16384, [16, 1_000_000], "Connections that are followed at a time.", {
      unit: "connections",
    }),
    links: booleanKey(true, "Whether it is told where proxies send what they receive.", {
      bits: true,
    }),
    tls: flagKey("Whether what is said under TLS is seen, where OpenSSL does it."),
    report_cport: flagKey("Whether nginx_link has the client's port: a row for each connection."),
  },
  ring: "message_ring",
  tables: TABLES,
  constants: (settings) => ({
    first_bytes: settings.number("first_bytes"),
    links: settings.flag("links") ? 1 : 0,
    tls: settings.flag("tls") ? 1 : 0,
    by_port: portsOf(settings).length > 0 ? 1 : 0,
    ...observedConstants(settings),
  }),
  ways,
  entries: (settings) => [...observedEntries(settings), ...portEntries(settings)],
  userHooks: (settings) => settings.flag("tls") ? OPENSSL : [],
  open,
});
