// SPDX-License-Identifier: MulanPSL-2.0
/** Which of node_exporter's values are the same fact as one of ours: by family, with the labels that they share. */
import type { NamedMetric } from "../../src/core/named_numbers.ts";
import type { MetricSpec } from "../../src/core/table.ts";
import { probes } from "../../src/gen/all.ts";

export interface Theirs {
  /** Their sample, labels sorted; `$name` stands for a label of ours. */
  readonly name: string;
  /** Theirs is ours times this. */
  readonly scale: number;
  /** It goes up and down. */
  readonly moves: boolean;
}

type Pairs = Map<string, Theirs[]>;

const KB = 1024;
const pairs: Pairs = new Map();

function add(ours: string, name: string, { scale = 1, moves = false } = {}): void {
  const family = `gala_gopher_${ours}`;
  const list = pairs.get(family) ?? [];
  list.push({ name: `node_${name}${name.includes("{") ? "" : "{}"}`, scale, moves });
  pairs.set(family, list);
}

const GAUGE = { moves: true };

for (const mode of ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"]) {
  add(`cpu_${mode}_msec`, `cpu_seconds_total{cpu="$cpu",mode="${mode}"}`, { scale: 1 / 1000 });
}
add("cpu_backlog_drops", 'softnet_dropped_total{cpu="$cpu"}');
add("softnet_packets_total", 'softnet_processed_total{cpu="$cpu"}');
add("softnet_squeezed_total", 'softnet_times_squeezed_total{cpu="$cpu"}');
add("kernel_context_switches_total", "context_switches_total");
add("kernel_interrupts_total", "intr_total");
add("kernel_forks_total", "forks_total");
add("kernel_boot_time_seconds", "boot_time_seconds");
add("kernel_runnable_threads", "procs_running", GAUGE);
add("kernel_blocked_threads", "procs_blocked", GAUGE);
for (const minutes of [1, 5, 15]) add(`load_average_${minutes}m`, `load${minutes}`, GAUGE);
add("files_handles", "filefd_allocated", GAUGE);
add("files_handles_limit", "filefd_maximum", GAUGE);
add("conntrack_connections", "nf_conntrack_entries", GAUGE);
add("conntrack_connections_limit", "nf_conntrack_entries_limit", GAUGE);

const MEMORY = {
  total_kB: "MemTotal",
  free_kB: "MemFree",
  available_kB: "MemAvailable",
  buffers_kB: "Buffers",
  cache_kB: "Cached",
  active_kB: "Active",
  inactive_kB: "Inactive",
  active_anon_kB: "Active_anon",
  inactive_anon_kB: "Inactive_anon",
  active_file_kB: "Active_file",
  inactive_file_kB: "Inactive_file",
  mlocked: "Mlocked",
  swap_total_kB: "SwapTotal",
  swap_free_kB: "SwapFree",
  shmem_kB: "Shmem",
  slab_kB: "Slab",
  SReclaimable_kB: "SReclaimable",
  Unreclaim_kB: "SUnreclaim",
  stack_kB: "KernelStack",
  page_kB: "PageTables",
  vmalloc_kB: "VmallocUsed",
};
for (const [metric, name] of Object.entries(MEMORY)) {
  add(`mem_${metric}`, `memory_${name}_bytes`, { scale: KB, moves: true });
}

const DISK = {
  reads_total: "reads_completed_total",
  read_bytes_total: "read_bytes_total",
  read_seconds_total: "read_time_seconds_total",
  writes_total: "writes_completed_total",
  written_bytes_total: "written_bytes_total",
  write_seconds_total: "write_time_seconds_total",
  discards_total: "discards_completed_total",
  flushes_total: "flush_requests_total",
  flush_seconds_total: "flush_requests_time_seconds_total",
  busy_seconds_total: "io_time_seconds_total",
  queue_seconds_total: "io_time_weighted_seconds_total",
};
for (const [metric, name] of Object.entries(DISK)) {
  add(`disk_io_${metric}`, `disk_${name}{device="$disk_name"}`);
}
add("disk_io_in_flight", 'disk_io_now{device="$disk_name"}', GAUGE);

const FILE_SYSTEM = {
  size_bytes: "size_bytes",
  free_bytes: "free_bytes",
  available_bytes: "avail_bytes",
  inodes: "files",
  free_inodes: "files_free",
  read_only: "readonly",
};
for (const [metric, name] of Object.entries(FILE_SYSTEM)) {
  const labels = '{device="$device",fstype="$fs_type",mountpoint="$mount_point"}';
  add(`mount_${metric}`, `filesystem_${name}${labels}`, GAUGE);
}
add(
  "fs_Free",
  'filesystem_avail_bytes{device="$Fsname",fstype="$Fstype",mountpoint="$MountOn"}',
  { scale: KB, moves: true },
);

