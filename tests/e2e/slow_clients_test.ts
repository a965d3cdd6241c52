// SPDX-License-Identifier: MulanPSL-2.0
/** Clients of the metrics server that never read what they ask for: they are cut off, and nothing of them is left. */
import assert from "node:assert/strict";
import { gauge } from "../../src/core/declare.ts";
import { Store } from "../../src/core/store.ts";
import type { HttpLimits } from "../../src/egress/http_listener.ts";
import { type MetricsServer, metricsServer } from "../../src/egress/http_server.ts";
import { Snapshot } from "../../src/egress/snapshot.ts";
import { breakOff } from "../../src/sys/break_off.ts";
import { selfSigned } from "../certificate.ts";
import { until } from "../until.ts";

const HOSTNAME = "127.0.0.1";
const GET = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
/** 20 MB: far more than the socket buffers of both sides hold. */
const ROWS = 400_000;

function largeStore(): Store {
  const limits = { maxTables: 1, maxRows: ROWS, maxFields: 8, timeoutMs: 60_000 };
  const store = new Store(limits, { hostname: "here" });
  const metrics = { up: gauge("Up.", "count") };
  const spec = { entity: "thing", version: "1.0.0", keys: ["name"], labels: [], metrics };
  const table = store.add("thing", "test", spec);
  for (let row = 0; row < ROWS; row++) table.set(table.row([String(row)], 0), 0, row);
  return store;
}

const store = largeStore();

interface Options {
  limits?: Partial<HttpLimits>;
  tls?: { cert: string; key: string };
}

async function withServer(
  options: Options,
  work: (server: MetricsServer) => Promise<void>,
): Promise<void> {
  const libc = Deno.dlopen("libc.so.6", {
    getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    shutdown: { parameters: ["i32", "i32"], result: "i32" },
  });
  const failures: unknown[] = [];
  const server = metricsServer({
    hostname: HOSTNAME,
    port: 0,
    ...options,
    breakOff: (remote) => breakOff(libc.symbols, remote),
    snapshot: new Snapshot({ store }),
    build: { version: "1", deno: "2", libbpf: "1" },
    probes: () => [],
    events: () => "[]",
    failed: (error) => failures.push(error),
  });
  try {
    await work(server);
  } finally {
    await server.close();
    libc.close();
  }
  assert.deepEqual(failures, []);
}

async function open(server: MetricsServer, text: string): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname: HOSTNAME, port: server.port });
  await conn.write(new TextEncoder().encode(text));
  return conn;
}

function openFds(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("metricsServer cuts off clients that never read, and keeps nothing of them", async () => {
  const before = openFds();
  await withServer({ limits: { answerMs: 300 } }, async (server) => {
    const listening = openFds();
    const clients: Deno.Conn[] = [];
    for (let n = 0; n < 5; n++) clients.push(await open(server, GET));
    await until("all five cut off", () => server.stats().connections.timedOut === 5);
    await until("no connection open", () => server.stats().connections.open === 0);
    assert.equal(openFds(), listening + clients.length);
    const other = await open(server, "GET /healthz HTTP/1.0\r\n\r\n");
    assert.match(await new Response(other.readable).text(), /^HTTP\/1\.1 503 .*No probe runs/s);
    for (const client of clients) client.close();
  });
  assert.equal(openFds(), before);
});

Deno.test("metricsServer closes within its time while clients hang on it", async () => {
  const before = openFds();
  const clients: Deno.Conn[] = [];
  let closed = 0;
  await withServer({}, async (server) => {
    for (const text of ["", "GET /me", GET, GET]) clients.push(await open(server, text));
    await clients[3]!.read(new Uint8Array(1000));
    const start = performance.now();
    await server.close(200);
    closed = performance.now() - start;
  });
  assert.ok(closed < 1000, `closing took ${closed} ms`);
  for (const conn of clients) conn.close();
  assert.equal(openFds(), before);
});

Deno.test("metricsServer cuts off TLS clients that never read or never speak", async () => {
  const before = openFds();
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key } = await selfSigned(folder);
    const limits = { answerMs: 500, headMs: 100, idleMs: 100 };
    await withServer({ tls: { cert, key }, limits }, async (server) => {
      const listening = openFds();
      const { port } = server;
      const stuck = await Deno.connectTls({ hostname: "localhost", port, caCerts: [cert] });
      await stuck.write(new TextEncoder().encode(GET));
      const silent = await open(server, "");
      await until("it is cut off", () => server.stats().connections.timedOut === 1);
      await until("no connection open", () => server.stats().connections.open === 0);
      await until("only the clients' ends left", () => openFds() === listening + 2);
      stuck.close();
      silent.close();
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  // The client's own end is closed a moment later.
  await until("no descriptor left", () => openFds() === before);
});
