// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Our tables beside Debian's node_exporter in the same moment: what both export is equal. Counters, and gauges that move,
 * must lie between two of its readings around ours; a gauge that it read as one number twice is that number.
 */
import assert from "node:assert/strict";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { freePort, until } from "../e2e/run_agent.ts";
import { hostPage, parseSamples, type Samples } from "./host_page.ts";
import { theirsOf } from "./node_exporter_pairs.ts";

const LEAST_EQUAL = 150;
/** Readings until most gauges stood still around one. */
const ROUNDS = 5;
/** Further ones for what has never stood still so far. */
const MORE_ROUNDS = 20;

async function withExporter(work: (read: () => Promise<Samples>) => Promise<void>): Promise<void> {
  const port = freePort();
  const child = new Deno.Command("prometheus-node-exporter", {
    args: [
      `--web.listen-address=127.0.0.1:${port}`,
      "--collector.netstat.fields=.*",
      "--collector.vmstat.fields=.*",
      "--collector.filesystem.mount-points-exclude=^$",
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  const read = async () =>
    parseSamples(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  try {
    await until("node_exporter", () => read().catch(() => undefined));
    await work(read);
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

interface Verdict {
  equal: boolean;
  /** Ours, and theirs before and after. */
  readonly values: readonly [number, number, number];
}

Deno.test("at least 150 values that node_exporter exports too are equal", async () => {
  using files = new RootFiles();
  using calls = new LibcHostCalls();
  await withExporter(async (exporter) => {
    const read = hostPage(files, calls);
    const verdicts = new Map<string, Verdict>();
    let before = await exporter();
    for (let round = 0; round < ROUNDS + MORE_ROUNDS; round++) {
      const own = await read();
      const after = await exporter();
      compare(own, before, after, verdicts);
      before = after;
      if (round >= ROUNDS && [...verdicts.values()].every(({ equal }) => equal)) break;
    }
    const wrong = [...verdicts].filter(([, { equal }]) => !equal)
      .map(([name, { values }]) => `${name}: ${values.join(" ")}`);
    console.log(
      `${verdicts.size} values are exported by both, ${verdicts.size - wrong.length} equal`,
    );
    assert.deepEqual(wrong, []);
    assert.ok(verdicts.size >= LEAST_EQUAL, `only ${verdicts.size} values`);
  });
});

/** A value must lie between theirs each time if it is a counter, at least once if it goes up and down. */
function compare(own: Samples, before: Samples, after: Samples, verdicts: Map<string, Verdict>) {
  for (const [sample, value] of own) {
    for (const { name, scale, moves } of theirsOf(sample)) {
      const [low, high] = [before.get(name), after.get(name)];
      if (low === undefined || high === undefined) continue;
      const scaled = value * scale;
      // Their seconds are sums of fractions.
      const tolerance = 1e-9 * Math.abs(scaled);
      const between = scaled >= Math.min(low, high) - tolerance &&
        scaled <= Math.max(low, high) + tolerance;
      const earlier = verdicts.get(sample);
      if (earlier !== undefined && earlier.equal === moves) continue;
      verdicts.set(sample, { equal: between, values: [scaled, low, high] });
    }
  }
}
