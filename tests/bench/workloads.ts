// SPDX-License-Identifier: MulanPSL-2.0
/** nginx, redis and PostgreSQL, each with a client that asks it at a steady pace. */
import { freePort } from "../e2e/run_agent.ts";
import { giveToNobody, listens, type Server, startServer } from "../probes/run_server.ts";
import { pause } from "./measure.ts";

/** A server and what asks it, at a pace that leaves CPU time, so that a slower one is not asked less. */
export interface Workload {
  readonly name: string;
  readonly port: number;
  readonly server: Server;
  /** Requests made in so many seconds. */
  ask(seconds: number): Promise<number>;
}

export async function output(command: string, args: string[], env: Record<string, string> = {}) {
  const { stdout, stderr, success } = await new Deno.Command(command, { args, env }).output();
  const text = new TextDecoder().decode(stdout);
  if (!success) throw new Error(`${command}: ${text}${new TextDecoder().decode(stderr)}`);
  return text;
}

async function nginx(folder: string): Promise<Workload> {
  const port = freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`).join(" ");
  await Deno.writeTextFile(
    `${folder}/nginx.conf`,
    `daemon off; user nobody nogroup; worker_processes 1; pid ${folder}/pid; error_log stderr;
events { worker_connections 256; }
http { access_log off; ${temporary} server { listen 127.0.0.1:${port}; location / { return 200 "page"; } } }`,
  );
  await Deno.writeTextFile(`${folder}/pace.lua`, "function delay() return 20 end\n");
  const args = ["-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"];
  const server = await startServer({ command: "nginx", args, ready: () => listens(port) });
  const ask = async (seconds: number) => {
    const pace = ["-t1", "-c32", `-d${seconds}`, "-s", `${folder}/pace.lua`];
    const text = await output("wrk", [...pace, `http://127.0.0.1:${port}/`]);
    return Number(/(\d+) requests in/.exec(text)![1]);
  };
  return { name: "nginx", port, server, ask };
}

async function redis(folder: string): Promise<Workload> {
  const port = freePort();
  const args = ["--bind", "127.0.0.1", "--port", `${port}`, "--dir", folder, "--save", ""];
  const server = await startServer({
    command: "redis-server",
    args,
    ready: () => listens(port),
  });
  const PORTION = 1000;
  const ask = async (seconds: number) => {
    let asked = 0;
    for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
      const next = performance.now() + 1000;
      const what = ["-p", `${port}`, "-c", "20", "-n", `${PORTION}`, "-t", "get", "-q"];
      await output("redis-benchmark", what);
      asked += PORTION;
      await pause(Math.max(0, next - performance.now()));
    }
    return asked;
  };
  return { name: "redis", port, server, ask };
}

async function postgres(folder: string): Promise<Workload> {
  const port = freePort();
  const versions = [...Deno.readDirSync("/usr/lib/postgresql")].map(({ name }) => name).sort();
  const bin = `/usr/lib/postgresql/${versions.at(-1)}/bin`;
  await giveToNobody(folder);
  const nobody = ["-u", "nobody", "--"];
  const init = [`${bin}/initdb`, "-D", `${folder}/data`, "--no-sync", "-U", "gala", "-A", "trust"];
  await output("runuser", [...nobody, ...init]);
  const where = ["-h", "127.0.0.1", "-p", `${port}`, "-U", "gala"];
  const server = await startServer({
    command: `${bin}/postgres`,
    args: ["-D", `${folder}/data`, "-p", `${port}`, "-k", folder, "-c", "fsync=off"],
    asNobody: true,
    stopSignal: "SIGINT",
    ready: async () => (await output(`${bin}/pg_isready`, where)) !== "",
  });
  await output(`${bin}/pgbench`, [...where, "-i", "-q", "-s", "1", "postgres"]);
  const ask = async (seconds: number) => {
    const pace = ["-n", "-S", "-c", "8", "-R", "400", "-T", String(seconds)];
    const text = await output(`${bin}/pgbench`, [...where, ...pace, "postgres"]);
    return Number(/actually processed: (\d+)/.exec(text)![1]);
  };
  return { name: "postgres", port, server, ask };
}

/** All of them, each in a folder of its own; they end with the stack. */
export async function startWorkloads(
  folder: string,
  stack: AsyncDisposableStack,
): Promise<Workload[]> {
  const workloads: Workload[] = [];
  for (const [name, start] of Object.entries({ nginx, redis, postgres })) {
    await Deno.mkdir(`${folder}/${name}`);
    const workload = await start(`${folder}/${name}`);
    stack.use(workload.server);
    workloads.push(workload);
  }
  return workloads;
}
