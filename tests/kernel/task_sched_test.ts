// SPDX-License-Identifier: MulanPSL-2.0
/** Scheduling and the life of processes by the task probe, beside what /proc says of the same processes. */
import assert from "node:assert/strict";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { until } from "../until.ts";

const FORKS = 97;
const NS = 1e-9;

function switches(pid: number): { gave_up: number; preempted: number } {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  return {
    gave_up: number("voluntary_ctxt_switches"),
    preempted: number("nonvoluntary_ctxt_switches"),
  };
}

/** Undefined where the kernel does not count run delays. */
function schedstat(pid: number): { waited: number; runs: number } | undefined {
  try {
    const [, waited, runs] = Deno.readTextFileSync(`/proc/${pid}/schedstat`).trim().split(" ");
    return { waited: Number(waited) * NS, runs: Number(runs) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isAsleep(pid: number): boolean {
  return /^\d+ \(.*\) S /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
}

Deno.test("task counts 97 forks, and the switches of a process as /proc counts them", async () => {
  await using rig = await TaskRig.start(task, { tables: ["proc_cpu", "proc_sched"] });
  await using shell = new Shell();
  await shell.run(`for i in {1..${FORKS}}; do (:); done`);
  await until("the shell waits", () => isAsleep(shell.pid));
  await rig.read();
  const { forks, threads_made, gave_up, preempted } = rig.row("proc_sched", {
    tgid: shell.pid,
    comm: "bash",
  });
  assert.deepEqual({ forks, threads_made }, { forks: FORKS, threads_made: 0 });
  assert.deepEqual({ gave_up, preempted }, switches(shell.pid));
  const { run_waits, run_wait_seconds } = rig.row("proc_sched", { tgid: shell.pid });
  const told = schedstat(shell.pid);
  if (told !== undefined) {
    // A thread that is woken in the moment in which it goes to sleep may count there and not here.
    assert.ok(Math.abs(run_waits! - told.runs) <= 3, `${run_waits} waits, schedstat ${told.runs}`);
    // The scheduler's clock stands still in interrupts, and ours does not.
    const off = Math.abs(run_wait_seconds! - told.waited);
    assert.ok(off < 0.1 * told.waited + 0.001, `${run_wait_seconds} s, schedstat ${told.waited}`);
  }
  await rig.read();
  assert.equal(rig.row("proc_sched", { tgid: shell.pid }).forks, FORKS);
});

Deno.test("task tells a sleep as time off the CPU, and not as waiting for one", async () => {
  await using rig = await TaskRig.start(task, { tables: ["proc_cpu", "proc_sched", "sched"] });
  await using shell = new Shell();
  await rig.read();
  const before = rig.row("proc_cpu", { tgid: shell.pid }).offcpu_ns!;
  const start = performance.now();
  await shell.run("sleep 0.4"); // which begins before the shell waits for it
  const passed = (performance.now() - start) * 1e6;
  await rig.read();
  const slept = rig.row("proc_cpu", { tgid: shell.pid }).offcpu_ns! - before;
  assert.ok(slept >= 0.307e9, `off for ${slept} ns`);
  const waited = rig.row("proc_sched", { tgid: shell.pid }).run_wait_seconds!;
  assert.ok(waited < passed * NS, `waited ${waited} s of ${passed} ns`);
  const { count, sum } = rig.histogram("sched", "run_wait_seconds");
  assert.ok(count > 0 && sum > 0);
});

Deno.test("task shows the new name of a process that starts another program", async () => {
  await using rig = await TaskRig.start(task, { tables: ["proc_sched"] });
  await using shell = new Shell();
  await shell.run(":");
  await rig.read();
  assert.equal(rig.rows("proc_sched", { tgid: shell.pid, comm: "bash" }).size, 1);
  await shell.run(`ln -s "$(command -v bash)" /tmp/gg-$$; exec /tmp/gg-$$`);
  await shell.run("rm /tmp/gg-$$");
  await rig.read();
  const { execs } = rig.row("proc_sched", { tgid: shell.pid });
  assert.equal(execs, 2); // bash itself, and this
  assert.equal(rig.rows("proc_sched", { tgid: shell.pid, comm: `gg-${shell.pid}` }).size, 1);
});

Deno.test("task says who took whose CPU, for observed processes only", async () => {
  const tables = ["thread_cpu", "proc_preemption", "proc_sched_latency", "proc_sched"];
  await using watched = new Shell();
  await using other = new Shell();
  await using rig = await TaskRig.start(task, {
    tables,
    settings: { observe_pids: `${watched.pid}`, observe_names: "" },
  });
  await rig.read();
  const before = rig.row("proc_sched", { tgid: watched.pid }).preempted!;
  const work = "taskset -pc 0 $$ >/dev/null; for i in {1..200000}; do :; done";
  await Promise.all([watched.run(work), other.run(work)]);
  await rig.read();
  const preempted = rig.row("proc_sched", { tgid: watched.pid }).preempted! - before;
  const pairs = [...rig.rows("proc_preemption").values()];
  const times = pairs.reduce((sum, row) => sum + row.times!, 0);
  assert.equal(rig.rows("proc_preemption", { tgid: watched.pid }).size, pairs.length);
  assert.ok(times > 0 && times <= preempted, `${times} of ${preempted}`);
  const thread = rig.row("thread_cpu", { tgid: watched.pid });
  assert.ok(thread.off_cpu_ns! > 0);
  assert.equal(rig.rows("thread_cpu").size, 1);
  assert.ok(rig.histogram("proc_sched_latency", "run_wait_seconds").count >= times);
  await until("a period without preemption, which has no maximum", async () => {
    await rig.read();
    return rig.row("thread_cpu").off_cpu_ns === 0;
  });
});

Deno.test("task gives short processes one row together unless they are observed, and forgets ended ones", async () => {
  await using rig = await TaskRig.start(task, {
    tables: ["proc_sched"],
    settings: { observe_names: "gg-seen" },
  });
  await rig.read();
  const execs = () =>
    [...rig.rows("proc_sched", { tgid: 0, comm: "other" }).values()][0]?.execs ?? 0;
  const before = execs();
  await using shell = new Shell();
  const folder = await Deno.makeTempDir();
  try {
    await Deno.copyFile("/bin/true", `${folder}/gg-seen`);
    await Deno.copyFile("/bin/true", `${folder}/gg-unseen`);
    await shell.run(`for i in {1..31}; do ${folder}/gg-seen; ${folder}/gg-unseen; done`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  await rig.read();
  assert.equal(rig.rows("proc_sched", { comm: "gg-seen" }).size, 31);
  assert.ok(execs() - before >= 31, `${execs() - before} short programs`);
  assert.equal(rig.rows("proc_sched", { comm: "gg-unseen" }).size, 0);
  await rig.read();
  rig.forgetAfter(0);
  await rig.read();
  assert.equal(rig.rows("proc_sched", { comm: "gg-seen" }).size, 0);
  assert.equal(rig.rows("proc_sched", { tgid: shell.pid }).size, 1);
  assert.deepEqual(rig.running.losses!(), { table_full: 0, ring_drop: 0 });
});

Deno.test("task tells the same of a process by the kernel's own totals and by each switch", async () => {
  const settings = { observe_names: "dd" };
  await using totals = await TaskRig.start(task, { tables: ["proc_cpu", "proc_sched"], settings });
  await using switched = await TaskRig.start(task, {
    tables: ["proc_cpu", "proc_sched", "sched"],
    settings,
  });
  const both = [totals, switched];
  for (const rig of both) await rig.read();
  const file = await Deno.makeTempFile();
  using _file = { [Symbol.dispose]: () => Deno.removeSync(file) };
  await using shell = new Shell();
  const onDisk = (await shell.run(`stat -f -c %T ${file}`)).trim() !== "tmpfs";
  const dd = `exec dd if=/dev/zero of=${file} bs=4k count=211 oflag=dsync status=none`;
  const [pid, waitedBefore] = (await shell.run(
    `(read -r _ waited _ < /proc/$BASHPID/schedstat; echo $BASHPID $waited; ${dd})`,
  )).split(" ").map(Number) as [number, number];
  for (const rig of both) await rig.read();
  const [of, beside] = both.map((rig) => ({
    ...rig.row("proc_sched", { tgid: pid, comm: "dd" }),
    ...rig.row("proc_cpu", { tgid: pid }),
  }));
  assert.equal(of!.preempted, beside!.preempted);
  assert.equal(of!.gave_up, beside!.gave_up);
  const near = (metric: string, allowed: number) => {
    const [one, other] = [of![metric]!, beside![metric]!];
    assert.ok(Math.abs(one - other) <= 0.1 * other + allowed, `${metric}: ${one}, ${other}`);
  };
  near("run_waits", 3);
  // The kernel takes its time inside of what the two tracepoints see, and in its totals are the waits before dd was dd,
  // which on a busy host are long: those until the shell looked, and as much after that.
  near("run_wait_seconds", 20e-6 * of!.run_waits! + 2e-9 * waitedBefore);
  near("offcpu_ns", 5e6);
  near("iowait_ns", 5e6);
  if (onDisk) assert.ok(of!.iowait_ns! > 0);
  else console.log(`"${file}" is on a tmpfs: nothing waits for I/O`);
});
