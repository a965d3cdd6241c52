// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the io probe costs who reads and writes: CPU of fio and of the kernel's workers for an I/O of 4 KiB to a loop
 * device in memory, past the page cache (psync, libaio) and through it, with the probe's tables and with libbpf-tools
 * and bpftrace beside, each right before or after a run with nothing; and what the probe's programs take of it by the
 * kernel's statistics, which other work on the machine disturbs less. Run as root, with fio, bpftrace and libbpf-tools
 * installed:
 * deno run -A tests/bench/fio_bench.ts [--rounds N (0: only the latter)] [--ios N] [--only TEXT] [psync] [libaio] [buffered]
 */
import { parseArgs } from "node:util";
import io from "../../src/probes/io.ts";
import { BpfStatistics } from "../../src/sys/bpf_cost.ts";
import { TaskRig } from "../kernel/task_rig.ts";
import { openInstalled } from "../kernel/test_object.ts";
import { until } from "../until.ts";
import { Child, type Running, type Variants, withTracefs } from "./compare.ts";
import { median, pause } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Variants whose names contain it. */
    only: { type: "string", default: "" },
    ios: { type: "string", default: "60000" },
    rounds: { type: "string", default: "9" },
  },
});
const ROUNDS = Number(values.rounds);
const DEVICE_BYTES = 256 * 1024 * 1024;
/** Attached programs come to rest. */
const ATTACHED_MS = 700;
/** Before the other work of this machine; the kernel's workers have their own order. */
const URGENT = ["-n", "-20"];

/** Of fio: how the I/Os are made. */
const JOBS: Readonly<Record<string, readonly string[]>> = {
  psync: ["--ioengine=psync", "--direct=1", "--rw=randwrite"],
  libaio: ["--ioengine=libaio", "--iodepth=16", "--direct=1", "--rw=randwrite"],
  // What was written reaches the device within the run.
  buffered: ["--ioengine=psync", "--direct=0", "--rw=randrw", "--end_fsync=1"],
};

const DEFAULT = Object.keys(io.tables).filter((name) => io.tables[name]!.on !== false);
const PAGE_CACHE = ["io_pagecache", "proc_page"];

async function ours(...tables: string[]): Promise<TaskRig> {
  const rig = await TaskRig.start(io, { tables });
  await rig.read();
  return rig;
}

const OURS = {
  "default tables of io": DEFAULT,
  "default tables of io, and those of the page cache": [...DEFAULT, ...PAGE_CACHE],
} as const;

const BESIDE = "libbpf-tools biolatency -D";
const BIOLATENCY = `
tracepoint:block:block_rq_issue { @s[args->dev, args->sector] = nsecs; }
tracepoint:block:block_rq_complete /@s[args->dev, args->sector]/ {
  @h[args->dev] = hist(nsecs - @s[args->dev, args->sector]); delete(@s[args->dev, args->sector]); }`;
const PAGES = `
tracepoint:filemap:mm_filemap_add_to_page_cache,tracepoint:writeback:writeback_dirty_folio,
tracepoint:block:block_dirty_buffer { @[pid, probe] = count(); }`;

const bpftrace = (program: string): Promise<Running> =>
  new Child("bpftrace", ["-e", program]).ready("Attaching");

const VARIANTS: Variants = {
  "nothing, once more: the noise": () => Promise.resolve(new AsyncDisposableStack()),
  ...Object.fromEntries(
    Object.entries(OURS).map(([name, tables]) => [name, () => ours(...tables)]),
  ),
  [BESIDE]: () => Promise.resolve(new Child("/usr/sbin/biolatency", ["-D", "1000"])),
  "bpftrace: the same": () => bpftrace(BIOLATENCY),
  "bpftrace: the page cache, by process": () => bpftrace(PAGES),
};

async function output(command: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** In memory, so that nothing but the block layer takes its time. */
async function loopDevice(): Promise<AsyncDisposable & { readonly device: string }> {
  const file = await Deno.makeTempFile({ dir: "/dev/shm" });
  await Deno.truncate(file, DEVICE_BYTES);
  const device = await output("losetup", "--find", "--show", file);
  return {
    device,
    async [Symbol.asyncDispose]() {
      await output("losetup", "--detach", device);
      await Deno.remove(file);
    },
  };
}

/** Empty when its process or descriptor has ended meanwhile. */
function fileIfThere(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || /os error 3\b/.test(`${error}`)) return "";
    throw error;
  }
}

/** Nanoseconds that the kernel's workers, which serve loop devices and write pages back, were on a CPU. */
function workers(): Map<string, number> {
  const times = new Map<string, number>();
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    if (!fileIfThere(`/proc/${name}/comm`).startsWith("kworker/")) continue;
    const [onCpu = "0"] = fileIfThere(`/proc/${name}/schedstat`).split(" ");
    times.set(name, Number(onCpu));
  }
  return times;
}

interface FioJob {
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  /** Milliseconds. */
  readonly job_runtime: number;
  readonly read: { readonly total_ios: number };
  readonly write: { readonly total_ios: number };
}

