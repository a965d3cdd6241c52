// SPDX-License-Identifier: MulanPSL-2.0
/**
 * A row as the original writes it: a JSON object a row for Kafka, one for the channel `json`, Prometheus text for
 * `logs`. What does not change in a row is kept as bytes. Memory: for each row once more the size of its labels.
 */
import { familyName } from "../core/store.ts";
import type { MetricSpec, Table } from "../core/table.ts";
import type { ByteWriter } from "./byte_writer.ts";
import type { ChangedRows } from "./row_reader.ts";

/** Writes rows of tables, a line each or more. */
export interface RowForm {
  /** Appends the rows to `out` and says how many messages they are. `now` is Unix time in ms. */
  write(out: ByteWriter, rows: ChangedRows, now: number): number;
}

type Constants = Readonly<Record<string, string>>;

/** What the original has where a field is empty. */
const NULL_TEXT = "(null)";
const encoder = new TextEncoder();
const QUOTE_COMMA = encoder.encode('", ');
const QUOTE_END = encoder.encode('"}\n');
const CLOSE_LINE = encoder.encode("}}\n");
const NULL_BYTES = encoder.encode(NULL_TEXT);

/** Text that is made once for each row and its present labels. */
class RowTexts<Text> {
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
function perTable<Plan>(make: (table: Table) => Plan): (table: Table) => Plan {
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

function quoted(text: string): string {
  return JSON.stringify(text === "" ? NULL_TEXT : text);
}

/** What the original calls a metric that is a number or a histogram, and where it stands. */
interface MetricPlace {
  readonly name: Uint8Array;
  readonly column: number;
  /** Bounds of a histogram. */
  readonly bounds: readonly number[] | undefined;
  /** Column of the largest value of a histogram, which the original shows as a part of it; -1 if there is none. */
  readonly max: number;
}

/** The metrics of a table but those that are part of a histogram; `named` makes the text before a value. */
function metricPlaces(table: Table, named: (name: string) => string): MetricPlace[] {
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
function histogramOf({ column, bounds, max }: MetricPlace, { columns }: ChangedRows, slot: number) {
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

interface KafkaPlan {
  /** Ends behind the entity's name and its comma. */
  readonly head: Uint8Array;
  /** Columns and names of the metrics, in the order of the line, each with the number of labels before it. */
  readonly metrics: readonly MetricPlace[];
  readonly texts: RowTexts<readonly Uint8Array[]>;
}

/** `{"timestamp": 1, "machine_id": "m", "hostname": "h", "entity_name": "e", "key": "k", "metric": "1"}` */
export function kafkaRows(constants: Constants): RowForm {
  const plans = perTable((table) => kafkaPlan(table, constants));
  return {
    write(out, rows, now) {
      const { table, slots, columns } = rows;
      const { head, metrics, texts } = plans(table);
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        out.text(`{"timestamp": ${now}, `);
        out.append(head);
        const runs = texts.of(table, slot);
        for (let m = 0; m < metrics.length; m++) {
          const metric = metrics[m]!;
          out.append(runs[m]!);
          out.append(metric.name);
          const value = columns[metric.column]![slot]!;
          if (metric.bounds !== undefined) out.text(histogramString(metric, rows, slot));
          else if (Number.isNaN(value)) out.append(NULL_BYTES);
          else out.number(value);
          out.append(QUOTE_COMMA);
        }
        out.append(runs[metrics.length]!);
        endObject(out);
      }
      return slots.length;
    },
  };
}

/** As probes print it: number of bounds, then bound and count up to it for each, sum, largest value. */
function histogramString(metric: MetricPlace, rows: ChangedRows, slot: number): string {
  const histogram = histogramOf(metric, rows, slot);
  if (histogram === undefined) return NULL_TEXT;
  const { pairs, sum, max } = histogram;
  return [pairs.length, ...pairs.flat(), sum || 0, max || 0].join(" ");
}

/** Every member is written with the comma behind it: the last one goes again. */
function endObject(out: ByteWriter): void {
  out.length -= QUOTE_COMMA.length;
  out.append(QUOTE_END);
}

function kafkaPlan(table: Table, constants: Constants): KafkaPlan {
  const { entity, keys, labels } = table.spec;
  const names = [...keys, ...labels];
  const fields = table.spec.fields ?? [...names, ...table.metricNames];
  const members = Object.entries({ ...constants, entity_name: entity });
  const head = members.map(([name, value]) => `"${name}": ${quoted(value)}, `).join("");
  const places = metricPlaces(table, (name) => `"${name}": "`);
  const isMetric = (field: string) => Object.hasOwn(table.spec.metrics, field);
  const columnOf = (field: string) => isMetric(field) ? table.column(field) : -1;
  const order = fields.map((field) => places.find(({ column }) => column === columnOf(field)));
  return {
    head: encoder.encode(head),
    metrics: order.filter((place) => place !== undefined),
    texts: new RowTexts((values) => {
      const runs: string[] = [""];
      for (const field of fields) {
        const at = names.indexOf(field);
        if (at < 0) {
          if (places.some(({ column }) => column === columnOf(field))) runs.push("");
        } else runs[runs.length - 1] += `"${field}": ${quoted(values[at]!)}, `;
      }
      return runs.map((run) => encoder.encode(run));
    }),
  };
}

/** `{"timestamp":1,"entity_name":"e","table_name":"t","labels":{"key":"k"},"metrics":{"metric":"1"},"histos":{}}` */
export function jsonRows(constants: Constants): RowForm {
  const plans = perTable((table) => jsonPlan(table, constants));
  return {
    write(out, rows, now) {
      const { table, slots, columns } = rows;
      const { numbers, histograms, texts } = plans(table);
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        out.text(`{"timestamp":${now}`);
        out.append(texts.of(table, slot));
        let separator = "";
        for (const { name, column } of numbers) {
          const value = columns[column]![slot]!;
          if (Number.isNaN(value)) continue;
          out.text(separator);
          out.append(name);
          out.number(value);
          separator = '",';
        }
        out.text(`${separator === "" ? "" : '"'}},"histos":{`);
        if (histograms.length > 0) writeHistograms(out, histograms, rows, slot);
        out.append(CLOSE_LINE);
      }
      return slots.length;
    },
  };
}

/** `"srtt":{"50":10,"100":18,"count":20,"sum":1310,"max":160}` */
function writeHistograms(
  out: ByteWriter,
  places: readonly MetricPlace[],
  rows: ChangedRows,
  slot: number,
): void {
  let separator = "";
  for (const place of places) {
    const histogram = histogramOf(place, rows, slot);
    if (histogram === undefined) continue;
    const { pairs, count, sum, max } = histogram;
    const buckets = pairs.map(([bound, upTo]) => `"${bound}":${upTo},`).join("");
    out.text(separator);
    out.append(place.name);
    out.text(`{${buckets}"count":${count},"sum":${sum || 0},"max":${max || 0}}`);
    separator = ",";
  }
}

function jsonPlan(table: Table, constants: Constants) {
  const { entity, keys, labels } = table.spec;
  const names = [...keys, ...labels];
  const own = Object.entries(constants).filter(([name]) => !names.includes(name));
  return {
    numbers: metricPlaces(table, (name) => `"${name}":"`)
      .filter(({ bounds }) => bounds === undefined),
    histograms: metricPlaces(table, (name) => `"${name}":`)
      .filter(({ bounds }) => bounds !== undefined),
    texts: new RowTexts((values) => {
      const pairs = [...names.map((name, i) => [name, values[i]!]), ...own];
      const shown = Object.fromEntries(pairs.filter(([, value]) => value !== ""));
      const head = `,"entity_name":${JSON.stringify(entity)},"table_name":${
        JSON.stringify(table.name)
      }`;
      return encoder.encode(`${head},"labels":${JSON.stringify(shown)},"metrics":{`);
    }),
  };
}

/** `gala_gopher_<entity>_<metric>{<labels>} <value> <timestamp>`, and an empty line behind each table. */
export function textRows(): RowForm {
  const plans = perTable((table) =>
    metricPlaces(table, (name) => familyName(table.spec, name))
      .map((place) => ({ place, histogram: histogramTextOf(place) }))
  );
  return {
    write(out, rows, now) {
      const { table, slots, columns } = rows;
      const end = encoder.encode(` ${now}\n`);
      const stamp = () => {
        out.length--; // the end of the line
        out.append(end);
      };
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        const labels = table.labelText(slot);
        for (const { place, histogram } of plans(table)) {
          const value = columns[place.column]![slot]!;
          if (Number.isNaN(value)) continue;
          if (histogram === undefined) {
            out.sample(place.name, labels, value);
            stamp();
          } else writeHistogramText(out, histogram, histogramOf(place, rows, slot)!, labels, stamp);
        }
      }
      out.text("\n");
      return slots.length;
    },
  };
}

/** The original's names: no `_bucket`, and the largest value beside the sum. */
interface HistogramNames {
  readonly name: Uint8Array;
  readonly sum: Uint8Array;
  readonly max: Uint8Array;
  /** `,le="50"}` for each bound, and for +Inf. */
  readonly les: readonly Uint8Array[];
}

function histogramTextOf({ name, bounds }: MetricPlace): HistogramNames | undefined {
  if (bounds === undefined) return undefined;
  const text = new TextDecoder().decode(name);
  return {
    name,
    sum: encoder.encode(`${text}_sum`),
    max: encoder.encode(`${text}_max`),
    les: [...bounds.map(String), "+Inf"].map((le) => encoder.encode(`,le="${le}"}`)),
  };
}

function writeHistogramText(
  out: ByteWriter,
  names: HistogramNames,
  { pairs, count, sum, max }: NonNullable<ReturnType<typeof histogramOf>>,
  labels: Uint8Array,
  stamp: () => void,
): void {
  const counts = [...pairs.map(([, upTo]) => upTo), count];
  for (let i = 0; i < counts.length; i++) {
    out.sampleWith(names.name, labels, names.les[i]!, counts[i]!);
    stamp();
  }
  for (const [name, value] of [[names.sum, sum], [names.max, max]] as const) {
    if (Number.isNaN(value)) continue;
    out.sample(name, labels, value);
    stamp();
  }
}
