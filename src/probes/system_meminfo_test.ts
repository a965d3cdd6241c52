// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { cutProbe, fuzzProbe } from "../../tests/fuzz_probe.ts";
import { fixture, runOnHost, runProbe } from "../../tests/run_probe.ts";
import { Unsupported } from "../core/errors.ts";
import systemMeminfo from "./system_meminfo.ts";

const FILES = ["proc/meminfo", "proc/sys/fs/dentry-state"];

Deno.test("system_meminfo reports every line of its table, on a kernel that does not tell vmalloc", () => {
  assert.deepEqual(runProbe(systemMeminfo, fixture("proc-4.19"))["system_meminfo"], [{
    infos: "/proc/meminfo",
    total_kB: 8009996,
    free_kB: 2000000,
    available_kB: 5000000,
    util: 4000000 / 8009996 * 100,
    buffers_kB: 9996,
    cache_kB: 2000000,
    active_kB: 1800000,
    inactive_kB: 1500000,
    swap_total_kB: 2097148,
    swap_free_kB: 1572861,
    swap_util: 524287 / 2097148 * 100,
    slab_kB: 400000,
    SReclaimable_kB: 300000,
    Unreclaim_kB: 100000,
    page_kB: 20004,
    stack_kB: 9008,
    active_anon_kB: 800000,
    inactive_anon_kB: 50000,
    active_file_kB: 1000000,
    inactive_file_kB: 1450000,
    mlocked: 2900,
    big_page_kB: 17 * 2048,
    shmem_kB: 60000,
  }]);
});

Deno.test("system_meminfo reports vmalloc where the kernel tells it, and no use of absent swap", () => {
  const [row] = runProbe(systemMeminfo, fixture("proc-5.10"))["system_meminfo"]!;
  assert.equal(row!["vmalloc_kB"], 15053);
  assert.equal(row!["swap_util"], 0);
  assert.equal(row!["big_page_kB"], 0);
});

Deno.test("system_dentry reports the first three numbers of dentry-state", () => {
  assert.deepEqual(runProbe(systemMeminfo, fixture("proc-6.12"))["system_dentry"], [
    { infos: "fs.dentry-state", dentry: 100156, unused_dentry: 98541, age_limit: 45 },
  ]);
});

Deno.test("system_meminfo goes on without dentry-state, and is unsupported without /proc/meminfo", () => {
  const files = fixture("proc-6.12");
  const { "proc/sys/fs/dentry-state": _state, ...rest } = files;
  const rows = runProbe(systemMeminfo, rest);
  assert.deepEqual([rows["system_meminfo"]!.length, rows["system_dentry"]!.length], [1, 0]);
  assert.throws(() => runProbe(systemMeminfo, {}), Unsupported);
});

Deno.test("system_meminfo takes lines in any order and none that is not in its list", () => {
  const text =
    "Hugepagesize: 4 kB\nMemTotalX: 9 kB\nCached: 7 kB\nMemTotal: 100 kB\nHugePages_Total: 3\n";
  assert.deepEqual(runProbe(systemMeminfo, { "proc/meminfo": text })["system_meminfo"], [
    { infos: "/proc/meminfo", total_kB: 100, cache_kB: 7, big_page_kB: 12 },
  ]);
});

Deno.test("system_meminfo reports only what is certain of a file that is cut short", () => {
  cutProbe(systemMeminfo, FILES);
});

Deno.test("system_meminfo survives spoilt files", () => {
  fuzzProbe(systemMeminfo, FILES, (_table, row) => {
    for (const share of [row["util"], row["swap_util"]]) {
      if (share !== undefined) assert.ok(Number(share) >= 0, String(share));
    }
  });
});

Deno.test("system_meminfo agrees with this host's /proc/meminfo", () => {
  // Gauges move both ways: what is the same before and after is taken to have been so in between.
  let [most, missed] = [0, ""];
  for (let attempt = 0; attempt < 5 && most < LINES.length - 4; attempt++) {
    const before = hostMeminfo();
    const host = runOnHost(systemMeminfo);
    const after = hostMeminfo();
    const row = host["system_meminfo"]![0]!;
    const steady = LINES.filter(([, line]) => before.get(line) === after.get(line));
    const equal = steady.filter(([metric, line]) => row[metric] === before.get(line));
    most = Math.max(most, equal.length);
    missed = steady.filter((pair) => !equal.includes(pair)).join();
  }
  assert.ok(most >= LINES.length - 4, `${most} of ${LINES.length} equal, not ${missed}`);
});

const LINES: readonly (readonly [string, string])[] = [
  ["total_kB", "MemTotal"],
  ["free_kB", "MemFree"],
  ["available_kB", "MemAvailable"],
  ["buffers_kB", "Buffers"],
  ["cache_kB", "Cached"],
  ["active_kB", "Active"],
  ["inactive_kB", "Inactive"],
  ["swap_total_kB", "SwapTotal"],
  ["swap_free_kB", "SwapFree"],
  ["slab_kB", "Slab"],
  ["SReclaimable_kB", "SReclaimable"],
  ["Unreclaim_kB", "SUnreclaim"],
  ["page_kB", "PageTables"],
  ["stack_kB", "KernelStack"],
  ["mlocked", "Mlocked"],
  ["shmem_kB", "Shmem"],
];

function hostMeminfo(): Map<string, number> {
  const lines = Deno.readTextFileSync("/proc/meminfo").matchAll(/^(.+?):\s+(\d+)/gm);
  return new Map(Array.from(lines, ([, name, value]) => [name!, Number(value)]));
}
