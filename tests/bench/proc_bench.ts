// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a reading of system_proc costs on a host with 2,000 processes, through BPF and through /proc, when all of them
 * are reported and when the 20 largest are; beside it `ps` and, where it is installed, node_exporter's process
 * collector. CPU time of the whole process, user and system: median of the first rounds after the very first, in which
 * V8 compiles on another thread, and of those after sixty, which an agent has behind it after five minutes.
 */
import systemProc from "../../src/probes/system_proc.ts";
import type { Settings } from "../../src/core/probe.ts";
import { TaskBatch, type TaskSource } from "../../src/core/task_batch.ts";
import { BpfTasks } from "../../src/sys/bpf_tasks.ts";
import { RootFiles } from "../../src/sys/host_files.ts";
import { installedLibrary, openLibbpf } from "../../src/sys/libbpf.ts";
import { startNative } from "../../src/sys/native_runner.ts";
import { pageSize, ProcTasks } from "../../src/sys/proc_tasks.ts";
import { newStore, settingsOf } from "../run_probe.ts";
import { cpuMs, median } from "./measure.ts";

const PROCESSES = 2000;
const ROUNDS = 21;
const WARM_ROUNDS = 60;
const PS_RUNS = 20;
const SCRAPES = 20;
const MS_PER_TICK = 10;
const EXPORTER = "/usr/bin/prometheus-node-exporter";

/** Processes that wait for the end of a pipe, which comes when this program ends, however it does. */
async function startProcesses(): Promise<AsyncDisposable> {
  const script = `exec 3<&0; for i in $(seq ${PROCESSES}); do read _ <&3 & done; echo ready; wait`;
  const child = new Deno.Command("dash", {
    args: ["-c", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  return {
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await reader.cancel();
      await child.status;
    },
  };
}

interface Cost {
  readonly firstMs?: number;
  readonly ms: number;
}

function show(name: string, { firstMs, ms }: Cost, processes: number): void {
  const first = firstMs === undefined ? "" : firstMs.toFixed(2);
  const each = (ms * 1000 / processes).toFixed(2);
  console.log(
    `${name.padEnd(50)} ${first.padStart(8)} ${ms.toFixed(2).padStart(8)} ${each.padStart(8)}`,
  );
}

/** CPU time of `run`, in ms. */
function measure(run: () => void): Cost {
  const costs: number[] = [];
  for (let round = 0; round <= WARM_ROUNDS + ROUNDS; round++) {
    const start = cpuMs();
    run();
    costs.push(cpuMs() - start);
  }
  return { firstMs: median(costs.slice(1, 1 + ROUNDS)), ms: median(costs.slice(-ROUNDS)) };
}

function measureProbe(name: string, tasks: TaskSource, files: RootFiles, settings: Settings): void {
  const store = newStore();
  const running = startNative(systemProc, { store, files, settings, tasks });
  let now = 0;
  const cost = measure(() => running.tick(now += 5000));
  const rows = [...store.tables][0]!.rows;
  const batch = new TaskBatch();
  tasks.read(batch);
  show(`${name}, ${rows} rows`, cost, batch.count);
  running.stop();
}

const all = settingsOf(systemProc, { smaps_interval: 0, proc_name: "^" });
const largest = settingsOf(systemProc, { smaps_interval: 0 });

/** Clock ticks of a process and of its ended children, in ms. */
function cpuOf(pid: number, children: boolean): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const words = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const from = children ? 13 : 11;
  return (words[from]! + words[from + 1]!) * MS_PER_TICK;
}

async function measurePs(): Promise<void> {
  const args = ["-eo", "pid,pgid,ppid,comm,args,min_flt,maj_flt,cputimes,vsz,rss,nlwp,pri,ni,psr"];
  const start = cpuOf(Deno.pid, true);
  for (let run = 0; run < PS_RUNS; run++) {
    await new Deno.Command("ps", { args, stdout: "null" }).output();
  }
  const ms = (cpuOf(Deno.pid, true) - start) / PS_RUNS;
  show("ps -eo with the columns it has", { ms }, PROCESSES);
}

async function measureExporter(): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const child = new Deno.Command(EXPORTER, {
    args: [
      "--collector.disable-defaults",
      "--collector.processes",
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const scrape = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    for (let attempt = 0;; attempt++) {
      try {
        await scrape();
        break;
      } catch (error) {
        if (attempt === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    const start = cpuOf(child.pid, false);
    for (let run = 0; run < SCRAPES; run++) await scrape();
    const ms = (cpuOf(child.pid, false) - start) / SCRAPES;
    show("node_exporter --collector.processes (totals only)", { ms }, PROCESSES);
  } finally {
    child.kill();
    await child.status;
  }
}

await using _processes = await startProcesses();
using libbpf = openLibbpf(installedLibrary);
using files = new RootFiles();
const pageBytes = pageSize();
const proc = new ProcTasks(files, pageBytes);
const image = await Deno.readFile("build/bpf/proc.bpf.o");
using bpf = await BpfTasks.load({ libbpf, image, files: proc, pageBytes, root: "" });
console.log(`${"CPU time of one reading".padEnd(50)} first ms  then ms  us each`);
measureProbe("iter/task", bpf, files, all);
measureProbe("iter/task", bpf, files, largest);
measureProbe("/proc", proc, files, all);
measureProbe("/proc", proc, files, largest);
const batch = new TaskBatch();
show("iter/task, read only", measure(() => bpf.read(batch)), batch.count);
const own = `proc/${Deno.pid}/smaps_rollup`;
show("smaps_rollup of this program", measure(() => files.read(own)), 1);
await measurePs();
if (await Deno.stat(EXPORTER).then(() => true, () => false)) await measureExporter();
