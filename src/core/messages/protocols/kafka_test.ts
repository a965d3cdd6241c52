// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { captures, replay } from "../../../../tests/message_replay.ts";
import kafka from "./kafka.ts";

async function told(name: string) {
  const capture = (await captures("kafka")).find((capture) => capture.name === name)!;
  return replay(kafka, capture.pieces);
}

Deno.test("kafka knows what kcat produced, and what it fetched", async () => {
  const produced = await told("kcat producer");
  assert.ok(produced.answered.some(([name, , , code]) => name === "Produce" && code === "0"));
  // In two batches.
  assert.deepEqual(produced.carried, [["Producer", "orders", 1], ["Producer", "orders", 22]]);
  const fetched = await told("kcat consumer");
  assert.deepEqual(fetched.carried, [["Consumer", "orders", 23]]);
  assert.equal(fetched.unpaired, 0);
});

Deno.test("kafka reads the compact forms of the newest client, and topics by their ids", async () => {
  const first = await told("Java producer, first");
  assert.deepEqual(first.asked, ["ApiVersions", "Metadata", "InitProducerId"]);
  // The coordinator was loading.
  assert.deepEqual(first.answered.at(-1)!.slice(2), ["server", "14"]);
  const produced = await told("Java producer");
  assert.deepEqual(produced.asked, ["ApiVersions", "InitProducerId", "Produce"]);
  assert.deepEqual(produced.carried, [["Producer", "talk", 31]]);
  const fetched = await told("Java consumer");
  assert.deepEqual(fetched.carried, [["Consumer", "talk", 31]]);
  assert.equal(fetched.asked.filter((name) => name === "Fetch").length, 3);
});

Deno.test("kafka knows the steps of a group, and who must try again", async () => {
  const { asked, answered } = await told("Java consumer, its group");
  const steps = [
    "JoinGroup",
    "JoinGroup",
    "SyncGroup",
    "OffsetFetch",
    "OffsetCommit",
    "LeaveGroup",
  ];
  assert.deepEqual(asked.slice(1), steps);
  const codes = answered.map(([, , fault, code]) => `${fault}${code}`);
  assert.deepEqual(codes, ["0", "client79", "0", "0", "", "", "0"]);
});

Deno.test("kafka waits for no answer to messages that nobody has to acknowledge", async () => {
  const capture = (await captures("kafka")).find(({ name }) => name === "kcat producer")!;
  const produce = capture.pieces.find(({ side, bytes }) => side === "request" && bytes[5] === 0)!;
  const bytes = produce.bytes.slice();
  const acknowledged = 4 + 8 + 2 + "rdkafka".length + 2;
  assert.equal(bytes[acknowledged], 255);
  bytes.set([0, 0], acknowledged);
  const { asked, waiting } = replay(kafka, [{ ...produce, bytes }]);
  assert.deepEqual([asked, waiting], [["Produce"], 0]);
});
