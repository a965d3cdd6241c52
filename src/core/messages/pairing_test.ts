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
  for (let i = 0; i < 300; i++) pairing.asked("r", i);
  assert.equal(pairing.waiting, 256);
  assert.equal(told.asked, 300);
  assert.equal(told.unpaired, 44);
  for (let i = 0; i < 256; i++) pairing.answered(5000, "");
  pairing.answered(5000, "");
  assert.equal(told.unpaired, 45);
  pairing.asked("s", 6000);
  pairing.answered(6001, "");
  assert.deepEqual(told.answered.at(-1), ["s", 1]);
});

Deno.test("Pairing forgets who waits when answers were missed", () => {
  const { told, pairing } = paired();
  pairing.asked("a", 1);
  pairing.asked("b", 2);
  pairing.missedResponses(3);
  assert.deepEqual([pairing.waiting, told.unpaired], [0, 2]);
  pairing.answered(3, "");
  assert.deepEqual([told.answered, told.unpaired], [[], 3]);
});

Deno.test("Pairing believes whoever asks before all is answered only after a silence", () => {
  const { told, pairing } = paired();
  const ask = (name: string, time: number) => {
    pairing.turn();
    pairing.asked(name, time);
  };
  ask("a", 1);
  ask("b", 2); // before a is answered
  pairing.answered(3, "");
  pairing.missedRequests(); // c, unseen
  pairing.answered(4, ""); // of b
  ask("d", 5);
  pairing.answered(6, ""); // of c
  pairing.answered(7, ""); // of d
  assert.deepEqual(told.answered, [["a", 2], ["b", 2]]);
  ask("e", 2e9);
  pairing.answered(2e9 + 5, "");
  assert.deepEqual(told.answered.at(-1), ["e", 5]);
});

Deno.test("Pairing pairs nobody on a connection that it joined until somebody has heard and asks", () => {
  const { told, pairing } = paired();
  pairing.joined();
  pairing.turn();
  pairing.asked("a", 1);
  pairing.answered(2, ""); // perhaps of one before
  pairing.turn();
  pairing.asked("b", 3);
  pairing.answered(4, "");
  assert.deepEqual(told.answered, [["b", 1]]);
  assert.equal(told.unpaired, 2);
});

Deno.test("Pairing by numbers needs no order, and forgets the oldest of too many", () => {
  const { told, pairing } = paired();
  pairing.askedAs(7, "a", 1);
  pairing.askedAs(8, "b", 2);
  assert.equal(pairing.askedWith(8), "b");
  pairing.answeredAs(8, 5, "");
  pairing.answeredAs(7, 6, "");
  pairing.answeredAs(7, 7, "");
  assert.deepEqual(told.answered, [["b", 3], ["a", 5]]);
  for (let i = 0; i < 300; i++) pairing.askedAs(i, "c", i);
  assert.equal(pairing.waiting, 256);
  assert.equal(told.unpaired, 1 + 44);
});
