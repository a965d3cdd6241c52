// SPDX-License-Identifier: MulanPSL-2.0
/** What `/probes` and a browser at `/` are shown of the agent. */
import type { BuildInfo, ProbeStatus } from "../core/agent_stats.ts";

const STYLE =
  "body{font:16px system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}" +
  "table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4rem;" +
  "text-align:left}td:nth-child(n+4):nth-child(-n+5){text-align:right}";

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

function rowsOf({ tables }: ProbeStatus): number {
  return tables.reduce((sum, { rows }) => sum + rows, 0);
}

/** The page for a person who opens the agent's address. */
export function statusPage(build: BuildInfo, probes: readonly ProbeStatus[]): string {
  const lines = probes.map((probe) => {
    const reason = [probe.reason, probe.mend].filter((text) => text !== undefined).join(". ");
    const cells = [
      probe.name,
      probe.kind,
      probe.state,
      String(rowsOf(probe)),
      `${(probe.lastTickSeconds * 1000).toFixed(1)} ms`,
      reason,
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join("")}</tr>\n`;
  });
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>gala-gopher</title><style>${STYLE}</style></head>
<body><h1>gala-gopher ${escapeHtml(build.version)}</h1>
<p>Observes this host with eBPF, /proc and external probes, and serves Prometheus metrics:
<a href="/metrics">/metrics</a>, <a href="/probes">/probes</a>,
<a href="/events">/events</a>, <a href="/healthz">/healthz</a>.</p>
<table><tr><th>Probe<th>Kind<th>State<th>Rows<th>Last tick<th>Reason</tr>
${lines.join("")}</table></body></html>`;
}

/** The answer of `/probes`, ready for JSON. */
export function probeReport(probes: readonly ProbeStatus[]): readonly Record<string, unknown>[] {
  return probes.map((probe) => ({
    name: probe.name,
    kind: probe.kind,
    state: probe.state,
    reason: probe.reason,
    mend: probe.mend,
    tables: probe.tables,
    rows: rowsOf(probe),
    cost: {
      ticks: probe.ticks,
      late_ticks: probe.lateTicks,
      last_tick_seconds: probe.lastTickSeconds,
      tick_seconds: probe.tickSeconds,
      programs: probe.programs,
    },
    failures: probe.failures,
    restarts: probe.restarts,
    losses: probe.losses,
    hooks: probe.hooks,
    facts: probe.facts,
  }));
}
