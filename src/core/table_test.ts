// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { counter, gauge, table as declare } from "./declare.ts";
import { renderLabels, Table } from "./table.ts";

const SPEC = declare({
  entity: "disk",
  keys: ["name", "part"],
  labels: ["model"],
  metrics: { bytes: counter("Bytes.", "bytes"), busy: gauge("Busy.", "ratio") },
});

function disks(maxRows = 100, constantLabels: Record<string, string> = {}): Table {
  return new Table("disks", "disk", SPEC, { maxRows, constantLabels });
}

function text(table: Table, slot: number): string {
  return new TextDecoder().decode(table.labelText(slot));
}

Deno.test("Table knows a row by its keys, not by its other labels", () => {
  const table = disks();
  const slot = table.row(["sda", "1", "old"], 10);
  assert.equal(text(table, slot), '{name="sda",part="1",model="old"}');
  table.set(slot, table.column("bytes"), 5);
  assert.equal(table.row(["sda", "1", "new"], 20), slot);
  assert.equal(text(table, slot), '{name="sda",part="1",model="new"}');
  assert.equal(table.get(slot, table.column("bytes")), 5);
  assert.equal(table.renewedAt(slot), 20);
  assert.notEqual(table.row(["sd", "a1", "new"], 20), slot);
  assert.equal(table.rows, 2);
});

Deno.test("Table does not let a NUL in a value move the border between two keys", () => {
  const table = disks();
  assert.notEqual(table.row(["a\0b", "c", ""], 1), table.row(["a", "b\0c", ""], 1));
  assert.equal(table.rows, 2);
});

Deno.test("Table tells the label values of a row, also where one has a NUL", () => {
  const table = disks();
  assert.deepEqual(table.labelsOf(table.row(["sda", "", "new"], 1)), ["sda", "", "new"]);
  assert.deepEqual(table.labelsOf(table.row(["s\0", "1", "x"], 1)), ["s\uFFFD", "1", "x"]);
});

Deno.test("Table refuses a wrong number of labels and an unknown metric", () => {
  const table = disks();
  assert.throws(() => table.row(["sda", "1"], 1), /Table "disks" takes 3 labels, got 2/);
  assert.throws(() => table.column("weight"), /Table "disks" has no metric "weight"/);
});

Deno.test("Table has one row where there are no keys", () => {
  const spec = declare({ entity: "host", keys: [], metrics: { up: gauge("Up.", "count") } });
  const table = new Table("host", "host", spec, { maxRows: 5, constantLabels: {} });
  assert.equal(table.row([], 1), table.row([], 2));
  assert.equal(text(table, 0), "");
});

Deno.test("Table adds the constant labels last, unless it has such a label of its own", () => {
  const table = disks(100, { name: "not this", host: "h", empty: "" });
  assert.equal(text(table, table.row(["sda", "1", ""], 1)), '{name="sda",part="1",host="h"}');
});

Deno.test("renderLabels escapes backslash, quote and line feed", () => {
  assert.equal(renderLabels(["a", "b"], ['\\"\n', "\\n"]), '{a="\\\\\\"\\n",b="\\\\n"}');
  assert.equal(renderLabels(["a"], [""]), "");
});

Deno.test("Table drops and counts rows when it is full, and takes new ones after a sweep", () => {
  const table = disks(3);
  const slots = ["a", "b", "c"].map((name, i) => table.row([name, "", ""], i));
  assert.equal(table.row(["d", "", ""], 3), -1);
  assert.equal(table.row(["d", "", ""], 3), -1);
  assert.equal(table.row(["b", "", ""], 3), slots[1]);
  assert.deepEqual([table.rows, table.dropped, table.expired], [3, 2, 0]);
  table.sweep(3);
  assert.deepEqual([table.rows, table.dropped, table.expired], [1, 2, 2]);
  assert.deepEqual(slots.map((slot) => table.isRow(slot)), [false, true, false]);
  assert.ok(slots.includes(table.row(["d", "", ""], 4)));
  assert.equal(table.slots, 3);
});

Deno.test("Table keeps a row that was renewed exactly at the deadline", () => {
  const table = disks();
  table.row(["a", "", ""], 100);
  table.sweep(100);
  assert.equal(table.rows, 1);
  table.sweep(100.5);
  assert.equal(table.rows, 0);
});

Deno.test("Table gives a used slot away as a new generation, without the numbers of the old row", () => {
  const table = disks(1);
  const slot = table.row(["a", "", ""], 1);
  const generation = table.generation(slot);
  table.set(slot, 0, 1);
  table.add(slot, 0, 2);
  assert.equal(table.get(slot, 0), 3);
  table.remove(slot);
  assert.equal(table.row(["a", "", ""], 2), slot);
  assert.notEqual(table.generation(slot), generation);
  assert.ok(Number.isNaN(table.get(slot, 0)));
  assert.equal(text(table, slot), '{name="a"}');
});

