// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The compiled executable beside Debian's prometheus-node-exporter, in the same run: time to the first scrape, cost
 * and memory at rest, CPU time of a tick and a scrape.
 * Run as root: deno run -A tests/bench/agent_bench.ts [start] [cpu] [rest] [--minutes N] [--rows N] [--links N] [--binary FILE]
 */
import { parseArgs } from "node:util";
import { probes } from "../../src/gen/all.ts";
import { freePort } from "../e2e/run_agent.ts";
import { median, type Memory, memoryOf, pause, scrape, series } from "./measure.ts";

const STARTS = 15;
const SCRAPES = 30;
const LOOK_EVERY_MS = 2;
const LOOK_AT_MOST_MS = 10_000;
const SCRAPE_EVERY_S = 15;
const PARTS = ["start", "cpu", "rest"];
const EXPORTER = "/usr/bin/prometheus-node-exporter";
const ROOT = new URL("../../", import.meta.url).pathname;
const SAME_COLLECTORS = [
  "conntrack",
  "cpu",
  "diskstats",
  "filefd",
  "filesystem",
  "loadavg",
  "meminfo",
  "netclass",
  "netdev",
  "netstat",
  "os",
  "pressure",
  "sockstat",
  "softnet",
  "stat",
  "uname",
  "vmstat",
];
/** Native probes that are of no process and no container. */
const ELSEWHERE: readonly string[] = ["system_proc"];
const NATIVE = probes.map(({ name }) => name).filter((name) => name.startsWith("system_"))
  .filter((name) => !ELSEWHERE.includes(name));
const EBPF_ROW = "gala_gopher_tcp_link_rx_bytes{";
/** By then the programs are compiled as they will be: hours at the pace of a real scraper. */
const WARM_UP_SCRAPES = 300;
/** Of a reading each: V8 has compiled what matters then, which takes an agent five minutes. */
const WARM_UP_SECONDS = 60;

const { values: options, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    minutes: { type: "string", default: "2" },
    rows: { type: "string", default: "1024" },
    // Held connections: each gives two rows of tcp_link and of tcp_service, of the client and of the server.
    links: { type: "string", default: "2" },
    binary: { type: "string", default: `${ROOT}gala-gopher` },
  },
});
const minutes = Number(options.minutes);
if (!(minutes >= 0.5) || positionals.some((part) => !PARTS.includes(part))) {
  console.error(
    "usage: agent_bench.ts [start] [cpu] [rest] [--minutes 0.5 or more] [--rows N] [--links N] [--binary FILE]",
  );
  Deno.exit(2);
}

const libc = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
});
const folder = await Deno.makeTempDir({ prefix: "agent_bench." });

/** CPU time of all threads of a process, ended ones too, to the nanosecond: its own clock, as clock_getcpuclockid. */
function cpuMs(pid: number): number {
  const time = new BigInt64Array(2);
  if (libc.symbols.clock_gettime(~pid << 3 | 2, new Uint8Array(time.buffer)) !== 0) {
    throw new Error(`process ${pid} has ended`);
  }
  return Number(time[0]) * 1000 + Number(time[1]) / 1e6;
}

/** CPU time by /proc, in clock ticks of 10 ms, the ended children's included. */
function procCpuMs(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) * 10;
}

