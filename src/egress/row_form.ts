// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the forms of a row have in common, each of which writes it as the original does. What does not change in a row
 * is kept as bytes. Memory: for each row once more the size of its labels.
 */
import type { MetricSpec, Table } from "../core/table.ts";
import type { ByteWriter } from "./byte_writer.ts";
import type { ChangedRows } from "./row_reader.ts";

/** Writes rows of tables, a line each or more. */
export interface RowForm {
  /** Appends the rows to `out` and says how many messages they are. `now` is Unix time in ms. */
  write(out: ByteWriter, rows: ChangedRows, now: number): number;
}

/** The labels that every row carries, with their values. */
export type Constants = Readonly<Record<string, string>>;

const encoder = new TextEncoder();

/** Text that is made once for each row and its present labels. */
export class RowTexts<Text> {
  readonly #sources: Uint8Array[] = [];
  readonly #texts: Text[] = [];

  constructor(readonly make: (labels: readonly string[]) => Text) {}

  of(table: Table, slot: number): Text {
    const source = table.labelText(slot);
    if (this.#sources[slot] !== source) {
      this.#sources[slot] = source;
      this.#texts[slot] = this.make(table.labelsOf(slot));
    }
    return this.#texts[slot]!;
  }
}

/** Keeps one plan for each table as long as the table lives. */
export function perTable<Plan>(make: (table: Table) => Plan): (table: Table) => Plan {
  const plans = new WeakMap<Table, Plan>();
  return (table) => {
    let plan = plans.get(table);
    if (plan === undefined) {
      plan = make(table);
      plans.set(table, plan);
    }
    return plan;
  };
}

/** What the original calls a metric that is a number or a histogram, and where it stands. */
export interface MetricPlace {
  readonly name: Uint8Array;
  readonly column: number;
  /** Bounds of a histogram. */
  readonly bounds: readonly number[] | undefined;
  /** Column of the largest value of a histogram, which the original shows as a part of it; -1 if there is none. */
  readonly max: number;
}

/** The metrics of a table but those that are part of a histogram; `named` makes the text before a value. */
export function metricPlaces(table: Table, named: (name: string) => string): MetricPlace[] {
  const { metrics } = table.spec;
  const isHistogram = (name: string) => metrics[name]?.type === "histogram";
  return table.metricNames
    .filter((name) => !(name.endsWith("_max") && isHistogram(name.slice(0, -"_max".length))))
    .map((name) => ({
      name: encoder.encode(named(name)),
      column: table.column(name),
      bounds: boundsOf(metrics[name]!),
      max: isHistogram(name) && metrics[`${name}_max`] ? table.column(`${name}_max`) : -1,
    }));
}

function boundsOf(metric: MetricSpec): readonly number[] | undefined {
  return metric.type === "histogram" ? metric.bounds : undefined;
}

/** Counts up to each bound, the count of all, sum and largest value; undefined if the row has no histogram. */
export function histogramOf(
  { column, bounds, max }: MetricPlace,
  { columns }: ChangedRows,
  slot: number,
) {
  const pairs: [bound: number, count: number][] = [];
  let count = 0;
  for (let i = 0; i < bounds!.length; i++) {
    count += columns[column + i]![slot]!;
    pairs.push([bounds![i]!, count]);
  }
  count += columns[column + bounds!.length]![slot]!;
  const sum = columns[column + bounds!.length + 1]![slot]!;
  const largest = max < 0 ? NaN : columns[max]![slot]!;
  return Number.isNaN(count) ? undefined : { pairs, count, sum, max: largest };
}
