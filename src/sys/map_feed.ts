// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Carries the rows of one BPF map into the tables over it. Labels are decoded once a key; keys that decode to the same
 * labels share a row, which shows their sum. A key whose rows expired is deleted from the map too.
 */
import { ByteIndex } from "../core/byte_index.ts";
import { KeyView, type LabelHost } from "../core/labels.ts";
import type { FieldMetric, MapTable } from "../core/probe.ts";
import type { Table } from "../core/table.ts";
import { RowLabels, type RowViews } from "./row_labels.ts";
import type { MapReader, Row } from "./table_reader.ts";

export interface Target {
  readonly spec: MapTable;
  readonly table: Table;
}

/** One table's side of the feed. Arrays are by the number of the key. */
interface Side extends Target {
  readonly columns: readonly number[];
  /** Positions in `Row.numbers`. */
  readonly sources: readonly number[];
  readonly scales: readonly number[];
  /** Columns of what holds only while the row's thing lives. */
  readonly gauges: readonly number[];
  /** Shared by tables that show the same labels. */
  readonly labels: RowLabels;
  /** The table's columns that are written; replaced when the table grows. */
  arrays: readonly Float64Array[];
  readonly slots: number[];
  readonly generations: number[];
  /** By slot: the reading that wrote it last. */
  readonly written: number[];
}

export interface FeedOptions {
  /**
   * The numeric field that changes while the row's thing lives, and is 0 as long as there is none; in a map without it,
   * being in the map is life.
   */
  readonly alive?: string | undefined;
  readonly labels: LabelHost;
}

export class MapFeed {
  readonly #reader: MapReader;
  readonly #sides: readonly Side[];
  readonly #index: ByteIndex;
  readonly #views: RowViews;
  /** Position of the field that tells life, or -1. */
  readonly #alive: number;
  readonly #labels: readonly RowLabels[];
  /** By the number of the key: its last value, and the last reading that had the key. */
  readonly #lastAlive: number[] = [];
  readonly #lastSeen: number[] = [];
  #reading = 0;

  constructor(reader: MapReader, targets: readonly Target[], { alive, labels }: FeedOptions) {
    this.#reader = reader;
    const shared: RowLabels[] = [];
    this.#sides = targets.map((target) => {
      const { labelReaders } = target.spec;
      let rowLabels = shared.find((other) => other.isOf(labelReaders));
      if (rowLabels === undefined) shared.push(rowLabels = new RowLabels(labelReaders, labels));
      return sideOf(target, reader, rowLabels);
    });
    this.#labels = shared;
    this.#index = new ByteIndex(reader.keySize);
    this.#views = {
      key: new KeyView(reader.layout.key),
      value: new KeyView(reader.layout.value),
    };
    this.#alive = alive !== undefined && Object.hasOwn(reader.layout.value.fields, alive)
      ? reader.indexOf(alive)
      : -1;
  }

  /** Reads the map once. Throws KernelError. */
  read(now: number): void {
    this.#reading++;
    this.#reader.read((row) => this.#take(row, now));
    this.#forget();
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
    const renew = alive !== this.#lastAlive[number] && alive !== 0;
    this.#lastAlive[number] = alive;
    for (const side of this.#sides) {
      const slot = this.#slot(side, number, renew, row, now);
      if (slot >= 0) this.#write(side, slot, row.numbers, renew);
    }
  }

  /** The key's row, made or renewed if it lives; -1 if there is none. */
  #slot(side: Side, number: number, renew: boolean, row: Row, now: number): number {
    const { table, slots, generations } = side;
    const slot = slots[number]!;
    if (slot >= 0 && generations[number] === table.generation(slot)) {
      if (!renew) return slot;
      if (!side.labels.changes || !this.#hasChanged(side, number, row)) {
        table.renew(slot, now);
        return slot;
      }
      return this.#make(side, number, row, now);
    }
    if (!renew) return -1;
    const { only } = side.spec;
    if (only !== undefined) {
      const key = this.#views.key.at(row.keys, row.keyOffset);
      if (key.number(only.field) !== only.value) return -1;
    }
    return this.#make(side, number, row, now);
  }

  #hasChanged({ labels }: Side, number: number, row: Row): boolean {
    return labels.hasChanged(number, this.#at(row), this.#reading);
  }

  #at(row: Row): RowViews {
    this.#views.key.at(row.keys, row.keyOffset);
    this.#views.value.at(row.values, row.valueOffset);
    return this.#views;
  }

  /** The row with these labels is the key's from now on: the same as before unless the label that changed is a key. */
  #make(side: Side, number: number, row: Row, now: number): number {
    const { table, slots, generations } = side;
    const made = table.row(side.labels.read(number, this.#at(row)), now);
    slots[number] = made;
    if (made >= 0) generations[number] = table.generation(made);
    return made;
  }

  #write(side: Side, slot: number, numbers: Float64Array, lives: boolean): void {
    const { table, columns, sources, scales, written, gauges } = side;
    const again = written[slot] === this.#reading;
    written[slot] = this.#reading;
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
    const gone: number[] = [];
    for (let number = 0; number < this.#lastSeen.length; number++) {
      const seen = this.#lastSeen[number]!;
      if (seen < 0) continue;
      if (seen === this.#reading) {
        // What was never alive is kept for later: the row for all that does not fit.
        if (this.#lastAlive[number] === 0) continue;
        if (this.#sides.some((side) => this.#hasRow(side, number))) continue;
        this.#reader.delete(this.#index.key(number).slice());
      }
      gone.push(number);
      this.#lastSeen[number] = -1;
    }
    this.#index.remove(gone);
  }

  #hasRow({ table, slots, generations }: Side, number: number): boolean {
    const slot = slots[number]!;
    return slot >= 0 && generations[number] === table.generation(slot);
  }
}

function sideOf(target: Target, reader: MapReader, labels: RowLabels): Side {
  const { spec, table } = target;
  const paths = Object.entries(spec.metrics).flatMap(([name, metric]) =>
    pathsOf(metric, table.column(name), reader)
  );
  return {
    ...target,
    columns: paths.map(({ column }) => column),
    sources: paths.map(({ source }) => source),
    scales: paths.map(({ scale }) => scale),
    gauges: Object.keys(spec.metrics).filter((name) => spec.metrics[name]!.type === "gauge")
      .map((name) => table.column(name)),
    labels,
    arrays: [],
    slots: [],
    generations: [],
    written: [],
  };
}

/** From a number of the value to a column of the table. */
interface Path {
  readonly column: number;
  readonly source: number;
  readonly scale: number;
}

function pathsOf(metric: FieldMetric, column: number, reader: MapReader): Path[] {
  const source = reader.indexOf(metric.field);
  const { scale } = metric;
  if (metric.type !== "histogram") return [{ column, source, scale }];
  const { size, element = size } = reader.layout.value.fields[metric.field]!;
  const buckets = metric.bounds.length + 1;
  if (size / element !== buckets) {
    throw new TypeError(
      `Field "${metric.field}" of map "${reader.name}" has ${size / element} buckets, ` +
        `its bounds want ${buckets}`,
    );
  }
  const counts = Array.from({ length: buckets }, (_, i) => ({
    column: column + i,
    source: source + i,
    scale: 1,
  }));
  if (metric.sum === undefined) return counts;
  return [...counts, { column: column + buckets, source: reader.indexOf(metric.sum), scale }];
}
