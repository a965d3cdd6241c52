// SPDX-License-Identifier: MulanPSL-2.0
/** The Grafana dashboard of one host, for packaging/grafana/gala-gopher.json; scripts/docs.ts writes it. */

interface Query {
  /** PromQL; `$HOST` becomes the label filter of the chosen host. */
  readonly expr: string;
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  /** Grafana's name: `percentunit`, `Bps`, `s`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  readonly max?: number;
}

interface Section {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const one = (expr: string, legend: string): readonly Query[] => [{ expr, legend }];
/** Change per second of the metric `gala_gopher_NAME`, summed by labels. */
const rate = (name: string, by = "", filter = "$HOST") =>
  `sum by (${by}) (rate(gala_gopher_${name}{${filter}}[$__rate_interval]))`;
/** The agent's own metrics have no host name: Prometheus tells by the address that it scraped. */
const INSTANCE = 'instance=~"$instance"';

export const SECTIONS: readonly Section[] = [
  {
    title: "Host",
    panels: [
      {
        title: "CPU time",
        unit: "percentunit",
        queries: ["user", "system", "iowait", "irq", "softirq"].map((mode) => ({
          expr: `avg(rate(gala_gopher_cpu_${mode}_total_second{$HOST}[$__rate_interval]))`,
          legend: mode,
        })),
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
    ],
  },
  {
    title: "Disks and file systems",
    panels: [
      {
        title: "Disk busy",
        unit: "percentunit",
        max: 1,
        queries: one(rate("disk_io_busy_seconds_total", "disk_name"), "{{disk_name}}"),
      },
      {
        title: "Disk traffic",
        unit: "Bps",
        queries: [
          { expr: rate("disk_io_read_bytes_total", "disk_name"), legend: "{{disk_name}} read" },
          {
            expr: rate("disk_io_written_bytes_total", "disk_name"),
            legend: "{{disk_name}} written",
          },
        ],
      },
      {
        title: "File systems in use",
        unit: "percent",
        max: 100,
        queries: one("gala_gopher_fs_UsePer{$HOST}", "{{MountOn}}"),
      },
      {
        title: "Mounts that do not answer",
        unit: "s",
        queries: one("gala_gopher_mount_stalled_seconds{$HOST} > 0", "{{mount_point}}"),
      },
    ],
  },
  {
    title: "Network",
    panels: [
      {
        title: "Traffic",
        unit: "Bps",
        queries: [
          { expr: rate("nic_rx_bytes", "dev_name"), legend: "{{dev_name}} received" },
          { expr: rate("nic_tx_bytes", "dev_name"), legend: "{{dev_name}} sent" },
        ],
      },
      {
        title: "Errors and drops",
        unit: "pps",
        queries: ["rx_errs", "tx_errs", "rx_dropped", "tx_dropped"].map((kind) => ({
          expr: rate(`nic_${kind}`, "dev_name"),
          legend: `{{dev_name}} ${kind}`,
        })),
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
    ],
  },
  {
    title: "TCP by process",
    panels: [
      {
        title: "Sent, the ten largest",
        unit: "Bps",
        queries: one(
          `topk(10, ${rate("tcp_link_tx_bytes", "tgid, server_ip, server_port")})`,
          "{{tgid}} {{server_ip}}:{{server_port}}",
        ),
      },
      {
        title: "Smoothed round trip, the ten longest",
        unit: "µs",
        queries: one(
          "topk(10, gala_gopher_tcp_link_srtt{$HOST})",
          "{{tgid}} {{client_ip}} {{server_ip}}:{{server_port}}",
        ),
      },
    ],
  },
  {
    title: "Containers",
    panels: [
      {
        title: "CPU",
        unit: "percentunit",
        queries: one(
          rate("container_cpu_usage_seconds_total", "container_id, container_name"),
          "{{container_name}} {{container_id}}",
        ),
      },
      {
        title: "Memory, working set",
        unit: "bytes",
        queries: one(
          "gala_gopher_container_memory_working_set_bytes{$HOST}",
          "{{container_name}} {{container_id}}",
        ),
      },
    ],
  },
  {
    title: "gala-gopher itself",
    panels: [
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
        title: "Probes that do not run",
        unit: "short",
        queries: one(
          `gala_gopher_agent_probe_state{${INSTANCE},state=~"failed|unsupported"}`,
          "{{probe}} {{state}}",
        ),
      },
      {
        title: "Lost rows and lines",
        unit: "cps",
        queries: [
          {
            expr: rate("agent_table_dropped_rows_total", "table", INSTANCE),
            legend: "{{table}}: rows that did not fit",
          },
          {
            expr: rate("agent_probe_lost_total", "probe, reason", INSTANCE),
            legend: "{{probe}}: {{reason}}",
          },
        ],
      },
    ],
  },
];

const HOST = 'hostname=~"$hostname"';
const DATASOURCE = { type: "prometheus", uid: "$datasource" };
const COLUMNS = 24;
const WIDTH = 12;
const HEIGHT = 8;

function panelsOf(sections: readonly Section[]): unknown[] {
  const panels: unknown[] = [];
  let y = 0;
  for (const { title, panels: own } of sections) {
    panels.push({
      id: panels.length + 1,
      type: "row",
      title,
      collapsed: false,
      gridPos: { x: 0, y: y++, w: COLUMNS, h: 1 },
      panels: [],
    });
    own.forEach((panel, i) => {
      const gridPos = { x: i % 2 * WIDTH, y: y + (i >> 1) * HEIGHT, w: WIDTH, h: HEIGHT };
      panels.push({ id: panels.length + 1, gridPos, ...timeSeries(panel) });
    });
    y += Math.ceil(own.length / 2) * HEIGHT;
  }
  return panels;
}

function timeSeries({ title, unit, queries, max }: Panel) {
  return {
    type: "timeseries",
    title,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: { unit, min: 0, ...(max === undefined ? {} : { max }) },
      overrides: [],
    },
    options: {
      legend: { displayMode: "list", placement: "bottom" },
      tooltip: { mode: "multi", sort: "desc" },
    },
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode("A".charCodeAt(0) + i),
      datasource: DATASOURCE,
      expr: expr.replaceAll("$HOST", HOST),
      legendFormat: legend,
    })),
  };
}

function labelVariable(name: string, label: string, metric: string) {
  return {
    name,
    type: "query",
    label,
    datasource: DATASOURCE,
    query: { query: `label_values(${metric}, ${name})`, refId: name },
    refresh: 2,
    sort: 1,
  };
}

export function dashboard() {
  return {
    title: "gala-gopher: host",
    uid: "gala-gopher-host",
    tags: ["gala-gopher"],
    schemaVersion: 38,
    version: 1,
    editable: true,
    time: { from: "now-1h", to: "now" },
    refresh: "30s",
    templating: {
      list: [
        { name: "datasource", type: "datasource", query: "prometheus", label: "Data source" },
        labelVariable("hostname", "Host", "gala_gopher_mem_total_kB"),
        // Follows the host, and is not shown.
        {
          ...labelVariable("instance", "Instance", `gala_gopher_mem_total_kB{${HOST}}`),
          hide: 2,
        },
      ],
    },
    panels: panelsOf(SECTIONS),
  };
}

export function dashboardText(): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`;
}
