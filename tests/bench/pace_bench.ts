// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a probe with 1,000 lines a second costs the compiled agent, beside what its CPU time differs by anyway. The probe
 * is silent and talks in turns of 5 s, which is the interval of the agent's readings: each pair of turns gives a
 * difference. Another agent, whose probe is silent in all turns, gives the noise; all run at the same time. Each has had
 * 300,000 lines before, so that V8 has compiled what reads them: the first ones cost several times as much.
 * `all`: with all default probes, else with one that costs next to nothing.
 * Run: deno run -A tests/bench/pace_bench.ts [PAIRS] [all]
 */
import { until, withAgent, withFolder } from "../e2e/run_agent.ts";
import { median, pause } from "./measure.ts";

const LINES = 1000;
const TURN_MS = 5000;
const WARM_LINES = 300_000;
const META =
  `version = "1"; measurements: ( { table_name: "paced", entity_name: "paced", fields: ( ${
    ["key", "key", "key", "label", "counter", "counter", "counter", "gauge", "gauge", "gauge"]
      .map((type, i) => `{ description: "d", type: "${type}", name: "f${i}" }`).join()
  } ) } )`;

/** Prints LINES a second, each by a write of its own, in odd turns of the clock if at all. */
const probe = (writes: number) =>
  `use Time::HiRes qw(sleep time); $| = 1;
for my $n (1 .. ${WARM_LINES}) {
  my $row = $n % 100;
  print "|paced|4711|10.0.0.$row|10.0.0.2|redis-server|$n|$n|$n|$row|2.5|4|\\n";
}
for (my $n = 0; ; $n++) {
  my $t = time; my $turn = int($t * 1000 / ${TURN_MS});
  if (${writes} == 0 || $turn % 2 == 0) { sleep(($turn + 1) * ${TURN_MS} / 1000 - $t + 0.0005); next; }
  my $row = $n % 100;
  print "|paced|4711|10.0.0.$row|10.0.0.2|redis-server|$n|$n|$n|$row|2.5|4|\\n" x (${LINES} / (${writes} || 1));
  my $rest = (int($t * ${writes} + 0.5) + 1) / (${writes} || 1) - time; sleep $rest if $rest > 0;
}`;

/** CPU time of all threads, in ms. */
function cpuOf(pid: number): number {
  let ns = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    ns += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ")[0]);
  }
  return ns / 1e6;
}

/** Differences of CPU, in ms a second, between each odd turn and the even one before. */
async function differences(pid: number, pairs: number): Promise<number[]> {
  const turn = async () => {
    await pause(TURN_MS - Date.now() % TURN_MS);
    return cpuOf(pid);
  };
  // The turn after an even boundary is the silent one.
  await pause(2 * TURN_MS - Date.now() % (2 * TURN_MS));
  let before = cpuOf(pid);
  const found: number[] = [];
  for (let i = 0; i < pairs; i++) {
    const [middle, after] = [await turn(), await turn()];
    found.push((after - middle - (middle - before)) / TURN_MS * 1000);
    before = after;
  }
  return found;
}

async function rowsOf(port: number): Promise<number> {
  const probes = await (await fetch(`http://127.0.0.1:${port}/probes`)).json();
  return probes.find(({ name }: { name: string }) => name === "paced")?.facts.rows ?? 0;
}

async function measure(writes: number, pairs: number, all: boolean): Promise<void> {
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/probe.pl`, probe(writes));
    await Deno.writeTextFile(`${folder}/paced.meta`, META);
    const settings = {
      external_probes: { cpu_share: 100 },
      // The readings of the others are most of what its CPU time differs by.
      ...(all ? {} : { probes: [{ name: "system_meminfo" }] }),
      extend_probes: [{
        name: "paced",
        command: `perl ${folder}/probe.pl`,
        meta: `${folder}/paced.meta`,
      }],
    };
    await withAgent({ settings }, async ({ pid, port }) => {
      await until("warm", async () => await rowsOf(port) >= WARM_LINES || undefined);
      await pause(TURN_MS); // it is still starting
      const found = (await differences(pid, pairs)).sort((a, b) => a - b);
      const [middle, least, most] = [median(found), found[0]!, found.at(-1)!]
        .map((value) => value.toFixed(2));
      const rows = await rowsOf(port) - WARM_LINES;
      const what = writes === 0 ? "silent" : `${LINES} lines/s in ${writes} writes`;
      console.log(`${what}: ${middle} ms a second (${pairs}: ${least} to ${most}); ${rows} rows`);
    });
  });
}

if (import.meta.main) {
  const pairs = Number(Deno.args[0] ?? 8);
  const all = Deno.args[1] === "all";
  await Promise.all([0, 1, LINES].map((writes) => measure(writes, pairs, all)));
}
