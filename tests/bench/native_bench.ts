// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a reading of the native probes costs on this host, in microseconds: median of rounds, wall clock, and the
 * process's CPU time over all of it; beside it the same files read as text and split.
 */
import process from "node:process";
import { probes } from "../../src/gen/all.ts";
import { LibcHostCalls } from "../../src/sys/host_calls.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { newStore, settingsOf } from "../run_probe.ts";

const ROUNDS = 21;
const TICKS = 100;

const FILES = [
  "proc/stat",
  "proc/softirqs",
  "proc/net/softnet_stat",
  "proc/meminfo",
  "proc/sys/fs/dentry-state",
  "proc/net/dev",
  "proc/net/snmp",
  "proc/net/netstat",
  "proc/vmstat",
  "proc/diskstats",
  "proc/self/mountinfo",
];
const INTERVAL_MS = 5000;

/** Medians of wall clock and of CPU time, for one call. */
async function measure(run: () => unknown): Promise<{ wall: number; cpu: number }> {
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const cpu = cpuMicroseconds();
    const start = performance.now();
    for (let tick = 0; tick < TICKS; tick++) {
      const result = run();
      if (result instanceof Promise) await result;
    }
    walls.push((performance.now() - start) * 1000 / TICKS);
    cpus.push((cpuMicroseconds() - cpu) / TICKS);
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[ROUNDS >> 1]!;
  return { wall: median(walls), cpu: median(cpus) };
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function show(name: string, { wall, cpu }: { wall: number; cpu: number }): void {
  console.log(
    `${name.padEnd(40)} ${wall.toFixed(1).padStart(8)} us  ${cpu.toFixed(1).padStart(8)} us CPU`,
  );
}

using files = new RootFiles();
using calls = new LibcHostCalls();
const store = newStore();
const host = { store, files, calls };
const running = probes.filter((probe) => probe.kind === "native")
  .filter(({ name }) => name.startsWith("system_") && name !== "system_proc")
  .map((probe) => ({
    name: probe.name,
    ...startNative(probe, { ...host, settings: settingsOf(probe) }),
  }));

let now = 0;
for (const { name, tick } of running) {
  // At the interval of the configuration, so that what is read less often has its share.
  show(name, await measure(() => tick(now += INTERVAL_MS)));
}
show(
  `all ${running.length}`,
  await measure(() => {
    now += INTERVAL_MS;
    return Promise.all(running.map(({ tick }) => tick(now)));
  }),
);
for (const path of FILES) {
  show(`  ${path}: read`, await measure(() => files.read(path)));
  show(
    `  ${path}: as text and split`,
    await measure(() => {
      for (const line of Deno.readTextFileSync(`/${path}`).split("\n")) line.split(/\s+/);
    }),
  );
}
