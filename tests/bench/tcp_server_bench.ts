// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the tcp and endpoint probes cost a server: CPU of redis-server and nginx for a request with them, and with bpftrace
 * and libbpf-tools doing a part of it, in alternating rounds. Run as root, with redis-server, nginx, wrk, bpftrace and
 * libbpf-tools installed: deno run -A tests/bench/tcp_server_bench.ts [--rounds N; 0: only the programs' own times]
 */
import { parseArgs } from "node:util";
import type { BpfProbe } from "../../src/core/probe.ts";
import endpoint from "../../src/probes/endpoint.ts";
import tcp from "../../src/probes/tcp.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";
import { until } from "../until.ts";
import { Child, compare, type Variants, withTracefs } from "./compare.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "9" } } });
const ROUNDS = Number(values.rounds);
const REQUESTS = 40_000;
const TICK_MS = 500;
const STATISTICS = "/proc/sys/kernel/bpf_stats_enabled";
const IN_AGENT: ReadonlySet<string> = new Set(
  [tcp, endpoint].flatMap(({ layout }) =>
    Object.entries(layout.programs).filter(([, hook]) => hook.startsWith("iter/"))
  ).map(([program]) => program),
);
/** Before other work, so that it is not what is measured. */
const URGENT = ["-n", "-20"];

const isDefault = ({ tables }: BpfProbe) =>
  Object.keys(tables).filter((name) => tables[name]!.on !== false);
const all = ({ tables }: BpfProbe) => Object.keys(tables).filter((name) => name !== "tcp_metric"); // it takes the place of others

let rigs: ProbeRig[] = [];

/** Both probes, read twice a second. */
async function ours(tables: (probe: BpfProbe) => string[]): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  rigs = [];
  for (const probe of [tcp, endpoint]) {
    const rig = stack.use(await ProbeRig.start(probe, { tables: tables(probe), maxRows: 16384 }));
    rigs.push(rig);
    let now = 0;
    const timer = setInterval(() => void rig.tick(now += TICK_MS), TICK_MS);
    stack.defer(() => clearInterval(timer));
    await rig.tick(now);
  }
  return stack;
}

const STATES = `tracepoint:sock:inet_sock_set_state /args->protocol == 6/ {
  @[comm, args->oldstate, args->newstate] = count(); }`;
const tool = (name: string, ...args: string[]) => () =>
  Promise.resolve(new Child(`/usr/sbin/${name}`, args));

const none = () => Promise.resolve(new AsyncDisposableStack());

const VARIANTS: Variants = {
  "nothing": none,
  "nothing, once more: the noise": none,
  "default tables of tcp and endpoint": () => ours(isDefault),
  "all tables, also those per call": () => ours(all),
  "bpftrace: states counted": () => new Child("bpftrace", ["-e", STATES]).ready("Attaching"),
  "libbpf-tools tcpstates": tool("tcpstates"),
  "libbpf-tools tcplife": tool("tcplife"),
};

interface Work {
  readonly name: string;
  /** Whose CPU. */
  readonly pid: number;
  /** Resolves with how many requests it made. */
  load(): Promise<number>;
}

async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("nice", {
    args: [...URGENT, command, ...args],
    stderr: "null",
  })
    .output();
  return new TextDecoder().decode(stdout);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function redis(stack: AsyncDisposableStack, folder: string): Promise<Work> {
  const port = String(freePort());
  const flags = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder];
  const server = stack.use(new Child("nice", [...URGENT, "redis-server", ...flags]));
  await server.ready("eady to accept connections");
  const args = ["-p", port, "-c", "50", "-n", String(REQUESTS), "-t", "get", "-q"];
  return {
    name: "redis-benchmark -c 50",
    pid: server.pid,
    async load() {
      await output("redis-benchmark", ...args);
      return REQUESTS;
    },
  };
}

async function nginx(stack: AsyncDisposableStack, folder: string): Promise<Work[]> {
  const port = freePort();
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `daemon off; master_process off; worker_processes 1; pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 512; }
http { access_log off; keepalive_requests 1000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server { listen 127.0.0.1:${port}; location / { return 200 "here\\n"; } } }`,
  );
  const server = stack.use(new Child("nice", [...URGENT, "nginx", "-c", `${folder}/nginx.conf`]));
  const url = `http://127.0.0.1:${port}/`;
  await until(
    "nginx answers",
    () => fetch(url).then((it) => it.text()).then(() => true, () => false),
  );
  const work = (name: string, ...args: string[]): Work => ({
    name,
    pid: server.pid,
    async load() {
      const said = await output("wrk", "-t1", "-c50", "-d1s", ...args, url);
      return Number(/(\d+) requests in/.exec(said)?.[1]);
    },
  });
  return [
    work("nginx, wrk -c 50"),
    work("nginx, a connection a request", "-H", "Connection: close"),
  ];
}

/** Nanoseconds that the process's threads were on a CPU. */
function cpuTime(pid: number): number {
  let nanoseconds = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    const text = Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`);
    nanoseconds += Number(text.split(" ")[0]);
  }
  return nanoseconds;
}

/** Microseconds of the server's. */
async function cpuPerRequest({ pid, load }: Work): Promise<number> {
  const before = cpuTime(pid);
  const requests = await load();
  return (cpuTime(pid) - before) / requests / 1000;
}

/**
 * By the programs' own times, which other work on the machine disturbs less than a difference of CPU times. The kernel's
 * statistics, of some 20 ns a run, are in it; iterators are not: they run in the agent.
 */
async function accounted(tables: string, work: Work): Promise<string> {
  const before = Deno.readTextFileSync(STATISTICS);
  await using _running = await VARIANTS[tables]!();
  Deno.writeTextFileSync(STATISTICS, "1");
  try {
    const spent = () =>
      rigs.flatMap((rig) => rig.running.cost!()).filter(({ program }) => !IN_AGENT.has(program));
    const sum = (key: "runs" | "nanoseconds") => spent().reduce((all, it) => all + it[key], 0);
    const [runs, nanoseconds] = [sum("runs"), sum("nanoseconds")];
    const cpu = cpuTime(work.pid);
    const requests = await work.load();
    const ns = (sum("nanoseconds") - nanoseconds) / requests;
    const share = 100 * ns * requests / (cpuTime(work.pid) - cpu);
    return `| ${tables} | ${work.name} | ${((sum("runs") - runs) / requests).toFixed(2)} | ` +
      `${ns.toFixed(0)} | ${share.toFixed(1)} % |`;
  } finally {
    Deno.writeTextFileSync(STATISTICS, before);
  }
}

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await using stack = new AsyncDisposableStack();
    const works = [await redis(stack, folder), ...await nginx(stack, folder)];
    console.log("| tables | work | runs a request | ns a request | of the server's CPU |");
    console.log("| - | - | - | - | - |");
    for (const tables of Object.keys(VARIANTS).filter((name) => name.includes("tables"))) {
      for (const work of works) console.log(await accounted(tables, work));
    }
    if (ROUNDS === 0) return;
    for (const work of works) {
      const what = `us of CPU a request: ${work.name}`;
      await compare(what, VARIANTS, () => cpuPerRequest(work), { rounds: ROUNDS });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

await withTracefs(main);
