// SPDX-License-Identifier: MulanPSL-2.0
/** `gala-gopher doctor`: starts every probe for a moment and tells what came of it: a trial, not a guess by version. */
import type { ProbeStatus } from "../core/agent_stats.ts";
import type { Config } from "../manager/schema.ts";
import { Agent } from "./agent.ts";

export async function doctor(config: Config, json: boolean): Promise<string> {
  const verdicts = await new Agent(config, { quiet: true }).tryAll();
  if (json) {
    return JSON.stringify(
      verdicts.map(({ name, kind, state, reason, mend, hooks }) => (
        { name, kind, runs: state === "running", state, reason, mend, hooks }
      )),
      null,
      2,
    );
  }
  return verdicts.map(describe).join("\n");
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
  return lines.join("\n");
}
