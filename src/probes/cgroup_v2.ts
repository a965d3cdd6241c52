// SPDX-License-Identifier: MulanPSL-2.0
/** Reads the files of a cgroup v2, from kernel 4.15 on; what a kernel or the hierarchy lacks stays unknown. */
import { type Scanner, word, WordList } from "../core/scan.ts";
import { type CgroupFolder, limit } from "./cgroup_folder.ts";
import { type CgroupUsage, type DeviceUsage, isDeviceNumber } from "./cgroup_usage.ts";

const MICROSECONDS = 1e6;

const CPU_STAT = new WordList([
  "usage_usec",
  "user_usec",
  "system_usec",
  "nr_periods",
  "nr_throttled",
  "throttled_usec",
]);
const MEMORY_STAT = new WordList([
  "anon",
  "file",
  "file_mapped",
  "inactive_file",
  "pgfault",
  "pgmajfault",
]);
const MEMORY_EVENTS = new WordList(["max", "oom_kill"]);
const cpu = new Float64Array(6);
const memory = new Float64Array(6);
const events = new Float64Array(2);

export function readCpu(folder: CgroupFolder, usage: CgroupUsage): void {
  folder.keyed("cpu.stat", CPU_STAT, cpu);
  usage.cpuSeconds = cpu[0]! / MICROSECONDS;
  usage.userSeconds = cpu[1]! / MICROSECONDS;
  usage.systemSeconds = cpu[2]! / MICROSECONDS;
  usage.periods = cpu[3]!;
  usage.throttledPeriods = cpu[4]!;
  usage.throttledSeconds = cpu[5]! / MICROSECONDS;
}

export function readMemory(folder: CgroupFolder, usage: CgroupUsage): void {
  folder.keyed("memory.stat", MEMORY_STAT, memory);
  usage.rssBytes = memory[0]!;
  usage.cacheBytes = memory[1]!;
  usage.mappedBytes = memory[2]!;
  usage.inactiveFileBytes = memory[3]!;
  usage.faults = memory[4]!;
  usage.majorFaults = memory[5]!;
  usage.usageBytes = folder.number("memory.current");
  usage.swapBytes = folder.number("memory.swap.current");
}

export function readMemoryEvents(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.maxUsageBytes = folder.number("memory.peak"); // since 5.19
  folder.keyed("memory.events", MEMORY_EVENTS, events);
  usage.limitHits = events[0]!;
  usage.oomKills = events[1]!; // since 4.13
}

const IO: readonly [Uint8Array, (device: DeviceUsage, value: number) => void][] = [
  [word("rbytes="), (device, value) => {
    device.readBytes = value;
    device.operations.set("Read", value);
  }],
  [word("wbytes="), (device, value) => {
    device.writtenBytes = value;
    device.operations.set("Write", value);
  }],
  [word("rios="), (device, value) => device.reads = value],
  [word("wios="), (device, value) => device.writes = value],
  [word("dbytes="), (device, value) => device.operations.set("Discard", value)],
];

/** Lines such as `8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0`; the last one counts only if it is whole. */
export function readIo(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.devices.clear();
  const scan = folder.scan("io.stat");
  if (scan === undefined) return;
  while (!scan.ended) {
    const number = scan.word() ? scan.text() : "";
    const device = isDeviceNumber(number) ? usage.device(number) : undefined;
    if (device !== undefined) takeIo(scan, device);
    if (!scan.nextLine() && device !== undefined) usage.devices.delete(number);
  }
}

function takeIo(scan: Scanner, device: DeviceUsage): void {
  while (scan.word()) {
    for (const [prefix, take] of IO) {
      const value = scan.numberAfter(prefix);
      if (Number.isNaN(value)) continue;
      take(device, value);
      break;
    }
  }
}

export function readCpuLimits(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.shares = sharesOfWeight(folder.number("cpu.weight"));
  const quota = folder.scan("cpu.max");
  if (quota !== undefined) {
    const allowed = limit(quota);
    usage.periodUs = quota.number();
    usage.quotaUs = Number.isNaN(usage.periodUs) ? NaN : allowed;
  }
}

export function readMemoryLimits(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.limitBytes = folder.limit("memory.max");
  usage.reservationBytes = folder.limit("memory.low");
  // v1's limit is of both together, so this is too.
  usage.swapLimitBytes = usage.limitBytes + folder.limit("memory.swap.max");
}

/** Runtimes turn v1's 2 to 262144 shares into a weight of 1 to 10000; this is the way back. */
function sharesOfWeight(weight: number): number {
  return Math.round(2 + (weight - 1) * 262142 / 9999);
}
