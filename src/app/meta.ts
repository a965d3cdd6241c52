// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher meta`: every table of the program's own probes, for people and as JSON. */
import { leftOut, probes } from "../gen/all.ts";
import { familyName } from "../core/store.ts";
import type { MetricSpec } from "../core/table.ts";

interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  readonly help: string;
  /** Upper bounds of a histogram's buckets, without +Inf. */
  readonly bounds?: readonly number[];
}

interface TableDescription {
  readonly probe: string;
  readonly table: string;
  readonly entity: string;
  readonly version: string;
  /** Whether it is on when the configuration does not name it. */
  readonly on: boolean;
  readonly keys: readonly string[];
  readonly labels: readonly string[];
  readonly metrics: readonly MetricDescription[];
}

export function tableDescriptions(): TableDescription[] {
  return probes.flatMap((probe) =>
    Object.entries(probe.tables).map(([table, spec]) => ({
      probe: probe.name,
      table,
      entity: spec.entity,
      version: spec.version,
      on: !("on" in spec) || spec.on !== false,
      keys: spec.keys,
      labels: spec.labels,
      metrics: Object.entries(spec.metrics).map(describeMetric),
    }))
  );
}

export function describeMetric([name, metric]: [string, MetricSpec]): MetricDescription {
  const { type, unit, help } = metric;
  return {
    name,
    type,
    unit,
    help,
    ...(metric.type === "histogram" ? { bounds: metric.bounds } : {}),
  };
}

export function describeTables(json: boolean): string {
  const tables = tableDescriptions();
  if (json) return JSON.stringify(tables, null, 2);
  const blocks = tables.map((description) => {
    const { probe, table, on, keys, labels, metrics } = description;
    const lines = metrics.map(({ name, type, unit, help }) =>
      `  ${familyName({ ...description, metrics: {} }, name)}  ${type}, ${unit}. ${help}`
    );
    const off = on ? "" : ", off by default";
    return `${table} (probe ${probe}${off}), labels: ${[...keys, ...labels].join(", ")}\n${
      lines.join("\n")
    }`;
  });
  if (leftOut.length > 0) {
    blocks.push(`Left out of this build: ${leftOut.map(({ name }) => name).join(", ")}`);
  }
  return blocks.join("\n\n");
}
