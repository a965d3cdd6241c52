// SPDX-License-Identifier: MulanPSL-2.0
/** Probes that a configuration of the original names, and which of ours take their place. */
import type { Draft } from "./config_check.ts";
import type { Findings } from "./config_findings.ts";
import { DEFAULT_PROBES, type ExtendProbeConfig, type ProbeConfig } from "./schema.ts";

const BASEINFO = DEFAULT_PROBES.filter((name) => name.startsWith("system_"));

/** Names in `probes`; an empty list is a probe that this version does not have. */
const PROBES: ReadonlyMap<string, readonly string[]> = new Map([
  ["system_infos", BASEINFO],
  ["baseinfo", BASEINFO],
  ["example", []],
  ["event", ["event"]],
]);

/** Programs in `extend_probes` that are compiled C; its Python and Java programs can still be run. */
const PROGRAMS: ReadonlyMap<string, readonly string[]> = new Map([
  ["tcpprobe", ["tcp"]],
  ["taskprobe", ["task"]],
  ["endpoint", ["endpoint"]],
  ["nsprobe", []],
  ["blockprobe", ["io"]],
  ["ksliprobe", ["messages"]],
  ["killprobe", ["kill"]],
  ["cgprobe", ["oom"]],
  ["nginx_probe", ["messages"]],
  ["opengauss_sli", ["messages"]],
  ["redissli", ["messages"]],
  ["trace_dnsmasq", []],
  ["trace_haproxy", ["messages"]],
  ["trace_lvs", []],
]);

const PROGRAM_REGEXP = /^\/opt\/gala-gopher\/extend_probes\/([\w-]+)$/;

/** Replaces the original's own probes by ours, and warns of those switched on that have no successor. */
export function replaceOriginalProbes(draft: Draft, findings: Findings): Draft {
  const moved: ProbeConfig[] = [];
  const extendProbes = draft.extendProbes?.filter((entry) => {
    const program = PROGRAM_REGEXP.exec(entry.command.trim())?.[1];
    const names = PROGRAMS.get(program ?? "");
    if (names === undefined) return true;
    for (const probe of succeed(toProbe(entry), names, findings)) addOrJoin(moved, probe);
    return false;
  });
  const probes = draft.probes?.flatMap((entry) => {
    const names = PROBES.get(entry.name);
    return names === undefined ? [entry] : succeed(entry, names, findings);
  });
  // A file that starts the original's programs lists all it wants: the default probes stay out.
  if (probes === undefined && moved.length === 0) return { ...draft, extendProbes };
  return { ...draft, probes: [...probes ?? [], ...moved], extendProbes };
}

/** Where one of ours takes the place of several, it runs if any of them did. */
function addOrJoin(moved: ProbeConfig[], probe: ProbeConfig): void {
  const at = moved.findIndex(({ name }) => name === probe.name);
  if (at < 0) moved.push(probe);
  else if (moved[at]!.switch !== "on") moved[at] = probe;
}

function succeed(entry: ProbeConfig, names: readonly string[], findings: Findings): ProbeConfig[] {
  if (names.length === 0 && entry.switch === "on") {
    findings.warn(entry.place, `probe "${entry.name}" of the original is not in this version`);
  }
  return names.map((name) => ({ ...entry, name }));
}

/** Our probes find out themselves whether they can run, so "auto" is "on". */
function toProbe(entry: ExtendProbeConfig): ProbeConfig {
  const { name, param, place } = entry;
  return {
    name,
    param,
    place,
    switch: entry.switch === "off" ? "off" : "on",
    tables: {},
    settings: {},
  };
}