/** The same of the programs that a process has started. */
function childrenCpuMs(pid: number): number {
  let sum = 0;
  for (const task of Deno.readDirSync(`/proc/${pid}/task`)) {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${task.name}/children`);
    for (const child of text.split(" ").filter((word) => word !== "")) {
      sum += procCpuMs(Number(child));
    }
  }
  return sum;
}

interface Subject {
  readonly name: string;
  readonly port: number;
  readonly child: Deno.ChildProcess;
}

function spawn(name: string, program: string, args: string[], port: number): Subject {
  const child = new Deno.Command(program, { args, stdout: "null", stderr: "null" }).spawn();
  return { name, port, child };
}

async function agent(name: string, interval: number, nativeOnly = false): Promise<Subject> {
  const port = freePort();
  const conf = `${folder}/${port}.yaml`;
  const external =
    `extend_probes:\n  - name: example\n    command: ${ROOT}probes/example/example.sh\n`;
  const list = NATIVE.map((probe) => `  - name: ${probe}\n    switch: on\n`).join("");
  await Deno.writeTextFile(
    conf,
    `web_server:\n  port: ${port}\ningress:\n  interval: ${interval}\n` +
      `imdb: { max_records_num: ${options.rows} }\n` +
      `event: { out_channel: "" }\nmeta: { out_channel: "" }\n` +
      (nativeOnly ? `probes:\n${list}extend_probes: []\n` : external),
  );
  return spawn(name, options.binary, ["-c", conf], port);
}

function exporter(name: string, args: string[] = []): Subject {
  const port = freePort();
  return spawn(name, EXPORTER, [`--web.listen-address=127.0.0.1:${port}`, ...args], port);
}

async function stop(subject: Subject): Promise<void> {
  subject.child.kill("SIGTERM");
  await subject.child.status;
}

/** Milliseconds since `start` until a page has the text. */
async function until(subject: Subject, text: string, start: number): Promise<number> {
  while (performance.now() - start < LOOK_AT_MOST_MS) {
    if ((await scrape(subject.port, false))?.includes(text)) return performance.now() - start;
    await pause(LOOK_EVERY_MS);
  }
  throw new Error(`${subject.name}: no ${text} after ${LOOK_AT_MOST_MS} ms`);
}

async function startTimes(): Promise<void> {
  const times: Record<string, number[]> = { exporter: [], native: [], ebpf: [] };
  for (let run = 0; run < STARTS; run++) {
    let start = performance.now();
    const theirs = exporter("node_exporter");
    times.exporter!.push(await until(theirs, "node_memory_MemTotal_bytes ", start));
    await stop(theirs);
    start = performance.now();
    const ours = await agent("gala-gopher", 5);
    times.native!.push(await until(ours, "gala_gopher_mem_total_kB{", start));
    times.ebpf!.push(await until(ours, EBPF_ROW, start));
    await stop(ours);
  }
  const row = (what: string, ms: number[]) => ({
    what,
    "ms, median": Math.round(median(ms)),
    least: Math.round(Math.min(...ms)),
    most: Math.round(Math.max(...ms)),
    "to node_exporter": Number((median(ms) / median(times.exporter!)).toFixed(1)),
  });
  console.log(`Start: from exec, ${STARTS} times`);
  console.table([
    row("node_exporter, first scrape", times.exporter!),
    row("ours, first native value", times.native!),
    row("ours, first row of the tcp probe (eBPF)", times.ebpf!),
  ]);
}

type Page = "none" | "plain" | "gzip";

/** CPU time from second to second: what a process does between two scrapes, as our tick, is counted too. */
async function perSecond(subjects: readonly Subject[], page: Page): Promise<void> {
  const taken = subjects.map(() => [] as number[]);
  const spent = () => subjects.map(({ child }) => cpuMs(child.pid));
  const pages: string[] = [];
  for (const { port } of subjects) pages.push(await scrape(port, false) ?? "");
  await pause(1000);
  for (let run = 0, before = spent(); run < SCRAPES; run++) {
    const next = performance.now() + 1000;
    for (const { port } of page === "none" ? [] : subjects) await scrape(port, page === "gzip");
    await pause(next - performance.now());
    const now = spent();
    now.forEach((ms, at) => taken[at]!.push(ms - before[at]!));
    before = now;
  }
  const scraped = page === "none" ? "a tick, no scrape" : `a tick and a scrape, ${page}`;
  console.log(`CPU time a second: ${scraped}, ${SCRAPES} seconds`);
  console.table(subjects.map(({ name }, at) => ({
    name,
    series: series(pages[at]!),
    "ms, median": Number(median(taken[at]!).toFixed(2)),
    mean: Number((taken[at]!.reduce((sum, ms) => sum + ms, 0) / SCRAPES).toFixed(2)),
    ...(page === "none"
      ? {}
      : { "to the first": Number((median(taken[at]!) / median(taken[0]!)).toFixed(2)) }),
  })));
}

async function cpuOfScrapes(): Promise<void> {
  const same = SAME_COLLECTORS.map((collector) => `--collector.${collector}`);
  const subjects = [
    exporter("node_exporter, same subsystems", ["--collector.disable-defaults", ...same]),
    exporter("node_exporter, its defaults"),
    await agent("ours, native probes", 1, true),
    await agent("ours, native, tcp and example", 1),
  ];
  try {
    for (const { port, child, name } of subjects) {
      await until({ port, child, name }, "# TYPE", performance.now());
    }
    for (let run = 0; run < WARM_UP_SCRAPES; run++) {
      for (const { port } of subjects) await scrape(port, true);
      await pause(WARM_UP_SECONDS * 1000 / WARM_UP_SCRAPES);
    }
    for (const page of ["plain", "gzip", "none"] as const) await perSecond(subjects, page);
  } finally {
    for (const subject of subjects) await stop(subject);
  }
}

/** Held connections, each to a port of its own, so that the tcp probe has rows to show. */
async function openLinks(): Promise<Disposable> {
  const held: Disposable[] = [];
  for (let link = 0; link < Number(options.links); link++) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const [client, server] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
      listener.accept(),
    ]);
    await client.write(new TextEncoder().encode("a line\n"));
    held.push(listener, client, server);
  }
  return { [Symbol.dispose]: () => held.forEach((one) => one[Symbol.dispose]()) };
}

async function rest(): Promise<void> {
  const subjects = [exporter("node_exporter"), await agent("gala-gopher", 5)];
  try {
    for (const subject of subjects) await until(subject, "# TYPE", performance.now());
    await pause(SCRAPE_EVERY_S * 1000);
    const spent = ({ child: { pid } }: Subject) => [cpuMs(pid), procCpuMs(pid), childrenCpuMs(pid)];
    const before = subjects.map(spent);
    const begin = performance.now();
    const memory = subjects.map(({ child }) => [memoryOf(child.pid)]);
    const pages: string[] = [];
    for (let second = 1; performance.now() - begin < minutes * 60_000; second++) {
      if ((second - 1) % SCRAPE_EVERY_S === 0) {
        for (const [at, { port }] of subjects.entries()) pages[at] = await scrape(port, true) ?? "";
      }
      // Every second, since memory rises with a scrape and falls when it is given back.
      await pause(begin + second * 1000 - performance.now());
      subjects.forEach(({ child }, at) => memory[at]!.push(memoryOf(child.pid)));
    }
    const elapsed = performance.now() - begin;
    const percent = (ms: number) => Number((ms / elapsed * 100).toFixed(3));
    console.log(`At rest: ${(elapsed / 60_000).toFixed(1)} minutes, a gzip scrape every 15 s`);
    console.table(subjects.map((subject, at) => {
      const [own, proc, children] = spent(subject).map((ms, which) => ms - before[at]![which]!);
      return {
        name: subject.name,
        series: series(pages[at]!),
        "CPU % of a core": percent(own!),
        "by /proc": percent(proc!),
        "its children": percent(children!),
      };
    }));
    for (const [at, { name }] of subjects.entries()) showMemory(name, memory[at]!);
  } finally {
    for (const subject of subjects) await stop(subject);
  }
}

/** Slope by least squares over the second half, when caches have filled. */
function slopePerMinute(numbers: readonly number[]): number {
  const half = numbers.slice(numbers.length >> 1);
  const middle = (half.length - 1) / 2;
  const mean = half.reduce((sum, one) => sum + one, 0) / half.length;
  let top = 0;
  let bottom = 0;
  half.forEach((one, at) => {
    top += (at - middle) * (one - mean);
    bottom += (at - middle) ** 2;
  });
  return top / bottom * 60;
}

function showMemory(name: string, samples: readonly Memory[]): void {
  console.log(`${name}: ${samples.length} looks`);
  console.table((["rss", "anon", "fds", "maps"] as const).map((what) => {
    const numbers = samples.map((sample) => sample[what]);
    return {
      what,
      start: Number(numbers[0]!.toFixed(1)),
      median: Number(median(numbers).toFixed(1)),
      most: Number(Math.max(...numbers).toFixed(1)),
      end: Number(numbers.at(-1)!.toFixed(1)),
      "slope a minute": Number(slopePerMinute(numbers).toFixed(3)),
    };
  }));
}

const wanted = (part: string) => positionals.length === 0 || positionals.includes(part);
using _links = await openLinks();
try {
  if (wanted("start")) await startTimes();
  if (wanted("cpu")) await cpuOfScrapes();
  if (wanted("rest")) await rest();
} finally {
  await Deno.remove(folder, { recursive: true });
  libc.close();
}
