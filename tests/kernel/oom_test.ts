// SPDX-License-Identifier: MulanPSL-2.0
/** Kills for want of memory by the oom probe, in a cgroup that the test limits. */
import assert from "node:assert/strict";
import oom from "../../src/probes/oom.ts";
import { ProbeRig, Shell } from "./probe_rig.ts";

const KILLS = 31;
const LIMIT_BYTES = 8 * 1024 * 1024;
const SIGKILL_STATUS = 137;

/** A cgroup with a limit, below the memory controller of version 1 or 2. */
class LimitedCgroup implements Disposable {
  readonly path: string;
  readonly name = `gg-oom-${Deno.pid}`;

  constructor() {
    const v1 = "/sys/fs/cgroup/memory";
    const isV1 = exists(`${v1}/memory.limit_in_bytes`) || exists(`${v1}/cgroup.procs`);
    this.path = `${isV1 ? v1 : "/sys/fs/cgroup"}/${this.name}`;
    Deno.mkdirSync(this.path);
    const file = isV1 ? "memory.limit_in_bytes" : "memory.max";
    Deno.writeTextFileSync(`${this.path}/${file}`, String(LIMIT_BYTES));
  }

  get id(): number {
    return Deno.statSync(this.path).ino!;
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test("oom counts 31 children killed in a limited cgroup, with victim and size", async () => {
  using cgroup = new LimitedCgroup();
  await using rig = await ProbeRig.start(oom, { tables: ["oom_kill", "cgprobe"] });
  await using shell = new Shell();
  const child = `(echo $BASHPID >${cgroup.path}/cgroup.procs; ` +
    `exec perl -e '$x = "a" x 64000000; sleep 9') 2>/dev/null`;
  const output = await shell.run(
    `for i in {1..${KILLS}}; do ${child}; echo status $?; done 2>/dev/null`,
  );
  assert.equal(output.split(`status ${SIGKILL_STATUS}\n`).length - 1, KILLS, output);
  await rig.read();
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
  await using rig = await ProbeRig.start(oom, { tables: ["oom_kill", "cgprobe"] });
  let id: number;
  {
    using cgroup = new LimitedCgroup();
    ({ id } = cgroup);
    await using shell = new Shell();
    await shell.run(
      `(echo $BASHPID >${cgroup.path}/cgroup.procs; exec perl -e '$x = "a" x 64000000' 2>/dev/null) || :`,
    );
    await rig.read();
    assert.equal(rig.row("cgprobe", { cgroup_id: id }).ooms, 1);
  }
  rig.forgetAfter(-1); // the kernel's row is gone: this one is not renewed
  await rig.read();
  assert.equal(rig.rows("cgprobe", { cgroup_id: id }).size, 0);
});
