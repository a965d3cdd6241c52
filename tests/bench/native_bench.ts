// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a reading of the native probes costs on this host, in microseconds: median of rounds, wall clock, and the
 * process's CPU time over all of it; beside it the same files read as text and split.
 */
import process from "node:process";
import { RootFiles } from "../../src/sys/host_files.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import systemCpu from "../../src/probes/system_cpu.ts";
import systemMeminfo from "../../src/probes/system_meminfo.ts";
import systemNet from "../../src/probes/system_net.ts";
import { DEFAULTS, newStore, NO_CALLS } from "../run_probe.ts";

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
];

/** Medians of wall clock and of CPU time, for one call. */
function measure(run: () => unknown): { wall: number; cpu: number } {
  const walls: number[] = [];
  const cpus: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const cpu = cpuMicroseconds();
    const start = performance.now();
    for (let tick = 0; tick < TICKS; tick++) run();
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
const store = newStore();
const host = { store, files, calls: NO_CALLS, settings: DEFAULTS };
const probes = {
  system_cpu: startNative(systemCpu, host),
  system_meminfo: startNative(systemMeminfo, host),
  system_net: startNative(systemNet, host),
};

let now = 0;
for (const [name, probe] of Object.entries(probes)) {
  // At the interval of the configuration, so that /proc/cpuinfo has its share.
  show(name, measure(() => probe.tick(now += 5000)));
}
show(
  "all three",
  measure(() => {
    now += 5000;
    for (const probe of Object.values(probes)) probe.tick(now);
  }),
);
for (const path of FILES) {
  show(`  ${path}: read`, measure(() => files.read(path)));
  show(
    `  ${path}: as text and split`,
    measure(() => {
      for (const line of Deno.readTextFileSync(`/${path}`).split("\n")) line.split(/\s+/);
    }),
  );
}
