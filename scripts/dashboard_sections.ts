// SPDX-License-Identifier: MulanPSL-2.0
/** What the Grafana dashboard of one host shows, from the host as a whole to what has to be looked up. */

interface Query {
  /** PromQL; `$HOST` becomes the label filter of the chosen host. */
  readonly expr: string;
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** Grafana's name: `percentunit`, `Bps`, `s`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly max?: number;
  /** Draws the queries on top of each other: parts of a whole. */
  readonly stacked?: boolean;
  /** Puts the names of the lines beside them: they are long, and up to ten. */
  readonly manyLines?: boolean;
  /** Said instead of "No data" where there may rightly be none. */
  readonly noValue?: string;
}

export interface Section {
  readonly title: string;
  /** Panels that stand side by side share the width. */
  readonly rows: readonly (readonly Panel[])[];
}

const one = (expr: string, legend: string): readonly Query[] => [{ expr, legend }];
/** Change per second of the metric `gala_gopher_NAME`, summed by labels. */
const rate = (name: string, by = "", filter = "$HOST", span = "[$__rate_interval]") =>
  `sum by (${by}) (rate(gala_gopher_${name}{${filter}}${span}))`;
/** The ten with most over all the time that is shown: the ten of each moment would be many more. */
const topRates = (name: string, by: string) =>
  `${rate(name, by)} and topk(10, ${rate(name, by, "$HOST", "[$__range] @ end()")})`;
const topValues = (name: string, by: string) => {
  const most = (value: string) => `max by (${by}) (${value})`;
  const metric = `gala_gopher_${name}{$HOST}`;
  return `${most(metric)} and topk(10, ${most(`max_over_time(${metric}[$__range] @ end())`)})`;
};
/**
 * With the name of the process, which this table does not have: of one that runs another program now the one name, and
 * without a name what none is known of.
 */
const named = (expr: string, name: string) => {
  const names = "group by (tgid, comm) (gala_gopher_tcp_service_opened_total{$HOST})";
  const all = `group by (tgid) (gala_gopher_${name}{$HOST})`;
  const one = `topk by (tgid) (1, ${names}) or on (tgid) ${all}`;
  return `(${expr}) * on (tgid) group_left (comm) (${one})`;
};
const percentile = (name: string, by: string) =>
  `histogram_quantile(0.99, ${rate(`${name}_bucket`, `${by}, le`)})`;
/** The agent's own metrics have no host name: Prometheus tells by the address that it scraped. */
const INSTANCE = 'instance=~"$instance"';
const PROCESS = "{{comm}} {{tgid}}";

/** Other kinds take no disk, or show once more one that is there already. */
const onDisk = (name: string) =>
  `gala_gopher_${name}{$HOST,Fstype!~"(dev)?tmpfs|overlay|squashfs|iso9660"}`;
const NIC_TROUBLES = ["rx_errs", "tx_errs", "rx_dropped", "tx_dropped"];
const SERVICE = "tgid, comm, server_ip, server_port";
const SERVICE_LEGEND = "{{comm}} {{tgid}} {{server_ip}}:{{server_port}}";
const NO_CONTAINER = "No container";

