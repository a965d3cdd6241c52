// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Reads what an external probe prints: rows (`|table|field|...|`) into tables, event and log lines to handlers.
 *
 * A bad line never harms the good ones around it: it is counted, shown in `refusals`, and changes no table.
 * Strict as the original's master version; on request missing fields at the end are "not known", as in its v1.
 */
import type { Table } from "../core/table.ts";
import { type LineHistogram, readHistogram } from "./histogram_field.ts";
import type { IngestTable } from "./ingest_table.ts";
import { BAD_NUMBER, readNumber } from "./line_number.ts";
import { LineSplitter, MAX_LINE_BYTES } from "./line_splitter.ts";
import { type ExternalColumn, MAX_TABLE_NAME } from "./meta.ts";
import { isRecord, type RecordKind } from "./event_line.ts";
import { type RefusalReason, Refusals } from "./refusals.ts";
import { RowMemo } from "./row_memo.ts";

const BAR = 124;
const TAB = 9;
const SPACE = 32;
const DELETE = 127;
const NON_ASCII = 128;

const IGNORED = 0;
const LABEL = 1;
const METRIC = 2;
const HISTOGRAM = 3;

/** Below this, adding characters one by one beats a call of the decoder (measured: 30 against 300 ns). */
const SHORT_BYTES = 64;

const NULL_TEXT = "(null)";

export interface LineReaderHandlers {
  /** An event or log record in the original's format, still to be read. */
  record(kind: RecordKind, line: string): void;
  /** A line that is no record: the probe's own log. */
  text(bytes: Uint8Array): void;
  /** A row was written to this slot. */
  row?(table: Table, slot: number): void;
  /** The container of the process that a row names; empty for none. */
  containerOf?(pid: string): string;
  /** The table of a line that names none of those known so far, for probes whose tables stand in a common folder. */
  table?(name: string): IngestTable | undefined;
}

export interface LineReaderOptions {
  /** Takes lines whose last fields are missing. */
  readonly shortLines?: boolean;
  /** Where refused lines are counted; by default in a place of its own. */
  readonly refusals?: Refusals;
}

/** A histogram's columns, and what the current line has for it; undefined: nothing. */
interface HistogramPlace {
  readonly name: string;
  readonly bounds: readonly number[];
  readonly column: number;
  readonly maxColumn: number;
  read: LineHistogram | undefined;
}

/** IngestTable in the form that the hot path wants. */
interface Target {
  readonly name: Uint8Array;
  readonly source: IngestTable;
  readonly table: Table;
  /** IGNORED, LABEL, METRIC or HISTOGRAM for each field of a line. */
  readonly kinds: Uint8Array;
  /** Position in `labels`, a column of the table or a position in `histograms`. */
  readonly indexes: Uint16Array;
  readonly histograms: readonly HistogramPlace[];
  /** A line must have at least this many fields: up to its last key. */
  readonly needed: number;
  readonly fieldNames: readonly string[];
  readonly labels: string[];
  /** Fields at the start that are all the keys and labels there are; 0: they stand elsewhere, or are not all used. */
  readonly leading: number;
  readonly memo: RowMemo;
  /** By column. */
  readonly numbers: Float64Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const RECORD_KINDS = { event: encoder.encode("event"), log: encoder.encode("log") };

export class LineReader {
  readonly refusals: Refusals;
  /** Lines that came, good and bad. */
  lines = 0;
  /** Rows written, event and log records, and lines of text. */
  rows = 0;
  records = 0;
  texts = 0;

  readonly #splitter: LineSplitter;
  readonly #handlers: LineReaderHandlers;
  readonly #shortLines: boolean;
  readonly #targets: Target[];
  /** The last line's table: most probes print one table's rows in a run. */
  #target: Target | undefined;
  /** Where the fields of the current line end, from the line's start. */
  readonly #ends = new Uint16Array(MAX_LINE_BYTES + 1);
  #ascii = true;
  #now = 0;

