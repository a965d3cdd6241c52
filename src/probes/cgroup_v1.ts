// SPDX-License-Identifier: MulanPSL-2.0
/** Reads the files of cgroup v1 controllers, from kernel 3.10 on; what a kernel lacks stays unknown. */
import { type Scanner, WordList } from "../core/scan.ts";
import type { CgroupFolder } from "./cgroup_folder.ts";
import { type CgroupUsage, type DeviceUsage, isDeviceNumber } from "./cgroup_usage.ts";

const NANOSECONDS = 1e9;
const MILLISECONDS = 1e3;
/** USER_HZ. */
const TICKS = 100;
const MAX_CPUS = 8192;
/** The kernel's "no limit" is the largest number of whole pages. */
const UNLIMITED = 2 ** 62;

const CPU_TIMES = new WordList(["user", "system"]);
const CPU_STAT = new WordList(["nr_periods", "nr_throttled", "throttled_time"]);
const MEMORY_STAT = new WordList([
  "pgfault",
  "pgmajfault",
  "total_cache",
  "total_rss",
  "total_mapped_file",
  "total_swap",
  "total_pgfault",
  "total_pgmajfault",
  "total_inactive_file",
]);
const OOM = new WordList(["oom_kill"]);
const times = new Float64Array(2);
const throttling = new Float64Array(3);
const memory = new Float64Array(9);
const oom = new Float64Array(1);

export function readCpuacct(folder: CgroupFolder, usage: CgroupUsage, perCpu: boolean): void {
  usage.cpuSeconds = folder.number("cpuacct.usage") / NANOSECONDS;
  folder.keyed("cpuacct.stat", CPU_TIMES, times);
  usage.userSeconds = times[0]! / TICKS;
  usage.systemSeconds = times[1]! / TICKS;
  usage.perCpuSeconds.length = 0;
  const scan = perCpu ? folder.scan("cpuacct.usage_percpu") : undefined;
  if (scan === undefined) return;
  while (usage.perCpuSeconds.length < MAX_CPUS) {
    const value = scan.number();
    if (Number.isNaN(value)) return;
    usage.perCpuSeconds.push(value / NANOSECONDS);
  }
}

export function readCpu(folder: CgroupFolder, usage: CgroupUsage): void {
  folder.keyed("cpu.stat", CPU_STAT, throttling);
  usage.periods = throttling[0]!;
  usage.throttledPeriods = throttling[1]!;
  usage.throttledSeconds = throttling[2]! / NANOSECONDS;
}

export function readMemory(folder: CgroupFolder, usage: CgroupUsage): void {
  folder.keyed("memory.stat", MEMORY_STAT, memory);
  usage.ownFaults = memory[0]!;
  usage.ownMajorFaults = memory[1]!;
  usage.cacheBytes = memory[2]!;
  usage.rssBytes = memory[3]!;
  usage.mappedBytes = memory[4]!;
  usage.swapBytes = memory[5]!;
  usage.faults = memory[6]!;
  usage.majorFaults = memory[7]!;
  usage.inactiveFileBytes = memory[8]!;
  usage.usageBytes = folder.number("memory.usage_in_bytes");
}

export function readMemoryEvents(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.maxUsageBytes = folder.number("memory.max_usage_in_bytes");
  usage.limitHits = folder.number("memory.failcnt");
  folder.keyed("memory.oom_control", OOM, oom);
  usage.oomKills = oom[0]!;
}

/** All bios pass the throttle, whatever the scheduler; its recursive form is of 4.13. The others are of schedulers. */
const BYTES = [
  "blkio.throttle.io_service_bytes_recursive",
  "blkio.throttle.io_service_bytes",
  "blkio.bfq.io_service_bytes_recursive",
  "blkio.io_service_bytes_recursive",
];
const COUNTS = [
  "blkio.throttle.io_serviced_recursive",
  "blkio.throttle.io_serviced",
  "blkio.bfq.io_serviced_recursive",
  "blkio.io_serviced_recursive",
];
/** Of BFQ, only with CONFIG_BFQ_CGROUP_DEBUG, and of CFQ, which went with 5.0. */
const scheduled = (name: string) => [`blkio.bfq.${name}_recursive`, `blkio.${name}_recursive`];
const SERVICE_TIME = scheduled("io_service_time");
const WAIT_TIME = scheduled("io_wait_time");
const MERGED = scheduled("io_merged");
const QUEUED = scheduled("io_queued");
/** The disk's time that the scheduler gave to the group, in ms. */
const DISK_TIME = scheduled("time");

