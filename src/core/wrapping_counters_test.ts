// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { WrappingCounters } from "./wrapping_counters.ts";

const WRAP = 2 ** 32;

Deno.test("WrappingCounters go on when 32 bits are full, again and again, each for itself", () => {
  const counters = new WrappingCounters(2);
  assert.deepEqual([WRAP - 5, 3, WRAP - 1, 0].map((value) => counters.next(0, value)), [
    WRAP - 5,
    WRAP + 3,
    2 * WRAP - 1,
    2 * WRAP,
  ]);
  assert.equal(counters.next(1, 7), 7);
});

Deno.test("WrappingCounters show a new start as one, and a wider counter as it is", () => {
  const counters = new WrappingCounters(1);
  assert.deepEqual([1e9, 4, NaN, 9].map((value) => counters.next(0, value)), [1e9, 4, NaN, 9]);
  const wide = new WrappingCounters(1);
  assert.deepEqual([2 * WRAP, 5].map((value) => wide.next(0, value)), [2 * WRAP, 5]);
});

Deno.test("WrappingCounters are of another thing after a reset", () => {
  const counters = new WrappingCounters(1);
  counters.next(0, WRAP - 1);
  assert.equal(counters.next(0, 1), WRAP + 1);
  counters.reset();
  assert.equal(counters.next(0, 2), 2);
});
