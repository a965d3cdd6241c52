// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher doctor`: starts every probe for a moment and tells what came of it: a trial, not a guess by version. */
import type { ProbeStatus } from "../core/agent_stats.ts";
import type { Capability } from "../core/probe.ts";
import { probes } from "../gen/all.ts";
import type { Config } from "../manager/schema.ts";
import { heldCapabilities, OTHER_USER, wantedCapabilities } from "../sys/capabilities.ts";
import { Agent } from "./agent.ts";

/** A capability that this process does not have, and what the probe does not show without it. */
interface Lack {
  readonly capability: Capability;
  readonly without: string;
}

export async function doctor(config: Config, json: boolean): Promise<string> {
  const verdicts = await new Agent(config, { quiet: true }).tryAll();
  const held = heldCapabilities(Deno.readTextFileSync("/proc/self/status"));
  if (json) {
    return JSON.stringify(
      verdicts.map(({ name, kind, state, reason, mend, hooks }) => (
        {
          name,
          kind,
          runs: state === "running",
          state,
          reason,
          mend,
          lacks: lacksOf(name, config, held),
          hooks,
          left_out: lackingOf(name),
        }
      )),
      null,
      2,
    );
  }
  const lines = verdicts.map((verdict) => describe(verdict, lacksOf(verdict.name, config, held)));
  return [...lines, describeCapabilities(config)].join("\n");
}

/** What the original has and no kernel gives, with the reason. */
function lackingOf(name: string): Readonly<Record<string, string>> {
  const probe = probes.find((each) => each.name === name);
  return probe !== undefined && "lacking" in probe ? probe.lacking : {};
}

/** What a probe can use, of this program or of the configuration. */
function wantedBy(name: string, config: Config): ReadonlyMap<Capability, string> {
  const probe = probes.find((probe) => probe.name === name);
  if (probe !== undefined) return wantedCapabilities(probe);
  const external = config.extend_probes.find((entry) => entry.name === name);
  return external === undefined || external.user === "" ? new Map() : OTHER_USER;
}

function lacksOf(
  name: string,
  config: Config,
  held: ReadonlySet<Capability> | undefined,
): Lack[] {
  if (held === undefined) return [];
  return [...wantedBy(name, config)]
    .filter(([capability]) => !held.has(capability))
    .map(([capability, without]) => ({ capability, without }));
}

/** What a service of these probes is to be given. */
function describeCapabilities(config: Config): string {
  const on = [...config.probes, ...config.extend_probes].filter((entry) => entry.switch !== "off");
  const wanted = on.flatMap(({ name }) => [...wantedBy(name, config).keys()]);
  return `capabilities that the probes switched on can use: ${
    [...new Set(wanted)].join(" ") || "none"
  }`;
}

function describe(
  { name, kind, state, reason, mend, hooks }: ProbeStatus,
  lacks: readonly Lack[],
): string {
  const verdict = state === "running"
    ? "runs"
    : `does not run (${state}): ${reason ?? "no reason"}`;
  const lines = [`${name} (${kind}): ${verdict}`];
  if (mend !== undefined) lines.push(`    mend: ${mend}`);
  for (const { capability, without } of lacks) {
    lines.push(`    without ${capability} it does not show ${without}`);
  }
  for (const hook of hooks) {
    const why = hook.reason === undefined ? "" : `: ${hook.reason}`;
    lines.push(`    ${hook.program} by ${hook.hook}: ${hook.state}${why}`);
    if (hook.mend !== undefined) lines.push(`        mend: ${hook.mend}`);
  }
  for (const [what, why] of Object.entries(lackingOf(name))) {
    lines.push(`    without ${what}: ${why}`);
  }
  return lines.join("\n");
}
