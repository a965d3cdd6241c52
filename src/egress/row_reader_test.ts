// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { counter, gauge, table } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import { RowReader } from "./row_reader.ts";

const SPEC = table({
  entity: "disk",
  keys: ["name"],
  metrics: { bytes: counter("Bytes.", "bytes"), busy: gauge("Busy.", "percent") },
});

function store(): Store {
  const limits = { maxTables: 10, maxRows: 5000, maxFields: 10, timeoutMs: 1000 };
  return new Store(limits, {});
}

async function read(reader: RowReader): Promise<[name: string, ...numbers: number[]][]> {
  const rows: [string, ...number[]][] = [];
  await reader.read(({ table, slots, columns }) => {
    for (const slot of slots) {
      const [name] = table.labelsOf(slot);
      rows.push([name!, ...columns.map((column) => column[slot]!)]);
    }
  });
  return rows;
}

Deno.test("RowReader shows a row once each time it was renewed, and counters as increase", async () => {
  const tables = store();
  const disks = tables.add("disks", "disk", SPEC);
  const reader = new RowReader(tables);
  const put = (name: string, now: number, bytes: number, busy: number) => {
    const slot = disks.row([name], now);
    disks.set(slot, 0, bytes);
    disks.set(slot, 1, busy);
  };
  put("sda", 1, 1000, 5);
  assert.deepEqual(await read(reader), []); // what it had before is nobody's increase
  put("sda", 2, 1007, 6);
  put("sdb", 2, 3, 1);
  assert.deepEqual(await read(reader), [["sda", 7, 6], ["sdb", 3, 1]]);
  assert.deepEqual(await read(reader), []);
  put("sdb", 3, 3, 2);
  put("sda", 3, 4, 7); // went back: it began anew
  assert.deepEqual(await read(reader), [["sda", 4, 7], ["sdb", 0, 2]]);
});

Deno.test("RowReader counts from nought when a slot has a new row, and when the table is a new one", async () => {
  const tables = store();
  const disks = tables.add("disks", "disk", SPEC);
  const reader = new RowReader(tables);
  await read(reader);
  const first = disks.row(["sda"], 1);
  disks.set(first, 0, 100);
  assert.deepEqual(await read(reader), [["sda", 100, NaN]]);
  disks.remove(first);
  assert.equal(disks.row(["sdb"], 1), first);
  disks.set(first, 0, 130);
  assert.deepEqual(await read(reader), [["sdb", 130, NaN]]);
  tables.remove(disks);
  const again = tables.add("disks", "disk", SPEC);
  again.set(again.row(["sdb"], 2), 0, 150);
  assert.deepEqual(await read(reader), []);
});

Deno.test("RowReader shows every column of a histogram as its increase", async () => {
  const tables = store();
  const rtts = tables.add("rtts", "tcp", {
    entity: "link",
    version: "1.0.0",
    keys: ["name"],
    labels: [],
    metrics: {
      rtt: { type: "histogram", bounds: [1, 2], help: "Round trips.", unit: "ms" },
      open: { type: "gauge", help: "Open.", unit: "count" },
    },
  });
  const reader = new RowReader(tables);
  await read(reader);
  const put = (now: number, ...numbers: number[]) => {
    const slot = rtts.row(["a"], now);
    numbers.forEach((number, column) => rtts.set(slot, column, number));
  };
  put(1, 5, 3, 0, 11, 4);
  assert.deepEqual(await read(reader), [["a", 5, 3, 0, 11, 4]]);
  put(2, 6, 3, 2, 31, 3);
  assert.deepEqual(await read(reader), [["a", 1, 0, 2, 20, 3]]);
});

Deno.test("RowReader keeps a total across a reading in which the counter was not known", async () => {
  const tables = store();
  const disks = tables.add("disks", "disk", SPEC);
  const reader = new RowReader(tables);
  await read(reader);
  const values = [5, NaN, 9];
  const seen = [];
  for (const [now, value] of values.entries()) {
    disks.set(disks.row(["sda"], now), 0, value);
    seen.push((await read(reader))[0]![1]);
  }
  assert.deepEqual(seen, [5, NaN, 4]);
});

Deno.test("RowReader shows tables without counters at their first reading, and 3,001 rows each once", async () => {
  const tables = store();
  const spec = table({ entity: "cpu", keys: ["n"], metrics: { busy: gauge("Busy.", "percent") } });
  const cpus = tables.add("cpus", "cpu", spec);
  const reader = new RowReader(tables);
  for (let i = 0; i < 3001; i++) cpus.set(cpus.row([String(i)], 1), 0, i);
  assert.deepEqual(
    await read(reader),
    Array.from({ length: 3001 }, (_, i) => [String(i), i]),
  );
  assert.deepEqual(await read(new RowReader(tables, ({ name }) => name !== "cpus")), []);
});