export const SECTIONS: readonly Section[] = [
  {
    title: "Host",
    rows: [[
      {
        title: "CPU time",
        unit: "percentunit",
        max: 1,
        stacked: true,
        queries: [
          ...["user", "nice", "system", "iowait", "irq", "softirq"].map((mode) => ({
            expr: `avg(rate(gala_gopher_cpu_${mode}_total_second{$HOST}[$__rate_interval]))`,
            legend: mode,
          })),
          {
            expr: "avg(rate(gala_gopher_cpu_steal_msec{$HOST}[$__rate_interval])) / 1000",
            legend: "steal",
          },
        ],
      },
      {
        title: "Memory",
        unit: "kbytes",
        queries: ["total", "available", "cache", "slab"].map((part) => ({
          expr: `gala_gopher_mem_${part}_kB{$HOST}`,
          legend: part,
        })),
      },
      {
        title: "Time in which tasks wait (pressure)",
        unit: "percentunit",
        max: 1,
        queries: one(
          "rate(gala_gopher_pressure_stalled_seconds_total{$HOST}[$__rate_interval])",
          "{{resource}} {{share}}",
        ),
      },
      {
        title: "Load",
        unit: "short",
        queries: ["1m", "5m", "15m"].map((span) => ({
          expr: `gala_gopher_load_average_${span}{$HOST}`,
          legend: span,
        })),
      },
    ]],
  },
  {
    title: "Processes, the ten with most",
    rows: [[
      {
        title: "CPU (100 % is one core)",
        unit: "percent",
        manyLines: true,
        queries: one(topValues("proc_cpu_util", "tgid, comm"), PROCESS),
      },
      {
        title: "Resident memory",
        unit: "bytes",
        manyLines: true,
        queries: one(topValues("proc_pm_size", "tgid, comm"), PROCESS),
      },
    ], [
      {
        title: "Threads that wait for a CPU",
        unit: "short",
        manyLines: true,
        queries: one(topRates("proc_sched_run_wait_seconds", "tgid, comm"), PROCESS),
      },
      {
        title: "Sent to storage",
        unit: "Bps",
        manyLines: true,
        queries: one(topRates("proc_write_bytes", "tgid, comm"), PROCESS),
      },
    ]],
  },
  {
    title: "TCP by process, the ten with most",
    rows: [[
      {
        title: "Segments sent",
        unit: "pps",
        manyLines: true,
        queries: one(topRates("tcp_service_sent_segments_total", SERVICE), SERVICE_LEGEND),
      },
      {
        title: "Segments sent again",
        unit: "pps",
        manyLines: true,
        queries: one(topRates("tcp_service_retransmitted_segments_total", SERVICE), SERVICE_LEGEND),
      },
    ], [
      {
        title: "Payload sent",
        unit: "Bps",
        manyLines: true,
        queries: one(
          named(
            topRates("tcp_link_tx_bytes", "tgid, server_ip, server_port"),
            "tcp_link_tx_bytes",
          ),
          SERVICE_LEGEND,
        ),
      },
      {
        title: "Smoothed round trip",
        unit: "µs",
        manyLines: true,
        queries: one(
          named(
            topValues("tcp_link_srtt", "tgid, client_ip, server_ip, server_port"),
            "tcp_link_srtt",
          ),
          "{{comm}} {{tgid}} {{client_ip}} {{server_ip}}:{{server_port}}",
        ),
      },
    ]],
  },
  {
    title: "Network",
    rows: [[
      {
        title: "Traffic",
        unit: "Bps",
        queries: [
          { expr: topRates("nic_rx_bytes", "dev_name"), legend: "{{dev_name}} received" },
          { expr: topRates("nic_tx_bytes", "dev_name"), legend: "{{dev_name}} sent" },
        ],
      },
      {
        title: "Errors and drops",
        unit: "pps",
        queries: [
          { expr: NIC_TROUBLES.map((kind) => rate(`nic_${kind}`)).join(" + "), legend: "all" },
          ...NIC_TROUBLES.map((kind) => ({
            expr: `${rate(`nic_${kind}`, "dev_name")} > 0`,
            legend: `{{dev_name}} ${kind}`,
          })),
        ],
      },
      {
        title: "TCP: retransmitted share",
        unit: "percentunit",
        queries: one(
          "rate(gala_gopher_system_tcp_retrans_segs{$HOST}[$__rate_interval]) / " +
            "rate(gala_gopher_system_tcp_out_segs{$HOST}[$__rate_interval])",
          "host",
        ),
      },
      {
        title: "Refused at listening sockets",
        unit: "cps",
        queries: [
          { expr: rate("tcp_stack_listen_overflows_total"), legend: "queue full" },
          { expr: rate("tcp_stack_listen_drops_total"), legend: "dropped" },
        ],
      },
    ]],
  },
  {
    title: "Disks and file systems",
    rows: [[
      {
        title: "Disk busy",
        unit: "percentunit",
        max: 1,
        queries: one(topRates("disk_io_busy_seconds_total", "disk_name"), "{{disk_name}}"),
      },
      {
        title: "Disk traffic",
        unit: "Bps",
        queries: [
          {
            expr: topRates("disk_io_read_bytes_total", "disk_name"),
            legend: "{{disk_name}} read",
          },
          {
            expr: topRates("disk_io_written_bytes_total", "disk_name"),
            legend: "{{disk_name}} written",
          },
        ],
      },
      {
        title: "Time of a request, 99 %",
        unit: "s",
        noValue: "No disk that the kernel tells requests of",
        queries: one(percentile("block_time_request_seconds", "disk_name"), "{{disk_name}}"),
      },
    ], [
      {
        title: "File systems in use",
        unit: "percent",
        max: 100,
        queries: [
          { expr: onDisk("fs_UsePer"), legend: "{{MountOn}}" },
          { expr: onDisk("fs_IUsePer"), legend: "{{MountOn}} inodes" },
        ],
      },
      {
        title: "Mounts that do not answer",
        unit: "s",
        queries: [
          { expr: "max(gala_gopher_mount_stalled_seconds{$HOST})", legend: "longest" },
          { expr: "gala_gopher_mount_stalled_seconds{$HOST} > 0", legend: "{{mount_point}}" },
        ],
      },
    ]],
  },
  {
    title: "Containers",
    rows: [[
      {
        title: "CPU",
        unit: "percentunit",
        manyLines: true,
        noValue: NO_CONTAINER,
        queries: one(
          topRates("container_cpu_usage_seconds_total", "container_id, container_name"),
          "{{container_name}} {{container_id}}",
        ),
      },
      {
        title: "Memory, working set",
        unit: "bytes",
        manyLines: true,
        noValue: NO_CONTAINER,
        queries: one(
          topValues("container_memory_working_set_bytes", "container_id, container_name"),
          "{{container_name}} {{container_id}}",
        ),
      },
    ]],
  },
  {
    title: "gala-gopher itself",
    rows: [[
      {
        title: "CPU",
        unit: "percentunit",
        queries: one(rate("agent_process_cpu_seconds_total", "", INSTANCE), "agent"),
      },
      {
        title: "Memory",
        unit: "bytes",
        queries: [
          {
            expr: `gala_gopher_agent_process_resident_memory_bytes{${INSTANCE}}`,
            legend: "resident",
          },
          {
            expr: `gala_gopher_agent_process_anonymous_memory_bytes{${INSTANCE}}`,
            legend: "private",
          },
        ],
      },
      {
        title: "Probes",
        unit: "short",
        queries: [
          {
            expr: `count(gala_gopher_agent_probe_state{${INSTANCE},state="running"})`,
            legend: "running",
          },
          {
            expr: `gala_gopher_agent_probe_state{${INSTANCE},state=~"failed|unsupported"} > 0`,
            legend: "{{probe}} {{state}}",
          },
        ],
      },
      {
        title: "Lost rows and lines",
        unit: "cps",
        queries: [
          {
            expr: rate("agent_table_dropped_rows_total", "", INSTANCE),
            legend: "rows that did not fit",
          },
          { expr: rate("agent_probe_lost_total", "", INSTANCE), legend: "lost by probes" },
          {
            expr: `${rate("agent_table_dropped_rows_total", "table", INSTANCE)} > 0`,
            legend: "{{table}}",
          },
          {
            expr: `${rate("agent_probe_lost_total", "probe, reason", INSTANCE)} > 0`,
            legend: "{{probe}}: {{reason}}",
          },
        ],
      },
    ]],
  },
];
