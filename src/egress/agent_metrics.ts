// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The agent's own metrics. prom-client holds them (style: the only file that knows it); it is loaded at the first
 * scrape, because that takes 15 to 50 ms. All values are totals that others keep: a scrape copies them and resets nothing.
 */
import type { Counter, Gauge, Registry } from "prom-client";
import type { AgentStats } from "../core/agent_stats.ts";
import type { EventCount } from "./event_log.ts";
import type { LooseFamily, LooseSample } from "./exposition.ts";
import type { HttpStats } from "./http_server.ts";
import type { LagStats } from "./loop_lag.ts";
import type { OutputStats } from "./outputs.ts";
import type { SnapshotStats } from "./snapshot.ts";

export interface AgentSources {
  readonly stats: () => AgentStats;
  readonly http: () => HttpStats;
  readonly snapshot: () => SnapshotStats;
  readonly lag: () => LagStats;
  readonly outputs: () => readonly OutputStats[];
  readonly events: () => { readonly counts: readonly EventCount[] };
}

/** One scrape's numbers. */
interface Numbers {
  readonly agent: AgentStats;
  readonly http: HttpStats;
  readonly snapshot: SnapshotStats;
  readonly lag: LagStats;
  readonly outputs: readonly OutputStats[];
  readonly events: ReturnType<AgentSources["events"]>;
}

type Labels = Readonly<Record<string, string>>;
type Put = (value: number, ...labels: readonly string[]) => void;

interface Definition {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly collect: (numbers: Numbers, put: Put) => void;
}

const PREFIX = "gala_gopher_agent_";

/** A name that ends in `_total` is a counter. */
function define(
  name: string,
  help: string,
  labels: readonly string[],
  collect: Definition["collect"],
): Definition {
  return { name: PREFIX + name, help, labels, collect };
}

const PROBE_METRICS: readonly Definition[] = [
  define("probe_state", "1, in the label the state.", ["probe", "kind", "state"], (n, put) => {
    for (const { name, kind, state } of n.agent.probes) put(1, name, kind, state);
  }),
  ofProbe("probe_last_tick_seconds", "Duration of the last reading.", (p) => p.lastTickSeconds),
  ofProbe("probe_tick_seconds_total", "Duration of all readings.", (p) => p.tickSeconds),
  ofProbe("probe_ticks_total", "Readings.", (p) => p.ticks),
  ofProbe("probe_late_ticks_total", "Readings skipped, the last was not over.", (p) => p.lateTicks),
  ofProbe("probe_failures_total", "Failed starts and readings.", (p) => p.failures),
  ofProbe("probe_restarts_total", "Restarts after a failure.", (p) => p.restarts),
  define("probe_lost_total", "Rows or lines lost or refused.", ["probe", "reason"], (n, put) => {
    for (const { name, losses } of n.agent.probes) {
      for (const [reason, count] of Object.entries(losses)) put(count, name, reason);
    }
  }),
  ofTable("table_rows", "Rows now held.", (table) => table.rows),
  ofTable("table_dropped_rows_total", "Rows that did not fit.", (table) => table.dropped),
  ofTable("table_expired_rows_total", "Rows not renewed in time.", (table) => table.expired),
  ofProgram("bpf_program_runs_total", "Runs of a BPF program.", (program) => program.runs),
  ofProgram(
    "bpf_program_seconds_total",
    "Time in a BPF program.",
    (program) => program.nanoseconds / 1e9,
  ),
  ofProgram(
    "bpf_program_missed_runs_total",
    "Runs left out by the kernel, the program was at work on that CPU.",
    (program) => program.missed,
  ),
];

const PROCESS_METRICS: readonly Definition[] = [
  define("build_info", "Versions, the value is 1.", ["version", "deno", "libbpf"], (n, put) => {
    const { version, deno, libbpf } = n.agent.build;
    put(1, version, deno, libbpf);
  }),
  single("process_cpu_seconds_total", "CPU time.", (n) => n.agent.process.cpuSeconds),
  single("process_resident_memory_bytes", "Memory.", (n) => n.agent.process.residentBytes),
  single(
    "process_anonymous_memory_bytes",
    "Memory without file behind it.",
    (n) => n.agent.process.anonymousBytes,
  ),
  single("process_open_fds", "Open file descriptors.", (n) => n.agent.process.openFds),
  single("process_start_time_seconds", "Start, Unix time.", (n) => n.agent.process.startSeconds),
  single(
    "event_loop_lag_seconds_total",
    "Delay of a timer that runs once a second.",
    (n) => n.lag.totalSeconds,
  ),
  single(
    "event_loop_lag_max_seconds",
    "Longest of these delays in the last minute.",
    (n) => n.lag.maxSeconds,
  ),
];

