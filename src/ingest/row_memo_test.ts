// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { gauge, table } from "../core/declare.ts";
import { Table } from "../core/table.ts";
import { RowMemo } from "./row_memo.ts";

const SPEC = table({ entity: "e", keys: ["k"], labels: ["l"], metrics: { g: gauge("G.", "u") } });
const encoder = new TextEncoder();

function setUp(maxRows = 20_000) {
  const rows = new Table("t", "p", SPEC, { maxRows, constantLabels: {} });
  const memo = new RowMemo(rows);
  /** As a reader does it: by the memo, or by the texts. */
  const line = (key: string, label: string) => {
    const bytes = encoder.encode(`|t|${key}|${label}|1|`);
    const end = bytes.length - 3;
    const known = memo.find(bytes, 3, end);
    if (known >= 0) return { slot: known, known: true };
    const slot = rows.row([key, label], 0);
    if (slot >= 0) memo.remember(slot, bytes, 3, end);
    return { slot, known: false };
  };
  return { rows, line };
}

Deno.test("RowMemo knows a row by the bytes of its last line", () => {
  const { rows, line } = setUp();
  const slot = rows.row(["a", "x"], 0);
  assert.deepEqual(line("a", "x"), { slot, known: false });
  assert.deepEqual(line("a", "x"), { slot, known: true });
  assert.deepEqual(line("a|", "x").known, false);
});

Deno.test("RowMemo does not know a row under a label that it had before", () => {
  const { rows, line } = setUp();
  const { slot } = line("a", "x");
  for (const label of ["y", "x", "y", "x"]) {
    assert.deepEqual(line("a", label), { slot, known: false });
    assert.deepEqual(rows.labelsOf(slot), ["a", label]);
  }
});

Deno.test("RowMemo forgets a row that is gone, also when another has its place", () => {
  const { rows, line } = setUp();
  const { slot } = line("a", "x");
  rows.remove(slot);
  assert.equal(line("a", "x").known, false);
  rows.remove(slot);
  assert.deepEqual(line("b", "x"), { slot, known: false });
  assert.equal(line("a", "x").known, false);
});

Deno.test("RowMemo gives many rows each its own, and knows most", () => {
  const { rows, line } = setUp();
  const keys = Array.from({ length: 17_000 }, (_, i) => `key ${i * 7919}`);
  // The second round makes up for what was forgotten when it grew.
  for (const key of [...keys, ...keys]) line(key, "x");
  let known = 0;
  for (const key of keys) {
    const found = line(key, "x");
    assert.deepEqual(rows.labelsOf(found.slot), [key, "x"]);
    if (found.known) known++;
  }
  assert.ok(known > 10_000 && known <= 16_384, `${known}`);
});

Deno.test("RowMemo does not keep what is too long, nor what it kept of that row before", () => {
  const { line } = setUp();
  const long = "y".repeat(200);
  const { slot } = line("a", "x");
  assert.deepEqual(line("a", long), { slot, known: false });
  assert.deepEqual(line("a", long), { slot, known: false });
  assert.deepEqual(line("a", "x"), { slot, known: false });
});
