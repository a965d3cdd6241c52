// SPDX-License-Identifier: MulanPSL-2.0
/**
 * A row as the original writes it: a JSON object a row for Kafka, one for the channel `json`, Prometheus text for
 * `logs`. What does not change in a row is kept as bytes. Memory: for each row once more the size of its labels.
 */
import { familyName } from "../core/store.ts";
import type { Table } from "../core/table.ts";
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
      this.#texts[slot] = this.make(table.labelValues(slot));
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

interface KafkaPlan {
  /** Ends behind the entity's name and its comma. */
  readonly head: Uint8Array;
  /** Columns and names of the metrics, in the order of the line, each with the number of labels before it. */
  readonly metrics: readonly { readonly column: number; readonly name: Uint8Array }[];
  readonly texts: RowTexts<readonly Uint8Array[]>;
}

/** `{"timestamp": 1, "machine_id": "m", "hostname": "h", "entity_name": "e", "key": "k", "metric": "1"}` */
export function kafkaRows(constants: Constants): RowForm {
  const plans = perTable((table) => kafkaPlan(table, constants));
  return {
    write(out, { table, slots, columns }, now) {
      const { head, metrics, texts } = plans(table);
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        out.text(`{"timestamp": ${now}, `);
        out.append(head);
        const runs = texts.of(table, slot);
        for (let m = 0; m < metrics.length; m++) {
          const { column, name } = metrics[m]!;
          out.append(runs[m]!);
          out.append(name);
          const value = columns[column]![slot]!;
          if (Number.isNaN(value)) out.append(NULL_BYTES);
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
  const order = fields.filter((field) => table.metricNames.includes(field));
  return {
    head: encoder.encode(head),
    metrics: order.map((name) => (
      { column: table.column(name), name: encoder.encode(`"${name}": "`) }
    )),
    texts: new RowTexts((values) => {
      const runs: string[] = [""];
      for (const field of fields) {
        const at = names.indexOf(field);
        if (at < 0) runs.push("");
        else runs[runs.length - 1] += `"${field}": ${quoted(values[at]!)}, `;
      }
      return runs.map((run) => encoder.encode(run));
    }),
  };
}

/** `{"timestamp":1,"entity_name":"e","table_name":"t","labels":{"key":"k"},"metrics":{"metric":"1"},"histos":{}}` */
export function jsonRows(constants: Constants): RowForm {
  const plans = perTable((table) => jsonPlan(table, constants));
  return {
    write(out, { table, slots, columns }, now) {
      const { names, texts } = plans(table);
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        out.text(`{"timestamp":${now}`);
        out.append(texts.of(table, slot));
        let separator = "";
        for (let column = 0; column < names.length; column++) {
          const value = columns[column]![slot]!;
          if (Number.isNaN(value)) continue;
          out.text(separator);
          out.append(names[column]!);
          out.number(value);
          separator = '",';
        }
        out.text(`${separator === "" ? "" : '"'}},"histos":{`);
        out.append(CLOSE_LINE);
      }
      return slots.length;
    },
  };
}

function jsonPlan(table: Table, constants: Constants) {
  const { entity, keys, labels } = table.spec;
  const names = [...keys, ...labels];
  const own = Object.entries(constants).filter(([name]) => !names.includes(name));
  return {
    names: table.metricNames.map((name) => encoder.encode(`"${name}":"`)),
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
  const names = perTable((table) =>
    table.metricNames.map((metric) => encoder.encode(familyName(table.spec, metric)))
  );
  return {
    write(out, { table, slots, columns }, now) {
      const families = names(table);
      const end = encoder.encode(` ${now}\n`);
      for (let i = 0; i < slots.length; i++) {
        const slot = slots[i]!;
        for (let column = 0; column < families.length; column++) {
          const value = columns[column]![slot]!;
          if (Number.isNaN(value)) continue;
          out.sample(families[column]!, table.labelText(slot), value);
          out.length--; // its end of line
          out.append(end);
        }
      }
      out.text("\n");
      return slots.length;
    },
  };
}
