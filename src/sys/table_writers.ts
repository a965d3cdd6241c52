// SPDX-License-Identifier: MulanPSL-2.0
/** The tables of a probe that makes its rows itself: adds them to the store, and gives what rows are written with. */
import type { RowWriter } from "../core/probe.ts";
import type { Store } from "../core/store.ts";
import type { Table, TableSpec } from "../core/table.ts";

export class TableWriters {
  /** By name. Rows of those that are switched off go nowhere. */
  readonly tables: Readonly<Record<string, RowWriter>>;
  readonly #writers: TableWriter[] = [];
  readonly #store: Store;

  /** Throws what the store throws; then it holds none of them. */
  constructor(
    store: Store,
    probe: string,
    specs: Readonly<Record<string, TableSpec>>,
    off: ReadonlySet<string>,
  ) {
    this.#store = store;
    const tables: Record<string, RowWriter> = {};
    try {
      for (const [name, spec] of Object.entries(specs)) {
        tables[name] = off.has(name) ? NOWHERE : this.#add(store.add(name, probe, spec));
      }
    } catch (error) {
      this.remove();
      throw error;
    }
    this.tables = tables;
  }

  /** Rows are written at this time from now on. */
  begin(now: number): void {
    for (const writer of this.#writers) writer.begin(now);
  }

  remove(): void {
    for (const { table } of this.#writers) this.#store.remove(table);
    this.#writers.length = 0;
  }

  #add(table: Table): RowWriter {
    const writer = new TableWriter(table);
    this.#writers.push(writer);
    return writer;
  }
}

class TableWriter implements RowWriter {
  readonly #columns: number;
  #slot = -1;
  #now = 0;

  constructor(readonly table: Table) {
    this.#columns = table.columns;
  }

  begin(now: number): void {
    this.#now = now;
    this.#slot = -1;
  }

  row(...values: readonly string[]): this {
    const { table } = this;
    const slot = table.row(values, this.#now);
    this.#slot = slot;
    if (slot >= 0) {
      // A row that is renewed must not show an old number for one that is not known any more.
      for (let column = 0; column < this.#columns; column++) table.set(slot, column, NaN);
    }
    return this;
  }

  set(metric: string, value: number): this {
    if (this.#slot >= 0) this.table.set(this.#slot, this.table.column(metric), value);
    return this;
  }

  histogram(metric: string, counts: ArrayLike<number>, sum: number): this {
    if (this.#slot < 0) return this;
    const first = this.table.column(metric);
    for (let i = 0; i < counts.length; i++) this.table.set(this.#slot, first + i, counts[i]!);
    this.table.set(this.#slot, first + counts.length, sum);
    return this;
  }

  place(values: readonly string[], before: number): number {
    return this.table.place(values, this.#now, before);
  }

  fill(metric: string, places: Int32Array, numbers: Float64Array, count: number): void {
    this.table.fill(this.table.column(metric), places, numbers, count);
  }
}

const NOWHERE: RowWriter = {
  row: () => NOWHERE,
  set: () => NOWHERE,
  histogram: () => NOWHERE,
  place: () => -1,
  fill: () => {},
};
