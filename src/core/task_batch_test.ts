// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { COMM_BYTES, TASK, TASK_FIELDS, TaskBatch } from "./task_batch.ts";

Deno.test("TaskBatch keeps what was set while it grows", () => {
  const batch = new TaskBatch();
  for (let i = 0; i < 1009; i++) {
    const index = batch.add();
    batch.set(index, TASK.tgid, i);
    batch.comms.set(new TextEncoder().encode(`name ${i}`), index * COMM_BYTES);
  }
  assert.equal(batch.count, 1009);
  for (let i = 0; i < 1009; i++) {
    assert.deepEqual([batch.get(i, TASK.tgid), batch.comm(i)], [i, `name ${i}`]);
  }
});

Deno.test("TaskBatch knows nothing of a process that was just added, though its place was used", () => {
  const batch = new TaskBatch();
  for (const column of Object.values(TASK)) batch.set(batch.count, column, 7);
  batch.comms.fill(0x41, 0, COMM_BYTES);
  const index = batch.add();
  assert.ok(TASK_FIELDS.every((field) => Number.isNaN(batch.get(index, TASK[field]))));
  assert.equal(batch.comm(index), "");
  batch.comms.fill(0x41, 0, COMM_BYTES);
  assert.equal(batch.comm(index), "A".repeat(COMM_BYTES), "stays inside its own bytes");
});

Deno.test("TaskBatch counts processes for which it has no room", () => {
  const batch = new TaskBatch(2);
  assert.deepEqual([batch.add(), batch.add(), batch.add()], [0, 1, -1]);
  assert.deepEqual([batch.count, batch.dropped], [2, 1]);
  batch.clear();
  assert.deepEqual([batch.add(), batch.dropped], [0, 1]);
});
