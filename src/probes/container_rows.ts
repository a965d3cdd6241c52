// SPDX-License-Identifier: MulanPSL-2.0
/** Writes what is known of one container into the rows of its tables. */
import type { Writers } from "../core/probe.ts";
import type { Scanner } from "../core/scan.ts";
import type { CgroupUsage, DeviceUsage } from "./cgroup_usage.ts";
import type { ContainerState } from "./container_state.ts";
import type { tables } from "./container_tables.ts";
import { eachNetDevice } from "./net_dev.ts";
import * as net from "./net_dev.ts";

export type Rows = Writers<typeof tables>;

const TICKS_PER_SECOND = 100;
const SECTOR_BYTES = 512;

/** cAdvisor's names. Its fifth, "iowaiting", cannot be told from outside: it is part of "uninterruptible". */
export const STATES = ["running", "sleeping", "stopped", "uninterruptible"] as const;

/** What each container has once. */
export function writeMain(rows: Rows, state: ContainerState, bootSeconds: number): void {
  const { id, labels, usage, load, descriptors, start, pids } = state;
  const perCpu = usage.perCpuSeconds.length > 0;
  rows.container_cpu.row(id, "", ...labels)
    .set("cpu_load_average_10s", load)
    .set("cpu_system_seconds_total", usage.systemSeconds)
    // Beside those of each CPU it would double every sum.
    .set("cpu_usage_seconds_total", perCpu ? NaN : usage.cpuSeconds)
    .set("cpu_user_seconds_total", usage.userSeconds)
    .set("cpu_cfs_throttled_seconds_total", usage.throttledSeconds);
  writeMemory(rows, id, labels, usage);
  rows.container_oom.row(id, ...labels).set("oom_events_total", usage.oomKills);
  rows.container_spec.row(id, ...labels)
    .set("spec_cpu_period", usage.periodUs)
    .set("spec_cpu_shares", usage.shares)
    .set("spec_memory_limit_bytes", orNone(usage.limitBytes))
    .set("spec_memory_reservation_limit_bytes", orNone(usage.reservationBytes))
    .set("spec_memory_swap_limit_bytes", orNone(usage.swapLimitBytes));
  rows.container_start.row(id, ...labels)
    .set("start_time_seconds", bootSeconds + start / TICKS_PER_SECOND);
  writeSize(rows, state);
  rows.container_file.row(id, ...labels).set("file_descriptors", descriptors);
  rows.container_cfs.row(id, ...labels)
    .set("cpu_cfs_periods_total", usage.periods)
    .set("cpu_cfs_throttled_periods_total", usage.throttledPeriods)
    .set("spec_cpu_quota", usage.quotaUs === Infinity ? NaN : usage.quotaUs);
  rows.container_pids.row(id, ...labels)
    .set("processes", pids.length)
    .set("threads", usage.threads)
    .set("threads_max", orNone(usage.maxThreads));
}

/**
 * Of the file system that it writes to. What of it is its own, a walk through all its files would say; with a quota or a
 * volume of its own (overlay2 on XFS with pquota, btrfs, devicemapper) the kernel says just that here.
 */
function writeSize(rows: Rows, { id, labels, size }: ContainerState): void {
  if (size === undefined || !(size.blocks > 0)) return;
  rows.container_fs.row(id, "", ...labels)
    .set("fs_limit_bytes", size.blocks * size.blockBytes)
    .set("fs_usage_bytes", (size.blocks - size.freeBlocks) * size.blockBytes)
    .set("fs_inodes_total", size.inodes)
    .set("fs_inodes_free", size.freeInodes);
}

