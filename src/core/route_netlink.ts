// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Requests to and answers of the kernel's routing netlink: devices (RTM_GETLINK), addresses (RTM_GETADDR) and queueing
 * disciplines (RTM_GETQDISC). Numbers are those of <linux/netlink.h>, <linux/rtnetlink.h>, <linux/if_link.h>,
 * <linux/pkt_sched.h>; in the host's own byte order, which is little-endian on all machines that the program is built for.
 * What is cut short is left out.
 */
import { ipv6Text } from "./labels.ts";

export const RTM_GETLINK = 18;
export const RTM_GETADDR = 22;
export const RTM_GETQDISC = 38;

/** What a queueing discipline says of itself. Counters are of 32 bits. */
export interface Discipline {
  /** Of the network device. */
  readonly index: number;
  /** 0: the kernel made it, as all that it makes. */
  readonly handle: number;
  /** The class that it is in, or TC_H_ROOT. */
  readonly parent: number;
  readonly kind: string;
  /** Packets that wait, and their bytes. */
  readonly packets: number;
  readonly backlogBytes: number;
  readonly drops: number;
  readonly requeues: number;
  readonly overlimits: number;
  /** NaN: it marks no packets. */
  readonly ecnMarks: number;
}

/** What waits in front of a network device, and was dropped there. */
export type QueueTotals = Pick<
  Discipline,
  "drops" | "overlimits" | "backlogBytes" | "ecnMarks"
>;

const HEADER = 16;
const [NLMSG_ERROR, NLMSG_DONE] = [2, 3] as const;
const [RTM_NEWLINK, RTM_NEWADDR, RTM_NEWQDISC] = [16, 20, 36] as const;
const NLM_F_REQUEST_AND_DUMP = 0x301;

const IFINFOMSG = 16;
const [IFLA_IFNAME, IFLA_EXT_MASK] = [3, 29] as const;
/** What IPv4 and IPv6 count by device is half of what is said of it. */
const RTEXT_FILTER_SKIP_STATS = 8;

const IFADDRMSG = 8;
const [IFA_ADDRESS, IFA_LOCAL] = [1, 2] as const;
const [AF_INET, AF_INET6] = [2, 10] as const;
/** Addresses of a link and of the host itself: fe80::, 127.0.0.1. */
const RT_SCOPE_LINK = 253;

const TCMSG = 20;
export const TC_H_ROOT = 0xffff_ffff;
const [TCA_KIND, TCA_STATS2] = [1, 7] as const;
const [TCA_STATS_QUEUE, TCA_STATS_APP] = [3, 4] as const;
const NESTED = 0x8000;
/** Offset of the number of marked packets in a discipline's own statistics. */
const ECN_OFFSETS: ReadonlyMap<string, number> = new Map([
  ["fq_codel", 12], // tc_fq_codel_xstats
  ["codel", 24], // tc_codel_xstats
  ["red", 12], // tc_red_xstats
]);

/** A request for all there is of a kind; the rest of its fixed part is zero. */
export function dumpRequest(type: number): Uint8Array<ArrayBuffer> {
  const isLink = type === RTM_GETLINK;
  // Longer than needed for addresses; but what is too long for devices would be read as an attribute.
  const bytes = new Uint8Array(HEADER + (isLink ? IFINFOMSG + 8 : TCMSG));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST_AND_DUMP, true);
  if (isLink) {
    view.setUint16(HEADER + IFINFOMSG, 8, true);
    view.setUint16(HEADER + IFINFOMSG + 2, IFLA_EXT_MASK, true);
    view.setUint32(HEADER + IFINFOMSG + 4, RTEXT_FILTER_SKIP_STATS, true);
  }
  return bytes;
}

interface Part {
  readonly type: number;
  readonly view: DataView;
}

