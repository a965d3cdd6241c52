// SPDX-License-Identifier: MulanPSL-2.0
/** One table's side of a feed from a BPF map: which number of the map's value goes into which column. */
import type { LabelHost } from "../core/labels.ts";
import type { FieldMetric, MapTable } from "../core/probe.ts";
import type { Table } from "../core/table.ts";
import { RowLabels } from "./row_labels.ts";
import type { MapReader } from "./table_reader.ts";

export interface Target {
  readonly spec: MapTable;
  readonly table: Table;
}

/** Arrays are by the number of the key. */
export interface Side extends Target {
  readonly columns: readonly number[];
  /** Positions in `Row.numbers`. */
  readonly sources: readonly number[];
  readonly scales: readonly number[];
  /** Columns of what holds only while the row's thing lives. */
  readonly gauges: readonly number[];
  /** Shared by tables that show the same labels. */
  readonly labels: RowLabels;
  /** The key's row, -1 for none. */
  readonly slots: number[];
  readonly generations: number[];
}

export interface FeedOptions {
  /**
   * The numeric field that changes while the row's thing lives, and is 0 as long as there is none; in a map without it,
   * being in the map is life.
   */
  readonly alive?: string | undefined;
  /** The numeric field that changes whenever another number of the value has: as long as it stays the row is not read. */
  readonly changes?: string | undefined;
  readonly labels: LabelHost;
}

export function sidesOf(targets: readonly Target[], reader: MapReader, host: LabelHost): Side[] {
  const shared: RowLabels[] = [];
  return targets.map((target) => {
    const { labelReaders } = target.spec;
    let labels = shared.find((other) => other.isOf(labelReaders));
    if (labels === undefined) shared.push(labels = new RowLabels(labelReaders, host));
    return sideOf(target, reader, labels);
  });
}

export function hasRow({ table, slots, generations }: Side, number: number): boolean {
  const slot = slots[number]!;
  return slot >= 0 && generations[number] === table.generation(slot);
}

/** Position of a field that some maps have, or -1. */
export function positionOf(reader: MapReader, field: string | undefined): number {
  return field !== undefined && Object.hasOwn(reader.layout.value.fields, field)
    ? reader.indexOf(field)
    : -1;
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
    slots: [],
    generations: [],
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
