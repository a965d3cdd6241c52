// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { mutate, randomNumbers } from "../../tests/mutate.ts";
import { fixture } from "../../tests/run_probe.ts";
import { processStat } from "../core/proc_pid.ts";
import { Scanner } from "../core/scan.ts";
import { type CgroupFiles, CgroupFolder } from "./cgroup_folder.ts";
import { CgroupUsage } from "./cgroup_usage.ts";
import * as v1 from "./cgroup_v1.ts";
import * as v2 from "./cgroup_v2.ts";
import { eachNetDevice } from "./net_dev.ts";

const ROUNDS = 10_000;
const LIMIT_REGEXP = /^(?:quotaUs|limitBytes|reservationBytes|swapLimitBytes)$/;

/** Every file of the folder has this content. */
class OneText implements CgroupFiles {
  bytes = new Uint8Array(0);
  readOptional = () => this.bytes;
}

function textOf(host: string, pattern: RegExp): string {
  const [, text] = Object.entries(fixture(host)).find(([path]) => pattern.test(path))!;
  return text;
}

/** Runs `read` on spoilt forms of the text; what it says stays a number that can be shown. */
function fuzz(text: string, read: (folder: CgroupFolder, usage: CgroupUsage) => void): void {
  const random = randomNumbers(17);
  const files = new OneText();
  for (let round = 0; round < ROUNDS; round++) {
    files.bytes = mutate(text, random) as Uint8Array<ArrayBuffer>;
    const usage = new CgroupUsage();
    read(new CgroupFolder(files, "x", 1), usage);
    for (const [name, value] of Object.entries(usage)) {
      if (typeof value !== "number" || Number.isNaN(value)) continue;
      // No limit is an infinite one.
      assert.ok(Number.isFinite(value) || LIMIT_REGEXP.test(name), `${name} is ${value}`);
    }
    assert.ok(usage.devices.size <= 256 && usage.perCpuSeconds.length <= 8192);
  }
}

const CASES: readonly [string, string, RegExp, (f: CgroupFolder, u: CgroupUsage) => void][] = [
  ["v1 CPU time", "container-v1-3.10", /cpuacct\.stat$/, (f, u) => v1.readCpuacct(f, u, true)],
  ["v1 CPU of each", "container-v1-3.10", /percpu$/, (f, u) => v1.readCpuacct(f, u, true)],
  ["v1 throttling", "container-v1-3.10", /\/cpu\.stat$/, v1.readCpu],
  ["v1 memory", "container-v1-3.10", /memory\.stat$/, v1.readMemory],
  ["v1 memory events", "container-hybrid-5.4", /oom_control$/, v1.readMemoryEvents],
  ["v1 disks", "container-v1-3.10", /io_service_bytes$/, v1.readBlkio],
  ["v1 disk time", "container-v1-3.10", /blkio\.time_recursive$/, v1.readBlkio],
  ["v1 CPU limits", "container-v1-3.10", /cpu\.cfs_quota_us$/, v1.readCpuLimits],
  ["v1 memory limits", "container-v1-3.10", /memory\.limit_in_bytes$/, v1.readMemoryLimits],
  ["v2 CPU", "container-v2-6.12", /cpu\.stat$/, v2.readCpu],
  ["v2 memory", "container-v2-6.12", /memory\.stat$/, v2.readMemory],
  ["v2 memory events", "container-v2-6.12", /memory\.events$/, v2.readMemoryEvents],
  ["v2 disks", "container-v2-6.12", /io\.stat$/, v2.readIo],
  ["v2 CPU limits", "container-v2-6.12", /cpu\.max$/, v2.readCpuLimits],
  ["v2 memory limits", "container-v2-6.12", /memory\.max$/, v2.readMemoryLimits],
];

for (const [name, host, pattern, read] of CASES) {
  Deno.test(`${name} survives 10,000 spoilt files`, () => fuzz(textOf(host, pattern), read));
}

Deno.test("devices of a network survive 10,000 spoilt files", () => {
  const text = textOf("container-v1-3.10", /700\/net\/dev$/);
  const random = randomNumbers(19);
  const scan = new Scanner();
  for (let round = 0; round < ROUNDS; round++) {
    eachNetDevice(scan.over(mutate(text, random)), (name, columns) => {
      assert.ok(name !== "" && !name.includes("/") && columns.length === 16);
    });
  }
});

Deno.test("state and start of a process survive 10,000 spoilt files", () => {
  const text = textOf("container-v1-3.10", /701\/stat$/);
  assert.deepEqual(processStat(new TextEncoder().encode(text)), { state: "R", start: 123500 });
  const random = randomNumbers(23);
  for (let round = 0; round < ROUNDS; round++) {
    const { start } = processStat(mutate(text, random));
    assert.ok(Number.isNaN(start) || Number.isFinite(start));
  }
});
