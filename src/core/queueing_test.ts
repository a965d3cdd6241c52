// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Queueing } from "./queueing.ts";
import type { Discipline } from "./route_netlink.ts";

const ROOT = 0xffff_ffff;

/** Of device 2; by default a root that the kernel made. */
function discipline(counts: Partial<Discipline>): Discipline {
  return {
    index: 2,
    handle: 0,
    parent: ROOT,
    kind: "pfifo_fast",
    packets: 0,
    backlogBytes: 0,
    drops: 0,
    requeues: 0,
    overlimits: 0,
    ecnMarks: NaN,
    ...counts,
  };
}

/** Handle, kind, packets and drops of each row, after each answer. */
function shown(...answers: readonly (readonly Discipline[])[]) {
  const queueing = new Queueing();
  return answers.map((answer) => {
    queueing.update(answer);
    return [...queueing.rows].map(({ handle, kind, packets, counts }) =>
      `${handle} ${kind} ${packets} ${counts[0]}`
    );
  });
}

/** One of the queues of a device. */
const queue = (parent: number, drops: number, packets = 0) =>
  discipline({ parent, drops, packets, kind: "fq_codel" });

Deno.test("Queueing tells apart by device, handle and kind, and sums what these leave the same", () => {
  const queueing = new Queueing();
  queueing.update([
    discipline({ kind: "mq", packets: 5, backlogBytes: 700, drops: 9, requeues: 4, overlimits: 1 }),
    discipline({ parent: 1, kind: "fq_codel", packets: 2, backlogBytes: 300, drops: 3 }),
    discipline({ parent: 2, kind: "fq_codel", packets: 3, backlogBytes: 400, drops: 6 }),
    discipline({ parent: 3, kind: "tbf", handle: 0x8_0000, requeues: 7 }),
    discipline({ index: 3, kind: "mq" }),
  ]);
  assert.deepEqual(
    [...queueing.rows].map(({ index, handle, kind, packets, bytes, counts }) => [
      ...[index, handle, kind, packets, bytes],
      ...counts,
    ]),
    [
      [2, 0, "mq", 5, 700, 9, 4, 1],
      [2, 0, "fq_codel", 5, 700, 9, 0, 0],
      [2, 0x8_0000, "tbf", 0, 0, 0, 7, 0],
      [3, 0, "mq", 0, 0, 0, 0, 0],
    ],
  );
});

Deno.test("Queueing goes on counting when the 32 bits of one discipline of a sum start again", () => {
  assert.deepEqual(
    shown([queue(1, 2 ** 32 - 2), queue(2, 10)], [queue(1, 3), queue(2, 11)]),
    [[`0 fq_codel 0 ${2 ** 32 + 8}`], [`0 fq_codel 0 ${2 ** 32 + 14}`]],
  );
});

Deno.test("Queueing never lets a sum fall: not when one goes, comes back or starts anew", () => {
  const both = [queue(1, 100, 1), queue(2, 7, 2)];
  const [start, missed, gone, back, anew] = shown(
    both,
    [queue(2, 8, 2)],
    [queue(2, 9, 2)],
    [queue(1, 5), queue(2, 9)],
    [queue(1, 1), queue(2, 9)],
  );
  assert.deepEqual([start, missed, gone, back, anew].flat(), [
    "0 fq_codel 3 107",
    "0 fq_codel 2 108",
    "0 fq_codel 2 109",
    "0 fq_codel 0 114",
    "0 fq_codel 0 115",
  ]);
});

Deno.test("Queueing does not count twice what one answer left out or told twice", () => {
  const both = [queue(1, 100), queue(2, 7)];
  const rows = shown(both, [queue(2, 7)], both, [...both, queue(2, 7, 5)]);
  assert.deepEqual(rows.flat(), Array(4).fill("0 fq_codel 0 107"));
});

Deno.test("Queueing starts anew, as tc does, with what has a handle of its own", () => {
  const own = (drops: number) => discipline({ handle: 0x1_0000, kind: "tbf", drops });
  assert.deepEqual(shown([own(100)], [own(3)]).flat(), ["65536 tbf 0 100", "65536 tbf 0 3"]);
});

Deno.test("Queueing forgets what is gone, and what has no statistics", () => {
  const one = [discipline({})];
  assert.deepEqual(shown(one, [], []).map((rows) => rows.length), [1, 1, 0]);
  assert.deepEqual(shown([discipline({ drops: NaN })]), [[]]);
});

Deno.test("Queueing is bounded", () => {
  const queueing = new Queueing();
  queueing.update(Array.from({ length: 20_000 }, (_, index) => discipline({ index })));
  assert.equal([...queueing.rows].length, 16_384);
  assert.equal(queueing.dropped, 20_000 - 16_384);
});