const OUTPUT = ["kind", "channel"] as const;
const EVENT = ["entity", "severity"] as const;

const EGRESS_METRICS: readonly Definition[] = [
  define("http_requests_total", "Answered requests.", ["path", "code"], ({ http }, put) => {
    for (const { path, code, count } of http.answers) put(count, path, String(code));
  }),
  single("http_connections", "Open connections.", (n) => n.http.connections.open),
  define("http_connections_cut_total", "Connections ended early.", ["reason"], (n, put) => {
    const { evicted, refused, timedOut } = n.http.connections;
    put(evicted, "evicted");
    put(refused, "refused");
    put(timedOut, "timeout");
  }),
  define("events_total", "Events reported.", EVENT, (n, put) => {
    for (const { entity, severity, reported } of n.events.counts) put(reported, entity, severity);
  }),
  define("events_suppressed_total", "Repeats of events, left out.", EVENT, (n, put) => {
    for (const { entity, severity, suppressed } of n.events.counts) {
      put(suppressed, entity, severity);
    }
  }),
  define("output_lines_total", "Rows, events, descriptions written out.", OUTPUT, (n, put) => {
    for (const { kind, channel, lines } of n.outputs) put(lines, kind, channel);
  }),
  define("output_lost_total", "Those that were lost.", [...OUTPUT, "reason"], (n, put) => {
    for (const { kind, channel, losses } of n.outputs) {
      for (const [reason, lines] of Object.entries(losses)) put(lines, kind, channel, reason);
    }
  }),
  define("output_waiting_bytes", "Size of those that wait in memory.", OUTPUT, (n, put) => {
    for (const { kind, channel, queuedBytes } of n.outputs) put(queuedBytes, kind, channel);
  }),
  define("output_spooled_bytes", "Size of those that wait on disk.", OUTPUT, (n, put) => {
    for (const { kind, channel, spooledBytes } of n.outputs) {
      if (spooledBytes !== undefined) put(spooledBytes, kind, channel);
    }
  }),
  define("output_repeated_total", "Those that may have been sent twice.", OUTPUT, (n, put) => {
    for (const { kind, channel, repeated } of n.outputs) {
      if (repeated !== undefined) put(repeated, kind, channel);
    }
  }),
  single("exposition_pages_total", "Pages encoded.", (n) => n.snapshot.pages),
  single("exposition_encode_seconds_total", "Time of it.", (n) => n.snapshot.encodeSeconds),
  single(
    "exposition_compress_seconds_total",
    "Time pages took to compress.",
    (n) => n.snapshot.gzipSeconds,
  ),
  single("exposition_bytes", "Size of the page before this.", (n) => n.snapshot.bytes),
  single("exposition_series", "Series of the page before this.", (n) => n.snapshot.series),
];

function single(name: string, help: string, read: (numbers: Numbers) => number): Definition {
  return define(name, help, [], (numbers, put) => put(read(numbers)));
}

function ofProbe(
  name: string,
  help: string,
  read: (probe: AgentStats["probes"][number]) => number,
): Definition {
  return define(name, help, ["probe"], ({ agent }, put) => {
    for (const probe of agent.probes) {
      const { state, ticks, failures } = probe;
      // One that is switched off is told by its state alone.
      if (state !== "stopped" || ticks + failures > 0) put(read(probe), probe.name);
    }
  });
}

function ofTable(
  name: string,
  help: string,
  read: (table: AgentStats["probes"][number]["tables"][number]) => number,
): Definition {
  return define(name, help, ["probe", "table"], ({ agent }, put) => {
    for (const probe of agent.probes) {
      // Half of all tables never have a row on most hosts.
      for (const table of probe.tables) {
        if (table.rows + table.dropped + table.expired > 0) {
          put(read(table), probe.name, table.name);
        }
      }
    }
  });
}

function ofProgram(
  name: string,
  help: string,
  read: (program: AgentStats["probes"][number]["programs"][number]) => number,
): Definition {
  return define(name, help, ["probe", "program"], ({ agent }, put) => {
    for (const probe of agent.probes) {
      for (const program of probe.programs) put(read(program), probe.name, program.program);
    }
  });
}

