// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The in-memory store of one table: rows found by their key, numbers in columns, label text made once a row.
 *
 * A row keeps its slot for life, so a reader may walk the slots in several steps; a slot is given back only by
 * `sweep`, which the store holds off while a reader is at work. Memory: 8 bytes x metrics + label text, a row.
 */
import type { EventRule } from "./event.ts";

export type NumberType = "counter" | "gauge";
export type MetricType = NumberType | "histogram";

interface MetricBase {
  /** One sentence for HELP. */
  readonly help: string;
  /** `bytes`, `seconds`, `us`, `count` ...: the unit of the exported number. */
  readonly unit: string;
  /** When its value is an event. */
  readonly event?: EventRule;
}

/** A metric of one column. Its value is a 64-bit float; NaN stands for "not known" and is not exported. */
export interface NumberSpec extends MetricBase {
  readonly type: NumberType;
}

/**
 * How often a value was in which range. Its columns: a count for each bound (of values up to it and above the one
 * before, not cumulative), a count of values above the last bound, and the sum of all values, which may be NaN.
 */
export interface HistogramSpec extends MetricBase {
  readonly type: "histogram";
  /** Upper bounds, included, ascending and finite. */
  readonly bounds: readonly number[];
}

export type MetricSpec = NumberSpec | HistogramSpec;

/** Columns of a metric, which stand side by side. */
export function columnsOf(metric: MetricSpec): number {
  return metric.type === "histogram" ? metric.bounds.length + 2 : 1;
}

/** What a table is, wherever its rows come from. */
export interface TableSpec {
  /** The thing a row describes; metric names are `gala_gopher_<entity>_<metric>`. */
  readonly entity: string;
  readonly version: string;
  /** Labels that identify a row. Empty: the table has one row. */
  readonly keys: readonly string[];
  /** Labels that are shown but do not identify. */
  readonly labels: readonly string[];
  /** So many of the first labels tell rows apart too: the original shows several rows under one key. */
  readonly distinct?: number;
  readonly metrics: Readonly<Record<string, MetricSpec>>;
  /** All fields as they were declared, where labels and metrics are mixed. */
  readonly fields?: readonly string[];
  /** A value that one of its keys has in all rows: tables with other marks may have metrics and labels of the same names. */
  readonly mark?: string;
}

export interface TableLimits {
  /** Rows; a row beyond is dropped and counted. */
  readonly maxRows: number;
  /** Labels that every row carries, last. */
  readonly constantLabels: Readonly<Record<string, string>>;
}

const INITIAL_ROWS = 16;
const encoder = new TextEncoder();

/** Renders `{a="b",c="d"}` with the escapes of the text format; a label with an empty value is left out. */
export function renderLabels(names: readonly string[], values: readonly string[]): string {
  let text = "";
  for (let i = 0; i < names.length; i++) {
    const value = values[i]!;
    if (value === "") continue;
    text += `${text === "" ? "{" : ","}${names[i]}="${escapeLabel(value)}"`;
  }
  return text === "" ? "" : `${text}}`;
}

