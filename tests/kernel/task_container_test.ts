// SPDX-License-Identifier: MulanPSL-2.0
/** The filter by container of the task and io probes: decided in the kernel, also for containers that come later. */
import assert from "node:assert/strict";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { TestCgroup } from "./test_cgroup.ts";

const FORKS = 23;
const TABLES = ["proc_sched", "proc_syscall_time"];

function newId(): string {
  return crypto.randomUUID().replaceAll("-", "").repeat(2);
}

Deno.test("task observes listed containers and those inside, also what comes after it was started", async () => {
  const [listed, other] = [newId(), newId()];
  await using rig = await TaskRig.start(task, {
    tables: TABLES,
    settings: { observe_names: "", observe_containers: `${newId()},${listed}`, top: 0 },
  });
  using container = TestCgroup.of("cpuacct", `docker-${listed}.scope`);
  using stranger = TestCgroup.of("cpuacct", `docker-${other}.scope`);
  using inner = TestCgroup.of("cpuacct", `${container.name}/init.scope`);
  const pids: number[] = [];
  for (const { path } of [container, inner, stranger]) {
    // As a runtime does it: the program is started when the process is in the container.
    await using shell = new Shell("bash", ["-c", `echo $$ > ${path}/cgroup.procs; exec bash`]);
    await shell.run(`for i in {1..${FORKS}}; do (:); done`);
    await rig.read();
    pids.push(shell.pid);
  }
  for (const pid of pids.slice(0, 2)) {
    assert.equal(rig.row("proc_sched", { tgid: pid }).forks, FORKS);
    const { count } = rig.histogram("proc_syscall_time", "seconds", {
      tgid: pid,
      syscall: "clone",
    });
    assert.equal(count, FORKS);
  }
  assert.equal(rig.rows("proc_sched", { tgid: pids[2]! }).size, 0);
  assert.equal(rig.rows("proc_syscall_time", { tgid: pids[2]! }).size, 0);
});
