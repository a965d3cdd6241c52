// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Carries those rows of one BPF map into the tables over it that are named or used most; all others are one row, `other`.
 * Labels are decoded for what is shown only. A key that was not renewed for the time-out is deleted from the map.
 */
import { ByteIndex } from "../core/byte_index.ts";
import { KeyView } from "../core/labels.ts";
import type { TableSpec } from "../core/table.ts";
import { type NumberKind, TopRows } from "../core/top_rows.ts";
import {
  alivePosition,
  type FeedOptions,
  hasRow,
  type Side,
  sidesOf,
  type Target,
} from "./feed_side.ts";
import type { RowLabels, RowViews } from "./row_labels.ts";
import type { MapReader, Row } from "./table_reader.ts";

export interface TopFeedOptions extends FeedOptions {
  /** Fields whose sum is a rank. */
  readonly ranks: readonly (readonly string[])[];
  /** Rows that are shown by each rank. */
  readonly limit: number;
  readonly timeoutMs: number;
}

/** Field that says whether a row is shown by its use, always or never; see bpf/observe.h. */
const STANDING = "shown";
/** The label that says what the row of all others is. */
const NAME_LABEL = "comm";
const OTHER = "other";

export class TopFeed {
  readonly #reader: MapReader;
  readonly #sides: readonly Side[];
  readonly #index: ByteIndex;
  readonly #views: RowViews;
  readonly #top: TopRows;
  readonly #alive: number;
  readonly #standing: number;
  readonly #timeoutMs: number;
  readonly #labels: readonly RowLabels[];
  /** By the number of the key: its last value, the last reading that had the key, and when it lived last. */
  readonly #lastAlive: number[] = [];
  readonly #lastSeen: number[] = [];
  readonly #renewedAt: number[] = [];
  #reading = 0;

  constructor(reader: MapReader, targets: readonly Target[], options: TopFeedOptions) {
    const { alive, labels, ranks, limit, timeoutMs } = options;
    const partial = targets.find(({ spec }) => spec.only !== undefined);
    if (partial !== undefined) {
      throw new TypeError(`Table "${partial.table.name}" takes only some rows of "${reader.name}"`);
    }
    this.#reader = reader;
    this.#sides = sidesOf(targets, reader, labels);
    this.#labels = [...new Set(this.#sides.map((side) => side.labels))];
    this.#index = new ByteIndex(reader.keySize);
    this.#views = {
      key: new KeyView(reader.layout.key),
      value: new KeyView(reader.layout.value),
    };
    this.#alive = alivePosition(reader, alive);
    this.#standing = reader.indexOf(STANDING);
    this.#timeoutMs = timeoutMs;
    this.#top = new TopRows({
      kinds: kindsOf(reader, this.#sides),
      ranks: ranks.map((fields) => fields.map((field) => reader.indexOf(field))),
      limit,
    });
  }

  get map(): string {
    return this.#reader.name;
  }

  /** Rows that are not shown. */
  get hidden(): number {
    return this.#top.hidden;
  }

  /** Reads the map once. Throws KernelError. */
  read(now: number): void {
    this.#reading++;
    this.#top.begin(now);
    this.#reader.read((row) => this.#take(row, now));
    this.#top.end();
    for (let number = 0; number < this.#lastSeen.length; number++) {
      if (this.#lastSeen[number] !== this.#reading) continue;
      for (const side of this.#sides) this.#show(side, number, now);
    }
    if (this.#top.hasRest) { for (const side of this.#sides) this.#showRest(side, now); }
    this.#forget(now);
  }

  #take(row: Row, now: number): void {
    let number = this.#index.find(row.keys, row.keyOffset);
    if (number < 0) {
      number = this.#index.add(row.keys, row.keyOffset);
      this.#lastAlive[number] = NaN;
      for (const labels of this.#labels) labels.forget(number);
      for (const side of this.#sides) side.slots[number] = -1;
    }
    this.#lastSeen[number] = this.#reading;
    const alive = this.#alive < 0 ? this.#reading : row.numbers[this.#alive]!;
    if (alive !== this.#lastAlive[number]) this.#renewedAt[number] = now;
    this.#lastAlive[number] = alive;
    this.#top.note(number, row.numbers, row.numbers[this.#standing]!);
    for (const side of this.#sides) {
      if (!side.labels.changes || !hasRow(side, number)) continue;
      if (side.labels.hasChanged(number, this.#at(row), this.#reading)) {
        this.#make(side, number, now);
      }
    }
  }

  #at(row: Row): RowViews {
    this.#views.key.at(row.keys, row.keyOffset);
    this.#views.value.at(row.values, row.valueOffset);
    return this.#views;
  }

  #show(side: Side, number: number, now: number): void {
    const { table, slots } = side;
    const lives = this.#renewedAt[number] === now;
    const has = hasRow(side, number);
    if (!this.#top.isShown(number)) {
      if (has) table.expire(slots[number]!);
      slots[number] = -1;
      return;
    }
    if (has && lives) table.renew(slots[number]!, now);
    else if (!has && !(lives && this.#make(side, number, now))) return;
    const slot = slots[number]!;
    side.columns.forEach((column, i) =>
      table.set(slot, column, this.#top.own(number, side.sources[i]!) * side.scales[i]!)
    );
    // Its totals stay for the time-out; what it measures last is not so any more.
    if (!lives) { for (const column of side.gauges) table.set(slot, column, NaN); }
  }

  /** Whether the table had room. */
  #make(side: Side, number: number, now: number): boolean {
    const { table, labels, slots, generations } = side;
    const row = labels.has(number) ? undefined : this.#reader.lookup(this.#index.key(number));
    if (row === undefined && !labels.has(number)) return false; // it left the map meanwhile
    const made = table.row(labels.read(number, row ? this.#at(row) : this.#views), now);
    slots[number] = made;
    if (made < 0) return false;
    generations[number] = table.generation(made);
    return true;
  }

  #showRest({ table, columns, sources, scales }: Side, now: number): void {
    const slot = table.row(restLabels(table.spec), now);
    if (slot < 0) return;
    columns.forEach((column, i) =>
      table.set(slot, column, this.#top.rest[sources[i]!]! * scales[i]!)
    );
  }

  #forget(now: number): void {
    const gone: number[] = [];
    for (let number = 0; number < this.#lastSeen.length; number++) {
      const seen = this.#lastSeen[number]!;
      if (seen < 0) continue;
      if (seen === this.#reading) {
        if (now - this.#renewedAt[number]! < this.#timeoutMs) continue;
        this.#reader.delete(this.#index.key(number).slice());
      }
      gone.push(number);
      this.#lastSeen[number] = -1;
      this.#top.forget(number);
    }
    this.#index.remove(gone);
  }
}

function kindsOf(reader: MapReader, sides: readonly Side[]): NumberKind[] {
  const kinds = reader.numberNames.map((): NumberKind => "none");
  for (const { spec, sources } of sides) {
    for (const source of sources) kinds[source] = "total";
    for (const { field, type } of Object.values(spec.metrics)) {
      if (type === "gauge") kinds[reader.indexOf(field)] = "maximum";
    }
  }
  return kinds;
}

function restLabels({ keys, labels }: TableSpec): string[] {
  return [
    ...keys.map(() => "0"),
    ...labels.map((label) => label === NAME_LABEL ? OTHER : ""),
  ];
}
