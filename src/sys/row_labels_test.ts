// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { containerOf, id, KeyView, type LabelHost } from "../core/labels.ts";
import { RowLabels, type RowViews } from "./row_labels.ts";

const KEY = new KeyView({
  size: 8,
  fields: {
    pid: { offset: 0, size: 4, kind: "unsigned" },
    port: { offset: 4, size: 4, kind: "unsigned" },
  },
});

function keyOf(pid: number, port: number): RowViews {
  const key = KEY.at(new Uint8Array(Uint32Array.of(pid, port).buffer), 0);
  return { key, value: key };
}

Deno.test("RowLabels reads a label that may change when it is checked, and others once a key", () => {
  let asked = 0;
  let container = "one";
  const host: LabelHost = {
    enums: () => new Map(),
    idOf: () => {
      asked++;
      return container;
    },
  };
  const process = id("pid");
  const readers = [process, id("port"), containerOf(process)];
  const labels = new RowLabels(readers, host);
  assert.deepEqual(labels.read(0, keyOf(7, 80)), ["7", "80", "one"]);
  assert.deepEqual(labels.read(0, keyOf(7, 80)), ["7", "80", "one"]);
  assert.equal(asked, 1);
  labels.check(0, keyOf(7, 80), 2);
  assert.equal(asked, 2);
  assert.equal(labels.hasChanged(0, 2), false);
  container = "two";
  labels.check(0, keyOf(7, 80), 3);
  // Every table over the map hears of it.
  assert.deepEqual([3, 3].map((reading) => labels.hasChanged(0, reading)), [true, true]);
  assert.deepEqual(labels.read(0, keyOf(7, 80)), ["7", "80", "two"]);
  labels.check(0, keyOf(7, 80), 4);
  assert.equal(labels.hasChanged(0, 4), false);
  labels.forget(0);
  assert.deepEqual(labels.read(0, keyOf(9, 90)), ["9", "90", "two"]);
  assert.ok(labels.isOf([...readers]) && !labels.isOf([id("pid"), ...readers.slice(1)]));
});
