// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Carries the rows of one BPF map into the tables over it. Labels are decoded once a key; keys that decode to the same
 * labels share a row, which shows their sum. A key whose rows expired is deleted from the map too.
 */
import { ByteIndex } from "../core/byte_index.ts";
import { KeyView, type LabelHost, type LabelReader } from "../core/labels.ts";
import type { FieldMetric, MapTable } from "../core/probe.ts";
import type { Table } from "../core/table.ts";
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
  /** Whether a label may change while its key stays, and by the number of the key: the labels shown. */
  readonly changes: boolean;
  readonly shown: (readonly string[])[];
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
  readonly #key: KeyView;
  readonly #value: KeyView;
  /** Position of the field that tells life, or -1. */
  readonly #alive: number;
  readonly #labels: LabelHost;
  /** By the number of the key: its last value, and the last reading that had the key. */
  readonly #lastAlive: number[] = [];
  readonly #lastSeen: number[] = [];
  #reading = 0;

  constructor(reader: MapReader, targets: readonly Target[], { alive, labels }: FeedOptions) {
    this.#labels = labels;
    this.#reader = reader;
    this.#sides = targets.map((target) => sideOf(target, reader));
    this.#index = new ByteIndex(reader.keySize);
    this.#key = new KeyView(reader.layout.key);
    this.#value = new KeyView(reader.layout.value);
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
      for (const side of this.#sides) {
        side.slots[number] = -1;
        side.shown[number] = [];
      }
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
      if (!this.#hasChanged(side, number, row)) {
        table.renew(slot, now);
        return slot;
      }
      return this.#make(side, number, side.shown[number]!, now);
    }
    if (!renew) return -1;
    const { only, labelReaders } = side.spec;
    if (only !== undefined) {
      const key = this.#key.at(row.keys, row.keyOffset);
      if (key.number(only.field) !== only.value) return -1;
    }
    const labels = labelReaders.map((label) => this.#read(label, row));
    if (side.changes) side.shown[number] = labels;
    return this.#make(side, number, labels, now);
  }

  /** The row with these labels is the key's from now on: the same as before unless the label that changed is a key. */
  #make(side: Side, number: number, labels: readonly string[], now: number): number {
    const { table, slots, generations } = side;
    const made = table.row(labels, now);
    slots[number] = made;
    if (made >= 0) generations[number] = table.generation(made);
    return made;
  }

  #read(label: LabelReader, row: Row, before?: string): string {
    const view = label.part === "value"
      ? this.#value.at(row.values, row.valueOffset)
      : this.#key.at(row.keys, row.keyOffset);
    return label.read(view, this.#labels, before);
  }

  /** Reads the labels again that may change. */
  #hasChanged(side: Side, number: number, row: Row): boolean {
    if (!side.changes) return false;
    const before = side.shown[number]!;
    const { labelReaders } = side.spec;
    let changed = false;
    for (let i = 0; i < labelReaders.length; i++) {
      const label = labelReaders[i]!;
      if (label.changes !== true) continue;
      const text = this.#read(label, row, before[i]);
      if (text === before[i]) continue;
      side.shown[number] = side.shown[number]!.map((old, at) => at === i ? text : old);
      changed = true;
    }
    return changed;
  }

  #write(side: Side, slot: number, numbers: Float64Array, lives: boolean): void {
    const { table, columns, sources, scales, written, gauges } = side;
    const again = written[slot] === this.#reading;
    written[slot] = this.#reading;
    for (let i = 0; i < columns.length; i++) {
      const value = numbers[sources[i]!]! * scales[i]!;
      if (again) table.add(slot, columns[i]!, value);
      else table.set(slot, columns[i]!, value);
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

function sideOf(target: Target, reader: MapReader): Side {
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
    changes: spec.labelReaders.some(({ changes }) => changes === true),
    shown: [],
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
