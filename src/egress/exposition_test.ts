// SPDX-License-Identifier: MulanPSL-2.0
import { setImmediate } from "node:timers/promises";
import assert from "node:assert/strict";
import { counter, gauge } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import type { MetricSpec, Table } from "../core/table.ts";
import { ByteWriter } from "./byte_writer.ts";
import { Exposition, type ExpositionForm, type LooseFamily } from "./exposition.ts";

const LIMITS = { maxTables: 10, maxRows: 100_000, maxFields: 64, timeoutMs: 60_000 };

function newStore(constants: Record<string, string> = {}): Store {
  return new Store(LIMITS, constants);
}

interface Shape {
  entity: string;
  keys?: string[];
  metrics: Record<string, MetricSpec>;
}

function add(store: Store, name: string, { entity, keys = [], metrics }: Shape): Table {
  return store.add(name, "test", { entity, version: "1.0.0", keys, labels: [], metrics });
}

function put(table: Table, keys: string[], ...values: number[]): void {
  const slot = table.row(keys, 0);
  values.forEach((value, column) => table.set(slot, column, value));
}

async function page(
  store: Store,
  form: ExpositionForm = "text",
  loose: LooseFamily[] = [],
): Promise<string> {
  const writer = new ByteWriter(1);
  await new Exposition(store).encode(form, writer, loose);
  return new TextDecoder().decode(writer.written);
}

Deno.test("Exposition writes HELP, TYPE and a line for each value", async () => {
  const store = newStore({ machine_id: "m1" });
  const metrics = { up: gauge("Is it up.", "count"), seen: counter("Times seen.", "count") };
  const table = add(store, "thing", { entity: "thing", keys: ["name"], metrics });
  put(table, ["a"], -1.5, 3);
  put(table, ["b"], Infinity, 12345678901);
  assert.equal(
    await page(store),
    "# HELP gala_gopher_thing_up Is it up.\n" +
      "# TYPE gala_gopher_thing_up gauge\n" +
      'gala_gopher_thing_up{name="a",machine_id="m1"} -1.5\n' +
      'gala_gopher_thing_up{name="b",machine_id="m1"} +Inf\n' +
      "# HELP gala_gopher_thing_seen Times seen.\n" +
      "# TYPE gala_gopher_thing_seen counter\n" +
      'gala_gopher_thing_seen{name="a",machine_id="m1"} 3\n' +
      'gala_gopher_thing_seen{name="b",machine_id="m1"} 12345678901\n',
  );
});

