// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ByteIndex } from "./byte_index.ts";

const KEY_BYTES = 7;

/** A repeatable row of numbers below `limit`. */
function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = Math.imul(state, 1664525) + 1013904223 >>> 0;
    return Math.floor(state / 2 ** 32 * limit);
  };
}

Deno.test("ByteIndex agrees with a Map of strings through 30,000 random adds and removes", () => {
  const index = new ByteIndex(KEY_BYTES);
  const known = new Map<string, number>();
  const random = randomNumbers(7);
  const buffer = new Uint8Array(3 * KEY_BYTES);
  for (let step = 0; step < 30_000; step++) {
    const offset = random(2 * KEY_BYTES);
    const bytes = buffer.subarray(offset, offset + KEY_BYTES);
    bytes.fill(0);
    bytes[random(KEY_BYTES)] = random(256);
    bytes[KEY_BYTES - 1] = random(11);
    const expected = known.get(bytes.join());
    assert.equal(index.find(buffer, offset), expected ?? -1);
    if (expected === undefined) {
      const number = index.add(buffer, offset);
      assert.ok(![...known.values()].includes(number), `number ${number} is given twice`);
      assert.deepEqual([...index.key(number)], [...bytes]);
      known.set(bytes.join(), number);
    }
    if (random(997) === 0) {
      const gone = [...known].filter(() => random(2) === 0);
      index.remove(gone.map(([, number]) => number));
      for (const [key] of gone) known.delete(key);
    }
    assert.equal(index.count, known.size);
  }
  for (const [key, number] of known) {
    assert.equal(index.find(Uint8Array.from(key.split(","), Number), 0), number);
  }
});

Deno.test("ByteIndex gives numbers without gaps, and removed ones again", () => {
  const index = new ByteIndex(4);
  const key = (number: number) => new Uint8Array(Uint32Array.of(number).buffer);
  for (let i = 0; i < 1009; i++) assert.equal(index.add(key(i), 0), i);
  index.remove([]);
  index.remove([5, 500]);
  assert.equal(index.count, 1007);
  assert.equal(index.find(key(5), 0), -1);
  assert.deepEqual([index.add(key(2001), 0), index.add(key(2002), 0)].sort(), [5, 500].sort());
  assert.equal(index.add(key(2003), 0), 1009);
});

Deno.test("ByteIndex takes back 200,000 numbers at once", () => {
  const index = new ByteIndex(4);
  const words = Uint32Array.from({ length: 200_000 }, (_, i) => i);
  const bytes = new Uint8Array(words.buffer);
  const numbers = Array.from(words, (i) => index.add(bytes, 4 * i));
  index.remove(numbers);
  assert.equal(index.count, 0);
  assert.equal(index.find(bytes, 4 * 199_999), -1);
});
