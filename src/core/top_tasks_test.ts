// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { randomNumbers } from "../../tests/mutate.ts";
import { chooseTop } from "./top_tasks.ts";

function top(values: readonly number[], limit: number): number[] {
  const chosen = new Set<number>();
  chooseTop(Float64Array.from(values), values.length, limit, chosen);
  return [...chosen];
}

Deno.test("chooseTop gives the indexes of the largest, the largest first", () => {
  assert.deepEqual(top([5, 9, 1, 7], 2), [1, 3]);
  assert.deepEqual(top([5, 9, 1, 7], 10), [1, 3, 0, 2]);
  assert.deepEqual(top([5, 9], 0), []);
  assert.deepEqual(top([], 3), []);
});

Deno.test("chooseTop leaves out what used nothing, and the later of equals", () => {
  assert.deepEqual(top([0, NaN, -1, 2], 4), [3]);
  assert.deepEqual(top([3, 3, 3], 2), [0, 1]);
});

Deno.test("chooseTop agrees with sorting, on 2,000 numbers", () => {
  const random = randomNumbers(5);
  for (let round = 0; round < 20; round++) {
    const values = Array.from({ length: 2000 }, () => random(500));
    const sorted = values.map((_, i) => i).filter((i) => values[i]! > 0)
      .sort((one, other) => values[other]! - values[one]! || one - other);
    assert.deepEqual(top(values, 37), sorted.slice(0, 37));
  }
});

Deno.test("chooseTop adds to what was chosen before", () => {
  const chosen = new Set([7]);
  chooseTop(Float64Array.of(1, 2), 2, 1, chosen);
  assert.deepEqual([...chosen], [7, 1]);
});
