// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { SHOWN, TopRows } from "./top_rows.ts";

/** A total that ranks, another total, a maximum, and a number that is not shown. */
const KINDS = ["total", "total", "maximum", "none"] as const;

function rows(limit: number) {
  const top = new TopRows({ kinds: KINDS, ranks: [[0]], limit });
  let now = 0;
  const read = (keys: Record<number, number[]>, standing: Record<number, number> = {}) => {
    top.begin(now += 5000);
    for (const [key, numbers] of Object.entries(keys)) {
      top.note(Number(key), Float64Array.from(numbers), standing[Number(key)] ?? SHOWN.byUse);
    }
    top.end();
    return Object.keys(keys).map(Number).filter((key) => top.isShown(key));
  };
  return { top, read };
}

Deno.test("TopRows shows those that used most, and the rest is what all others gained", () => {
  const { top, read } = rows(2);
  assert.deepEqual(read({ 0: [10, 1, 5, 0], 1: [30, 2, 6, 0], 2: [20, 3, 9, 0] }), [1, 2]);
  assert.deepEqual([...top.rest.subarray(0, 3)], [10, 1, 5]);
  assert.equal(top.hidden, 1);
  read({ 0: [12, 1, 4, 0], 1: [30, 7, 0, 0], 2: [21, 3, 3, 0] });
  assert.deepEqual([...top.rest.subarray(0, 3)], [12, 1, 4]);
  assert.deepEqual([0, 1, 2].map((i) => top.own(1, i)), [30, 7, 0]);
});

Deno.test("TopRows loses and doubles nothing when rows come and go", () => {
  const { top, read } = rows(3);
  const totals = new Array<number>(40).fill(0);
  for (let reading = 0; reading < 50; reading++) {
    totals.forEach((_, key) => totals[key]! += (key * 7919 + reading * 104_729) % 1009);
    const shown = read(Object.fromEntries(totals.map((total, key) => [key, [total, 1, 0, 0]])));
    assert.equal(shown.length, 3);
    const own = totals.reduce((sum, _, key) => sum + top.own(key, 0), 0);
    assert.equal(own + top.rest[0]!, totals.reduce((sum, total) => sum + total, 0));
  }
});

Deno.test("TopRows does not show idle rows, nor those that are never shown, and always the named", () => {
  const { read } = rows(10);
  const standing = { 1: SHOWN.always, 2: SHOWN.never };
  const keys = { 0: [5000, 0, 0, 0], 1: [0, 0, 0, 0], 2: [900, 0, 0, 0], 3: [5, 0, 0, 0] };
  assert.deepEqual(read(keys, standing), [0, 1]);
  assert.deepEqual(read({ 0: [5000, 0, 0, 0], 3: [9, 0, 0, 0] }), [0, 3]);
});

Deno.test("TopRows keeps a row against one that used little more, and not against one that used much more", () => {
  const { read } = rows(1);
  assert.deepEqual(read({ 0: [100, 0, 0, 0], 1: [90, 0, 0, 0] }), [0]);
  assert.deepEqual(read({ 0: [100, 0, 0, 0], 1: [120, 0, 0, 0] }), [0]);
  assert.deepEqual(read({ 0: [100, 0, 0, 0], 1: [300, 0, 0, 0] }), [1]);
});

Deno.test("TopRows forgets slowly what was used long ago", () => {
  const { read } = rows(1);
  read({ 0: [100, 0, 0, 0], 1: [0, 0, 0, 0] });
  let readings = 0;
  let total = 0;
  while (read({ 0: [100, 0, 0, 0], 1: [total += 10, 0, 0, 0] })[0] === 0) readings++;
  assert.ok(readings >= 3 && readings <= 12, `${readings} readings`);
});

Deno.test("TopRows takes a total that went back for one that began anew", () => {
  const { top, read } = rows(0);
  read({ 0: [100, 0, 0, 0] });
  read({ 0: [7, 0, 0, 0] });
  assert.equal(top.rest[0], 107);
  top.forget(0);
  read({ 0: [11, 0, 0, 0] });
  assert.equal(top.rest[0], 118);
});

Deno.test("TopRows has room for 5,000 keys", () => {
  const { top, read } = rows(20);
  const keys = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [i, [i, 1, i, 0]]));
  assert.equal(read(keys).length, 20);
  assert.equal(top.rest[1], 4980);
  assert.equal(top.rest[2], 4979);
  assert.equal(top.hidden, 4980);
});