export function readBlkio(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.devices.clear();
  eachDevice(folder, BYTES, usage, (device, operation, value) => {
    device.operations.set(operation, value);
    if (operation === "Read") device.readBytes = value;
    else if (operation === "Write") device.writtenBytes = value;
  });
  eachDevice(folder, COUNTS, usage, (device, operation, value) => {
    if (operation === "Read") device.reads = value;
    else if (operation === "Write") device.writes = value;
  });
  eachDevice(folder, SERVICE_TIME, usage, (device, operation, value) => {
    if (operation === "Read") device.readSeconds = value / NANOSECONDS;
    else if (operation === "Write") device.writeSeconds = value / NANOSECONDS;
    else if (operation === "Total") device.weightedSeconds = value / NANOSECONDS;
  });
  eachDevice(folder, WAIT_TIME, usage, (device, operation, value) => {
    // The time of every operation from its arrival to its end, added up: waiting and being served.
    if (operation === "Total") device.weightedSeconds += value / NANOSECONDS;
  });
  eachDevice(folder, MERGED, usage, (device, operation, value) => {
    if (operation === "Read") device.mergedReads = value;
    else if (operation === "Write") device.mergedWrites = value;
  });
  eachDevice(folder, QUEUED, usage, (device, operation, value) => {
    if (operation === "Total") device.queued = value;
  });
  readDiskTime(folder, usage);
}

/** Lines such as `8:0 4096`. */
function readDiskTime(folder: CgroupFolder, usage: CgroupUsage): void {
  const scan = firstOf(folder, DISK_TIME);
  if (scan === undefined) return;
  for (; !scan.ended; scan.nextLine()) {
    const number = scan.word() ? scan.text() : "";
    const device = isDeviceNumber(number) ? usage.device(number) : undefined;
    if (device !== undefined) device.busySeconds = scan.number() / MILLISECONDS;
  }
}

function firstOf(folder: CgroupFolder, names: readonly string[]): Scanner | undefined {
  for (const name of names) {
    const scan = folder.scan(name);
    if (scan !== undefined) return scan;
  }
  return undefined;
}

const OPERATION_REGEXP = /^[A-Z][a-z]{1,15}$/;

/** Lines such as `8:0 Read 4096`, from the first of `names` that exists. */
function eachDevice(
  folder: CgroupFolder,
  names: readonly string[],
  usage: CgroupUsage,
  take: (device: DeviceUsage, operation: string, value: number) => void,
): void {
  const scan = firstOf(folder, names);
  if (scan === undefined) return;
  for (; !scan.ended; scan.nextLine()) {
    if (!scan.word()) continue;
    const number = scan.text();
    if (!isDeviceNumber(number) || !scan.word()) continue;
    const operation = scan.text();
    const value = scan.number();
    if (Number.isNaN(value) || !OPERATION_REGEXP.test(operation)) continue;
    const device = usage.device(number);
    if (device !== undefined) take(device, operation, value);
  }
}

export function readCpuLimits(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.shares = folder.number("cpu.shares");
  usage.periodUs = folder.number("cpu.cfs_period_us");
  const quota = folder.scan("cpu.cfs_quota_us")?.number() ?? NaN;
  usage.quotaUs = quota < 0 ? Infinity : quota;
}

export function readMemoryLimits(folder: CgroupFolder, usage: CgroupUsage): void {
  usage.limitBytes = bytes(folder, "memory.limit_in_bytes");
  usage.reservationBytes = bytes(folder, "memory.soft_limit_in_bytes");
  usage.swapLimitBytes = bytes(folder, "memory.memsw.limit_in_bytes");
}

function bytes(folder: CgroupFolder, name: string): number {
  const value = folder.number(name);
  return value >= UNLIMITED ? Infinity : value;
}
