// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { type FileTexts, fixture, runProbe, TICK_SECONDS } from "../../tests/run_probe.ts";
import sliCpu from "./sli_cpu.ts";

const OLD_ID = "a".repeat(64);
const MOUNTS = "30 20 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
  "31 20 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

/** One container in v1's hierarchies, on a host with four CPUs. */
function host(usageNs: number, busyTicks: number, quota = "-1"): FileTexts {
  const folder = `sys/fs/cgroup/cpu,cpuacct/docker/${OLD_ID}`;
  const cpus = [0, 1, 2, 3].map((cpu) => `cpu${cpu} 0 0 0 0 0 0 0 0\n`).join("");
  return {
    "proc/1/mountinfo": MOUNTS,
    "proc/stat": `cpu ${busyTicks} 0 0 ${10_000 - busyTicks} 0 0 0 0\n${cpus}`,
    "proc/77/cgroup": `4:cpu,cpuacct:/docker/${OLD_ID}\n0::/\n`,
    "proc/77/stat": `77 (sh) S 1 77 77 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5000 0 0 ${
      "0 ".repeat(30)
    }\n`,
    [`${folder}/cpuacct.usage`]: `${usageNs}\n`,
    [`${folder}/cpuacct.stat`]: "user 1\nsystem 1\n",
    [`${folder}/cpu.cfs_quota_us`]: `${quota}\n`,
    [`${folder}/cpu.cfs_period_us`]: "100000\n",
    [`${folder}/cpu.shares`]: "1024\n",
  };
}

Deno.test("sli_cpu tells the share of all CPUs, and the CPUs of the host without a quota", () => {
  const second = { ...host(3e9, 700), "proc/stat": host(0, 700)["proc/stat"]! };
  second["proc/stat"] = String(second["proc/stat"]).replace("9300", "11300");
  const rows = runProbe(sliCpu, [host(1e9, 200), second]);
  assert.deepEqual(rows.sli_cpu_container_stat, [{
    container_id: OLD_ID.slice(0, 12),
    cpu_busy: 2 / TICK_SECONDS / 4 * 100,
    cpu_cores: 4,
  }]);
  assert.deepEqual(rows.sli_cpu_node_stat, [{
    sli_node_key: "node",
    cpu_busy: 500 / 2000 * 100,
    cpu_cores: 4,
  }]);
});

Deno.test("sli_cpu tells the CPUs of a quota, and no share at first", () => {
  const rows = runProbe(sliCpu, host(1e9, 200, "150000"));
  assert.deepEqual(rows.sli_cpu_container_stat, [
    { container_id: OLD_ID.slice(0, 12), cpu_cores: 1.5 },
  ]);
  assert.deepEqual(rows.sli_cpu_node_stat, [{ sli_node_key: "node", cpu_cores: 4 }]);
});

Deno.test("sli_cpu finds the containers of hosts with cgroup v1, v2 and some of both", () => {
  for (const name of ["container-v1-3.10", "container-hybrid-5.4", "container-v2-6.12"]) {
    const rows = runProbe(sliCpu, { ...fixture(name), "proc/stat": "cpu 1 0 0 1\ncpu0 1 0 0 1\n" });
    assert.ok(rows.sli_cpu_container_stat!.length > 0, name);
    for (const row of rows.sli_cpu_container_stat!) assert.ok(Number(row.cpu_cores) > 0, name);
  }
});
