// SPDX-License-Identifier: MulanPSL-2.0
/** Rows of a store's tables, as tests look at them: found by what their labels say. */
import assert from "node:assert/strict";
import type { Store } from "../src/core/store.ts";
import type { Table } from "../src/core/table.ts";

export type Numbers = Readonly<Record<string, number>>;

export interface TableRow {
  readonly slot: number;
  /** `{name="value",...}` */
  readonly labels: string;
}

export function tableOf(store: Store, name: string): Table {
  const table = [...store.tables].find((each) => each.name === name);
  assert.ok(table, `no table "${name}"`);
  return table;
}

/** Those whose labels have all these texts. */
export function* tableRows(table: Table, ...texts: readonly string[]): Generator<TableRow> {
  const decoder = new TextDecoder();
  for (let slot = 0; slot < table.slots; slot++) {
    if (!table.isRow(slot)) continue;
    const labels = decoder.decode(table.labelText(slot));
    if (texts.every((text) => labels.includes(text))) yield { slot, labels };
  }
}

/** All metrics of a row; of a histogram its first column. */
export function numbersOf(table: Table, slot: number): Numbers {
  return Object.fromEntries(
    table.metricNames.map((metric) => [metric, table.get(slot, table.column(metric))]),
  );
}

/** Counts of a histogram's buckets, the one without a bound last, and the sum of its values. */
export function histogramOf(
  table: Table,
  slot: number,
  metric: string,
): { readonly buckets: readonly number[]; readonly sum: number } {
  const spec = table.spec.metrics[metric];
  assert.ok(spec?.type === "histogram", `"${metric}" is no histogram`);
  const first = table.column(metric);
  const count = spec.bounds.length + 1;
  const buckets = Array.from({ length: count }, (_, i) => table.get(slot, first + i));
  return { buckets, sum: table.get(slot, first + count) };
}
