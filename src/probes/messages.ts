// SPDX-License-Identifier: MulanPSL-2.0
/** What applications say to each other: requests, answers, errors and latency. Kernel side: bpf/messages.bpf.c. */
import { Connections, type Peers } from "../core/messages/connections.ts";
import { Forwarding } from "../core/messages/forwarding.ts";
import { LinkCounts } from "../core/messages/link_counts.ts";
import type { Chunk } from "../core/messages/protocol.ts";
import { Traffic } from "../core/messages/traffic.ts";
import { observedConstants, observedEntries, observeKeys } from "../core/observe.ts";
import { ipText, KeyView } from "../core/labels.ts";
import {
  type MapEntry,
  type RecordHost,
  type RecordPortion,
  recordProbe,
  type RecordReading,
  type Settings,
  type Writers,
} from "../core/probe.ts";
import { wholeNumbers } from "../core/setting_format.ts";
import { booleanKey, flagKey, listKey, numberKey } from "../core/setting_key.ts";
import { messages } from "../gen/layouts.ts";
import { protocols } from "../gen/protocols.ts";
import { writeForwards, writeLink, writeSample } from "./messages/rows.ts";
import { TABLES } from "./messages/tables.ts";

const SERVERS = "redis-server,postgres,mariadbd,mysqld,nginx,haproxy";
const MESSAGE = messages.records.message_event.fields;
const CONNECTION = new KeyView(messages.records.connection_event);
const CONNECTION_BYTES = messages.records.connection_event.size;
/** enum message_kind of the kernel side. */
const KINDS = { received: 0, sent: 1, opened: 2, closed: 3, connects: 4, left: 5 } as const;
const NO_FD = 0xffffffff;
/** enum verdict of the kernel side. */
const VERDICTS = {
  wanted: Uint8Array.of(1),
  unwanted: Uint8Array.of(2),
  forgotten: Uint8Array.of(4),
} as const;
const FIRST_ENTRY = new Uint8Array(4);
const WORD = 2 ** 32;

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

function open(host: RecordHost): RecordReading {
  const maxConnections = host.settings.number("connections");
  const traffic = new Traffic(maxConnections);
  const forwards = new LinkCounts(maxConnections, host.settings.flag("report_cport"));
  const forwarding = new Forwarding(forwards);
  const idBytes = new Uint8Array(8);
  const idView = new DataView(idBytes.buffer);
  const changeBytes = new Uint8Array(8);
  const changeView = new DataView(changeBytes.buffer);
  let changes = 0n;
  const connections = new Connections({
    protocols,
    traffic,
    forwarding,
    maxConnections,
    decide(id, verdict) {
      idView.setBigUint64(0, BigInt(id), true);
      host.update("verdicts", idBytes, VERDICTS[verdict]);
      if (verdict === "wanted") return; // its pieces come anyway
      changeView.setBigUint64(0, ++changes, true);
      host.update("verdict_changes", FIRST_ENTRY, changeBytes);
    },
  });
  return {
    take: taker(connections),
    read(tables, elapsed) {
      const own = tables as Writers<typeof TABLES>;
      for (const link of traffic.links.values()) {
        writeLink(own, link, host.containerOf(link.tgid), elapsed);
      }
      for (const connection of connections.answered()) {
        writeSample(own, connection, host.containerOf(connection.peers.tgid));
      }
      writeForwards(own, forwards.all());
      connections.age();
      traffic.age();
      forwarding.age();
      forwards.age();
    },
    losses: () => ({
      ...connections.losses,
      unpaired_forwards: forwarding.unpaired,
      tables_full: traffic.refused + forwards.refused,
    }),
    facts: () => ({ connections: connections.size }),
  };
}

/**
 * Reads the records of the ring, each with as little work as can be: they are many. Fields are where the kernel side's
 * own type information says.
 */