interface Loaded {
  readonly registry: Registry;
  readonly setNumbers: (numbers: Numbers) => void;
  /** In the order of the registry. */
  readonly families: Family[];
}

interface Family extends LooseFamily {
  samples: readonly LooseSample[];
}

const DEFINITIONS: readonly Definition[] = [
  ...PROBE_METRICS,
  ...PROCESS_METRICS,
  ...EGRESS_METRICS,
];

/** For the metrics reference. */
export const AGENT_METRICS: readonly Omit<Definition, "collect">[] = DEFINITIONS;

/** Makes the function that a Snapshot asks for the agent's own families. */
export function agentMetrics(sources: AgentSources): () => Promise<readonly LooseFamily[]> {
  let loaded: Promise<Loaded> | undefined;
  return async () => {
    loaded ??= load();
    const { registry, setNumbers, families } = await loaded;
    setNumbers({
      agent: sources.stats(),
      http: sources.http(),
      snapshot: sources.snapshot(),
      lag: sources.lag(),
      outputs: sources.outputs(),
      events: sources.events(),
    });
    await readFamilies(registry, families);
    return families;
  };
}

async function load(): Promise<Loaded> {
  // CommonJS modules: their bundled form has no named exports. The package as a whole would load node's http, https,
  // cluster and perf_hooks with it.
  const [{ default: PromRegistry }, { default: PromCounter }, { default: PromGauge }] =
    await Promise.all([
      import("prom-client/lib/registry.js"),
      import("prom-client/lib/counter.js"),
      import("prom-client/lib/gauge.js"),
    ]);
  const registry: Registry = new PromRegistry();
  const setters: ((numbers: Numbers) => void)[] = [];
  const families: Family[] = [];
  for (const definition of DEFINITIONS) {
    const { name, help, labels, collect } = definition;
    const settings = { name, help, labelNames: labels, registers: [registry] };
    const isCounter = name.endsWith("_total");
    const metric: Counter | Gauge = isCounter ? new PromCounter(settings) : new PromGauge(settings);
    families.push({ name, help, type: isCounter ? "counter" : "gauge", samples: [] });
    const mirror = new Mirror(metric, labels);
    setters.push((numbers) => mirror.renew((put) => collect(numbers, put)));
  }
  const setNumbers = (numbers: Numbers) => setters.forEach((set) => set(numbers));
  return { registry, setNumbers, families };
}

/** Brings a metric up to date: most numbers are as they were, and telling prom-client of one costs a microsecond. */
class Mirror {
  readonly #known = new Map<string, { value: number; round: number; labels: Labels }>();
  #round = 0;

  constructor(readonly metric: Counter | Gauge, readonly labelNames: readonly string[]) {}

  renew(collect: (put: Put) => void): void {
    const round = ++this.#round;
    collect((value, ...values) => this.#put(value, values));
    for (const [key, { round: last, labels }] of this.#known) {
      if (last === round) continue;
      this.metric.remove(labels);
      this.#known.delete(key);
    }
  }

  #put(value: number, values: readonly string[]): void {
    // A number that is not known is left out of the page; a counter takes none such, a gauge would show 0.
    if (!Number.isFinite(value) && !("set" in this.metric)) return;
    const key = values.join("\0");
    let known = this.#known.get(key);
    if (known === undefined) {
      const labels = Object.fromEntries(this.labelNames.map((label, i) => [label, values[i]!]));
      known = { value: 0, round: 0, labels };
      this.#known.set(key, known);
    } else if (Object.is(known.value, value)) {
      known.round = this.#round;
      return;
    }
    if ("set" in this.metric) {
      this.metric.set(known.labels, value);
    } else if (value > known.value && Number.isInteger(value) && Number.isInteger(known.value)) {
      this.metric.inc(known.labels, value - known.value);
    } else {
      // A counter has no `set`, and adding up differences of fractions would round.
      this.metric.remove(known.labels);
      this.metric.inc(known.labels, value);
    }
    known.value = value;
    known.round = this.#round;
  }
}

/** prom-client gives the very objects that it was given as labels, which a Mirror keeps: all have texts as values. */
async function readFamilies(registry: Registry, families: readonly Family[]): Promise<void> {
  const metrics = await registry.getMetricsAsJSON();
  families.forEach((family, i) => {
    family.samples = metrics[i]!.values as readonly LooseSample[];
  });
}