Deno.test("Table grows to its limit and keeps numbers and slots", () => {
  const table = disks(1009);
  for (let i = 0; i < 1009; i++) {
    const slot = table.row([String(i), "", ""], i);
    assert.equal(slot, i);
    table.set(slot, 1, i * 2);
  }
  assert.equal(table.row(["one more", "", ""], 0), -1);
  assert.equal(table.slots, 1009);
  const column = table.values(1);
  for (let i = 0; i < 1009; i++) {
    assert.equal(table.row([String(i), "", ""], i), i);
    assert.deepEqual([column[i], table.renewedAt(i)], [i * 2, i]);
  }
  assert.ok(column.length <= 1009);
});

Deno.test("Table raises its version with each row written and removed", () => {
  const table = disks();
  const versions = [table.version];
  const slot = table.row(["a", "", ""], 1);
  versions.push(table.version);
  table.renew(slot, 2);
  versions.push(table.version);
  table.sweep(3);
  versions.push(table.version);
  assert.deepEqual(versions, [...new Set(versions)].sort((a, b) => a - b));
});

Deno.test("Table gives a histogram a column for each bound, for what is above, and for the sum", () => {
  const seconds = { type: "histogram", bounds: [1, 2, 4], help: "S.", unit: "seconds" } as const;
  const spec = declare({
    entity: "call",
    keys: ["name"],
    metrics: { calls: counter("C.", "count"), seconds, errors: counter("E.", "count") },
  });
  const table = new Table("call", "call", spec, { maxRows: 40, constantLabels: {} });
  assert.equal(table.columns, 7);
  assert.deepEqual(["calls", "seconds", "errors"].map((name) => table.column(name)), [0, 1, 6]);
  for (let row = 0; row < 40; row++) {
    const slot = table.row([String(row)], 0);
    for (let column = 0; column < 7; column++) {
      assert.ok(Number.isNaN(table.get(slot, column)));
      table.set(slot, column, row * column);
    }
  }
  assert.equal(table.get(39, 6), 39 * 6);
});

Deno.test("Table tells how many values each key has", () => {
  const table = disks();
  for (const [name, part] of [["a", "1"], ["a", "2"], ["b", "1"], ["c", "1"]]) {
    table.row([name!, part!, "model"], 1);
  }
  assert.deepEqual(table.labelValues(), { name: 3, part: 2 });
});

Deno.test("Table knows a row by its first labels too, when these are told to be distinct", () => {
  const spec = declare({
    entity: "box",
    keys: ["id"],
    labels: ["device", "name"],
    distinct: 1,
    metrics: { bytes: counter("Bytes.", "bytes") },
  });
  const table = new Table("box", "box", spec, { maxRows: 10, constantLabels: {} });
  const slot = table.row(["a", "sda", "old"], 1);
  assert.notEqual(table.row(["a", "sdb", "old"], 1), slot);
  assert.equal(table.row(["a", "sda", "new"], 2), slot);
  assert.equal(text(table, slot), '{id="a",device="sda",name="new"}');
});

Deno.test("Table finds a place again by the very labels that it was given, and never another's", () => {
  const table = disks(2);
  const [a, b] = [["sda", "1", "x"], ["sdb", "1", "x"]] as const;
  const slot = table.place(a, 1, -1);
  assert.equal(table.place(a, 2, slot), slot);
  assert.equal(table.renewedAt(slot), 2);
  const other = table.place(b, 2, slot);
  assert.notEqual(other, slot, "another row's place is no place for this one");
  assert.equal(table.place(["sdc", "1", "x"], 2, -1), -1);
  assert.equal(table.dropped, 1);
  // Somebody else changed what is shown of it meanwhile.
  table.row(["sda", "1", "y"], 3);
  assert.equal(table.place(a, 3, slot), slot);
  assert.equal(text(table, slot), '{name="sda",part="1",model="x"}');
  table.remove(slot);
  const third = table.place(["sdc", "1", "x"], 4, -1);
  assert.equal(third, slot, "the slot is another row's now");
  assert.equal(table.place(a, 4, slot), -1);
});

Deno.test("Table fills a column of some rows, leaving out those without a place", () => {
  const table = disks();
  const places = [["sda"], ["sdb"], ["sdc"]].map(([name]) => table.row([name!, "1", "x"], 1));
  const column = table.column("bytes");
  const slots = Int32Array.of(places[2]!, -1, places[0]!, places[1]!);
  table.fill(column, slots, Float64Array.of(3, 9, 1, 2), 3);
  assert.deepEqual(places.map((slot) => table.get(slot, column)), [1, NaN, 3]);
});