function taker(connections: Connections): (records: RecordPortion) => void {
  const chunk: { -readonly [Name in keyof Chunk]: Chunk[Name] } = {
    bytes: new Uint8Array(),
    start: 0,
    end: 0,
    length: 0,
    time: 0,
  };
  let halves: Uint16Array = new Uint16Array();
  return ({ count, offsets, words, bytes }) => {
    if (chunk.bytes !== bytes) {
      chunk.bytes = bytes;
      halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1);
    }
    for (let i = 0; i < count; i++) {
      const at = offsets[i]!;
      const idWord = (at + MESSAGE.connection.offset) >> 2;
      const id = words[idWord]! + words[idWord + 1]! * WORD;
      const kind = bytes[at + MESSAGE.kind.offset]!;
      if (kind > KINDS.sent) {
        takeChange(connections, id, kind, bytes.subarray(at, at + CONNECTION_BYTES));
        continue;
      }
      const timeWord = (at + MESSAGE.time.offset) >> 2;
      chunk.start = at + MESSAGE.bytes.offset;
      chunk.end = chunk.start + bytes[at + MESSAGE.known.offset]!;
      chunk.length = words[(at + MESSAGE.length.offset) >> 2]!;
      chunk.time = words[timeWord]! + words[timeWord + 1]! * WORD;
      const serial = halves[(at + MESSAGE.serial.offset) >> 1]!;
      const thread = words[(at + MESSAGE.thread.offset) >> 2]!;
      connections.piece(id, kind === KINDS.sent, serial, chunk, thread);
    }
  };
}

function takeChange(connections: Connections, id: number, kind: number, bytes: Uint8Array): void {
  const event = CONNECTION.at(bytes, 0);
  const thread = event.number("thread");
  const established = event.number("established") === 1;
  if (kind === KINDS.closed) connections.closed(id, thread, established);
  else if (kind === KINDS.left) connections.left(id, thread, established);
  else if (kind === KINDS.connects) connections.connecting(peersAt(id, bytes), thread);
  else connections.opened(peersAt(id, bytes));
}

function peersAt(id: number, bytes: Uint8Array): Peers {
  const event = CONNECTION.at(bytes, 0);
  const family = event.number("family");
  const fd = event.number("fd");
  return {
    id,
    tgid: event.number("tgid"),
    comm: commAt(event.bytes("comm")),
    fd: fd === NO_FD ? NaN : fd,
    localIp: ipText(family, event.bytes("local_ip")),
    localPort: event.number("local_port"),
    remoteIp: ipText(family, event.bytes("remote_ip")),
    remotePort: event.number("remote_port"),
    isNew: event.number("is_new") !== 0,
  };
}

function commAt(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

export default recordProbe({
  name: "messages",
  help:
    "Requests and answers of Redis, HTTP/1, PostgreSQL and MySQL on TCP, from the first bytes of each.",
  partOf: ["ksliprobe", "redissli", "opengauss_sli", "nginx_probe", "trace_haproxy"],
  on: false,
  layout: messages,
  settings: {
    ...observeKeys(SERVERS),
    ports: listKey(wholeNumbers(65535, "ports"), 'Only connections with one of these; "" is any.'),
    first_bytes: numberKey(128, [32, 255], "Bytes of each piece that are read.", { unit: "bytes" }),
    connections: numberKey(16384, [16, 1_000_000], "Connections that are followed at a time.", {
      unit: "connections",
    }),
    links: booleanKey(true, "Whether it is told where proxies send what they receive.", {
      bits: true,
    }),
    report_cport: flagKey("Whether nginx_link has the client's port: a row for each connection."),
  },
  ring: "message_ring",
  tables: { ...TABLES, redissli: { ...TABLES.redissli, on: false } },
  constants: (settings) => ({
    first_bytes: settings.number("first_bytes"),
    links: settings.flag("links") ? 1 : 0,
    by_port: portsOf(settings).length > 0 ? 1 : 0,
    ...observedConstants(settings),
  }),
  entries: (settings) => [...observedEntries(settings), ...portEntries(settings)],
  open,
});