  constructor(
    tables: readonly IngestTable[],
    handlers: LineReaderHandlers,
    { shortLines = false, refusals = new Refusals() }: LineReaderOptions = {},
  ) {
    this.#handlers = handlers;
    this.#shortLines = shortLines;
    this.refusals = refusals;
    this.#targets = tables.map(targetOf);
    const refuseAs = (reason: RefusalReason) => (bytes: Uint8Array, start: number, end: number) => {
      this.lines++;
      this.refusals.refuse(reason, bytes, start, end);
    };
    this.#splitter = new LineSplitter({
      line: (bytes, start, end) => this.#line(bytes, start, end),
      tooLong: refuseAs("too_long"),
      unfinished: refuseAs("unfinished"),
    });
  }

  /** Takes the next bytes of the output; `now` is monotonic, in ms. */
  feed(chunk: Uint8Array, now: number): void {
    this.#now = now;
    this.#splitter.feed(chunk);
  }

  /** The output has ended. */
  end(): void {
    this.#splitter.end();
  }

  #line(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.lines++;
    const fields = this.#scan(bytes, start, end);
    if (fields < 0) return;
    if (bytes[start] !== BAR) {
      this.texts++;
      this.#handlers.text(bytes.subarray(start, end));
      return;
    }
    const nameStart = start + 1;
    const nameEnd = start + this.#ends[1]!;
    const target = this.#find(bytes, nameStart, nameEnd);
    if (target !== undefined) {
      this.#row(target, fields, bytes, start, end);
      return;
    }
    for (const kind of ["event", "log"] as const) {
      if (!equals(RECORD_KINDS[kind], bytes, nameStart, nameEnd)) continue;
      this.#record(kind, bytes, start, end);
      return;
    }
    this.refusals.refuse("unknown_table", bytes, start, end);
  }

  #record(kind: RecordKind, bytes: Uint8Array, start: number, end: number): void {
    const line = decoder.decode(bytes.subarray(start, end));
    if (!isRecord(kind, line)) {
      this.refusals.refuse(kind === "event" ? "bad_event" : "bad_log", bytes, start, end);
      return;
    }
    this.records++;
    this.#handlers.record(kind, line);
  }

  /**
   * Notes where fields end and looks at every byte once. Returns the number of fields after the table's name,
   * without the empty one behind a closing bar; -1 for a line that is binary, which is refused.
   */
  #scan(bytes: Uint8Array, start: number, end: number): number {
    const ends = this.#ends;
    let count = 0;
    let high = 0;
    let control = -1;
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === BAR) ends[count++] = at - start;
      else if (byte < SPACE ? byte !== TAB : byte === DELETE) control = control === 0 ? 0 : byte;
      high |= byte;
    }
    // The colours of a log line are no reason to lose it; a NUL is one everywhere.
    if (control === 0 || (control > 0 && bytes[start] === BAR)) {
      this.refusals.refuse(control === 0 ? "nul" : "control_character", bytes, start, end);
      return -1;
    }
    this.#ascii = high < NON_ASCII;
    if (!this.#ascii && !isUtf8(bytes.subarray(start, end))) {
      this.refusals.refuse("not_utf8", bytes, start, end);
      return -1;
    }
    if (bytes[start] !== BAR) return 0;
    if (bytes[end - 1] !== BAR || count === 1) ends[count++] = end - start;
    return count - 2;
  }

  #find(bytes: Uint8Array, start: number, end: number): Target | undefined {
    if (this.#target !== undefined && equals(this.#target.name, bytes, start, end)) {
      return this.#target;
    }
    const found = this.#targets.find(({ name }) => equals(name, bytes, start, end)) ??
      this.#findElsewhere(bytes, start, end);
    if (found !== undefined) this.#target = found;
    return found;
  }

  #findElsewhere(bytes: Uint8Array, start: number, end: number): Target | undefined {
    if (this.#handlers.table === undefined || end - start > MAX_TABLE_NAME) return undefined;
    const table = this.#handlers.table(decoder.decode(bytes.subarray(start, end)));
    if (table === undefined) return undefined;
    const target = targetOf(table);
    this.#targets.push(target);
    return target;
  }

  #row(target: Target, count: number, bytes: Uint8Array, start: number, end: number): void {
    const { leading, memo } = target;
    const known = leading > 0 && leading <= count
      ? memo.find(bytes, start + this.#ends[1]! + 1, start + this.#ends[leading + 1]!)
      : -1;
    const problem = this.#readFields(target, count, bytes, start, known < 0 ? 0 : leading);
    if (problem !== undefined) {
      this.refusals.refuse(problem.reason, bytes, start, end, problem.field);
      return;
    }
    const misfit = target.histograms.find((place) => !fits(place));
    if (misfit !== undefined && misfit.bounds.length > 0) {
      this.refusals.refuse("other_bounds", bytes, start, end, misfit.name);
      return;
    }
    if (misfit !== undefined) {
      // Another table begins, which wants the texts.
      if (known >= 0) this.#readFields(target, count, bytes, start, 0);
      this.#write(this.#respec(target), -1);
      return;
    }
    const slot = this.#write(target, known);
    if (known < 0 && slot >= 0 && leading > 0 && leading <= count) {
      memo.remember(slot, bytes, start + this.#ends[1]! + 1, start + this.#ends[leading + 1]!);
    }
  }

  /** A histogram's bounds have become known: the same with a table that has their columns. */
  #respec(target: Target): Target {
    const { source, histograms, labels, table } = target;
    const metrics = { ...table.spec.metrics };
    for (const { name, read, bounds } of histograms) {
      const { help, unit } = metrics[name]!;
      metrics[name] = { type: "histogram", help, unit, bounds: read?.bounds ?? bounds };
    }
    source.respec({ ...table.spec, metrics });
    const next = targetOf(source);
    next.labels.splice(0, labels.length, ...labels);
    for (const metric of table.metricNames) {
      next.numbers[next.table.column(metric)] = target.numbers[table.column(metric)]!;
    }
    histograms.forEach(({ read }, i) => next.histograms[i]!.read = read);
    this.#targets[this.#targets.indexOf(target)] = next;
    this.#target = next;
    return next;
  }

  /** Gives the slot; -1 where the table is full. `known`: the slot, if the line's labels are those that stand there. */
  #write(target: Target, known: number): number {
    const { table, source: { container }, numbers, histograms, labels } = target;
    for (const place of histograms) spread(place, numbers);
    if (container !== undefined && this.#handlers.containerOf !== undefined) {
      labels[container.container] = this.#handlers.containerOf(labels[container.process]!);
    }
    let slot = known;
    if (slot < 0) slot = table.row(labels, this.#now);
    else table.renew(slot, this.#now);
    if (slot < 0) return slot;
    for (let i = 0; i < numbers.length; i++) table.set(slot, i, numbers[i]!);
    this.rows++;
    this.#handlers.row?.(table, slot);
    return slot;
  }

  /** Fills the target's labels and numbers from field `first` on, or says what is wrong with the line. */
  #readFields(target: Target, count: number, bytes: Uint8Array, start: number, first: number) {
    const { kinds, indexes, numbers, labels } = target;
    const ends = this.#ends;
    if (count < kinds.length && (!this.#shortLines || count < target.needed)) {
      return { reason: "too_few_fields", field: target.fieldNames[count]! } as const;
    }
    // Field 0 ends at ends[2]: before it stand the first bar and the bar behind the table's name.
    for (let i = kinds.length; i < count; i++) {
      if (ends[i + 2]! - ends[i + 1]! > 1) return { reason: "too_many_fields" } as const;
    }
    const empty = count === 0 || ends[2]! - ends[1]! <= 1;
    if (empty) return { reason: "empty_first_field", field: target.fieldNames[0]! } as const;
    for (let i = first; i < kinds.length; i++) {
      const kind = kinds[i]!;
      if (kind === IGNORED) continue;
      const index = indexes[i]!;
      const from = start + ends[i + 1]! + 1;
      const to = i < count ? start + ends[i + 2]! : from;
      if (kind === METRIC) {
        const value = i < count ? readNumber(bytes, from, to) : NaN;
        if (value === BAD_NUMBER) {
          return { reason: "bad_number", field: target.fieldNames[i]! } as const;
        }
        numbers[index] = value;
      } else if (kind === HISTOGRAM) {
        const text = i < count ? this.#text(bytes, from, to) : "";
        const read = text === "" ? undefined : readHistogram(text);
        if (text !== "" && read === undefined) {
          return { reason: "bad_histogram", field: target.fieldNames[i]! } as const;
        }
        target.histograms[index]!.read = read;
      } else {
        const text = i < count ? this.#text(bytes, from, to) : "";
        if (i === 0 && text === "") {
          return { reason: "empty_first_field", field: target.fieldNames[0]! } as const;
        }
        labels[index] = text;
      }
    }
    return undefined;
  }

  #text(bytes: Uint8Array, start: number, end: number): string {
    let text = "";
    if (this.#ascii && end - start <= SHORT_BYTES) {
      for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
    } else {
      text = decoder.decode(bytes.subarray(start, end));
    }
    return text === NULL_TEXT ? "" : text;
  }
}

