// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What it costs an nginx that its messages are read under TLS, and that it is told where a proxy sends requests: CPU time
 * of its worker a request, in alternating rounds. Run as root, with nginx and wrk installed:
 * deno run -A tests/bench/proxy_bench.ts [--rounds N]
 */
import { parseArgs } from "node:util";
import messages from "../../src/probes/messages.ts";
import type { SettingValue } from "../../src/core/probe.ts";
import { freePort, withFolder } from "../e2e/run_agent.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";
import {
  makeCertificate,
  nginxHead,
  nginxHttp,
  startNginx,
  workersOf,
} from "../kernel/proxy_rig.ts";
import { cpuMs, median } from "./measure.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" } } });
const ROUNDS = Number(values.rounds);

type Settings = Readonly<Record<string, SettingValue>> | undefined;

/** Nanoseconds that the worker was on a CPU. */
function cpuTime(pid: number): number {
  return Number(Deno.readTextFileSync(`/proc/${pid}/schedstat`).split(" ")[0]);
}

/** wrk counts the requests of a second. */
async function requests(url: string): Promise<number> {
  const { stdout } = await new Deno.Command("wrk", {
    args: ["-t1", "-c20", "-d1s", url],
  }).output();
  return Number(/(\d+) requests in/.exec(new TextDecoder().decode(stdout))![1]);
}

interface Cost {
  /** Microseconds of the worker's CPU a request. */
  readonly worker: number;
  /** Of this process, which reads the ring. */
  readonly agent: number;
  readonly requests: number;
}

async function round(url: string, pid: number, settings: Settings): Promise<Cost> {
  await using _rig = settings === undefined ? undefined : await ProbeRig.start(messages, {
    settings: { observe_names: "", observe_pids: String(pid), ...settings },
    tables: Object.keys(messages.tables),
  });
  const [worker, agent] = [cpuTime(pid), cpuMs()];
  const done = await requests(url);
  return {
    worker: (cpuTime(pid) - worker) / 1000 / done,
    agent: (cpuMs() - agent) * 1000 / done,
    requests: done,
  };
}

async function compare(url: string, pid: number, ways: Record<string, Settings>): Promise<void> {
  const costs = new Map<string, Cost[]>(Object.keys(ways).map((name) => [name, []]));
  for (let i = 0; i < ROUNDS; i++) {
    for (const [name, settings] of Object.entries(ways)) {
      costs.get(name)!.push(await round(url, pid, settings));
    }
  }
  const of = (name: string, what: keyof Cost) => median(costs.get(name)!.map((cost) => cost[what]));
  const base = of(Object.keys(ways)[0]!, "worker");
  for (const name of Object.keys(ways)) {
    const worker = of(name, "worker");
    console.log(
      `| ${name.padEnd(32)} | ${worker.toFixed(2)} | ${((worker / base - 1) * 100).toFixed(1)} % ` +
        `| ${of(name, "agent").toFixed(2)} | ${of(name, "requests").toFixed(0)} |`,
    );
  }
}

await withFolder(async (folder) => {
  const [plain, secure, proxy] = [freePort(), freePort(), freePort()] as const;
  await makeCertificate(folder);
  const server = (name: string, text: string) =>
    Deno.writeTextFile(
      `${folder}/${name}.conf`,
      nginxHead(folder, name, 1) + nginxHttp(folder, `access_log off; ${text}`),
    );
  const page = 'location / { return 200 "page"; }';
  await server(
    "front",
    `upstream back { server 127.0.0.1:${plain}; keepalive 32; }
     server { listen 127.0.0.1:${secure} ssl; ssl_certificate ${folder}/cert.pem;
       ssl_certificate_key ${folder}/key.pem; ${page} }
     server { listen 127.0.0.1:${proxy}; location / { proxy_pass http://back;
       proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
  );
  await server("back", `server { listen 127.0.0.1:${plain}; ${page} }`);
  await using back = await startNginx(folder, "back", plain);
  await using front = await startNginx(folder, "front", proxy);
  await workersOf(back, 1);
  const [worker] = await workersOf(front, 1);
  console.log("| | worker, us a request | more | agent, us a request | requests/s |");
  await compare(`https://127.0.0.1:${secure}/`, worker!, {
    "TLS, nothing": undefined,
    "TLS, messages without tls": {},
    "TLS, messages with tls": { tls: true },
  });
  await compare(`http://127.0.0.1:${proxy}/`, worker!, {
    "proxy, nothing": undefined,
    "proxy, messages without links": { links: false },
    "proxy, messages": {},
  });
});
