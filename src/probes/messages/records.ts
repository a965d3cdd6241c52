// SPDX-License-Identifier: MulanPSL-2.0
/** The records of the ring: what connections become, and pieces of what is said. Kernel side: bpf/messages.bpf.c. */
import type { Connections } from "../../core/messages/connections.ts";
import type { Datagrams, Ends } from "../../core/messages/datagrams.ts";
import type { Peers } from "../../core/messages/peers.ts";
import type { Chunk } from "../../core/messages/protocol.ts";
import { ipText, KeyView, textUpToNul } from "../../core/labels.ts";
import type { RecordPortion } from "../../core/probe.ts";
import { messages } from "../../gen/layouts.ts";

const MESSAGE = messages.records.message_event.fields;
const CONNECTION = new KeyView(messages.records.connection_event);
const CONNECTION_BYTES = messages.records.connection_event.size;
const ENDS = messages.records.datagram_event;
/** enum message_kind of the kernel side. */
const KINDS = {
  received: 0,
  sent: 1,
  opened: 2,
  closed: 3,
  connects: 4,
  left: 5,
  datagramReceived: 8,
  datagramSent: 9,
} as const;
/** enum transport of the kernel side. */
const TRANSPORTS = ["tcp", "udp", "unix"] as const;
const NO_FD = 0xffffffff;
const WORD = 2 ** 32;

interface Engine {
  readonly connections: Connections;
  readonly datagrams: Datagrams;
}

/**
 * Reads the records of the ring, each with as little work as can be: they are many. Fields are where the kernel side's
 * own type information says.
 */
export function recordTaker(
  { connections, datagrams }: Engine,
): (records: RecordPortion) => void {
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
      if (kind > KINDS.sent && kind < KINDS.datagramReceived) {
        const change = bytes.subarray(at, at + CONNECTION_BYTES);
        takeChange({ connections, datagrams }, id, kind, change);
        continue;
      }
      const timeWord = (at + MESSAGE.time.offset) >> 2;
      chunk.start = at + MESSAGE.bytes.offset;
      chunk.end = chunk.start + bytes[at + MESSAGE.known.offset]!;
      chunk.length = words[(at + MESSAGE.length.offset) >> 2]!;
      chunk.time = words[timeWord]! + words[timeWord + 1]! * WORD;
      if (kind >= KINDS.datagramReceived) {
        const known = chunk.end - chunk.start + 7 & ~7;
        const ends = endsAt(bytes.subarray(chunk.start + known, chunk.start + known + ENDS.size));
        datagrams.piece(id, kind === KINDS.datagramSent, chunk, ends);
        continue;
      }
      const serial = halves[(at + MESSAGE.serial.offset) >> 1]!;
      const thread = words[(at + MESSAGE.thread.offset) >> 2]!;
      connections.piece(id, kind === KINDS.sent, serial, chunk, thread);
    }
  };
}

/** Where a datagram comes from and goes to. */
function endsAt(bytes: Uint8Array): Ends {
  const event = new KeyView(ENDS).at(bytes, 0);
  const family = event.number("family");
  return {
    key: String.fromCharCode(...bytes.subarray(ENDS.fields.local_ip.offset)),
    localPort: event.number("local_port"),
    remotePort: event.number("remote_port"),
    localIp: () => ipText(family, event.bytes("local_ip")),
    remoteIp: () => ipText(family, event.bytes("remote_ip")),
  };
}

function takeChange(
  { connections, datagrams }: Engine,
  id: number,
  kind: number,
  bytes: Uint8Array,
): void {
  const event = CONNECTION.at(bytes, 0);
  const thread = event.number("thread");
  const established = event.number("established") === 1;
  if (kind === KINDS.closed) return connections.closed(id, thread, established);
  if (kind === KINDS.left) return connections.left(id, thread, established);
  const peers = peersAt(id, bytes);
  if (kind === KINDS.connects) return connections.connecting(peers, thread);
  (peers.transport === "udp" ? datagrams : connections).opened(peers);
}

function peersAt(id: number, bytes: Uint8Array): Peers {
  const event = CONNECTION.at(bytes, 0);
  const family = event.number("family");
  const fd = event.number("fd");
  const transport = TRANSPORTS[event.number("transport")] ?? "tcp";
  const isUnix = transport === "unix";
  return {
    id,
    tgid: event.number("tgid"),
    comm: textUpToNul(event.bytes("comm")),
    transport,
    fd: fd === NO_FD ? NaN : fd,
    localIp: isUnix ? "" : ipText(family, event.bytes("local_ip")),
    localPort: event.number("local_port"),
    remoteIp: isUnix ? "" : ipText(family, event.bytes("remote_ip")),
    remotePort: event.number("remote_port"),
    isNew: event.number("is_new") !== 0,
    isTls: event.number("is_tls") !== 0,
  };
}
