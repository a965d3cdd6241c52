// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Scratch } from "./scratch.ts";

Deno.test("Scratch lends the same memory again once it is back, and other memory until then", () => {
  const scratch = new Scratch(100);
  const first = scratch.lend(10);
  const second = scratch.lend(20);
  assert.notEqual(second.buffer, first.buffer);
  scratch.giveBack(second); // it was never its own
  assert.notEqual(scratch.lend(10).buffer, first.buffer);
  scratch.giveBack(first);
  const third = scratch.lend(100);
  assert.equal(third.buffer, first.buffer);
  assert.equal(third.length, 100);
});

Deno.test("Scratch does not keep what is larger than its bound", () => {
  const scratch = new Scratch(100);
  const large = scratch.lend(101);
  assert.equal(large.length, 101);
  scratch.giveBack(large);
  assert.notEqual(scratch.lend(50).buffer, large.buffer);
});
