// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Carries the rows of one BPF map into the tables over it. Labels are decoded once a key; keys that decode to the same
 * labels share a row, which shows their sum. A key whose rows expired is deleted from the map too.
 */
import { ByteIndex } from "../core/byte_index.ts";
import { KeyView, type LabelReader } from "../core/labels.ts";
import type { FieldMetric, MapTable } from "../core/probe.ts";
import type { Table } from "../core/table.ts";
import type { MapReader, Row } from "./table_reader.ts";

export interface Target {
  readonly spec: MapTable;
  readonly table: Table;
}

/** One table's side of the feed. Arrays are by the number of the key. */
interface Side extends Target {
  /** Numbers that the key must have. */
  readonly wanted: readonly (readonly [field: string, number: number])[];
  readonly columns: readonly number[];
  /** Positions in `Row.numbers`. */
  readonly sources: readonly number[];
  readonly scales: readonly number[];
  /** Readers of labels in the value, which may change, and by the number of the key what they read. */
  readonly changing: readonly LabelReader[];
  readonly shown: string[];
  readonly slots: number[];
  readonly generations: number[];
  /** By slot: the reading that wrote it last. */
  readonly written: number[];
}

export class MapFeed {
  readonly #reader: MapReader;
  readonly #sides: readonly Side[];
  readonly #index: ByteIndex;
  readonly #key: KeyView;
  readonly #value: KeyView;
  /** Position of the field that tells life, or -1. */
  readonly #alive: number;
  /** By the number of the key: its last value, and the last reading that had the key. */
  readonly #lastAlive: number[] = [];
  readonly #lastSeen: number[] = [];
  #reading = 0;

  /** `alive`: the numeric field that changes while the row's thing lives; in a map without it, being there is life. */
  constructor(reader: MapReader, targets: readonly Target[], alive?: string) {
    this.#reader = reader;
    this.#sides = targets.map((target) => sideOf(target, reader));
    this.#index = new ByteIndex(reader.keySize);
    this.#key = new KeyView(reader.layout.key);
    this.#value = new KeyView(reader.layout.value);
    const told = alive !== undefined && Object.hasOwn(reader.layout.value.fields, alive);
    this.#alive = told ? reader.indexOf(alive) : -1;
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
      for (const side of this.#sides) side.slots[number] = -1;
    }
    this.#lastSeen[number] = this.#reading;
    const alive = this.#alive < 0 ? this.#reading : row.numbers[this.#alive]!;
    const renew = alive !== this.#lastAlive[number];
    this.#lastAlive[number] = alive;
    for (const side of this.#sides) {
      const slot = this.#slot(side, number, renew, row, now);
      if (slot >= 0) this.#write(side, slot, row.numbers);
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
    } else {
      if (!renew || !this.#isWanted(side, row)) return -1;
      this.#hasChanged(side, number, row);
    }
    const made = table.row(this.#labels(side, row), now);
    slots[number] = made;
    if (made >= 0) generations[number] = table.generation(made);
    return made;
  }

  #labels({ spec }: Side, row: Row): string[] {
    const key = this.#key.at(row.keys, row.keyOffset);
    const value = this.#value.at(row.values, row.valueOffset);
    return spec.labelReaders.map((label) => label.read(label.part === "value" ? value : key));
  }

  /** Whether labels in the value are not what they were; notes what they are. */
  #hasChanged({ changing, shown }: Side, number: number, row: Row): boolean {
    if (changing.length === 0) return false;
    const value = this.#value.at(row.values, row.valueOffset);
    const text = changing.map((label) => label.read(value)).join("\0");
    if (text === shown[number]) return false;
    shown[number] = text;
    return true;
  }

  #isWanted({ wanted }: Side, row: Row): boolean {
    if (wanted.length === 0) return true;
    const key = this.#key.at(row.keys, row.keyOffset);
    return wanted.every(([field, number]) => key.number(field) === number);
  }

  #write({ table, columns, sources, scales, written }: Side, slot: number, numbers: Float64Array) {
    const again = written[slot] === this.#reading;
    written[slot] = this.#reading;
    for (let i = 0; i < columns.length; i++) {
      const value = numbers[sources[i]!]! * scales[i]!;
      if (again) table.add(slot, columns[i]!, value);
      else table.set(slot, columns[i]!, value);
    }
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
    wanted: Object.entries(spec.where ?? {}),
    changing: spec.labelReaders.filter(({ part }) => part === "value"),
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