Deno.test("Exposition escapes label values and help", async () => {
  const store = newStore();
  const metrics = { up: gauge('A "quoted" \\ help\nof two lines.', "count") };
  put(add(store, "thing", { entity: "thing", keys: ["name"], metrics }), ['é"\\\n'], 1);
  assert.equal(
    await page(store),
    '# HELP gala_gopher_thing_up A "quoted" \\\\ help\\nof two lines.\n' +
      "# TYPE gala_gopher_thing_up gauge\n" +
      'gala_gopher_thing_up{name="é\\"\\\\\\n"} 1\n',
  );
  const open = await page(store, "openmetrics");
  assert.match(open, /^# HELP gala_gopher_thing_up A \\"quoted\\" \\\\ help\\nof two lines\.\n/);
});

Deno.test("Exposition leaves out values that are not known and families without any", async () => {
  const store = newStore();
  const metrics = { one: gauge("One.", "count"), two: gauge("Two.", "count") };
  const table = add(store, "thing", { entity: "thing", keys: ["name"], metrics });
  put(table, ["a"], NaN, 2);
  put(table, ["b"], NaN, NaN);
  put(table, ["c"], NaN, 5);
  table.remove(table.row(["c"], 0));
  assert.equal(
    await page(store),
    "# HELP gala_gopher_thing_two Two.\n# TYPE gala_gopher_thing_two gauge\n" +
      'gala_gopher_thing_two{name="a"} 2\n',
  );
  assert.equal(await page(newStore()), "");
  assert.equal(await page(newStore(), "openmetrics"), "# EOF\n");
});

Deno.test("Exposition keeps a family together that two tables contribute to", async () => {
  const store = newStore();
  const common = gauge("Shared.", "count");
  const other = gauge("Other.", "count");
  const first = { entity: "thing", keys: ["cpu"], metrics: { common, other } };
  const second = { entity: "thing", keys: ["disk"], metrics: { common } };
  put(add(store, "first", first), ["0"], 1, 2);
  put(add(store, "second", second), ["sda"], 3);
  const lines = (await page(store)).trimEnd().split("\n").filter((line) => line[0] !== "#");
  assert.deepEqual(lines, [
    'gala_gopher_thing_common{cpu="0"} 1',
    'gala_gopher_thing_common{disk="sda"} 3',
    'gala_gopher_thing_other{cpu="0"} 2',
  ]);
});

Deno.test("Exposition follows tables that come and go", async () => {
  const store = newStore();
  const exposition = new Exposition(store);
  const writer = new ByteWriter();
  assert.equal(await exposition.encode("text", writer), 0);
  const table = add(store, "thing", { entity: "thing", metrics: { up: gauge("Up.", "count") } });
  put(table, [], 1);
  assert.equal(await exposition.encode("text", writer), 1);
  store.remove(table);
  assert.equal(await exposition.encode("text", writer), 0);
});

Deno.test("Exposition names counters as OpenMetrics demands", async () => {
  const store = newStore();
  const metrics = {
    seen: counter("Seen.", "count"),
    read_total: counter("Read.", "count"),
    sent_total: counter("Sent.", "count"),
    sent: gauge("Being sent.", "count"),
  };
  put(add(store, "thing", { entity: "thing", metrics }), [], 1, 2, 3, 4);
  const lines = (await page(store, "openmetrics")).split("\n");
  assert.deepEqual(lines.filter((line) => !line.startsWith("# HELP")), [
    "# TYPE gala_gopher_thing_seen unknown",
    "gala_gopher_thing_seen 1",
    "# TYPE gala_gopher_thing_read counter",
    "gala_gopher_thing_read_total 2",
    "# TYPE gala_gopher_thing_sent_total unknown",
    "gala_gopher_thing_sent_total 3",
    "# TYPE gala_gopher_thing_sent gauge",
    "gala_gopher_thing_sent 4",
    "# EOF",
    "",
  ]);
});

Deno.test("Exposition appends families that are no tables", async () => {
  const samples = [{ labels: { a: 'b"' }, value: 1 }, { labels: {}, value: NaN }];
  const loose: LooseFamily[] = [
    { name: "x_total", type: "counter", help: "X.", samples },
    { name: "y", type: "gauge", help: "Y.", samples: [] },
  ];
  const open = await page(newStore(), "openmetrics", loose);
  assert.equal(open, '# HELP x X.\n# TYPE x counter\nx_total{a="b\\""} 1\n# EOF\n');
});

Deno.test("Exposition lets other work in between and keeps every slot until it is done", async () => {
  const store = newStore();
  const metrics = Object.fromEntries(
    Array.from({ length: 40 }, (_, n) => [`m${n}`, gauge(`M ${n}.`, "count")]),
  );
  const table = add(store, "thing", { entity: "thing", keys: ["name"], metrics });
  const rows = 20_000;
  for (let row = 0; row < rows; row++) {
    put(table, [`row ${row}`], ...Array.from({ length: 40 }, (_, n) => row / 7 + n));
  }
  const writer = new ByteWriter();
  let done = false;
  const encoding = new Exposition(store).encode("text", writer).then((series) => {
    done = true;
    return series;
  });
  let turns = 0;
  while (!done) {
    await setImmediate();
    store.sweep(1e9);
    turns++;
  }
  assert.equal(await encoding, 40 * rows);
  assert.ok(turns > 3, `${turns} turns of the event loop during the encoding`);
  store.sweep(1e9);
  assert.equal(table.rows, 0);
});

const LATENCY = {
  type: "histogram",
  bounds: [0.00005, 0.5, 1, 1000000],
  help: "How long.",
  unit: "seconds",
} as const;

Deno.test("Exposition writes a histogram's cumulative buckets, sum and count together for each row", async () => {
  const store = newStore();
  const metrics = { up: gauge("Up.", "count"), seconds: LATENCY, down: gauge("Down.", "count") };
  const table = add(store, "call", { entity: "call", keys: ["name"], metrics });
  put(table, ["a"], 1, 2, 0, 3, 0, 4, 7.5, 9);
  put(table, ["b"], 1, NaN, NaN, NaN, NaN, NaN, NaN, 9);
  put(table, [""], 1, 1, 0, 0, 0, 0, NaN, 9);
  const text = await page(store);
  const lines = text.split("\n").filter((line) => line.includes("seconds"));
  assert.deepEqual(lines, [
    "# HELP gala_gopher_call_seconds How long.",
    "# TYPE gala_gopher_call_seconds histogram",
    'gala_gopher_call_seconds_bucket{name="a",le="0.00005"} 2',
    'gala_gopher_call_seconds_bucket{name="a",le="0.5"} 2',
    'gala_gopher_call_seconds_bucket{name="a",le="1"} 5',
    'gala_gopher_call_seconds_bucket{name="a",le="1000000"} 5',
    'gala_gopher_call_seconds_bucket{name="a",le="+Inf"} 9',
    'gala_gopher_call_seconds_sum{name="a"} 7.5',
    'gala_gopher_call_seconds_count{name="a"} 9',
    'gala_gopher_call_seconds_bucket{le="0.00005"} 1',
    'gala_gopher_call_seconds_bucket{le="0.5"} 1',
    'gala_gopher_call_seconds_bucket{le="1"} 1',
    'gala_gopher_call_seconds_bucket{le="1000000"} 1',
    'gala_gopher_call_seconds_bucket{le="+Inf"} 1',
  ]);
  const writer = new ByteWriter();
  const series = await new Exposition(store).encode("text", writer);
  assert.equal(series, 6 + 7 + 5);
});

Deno.test("Exposition writes bounds as OpenMetrics demands", async () => {
  const store = newStore({ host: "h" });
  const metrics = { seconds: LATENCY };
  put(add(store, "call", { entity: "call", metrics }), [], 2, 0, 3, 0, 4, 7);
  const lines = (await page(store, "openmetrics")).split("\n");
  assert.deepEqual(lines.slice(1), [
    "# TYPE gala_gopher_call_seconds histogram",
    'gala_gopher_call_seconds_bucket{host="h",le="5e-05"} 2',
    'gala_gopher_call_seconds_bucket{host="h",le="0.5"} 2',
    'gala_gopher_call_seconds_bucket{host="h",le="1.0"} 5',
    'gala_gopher_call_seconds_bucket{host="h",le="1e+06"} 5',
    'gala_gopher_call_seconds_bucket{host="h",le="+Inf"} 9',
    'gala_gopher_call_seconds_sum{host="h"} 7',
    'gala_gopher_call_seconds_count{host="h"} 9',
    "# EOF",
    "",
  ]);
});
