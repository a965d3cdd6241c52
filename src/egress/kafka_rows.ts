// SPDX-License-Identifier: MulanPSL-2.0
/** Rows for Kafka: a JSON object each, all values strings, fields in declared order. */
import type { Table } from "../core/table.ts";
import type { ByteWriter } from "./byte_writer.ts";
import {
  type Constants,
  histogramOf,
  type MetricPlace,
  metricPlaces,
  perTable,
  type RowForm,
  RowTexts,
} from "./row_form.ts";
import type { ChangedRows } from "./row_reader.ts";

/** What the original has where a field is empty. */
const NULL_TEXT = "(null)";
const encoder = new TextEncoder();
const QUOTE_COMMA = encoder.encode('", ');
const QUOTE_END = encoder.encode('"}\n');
const NULL_BYTES = encoder.encode(NULL_TEXT);

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

function quoted(text: string): string {
  return JSON.stringify(text === "" ? NULL_TEXT : text);
}
