// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ReadingTurns } from "./reading_turns.ts";

function work(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

Deno.test("ReadingTurns does one thing after the other, in the order of asking", async () => {
  const turns = new ReadingTurns();
  const done: number[] = [];
  await Promise.all([1, 2, 3].map((n) => turns.take(() => void done.push(n))));
  assert.deepEqual(done, [1, 2, 3]);
});

Deno.test("ReadingTurns lets timers in between, however many wait", async () => {
  const turns = new ReadingTurns();
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  await Promise.all(Array.from({ length: 10 }, () => turns.take(() => work(6))));
  clearInterval(timer);
  await turns.take(() => {}); // after the last pause
  // One pause after each of them but the last, and a pause is as long as the work.
  assert.ok(ticks >= 9, `${ticks} ticks`);
});

Deno.test("ReadingTurns goes on after a work that throws", async () => {
  const turns = new ReadingTurns();
  await assert.rejects(
    turns.take(() => {
      throw new TypeError("no");
    }),
    TypeError,
  );
  let done = false;
  await turns.take(() => void (done = true));
  assert.ok(done);
});
