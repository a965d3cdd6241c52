// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { AgentStats, ProbeStatus } from "../core/agent_stats.ts";
import { counter, gauge } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import { agentMetrics, type AgentSources } from "./agent_metrics.ts";
import type { ExpositionForm } from "./exposition.ts";
import { Snapshot } from "./snapshot.ts";
import { promtool } from "../../tests/promtool.ts";

const PROBE: ProbeStatus = {
  name: "tcp",
  kind: "ebpf",
  state: "running",
  tables: [{ name: "tcp_rtt", rows: 7, dropped: 1, expired: 2 }],
  ticks: 10,
  lateTicks: 1,
  lastTickSeconds: 0.0025,
  tickSeconds: 0.03,
  failures: 1,
  restarts: 1,
  losses: { "ring full": 5 },
  hooks: [],
  programs: [{ program: "tcp_close", runs: 1000, nanoseconds: 2_500_000, missed: 3 }],
  facts: {},
};

const STATS: AgentStats = {
  build: { version: "1.2.3", deno: "2.7", libbpf: "1.1" },
  process: {
    cpuSeconds: 1.25,
    residentBytes: 50_000_000,
    anonymousBytes: NaN,
    openFds: 20,
    startSeconds: 1_700_000_000.5,
  },
  probes: [PROBE, { ...PROBE, name: "disk", kind: "native", state: "failed", programs: [] }],
};

const SOURCES: AgentSources = {
  stats: () => STATS,
  http: () => ({
    connections: { open: 2, accepted: 9, evicted: 0, refused: 3, timedOut: 1 },
    answers: [{ path: "/metrics", code: 200, count: 4 }],
  }),
  snapshot: () => ({ pages: 3, encodeSeconds: 0.5, gzipSeconds: 0, bytes: 1000, series: 50 }),
  lag: () => ({ totalSeconds: 0.125, maxSeconds: 0.0625 }),
  events: () => ({
    counts: [{ entity: "nic", severity: "WARN", reported: 43, suppressed: 47 }],
  }),
  outputs: () => [
    { kind: "event", channel: "logs", lines: 31, losses: { queue_full: 37 }, queuedBytes: 41 },
  ],
};

function originalStore(): Store {
  const limits = { maxTables: 10, maxRows: 10, maxFields: 64, timeoutMs: 60_000 };
  const store = new Store(limits, { machine_id: "m", hostname: "h" });
  const metrics = {
    rx_bytes: counter("Bytes received.", "bytes"),
    srtt: gauge("Round trip.", "us"),
  };
  const spec = { entity: "tcp_link", version: "1.0.0", keys: ["tgid"], labels: ["comm"], metrics };
  const table = store.add("tcp_rtt", "tcp", spec);
  table.set(table.row(["1", 'a"\\\nb'], 0), 0, 0.1 + 0.2);
  table.set(table.row(["2", "é"], 0), 1, Infinity);
  return store;
}

async function page(form: ExpositionForm, sources = SOURCES): Promise<string> {
  const snapshot = new Snapshot({ store: originalStore(), loose: agentMetrics(sources) });
  using held = await snapshot.page(form);
  return new TextDecoder().decode(held.bytes);
}

Deno.test("agentMetrics passes promtool, which complains about the original's names only", async () => {
  const { code, complaints } = await promtool(await page("text"));
  assert.deepEqual(complaints, [
    'gala_gopher_tcp_link_rx_bytes counter metrics should have "_total" suffix',
  ]);
  assert.equal(code, 3);
});

Deno.test("promtool refuses a page that is broken", async () => {
  const { code } = await promtool(
    (await page("text")).replace("tcp_link_srtt{", "tcp_link_srtt{{"),
  );
  assert.equal(code, 1);
});

Deno.test("agentMetrics shows what it is given", async () => {
  const lines = new Set((await page("text")).split("\n"));
  const expected = [
    'probe_state{probe="tcp",kind="ebpf",state="running"} 1',
    'probe_state{probe="disk",kind="native",state="failed"} 1',
    'probe_last_tick_seconds{probe="tcp"} 0.0025',
    'probe_lost_total{probe="tcp",reason="ring full"} 5',
    'table_dropped_rows_total{probe="tcp",table="tcp_rtt"} 1',
    'bpf_program_seconds_total{probe="tcp",program="tcp_close"} 0.0025',
    'bpf_program_missed_runs_total{probe="tcp",program="tcp_close"} 3',
    "process_start_time_seconds 1700000000.5",
    "process_cpu_seconds_total 1.25",
    'http_requests_total{path="/metrics",code="200"} 4',
    'http_connections_cut_total{reason="refused"} 3',
    "exposition_series 50",
    'events_total{entity="nic",severity="WARN"} 43',
    'events_suppressed_total{entity="nic",severity="WARN"} 47',
    'output_lines_total{kind="event",channel="logs"} 31',
    'output_lost_total{kind="event",channel="logs",reason="queue_full"} 37',
    'output_waiting_bytes{kind="event",channel="logs"} 41',
    'build_info{version="1.2.3",deno="2.7",libbpf="1.1"} 1',
  ];
  for (const line of expected) assert.ok(lines.has(`gala_gopher_agent_${line}`), line);
  assert.ok(![...lines].some((line) => line.includes("anonymous_memory")));
});

Deno.test("agentMetrics resets nothing that it shows, and forgets what is gone", async () => {
  let stats = STATS;
  const families = agentMetrics({ ...SOURCES, stats: () => stats });
  const first = await families();
  assert.deepEqual(await families(), first);
  stats = { ...STATS, probes: [PROBE] };
  const ticks = (await families()).find(({ name }) => name.endsWith("_probe_ticks_total"));
  assert.deepEqual(ticks?.samples, [{ labels: { probe: "tcp" }, value: 10 }]);
});

Deno.test("agentMetrics gives its counters the names that OpenMetrics wants", async () => {
  const text = await page("openmetrics");
  assert.match(
    text,
    /\n# TYPE gala_gopher_agent_probe_ticks counter\ngala_gopher_agent_probe_ticks_total{probe="tcp"} 10\n/,
  );
  assert.match(text, /# TYPE gala_gopher_tcp_link_rx_bytes unknown\n/);
  assert.equal(text.match(/# EOF/g)?.length, 1);
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  assert.equal(new Set(types.map(([, name]) => name)).size, types.length);
  const counters = types.filter(([, name, type]) =>
    name!.startsWith("gala_gopher_agent_") && type === "unknown"
  );
  assert.deepEqual(counters, []);
});