const ESCAPED_REGEXP = /[\\"\n]/;

function escapeLabel(value: string): string {
  if (!ESCAPED_REGEXP.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

export class Table {
  readonly metricNames: readonly string[];
  /** Numbers that a row holds. */
  readonly columns: number;
  /** Rows that did not fit. */
  dropped = 0;
  /** Rows that were not renewed in time. */
  expired = 0;
  /** Grows with every written row: a reader can tell whether anything is new. */
  version = 0;

  readonly #maxRows: number;
  /** Values that identify a row. */
  readonly #identifying: number;
  readonly #labelNames: readonly string[];
  readonly #constantValues: readonly string[];
  readonly #columnOf: ReadonlyMap<string, number>;
  readonly #slotOf = new Map<string, number>();
  readonly #free: number[] = [];
  #columns: Float64Array[];
  /** When the row was last renewed, in ms of the caller's monotonic clock; NaN marks a slot without row. */
  #renewed: Float64Array;
  /** Counts how often the slot was given back: tells its present row from an earlier one. */
  readonly #generations: number[] = [];
  #identity: string[] = [];
  /** What `#text` was made of. */
  #shown: (readonly string[] | undefined)[] = [];
  #text: Uint8Array[] = [];
  /** What `place` was given. */
  readonly #given: (readonly string[] | undefined)[] = [];
  #used = 0;

  constructor(
    readonly name: string,
    readonly probe: string,
    readonly spec: TableSpec,
    limits: TableLimits,
  ) {
    this.#maxRows = limits.maxRows;
    this.#identifying = spec.keys.length + (spec.distinct ?? 0);
    const own = new Set([...spec.keys, ...spec.labels]);
    const constants = Object.entries(limits.constantLabels).filter(([label]) => !own.has(label));
    this.#labelNames = [...spec.keys, ...spec.labels, ...constants.map(([label]) => label)];
    this.#constantValues = constants.map(([, value]) => value);
    this.metricNames = Object.keys(spec.metrics);
    let columns = 0;
    const columnOf = new Map<string, number>();
    for (const [metric, metricSpec] of Object.entries(spec.metrics)) {
      columnOf.set(metric, columns);
      columns += columnsOf(metricSpec);
    }
    this.#columnOf = columnOf;
    this.columns = columns;
    const rows = Math.min(INITIAL_ROWS, limits.maxRows);
    this.#columns = newColumns(columns, rows);
    this.#renewed = new Float64Array(rows).fill(NaN);
  }

  /** Rows now held. */
  get rows(): number {
    return this.#slotOf.size;
  }

  /** Slots to walk: 0 to `slots` - 1, of which those are rows for which `isRow` is true. */
  get slots(): number {
    return this.#used;
  }

  isRow(slot: number): boolean {
    return !Number.isNaN(this.#renewed[slot]!);
  }

  /** The metric's column; of a histogram the first. */
  column(metric: string): number {
    const column = this.#columnOf.get(metric);
    if (column === undefined) throw new TypeError(`Table "${this.name}" has no metric "${metric}"`);
    return column;
  }

  /**
   * Slot of the row with these key and label values (in the order of the spec), made if it is new and renewed.
   * -1: the table is full, and the row was counted as dropped.
   */
  row(values: readonly string[], now: number): number {
    const identity = this.#identityOf(values);
    let slot = this.#slotOf.get(identity);
    if (slot === undefined) {
      slot = this.#take();
      if (slot < 0) return slot;
      this.#slotOf.set(identity, slot);
      this.#identity[slot] = identity;
      this.#show(slot, values);
      for (const column of this.#columns) column[slot] = NaN;
    } else if (this.spec.labels.length > 0) {
      this.#show(slot, values);
    }
    this.renew(slot, now);
    return slot;
  }

  /** As `row`, quicker when it gave `before` for the very same values. */
  place(values: readonly string[], now: number, before: number): number {
    if (this.#given[before] === values) {
      this.renew(before, now);
      return before;
    }
    const slot = this.row(values, now);
    if (slot >= 0) this.#given[slot] = values;
    return slot;
  }

  renew(slot: number, now: number): void {
    this.#renewed[slot] = now;
    this.version++;
  }

  /** The row goes at the next sweep, unless it is renewed. */
  expire(slot: number): void {
    this.#renewed[slot] = -Infinity;
  }

  renewedAt(slot: number): number {
    return this.#renewed[slot]!;
  }

  /** Changes when the slot is given to another row. */
  generation(slot: number): number {
    return this.#generations[slot] ?? 0;
  }

  set(slot: number, column: number, value: number): void {
    this.#columns[column]![slot] = value;
  }

  add(slot: number, column: number, value: number): void {
    this.#columns[column]![slot]! += value;
  }

  /** Sets a column of the first `count` of these slots; those below 0 are none. */
  fill(column: number, slots: Int32Array, numbers: Float64Array, count: number): void {
    const values = this.#columns[column]!;
    for (let i = 0; i < count; i++) {
      const slot = slots[i]!;
      if (slot >= 0) values[slot] = numbers[i]!;
    }
  }

  get(slot: number, column: number): number {
    return this.#columns[column]![slot]!;
  }

  /** The column itself, for readers that walk it; longer than `slots`, and replaced when the table grows. */
  values(column: number): Float64Array {
    return this.#columns[column]!;
  }

  /** Rendered labels of a row as UTF-8: `{cpu="0",machine_id="..."}`. */
  labelText(slot: number): Uint8Array {
    return this.#text[slot]!;
  }

  /** Values of keys and labels of a row, in the order of the spec; "" where there is none. */
  labelsOf(slot: number): readonly string[] {
    return this.#shown[slot]!;
  }

  /** How many different values each key has among the rows: the largest is what fills the table. */
  labelValues(): Record<string, number> {
    const seen = this.spec.keys.map(() => new Set<string>());
    for (const identity of this.#slotOf.keys()) {
      identity.split("\0").forEach((value, i) => seen[i]?.add(value));
    }
    return Object.fromEntries(this.spec.keys.map((key, i) => [key, seen[i]!.size]));
  }

  /** Removes rows last renewed before `deadline`. Only while no reader walks the slots. */
  sweep(deadline: number): void {
    for (let slot = 0; slot < this.#used; slot++) {
      if (this.#renewed[slot]! < deadline) {
        this.remove(slot);
        this.expired++;
      }
    }
  }

  /** Gives the row's slot back. Only while no reader walks the slots. */
  remove(slot: number): void {
    this.#slotOf.delete(this.#identity[slot]!);
    this.#renewed[slot] = NaN;
    this.#generations[slot] = this.generation(slot) + 1;
    this.#identity[slot] = "";
    this.#shown[slot] = undefined;
    this.#given[slot] = undefined;
    this.#free.push(slot);
    this.version++;
  }

  /** Key values joined by NUL, which no value may contain: two rows never share an identity. */
  #identityOf(values: readonly string[]): string {
    const labels = this.spec.keys.length + this.spec.labels.length;
    if (values.length !== labels) {
      throw new TypeError(`Table "${this.name}" takes ${labels} labels, got ${values.length}`);
    }
    if (this.#identifying === 0) return "";
    let identity = clean(values[0]!);
    for (let i = 1; i < this.#identifying; i++) identity += `\0${clean(values[i]!)}`;
    return identity;
  }

  #show(slot: number, values: readonly string[]): void {
    this.#given[slot] = undefined;
    const shown = this.#shown[slot];
    if (shown !== undefined && sameTexts(shown, values)) return;
    this.#shown[slot] = values.map(clean);
    const text = renderLabels(this.#labelNames, [...values, ...this.#constantValues]);
    this.#text[slot] = encoder.encode(text);
  }

  #take(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#used === this.#renewed.length && !this.#grow()) {
      this.dropped++;
      return -1;
    }
    return this.#used++;
  }

  #grow(): boolean {
    const rows = Math.min(this.#used * 2, this.#maxRows);
    if (rows <= this.#used) return false;
    const columns = newColumns(this.columns, rows);
    this.#columns.forEach((old, i) => columns[i]!.set(old));
    this.#columns = columns;
    const renewed = new Float64Array(rows).fill(NaN);
    renewed.set(this.#renewed);
    this.#renewed = renewed;
    return true;
  }
}

/** In one piece of memory: another one for each would be as large again as its few rows. */
function newColumns(columns: number, rows: number): Float64Array[] {
  const numbers = new Float64Array(columns * rows);
  return Array.from({ length: columns }, (_, i) => numbers.subarray(i * rows, (i + 1) * rows));
}

function clean(value: string): string {
  return value.includes("\0") ? value.replaceAll("\0", "\uFFFD") : value;
}

/** Quick for the very same texts, which a probe that keeps its labels gives. */
function sameTexts(one: readonly string[], other: readonly string[]): boolean {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
