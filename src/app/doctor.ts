// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher doctor`: starts every probe for a moment and tells what came of it: a trial, not a guess by version. */
import type { ProbeStatus } from "../core/agent_stats.ts";
import type { Capability } from "../core/probe.ts";
import { probes } from "../gen/all.ts";
import type { Config } from "../manager/schema.ts";
import { heldCapabilities, wantedCapabilities } from "../sys/capabilities.ts";
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
          lacks: lacksOf(name, held),
          hooks,
          left_out: leftOut(name),
        }
      )),
      null,
      2,
    );
  }
  const lines = verdicts.map((verdict) => describe(verdict, lacksOf(verdict.name, held)));
  return [...lines, describeCapabilities(config)].join("\n");
}

/** What the original has and no kernel gives, with the reason. */
function leftOut(name: string): Readonly<Record<string, string>> {
  const probe = probes.find((each) => each.name === name);
  return probe !== undefined && "lacking" in probe ? probe.lacking : {};
}

function lacksOf(name: string, held: ReadonlySet<Capability> | undefined): Lack[] {
  const probe = probes.find((probe) => probe.name === name);
  if (probe === undefined || held === undefined) return [];
  return [...wantedCapabilities(probe)]
    .filter(([capability]) => !held.has(capability))
    .map(([capability, without]) => ({ capability, without }));
}

/** What a service of these probes is to be given. */
function describeCapabilities({ probes: entries }: Config): string {
  const on = new Set(entries.filter(({ switch: on }) => on === "on").map(({ name }) => name));
  const wanted = probes.filter(({ name }) => on.has(name))
    .flatMap((probe) => [...wantedCapabilities(probe).keys()]);
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
  for (const [what, why] of Object.entries(leftOut(name))) {
    lines.push(`    without ${what}: ${why}`);
  }
  return lines.join("\n");
}
