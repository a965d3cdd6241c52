// SPDX-License-Identifier: MulanPSL-2.0
/** The description of a table as the original writes it, one JSON object a table. */
import type { Table } from "../core/table.ts";

/** The constant label that identifies the host; any other only shows something of it. */
const HOST_KEY = "machine_id";

/** `now` is Unix time in ms; `constants` are the names of the labels that every row carries. */
export function metadataJson(table: Table, constants: readonly string[], now: number): string {
  const { entity, version, keys, labels } = table.spec;
  const list = (names: readonly string[]) =>
    `[${names.map((name) => JSON.stringify(name)).join(", ")}]`;
  const members = {
    timestamp: String(now),
    meta_name: JSON.stringify(table.name),
    entity_name: JSON.stringify(entity),
    version: JSON.stringify(version),
    keys: list([...constants.filter((name) => name === HOST_KEY), ...keys]),
    labels: list([...constants.filter((name) => name !== HOST_KEY), ...labels]),
    metrics: list(
      table.metricNames.filter((name) => table.spec.metrics[name]!.type !== "histogram"),
    ),
  };
  return `{${Object.entries(members).map(([name, text]) => `"${name}": ${text}`).join(", ")}}`;
}
