// SPDX-License-Identifier: MulanPSL-2.0
/** The task probe in bad weather: storms of forks, no CPU for the agent, and what it leaves. */
import assert from "node:assert/strict";
import io from "../../src/probes/io.ts";
import task from "../../src/probes/task.ts";
import { assertGone, heldBy, type Ids, stillThere } from "../held_in_kernel.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const FORKS = 5009;
const FIRST = 2503;
const SHORT_LIVED_ROWS = 1000;
const READS = 1009;
const FULL = { table_full: 0, ring_drop: 0 };
const SPIN = "while :; do :; done";

/** A Perl that does what it is told and answers. */
class Perl extends Shell {
  constructor() {
    super("perl", ["-e", '$| = 1; while (<STDIN>) { eval; print "done:0\\n"; }']);
  }

  override run(line: string): Promise<string> {
    return this.send(`${line}\n`);
  }
}

Deno.test(`task counts ${FORKS} forks by two processes at once exactly, in few rows`, async () => {
  await using rig = await TaskRig.start(task, { tables: ["proc_cpu", "proc_sched"] });
  const fork = (times: number) => `i=0; while [ $i -lt ${times} ]; do (:); i=$((i+1)); done`;
  await using first = new Shell("sh");
  await using second = new Shell("sh");
  await rig.read();
  const rows = rig.table("proc_sched").rows;
  const begin = performance.now();
  await Promise.all([first.run(fork(FIRST)), second.run(fork(FORKS - FIRST))]);
  const seconds = (performance.now() - begin) / 1000;
  console.log(`${Math.round(FORKS / seconds)} forks a second`);
  await rig.read();
  const made = [first, second].map(({ pid }) => rig.row("proc_sched", { tgid: pid }).forks!);
  assert.deepEqual(made, [FIRST, FORKS - FIRST]);
  assert.ok(rig.table("proc_sched").rows < rows + SHORT_LIVED_ROWS);
  assert.deepEqual(rig.running.losses!(), FULL);
});

Deno.test("task loses nothing while the agent hardly gets a CPU", async () => {
  await using perl = new Perl();
  await using rig = await TaskRig.start(task, {
    tables: ["proc_cpu", "proc_sched", "proc_syscall_time", "proc_syscall_error"],
    settings: { observe_names: "", observe_pids: `${perl.pid}` },
  });
  await rig.read();
  await perl.run("1"); // its read began before it was observed
  await perl.run(`open $f, "<", "/dev/zero"`);
  await rig.read();
  const reads = () =>
    rig.histogram("proc_syscall_time", "seconds", { tgid: perl.pid, syscall: "read" }).count;
  const before = reads();
  await using _starved = starve();
  await perl.run(`sysread $f, $x, 7 for 1..${READS}; open $n, "<", "/none" for 1..211`);
  await rig.read();
  assert.equal(reads() - before, READS + 1); // and the line itself
  const [failed] = rig.rows("proc_syscall_error", { tgid: perl.pid, errno: "ENOENT" }).values();
  assert.equal(failed!.errors, 211);
  assert.deepEqual(rig.running.losses!(), FULL);
});

/** The agent, which is this process, goes behind two programs that want all of both CPUs. */
function starve(): AsyncDisposable {
  const spinners = Array.from(
    { length: navigator.hardwareConcurrency },
    () => new Deno.Command("bash", { args: ["-c", `${SPIN}`], stdin: "null" }).spawn(),
  );
  const renice = (nice: string) =>
    new Deno.Command("renice", { args: ["-n", nice, "-p", `${Deno.pid}`], stdout: "null" })
      .outputSync();
  renice("19");
  return {
    async [Symbol.asyncDispose]() {
      for (const spinner of spinners) spinner.kill("SIGKILL");
      await Promise.all(spinners.map(({ status }) => status));
      renice("0");
    },
  };
}

Deno.test("task and io leave nothing in the kernel when they stop", async () => {
  assert.equal(heldBy(Deno.pid).size, 0);
  let held: Ids;
  {
    await using taskRig = await TaskRig.start(task, { tables: Object.keys(task.tables) });
    await using ioRig = await TaskRig.start(io, { tables: ["block", "proc_io"] });
    await taskRig.read();
    await ioRig.read();
    held = heldBy(Deno.pid);
    for (const kind of ["prog", "map", "link"]) {
      assert.ok([...held].filter((each) => each.startsWith(kind)).length > 5, kind);
    }
    assert.equal((await stillThere(held)).length, held.size);
  }
  assert.equal(heldBy(Deno.pid).size, 0);
  await assertGone(held);
});
