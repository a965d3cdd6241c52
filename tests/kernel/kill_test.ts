// SPDX-License-Identifier: MulanPSL-2.0
/** Signals by the kill probe: who sent which to whom, and how often. */
import assert from "node:assert/strict";
import kill from "../../src/probes/kill.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const KILLS = 53;
const SIGUSR1 = 10;

Deno.test("kill counts 53 signals with sender and receiver, and not those of the kernel", async () => {
  await using rig = await TaskRig.start(kill, { tables: ["kill_info"] });
  await using sender = new Shell();
  await using receiver = new Shell();
  await receiver.run("trap : USR1");
  await sender.run(`for i in {1..${KILLS}}; do kill -USR1 ${receiver.pid}; done; (:)`);
  await rig.read();
  const expected = { killer_pid: sender.pid, signal: SIGUSR1, killed_pid: receiver.pid };
  assert.deepEqual(rig.row("kill_info", { ...expected, comm: "bash" }), { signals: KILLS });
  // The end of (:) made the kernel send SIGCHLD to the sender.
  assert.equal(rig.rows("kill_info", { killed_pid: sender.pid }).size, 0);
  await sender.run(`kill -0 ${receiver.pid}; kill -USR1 ${receiver.pid}`);
  await rig.read();
  assert.equal(rig.row("kill_info", expected).signals, KILLS + 1);
  rig.forgetAfter(-1);
  await rig.read();
  assert.equal(rig.rows("kill_info", { killer_pid: sender.pid }).size, 0);
  await sender.run(`kill -USR1 ${receiver.pid}`);
  await rig.read();
  assert.equal(rig.row("kill_info", expected).signals, 1);
});
