// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the task and io probes cost: redis-server's CPU per request, with them and with bpftrace and libbpf-tools beside,
 * in alternating rounds; and nanoseconds a run of each program. Run as root, with redis-server, bpftrace and libbpf-tools
 * installed:
 * deno run -A tests/bench/task_bench.ts [--rounds N] [--only TEXT] [redis] [programs]
 */
import { parseArgs } from "node:util";
import type { BpfProbe } from "../../src/core/probe.ts";
import io from "../../src/probes/io.ts";
import task from "../../src/probes/task.ts";
import { BpfStatistics } from "../../src/sys/bpf_cost.ts";
import { TaskRig } from "../kernel/task_rig.ts";
import { openInstalled } from "../kernel/test_object.ts";
import { until } from "../until.ts";
import { Child, compare, type Running, type Variants } from "./compare.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Variants whose names contain it, besides "nothing". */
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "60000" },
  },
});
const ROUNDS = Number(values.rounds);
const REQUESTS = values.requests;
const PARTS = positionals.length > 0 ? positionals : ["redis", "programs"];

/** Server of the rounds, on a socket of its own. */
const folder = await Deno.makeTempDir();
const socket = `${folder}/redis.sock`;

/** Before the other work of this machine, which else takes the CPU and its caches away in the middle of a round. */
const URGENT = ["-n", "-20"];

