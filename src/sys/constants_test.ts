// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { Field } from "../core/layout.ts";
import { writeField } from "./constants.ts";

function written(size: number, kind: Field["kind"], value: number | Uint8Array): number[] {
  const bytes = new Uint8Array(size).fill(0xaa);
  writeField(bytes, { offset: 0, size, kind }, "limit", value);
  return [...bytes];
}

Deno.test("writeField writes numbers of all sizes as little-endian bytes", () => {
  assert.deepEqual(written(1, "unsigned", 255), [255]);
  assert.deepEqual(written(2, "signed", -2), [254, 255]);
  assert.deepEqual(written(4, "unsigned", 0x01020304), [4, 3, 2, 1]);
  assert.deepEqual(written(8, "unsigned", 2 ** 53 - 1), [255, 255, 255, 255, 255, 255, 31, 0]);
  assert.deepEqual(written(8, "signed", -1), Array(8).fill(255));
});

Deno.test("writeField pads byte arrays with zero", () => {
  assert.deepEqual(written(4, "bytes", Uint8Array.of(1, 2)), [1, 2, 0, 0]);
});

Deno.test("writeField refuses what does not fit", () => {
  const wrong: [number, Field["kind"], number | Uint8Array][] = [
    [1, "unsigned", 256],
    [1, "unsigned", -1],
    [1, "signed", 128],
    [4, "unsigned", 1.5],
    [4, "unsigned", NaN],
    [8, "unsigned", 2 ** 53],
    [4, "bytes", 1],
    [2, "bytes", new Uint8Array(3)],
  ];
  for (const [size, kind, value] of wrong) {
    assert.throws(() => written(size, kind, value), RangeError, `${size} ${kind} ${value}`);
  }
  assert.throws(
    () => written(1, "unsigned", 256),
    /Constant "limit" is 256, must be an integer from 0 to 255/,
  );
});
