// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Carries those rows of one BPF map into the tables over it that are named or used most; all others are one row, `other`.
 * Labels are decoded for what is shown only. A key that was not renewed for the time-out is deleted from the map.
 */
import type { TableSpec } from "../core/table.ts";
import { type NumberKind, TopRows } from "../core/top_rows.ts";
import { FeedKeys } from "./feed_keys.ts";
import { type FeedOptions, hasRow, type Side, sidesOf, type Target } from "./feed_side.ts";
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
  readonly #keys: FeedKeys;
  readonly #top: TopRows;
  readonly #standing: number;
  readonly #timeoutMs: number;
  /** By the number of the key: when it lived last. */
  readonly #renewedAt: number[] = [];

  constructor(reader: MapReader, targets: readonly Target[], options: TopFeedOptions) {
    const { alive, labels, ranks, limit, timeoutMs } = options;
    const partial = targets.find(({ spec }) => spec.only !== undefined);
    if (partial !== undefined) {
      throw new TypeError(`Table "${partial.table.name}" takes only some rows of "${reader.name}"`);
    }
    this.#reader = reader;
    this.#sides = sidesOf(targets, reader, labels);
    this.#keys = new FeedKeys(reader, this.#sides, { alive });
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
    this.#keys.begin();
    this.#top.begin(now);
    this.#reader.read((row) => this.#take(row, now));
    this.#top.end();
    for (let number = 0; number < this.#keys.count; number++) {
      if (!this.#keys.isPresent(number)) continue;
      for (const side of this.#sides) this.#show(side, number, now);
    }
    if (this.#top.hasRest) { for (const side of this.#sides) this.#showRest(side, now); }
    this.#forget(now);
  }

  #take(row: Row, now: number): void {
    const number = this.#keys.take(row);
    if (this.#keys.hasChanged) this.#renewedAt[number] = now;
    this.#top.note(number, row.numbers, row.numbers[this.#standing]!);
    this.#keys.checkLabels(number, row);
    for (const side of this.#sides) {
      if (!hasRow(side, number)) continue;
      if (side.labels.hasChanged(number, this.#keys.reading)) this.#make(side, number, now);
    }
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
    const row = labels.has(number) ? undefined : this.#reader.lookup(this.#keys.key(number));
    if (row === undefined && !labels.has(number)) return false; // it left the map meanwhile
    const made = table.row(labels.read(number, row ? this.#keys.at(row) : this.#keys.views), now);
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
    this.#keys.forget(
      (number) => now - this.#renewedAt[number]! < this.#timeoutMs,
      (number) => this.#top.forget(number),
    );
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
