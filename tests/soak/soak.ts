// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Drives the compiled program as a restless operator and a restless host would: its configuration changes and is read
 * again, its third-party probes are killed, ten clients read the page all the time. Tells after each round what it holds.
 */
import { childrenOf, type Holdings, holdings } from "../e2e/holdings.ts";
import { type Agent, type Settings, until, withAgent, withFolder } from "../e2e/run_agent.ts";

export interface Soaked {
  /** At the same point of each round. */
  readonly rounds: readonly Holdings[];
  readonly scrapes: number;
  /** Scrapes that gave no page. */
  readonly refused: readonly string[];
  readonly killed: number;
  readonly seconds: number;
  readonly log: string;
  readonly code: number;
}

const CLIENTS = 10;
const SCRAPE_EVERY_MS = 250;
const PATIENCE_MS = 60_000;
const INTERVAL_S = 0.5;
/** A third of them is left out as warming up. */
const MIN_ROUNDS = 6;
const KILLED = "mortal";

interface Status {
  readonly name: string;
  readonly state: string;
  readonly cost: { readonly ticks: number };
}

/** Prints once a second, and ends with its input. */
const PROGRAM = `#!/bin/bash
while echo "|$1|key|$2|"; do
  read -r -t 1 line
  [ $? = 1 ] && exit
done
`;

/** A probe of a table of its own. */
function external(folder: string, name: string, param: string) {
  return { name, command: `${folder}/${name}.sh`, param: `${name} ${param}` };
}

async function writeProbes(folder: string): Promise<void> {
  for (const name of ["steady", KILLED, "changing"]) {
    await Deno.writeTextFile(`${folder}/${name}.sh`, PROGRAM, { mode: 0o755 });
    await Deno.writeTextFile(
      `${folder}/${name}.meta`,
      `version = "1.0.0"
measurements: (
  { table_name: "${name}", entity_name: "${name}",
    fields: ( { name: "id", type: "key", description: "" }, { name: "value", type: "gauge", description: "" } ) }
)
`,
    );
  }
}

/** What the rounds alternate between: all, and next to nothing; with one probe whose entry is another each time. */
function settings(folder: string, full: boolean, round: number): Settings {
  const probes = full ? {} : { probes: [{ name: "system_meminfo" }] };
  const extend_probes = [
    external(folder, "steady", "1"),
    ...(full
      ? [external(folder, KILLED, "1"), external(folder, "changing", String(1 + round % 3))]
      : []),
  ];
  return { ingress: { interval: INTERVAL_S }, ...probes, extend_probes };
}

async function statuses({ port }: Agent): Promise<Status[]> {
  const response = await fetch(`http://127.0.0.1:${port}/probes`);
  return await response.json();
}

/** Resolves when the probes are as this configuration wants them. */
async function become(agent: Agent, full: boolean, next: Settings): Promise<void> {
  await agent.configure(next);
  agent.signal("SIGHUP");
  await until(`${full ? "all" : "few"} probes run`, async () => {
    const found = await statuses(agent);
    const state = (name: string) => found.find((probe) => probe.name === name)?.state;
    const settled = found.every(({ state }) => state !== "starting");
    const wanted = full
      ? [state("tcp"), state("task"), state("changing"), state(KILLED)]
        .every((now) => now === "running")
      : state("tcp") === "stopped" && state("task") === "stopped" && state(KILLED) === undefined;
    return settled && wanted || undefined;
  }, PATIENCE_MS);
}

/** Resolves when each running probe was read once more. */
async function anotherTick(agent: Agent): Promise<void> {
  const before = new Map((await statuses(agent)).map(({ name, cost }) => [name, cost.ticks]));
  await until("another reading", async () => {
    const found = await statuses(agent);
    return found.every(({ name, state, cost: { ticks } }) =>
      state !== "running" || ticks === 0 || ticks > before.get(name)!
    ) || undefined;
  }, PATIENCE_MS);
}

/** Kills what runs the probe, as the kernel does when memory is short. */
function killProbe(pid: number): number {
  const named = childrenOf(pid).filter((child) =>
    Deno.readTextFileSync(`/proc/${child}/cmdline`).includes(`${KILLED}.sh`)
  );
  for (const child of named) Deno.kill(child, "SIGKILL");
  return named.length;
}

/** Reads the page until told to stop. */
async function scrapeOn(port: number, seen: { scrapes: number; refused: string[]; over: boolean }) {
  while (!seen.over) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`);
      const page = await response.text();
      if (!page.includes("gala_gopher_mem_total_kB")) seen.refused.push(page.slice(0, 200));
      seen.scrapes++;
    } catch (error) {
      seen.refused.push(String(error));
    }
    await new Promise((resolve) => setTimeout(resolve, SCRAPE_EVERY_MS));
  }
}

/** Rounds for at least so many seconds, and enough of them to tell a slope. */
export async function soak(seconds: number): Promise<Soaked> {
  const rounds: Holdings[] = [];
  const seen = { scrapes: 0, refused: [] as string[], over: false };
  let killed = 0;
  let rest = { log: "", code: -1 };
  const start = performance.now();
  const work = async (agent: Agent, folder: string) => {
    const clients = Array.from({ length: CLIENTS }, () => scrapeOn(agent.port, seen));
    try {
      const isOver = () =>
        rounds.length >= MIN_ROUNDS && performance.now() - start >= seconds * 1000;
      for (let round = 0; !isOver(); round++) {
        await become(agent, true, settings(folder, true, round));
        await anotherTick(agent);
        rounds.push(holdings(agent.pid));
        killed += killProbe(agent.pid);
        await become(agent, false, settings(folder, false, round));
      }
    } finally {
      seen.over = true;
      await Promise.all(clients);
    }
    rest = { code: (await agent.end("SIGTERM")).code, log: agent.log() };
  };
  await withFolder(async (folder) => {
    await writeProbes(folder);
    await withAgent({ settings: settings(folder, true, 0) }, (agent) => work(agent, folder));
  });
  return { ...seen, ...rest, rounds, killed, seconds: (performance.now() - start) / 1000 };
}

export interface Slope {
  readonly perStep: number;
  /** It is above this with a probability of 97.5 %. */
  readonly atLeast: number;
}

/** By least squares, with its standard error. */
export function slopeOf(values: readonly number[]): Slope {
  const count = values.length;
  const middle = (count - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const width = values.reduce((sum, _, at) => sum + (at - middle) ** 2, 0);
  const perStep = values.reduce((sum, value, at) => sum + (at - middle) * (value - mean), 0) /
    width;
  const off = values.reduce(
    (sum, value, at) => sum + (value - mean - perStep * (at - middle)) ** 2,
    0,
  );
  const error = Math.sqrt(off / (count - 2) / width);
  return { perStep, atLeast: perStep - 2 * error };
}
