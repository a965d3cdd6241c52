// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Requests to and answers of the kernel's routing netlink: addresses (RTM_GETADDR) and queueing disciplines
 * (RTM_GETQDISC). Numbers are those of <linux/netlink.h>, <linux/rtnetlink.h>, <linux/pkt_sched.h>; in the host's own byte
 * order, which is little-endian on all machines that the program is built for. What is cut short is left out.
 */
import { ipv6Text } from "./labels.ts";

export const RTM_GETADDR = 22;
export const RTM_GETQDISC = 38;

/** What waits in front of a network device, and was dropped there. */
export interface QueueTotals {
  readonly drops: number;
  readonly overlimits: number;
  readonly backlogBytes: number;
  /** NaN: none of its disciplines marks packets. */
  readonly ecnMarks: number;
}

const HEADER = 16;
const [NLMSG_ERROR, NLMSG_DONE] = [2, 3] as const;
const [RTM_NEWADDR, RTM_NEWQDISC] = [20, 36] as const;
const NLM_F_REQUEST_AND_DUMP = 0x301;

const IFADDRMSG = 8;
const [IFA_ADDRESS, IFA_LOCAL] = [1, 2] as const;
const [AF_INET, AF_INET6] = [2, 10] as const;
/** Addresses of a link and of the host itself: fe80::, 127.0.0.1. */
const RT_SCOPE_LINK = 253;

const TCMSG = 20;
const TC_H_ROOT = 0xffff_ffff;
const [TCA_KIND, TCA_STATS2] = [1, 7] as const;
const [TCA_STATS_QUEUE, TCA_STATS_APP] = [3, 4] as const;
const NESTED = 0x8000;
/** Offset of the number of marked packets in a discipline's own statistics. */
const ECN_OFFSETS: ReadonlyMap<string, number> = new Map([
  ["fq_codel", 12], // tc_fq_codel_xstats
  ["codel", 24], // tc_codel_xstats
  ["red", 12], // tc_red_xstats
]);

/** A request for all there is of a kind; the rest of the longest fixed part is zero. */
export function dumpRequest(type: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER + TCMSG);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST_AND_DUMP, true);
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

/** By index of the device. Drops and backlog are those of its root, which counts what is below it; marks are summed. */
export function parseQueues(answer: Uint8Array): Map<number, QueueTotals> {
  const queues = new Map<number, QueueTotals>();
  for (const { type, view } of parts(viewOf(answer), 0, 16)) {
    if (type !== RTM_NEWQDISC || view.byteLength < TCMSG) continue;
    const index = view.getInt32(4, true);
    const isRoot = view.getUint32(12, true) === TC_H_ROOT;
    const { queue, ecnMarks } = statisticsOf(view);
    const known = queues.get(index) ?? NONE;
    queues.set(index, {
      ...(isRoot && queue !== undefined ? queue : known),
      ecnMarks: Number.isNaN(known.ecnMarks)
        ? ecnMarks
        : known.ecnMarks + (Number.isNaN(ecnMarks) ? 0 : ecnMarks),
    });
  }
  return queues;
}

const NONE: QueueTotals = { drops: NaN, overlimits: NaN, backlogBytes: NaN, ecnMarks: NaN };
const decoder = new TextDecoder();

function statisticsOf(message: DataView) {
  let kind = "";
  let queue: Omit<QueueTotals, "ecnMarks"> | undefined;
  let ecnMarks = NaN;
  for (const { type, view } of parts(message, TCMSG, 4)) {
    if (type === TCA_KIND) kind = decoder.decode(view).replace(/\0.*$/s, "");
    if (type !== TCA_STATS2) continue;
    for (const inner of parts(view, 0, 4)) {
      if (inner.type === TCA_STATS_QUEUE && inner.view.byteLength >= 20) {
        queue = {
          backlogBytes: inner.view.getUint32(4, true),
          drops: inner.view.getUint32(8, true),
          overlimits: inner.view.getUint32(16, true),
        };
      }
      const offset = ECN_OFFSETS.get(kind);
      if (inner.type === TCA_STATS_APP && offset !== undefined) {
        if (inner.view.byteLength >= offset + 4) ecnMarks = inner.view.getUint32(offset, true);
      }
    }
  }
  return { queue, ecnMarks };
}
