// SPDX-License-Identifier: MulanPSL-2.0
/** What the task and io probes show by default: few processes, and one row for all others. */
import assert from "node:assert/strict";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const TABLES = ["proc_cpu", "proc_sched"];
const IDLE = 60;
const OTHER = { tgid: 0, comm: "other" };

function total(rig: TaskRig, metric: string): number {
  return [...rig.rows("proc_sched").values()].reduce((sum, row) => sum + row[metric]!, 0);
}

Deno.test("task shows the named and the busiest, and all others as one row that keeps the totals", async () => {
  await using idle = new Shell();
  await idle.run(`for i in {1..${IDLE}}; do sleep 300 & done`);
  await using named = new Shell();
  try {
    const names = { observe_pids: `${named.pid}`, observe_names: "" };
    await using all = await TaskRig.start(task, { tables: TABLES });
    await using few = await TaskRig.start(task, { tables: TABLES, settings: { ...names, top: 3 } });
    await few.read();
    const before = few.rows("proc_sched", OTHER).size === 0
      ? 0
      : few.row("proc_sched", OTHER).forks!;
    await Promise.all([idle.run("for i in {1..211}; do (:); done"), named.run("(:)")]);
    await all.read();
    await few.read();
    assert.equal(few.row("proc_sched", { tgid: named.pid }).forks, 1);
    const shown = few.table("proc_sched").rows;
    assert.ok(shown <= 3 + 3 + 1 + 1, `${shown} rows`);
    assert.ok(all.table("proc_sched").rows > IDLE);
    // The shell may be among the busiest or in the rest: its forks are counted once.
    const own = [...few.rows("proc_sched", { tgid: idle.pid }).values()];
    const others = few.row("proc_sched", OTHER).forks! - before;
    assert.ok(others + (own[0]?.forks ?? 0) >= 211, `${others} by others, own ${own[0]?.forks}`);
    assert.ok(total(few, "forks") >= 212);
    assert.equal(few.rows("proc_sched", { comm: "kthreadd" }).size, 0);
    assert.equal(few.rows("proc_sched", { comm: "sleep" }).size, 0);
    const { rows_in_other } = few.running.facts!() as { rows_in_other: Record<string, number> };
    assert.ok(rows_in_other.proc_sched! > IDLE);
  } finally {
    await idle.run("kill $(jobs -p)");
  }
});

Deno.test("task shows no process but the named with top 0, and the rest has what they did not", async () => {
  await using named = new Shell();
  await using other = new Shell();
  await using rig = await TaskRig.start(task, {
    tables: TABLES,
    settings: { observe_pids: `${named.pid}`, observe_names: "", top: 0 },
  });
  await rig.read();
  await Promise.all([
    named.run("for i in {1..53}; do (:); done"),
    other.run("for i in {1..97}; do (:); done"),
  ]);
  await rig.read();
  assert.equal(rig.row("proc_sched", { tgid: named.pid }).forks, 53);
  assert.equal(rig.table("proc_sched").rows, 2);
  assert.ok(rig.row("proc_sched", OTHER).forks! >= 97);
});
