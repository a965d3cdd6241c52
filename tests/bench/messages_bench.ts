// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What reading messages costs: CPU per request of redis-server, nginx and PostgreSQL with the probe and with bpftrace
 * reading the same calls, in alternating rounds; the agent's CPU and the kernel's for a piece, and what was lost. Run
 * as root: deno run -A tests/bench/messages_bench.ts [--rounds N] [redis-1] [redis-50] [nginx] [pgbench] [pieces]
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import messages from "../../src/probes/messages.ts";
import { BpfStatistics } from "../../src/sys/bpf_cost.ts";
import { finished, freePort, withFolder } from "../e2e/run_agent.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";
import { openInstalled } from "../kernel/test_object.ts";
import { asNobody, giveToNobody, listens, startServer } from "../probes/run_server.ts";
import { Child, compare, type Variants, withTracefs } from "./compare.ts";
import { cpuMs } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "7" } },
});
const ROUNDS = { rounds: Number(values.rounds) };
const ALL = ["redis-1", "redis-50", "nginx", "pgbench", "pieces"];
const PARTS = new Set(positionals.length > 0 ? positionals : ALL);
const NAMES = "redis-server,nginx,postgres";

const CALLS = ["read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg"];
const probes = (side: string) => CALLS.map((call) => `tracepoint:syscalls:sys_${side}_${call}`);
const HISTOGRAM = `${probes("enter").join()} { @s[tid] = nsecs; }
${probes("exit").join()} /@s[tid]/ { @h[pid, probe] = hist(nsecs - @s[tid]); delete(@s[tid]); }`;

const probe = (source: string) =>
  ProbeRig.start(messages, { settings: { observe_names: NAMES, source } });

const VARIANTS: Variants = {
  "nothing": () => Promise.resolve(new AsyncDisposableStack()),
  "messages": () => probe("auto"),
  "messages, by system calls": () => probe("calls"),
  "bpftrace: the same calls, histogram": () =>
    new Child("bpftrace", ["-e", HISTOGRAM]).ready("Attaching"),
};

/** Nanoseconds that a process of one thread was on a CPU. */
function cpuTime(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/schedstat`).split(" ")[0]);
}

async function run(command: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await finished(command, args);
  assert.equal(code, 0, err);
  return out;
}

/** Redis and a load of so many requests on it; gives microseconds of its CPU for each. */
async function withRedis(
  work: (load: (clients: number, requests: number) => Promise<number>) => Promise<void>,
): Promise<void> {
  await withFolder(async (folder) => {
    const port = freePort();
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder];
    const ready = () => listens(port);
    await using server = await startServer({ command: "redis-server", args, ready });
    await work(async (clients, requests) => {
      const before = cpuTime(server.pid);
      const load = ["-p", String(port), "-c", String(clients), "-n", String(requests)];
      await run("redis-benchmark", ...load, "-t", "get", "-q");
      return (cpuTime(server.pid) - before) / requests / 1000;
    });
  });
}

async function benchNginx(): Promise<void> {
  await withFolder(async (folder) => {
    const port = freePort();
    await Deno.chmod(folder, 0o755);
    const file = `${folder}/nginx.conf`;
    await Deno.writeTextFile(
      file,
      `daemon off; master_process off; pid ${folder}/pid; events {} http { access_log off;
      client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
      uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5; keepalive_requests 1000000;
      server { listen 127.0.0.1:${port}; location / { return 200 "hello"; } } }`,
    );
    const args = ["-p", folder, "-c", file, "-e", "stderr"];
    const ready = () => listens(port);
    await using server = await startServer({ command: "nginx", args, ready });
    await compare("nginx' CPU, us a request", VARIANTS, async () => {
      const before = cpuTime(server.pid);
      const out = await run("wrk", "-c", "16", "-t", "1", "-d", "1", `http://127.0.0.1:${port}/`);
      const requests = Number(/(\d+) requests in/.exec(out)![1]);
      return (cpuTime(server.pid) - before) / requests / 1000;
    }, ROUNDS);
  });
}

/** Of the children that have ended, in ticks of 10 ms. */
function endedTicks(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
  return Number(fields[13]) + Number(fields[14]);
}

async function benchPostgres(): Promise<void> {
  const version = [...Deno.readDirSync("/usr/lib/postgresql")].map(({ name }) => name).sort().at(
    -1,
  );
  const bin = `/usr/lib/postgresql/${version}/bin`;
  await withFolder(async (folder) => {
    await giveToNobody(folder);
    const port = freePort();
    const as = async (name: string, ...args: string[]) => {
      const { success, stderr } = await asNobody(`${bin}/${name}`, { args, cwd: "/" }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
    };
    await as("initdb", "-D", `${folder}/data`, "--no-sync", "-U", "gala", "-A", "trust");
    const to = ["-h", "127.0.0.1", "-p", String(port), "-U", "gala"];
    await using server = await startServer({
      command: `${bin}/postgres`,
      args: ["-D", `${folder}/data`, "-p", String(port), "-k", folder, "-c", "fsync=off"],
      asNobody: true,
      stopSignal: "SIGINT",
      ready: async () => {
        await as("psql", ...to, "-d", "postgres", "-c", "SELECT 1");
        return true;
      },
    });
    await as("pgbench", "-i", "-q", "-n", ...to, "postgres");
    const each = 4000;
    await compare("PostgreSQL's CPU, us a query", VARIANTS, async () => {
      const before = endedTicks(server.pid);
      await as("pgbench", "-n", "-S", "-c", "4", "-t", String(each), ...to, "postgres");
      return (endedTicks(server.pid) - before) * 10_000 / (4 * each);
    }, ROUNDS);
  });
}

/** Whole cost of a piece, and what there was no room for. */
async function benchPieces(
  load: (clients: number, requests: number) => Promise<number>,
): Promise<void> {
  console.log("\n| source | pieces/s | agent, us a piece | kernel, us a piece | lost | unpaired |");
  console.log("| - | - | - | - | - | - |");
  for (const source of ["auto", "calls"]) {
    await using rig = await probe(source);
    const requests = 200_000;
    const [begun, cpu] = [performance.now(), cpuMs()];
    await load(50, requests);
    await rig.tick(1);
    const [ms, agent] = [performance.now() - begun, cpuMs() - cpu];
    const { ring_drop = 0, unpaired_messages = 0 } = rig.running.losses!();
    using libbpf = openInstalled();
    using _statistics = new BpfStatistics(libbpf);
    const spent = () => rig.running.cost!().reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
    const before = spent(); // another's statistics may have been on
    await load(50, 50_000);
    const ns = spent() - before;
    const cells = [
      Math.round(2 * requests / ms * 1000),
      (agent * 1000 / 2 / requests).toFixed(2),
      (ns / 1000 / 100_000).toFixed(2),
      ring_drop,
      unpaired_messages,
    ];
    console.log(`| ${source} | ${cells.join(" | ")} |`);
  }
}

await withTracefs(async () => {
  await withRedis(async (load) => {
    await load(50, 20_000); // warm
    const what = (clients: number) => `redis-server's CPU, us a request, -c ${clients}`;
    if (PARTS.has("redis-1")) await compare(what(1), VARIANTS, () => load(1, 15_000), ROUNDS);
    if (PARTS.has("redis-50")) await compare(what(50), VARIANTS, () => load(50, 60_000), ROUNDS);
    if (PARTS.has("pieces")) await benchPieces(load);
  });
  if (PARTS.has("nginx")) await benchNginx();
  if (PARTS.has("pgbench")) await benchPostgres();
});
