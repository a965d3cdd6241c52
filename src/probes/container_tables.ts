// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The tables of containers. Both states of the original have most of them, one with more labels and metrics than the
 * other: what is here is both together. The row without the extra label is that of the newer state.
 */
import { counter, gauge, table } from "../core/declare.ts";

/** What the newer state adds to each table of containers, behind the table's own labels. */
const NAMES = ["container_name", "container_image", "pod_id", "pod", "pod_namespace"] as const;
const KEYS = ["container_id"] as const;

const own = (...labels: string[]) => ({
  entity: "container",
  keys: KEYS,
  labels: [...labels, ...NAMES],
  distinct: labels.length,
});

export const tables = {
  container_cpu: table({
    ...own("cpu"),
    metrics: {
      cpu_load_average_10s: gauge(
        "Processes that run or want to, smoothed over some 10 s as the kernel smooths its load.",
        "load",
      ),
      cpu_system_seconds_total: counter("CPU time in kernel mode.", "seconds"),
      cpu_usage_seconds_total: counter("CPU time.", "seconds"),
      cpu_user_seconds_total: counter("CPU time in user mode.", "seconds"),
      cpu_cfs_throttled_seconds_total: counter(
        "Time it was held back, as its CPU quota was used up.",
        "seconds",
      ),
    },
  }),
  container_memory: table({
    ...own("failure_type", "scope"),
    metrics: {
      memory_cache: gauge("Page cache.", "bytes"),
      memory_failcnt: counter("Times the use of memory met its limit.", "count"),
      memory_failures_total: counter("Page faults of this type.", "count"),
      memory_mapped_file: gauge("Mapped files.", "bytes"),
      memory_max_usage_bytes: gauge("The most memory that was ever in use.", "bytes"),
      memory_rss: gauge("Anonymous memory.", "bytes"),
      memory_swap: gauge("Swap in use.", "bytes"),
      memory_usage_bytes: gauge("Memory in use, page cache included.", "bytes"),
      memory_working_set_bytes: gauge(
        "Memory in use without the file pages that were not used lately.",
        "bytes",
      ),
    },
  }),
  container_network: table({
    ...own("failure_type", "interface"),
    metrics: {
      network_receive_bytes_total: counter("Bytes received.", "bytes"),
      network_receive_errors_total: counter("Bad packets received.", "packets"),
      network_receive_packets_dropped_total: counter("Received packets dropped.", "packets"),
      network_receive_packets_total: counter("Packets received.", "packets"),
      network_transmit_bytes_total: counter("Bytes sent.", "bytes"),
      network_transmit_errors_total: counter("Packets that could not be sent.", "packets"),
      network_transmit_packets_dropped_total: counter("Packets dropped before sent.", "packets"),
      network_transmit_packets_total: counter("Packets sent.", "packets"),
    },
  }),
  container_blkio: table({
    ...own("device", "major", "minor", "operation"),
    metrics: {
      blkio_device_usage_total: counter("Bytes of this kind of operation on the device.", "bytes"),
    },
  }),
  container_fs: table({
    ...own("device"),
    metrics: {
      fs_inodes_free: gauge("Free inodes.", "count"),
      fs_inodes_total: gauge("Inodes.", "count"),
      fs_io_current: gauge("Operations waiting or under way.", "count"),
      fs_io_time_seconds_total: counter(
        "Time with an operation under way, where the kernel counts it.",
        "seconds",
      ),
      fs_io_time_weighted_seconds_total: counter(
        "Time with an operation under way, times their number.",
        "seconds",
      ),
      fs_limit_bytes: gauge("Size of the file system that its root is on.", "bytes"),
      fs_read_seconds_total: counter("Time that reads took.", "seconds"),
      fs_reads_bytes_total: counter("Bytes read.", "bytes"),
      fs_reads_merged_total: counter("Reads merged with others.", "count"),
      fs_reads_total: counter("Reads.", "count"),
      fs_sector_reads_total: counter("Sectors of 512 bytes read.", "count"),
      fs_sector_writes_total: counter("Sectors of 512 bytes written.", "count"),
      fs_usage_bytes: gauge("Bytes in use on that file system, by whomever.", "bytes"),
      fs_write_seconds_total: counter("Time that writes took.", "seconds"),
      fs_writes_bytes_total: counter("Bytes written.", "bytes"),
      fs_writes_merged_total: counter("Writes merged with others.", "count"),
      fs_writes_total: counter("Writes.", "count"),
    },
  }),
  container_oom: table({
    ...own(),
    metrics: { oom_events_total: counter("Processes killed for want of memory.", "count") },
  }),
  container_spec: table({
    ...own(),
    metrics: {
      spec_cpu_period: gauge("Period of the CPU quota.", "us"),
      spec_cpu_shares: gauge("Share of the CPU; 1024 is what others have.", "count"),
      spec_memory_limit_bytes: gauge("Limit of memory, 0 for none.", "bytes"),
      spec_memory_reservation_limit_bytes: gauge(
        "Memory that is kept for it, 0 for none.",
        "bytes",
      ),
      spec_memory_swap_limit_bytes: gauge("Limit of memory and swap, 0 for none.", "bytes"),
    },
  }),
  container_start: table({
    ...own(),
    metrics: {
      start_time_seconds: gauge("When its oldest process was started, in Unix time.", "seconds"),
    },
  }),
  container_tasks: table({
    ...own("state"),
    metrics: { tasks_state: gauge("Processes in this state.", "count") },
  }),
  container_file: table({
    ...own(),
    metrics: { file_descriptors: gauge("Open file descriptors of its processes.", "count") },
  }),
  // These are not in the original; names are those of cAdvisor.
  container_cfs: table({
    ...own(),
    metrics: {
      cpu_cfs_periods_total: counter("Periods of the CPU quota in which it ran.", "count"),
      cpu_cfs_throttled_periods_total: counter("Periods in which it was held back.", "count"),
      spec_cpu_quota: gauge("CPU time a period, absent without a limit.", "us"),
    },
  }),
  container_pids: table({
    ...own(),
    metrics: {
      processes: gauge("Processes.", "count"),
      threads: gauge(
        "Threads and processes, as the kernel counts them against the limit.",
        "count",
      ),
      threads_max: gauge("Limit of threads and processes, 0 for none.", "count"),
    },
  }),
};
