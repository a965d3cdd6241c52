// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a shipped probe under the compiled agent. */
import assert from "node:assert/strict";
import { type Agent, finished, ROOT, type Row, until, withAgent } from "../e2e/run_agent.ts";

export interface ProbeEntry {
  /** Below probes/, with arguments. */
  readonly command: string;
  /** GOPHER_ variables: the agent hands them down. */
  readonly env?: Readonly<Record<string, string>>;
  /** The probe's option for its interval. */
  readonly interval?: string;
}

/** Short, so that the tests are. */
const FAST = "0.5";

export function withProbe(entry: ProbeEntry, work: (agent: Agent) => Promise<void>): Promise<void> {
  const { command, env = {}, interval = "-t" } = entry;
  const settings = {
    // None of the program's own probes.
    probes: [{ name: "system_cpu", switch: "off" }],
    // A JVM at a tenth of a core needs half a minute to start and attach.
    external_probes: { cpu_share: 0 },
    extend_probes: [{
      name: command.split("/")[0],
      command: `${ROOT}probes/${command} ${interval} ${FAST}`,
    }],
  };
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return withAgent({ settings, prefix: () => ["env", ...variables] }, async (agent) => {
    await work(agent);
    await noBadLines(agent);
  });
}

interface ProbeStatus {
  readonly name: string;
  readonly kind: string;
  readonly facts?: { readonly badLines: readonly unknown[]; readonly texts: number };
}

async function noBadLines(agent: Agent): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${agent.port}/probes`);
  const page = await response.json() as { probes: ProbeStatus[] } | ProbeStatus[];
  const probes = Array.isArray(page) ? page : page.probes;
  const external = probes.filter(({ kind }) => kind === "external");
  assert.equal(external.length, 1, JSON.stringify(page));
  const { facts } = external[0]!;
  assert.ok(facts !== undefined, JSON.stringify(external));
  assert.deepEqual(facts.badLines, []);
  assert.equal(facts.texts, 0);
}

export type Labels = Readonly<Record<string, string>>;

function matches(row: Row, labels: Labels): boolean {
  return Object.entries(labels).every(([name, value]) => row.labels[name] === value);
}

/** The value of the one row with these labels, as soon as there is one that `wanted` likes. */
export async function valueOf(
  agent: Agent,
  metric: string,
  labels: Labels = {},
  wanted: (value: number) => boolean | Promise<boolean> = () => true,
): Promise<number> {
  let seen: Row[] = [];
  const what = `${metric} ${JSON.stringify(labels)}`;
  try {
    return await until(what, async () => {
      seen = (await agent.rows(`gala_gopher_${metric}`)).filter((row) => matches(row, labels));
      const value = seen[0]?.value;
      return seen.length === 1 && await wanted(value!) ? value : undefined;
    });
  } catch (error) {
    const message = `${what}: ${JSON.stringify(seen)}\n${agent.log().slice(-2000)}`;
    throw new Error(message, { cause: error });
  }
}

export async function equals(
  agent: Agent,
  metric: string,
  labels: Labels,
  value: number,
): Promise<void> {
  await valueOf(agent, metric, labels, (seen) => seen === value);
}

/** Waits for a line of the probe in the agent's log. */
export async function says(agent: Agent, text: string): Promise<void> {
  try {
    await until(text, () => agent.log().includes(text) || undefined);
  } catch (error) {
    throw new Error(`never said "${text}" but\n${agent.log().slice(-2000)}`, { cause: error });
  }
}

/** The output of a command that must succeed. */
export async function output(command: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await finished(command, args);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${out}${err}`);
  return out;
}
