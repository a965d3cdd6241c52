// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Which row the first fields of a line mean. A probe prints the same keys and labels every time: their bytes are
 * compared with those of the last line of that row, which takes a third of the time of reading them as texts.
 */
import type { Table } from "../core/table.ts";

/** Longer ones are read as texts every time. */
const MAX_BYTES = 128;
/** Rows beyond are read as texts, too: 2 MB at most. */
const MAX_SLOTS = 16_384;
const INITIAL_SLOTS = 64;
/** Places for each slot. A row stands in one of two; three that want the same ones take them from each other. */
const SPREAD = 4;

export class RowMemo {
  readonly #table: Table;
  /** MAX_BYTES for each slot. */
  #bytes = new Uint8Array(0);
  #lengths = new Uint8Array(0);
  #generations = new Float64Array(0);
  /** By hash: the slot, plus one. */
  #places = new Uint16Array(0);

  constructor(table: Table) {
    this.#table = table;
  }

  /** The row whose last line had the same bytes there; -1 if that is not known. */
  find(bytes: Uint8Array, start: number, end: number): number {
    if (end - start > MAX_BYTES || this.#places.length === 0) return -1;
    const place = this.#placeOf(bytes, start, end);
    let slot = this.#places[place]! - 1;
    if (!this.#is(slot, bytes, start, end)) {
      slot = this.#places[place ^ 1]! - 1;
      if (!this.#is(slot, bytes, start, end)) return -1;
    }
    const table = this.#table;
    return table.isRow(slot) && table.generation(slot) === this.#generations[slot] ? slot : -1;
  }

  #is(slot: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (slot < 0 || this.#lengths[slot] !== end - start) return false;
    const base = slot * MAX_BYTES - start;
    for (let at = start; at < end; at++) if (this.#bytes[base + at] !== bytes[at]) return false;
    return true;
  }

  /** The row has been found by its texts. */
  remember(slot: number, bytes: Uint8Array, start: number, end: number): void {
    if (slot >= MAX_SLOTS) return;
    if (slot >= this.#lengths.length) this.#grow(slot);
    // Too long: what was known of the row does not hold any more either.
    const length = end - start > MAX_BYTES ? 0 : end - start;
    this.#lengths[slot] = length;
    if (length === 0) return;
    this.#bytes.set(bytes.subarray(start, end), slot * MAX_BYTES);
    this.#generations[slot] = this.#table.generation(slot);
    const place = this.#placeOf(bytes, start, end);
    const taken = this.#places[place] !== 0 && this.#places[place ^ 1] === 0;
    this.#places[taken ? place ^ 1 : place] = slot + 1;
  }

  #grow(slot: number): void {
    const slots = Math.max(INITIAL_SLOTS, 2 ** Math.ceil(Math.log2(slot + 1)));
    const larger = <A extends Uint8Array | Float64Array>(made: A, old: A) => {
      made.set(old);
      return made;
    };
    this.#bytes = larger(new Uint8Array(slots * MAX_BYTES), this.#bytes);
    this.#lengths = larger(new Uint8Array(slots), this.#lengths);
    this.#generations = larger(new Float64Array(slots), this.#generations);
    this.#places = new Uint16Array(slots * SPREAD); // the others are found by their texts once more
  }

  #placeOf(bytes: Uint8Array, start: number, end: number): number {
    let hash = 0x811c9dc5; // FNV-1a
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
    return (hash ^ hash >>> 15) & (this.#places.length - 1);
  }
}
