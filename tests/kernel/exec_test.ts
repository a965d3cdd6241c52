// SPDX-License-Identifier: MulanPSL-2.0
/** Programs that processes start by the exec probe, on the running kernel. */
import assert from "node:assert/strict";
import exec from "../../src/probes/exec.ts";
import { assertGone, heldBy } from "../held_in_kernel.ts";
import { tableOf } from "../table_rows.ts";
import { ProbeRig } from "./probe_rig.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { TestCgroup } from "./test_cgroup.ts";

const STARTS = 53;
/** Older kernels make room for 128 rows a CPU at a time. */
const MAX_ROWS = 389;
const PROGRAMS = 431;
const AT_ONCE = 43;
const LAST = 17;
const TABLES = ["exec_info"];

/** So many programs, whose names no other program of this host has, and the commands that start them. */
function programs(count: number) {
  const folder = Deno.makeTempDirSync();
  const tag = crypto.randomUUID().slice(0, 8);
  const names = Array.from({ length: count }, (_, i) => `gg${tag}${i}`);
  // The guests of vm.sh have no other program that does nothing.
  for (const name of names) Deno.symlinkSync("/bin/bash", `${folder}/${name}`);
  return {
    names,
    starts: names.map((name) => `${folder}/${name} -c :`),
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

/** One of them. */
function program() {
  const made = programs(1);
  return { ...made, name: made.names[0]!, start: made.starts[0]! };
}

Deno.test("exec counts 53 starts of a program, and not those that fail", async () => {
  using made = program();
  await using rig = await TaskRig.start(exec, { tables: TABLES });
  await using shell = new Shell();
  await shell.run(
    `for i in {1..${STARTS}}; do ${made.start}; /none${made.start}; done 2>/dev/null`,
  );
  await rig.read();
  assert.deepEqual([...rig.rows("exec_info", { comm: made.name })], [
    [`{comm="${made.name}"}`, { starts: STARTS }],
  ]);
  await shell.run(made.start);
  rig.forgetAfter(-1); // a program that is seldom started keeps its count
  await rig.read();
  assert.equal(rig.row("exec_info", { comm: made.name }).starts, STARTS + 1);
});

Deno.test("exec tells the parent when asked to", async () => {
  using made = program();
  await using rig = await TaskRig.start(exec, { tables: TABLES, settings: { by_parent: true } });
  await using shell = new Shell();
  await shell.run(`for i in {1..${STARTS}}; do ${made.start}; done`);
  await rig.read();
  const expected = { comm: made.name, parent_comm: "bash" };
  assert.deepEqual(rig.row("exec_info", expected), { starts: STARTS });
});

Deno.test("exec tells the container of programs that have long ended, and none of the host's", async () => {
  using made = program();
  const id = crypto.randomUUID().replaceAll("-", "").repeat(2);
  using cgroup = TestCgroup.of("cpuacct", `cri-containerd-${id}.scope`);
  using inner = TestCgroup.of("cpuacct", `${cgroup.name}/container`);
  using other = TestCgroup.of("cpuacct", `session-${id.slice(0, 8)}.scope`);
  await using rig = await TaskRig.start(exec, { tables: TABLES });
  for (const { path } of [cgroup, inner, other]) {
    await using shell = new Shell("bash", ["-c", `echo $$ > ${path}/cgroup.procs; exec bash`]);
    await shell.run(`for i in {1..${STARTS}}; do ${made.start}; done`);
    await shell.end();
  }
  await rig.read();
  assert.deepEqual(
    new Map(rig.rows("exec_info", { comm: made.name })),
    new Map([
      [`{comm="${made.name}",container_id="${id.slice(0, 12)}"}`, { starts: 2 * STARTS }],
      [`{comm="${made.name}"}`, { starts: STARTS }],
    ]),
  );
});

Deno.test("exec keeps the programs that were started last when there is no room for all", async () => {
  using made = programs(PROGRAMS);
  await using rig = await ProbeRig.start(exec, { maxRows: MAX_ROWS });
  await using shell = new Shell();
  for (let i = 0; i < PROGRAMS; i += AT_ONCE) {
    await shell.run(made.starts.slice(i, i + AT_ONCE).join("; "));
  }
  await rig.tick(1);
  assert.ok(tableOf(rig.store, "exec_info").rows <= MAX_ROWS);
  // The kernel's order is a rough one: some older ones may stay.
  for (const name of made.names.slice(-LAST)) {
    assert.deepEqual(rig.rows("exec_info", `comm="${name}"`), [{ starts: 1 }]);
  }
});

Deno.test("exec leaves nothing in the kernel", async () => {
  const before = heldBy(Deno.pid);
  const rig = await ProbeRig.start(exec);
  const held = heldBy(Deno.pid).difference(before);
  assert.ok(held.size >= 4, [...held].join(" ")); // a program, its link, its two maps
  await rig[Symbol.asyncDispose]();
  assert.deepEqual([...rig.store.tables], []);
  await assertGone(held);
});
