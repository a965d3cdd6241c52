// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The compiled program, with all its default probes, on a host under load: nginx, redis and PostgreSQL at a steady pace,
 * 20,000 connections, 2,000 processes, 500 new programs a second; beside it node_exporter and libbpf-tools that do a part
 * of the same. Run by scripts/loadtest.sh [--minutes N] [--rounds N].
 */
import { parseArgs } from "node:util";
import { freePort, parseRows, withFolder } from "../e2e/run_agent.ts";
import { median, memoryOf, pause, scrape, series } from "./measure.ts";
import { output, startWorkloads, type Workload } from "./workloads.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "3" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "20000" },
    processes: { type: "string", default: "2000" },
    forks: { type: "string", default: "500" },
  },
});
const ROOT = new URL("../../", import.meta.url).pathname;
/** Of /proc/PID/stat. */
const TICK_MS = 10;
const SCRAPE_EVERY_S = 15;
const WINDOW_S = 10;
const REST_S = 30;
/** Two readings. */
const READ_MS = 11_000;
/** File descriptors of one helper: two ends of each connection. */
const CONNECTIONS_EACH = 5000;
const TOOLS = ["runqlat -P 5", "tcpstates", "execsnoop", "biolatency 5"];

/** The tools want it; in a mount namespace of their own. */
const WITH_TRACEFS = "mount -t tracefs nodev /sys/kernel/tracing";

interface Cpu {
  readonly user: number;
  readonly system: number;
}

/** Of a process and of those of its children that have ended. */
function cpuOf(pid: number): Cpu {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return { user: fields[11]! * TICK_MS, system: fields[12]! * TICK_MS };
}

/** Nanoseconds that all threads of the process and of its children were on a CPU; of ended children by clock ticks. */
function scheduledNs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const [user, system] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(13, 15).map(Number);
  let sum = (user! + system!) * TICK_MS * 1e6;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const task = `/proc/${pid}/task/${name}`;
    sum += Number(Deno.readTextFileSync(`${task}/schedstat`).split(" ")[0]);
    const children = Deno.readTextFileSync(`${task}/children`).split(" ").filter(Boolean);
    for (const child of children) sum += scheduledOfChild(Number(child));
  }
  return sum;
}

/** It may end just now, or between two looks at it. */
function scheduledOfChild(pid: number): number {
  try {
    return scheduledNs(pid);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return 0;
    throw error;
  }
}

class Helper implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  static async start(part: string, count: number): Promise<Helper> {
    const command = new Deno.Command("python3", {
      args: [`${ROOT}tests/bench/load_child.py`, part, String(count)],
      stdin: "piped",
      stdout: "piped",
    });
    const child = command.spawn();
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    reader.releaseLock();
    if (done) throw new Error(`${part}: the helper ended`);
    return new Helper(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.stdout.cancel();
    await this.#child.status;
  }
}

function spawn(command: string, args: string[], env: Record<string, string> = {}) {
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const stop = async () => {
    child.kill("SIGTERM");
    await child.status;
  };
  return { pid: child.pid, [Symbol.asyncDispose]: stop };
}

/** Microseconds of each server's CPU for a request, all asked at the same time. */
async function costs(workloads: readonly Workload[], seconds: number): Promise<number[]> {
  return await Promise.all(workloads.map(async ({ server, ask }) => {
    const before = scheduledNs(server.pid);
    const requests = await ask(seconds);
    return (scheduledNs(server.pid) - before) / requests / 1000;
  }));
}

async function gopher(folder: string) {
  const port = freePort();
  const conf = `${folder}/${port}.yaml`;
  const settings = { web_server: { port }, event: { out_channel: "" }, meta: { out_channel: "" } };
  await Deno.writeTextFile(conf, JSON.stringify(settings));
  const child = spawn(`${ROOT}gala-gopher`, ["-c", conf]);
  while (!(await scrape(port, false))?.includes("gala_gopher_tcp_")) await pause(200);
  return { ...child, port };
}

