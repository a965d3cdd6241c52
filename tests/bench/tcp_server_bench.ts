// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the tcp and endpoint probes cost a server: CPU of redis-server and nginx for a request with them, and with bpftrace
 * and libbpf-tools doing a part of it, in alternating rounds. Run as root, with redis-server, nginx, wrk, bpftrace and
 * libbpf-tools installed: deno run -A tests/bench/tcp_server_bench.ts [--rounds N]
 */
import { parseArgs } from "node:util";
import type { BpfProbe } from "../../src/core/probe.ts";
import endpoint from "../../src/probes/endpoint.ts";
import tcp from "../../src/probes/tcp.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";
import { until } from "../kernel/task_rig.ts";
import { Child, compare, type Variants, withTracefs } from "./compare.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "9" } } });
const ROUNDS = Number(values.rounds);
const REQUESTS = 40_000;
const TICK_MS = 500;
/** Before other work, so that it is not what is measured. */
const URGENT = ["-n", "-20"];

const isDefault = ({ tables }: BpfProbe) =>
  Object.keys(tables).filter((name) => tables[name]!.on !== false);
const all = ({ tables }: BpfProbe) => Object.keys(tables).filter((name) => name !== "tcp_metric"); // it takes the place of others

/** Both probes, read twice a second. */
async function ours(tables: (probe: BpfProbe) => string[]): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  for (const probe of [tcp, endpoint]) {
    const rig = stack.use(await ProbeRig.start(probe, { tables: tables(probe), maxRows: 16384 }));
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

const VARIANTS: Variants = {
  "nothing": () => Promise.resolve(new AsyncDisposableStack()),
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

async function main(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await using stack = new AsyncDisposableStack();
    for (const work of [await redis(stack, folder), ...await nginx(stack, folder)]) {
      await cpuPerRequest(work); // warm
      const what = `us of CPU a request: ${work.name}`;
      await compare(what, VARIANTS, () => cpuPerRequest(work), { rounds: ROUNDS });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

await withTracefs(main);