/** `scan` reads the /proc/PID/net/dev of one of its processes. */
export function writeNetwork(rows: Rows, { id, labels }: ContainerState, scan: Scanner): void {
  eachNetDevice(scan, (name, columns) => {
    rows.container_network.row(id, "", name, ...labels)
      .set("network_receive_bytes_total", columns[net.RX_BYTES]!)
      .set("network_receive_packets_total", columns[net.RX_PACKETS]!)
      .set("network_receive_errors_total", columns[net.RX_ERRORS]!)
      .set("network_receive_packets_dropped_total", columns[net.RX_DROPPED]!)
      .set("network_transmit_bytes_total", columns[net.TX_BYTES]!)
      .set("network_transmit_packets_total", columns[net.TX_PACKETS]!)
      .set("network_transmit_errors_total", columns[net.TX_ERRORS]!)
      .set("network_transmit_packets_dropped_total", columns[net.TX_DROPPED]!);
  });
}

/** What it has several times: of each type, state, CPU or device. */
export function writeMore(
  rows: Rows,
  { id, labels, usage, states }: ContainerState,
  deviceName: (number: string) => string,
): void {
  writeFaults(rows, id, labels, usage);
  states.forEach((count, i) =>
    rows.container_tasks.row(id, STATES[i]!, ...labels).set("tasks_state", count)
  );
  usage.perCpuSeconds.forEach((seconds, cpu) =>
    rows.container_cpu.row(id, `cpu${String(cpu).padStart(2, "0")}`, ...labels)
      .set("cpu_usage_seconds_total", seconds)
  );
  for (const device of usage.devices.values()) {
    writeDevice(rows, id, labels, device, deviceName(device.number));
  }
}

function writeDevice(
  rows: Rows,
  id: string,
  labels: readonly string[],
  device: DeviceUsage,
  name: string,
): void {
  const { number } = device;
  rows.container_fs.row(id, name, ...labels)
    .set("fs_reads_bytes_total", device.readBytes)
    .set("fs_writes_bytes_total", device.writtenBytes)
    .set("fs_reads_total", device.reads)
    .set("fs_writes_total", device.writes)
    .set("fs_sector_reads_total", device.readBytes / SECTOR_BYTES)
    .set("fs_sector_writes_total", device.writtenBytes / SECTOR_BYTES)
    .set("fs_read_seconds_total", device.readSeconds)
    .set("fs_write_seconds_total", device.writeSeconds)
    .set("fs_io_time_seconds_total", device.busySeconds)
    .set("fs_io_time_weighted_seconds_total", device.weightedSeconds)
    .set("fs_reads_merged_total", device.mergedReads)
    .set("fs_writes_merged_total", device.mergedWrites)
    .set("fs_io_current", device.queued);
  const [major, minor] = number.split(":");
  for (const [operation, bytes] of device.operations) {
    if (operation === "Total") continue;
    rows.container_blkio.row(id, name, major!, minor!, operation, ...labels)
      .set("blkio_device_usage_total", bytes);
  }
}

function writeMemory(rows: Rows, id: string, labels: readonly string[], usage: CgroupUsage): void {
  rows.container_memory.row(id, "", "", ...labels)
    .set("memory_cache", usage.cacheBytes)
    .set("memory_failcnt", usage.limitHits)
    .set("memory_mapped_file", usage.mappedBytes)
    .set("memory_max_usage_bytes", usage.maxUsageBytes)
    .set("memory_rss", usage.rssBytes)
    .set("memory_swap", usage.swapBytes)
    .set("memory_usage_bytes", usage.usageBytes)
    // What was read a moment apart may not fit together.
    .set("memory_working_set_bytes", Math.max(0, usage.usageBytes - usage.inactiveFileBytes));
}

/** v2 does not tell the container's own faults from those below it. */
function writeFaults(rows: Rows, id: string, labels: readonly string[], usage: CgroupUsage): void {
  const faults = [
    ["pgfault", "hierarchy", usage.faults],
    ["pgmajfault", "hierarchy", usage.majorFaults],
    ["pgfault", "container", usage.ownFaults],
    ["pgmajfault", "container", usage.ownMajorFaults],
  ] as const;
  for (const [type, scope, count] of faults) {
    if (Number.isNaN(count)) continue;
    rows.container_memory.row(id, type, scope, ...labels).set("memory_failures_total", count);
  }
}

/** cAdvisor shows no limit as 0. */
function orNone(limit: number): number {
  return limit === Infinity ? 0 : limit;
}
