// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Store } from "../core/store.ts";
import { addIngestTable } from "./ingest_table.ts";
import { LineReader } from "./line_reader.ts";
import { parseMeta } from "./meta.ts";
import { ProcessContainers } from "./process_container.ts";

const A = "a1b2c3d4e5f6";

/** Labels of the rows that these lines make, in a table of these fields. */
function rowsOf(fields: Readonly<Record<string, string>>, ...lines: string[]): string[] {
  const list = Object.entries(fields).map(([name, type]) =>
    `{ description: "d", type: "${type}", name: "${name}" }`
  );
  const text =
    `version = "1"; measurements: ( { table_name: "t", entity_name: "t", fields: ( ${list} ) } )`;
  const limits = { maxTables: 10, maxRows: 10, maxFields: 64, timeoutMs: 60000 };
  const store = new Store(limits, {});
  const [described] = parseMeta(text, "test.meta", () => assert.fail("no YAML"));
  const added = addIngestTable(store, "p", described!);
  const reader = new LineReader([added], {
    record() {},
    text() {},
    containerOf: (process) => ({ 7: A, 8: "" })[process] ?? "",
  });
  for (const line of lines) reader.feed(new TextEncoder().encode(`${line}\n`), 1);
  assert.deepEqual(reader.refusals.counts, {});
  const { table } = added;
  return Array.from(
    { length: table.slots },
    (_, slot) => new TextDecoder().decode(table.labelText(slot)),
  );
}

Deno.test("LineReader adds the container to rows that name a process, as key or label", () => {
  const key = { tgid: "key", name: "label", size: "gauge" };
  assert.deepEqual(rowsOf(key, "|t|7|x|1|", "|t|8|x|1|", "|t|9|x|1|"), [
    `{tgid="7",name="x",container_id="${A}"}`,
    '{tgid="8",name="x"}',
    '{tgid="9",name="x"}',
  ]);
  assert.deepEqual(rowsOf({ id: "key", size: "gauge", pid: "label" }, "|t|x|1|7|"), [
    `{id="x",pid="7",container_id="${A}"}`,
  ]);
});

Deno.test("LineReader leaves a probe's own container alone, and a number that is no process", () => {
  const own = { tgid: "key", container_id: "label", size: "gauge" };
  assert.deepEqual(rowsOf(own, "|t|7|mine|1|"), ['{tgid="7",container_id="mine"}']);
  assert.deepEqual(rowsOf({ id: "key", pid: "gauge" }, "|t|x|7|"), ['{id="x"}']);
});

Deno.test("ProcessContainers asks once in five seconds, and keeps what it knew of the dead", () => {
  const asked: number[] = [];
  const alive = new Map([[7, A], [8, ""]]);
  let now = 0;
  const find = (pid: number) => {
    asked.push(pid);
    return alive.get(pid);
  };
  const containers = new ProcessContainers(find, { clock: () => now });
  assert.deepEqual(["7", "7", "8", "9", "07", "x", ""].map((it) => containers.of(it)), [
    A,
    A,
    "",
    "",
    "",
    "",
    "",
  ]);
  assert.deepEqual(asked, [7, 8, 9]);
  alive.delete(7);
  now += 5000;
  assert.equal(containers.of("7"), A);
  assert.deepEqual(asked, [7, 8, 9, 7]);
});

Deno.test("ProcessContainers is bounded: of too many processes some are not asked for", () => {
  let now = 0;
  const containers = new ProcessContainers(() => A, { clock: () => now, maxProcesses: 2 });
  assert.deepEqual(["1", "2", "3", "1"].map((it) => containers.of(it)), [A, A, "", A]);
  assert.equal(containers.notAsked, 1);
  now += 5000;
  assert.equal(containers.of("3"), A);
});
