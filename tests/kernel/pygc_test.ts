// SPDX-License-Identifier: MulanPSL-2.0
/** Garbage collections by the pygc probe beside what Python itself counts and measures. */
import assert from "node:assert/strict";
import pygc from "../../src/probes/pygc.ts";
import { SCAN_READINGS } from "../../src/sys/bpf_runner.ts";
import { assertGone, heldBy } from "../held_in_kernel.ts";
import { Shell, TaskRig } from "./task_rig.ts";

const PYTHON = "/usr/bin/python3";
const CHILD = new URL("collector_child.py", import.meta.url).pathname;
const COLLECTIONS = 211;

/** A Python that collects garbage when it is told to, and at no other time. */
class Collector extends Shell {
  constructor(python = PYTHON) {
    super(python, ["-I", CHILD]);
  }

  override run(code: string): Promise<string> {
    return this.send(`${code}\n`);
  }

  /** What it says. */
  async tell(code: string): Promise<number[]> {
    return (await this.run(code)).trim().split(/\s+/).map(Number);
  }
}

function startRig(): Promise<TaskRig> {
  return TaskRig.start(pygc, { tables: ["proc_pygc"] });
}

/** The process's collections so far. */
function counted(rig: TaskRig, pid: number): number {
  const rows = [...rig.rows("proc_pygc", { tgid: pid }).values()];
  return rows.reduce((sum, { python_gc }) => sum + python_gc!, 0);
}

async function assertCounted(rig: TaskRig, child: Collector): Promise<void> {
  const before = counted(rig, child.pid);
  const sumBefore = before === 0 ? 0 : rig.row("proc_pygc", { tgid: child.pid }).latency_sum!;
  const [count, sum, longest] = await child.tell(`collect(${COLLECTIONS})`);
  assert.equal(count, COLLECTIONS);
  await rig.read();
  const row = rig.row("proc_pygc", { tgid: child.pid, comm: "python3" });
  assert.equal(row.python_gc! - before, COLLECTIONS);
  const [milliseconds, most] = [row.latency_sum! - sumBefore, row.latency_max!];
  // Python's clock also sees its own calls around the marks, and what else had the CPU then.
  const text = `${milliseconds} ms, Python says ${sum! / 1e6}; ${most}, ${longest! / 1e6}`;
  console.log(text);
  assert.ok(milliseconds <= sum! / 1e6 && milliseconds > sum! / 1e6 * 0.5, text);
  assert.ok(most <= longest! / 1e6 && most >= milliseconds / COLLECTIONS, text);
  const histogram = rig.histogram("proc_pygc", "python_gc_seconds", { tgid: child.pid });
  assert.equal(histogram.count, row.python_gc);
  assert.ok(Math.abs(histogram.sum * 1000 - row.latency_sum!) < 1e-6);
}

Deno.test("pygc counts 211 collections of a Python that ran before, and of one that is started later", async () => {
  await using old = new Collector();
  await old.run("pass");
  await using rig = await startRig();
  assert.ok(rig.running.hooks!().every(({ state }) => state === "attached"));
  await assertCounted(rig, old);
  await using young = new Collector();
  const [all] = await young.tell("all_so_far()");
  await rig.read();
  assert.equal(counted(rig, young.pid), all);
  await assertCounted(rig, young);
  await assertCounted(rig, old);
  await rig.read();
  const { latency_max } = rig.row("proc_pygc", { tgid: old.pid });
  assert.equal(latency_max, 0);
  assert.deepEqual(rig.running.losses!(), { table_full: 0, ring_drop: 0 });
});

Deno.test("pygc counts collections within a collection, of another interpreter", async () => {
  await using child = new Collector();
  await child.run("import _xxsubinterpreters as subs; other = subs.create()");
  await child.run('subs.run_string(other, "import gc; gc.disable()")');
  await using rig = await startRig();
  const inner = 'subs.run_string(other, "import gc; gc.collect()")';
  for (let i = 0; i < 7; i++) {
    const [outer] = await child.tell(`Dying(lambda: ${inner}); collect(1)`);
    assert.equal(outer, 1);
  }
  await rig.read();
  assert.equal(counted(rig, child.pid), 14);
  await assertCounted(rig, child);
});

Deno.test("pygc counts no collection that another process began or that never ends", async () => {
  await using child = new Collector();
  await child.run("pass");
  await using rig = await startRig();
  // The child of a fork comes out of its parent's collection; then it begins 5 of its own.
  const fork = "[os._exit(0) for _ in [0] if os.fork() == 0]";
  const [count] = await child.tell(`Dying(lambda: ${fork}); collect(1); os.wait()`);
  assert.equal(count, 1);
  const own =
    "pids = [os.fork()]; [collect(5) for _ in [0] if pids[0] == 0]; os._exit(0) if pids[0] == 0 else os.wait()";
  await child.run(own);
  const pid = Number((await child.run("print(pids[0])")).trim());
  await rig.read();
  assert.equal(counted(rig, child.pid), 1);
  assert.equal(counted(rig, pid), 5);
});

Deno.test("pygc finds an interpreter that nobody ran before, and a library", async () => {
  const folder = await Deno.makeTempDir();
  await using _folder = {
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
  await using rig = await startRig();
  const copy = `${folder}/python3.11`;
  await Deno.copyFile(PYTHON, copy);
  await using child = new Collector(copy);
  await child.run("collect(3)");
  for (let i = 0; i < SCAN_READINGS; i++) await rig.read();
  assert.equal(counted(rig, child.pid), 0);
  await child.run("collect(31)");
  await rig.read();
  assert.equal(counted(rig, child.pid), 31);
});

Deno.test("pygc leaves nothing attached, and Python runs on", async () => {
  await using child = new Collector();
  await child.run("pass");
  const rig = await startRig();
  const held = heldBy(Deno.pid);
  assert.ok([...held].some((id) => id.startsWith("prog")));
  await child.run("collect(3)");
  await rig[Symbol.asyncDispose]();
  await assertGone(held);
  const [count] = await child.tell("collect(3)");
  assert.equal(count, 3);
});
