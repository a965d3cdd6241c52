// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { gauge, table } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import type { LineSink } from "./line_sink.ts";
import { METADATA_EVERY_MS, type OutputKind, Outputs } from "./outputs.ts";
import { jsonRows } from "./json_rows.ts";
import { textRows } from "./text_rows.ts";

const SPEC = table({ entity: "cpu", keys: ["cpu"], metrics: { busy: gauge("Busy.", "percent") } });

class Pieces implements LineSink {
  readonly pieces: { text: string; lines: number }[] = [];
  readonly first = Promise.withResolvers<void>();
  closed = false;
  pressed = false;

  push(bytes: Uint8Array<ArrayBuffer>, lines: number): void {
    this.pieces.push({ text: new TextDecoder().decode(bytes), lines });
    this.first.resolve();
  }

  get stats() {
    return { lines: this.pieces.length, losses: {}, queuedBytes: 0 };
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  take(): string[] {
    const lines = this.pieces.flatMap(({ text }) => text.split("\n").filter((line) => line !== ""));
    this.pieces.length = 0;
    return lines;
  }
}

function setUp() {
  const limits = { maxTables: 10, maxRows: 5000, maxFields: 10, timeoutMs: 1000 };
  const store = new Store(limits, { machine_id: "m", hostname: "h" });
  const sinks = {
    metric: new Pieces(),
    other: new Pieces(),
    event: new Pieces(),
    meta: new Pieces(),
  };
  const clock = { now: 1e12 };
  const failures: unknown[] = [];
  const named = (kind: OutputKind, sink: LineSink) => ({ kind, name: "test", sink });
  const outputs = new Outputs({
    store,
    channels: [
      { ...named("metric", sinks.metric), form: textRows() },
      { ...named("metric", sinks.other), form: jsonRows({}) },
      named("event", sinks.event),
      named("meta", sinks.meta),
    ],
    intervalMs: 3_600_000,
    clock: () => clock.now,
    failed: (error) => failures.push(error),
  });
  return { store, sinks, clock, failures, outputs };
}

Deno.test("Outputs hands changed rows to every channel for metrics, each in its form", async () => {
  const { store, sinks, outputs, failures } = setUp();
  const cpus = store.add("cpus", "cpu", SPEC);
  cpus.set(cpus.row(["0"], 1), 0, 5);
  await outputs.tick();
  assert.deepEqual(sinks.metric.take(), [
    'gala_gopher_cpu_busy{cpu="0",machine_id="m",hostname="h"} 5 1000000000000',
  ]);
  assert.equal(JSON.parse(sinks.other.take()[0]!).metrics.busy, "5");
  await outputs.tick();
  assert.deepEqual([sinks.metric.take(), sinks.other.take()], [[], []]);
  assert.deepEqual(failures, []);
});

Deno.test("Outputs describes all tables at start, a new one when it comes, and all again after ten minutes", async () => {
  const { store, sinks, clock, outputs } = setUp();
  store.add("cpus", "cpu", SPEC);
  const described = () => sinks.meta.take().map((line) => JSON.parse(line).meta_name);
  await outputs.tick();
  assert.deepEqual(described(), ["cpus"]);
  const more = store.add("more_cpus", "cpu", { ...SPEC, entity: "more" });
  await outputs.tick();
  assert.deepEqual(described(), ["more_cpus"]);
  store.remove(more);
  clock.now += METADATA_EVERY_MS - 1;
  await outputs.tick();
  assert.deepEqual(described(), []);
  clock.now += 1;
  await outputs.tick();
  assert.deepEqual(described(), ["cpus"]);
});

Deno.test("Outputs hands large readings over in pieces of whole lines, and sends the rest at close", async () => {
  const { store, sinks, outputs } = setUp();
  const cpus = store.add("cpus", "cpu", SPEC);
  outputs.start();
  for (let i = 0; i < 4999; i++) cpus.set(cpus.row([`${i}`.padEnd(100, "x")], 1), 0, i);
  await outputs.close();
  const { pieces } = sinks.metric;
  assert.ok(pieces.length > 1);
  assert.ok(pieces.every(({ text }) => text.endsWith("\n")));
  assert.equal(pieces.reduce((sum, { lines }) => sum + lines, 0), 4999);
  assert.equal(sinks.metric.take().length, 4999);
  assert.ok(Object.values(sinks).every(({ closed }) => closed));
});

Deno.test("Outputs waits for a sink that cannot follow", async () => {
  const { store, sinks, outputs } = setUp();
  const cpus = store.add("cpus", "cpu", SPEC);
  for (let i = 0; i < 4999; i++) cpus.set(cpus.row([`${i}`.padEnd(300, "x")], 1), 0, i);
  sinks.metric.pressed = true;
  const ticking = outputs.tick();
  await sinks.metric.first.promise;
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(sinks.metric.pieces.length, 1);
  sinks.metric.pressed = false;
  await ticking;
  assert.equal(sinks.metric.take().length, 4999);
});

Deno.test("Outputs hands an event to the channels for events only, at once", () => {
  const { sinks, outputs } = setUp();
  outputs.event('{"Body": "b"}');
  assert.deepEqual(sinks.event.take(), ['{"Body": "b"}']);
  assert.deepEqual(sinks.metric.take(), []);
});
