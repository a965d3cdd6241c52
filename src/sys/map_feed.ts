// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Carries the rows of one BPF map into the tables over it. Labels are decoded once a key; keys that decode to the same
 * labels share a row, which shows their sum. A key whose rows expired is deleted from the map too.
 */
import { FeedKeys } from "./feed_keys.ts";
import { type FeedOptions, hasRow, type Side, sidesOf, type Target } from "./feed_side.ts";
import type { MapReader, Row } from "./table_reader.ts";

interface FedSide extends Side {
  /** The table's columns that are written; replaced when the table grows. */
  arrays: readonly Float64Array[];
  /** By slot: the reading that wrote it last. */
  readonly written: number[];
  /** By slot: the key that has it. */
  readonly keyOf: number[];
}

export class MapFeed {
  readonly #reader: MapReader;
  readonly #sides: readonly FedSide[];
  readonly #keys: FeedKeys;
  /** Keys were seen to share a row: then no row shows only what its key has. */
  #shares = false;
  /** The row that was asked for last was given to its key just now. */
  #isNew = false;

  constructor(reader: MapReader, targets: readonly Target[], options: FeedOptions) {
    this.#reader = reader;
    this.#sides = sidesOf(targets, reader, options.labels).map((side) => ({
      ...side,
      arrays: [],
      written: [],
      keyOf: [],
    }));
    this.#keys = new FeedKeys(reader, this.#sides, options);
  }

  /** Reads the map once. Throws KernelError. */
  read(now: number): void {
    this.#keys.begin();
    this.#reader.read((row) => this.#take(row, now));
    this.#forget();
  }

  #take(row: Row, now: number): void {
    const number = this.#keys.take(row);
    const renew = this.#keys.hasChanged && this.#keys.alive(number) !== 0;
    if (renew) this.#keys.checkLabels(number, row);
    for (const side of this.#sides) {
      this.#isNew = false;
      const slot = this.#slot(side, number, renew, row, now);
      if (slot < 0 || (this.#keys.isSame && !this.#shares && !this.#isNew)) continue;
      this.#write(side, slot, row.numbers, renew);
    }
  }

  /** The key's row, made or renewed if it lives; -1 if there is none. */
  #slot(side: FedSide, number: number, renew: boolean, row: Row, now: number): number {
    const { table, slots, generations } = side;
    const slot = slots[number]!;
    if (slot >= 0 && generations[number] === table.generation(slot)) {
      if (!renew) return slot;
      if (!side.labels.hasChanged(number, this.#keys.reading)) {
        table.renew(slot, now);
        return slot;
      }
      return this.#make(side, number, row, now);
    }
    if (!renew) return -1;
    const { only } = side.spec;
    if (only !== undefined) {
      const { key } = this.#keys.at(row);
      if (key.number(only.field) !== only.value) return -1;
    }
    return this.#make(side, number, row, now);
  }

  /** The row with these labels is the key's from now on: the same as before unless the label that changed is a key. */
  #make(side: FedSide, number: number, row: Row, now: number): number {
    const { table, slots, generations, keyOf } = side;
    const made = table.row(side.labels.read(number, this.#keys.at(row)), now);
    slots[number] = made;
    this.#isNew = true;
    if (made < 0) return made;
    const generation = table.generation(made);
    generations[number] = generation;
    const other = keyOf[made] ?? number;
    if (other !== number && slots[other] === made && generations[other] === generation) {
      this.#shares = true;
    }
    keyOf[made] = number;
    return made;
  }

  #write(side: FedSide, slot: number, numbers: Float64Array, lives: boolean): void {
    const { table, columns, sources, scales, written, gauges } = side;
    const { reading } = this.#keys;
    const again = written[slot] === reading;
    written[slot] = reading;
    if (side.arrays[0] !== table.values(columns[0]!)) {
      side.arrays = columns.map((column) => table.values(column));
    }
    const { arrays } = side;
    for (let i = 0; i < arrays.length; i++) {
      const value = numbers[sources[i]!]! * scales[i]!;
      if (again) arrays[i]![slot]! += value;
      else arrays[i]![slot] = value;
    }
    // Its totals stay for the time-out; what it measures last is not so any more.
    if (!lives && !again) { for (const column of gauges) table.set(slot, column, NaN); }
  }

  /**
   * Drops keys that left the map, and deletes from the map those without a row: expired, or never let in by a full
   * table. What such a key gained between the reading and its deletion is lost; it had been idle for the time-out.
   */
  #forget(): void {
    this.#keys.forget((number) =>
      // What was never alive is kept for later: the row for all that does not fit.
      this.#keys.alive(number) === 0 || this.#sides.some((side) => hasRow(side, number))
    );
  }
}
