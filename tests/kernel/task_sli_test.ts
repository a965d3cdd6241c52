// SPDX-License-Identifier: MulanPSL-2.0
/** What a container waits for, by the task probe: in a cgroup that is named as a container's is. */
import assert from "node:assert/strict";
import task from "../../src/probes/task.ts";
import { Shell, TaskRig } from "./task_rig.ts";
import { TestCgroup } from "./test_cgroup.ts";

const TABLES = [
  "sli_cpu_container_gauge",
  "sli_cpu_container_histogram",
  "sli_mem_container_gauge",
  "sli_mem_container_histogram",
  "sli_cpu_node_gauge",
  "sli_cpu_node_histogram",
];
const SLEEPS = 13;
const MS = 1_000_000;

Deno.test("task tells sleep of a container and of the host, and searches for memory", async () => {
  const id = crypto.randomUUID().replaceAll("-", "").repeat(2);
  const container_id = id.slice(0, 12);
  using memory = TestCgroup.of("memory", `docker-${id}.scope`);
  using cpu = memory.isV1 ? TestCgroup.of("cpuacct", `docker-${id}.scope`) : undefined;
  memory.limit(16 * 1024 * 1024);
  await using rig = await TaskRig.start(task, { tables: TABLES });
  const file = await Deno.makeTempFile();
  using _file = { [Symbol.dispose]: () => Deno.removeSync(file) };
  let onDisk: boolean;
  {
    await using shell = new Shell();
    // Pages of a tmpfs cannot be given back: there is nothing to search for.
    onDisk = (await shell.run(`stat -f -c %T ${file}`)).trim() !== "tmpfs";
    for (const path of [memory.path, ...(cpu ? [cpu.path] : [])]) {
      await Deno.writeTextFile(`${path}/cgroup.procs`, String(shell.pid));
    }
    await shell.run(`for i in {1..${SLEEPS}}; do sleep 0.02; done`);
    await shell.run("dd if=/dev/urandom of=/dev/null bs=8M count=8 status=none");
    if (onDisk) await shell.run(`dd if=/dev/zero of=${file} bs=1M count=48 status=none`);
    await rig.read();
  }
  const sleeps = rig.histogram("sli_cpu_container_histogram", "cpu_sleep_histo", { container_id });
  // Of more than 10 ms; the shell's wait for each sleep is as long.
  const long = sleeps.buckets.slice(3).reduce((sum, each) => sum + each, 0);
  assert.ok(long >= 2 * SLEEPS, `${sleeps.buckets}`);
  const row = rig.row("sli_cpu_container_gauge", { container_id });
  assert.ok(row.cpu_sleep! >= 2 * SLEEPS * 20 * MS);
  assert.equal(row.cpu_sleep, sleeps.sum);
  const node = rig.row("sli_cpu_node_gauge", { sli_node_key: "node" });
  assert.ok(node.cpu_sleep! >= row.cpu_sleep!);
  assert.ok(node.cpu_wait! > 0);
  assert.equal(node.cpu_rundelay, node.cpu_wait);
  const longsys = rig.histogram("sli_cpu_container_histogram", "cpu_longsys_histo", {
    container_id,
  });
  // 8 MiB of random bytes are one call of some 20 ms.
  assert.ok(longsys.sum > 20 * MS && row.cpu_longsys === longsys.sum, `${longsys.sum} ns`);
  if (!onDisk) return console.log(`"${file}" is on a tmpfs: no reclaim to see`);
  const reclaim = rig.histogram("sli_mem_container_histogram", "mem_reclaim_histo", {
    container_id,
  });
  assert.ok(reclaim.count > 0 && reclaim.sum > 0, "48 MiB of file within 16 MiB");
});
