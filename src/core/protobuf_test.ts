// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../tests/mutate.ts";
import { protoFields, protoText } from "./protobuf.ts";

/** 1: 150, 2: "testing", 3: 8 bytes, 5: 4 bytes, 16: "x", as the encoding guide of Protocol Buffers has them. */
const MESSAGE = Uint8Array.of(
  ...[0x08, 0x96, 0x01],
  ...[0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67],
  ...[0x19, 1, 2, 3, 4, 5, 6, 7, 8],
  ...[0x2d, 1, 2, 3, 4],
  ...[0x82, 0x01, 0x01, 0x78],
);

const shown = (message: Uint8Array) =>
  protoFields(message).map(({ number, bytes }) => [number, new TextDecoder().decode(bytes)]);

Deno.test("protoFields gives the fields of a message by number, whatever their type", () => {
  assert.deepEqual(shown(MESSAGE), [
    [1, ""],
    [2, "testing"],
    [3, "\x01\x02\x03\x04\x05\x06\x07\x08"],
    [5, "\x01\x02\x03\x04"],
    [16, "x"],
  ]);
  assert.deepEqual(shown(protoText(1, "é")), [[1, "é"]]);
  assert.throws(() => protoText(1, "x".repeat(128)), RangeError);
});

Deno.test("protoFields ends at what is cut short, and never fails", () => {
  for (let size = 0; size < MESSAGE.length; size++) {
    const fields = protoFields(MESSAGE.subarray(0, size));
    assert.deepEqual(fields, protoFields(MESSAGE).slice(0, fields.length));
  }
  const random = randomNumbers(7);
  for (let round = 0; round < 10_000; round++) {
    const spoilt = mutateBytes(MESSAGE, random);
    const size = protoFields(spoilt).reduce((sum, { bytes }) => sum + bytes.length, 0);
    assert.ok(size <= spoilt.length);
  }
});