for (const [ours, theirs] of [["rx", "receive"], ["tx", "transmit"]]) {
  for (
    const [metric, name] of [
      ["bytes", "bytes"],
      ["packets", "packets"],
      ["errs", "errs"],
      ["dropped", "drop"],
    ]
  ) {
    add(`nic_${ours}_${metric}`, `network_${theirs}_${name}_total{device="$dev_name"}`);
  }
}
add("hw_carrier_up_count", 'network_carrier_up_changes_total{device="$dev_name"}');
add("hw_carrier_down_count", 'network_carrier_down_changes_total{device="$dev_name"}');
add("nic_link_mtu_bytes", 'network_mtu_bytes{device="$dev_name"}');
add("nic_link_up", 'network_up{device="$dev_name"}');

const SOCKETS = {
  used: "sockets_used",
  tcp_inuse: "TCP_inuse",
  tcp_orphans: "TCP_orphan",
  tcp_time_wait: "TCP_tw",
  tcp_allocated: "TCP_alloc",
  tcp_memory_pages: "TCP_mem",
  udp_inuse: "UDP_inuse",
  udp_memory_pages: "UDP_mem",
  raw_inuse: "RAW_inuse",
  fragment_queues: "FRAG_inuse",
  fragment_memory_bytes: "FRAG_memory",
  tcp6_inuse: "TCP6_inuse",
  udp6_inuse: "UDP6_inuse",
  raw6_inuse: "RAW6_inuse",
  fragment6_queues: "FRAG6_inuse",
  fragment6_memory_bytes: "FRAG6_memory",
};
for (const [metric, name] of Object.entries(SOCKETS)) {
  add(`sockets_${metric}`, `sockstat_${name}`, GAUGE);
}

/** Metrics that are a number by the kernel's name: theirs has the same name behind this prefix. */
function addNamed(entity: string, prefix: string): void {
  for (const table of probes.flatMap(({ tables }) => Object.values(tables))) {
    if (table.entity !== entity) continue;
    for (const [metric, spec] of Object.entries(table.metrics)) {
      const { from, scale = 1, type } = spec as MetricSpec & Partial<NamedMetric>;
      if (from === undefined) continue;
      const options = { scale: 1 / scale, moves: type === "gauge" };
      add(`${entity}_${metric}`, `${prefix}_${from}`, options);
    }
  }
}
addNamed("vmstat", "vmstat");
addNamed("tcp_stack", "netstat_Tcp");
addNamed("tcp_stack", "netstat_TcpExt");
addNamed("system_tcp", "netstat_Tcp");
addNamed("system_udp", "netstat_Udp");

addNamed("ip_stack", "netstat_Ip");
addNamed("ip_stack", "netstat_IpExt");
addNamed("icmp_stack", "netstat_Icmp");
addNamed("udp_stack", "netstat_Udp");

/** Rows of IPv6 have a name of their own in theirs: `Ip6_` for `Ip_` and `IpExt_`. */
function ofFamily(theirs: Theirs, labels: Readonly<Record<string, string>>): string {
  if (labels["family"] !== "ipv6") return theirs.name;
  return theirs.name.replace(/netstat_(Ip|Icmp|Udp)(Ext)?_/, "netstat_$16_")
    .replace("Ip6_ForwDatagrams", "Ip6_OutForwDatagrams");
}

const PRESSURE = new Map([
  ["cpu some", "cpu_waiting"],
  ["io some", "io_waiting"],
  ["io full", "io_stalled"],
  ["memory some", "memory_waiting"],
  ["memory full", "memory_stalled"],
]);

/** Theirs that are the same fact as our sample `family{labels}`. */
export function theirsOf(sample: string): Theirs[] {
  const [, family, text] = /^(\w+)\{(.*)\}$/.exec(sample)!;
  const labels: Record<string, string> = {};
  for (const [, name, value] of text!.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
    labels[name!] = value!;
  }
  if (family === "gala_gopher_pressure_stalled_seconds_total") {
    const name = PRESSURE.get(`${labels["resource"]} ${labels["share"]}`);
    return name === undefined
      ? []
      : [{ name: `node_pressure_${name}_seconds_total{}`, scale: 1, moves: false }];
  }
  return (pairs.get(family!) ?? []).map((theirs) => ({
    ...theirs,
    name: ofFamily(theirs, labels).replace(/\$(\w+)/g, (_, label) => labels[label] ?? ""),
  }));
}
