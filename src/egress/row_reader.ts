// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Rows of the store that changed since the last reading, with counters and histograms as their increase since then.
 *
 * The first reading of a table only remembers where its counters stand: what they had before is nobody's increase.
 * A table without counters is read at once. Memory: 16 bytes, and 16 for each counter, a row.
 */
import { setImmediate } from "node:timers/promises";
import type { Store } from "../core/store.ts";
import { columnsOf, type Table } from "../core/table.ts";

/** Some rows of one table. Valid until the visitor returns. */
export interface ChangedRows {
  readonly table: Table;
  readonly slots: Int32Array;
  /** The columns of the table, each indexed by slot. */
  readonly columns: readonly Float64Array[];
}

interface TableState {
  /** When the row was renewed as it was last read. */
  renewed: Float64Array;
  generations: Float64Array;
  /** For counters and histograms only: the total as last read, and the increase up to then. */
  totals: readonly (Float64Array | undefined)[];
  increases: readonly (Float64Array | undefined)[];
  first: boolean;
}

/** Rows between two looks at the clock. */
const CHUNK_ROWS = 512;
/** Other work waits about this long. */
const SLICE_MS = 4;

export class RowReader {
  readonly #store: Store;
  readonly #wanted: (table: Table) => boolean;
  readonly #states = new WeakMap<Table, TableState>();
  readonly #slots = new Int32Array(CHUNK_ROWS);

  constructor(store: Store, wanted: (table: Table) => boolean = () => true) {
    this.#store = store;
    this.#wanted = wanted;
  }

  /** Shows all changed rows to `visit`, and waits for it. One reading must be over before the next begins. */
  async read(visit: (rows: ChangedRows) => void | Promise<void>): Promise<void> {
    using _ = this.#store.read();
    let sliceEnd = performance.now() + SLICE_MS;
    for (const table of [...this.#store.tables]) {
      if (!this.#wanted(table)) continue;
      const state = this.#stateOf(table);
      for (let from = 0; from < table.slots; from += CHUNK_ROWS) {
        const rows = readChunk(table, state, from, this.#slots);
        if (rows !== undefined && !state.first) await visit(rows);
        if (performance.now() < sliceEnd) continue;
        await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
      state.first = false;
    }
  }

  #stateOf(table: Table): TableState {
    let state = this.#states.get(table);
    if (state === undefined) {
      const counters = table.metricNames.flatMap((name) => {
        const metric = table.spec.metrics[name]!;
        return Array<boolean>(columnsOf(metric)).fill(metric.type !== "gauge");
      });
      const column = (isCounter: boolean) => isCounter ? new Float64Array() : undefined;
      state = {
        renewed: new Float64Array(),
        generations: new Float64Array(),
        totals: counters.map(column),
        increases: counters.map(column),
        first: counters.includes(true),
      };
      this.#states.set(table, state);
    }
    return state;
  }
}

function readChunk(
  table: Table,
  state: TableState,
  from: number,
  slots: Int32Array,
): ChangedRows | undefined {
  const end = Math.min(from + CHUNK_ROWS, table.slots);
  if (end > state.renewed.length) grow(state, Math.max(end, state.renewed.length * 2));
  const { renewed, generations } = state;
  let count = 0;
  for (let slot = from; slot < end; slot++) {
    const now = table.renewedAt(slot);
    if (Number.isNaN(now)) continue;
    const generation = table.generation(slot);
    const isNew = generation !== generations[slot];
    if (!isNew && now === renewed[slot]) continue;
    if (isNew) forget(state, slot);
    renewed[slot] = now;
    generations[slot] = generation;
    slots[count++] = slot;
  }
  if (count === 0) return undefined;
  const changed = slots.subarray(0, count);
  const columns = state.totals.map((totals, i) =>
    totals === undefined
      ? table.values(i)
      : increase(table.values(i), totals, state.increases[i]!, changed)
  );
  return { table, slots: changed, columns };
}

/** A total that went back has begun anew. */
function increase(
  values: Float64Array,
  totals: Float64Array,
  increases: Float64Array,
  slots: Int32Array,
): Float64Array {
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]!;
    const value = values[slot]!;
    const total = totals[slot]!;
    increases[slot] = value >= total ? value - total : value;
    if (!Number.isNaN(value)) totals[slot] = value;
  }
  return increases;
}

function forget(state: TableState, slot: number): void {
  for (const column of state.totals) if (column !== undefined) column[slot] = 0;
}

function grow(state: TableState, rows: number): void {
  const larger = <Column extends Float64Array | undefined>(old: Column, fill: number) => {
    if (old === undefined) return undefined;
    const grown = new Float64Array(rows).fill(fill);
    grown.set(old);
    return grown;
  };
  state.renewed = larger(state.renewed, NaN)!;
  state.generations = larger(state.generations, NaN)!;
  state.totals = state.totals.map((column) => larger(column, 0));
  state.increases = state.increases.map((column) => larger(column, NaN));
}
