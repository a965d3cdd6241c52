// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { Field } from "../core/layout.ts";
import { ValueDecoder } from "./value_decoder.ts";

function field(offset: number, size: number, kind: Field["kind"]): Field {
  return { offset, size, kind };
}

const VALUE = {
  size: 40,
  fields: {
    u64: field(0, 8, "unsigned"),
    i64: field(8, 8, "signed"),
    u32: field(16, 4, "unsigned"),
    i32: field(20, 4, "signed"),
    u16: field(24, 2, "unsigned"),
    i16: field(26, 2, "signed"),
    u8: field(28, 1, "unsigned"),
    i8: field(29, 1, "signed"),
    name: field(30, 10, "bytes"),
  },
};

Deno.test("ValueDecoder adds up the copies of numbers of each size and sign", () => {
  const decoder = new ValueDecoder(VALUE, 40, 2);
  assert.deepEqual(decoder.names, ["u64", "i64", "u32", "i32", "u16", "i16", "u8", "i8"]);
  const view = new DataView(new ArrayBuffer(8 + 2 * 40));
  for (const base of [8, 48]) {
    view.setBigUint64(base, 2n ** 52n - 1n, true);
    view.setBigInt64(base + 8, -5n, true);
    view.setUint32(base + 16, 4294967295, true);
    view.setInt32(base + 20, -7, true);
    view.setUint16(base + 24, 65535, true);
    view.setInt16(base + 26, -9, true);
    view.setUint8(base + 28, 255);
    view.setInt8(base + 29, -11);
  }
  const numbers = new Float64Array(8);
  decoder.decode(view, 8, numbers);
  assert.deepEqual([...numbers], [2 ** 53 - 2, -10, 8589934590, -14, 131070, -18, 510, -22]);
});

Deno.test("ValueDecoder adds up each element of an array, and leaves bytes out", () => {
  const value = {
    size: 40,
    fields: {
      slots: { offset: 0, size: 24, kind: "array", element: 8 } as const,
      few: { offset: 24, size: 8, kind: "array", element: 4 } as const,
      name: field(32, 8, "bytes"),
    },
  };
  const decoder = new ValueDecoder(value, 40, 2);
  assert.deepEqual(decoder.names, ["slots[0]", "slots[1]", "slots[2]", "few[0]", "few[1]"]);
  const view = new DataView(new ArrayBuffer(80));
  for (const base of [0, 40]) {
    for (let i = 0; i < 3; i++) view.setBigUint64(base + 8 * i, BigInt(2 ** 40 + i), true);
    for (let i = 0; i < 2; i++) view.setUint32(base + 24 + 4 * i, 7 + i, true);
  }
  const numbers = new Float64Array(5);
  decoder.decode(view, 0, numbers);
  assert.deepEqual([...numbers], [2 ** 41, 2 ** 41 + 2, 2 ** 41 + 4, 14, 16]);
});

Deno.test("ValueDecoder refuses a number of an odd size", () => {
  const odd = { size: 8, fields: { n: field(0, 3, "unsigned") } };
  assert.throws(() => new ValueDecoder(odd, 8, 1), /Field "n" has 3 bytes/);
});