async function others() {
  const stack = new AsyncDisposableStack();
  const port = freePort();
  const exporter = stack.use(
    spawn("prometheus-node-exporter", [`--web.listen-address=127.0.0.1:${port}`]),
  );
  const tools = TOOLS.map((line) => {
    const words = ["--mount", "sh", "-c", `${WITH_TRACEFS}; exec /usr/sbin/${line}`];
    return stack.use(spawn("unshare", words));
  });
  while (await scrape(port, false) === undefined) await pause(200);
  await pause(1000); // attached by then
  return { port, exporter, tools, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** How each workload fares alone, beside ours and beside the others, turn by turn. */
async function slowdown(workloads: readonly Workload[], folder: string): Promise<void> {
  const taken: Record<string, number[][]> = { nothing: [], ours: [], others: [] };
  for (let round = 0; round < Number(options.rounds); round++) {
    taken.nothing!.push(await costs(workloads, WINDOW_S));
    {
      await using _ours = await gopher(folder);
      await pause(2000);
      taken.ours!.push(await costs(workloads, WINDOW_S));
    }
    await using _others = await others();
    taken.others!.push(await costs(workloads, WINDOW_S));
  }
  console.log(`CPU of the server for a request, us; ${options.rounds} rounds of ${WINDOW_S} s`);
  console.table(workloads.map(({ name }, at) => {
    const of = (variant: string) => taken[variant]!.map((costs) => costs[at]!);
    const change = (variant: string) => {
      const pairs = of(variant).map((cost, round) => cost / of("nothing")[round]! - 1);
      return `${(median(pairs) * 100).toFixed(1)} %`;
    };
    return {
      workload: name,
      nothing: Number(median(of("nothing")).toFixed(1)),
      ours: Number(median(of("ours")).toFixed(1)),
      others: Number(median(of("others")).toFixed(1)),
      "ours, change": change("ours"),
      "others, change": change("others"),
    };
  }));
}

interface Beside {
  readonly ours: Awaited<ReturnType<typeof gopher>>;
  readonly theirs: Awaited<ReturnType<typeof others>>;
}

interface Looks {
  readonly anon: number[];
  readonly rss: number[];
  readonly scrapes: number[];
}

/** Everything that a page says was lost, by what it says of it. */
function lossesOf(page: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const metric of ["agent_probe_lost_total", "agent_table_dropped_rows_total"]) {
    for (const { labels, value } of parseRows(page, `gala_gopher_${metric}`)) {
      const { probe, table, reason } = labels;
      if (value > 0) found[[metric, probe, table, reason].filter(Boolean).join(" ")] = value;
    }
  }
  return found;
}

/** Connections to this port as the tcp probe counts them at its server. */
async function opened(ours: number, port: number): Promise<number> {
  return parseRows((await scrape(ours, true))!, "gala_gopher_tcp_service_opened_total")
    .filter(({ labels }) => labels.role === "server" && labels.server_port === String(port))
    .reduce((sum, { value }) => sum + value, 0);
}

/** Connections that redis-server has taken, by its own count; this one is among them. */
async function taken(port: number): Promise<number> {
  const text = await output("redis-cli", ["-p", `${port}`, "info", "stats"]);
  return Number(/^total_connections_received:(\d+)/m.exec(text)![1]);
}

/** Watches ours and the others for so long; scrapes both as Prometheus does. */
async function watch(
  title: string,
  seconds: number,
  { ours, theirs }: Beside,
): Promise<void> {
  await pause(10_000);
  const pids = [ours.pid, theirs.exporter.pid, ...theirs.tools.map(({ pid }) => pid)];
  const names = ["gala-gopher", "node_exporter", ...TOOLS];
  const looks: Looks[] = pids.map(() => ({ anon: [], rss: [], scrapes: [] }));
  const before = pids.map(cpuOf);
  const start = performance.now();
  let page = "";
  for (let second = 1; performance.now() - start < seconds * 1000; second++) {
    if (second % SCRAPE_EVERY_S === 1) {
      for (const [at, port] of [ours.port, theirs.port].entries()) {
        const asked = performance.now();
        const text = await scrape(port, true);
        looks[at]!.scrapes.push(performance.now() - asked);
        if (at === 0) page = text ?? "";
      }
    }
    await pause(Math.max(0, start + second * 1000 - performance.now()));
    for (const [at, pid] of pids.entries()) {
      const { anon, rss } = memoryOf(pid);
      looks[at]!.anon.push(anon);
      looks[at]!.rss.push(rss);
    }
  }
  const elapsed = performance.now() - start;
  const percent = (ms: number) => Number((ms / elapsed * 100).toFixed(2));
  console.log(`${title}: ${Math.round(elapsed / 1000)} s, ${series(page)} series`);
  console.table(pids.map((pid, at) => {
    const now = cpuOf(pid);
    const { anon, rss, scrapes } = looks[at]!;
    return {
      name: names[at],
      "user %": percent(now.user - before[at]!.user),
      "system %": percent(now.system - before[at]!.system),
      "RssAnon MB": Number(median(anon).toFixed(1)),
      "most": Number(Math.max(...anon).toFixed(1)),
      "RSS MB": Number(median(rss).toFixed(1)),
      "scrape ms": scrapes.length === 0 ? "" : Number(median(scrapes).toFixed(0)),
      "longest": scrapes.length === 0 ? "" : Number(Math.max(...scrapes).toFixed(0)),
    };
  }));
  await pause(6000); // a reading of all probes
  page = (await scrape(ours.port, true))!;
  console.log("counted as lost:", lossesOf(page));
}

async function startLoad(stack: AsyncDisposableStack): Promise<void> {
  const { connections, processes, forks } = options;
  for (let left = Number(connections); left > 0; left -= CONNECTIONS_EACH) {
    stack.use(await Helper.start("connections", Math.min(left, CONNECTIONS_EACH)));
  }
  stack.use(await Helper.start("processes", Number(processes)));
  stack.use(await Helper.start("forks", Number(forks)));
  console.log(`load: ${Deno.readTextFileSync("/proc/loadavg").trim()}`);
}

/** Under all load for so many seconds; then ours and redis-server compare what they have counted meanwhile. */
async function underLoad(workloads: readonly Workload[], folder: string, seconds: number) {
  await using ours = await gopher(folder);
  await using theirs = await others();
  const { port } = workloads.find(({ name }) => name === "redis")!;
  const count = async () => {
    const theirs = await taken(port);
    await pause(READ_MS); // so that what redis-server has counted, ours has read
    return { theirs, ours: await opened(ours.port, port) };
  };
  const before = await count();
  let over = false;
  const asking = workloads.map(async ({ ask }) => {
    while (!over) await ask(WINDOW_S);
  });
  try {
    await watch("Under load", seconds, { ours, theirs });
  } finally {
    over = true;
    await Promise.all(asking);
  }
  const after = await count();
  console.log(
    `connections that redis-server has taken: ${after.theirs - before.theirs} by its count, ` +
      `${after.ours - before.ours} by ours`,
  );
}

async function main(folder: string): Promise<void> {
  {
    await using ours = await gopher(folder);
    await using theirs = await others();
    await watch("At rest", REST_S, { ours, theirs });
  }
  await using stack = new AsyncDisposableStack();
  const workloads = await startWorkloads(folder, stack);
  await startLoad(stack);
  await slowdown(workloads, folder);
  await underLoad(workloads, folder, Number(options.minutes) * 60);
}

await withFolder(main);