/** Microseconds of CPU an I/O: of the job by fio's own account, which leaves its start out, and of the workers. */
async function perIo(device: string, job: readonly string[]): Promise<number> {
  const before = workers();
  const args = [
    ...URGENT,
    ..."fio --name=bench --bs=4k --thread --norandommap --output-format=json".split(" "),
    `--filename=${device}`,
    `--size=${DEVICE_BYTES}`,
    `--number_ios=${values.ios}`,
    ...job,
  ];
  const report: { readonly jobs: readonly FioJob[] } = JSON.parse(await output("nice", ...args));
  const { usr_cpu, sys_cpu, job_runtime, read, write } = report.jobs[0]!;
  const own = (usr_cpu + sys_cpu) / 100 * job_runtime * 1000;
  const theirs = [...workers()]
    .reduce((sum, [pid, ns]) => sum + (ns - (before.get(pid) ?? 0)) / 1000, 0);
  return (own + theirs) / (read.total_ios + write.total_ios);
}

/** Of each variant and job, in microseconds: with nothing, and with the variant right before or after that. */
type Pairs = Map<string, { readonly nothing: number; readonly with: number }[]>;

async function comparePairs(device: string, jobs: readonly string[]): Promise<Map<string, Pairs>> {
  const found = new Map(jobs.map((job) => [job, new Map() as Pairs]));
  const measure = async () => {
    const times = new Map<string, number>();
    for (const job of jobs) times.set(job, await perIo(device, JOBS[job]!));
    return times;
  };
  const attached = async (start: () => Promise<Running>) => {
    await using _running = await start();
    await pause(ATTACHED_MS);
    return await measure();
  };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, start] of Object.entries(VARIANTS)) {
      if (!name.includes(values.only)) continue;
      const first = round % 2 === 0 ? await measure() : await attached(start);
      const second = round % 2 === 0 ? await attached(start) : await measure();
      const [nothing, other] = round % 2 === 0 ? [first, second] : [second, first];
      for (const job of jobs) {
        const pairs = found.get(job)!;
        if (!pairs.has(name)) pairs.set(name, []);
        pairs.get(name)!.push({ nothing: nothing.get(job)!, with: other.get(job)! });
      }
    }
  }
  return found;
}

function print(job: string, pairs: Pairs): void {
  console.log(
    `\n| ${job}: attached | us an I/O, nothing | with it | median of the pairs | quartiles |`,
  );
  console.log("| - | - | - | - | - |");
  for (const [name, all] of pairs) {
    const changes = all.map((pair) => (pair.with / pair.nothing - 1) * 100).toSorted((a, b) =>
      a - b
    );
    const at = (part: number) => changes[Math.floor((changes.length - 1) * part)]!.toFixed(1);
    const us = (side: "nothing" | "with") => median(all.map((pair) => pair[side])).toFixed(2);
    console.log(
      `| ${name} | ${us("nothing")} | ${us("with")} | ${at(0.5)} % | ${at(0.25)} to ${
        at(0.75)
      } % |`,
    );
  }
}

/** By the programs' own times, of which the kernel's statistics are some 20 ns a run. */
async function printAccounted(device: string, jobs: readonly string[]): Promise<void> {
  console.log("\n| tables | job | runs an I/O | ns an I/O | of us of CPU | share |");
  console.log("| - | - | - | - | - | - |");
  for (const [name, tables] of Object.entries(OURS)) {
    await using _rig = await ours(...tables);
    await printOf(name, device, jobs, Deno.pid);
  }
  await using biolatency = new Child("/usr/sbin/biolatency", ["-D", "1000"]);
  await until("it is attached", () => spent(biolatency.pid).programs > 0);
  await printOf(BESIDE, device, jobs, biolatency.pid);
}

async function printOf(
  name: string,
  device: string,
  jobs: readonly string[],
  pid: number,
): Promise<void> {
  for (const job of jobs) {
    const us = await perIo(device, JOBS[job]!); // without statistics
    using libbpf = openInstalled();
    using _statistics = new BpfStatistics(libbpf);
    const before = spent(pid);
    await perIo(device, JOBS[job]!);
    const after = spent(pid);
    const runs = (after.runs - before.runs) / Number(values.ios);
    const ns = (after.ns - before.ns) / Number(values.ios);
    const numbers = [runs.toFixed(2), ns.toFixed(0), us.toFixed(2), (ns / us / 10).toFixed(1)];
    console.log(`| ${name} | ${job} | ${numbers.join(" | ")} % |`);
  }
}

/** By all programs of a process, as its descriptors say; its iterators do not run meanwhile. */
function spent(pid: number): Record<"programs" | "runs" | "ns", number> {
  const total = { programs: 0, runs: 0, ns: 0 };
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fdinfo`)) {
    const info = fileIfThere(`/proc/${pid}/fdinfo/${name}`);
    const [, ns, runs] = /^run_time_ns:\s+(\d+)\nrun_cnt:\s+(\d+)/m.exec(info) ?? [];
    if (ns === undefined) continue;
    total.programs++;
    total.runs += Number(runs);
    total.ns += Number(ns);
  }
  return total;
}

async function main(): Promise<void> {
  const jobs = positionals.length > 0 ? positionals : Object.keys(JOBS);
  const unknown = jobs.find((job) => !Object.hasOwn(JOBS, job));
  if (unknown !== undefined) throw new Error(`No job "${unknown}": ${Object.keys(JOBS)}`);
  await using disk = await loopDevice();
  for (const job of jobs) await perIo(disk.device, JOBS[job]!); // warm
  if (ROUNDS > 0) {
    for (const [job, pairs] of await comparePairs(disk.device, jobs)) print(job, pairs);
  }
  await printAccounted(disk.device, jobs);
}

await withTracefs(main);
