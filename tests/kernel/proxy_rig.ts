// SPDX-License-Identifier: MulanPSL-2.0
/** Real proxies in front of three backends, of which the last one fails, and clients with addresses of their own. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { freePort, until } from "../e2e/run_agent.ts";
import { listens, type Server, startServer } from "../probes/run_server.ts";
import { ProbeRig } from "./probe_rig.ts";

export interface Load {
  readonly clients: number;
  /** Of each client, on one connection. */
  readonly requests: number;
  readonly concurrent: number;
  /** Different targets of requests. */
  readonly paths: number;
  readonly tls?: boolean;
}

/** Starts the clients and waits until all are done; gives the number of requests, of which all but few were answered. */
export async function runClients(port: number, load: Load): Promise<number> {
  const numbers = [port, load.clients, load.requests, load.concurrent, load.paths];
  const { success, stdout, stderr } = await new Deno.Command("python3", {
    args: [new URL("proxy_clients.py", import.meta.url).pathname, ...numbers.map(String)]
      .concat(load.tls === true ? "1" : "0"),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const [answered, sent] = new TextDecoder().decode(stdout).split(" ").map(Number);
  assert.ok(answered! >= 0.9 * load.clients * load.requests, `${answered} answers`);
  return sent!;
}

/** Two backends that answer, and the port of one that hears a request and breaks off. */
export class Backends implements AsyncDisposable {
  private constructor(
    readonly ports: readonly number[],
    readonly refused: number,
    readonly broken: number,
    readonly server: Server,
    readonly close: () => void,
    /** Requests that the one that breaks off has had. */
    readonly heard: () => number,
  ) {}

  static async start(folder: string): Promise<Backends> {
    const ports = [freePort(), freePort()];
    const servers = ports.map((port) =>
      `server { listen 127.0.0.1:${port}; location / { return 200 "from ${port}"; } }`
    );
    await Deno.writeTextFile(
      `${folder}/backends.conf`,
      nginxHead(folder, "backends", 1) + nginxHttp(folder, `access_log off; ${servers.join("\n")}`),
    );
    const server = await startNginx(folder, "backends", ports[0]!);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let heard = 0;
    void breakOff(listener, () => heard++);
    const { port } = listener.addr;
    return new Backends(ports, freePort(), port, server, () => listener.close(), () => heard);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.server.stop();
  }
}

/** Reads what comes, and closes. */
async function breakOff(listener: Deno.Listener, heard: () => void): Promise<void> {
  for await (const connection of listener) {
    void connection.read(new Uint8Array(4096)).then((bytes) => {
      if (bytes !== null) heard();
    }).catch(() => {}).finally(() => connection.close());
  }
}

export function nginxHead(folder: string, name: string, workers: number): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; user nobody nogroup; worker_processes ${workers}; pid ${folder}/${name}.pid;
error_log stderr crit; events { worker_connections 1024; }
`;
}

export function nginxHttp(folder: string, text: string): string {
  return `http { keepalive_requests 1000000;
  client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2; fastcgi_temp_path ${folder}/3;
  uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
  ${text}
}
`;
}

export function startNginx(folder: string, name: string, port: number): Promise<Server> {
  const args = ["-p", folder, "-c", `${folder}/${name}.conf`, "-e", "stderr"];
  return startServer({ command: "nginx", args, ready: () => listens(port) });
}

/** cert.pem and key.pem. */
export async function makeCertificate(folder: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", {
    args: ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
      .concat([
        "-keyout",
        `${folder}/key.pem`,
        "-out",
        `${folder}/cert.pem`,
        "-subj",
        "/CN=a.test",
      ]),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** HAProxy drops lines for a file when its threads have some at the same time; those for a syslog it does not. */
const RECEIVER = `
import socket, sys
receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
receiver.setsockopt(socket.SOL_SOCKET, 33, 64 << 20) # SO_RCVBUFFORCE
receiver.bind(("127.0.0.1", int(sys.argv[1])))
with open(sys.argv[2], "wb", 0) as log:
    while True:
        log.write(receiver.recv(65536))
`;
import { tableOf, tableRows } from "../table_rows.ts";

/** Receives lines of a log on this port into this file. */
export function startLogReceiver(port: number, file: string): Promise<Server> {
  return startServer({
    command: "python3",
    args: ["-c", RECEIVER, String(port), file],
    ready: async () => (await Deno.stat(file)).isFile,
  });
}

/** Only the proxies are observed: the backends are an nginx too. */
export function watch(pids: readonly number[], rows = 65_536): Promise<ProbeRig> {
  return ProbeRig.start(messages, {
    maxRows: rows,
    settings: { observe_names: "", observe_pids: pids.join(","), connections: 65_536 },
    tables: ["nginx_link", "haproxy_link", "proxy_link"],
  });
}

/** Its workers, when all have started: it listens before. */
export function workersOf({ pid }: Server, count: number): Promise<number[]> {
  return until(`${count} workers run`, async () => {
    const text = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
    const pids = text.trim().split(" ").filter((word) => word !== "").map(Number);
    return pids.length === count ? pids : undefined;
  });
}

/** How often each client was sent to each server: "client server" and a number. */
export type Pairs = Map<string, number>;

export function add(pairs: Pairs, client: string, server: string): void {
  const key = `${client} ${server}`;
  pairs.set(key, (pairs.get(key) ?? 0) + 1);
}

/** What a table of links tells, and whether what it says besides is right. */
export function pairsOf(rig: ProbeRig, name: string, also: Record<string, string>): Pairs {
  const table = tableOf(rig.store, name);
  const column = table.column("link_count");
  const pairs: Pairs = new Map();
  for (const { slot, labels: text } of tableRows(table)) {
    const found = text.matchAll(/(\w+)="([^"]*)"/g);
    const labels = new Map([...found].map(([, label, value]) => [label!, value!]));
    for (const [label, value] of Object.entries(also)) assert.equal(labels.get(label), value);
    const key = `${labels.get("client_ip")} ${labels.get("server_ip")}:${
      labels.get("server_port")
    }`;
    pairs.set(key, (pairs.get(key) ?? 0) + table.get(slot, column));
  }
  return pairs;
}

export interface Compared {
  /** Of the log. */
  readonly wanted: number;
  /** Pairs of the table that the log has too. */
  readonly right: number;
  readonly wrong: number;
}

export function compare(truth: Pairs, told: Pairs): Compared {
  let [wanted, right, wrong] = [0, 0, 0];
  for (const count of truth.values()) wanted += count;
  for (const [key, count] of told) {
    const both = Math.min(count, truth.get(key) ?? 0);
    right += both;
    wrong += count - both;
  }
  return { wanted, right, wrong };
}