/** Messages (header of 16 bytes) or attributes (of 4) one behind the other. */
function* parts(view: DataView, from: number, header: 4 | 16): Generator<Part> {
  let at = from;
  while (at + header <= view.byteLength) {
    const length = header === 16 ? view.getUint32(at, true) : view.getUint16(at, true);
    const type = view.getUint16(at + (header === 16 ? 4 : 2), true) & ~NESTED;
    if (length < header || at + length > view.byteLength) return;
    yield {
      type,
      view: new DataView(view.buffer, view.byteOffset + at + header, length - header),
    };
    at += length + 3 & ~3;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether the answer ends with this part of it: all was said, or refused. */
export function endsDump(bytes: Uint8Array): boolean {
  for (const { type } of parts(viewOf(bytes), 0, 16)) {
    if (type === NLMSG_DONE || type === NLMSG_ERROR) return true;
  }
  return false;
}

/** Addresses by which others may reach the host, in the kernel's order. */
export function parseAddresses(answer: Uint8Array): string[] {
  const addresses: string[] = [];
  for (const { type, view } of parts(viewOf(answer), 0, 16)) {
    if (type !== RTM_NEWADDR || view.byteLength < IFADDRMSG) continue;
    const [family, scope] = [view.getUint8(0), view.getUint8(3)];
    if (scope >= RT_SCOPE_LINK) continue;
    const size = family === AF_INET ? 4 : family === AF_INET6 ? 16 : NaN;
    let found: Uint8Array | undefined;
    for (const attribute of parts(view, IFADDRMSG, 4)) {
      if (attribute.view.byteLength !== size) continue;
      // On a point-to-point link IFA_ADDRESS is the other end.
      const isOwn = attribute.type === IFA_LOCAL ||
        (attribute.type === IFA_ADDRESS && found === undefined);
      if (isOwn) {
        const { buffer, byteOffset } = attribute.view;
        found = new Uint8Array(buffer, byteOffset, size);
      }
    }
    if (found !== undefined) addresses.push(size === 4 ? found.join(".") : ipv6Text(found));
  }
  return addresses;
}

/** Names of devices by index. */
export function parseLinks(answer: Uint8Array): Map<number, string> {
  const names = new Map<number, string>();
  for (const { type, view } of parts(viewOf(answer), 0, 16)) {
    if (type !== RTM_NEWLINK || view.byteLength < IFINFOMSG) continue;
    for (const attribute of parts(view, IFINFOMSG, 4)) {
      if (attribute.type === IFLA_IFNAME) names.set(view.getInt32(4, true), wordOf(attribute.view));
    }
  }
  return names;
}

/** In the kernel's order: device by device, a discipline before those below it. */
export function parseDisciplines(answer: Uint8Array): Discipline[] {
  const disciplines: Discipline[] = [];
  for (const { type, view } of parts(viewOf(answer), 0, 16)) {
    if (type !== RTM_NEWQDISC || view.byteLength < TCMSG) continue;
    disciplines.push({
      index: view.getInt32(4, true),
      handle: view.getUint32(8, true),
      parent: view.getUint32(12, true),
      ...statisticsOf(view),
    });
  }
  return disciplines;
}

/** By index of the device. Drops and backlog are those of its root, which counts what is below it; marks are summed. */
export function queueTotals(disciplines: readonly Discipline[]): Map<number, QueueTotals> {
  const queues = new Map<number, QueueTotals>();
  for (const discipline of disciplines) {
    const { index, ecnMarks } = discipline;
    const known = queues.get(index) ?? NOTHING;
    const { drops, overlimits, backlogBytes } = discipline.parent === TC_H_ROOT &&
        !Number.isNaN(discipline.drops)
      ? discipline
      : known;
    const marks = Number.isNaN(known.ecnMarks)
      ? ecnMarks
      : known.ecnMarks + (Number.isNaN(ecnMarks) ? 0 : ecnMarks);
    queues.set(index, { drops, overlimits, backlogBytes, ecnMarks: marks });
  }
  return queues;
}

type Statistics = Omit<Discipline, "index" | "handle" | "parent">;

/** Of a discipline without statistics. */
const NOTHING = {
  packets: NaN,
  backlogBytes: NaN,
  drops: NaN,
  requeues: NaN,
  overlimits: NaN,
  ecnMarks: NaN,
} as const;
const decoder = new TextDecoder();

/** Text that ends with a NUL. */
function wordOf(view: DataView): string {
  return decoder.decode(view).replace(/\0.*$/s, "");
}

function statisticsOf(message: DataView): Statistics {
  let kind = "";
  let queue: Partial<Statistics> = {};
  let ecnMarks = NaN;
  for (const { type, view } of parts(message, TCMSG, 4)) {
    if (type === TCA_KIND) kind = wordOf(view);
    if (type !== TCA_STATS2) continue;
    for (const inner of parts(view, 0, 4)) {
      if (inner.type === TCA_STATS_QUEUE && inner.view.byteLength >= 20) {
        queue = queueOf(inner.view);
      }
      const offset = ECN_OFFSETS.get(kind);
      if (inner.type === TCA_STATS_APP && offset !== undefined) {
        if (inner.view.byteLength >= offset + 4) ecnMarks = inner.view.getUint32(offset, true);
      }
    }
  }
  return { ...NOTHING, ...queue, kind, ecnMarks };
}

/** struct gnet_stats_queue */
function queueOf(view: DataView): Partial<Statistics> {
  return {
    packets: view.getUint32(0, true),
    backlogBytes: view.getUint32(4, true),
    drops: view.getUint32(8, true),
    requeues: view.getUint32(12, true),
    overlimits: view.getUint32(16, true),
  };
}
