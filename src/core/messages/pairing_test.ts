// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Pairing } from "./pairing.ts";

function paired() {
  const told = { asked: 0, answered: [] as [string, number][], unpaired: 0 };
  const pairing = new Pairing({
    asked: () => told.asked++,
    answered: (operation, latency) => told.answered.push([operation, latency]),
    unpaired: (count) => told.unpaired += count,
  });
  return { told, pairing };
}

Deno.test("Pairing answers in the order of the requests, far more than wait at a time", () => {
  const { told, pairing } = paired();
  for (let i = 0; i < 10_000; i++) {
    pairing.asked(`r${i}`, i);
    if (i >= 100) pairing.answered(i, "");
  }
  assert.equal(pairing.waiting, 100);
  assert.deepEqual(told.answered.at(-1), ["r9899", 100]);
});

Deno.test("Pairing bounds what waits, and is unsure until the requester's next turn", () => {
  const { told, pairing } = paired();
  for (let i = 0; i < 5000; i++) pairing.asked("r", i);
  assert.equal(pairing.waiting, 4096);
  assert.equal(told.asked, 5000);
  assert.equal(told.unpaired, 904);
  for (let i = 0; i < 4096; i++) pairing.answered(5000, "");
  pairing.answered(5000, "");
  assert.equal(told.unpaired, 905);
  pairing.asked("s", 6000);
  pairing.answered(6001, "");
  assert.deepEqual(told.answered.at(-1), ["s", 1]);
});

Deno.test("Pairing forgets who waits when answers were missed", () => {
  const { told, pairing } = paired();
  pairing.asked("a", 1);
  pairing.asked("b", 2);
  pairing.missedResponses();
  assert.deepEqual([pairing.waiting, told.unpaired], [0, 2]);
  pairing.answered(3, "");
  assert.deepEqual([told.answered, told.unpaired], [[], 3]);
});
