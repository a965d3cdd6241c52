// SPDX-License-Identifier: MulanPSL-2.0
/** What applications say to each other: requests, answers, errors and latency. Kernel side: bpf/messages.bpf.c. */
import { observedConstants, observedEntries, observeKeys } from "../core/observe.ts";
import { recordProbe } from "../core/declare.ts";
import type { MapEntry, RecordWay, Settings, UserHook } from "../core/probe.ts";
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
import { TABLES } from "./messages/tables.ts";

const SERVERS = "redis-server,postgres,mariadbd,mysqld,nginx,haproxy,java,dnsmasq,named";
const OPENSSL: readonly UserHook[] = [
  { symbol: "SSL_read", entry: "messages_tls_begin", returns: "messages_tls_read" },
  { symbol: "SSL_read_ex", entry: "messages_tls_begin_ex", returns: "messages_tls_read_ex" },
  { symbol: "SSL_write", entry: "messages_tls_begin", returns: "messages_tls_written" },
  { symbol: "SSL_write_ex", entry: "messages_tls_begin_ex", returns: "messages_tls_written_ex" },
];

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
  open: async (host) => (await import("./messages/reading.ts")).openReading(host),
});
