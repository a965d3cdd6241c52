// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { counter, gauge, nativeProbe, table } from "../core/declare.ts";
import type { Settings } from "../core/probe.ts";
import { Store } from "../core/store.ts";
import { LibcHostCalls } from "./host_calls.ts";
import { RootFiles } from "./host_files.ts";
import { startNative } from "./native_runner.ts";

const settings: Settings = {
  number: () => 0,
  text: () => "",
  flag: () => false,
  pattern: () => new RegExp(""),
  list: () => [],
  fileText: () => "",
};

function newHost(maxRows = 100) {
  const store = new Store({ maxTables: 4, maxRows, maxFields: 10, timeoutMs: 60_000 }, {});
  return { store, files: new RootFiles(), calls: new LibcHostCalls(), settings };
}

/** Writes one row per name and one in `b`; what it writes can be changed between ticks. */
function newProbe() {
  const state = { names: ["x"], value: 1, elapsed: [] as number[], fails: false };
  const probe = nativeProbe({
    name: "sample",
    help: "Sample.",
    tables: {
      a: table({
        entity: "a",
        keys: ["name"],
        metrics: { total: counter("Total.", "count"), level: gauge("Level.", "count") },
      }),
      b: table({ entity: "b", keys: [], metrics: { sum: counter("Sum.", "count") } }),
    },
    open: () => ({ a, b }, elapsed) => {
      state.elapsed.push(elapsed);
      for (const name of state.names) a.row(name).set("total", state.value);
      if (state.value === 1) a.set("level", 7);
      if (state.fails) throw new TypeError("sample");
      b.row().set("sum", state.names.length);
    },
  });
  return { state, probe };
}

const tableOf = (store: Store, name: string) =>
  [...store.tables].find((table) => table.name === name)!;

function value(store: Store, name: string, slot: number, metric: string): number {
  const table = tableOf(store, name);
  return table.get(slot, table.column(metric));
}

Deno.test("startNative adds the tables, tick fills them and stop takes them away", () => {
  const host = newHost();
  const { state, probe } = newProbe();
  const running = startNative(probe, host);
  assert.deepEqual([...host.store.tables].map((table) => [table.name, table.rows]), [["a", 0], [
    "b",
    0,
  ]]);
  running.tick(1000);
  state.names = ["x", "y"];
  running.tick(3500);
  assert.equal(tableOf(host.store, "a").rows, 2);
  assert.equal(tableOf(host.store, "a").renewedAt(1), 3500);
  assert.equal(value(host.store, "b", 0, "sum"), 2);
  assert.deepEqual(state.elapsed, [NaN, 2.5]);
  running.stop();
  running.stop();
  assert.deepEqual([...host.store.tables], []);
});

Deno.test("startNative lets rows of a switched-off table go nowhere", () => {
  const host = newHost();
  const { probe } = newProbe();
  const running = startNative(probe, { ...host, tablesOff: new Set(["a"]) });
  running.tick(0);
  assert.deepEqual([...host.store.tables].map((table) => table.name), ["b"]);
  assert.equal(value(host.store, "b", 0, "sum"), 1);
});

Deno.test("tick shows no number of an earlier reading", () => {
  const host = newHost();
  const { state, probe } = newProbe();
  const running = startNative(probe, host);
  running.tick(0);
  assert.equal(value(host.store, "a", 0, "level"), 7);
  state.value = 2;
  running.tick(1000);
  assert.equal(value(host.store, "a", 0, "level"), NaN);
  assert.equal(value(host.store, "a", 0, "total"), 2);
});

Deno.test("tick passes an exception on, and the next one counts from the last that succeeded", () => {
  const host = newHost();
  const { state, probe } = newProbe();
  const running = startNative(probe, host);
  running.tick(0);
  state.fails = true;
  assert.throws(() => running.tick(1000), TypeError);
  state.fails = false;
  running.tick(5000);
  assert.deepEqual(state.elapsed, [NaN, 1, 5]);
});

Deno.test("set after a row that did not fit changes no other row", () => {
  const host = newHost(1);
  const { state, probe } = newProbe();
  const running = startNative(probe, host);
  state.names = ["x", "y"];
  running.tick(0);
  assert.equal(tableOf(host.store, "a").dropped, 1);
  assert.equal(value(host.store, "a", 0, "level"), NaN, "level was set after y");
});

Deno.test("set before the first row of a tick changes no row of the tick before", () => {
  const host = newHost();
  const { state, probe } = newProbe();
  const running = startNative(probe, host);
  state.value = 2;
  running.tick(0);
  state.value = 1;
  state.names = [];
  running.tick(1000);
  assert.equal(value(host.store, "a", 0, "level"), NaN);
});

Deno.test("startNative leaves no table behind when the store refuses one", () => {
  const host = newHost();
  const { probe } = newProbe();
  const taken = host.store.add("b", "other", { ...probe.tables["b"]!, entity: "other" });
  assert.throws(() => startNative(probe, host), TypeError);
  assert.deepEqual([...host.store.tables], [taken]);
});

Deno.test("startNative passes on what the probe's start throws, before a table is added", () => {
  const host = newHost();
  const { probe } = newProbe();
  const failing = { ...probe, open: () => host.files.read("no/such/file") && (() => {}) };
  assert.throws(() => startNative(failing, host), /Cannot read "\/no\/such\/file": ENOENT/);
  assert.deepEqual([...host.store.tables], []);
});

Deno.test("tick waits for a probe that has to, and counts the time from its last success", async () => {
  const host = newHost();
  const { probe } = newProbe();
  const elapsed: number[] = [];
  const answers = [Promise.resolve(), Promise.reject(new TypeError("late")), Promise.resolve()];
  const waiting = nativeProbe({
    ...probe,
    open: () => ({
      read: async ({ a }, seconds) => {
        elapsed.push(seconds);
        await answers[elapsed.length - 1];
        a!.row("x").set("total", elapsed.length);
      },
      losses: () => ({ mounts: elapsed.length }),
    }),
  });
  const running = startNative(waiting, host);
  await running.tick(0);
  assert.equal(value(host.store, "a", 0, "total"), 1);
  await assert.rejects(async () => await running.tick(1000), TypeError);
  await running.tick(5000);
  assert.deepEqual(elapsed, [NaN, 1, 5]);
  assert.deepEqual(running.losses?.(), { mounts: 3 });
});
