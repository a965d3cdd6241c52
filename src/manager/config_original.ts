// SPDX-License-Identifier: MulanPSL-2.0
/** Probes that a configuration of the original names, and which of ours take their place. */
import type { Draft } from "./config_check.ts";
import type { Findings } from "./config_findings.ts";
import type { ExtendProbeConfig, KnownProbe, ProbeConfig } from "./schema.ts";

/** Each is the whole host in its version: in its place all of ours that read it run. */
const HOST: readonly string[] = ["system_infos", "baseinfo"];

/** Names in the original's `probes` that are not ours too. */
const PROBES: readonly string[] = [...HOST, "example"];

/** Programs in `extend_probes` that are compiled C; its Python and Java programs can still be run. */
const PROGRAMS: readonly string[] = [
  "tcpprobe",
  "taskprobe",
  "endpoint",
  "nsprobe",
  "blockprobe",
  "ksliprobe",
  "killprobe",
  "cgprobe",
  "nginx_probe",
  "opengauss_sli",
  "redissli",
  "trace_dnsmasq",
  "trace_haproxy",
  "trace_lvs",
];

const PROGRAM_REGEXP = /^\/opt\/gala-gopher\/extend_probes\/([\w-]+)$/;

/** Replaces the original's own probes by ours, and warns of those switched on that have no successor. */
export function replaceOriginalProbes(
  draft: Draft,
  known: readonly KnownProbe[],
  findings: Findings,
): Draft {
  const succeed = (entry: ProbeConfig, name: string): ProbeConfig[] => {
    const successors = known.filter((probe) =>
      HOST.includes(name)
        ? probe.name.startsWith("system_")
        : probe.name === name || probe.partOf.includes(name)
    );
    if (successors.length === 0 && entry.switch === "on") {
      findings.warn(entry.place, `probe "${entry.name}" of the original is not in this version`);
    }
    return successors.map((probe) => ({ ...entry, name: probe.name }));
  };
  const moved: ProbeConfig[] = [];
  const extendProbes = draft.extendProbes?.filter((entry) => {
    const program = PROGRAM_REGEXP.exec(entry.command.trim())?.[1] ?? "";
    if (!PROGRAMS.includes(program)) return true;
    for (const probe of succeed(toProbe(entry), program)) addOrJoin(moved, probe);
    return false;
  });
  const probes = draft.probes?.flatMap((entry) =>
    PROBES.includes(entry.name) ? succeed(entry, entry.name) : [entry]
  );
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
