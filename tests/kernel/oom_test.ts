// SPDX-License-Identifier: MulanPSL-2.0
/** Kills for want of memory by the oom probe, in a cgroup that the test limits. */
import assert from "node:assert/strict";
import oom from "../../src/probes/oom.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { TestCgroup } from "./test_cgroup.ts";

const KILLS = 31;
const LIMIT_BYTES = 8 * 1024 * 1024;
const SIGKILL_STATUS = 137;

function limitedCgroup(): TestCgroup {
  const cgroup = TestCgroup.of("memory");
  cgroup.limit(LIMIT_BYTES);
  return cgroup;
}

/** Kernels before 6.8 tell who was killed, but neither cgroup nor size. */
function tellsVictim(rig: TaskRig): boolean {
  const victim = rig.running.hooks!().find(({ program }) => program === "oom_victim")!;
  if (victim.state !== "attached") console.log(`Only kills are counted here: ${victim.reason}`);
  return victim.state === "attached";
}

function kills(rig: TaskRig): number {
  return [...rig.rows("oom_kill").values()].reduce((sum, row) => sum + row.kills!, 0);
}

Deno.test("oom counts 31 children killed in a limited cgroup, with victim and size", async () => {
  using cgroup = limitedCgroup();
  await using rig = await TaskRig.start(oom, { tables: ["oom_kill", "cgprobe"] });
  await using shell = new Shell();
  const child = `(echo $BASHPID >${cgroup.path}/cgroup.procs; ` +
    `exec perl -e '$x = "a" x 64000000; sleep 9') 2>/dev/null`;
  const output = await shell.run(
    `for i in {1..${KILLS}}; do ${child}; echo status $?; done 2>/dev/null`,
  );
  assert.equal(output.split(`status ${SIGKILL_STATUS}\n`).length - 1, KILLS, output);
  await rig.read();
  if (!tellsVictim(rig)) return assert.equal(kills(rig), KILLS);
  const labels = { cgroup_id: cgroup.id, cgroup: cgroup.name };
  assert.equal(rig.row("cgprobe", labels).ooms, KILLS);
  const victims = [...rig.rows("oom_kill", { ...labels, comm: "perl" }).values()];
  assert.equal(victims.length, KILLS);
  for (const { kills, anon_bytes, vm_bytes } of victims) {
    assert.equal(kills, 1);
    assert.ok(anon_bytes! > 0 && anon_bytes! <= 2 * LIMIT_BYTES, `${anon_bytes} B`);
    assert.ok(vm_bytes! > 64_000_000, `${vm_bytes} B of address space`);
  }
  rig.forgetAfter(-1);
  await rig.read();
  assert.equal(rig.rows("oom_kill", labels).size, 0);
});

Deno.test("oom forgets a cgroup that was removed", async () => {
  await using rig = await TaskRig.start(oom, { tables: ["oom_kill", "cgprobe"] });
  let id: number;
  {
    using cgroup = limitedCgroup();
    ({ id } = cgroup);
    await using shell = new Shell();
    await shell.run(
      `(echo $BASHPID >${cgroup.path}/cgroup.procs; exec perl -e '$x = "a" x 64000000' 2>/dev/null) || :`,
    );
    await rig.read();
    if (!tellsVictim(rig)) return assert.equal(kills(rig), 1);
    assert.equal(rig.row("cgprobe", { cgroup_id: id }).ooms, 1);
  }
  rig.forgetAfter(-1); // the kernel's row is gone: this one is not renewed
  await rig.read();
  assert.equal(rig.rows("cgprobe", { cgroup_id: id }).size, 0);
});
