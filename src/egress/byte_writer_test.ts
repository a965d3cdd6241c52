// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ByteWriter, MAX_NUMBER_BYTES, writeNumber } from "./byte_writer.ts";

const decoder = new TextDecoder();

function text(value: number): string {
  const bytes = new Uint8Array(MAX_NUMBER_BYTES + 3).fill(0x7e);
  const end = writeNumber(bytes, 2, value);
  assert.equal(bytes[1], 0x7e);
  assert.equal(bytes[end], 0x7e);
  return decoder.decode(bytes.subarray(2, end));
}

Deno.test("writeNumber writes integers as JavaScript does up to 2^53", () => {
  const values = [0, 7, 10, 99, 100, 12345, 999999999, 1e9, 1000000001, 123456789012, 2 ** 53 - 1];
  for (let power = 1; power < 2 ** 53; power *= 10) values.push(power - 1, power, power + 1);
  for (const value of values) {
    assert.equal(text(value), String(value));
    if (value !== 0) assert.equal(text(-value), String(-value));
  }
});

Deno.test("writeNumber writes up to three decimals without trailing zeros", () => {
  assert.equal(text(0.5), "0.5");
  assert.equal(text(0.05), "0.05");
  assert.equal(text(0.001), "0.001");
  assert.equal(text(-12.34), "-12.34");
  assert.equal(text(1000000000.125), "1000000000.125");
  for (let n = 0; n < 5000; n++) assert.equal(text(n / 1000), String(n / 1000));
});

Deno.test("writeNumber writes infinities and extremes as the text format wants", () => {
  assert.equal(text(Infinity), "+Inf");
  assert.equal(text(-Infinity), "-Inf");
  assert.equal(text(-0), "0");
  assert.equal(text(1e300), "1e+300");
  assert.equal(text(2 ** 53), "9007199254740992");
  assert.equal(Number(text(Number.MIN_VALUE)), Number.MIN_VALUE);
  assert.equal(Number(text(-Number.MAX_VALUE)), -Number.MAX_VALUE);
});

Deno.test("writeNumber writes 100,000 random doubles that read back the same", () => {
  const words = new Uint32Array(2);
  const double = new Float64Array(words.buffer);
  for (let n = 0; n < 100_000; n++) {
    crypto.getRandomValues(words);
    // Half of them over all exponents, half of a size that metrics have.
    const value = n % 2 === 0 ? double[0]! : (words[0]! - 2 ** 31) / 10 ** (n % 9);
    if (!Number.isFinite(value)) continue;
    assert.equal(Number(text(value)), value);
  }
});

Deno.test("ByteWriter keeps what it holds when it grows", () => {
  const writer = new ByteWriter(4);
  const name = new TextEncoder().encode("a_metric");
  for (let n = 0; n < 100; n++) writer.sample(name, new Uint8Array(), n);
  writer.text("é\n");
  const lines = Array.from({ length: 100 }, (_, n) => `a_metric ${n}\n`).join("");
  assert.equal(decoder.decode(writer.written), `${lines}é\n`);
});
