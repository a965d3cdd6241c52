// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher doctor`: starts every probe for a moment and tells what came of it: a trial, not a guess by version. */
import type { ProbeStatus } from "../core/agent_stats.ts";
import { probes } from "../gen/all.ts";
import type { Config } from "../manager/schema.ts";
import { Agent } from "./agent.ts";

export async function doctor(config: Config, json: boolean): Promise<string> {
  const verdicts = await new Agent(config, { quiet: true }).tryAll();
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
          hooks,
          left_out: leftOut(name),
        }
      )),
      null,
      2,
    );
  }
  return verdicts.map(describe).join("\n");
}

/** What the original has and no kernel gives, with the reason. */
function leftOut(name: string): Readonly<Record<string, string>> {
  const probe = probes.find((each) => each.name === name);
  return probe?.kind === "ebpf" ? probe.lacking : {};
}

function describe({ name, kind, state, reason, mend, hooks }: ProbeStatus): string {
  const verdict = state === "running"
    ? "runs"
    : `does not run (${state}): ${reason ?? "no reason"}`;
  const lines = [`${name} (${kind}): ${verdict}`];
  if (mend !== undefined) lines.push(`    mend: ${mend}`);
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
