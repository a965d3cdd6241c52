// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { counter, gauge, table as declare } from "./declare.ts";
import { familyName, Store } from "./store.ts";
import type { TableSpec } from "./table.ts";

const LIMITS = { maxTables: 3, maxRows: 10, maxFields: 4, timeoutMs: 100 };
const CPU = declare({
  entity: "cpu",
  keys: ["cpu"],
  metrics: { busy: gauge("Busy.", "ratio"), runs: counter("Runs.", "count") },
});

function store(limits: Partial<typeof LIMITS> = {}): Store {
  return new Store({ ...LIMITS, ...limits }, { host: "h" });
}

Deno.test("Store names families after entity and metric", () => {
  assert.equal(familyName(CPU, "busy"), "gala_gopher_cpu_busy");
});

Deno.test("Store refuses a table beyond its limit, and one with too many fields", () => {
  const small = store({ maxTables: 1, maxFields: 3 });
  small.add("first", "p", CPU);
  assert.throws(() => small.add("second", "p", { ...CPU, entity: "other" }), RangeError);
  const narrow = store({ maxFields: 2 });
  assert.throws(() => narrow.add("first", "p", CPU), /has 3 fields, imdb.max_metrics_num is 2/);
  assert.deepEqual([...narrow.tables], []);
});

Deno.test("Store refuses a taken table name and the agent's own entity", () => {
  const tables = store();
  tables.add("cpus", "one", CPU);
  assert.throws(() => tables.add("cpus", "two", CPU), /already one of probe "one"/);
  assert.throws(() => tables.add("own", "two", { ...CPU, entity: "agent" }), TypeError);
  assert.throws(() => tables.add("own", "two", { ...CPU, entity: "agent_probe" }), TypeError);
  tables.add("agents", "two", { ...CPU, entity: "agents" });
});

Deno.test("Store refuses a metric that another table of the entity has with the same labels or another type", () => {
  const tables = store();
  tables.add("cpus", "one", CPU);
  const { busy } = CPU.metrics;
  const clash = /Metric "gala_gopher_cpu_busy" of table "more" is already one of table "cpus"/;
  assert.throws(() => tables.add("more", "two", { ...CPU, metrics: { busy } }), clash);
  const node = { ...CPU, keys: ["cpu", "node"] };
  const counted = { busy: counter("Busy.", "ratio") };
  assert.throws(() => tables.add("more", "two", { ...node, metrics: counted }), clash);
  tables.add("more", "two", { ...node, metrics: { busy } });
  tables.add("idle", "two", { ...CPU, metrics: { idle: busy } });
});

Deno.test("Store lets tables share names where a key's value tells their rows apart", () => {
  const tables = store();
  tables.add("marked", "one", { ...CPU, mark: "a" });
  assert.throws(() => tables.add("same", "two", { ...CPU, mark: "a" }), TypeError);
  assert.throws(() => tables.add("same", "two", CPU), TypeError);
  tables.add("apart", "two", { ...CPU, mark: "b" });
});

Deno.test("Store gives each table its row limit and the constant labels", () => {
  const table = store({ maxRows: 1 }).add("cpus", "one", CPU);
  const slot = table.row(["0"], 0);
  assert.equal(new TextDecoder().decode(table.labelText(slot)), '{cpu="0",host="h"}');
  assert.equal(table.row(["1"], 0), -1);
});

Deno.test("Store sweeps what is older than its time-out, but not while someone reads", () => {
  const tables = store();
  const table = tables.add("cpus", "one", CPU);
  table.row(["0"], 0);
  table.row(["1"], 50);
  tables.sweep(100);
  assert.equal(table.rows, 2);
  const first = tables.read();
  const second = tables.read();
  tables.sweep(101);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  tables.sweep(101);
  assert.equal(table.rows, 2);
  second[Symbol.dispose]();
  tables.sweep(101);
  assert.deepEqual([table.rows, table.expired], [1, 1]);
});

Deno.test("Store never shows a version twice, whatever rows and tables come and go", () => {
  const tables = store();
  const seen = [tables.version];
  for (let round = 0; round < 5; round++) {
    const table = tables.add("cpus", "one", CPU);
    seen.push(tables.version);
    for (let row = 0; row < round; row++) {
      table.row([String(row)], 0);
      seen.push(tables.version);
    }
    tables.remove(table);
    seen.push(tables.version);
  }
  assert.equal(new Set(seen).size, seen.length);
});

Deno.test("Store removes a table once, and not its successor of the same name", () => {
  const tables = store();
  const old = tables.add("cpus", "one", CPU);
  tables.remove(old);
  const layout = tables.layoutVersion;
  const successor = tables.add("cpus", "one", CPU);
  tables.remove(old);
  assert.deepEqual([...tables.tables], [successor]);
  assert.ok(tables.layoutVersion > layout);
});

Deno.test("Store refuses a metric that has the name of a histogram's series", () => {
  const seconds = { type: "histogram", bounds: [1], help: "S.", unit: "seconds" } as const;
  const spec = (metrics: TableSpec["metrics"], key = "name") => ({ ...CPU, keys: [key], metrics });
  const sum = gauge("Sum.", "seconds");
  const tables = store();
  assert.throws(() => tables.add("one", "p", spec({ seconds, seconds_sum: sum })), /"seconds_sum"/);
  tables.add("one", "p", spec({ seconds }));
  assert.throws(
    () => tables.add("two", "p", spec({ seconds_count: sum }, "other")),
    /Histogram "seconds" of table "one" needs the name "seconds_count" of a metric/,
  );
  assert.throws(() => tables.add("two", "p", spec({ seconds: sum }, "other")), /already one of/);
});
