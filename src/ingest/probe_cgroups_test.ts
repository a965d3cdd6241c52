// SPDX-License-Identifier: MulanPSL-2.0
/** On the host's own control groups where we may write them, and on a tree of plain files for the other version. */
import assert from "node:assert/strict";
import { HOST_TEXTS, ProbeCgroups } from "./probe_cgroups.ts";
import { endsWithin, lives } from "./testing_processes.ts";

const NO_LIMITS = { cpuPercent: 0, memoryMegabytes: 0 };

function open(sharePercent: number, texts = HOST_TEXTS) {
  const made: string[] = [];
  const cgroups = new ProbeCgroups({ sharePercent, texts, made: (folder) => made.push(folder) });
  return { cgroups, made };
}

/** Text of a file of the group, below the folder that was made for it. */
function read(folder: string, file: string): string {
  return Deno.readTextFileSync(`${folder}/${file}`).trim();
}

/** CPU time of a process in seconds. */
function cpuSeconds(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

Deno.test("ProbeCgroups holds two busy processes to their common share, and ends runaways", async () => {
  const { cgroups, made } = open(10);
  if (cgroups.problem !== undefined) return console.log(`skipped: ${cgroups.problem}`);
  const groups = ["a", "b"].map((name) => cgroups.group(name, NO_LIMITS));
  const children = groups.map((group) => {
    const script = "read -r go; exec sh -c 'while :; do :; done'";
    const child = new Deno.Command("/bin/sh", { args: ["-c", script], stdin: "piped" }).spawn();
    group.join(child.pid);
    return child;
  });
  const started = performance.now();
  try {
    for (const child of children) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("\n"));
      await writer.close();
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const seconds = (performance.now() - started) / 1000;
    const used = children.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
    // A tenth, and some periods of it more: the clock of /proc has ticks of 10 ms.
    assert.ok(used < seconds * 0.1 + 0.06, `${used} s of CPU in ${seconds} s`);
    const facts = groups[0]!.facts() as { throttledPeriodsOfAll: number };
    assert.ok(facts.throttledPeriodsOfAll > 0);
  } finally {
    cgroups.lift();
    for (const group of groups) group.kill();
  }
  assert.deepEqual(await Promise.all(children.map(async (child) => (await child.status).signal)), [
    "SIGKILL",
    "SIGKILL",
  ]);
  for (const group of groups) await group.remove();
  await cgroups.close();
  for (const folder of made) assert.throws(() => Deno.statSync(folder), Deno.errors.NotFound);
});

Deno.test("ProbeCgroups ends a process that left its process group and its parent", async () => {
  const { cgroups } = open(10);
  if (cgroups.problem !== undefined) return console.log(`skipped: ${cgroups.problem}`);
  const group = cgroups.group("runaway", { cpuPercent: 5, memoryMegabytes: 40 });
  const script = "read -r go; setsid sleep 4711 >/dev/null 2>&1 & echo $!; exec sleep 4711";
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `read -r go; ${script}`],
    stdin: "piped",
    stdout: "piped",
    detached: true,
  }).spawn();
  group.join(child.pid);
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("\n\n"));
  const reader = child.stdout.getReader();
  const runaway = Number(new TextDecoder().decode((await reader.read()).value));
  assert.ok(lives(runaway));
  Deno.kill(-child.pid, "SIGKILL");
  await child.status;
  group.kill();
  assert.ok(await endsWithin(runaway, 1000));
  await reader.cancel();
  await writer.abort();
  assert.deepEqual(group.problems, []);
  await group.remove();
  await cgroups.close();
});

Deno.test("ProbeCgroups writes the files of version 2, all in one group", async () => {
  const root = await Deno.makeTempDir();
  try {
    const own = `${root}/service`;
    await Deno.mkdir(own);
    await Deno.writeTextFile(`${own}/cgroup.subtree_control`, "cpu memory pids\n");
    // It is asked where it stands before it moves, and not again.
    let asked = 0;
    const texts = () => ({
      mounts: `30 23 0:26 / ${root} rw - cgroup2 cgroup2 rw\n`,
      groups: asked++ === 0 ? "0::/service\n" : "0::/service/gala-gopher\n",
    });
    const parent = `${own}/gala-gopher.${Deno.pid}`;
    // What the kernel makes in a new group; a plain folder has no files of its own.
    const prepare = (folder: string, files: readonly string[]) => {
      Deno.mkdirSync(folder);
      for (const file of files) Deno.writeTextFileSync(`${folder}/${file}`, "");
    };
    prepare(parent, ["cgroup.subtree_control", "cpu.max"]);
    prepare(`${parent}/probe-x`, ["cgroup.procs", "cpu.max", "memory.max"]);
    const { cgroups, made } = open(8, texts);
    assert.equal(cgroups.problem, undefined);
    assert.deepEqual(made, [parent]);
    assert.equal(read(parent, "cpu.max"), "8000 100000");
    assert.equal(read(parent, "cgroup.subtree_control"), "+cpu +memory");
    const group = cgroups.group("x", { cpuPercent: 5, memoryMegabytes: 64 });
    assert.deepEqual(group.problems, []);
    assert.equal(read(`${parent}/probe-x`, "cpu.max"), "5000 100000");
    assert.equal(read(`${parent}/probe-x`, "memory.max"), "64000000");
    group.join(4711);
    assert.equal(read(`${parent}/probe-x`, "cgroup.procs"), "4711");
    cgroups.lift();
    assert.equal(read(parent, "cpu.max"), "max");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

Deno.test("ProbeCgroups says why a limit is not held", () => {
  const { cgroups } = open(10, () => ({ mounts: "", groups: "" }));
  assert.equal(cgroups.problem, 'this host has no cgroup controller "cpu"');
  const group = cgroups.group("x", { cpuPercent: 0, memoryMegabytes: 5 });
  assert.deepEqual(group.problems, [
    'no limit of cpu: this host has no cgroup controller "cpu"',
    'no limit of memory: this host has no cgroup controller "memory"',
  ]);
  group.join(1);
  group.kill();
});
