// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Queueing disciplines by what tells them apart on a device: handle and kind. What the kernel makes by itself has the
 * handle 0:, so below a device with several queues (mq) there is one for each of them: those are one row, with their sum.
 */
import type { Discipline } from "./route_netlink.ts";
import { WrappingCounters } from "./wrapping_counters.ts";

/** Some 300 bytes each. */
const MAX_DISCIPLINES = 16_384;
/** What an answer does not have is gone: but for one, which may miss it while devices come and go. */
const READINGS = 2;

const COUNTERS = ["drops", "requeues", "overlimits"] as const;

interface Member {
  readonly counters: WrappingCounters;
  /** In the order of COUNTERS, without wraps. */
  readonly counts: Float64Array;
  reading: number;
}

interface Row {
  readonly index: number;
  readonly handle: number;
  readonly kind: string;
  packets: number;
  bytes: number;
  /** In the order of COUNTERS. */
  readonly counts: Float64Array;
  /** What those had counted that are gone: a sum must not fall by it. */
  readonly gone: Float64Array;
  /** By the class that they are in. */
  readonly members: Map<number, Member>;
}

export class Queueing {
  /** Those that did not fit. */
  dropped = 0;
  readonly #rows = new Map<string, Row>();
  #reading = 0;

  /** `counts` are drops, requeues and overlimits. */
  get rows(): Iterable<Readonly<Omit<Row, "gone" | "members">>> {
    return this.#rows.values();
  }

  update(disciplines: readonly Discipline[]): void {
    this.#reading++;
    for (const row of this.#rows.values()) row.packets = row.bytes = 0;
    this.dropped += Math.max(0, disciplines.length - MAX_DISCIPLINES);
    for (const discipline of disciplines.slice(0, MAX_DISCIPLINES)) {
      if (!Number.isNaN(discipline.drops)) this.#add(discipline);
    }
    for (const [key, row] of this.#rows) {
      this.#forget(row);
      if (row.members.size === 0) this.#rows.delete(key);
      row.counts.set(row.gone);
      for (const { counts } of row.members.values()) {
        for (let i = 0; i < COUNTERS.length; i++) row.counts[i]! += counts[i]!;
      }
    }
  }

  #add(discipline: Discipline): void {
    const row = this.#rowOf(discipline);
    let member = row.members.get(discipline.parent);
    // Devices that come and go meanwhile can make the kernel tell one twice.
    if (member?.reading === this.#reading) return;
    if (member === undefined) {
      const counters = new WrappingCounters(COUNTERS.length);
      member = { counters, counts: newCounts(), reading: 0 };
      row.members.set(discipline.parent, member);
    }
    member.reading = this.#reading;
    row.packets += discipline.packets;
    row.bytes += discipline.backlogBytes;
    for (const [i, name] of COUNTERS.entries()) {
      const count = member.counters.next(i, discipline[name]);
      // Another one stands in its place now.
      if (count < member.counts[i]!) keep(row, i, member.counts[i]!);
      member.counts[i] = count;
    }
  }

  #rowOf({ index, handle, kind }: Discipline): Row {
    const key = `${index} ${handle} ${kind}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const [counts, gone] = [newCounts(), newCounts()];
      row = { index, handle, kind, packets: 0, bytes: 0, counts, gone, members: new Map() };
      this.#rows.set(key, row);
    }
    return row;
  }

  #forget(row: Row): void {
    for (const [parent, { reading, counts }] of row.members) {
      if (this.#reading - reading < READINGS) continue;
      row.members.delete(parent);
      counts.forEach((count, i) => keep(row, i, count));
    }
  }
}

/** Only where several share a row: what has a handle of its own starts anew, as it does in tc. */
function keep({ handle, gone }: Row, counter: number, count: number): void {
  if (handle === 0) gone[counter]! += count;
}

function newCounts(): Float64Array {
  return new Float64Array(COUNTERS.length);
}
