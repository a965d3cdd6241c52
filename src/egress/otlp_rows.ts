// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Rows for OTLP: a line for each metric of a table, with a data point for each row. Counters and histograms are
 * cumulative, as in the exposition; when they began is not said, because the kernel's began before us.
 */
import { familyName } from "../core/store.ts";
import type { Table } from "../core/table.ts";
import type { ByteWriter } from "./byte_writer.ts";
import { attributesJson } from "./otlp_json.ts";
import { type MetricPlace, metricPlaces, perTable, type RowForm, RowTexts } from "./row_form.ts";
import type { ChangedRows } from "./row_reader.ts";

/** The Unified Code for Units of Measure, where ours has another word. */
const UNITS: Readonly<Record<string, string>> = {
  bytes: "By",
  kB: "kBy",
  seconds: "s",
  percent: "%",
  ratio: "1",
  count: "1",
};
const CUMULATIVE = '"aggregationTemporality":2';
const encoder = new TextEncoder();
const END = encoder.encode("]}}\n");

interface OtlpMetric {
  readonly place: MetricPlace;
  /** Up to the first data point. */
  readonly head: Uint8Array;
  /** Behind the count of a histogram's point. */
  readonly bounds: string;
}

export function otlpRows(): RowForm {
  const plans = perTable(otlpPlan);
  return {
    write(out, rows, now) {
      const { metrics, texts } = plans(rows.table);
      const stamp = `"timeUnixNano":"${now}000000"`;
      let lines = 0;
      for (const metric of metrics) {
        const start = out.length;
        out.append(metric.head);
        if (writePoints(out, rows, metric, texts, stamp) > 0) {
          out.append(END);
          lines++;
        } else out.length = start;
      }
      return lines;
    },
  };
}

function writePoints(
  out: ByteWriter,
  { table, slots }: ChangedRows,
  { place, bounds }: OtlpMetric,
  texts: RowTexts<Uint8Array>,
  stamp: string,
): number {
  const { column } = place;
  const values = table.values(column);
  let points = 0;
  for (const slot of slots) {
    const value = values[slot]!;
    if (!Number.isFinite(value)) continue;
    out.text(points === 0 ? "{" : ",{");
    out.text(stamp);
    out.append(texts.of(table, slot));
    if (place.bounds === undefined) {
      out.text(',"asDouble":');
      out.number(value);
      out.text("}");
    } else out.text(histogramPoint(table, place, slot, bounds));
    points++;
  }
  return points;
}

function histogramPoint(table: Table, place: MetricPlace, slot: number, bounds: string): string {
  const { column, max } = place;
  const ranges = place.bounds!.length + 1;
  const counts = Array.from({ length: ranges }, (_, i) => table.get(slot, column + i));
  const count = counts.reduce((sum, one) => sum + one, 0);
  const sum = table.get(slot, column + ranges);
  const largest = max < 0 ? NaN : table.get(slot, max);
  const optional = (name: string, value: number) =>
    Number.isFinite(value) ? `,"${name}":${value}` : "";
  const buckets = counts.map((one) => `"${one}"`).join(",");
  return `,"count":"${count}"${optional("sum", sum)}${
    optional("max", largest)
  },"bucketCounts":[${buckets}],${bounds}}`;
}

function otlpPlan(table: Table) {
  const { keys, labels, metrics } = table.spec;
  const names = [...keys, ...labels];
  const places = metricPlaces(table, (name) => name);
  return {
    metrics: table.metricNames.flatMap((name): OtlpMetric[] => {
      const place = places.find(({ column }) => column === table.column(name));
      if (place === undefined) return [];
      const { type, help, unit } = metrics[name]!;
      const said = {
        name: familyName(table.spec, name),
        description: help,
        unit: UNITS[unit] ?? unit,
      };
      const kind = {
        gauge: `"gauge":{`,
        counter: `"sum":{${CUMULATIVE},"isMonotonic":true,`,
        histogram: `"histogram":{${CUMULATIVE},`,
      }[type];
      const head = `${JSON.stringify(said).slice(0, -1)},${kind}"dataPoints":[`;
      const bounds = `"explicitBounds":${JSON.stringify(place.bounds ?? [])}`;
      return [{ place, head: encoder.encode(head), bounds }];
    }),
    texts: new RowTexts((values) => {
      const pairs = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
      return encoder.encode(`,"attributes":[${attributesJson(pairs)}]`);
    }),
  };
}
