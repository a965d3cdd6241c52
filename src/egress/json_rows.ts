// SPDX-License-Identifier: MulanPSL-2.0
/** Rows for the channel `json`: an object each, with labels, numbers and histograms apart. */
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

const encoder = new TextEncoder();
const CLOSE_LINE = encoder.encode("}}\n");

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
