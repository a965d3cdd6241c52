// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Turns } from "./turns.ts";

Deno.test("turns go round, within the budget", () => {
  const turns = new Turns<string>(4, (item) => item.length);
  const items = ["aa", "bb", "c", "dddd"];
  const taken = () => [...turns.take(items)].join();
  assert.deepEqual([taken(), taken(), taken(), taken()], ["aa,bb", "c", "dddd", "aa,bb"]);
});

Deno.test("turns give each item one turn a round, also when there is budget for more", () => {
  const turns = new Turns<string>(100, () => 1);
  assert.deepEqual([...turns.take(["a", "b"])], ["a", "b"]);
  assert.deepEqual([...turns.take(["a", "b"])], ["a", "b"]);
  assert.deepEqual([...turns.take([])], []);
});

Deno.test("turns come to who is dearer than the budget, and go on when the last one is gone", () => {
  const turns = new Turns<string>(1, (item) => item.length);
  assert.deepEqual([...turns.take(["aaaa", "b"])], ["aaaa"]);
  assert.deepEqual([...turns.take(["aaaa", "b"])], ["b"]);
  assert.deepEqual([...turns.take(["aaaa"])], ["aaaa"]);
});
