// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { gauge } from "../core/declare.ts";
import { probes } from "../gen/all.ts";
import { describeMetric, describeTables, tableDescriptions } from "./meta.ts";

Deno.test("tableDescriptions has every table of every probe, with all its metrics", () => {
  const expected = probes.flatMap((probe) => Object.keys(probe.tables)).sort();
  assert.deepEqual(tableDescriptions().map(({ table }) => table).sort(), expected);
  const tcp = tableDescriptions().find(({ table }) => table === "tcp_tx_rx")!;
  assert.deepEqual([tcp.probe, tcp.entity], ["tcp", "tcp_link"]);
  assert.deepEqual(tcp.metrics[0], {
    name: "rx_bytes",
    type: "counter",
    unit: "bytes",
    help: "Payload received in order.",
  });
});

Deno.test("tableDescriptions has what dashboards of the original ask of its native probes", () => {
  const file = new URL("../../tests/fixtures/original_tables.txt", import.meta.url);
  const lines = Deno.readTextFileSync(file).split("\n").filter((line) => /^\w/.test(line));
  assert.ok(lines.length > 25);
  const missing = lines.flatMap((line) => {
    const [entity, labels, metrics] = line.split("|").map((part) => part.split(" "));
    return metrics!.filter((metric) => !isServed(entity![0]!, labels!, metric))
      .map((metric) => `${entity} ${metric} {${labels!.join()}}`);
  });
  assert.deepEqual(missing, []);
});

function isServed(entity: string, labels: readonly string[], metric: string): boolean {
  return tableDescriptions().some((table) => {
    const own = [...table.keys, ...table.labels];
    return table.entity === entity && labels.every((label) => own.includes(label)) &&
      table.metrics.some(({ name }) => name === metric);
  });
}

Deno.test("tableDescriptions has the container in every table whose rows have a process", () => {
  for (const { table, keys, labels } of tableDescriptions()) {
    const names = [...keys, ...labels];
    const hasProcess = names.some((name) => /^(tgid|pid|.*_pid)$/.test(name));
    assert.equal(hasProcess, hasProcess && names.includes("container_id"), table);
  }
});

Deno.test("describeTables writes the same as JSON, and names families for people", () => {
  assert.deepEqual(JSON.parse(describeTables(true)), tableDescriptions());
  const text = describeTables(false);
  assert.match(text, /^tcp_tx_rx \(probe tcp\), labels: tgid, role, client_ip, /m);
  assert.match(text, /^ {2}gala_gopher_tcp_link_rx_bytes {2}counter, bytes\. Payload received/m);
});

Deno.test("describeMetric lists the bounds of a histogram", () => {
  const metric = { type: "histogram", bounds: [1, 2], help: "S.", unit: "seconds" } as const;
  assert.deepEqual(describeMetric(["seconds", metric]), { name: "seconds", ...metric });
  assert.deepEqual(Object.keys(describeMetric(["up", gauge("Up.", "count")])), [
    "name",
    "type",
    "unit",
    "help",
  ]);
});