/** Whether the table has columns for the bounds that were read. */
function fits({ read, bounds }: HistogramPlace): boolean {
  if (read === undefined) return true;
  return read.bounds.length === bounds.length && read.bounds.every((it, i) => it === bounds[i]);
}

/** Writes what was read of a histogram to its columns. The original counts nothing above the last bound. */
function spread({ read, column, maxColumn, bounds }: HistogramPlace, numbers: Float64Array): void {
  const sumColumn = column + bounds.length + 1;
  numbers.fill(read === undefined ? NaN : 0, column, sumColumn);
  if (read !== undefined) numbers.set(read.counts, column);
  numbers[sumColumn] = read?.sum ?? NaN;
  if (maxColumn >= 0) numbers[maxColumn] = read?.max ?? NaN;
}

const KINDS: Readonly<Record<ExternalColumn["kind"], number>> = {
  key: LABEL,
  label: LABEL,
  metric: METRIC,
  histogram: HISTOGRAM,
  ignored: IGNORED,
};

function targetOf(source: IngestTable): Target {
  const { table, columns } = source;
  const fields = new Set(columns.map(({ name }) => name));
  const histograms = columns.filter(({ kind }) => kind === "histogram")
    .map(({ name }) => placeOf(table, name, !fields.has(`${name}_max`)));
  const indexOf = (column: ExternalColumn): number => {
    switch (column.kind) {
      case "ignored":
        return 0;
      case "metric":
        return table.column(column.name);
      case "histogram":
        return histograms.findIndex(({ name }) => name === column.name);
      default:
        return column.index;
    }
  };
  const kinds = Uint8Array.from(columns, ({ kind }) => KINDS[kind]);
  const labels = kinds.filter((kind) => kind === LABEL).length;
  const inFront = source.container === undefined && kinds.lastIndexOf(LABEL) === labels - 1;
  return {
    name: encoder.encode(table.name),
    source,
    table,
    leading: inFront ? labels : 0,
    memo: new RowMemo(table),
    kinds,
    indexes: Uint16Array.from(columns, indexOf),
    histograms,
    needed: columns.findLastIndex(({ kind }) => kind === "key") + 1,
    fieldNames: columns.map(({ name }) => name),
    labels: [...table.spec.keys, ...table.spec.labels].fill(""),
    numbers: new Float64Array(table.columns),
  };
}

/** `hasMax`: the largest value has a metric of its own, which no field of the line fills. */
function placeOf(table: Table, name: string, hasMax: boolean): HistogramPlace {
  const spec = table.spec.metrics[name];
  return {
    name,
    bounds: spec?.type === "histogram" ? spec.bounds : [],
    column: table.column(name),
    maxColumn: hasMax ? table.column(`${name}_max`) : -1,
    read: undefined,
  };
}

function equals(name: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (name[i] !== bytes[start + i]) return false;
  return true;
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}
