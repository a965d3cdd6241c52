// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a tick of the container probe costs with many containers: cgroups made on this host, each in every v1 controller
 * (or in v2, where that is all there is), with one sleeping process each, a tenth of them in a network of their own.
 * CONTAINERS (300) and TICKS (24) come from the environment; everything is removed again.
 */
import { ContainerLookup } from "../../src/core/container_lookup.ts";
import container from "../../src/probes/container.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { firstLine, hasHierarchies, TestContainer } from "../cgroups.ts";
import { newStore, settingsOf } from "../run_probe.ts";
import { cpuMs, median } from "./measure.ts";

const CONTAINERS = Number(Deno.env.get("CONTAINERS") ?? 300);
const TICKS = Number(Deno.env.get("TICKS") ?? 24);
const V1 = ["cpu", "cpuacct", "memory", "blkio", "pids"];
const OWN_NETWORK = 10;

const hierarchies = hasHierarchies(...V1) ? V1 : [""];
await using boxes = new AsyncDisposableStack();
for (let i = 0; i < CONTAINERS; i++) {
  const box = boxes.use(new TestContainer(hierarchies));
  const network = i % OWN_NETWORK === 0;
  await firstLine(box.run("echo in; read -r", { network }));
}

using files = new RootFiles();
using calls = new LibcHostCalls();
const store = newStore(100_000);
let now = 0;
const containers = new ContainerLookup(files, { clock: () => now });
const running = startNative(container, {
  store,
  files,
  calls,
  settings: settingsOf(container),
  containers,
});
const walls: number[] = [];
const cpus: number[] = [];
/** How long others had to wait during the first tick. */
let firstWait = 0;
function longestPart() {
  let [last, longest, on] = [performance.now(), 0, true];
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (on) setTimeout(look, 0);
  };
  setTimeout(look, 0);
  return {
    end() {
      look();
      on = false;
      return longest;
    },
  };
}
for (let tick = 0; tick < TICKS; tick++) {
  now += 5000;
  const cpu = cpuMs();
  const start = performance.now();
  // Only of the first: to look costs CPU itself.
  const part = tick === 0 ? longestPart() : undefined;
  await running.tick(now);
  if (part !== undefined) firstWait = part.end();
  walls.push(performance.now() - start);
  cpus.push(cpuMs() - cpu);
  // As between two ticks of the agent; also lets what is waiting go on.
  await new Promise((done) => setTimeout(done, 20));
}
const rows = [...store.tables].reduce((sum, table) => sum + table.rows, 0);
const start = performance.now();
containers.scan();
const scan = performance.now() - start;
console.log(
  `${CONTAINERS} containers in ${
    hierarchies.join() || "v2"
  }, ${rows} rows, ${files.kept} files kept open`,
);
const shown = (values: number[]) => values.map((value) => value.toFixed(1)).join(" ");
console.log(`wall ms: first ${walls[0]!.toFixed(1)}, median ${median(walls.slice(1)).toFixed(1)}`);
console.log(`longest wait of others: first ${firstWait.toFixed(1)} ms`);
console.log(`CPU ms: first ${cpus[0]!.toFixed(1)}, median ${median(cpus.slice(1)).toFixed(1)}`);
console.log(`wall of each: ${shown(walls)}`);
console.log(`of which finding the containers: ${scan.toFixed(1)} ms`);
running.stop();