/** Nanoseconds that the server's main thread, which does all the work, was on a CPU. */
function cpuTime(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/schedstat`).split(" ")[0]);
}

/** Microseconds of the server's CPU for a request. */
async function load(pid: number): Promise<number> {
  const before = cpuTime(pid);
  await new Deno.Command("nice", {
    args: [
      ...URGENT,
      "redis-benchmark",
      "-s",
      socket,
      "-c",
      "50",
      "-n",
      REQUESTS,
      "-t",
      "get",
      "-q",
    ],
    stdout: "null",
  }).output();
  return (cpuTime(pid) - before) / Number(REQUESTS) / 1000;
}

const CALL_TABLES = Object.keys(task.tables).filter((name) =>
  /^proc_(syscall|fs|ext4|tmpfs)/.test(name)
);
const on = (probe: BpfProbe) =>
  Object.keys(probe.tables).filter((name) => probe.tables[name]!.on !== false);

async function withProbes(
  ...probes: [BpfProbe, string[], Record<string, string>][]
): Promise<Running> {
  const stack = new AsyncDisposableStack();
  for (const [probe, tables, settings] of probes) {
    const rig = stack.use(await TaskRig.start(probe, { tables, settings }));
    await rig.read();
    rigs.set(probe.name, rig);
  }
  return stack;
}

const rigs = new Map<string, TaskRig>();
const costs = new Map<string, string>();

function noteCosts(variant: string): void {
  for (const rig of rigs.values()) {
    for (const { program, runs, nanoseconds } of rig.running.cost!()) {
      if (runs > 0) {
        costs.set(`${variant} | ${program}`, `${runs} | ${Math.round(nanoseconds / runs)}`);
      }
    }
  }
  rigs.clear();
}

const histogram = `
tracepoint:syscalls:sys_enter_read,tracepoint:syscalls:sys_enter_write { @s[tid] = nsecs; }
tracepoint:syscalls:sys_exit_read,tracepoint:syscalls:sys_exit_write /@s[tid]/ {
  @h[pid, probe] = hist(nsecs - @s[tid]); delete(@s[tid]); }`;
const allCalls = `
tracepoint:raw_syscalls:sys_enter { @s[tid] = nsecs; }
tracepoint:raw_syscalls:sys_exit /@s[tid]/ { @h[pid, args->id] = hist(nsecs - @s[tid]); delete(@s[tid]); }`;

const bpftrace = (program: string): Promise<Running> =>
  new Child("bpftrace", ["-e", program]).ready("Attaching");

const tool = (name: string, ...args: string[]) =>
  Promise.resolve(new Child(`/usr/sbin/${name}`, args));

const VARIANTS: Variants = {
  "nothing": () => Promise.resolve(new AsyncDisposableStack()),
  "default tables of task and io": () => withProbes([task, on(task), {}], [io, on(io), {}]),
  "all system call tables, redis-server observed": () =>
    withProbes([task, CALL_TABLES, { observe_names: "redis-server" }]),
  "all system call tables, another process observed": () =>
    withProbes([task, CALL_TABLES, { observe_names: "no-such" }]),
  "bpftrace: read and write, histogram": () => bpftrace(histogram),
  "bpftrace: all system calls, histogram": () => bpftrace(allCalls),
  "libbpf-tools runqlat": () => tool("runqlat", "-P", "1000"),
  "libbpf-tools offcputime": () => tool("offcputime", "1000"),
  "libbpf-tools syscount -L": () => tool("syscount", "-L"),
};

function wanted(variants: Variants): Variants {
  rigs.clear();
  const names = Object.keys(variants).filter((name) =>
    name === "nothing" || name.includes(values.only)
  );
  return Object.fromEntries(names.map((name) => [name, variants[name]!]));
}

async function main(): Promise<void> {
  await using server = new Child("nice", [
    ...[
      ...URGENT,
      "redis-server",
      "--port",
      "0",
      "--unixsocket",
      socket,
      "--save",
      "",
      "--dir",
      folder,
    ],
  ]);
  await server.ready("eady to accept connections");
  await load(server.pid); // warm
  if (PARTS.includes("redis")) {
    await compare("server CPU, us a request", wanted(VARIANTS), () => load(server.pid), {
      rounds: ROUNDS,
    });
  }
  if (PARTS.includes("programs")) await nanoseconds(server.pid);
}

/** Each program's time with the kernel's statistics on, which cost some 20 ns a run themselves. */
async function nanoseconds(pid: number): Promise<void> {
  for (const name of Object.keys(VARIANTS).filter((each) => each.includes("tables"))) {
    await using _running = await VARIANTS[name]!();
    using libbpf = openInstalled();
    using _statistics = new BpfStatistics(libbpf);
    await load(pid);
    for (const rig of rigs.values()) await rig.read();
    noteCosts(name);
  }
  await accounted(pid);
  console.log("\n| tables | program | runs | ns a run |\n| - | - | - | - |");
  for (const [name, cost] of costs) console.log(`| ${name} | ${cost} |`);
}

/**
 * What the default tables cost the server by the programs' own times, which other work on the machine disturbs less than
 * a difference of CPU times: at most two runs of task_switch and one of task_wakeup for each time it leaves its CPU.
 */
async function accounted(pid: number): Promise<void> {
  const name = "default tables of task and io";
  const ns = (program: string) => Number(costs.get(`${name} | ${program}`)?.split(" | ")[1]);
  const before = switches(pid);
  const us = await load(pid);
  const perRequest = (switches(pid) - before) / Number(REQUESTS);
  const cost = perRequest * (2 * ns("task_switch") + ns("task_wakeup"));
  console.log(
    `\naccounted: ${perRequest.toFixed(3)} switches a request, at most ${cost.toFixed(1)} ns of ` +
      `${us.toFixed(2)} us: ${(cost / us / 10).toFixed(2)} %`,
  );
}

function switches(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return [...status.matchAll(/^(?:non)?voluntary_ctxt_switches:\s+(\d+)/gm)]
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

/** bpftrace wants it. */
const tracefs = Deno.readTextFileSync("/proc/self/mounts").includes(" tracefs ")
  ? undefined
  : "/sys/kernel/tracing";
const run = (command: string, ...args: string[]) => new Deno.Command(command, { args }).output();

if (tracefs !== undefined) await run("mount", "-t", "tracefs", "nodev", tracefs);
try {
  await main();
} finally {
  if (tracefs !== undefined) await run("umount", tracefs);
  await until("the folder is free", async () => {
    await Deno.remove(folder, { recursive: true });
    return true;
  });
}
