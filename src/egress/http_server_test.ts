// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { gunzipSync } from "node:zlib";
import type { ProbeState, ProbeStatus } from "../core/agent_stats.ts";
import { gauge } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import { AddressInUse, type HttpLimits } from "./http_listener.ts";
import { type MetricsServer, metricsServer } from "./http_server.ts";
import { Snapshot } from "./snapshot.ts";
import { selfSigned } from "../../tests/certificate.ts";

const HOSTNAME = "127.0.0.1";
const GET = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";
/** Far more than the socket buffers of both sides hold. */
const LARGE_ROWS = 400_000;

function storeOf(rows: number): Store {
  const limits = { maxTables: 10, maxRows: rows, maxFields: 64, timeoutMs: 60_000 };
  const store = new Store(limits, { hostname: "here" });
  const metrics = { up: gauge("Up.", "count") };
  const spec = { entity: "thing", version: "1.0.0", keys: ["name"], labels: [], metrics };
  const table = store.add("thing", "test", spec);
  for (let row = 0; row < rows; row++) table.set(table.row([String(row)], 0), 0, row);
  return store;
}

function probe(name: string, state: ProbeState, reason?: string): ProbeStatus {
  return {
    name,
    kind: "native",
    state,
    ...(reason === undefined ? {} : { reason }),
    tables: [{ name: "thing", rows: 3, dropped: 0, expired: 0 }],
    ticks: 2,
    lateTicks: 0,
    lastTickSeconds: 0.001,
    tickSeconds: 0.002,
    failures: 0,
    restarts: 0,
    losses: {},
    hooks: [],
    programs: [],
    facts: {},
  };
}

interface Setup {
  rows?: number;
  limits?: Partial<HttpLimits>;
  probes?: () => ProbeStatus[];
  events?: () => string;
  tls?: { cert: string; key: string };
  failures?: unknown[];
}

interface Running {
  server: MetricsServer;
  snapshot: Snapshot;
  url: string;
}

async function withServer(setup: Setup, work: (running: Running) => Promise<void>): Promise<void> {
  const { rows = 3, limits = {}, tls, failures = [] } = setup;
  const { probes = () => [probe("one", "running")], events = () => "[]" } = setup;
  const snapshot = new Snapshot({ store: storeOf(rows) });
  const server = metricsServer({
    hostname: HOSTNAME,
    port: 0,
    limits,
    tls,
    snapshot,
    probes,
    events,
    build: { version: "1.2.3", deno: "2", libbpf: "1" },
    failed: (error) => failures.push(error),
  });
  try {
    await work({ server, snapshot, url: `http://${HOSTNAME}:${server.port}` });
  } finally {
    await server.close();
  }
  if (setup.failures === undefined) assert.deepEqual(failures, []);
}

async function open(server: MetricsServer, text = ""): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: HOSTNAME, port: server.port });
  await conn.write(new TextEncoder().encode(text));
  return conn;
}

/** What comes until the server closes. */
async function rest(conn: Deno.Conn): Promise<string> {
  const bytes = await new Response(conn.readable).bytes();
  return new TextDecoder().decode(bytes);
}

async function exchange(server: MetricsServer, text: string): Promise<string> {
  return await rest(await open(server, text));
}

function openFds(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    assert.ok(tries < 500, "condition did not come true within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("metricsServer serves the page as text and as OpenMetrics", async () => {
  await withServer({}, async ({ url }) => {
    for (const path of ["/metrics", "/", "/metrics?a=b"]) {
      const answer = await fetch(url + path);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      assert.match(
        await answer.text(),
        /^# HELP .*\n# TYPE .* gauge\n.*{name="0",hostname="here"} 0\n/,
      );
    }
    const headers = { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" };
    const open = await fetch(`${url}/metrics`, { headers });
    assert.equal(
      open.headers.get("content-type"),
      "application/openmetrics-text; version=1.0.0; charset=utf-8",
    );
    assert.match(await open.text(), /\n# EOF\n$/);
  });
});

Deno.test("metricsServer compresses only for who asks", async () => {
  await withServer({ rows: 5000 }, async ({ server, snapshot }) => {
    const ask = "GET /metrics HTTP/1.0\r\nAccept-Encoding: ";
    const conn = await open(server, `${ask}gzip\r\n\r\n`);
    const bytes = await new Response(conn.readable).bytes();
    const end = bytes.findIndex((_, at) => bytes[at] === 0x1f && bytes[at + 1] === 0x8b);
    const head = new TextDecoder().decode(bytes.subarray(0, end));
    assert.match(head, /content-encoding: gzip\r\n/);
    using page = await snapshot.page("text");
    assert.deepEqual(new Uint8Array(gunzipSync(bytes.subarray(end))), new Uint8Array(page.bytes));
    const plain = await exchange(server, `${ask}gzip;q=0\r\n\r\n`);
    assert.doesNotMatch(plain, /content-encoding/);
    assert.match(plain, /\r\n\r\n# HELP /);
  });
});

Deno.test("metricsServer shows a browser a page with every text escaped", async () => {
  const probes = () => [probe("one", "running"), probe("two", "failed", "<b>broken & sad</b>")];
  await withServer({ probes }, async ({ url }) => {
    const answer = await fetch(url, { headers: { accept: "text/html,*/*;q=0.8" } });
    assert.equal(answer.headers.get("content-type"), "text/html; charset=utf-8");
    const text = await answer.text();
    assert.match(text, /gala-gopher 1\.2\.3/);
    assert.match(text, /<td>two<\/td>.*<td>failed<\/td>.*&lt;b>broken &amp; sad&lt;\/b>/);
    assert.doesNotMatch(text, /<b>/);
  });
});

Deno.test("metricsServer tells health by whether a probe runs", async () => {
  let probes = [probe("one", "running"), probe("two", "failed", "no reason")];
  await withServer({ probes: () => probes }, async ({ url }) => {
    const good = await fetch(`${url}/healthz`);
    assert.equal(good.status, 200);
    assert.equal(await good.text(), "ok\n");
    probes = [probe("one", "starting"), probe("two", "failed", "no reason")];
    const bad = await fetch(`${url}/healthz`);
    assert.equal(bad.status, 503);
    assert.equal(await bad.text(), "No probe runs\none is starting\ntwo is failed: no reason\n");
  });
});

Deno.test("metricsServer gives the last events as JSON at /events", () =>
  withServer({ events: () => '[{"Body":"b"}]' }, async ({ url }) => {
    const response = await fetch(`${url}/events`);
    assert.equal(response.headers.get("content-type"), "application/json");
    assert.deepEqual(await response.json(), [{ Body: "b" }]);
  }));

Deno.test("metricsServer reports the probes as JSON", async () => {
  const probes = () => [probe("one", "unsupported", "no BTF")];
  await withServer({ probes }, async ({ url }) => {
    const answer = await fetch(`${url}/probes`);
    assert.equal(answer.headers.get("content-type"), "application/json");
    const [one] = await answer.json();
    const { name, kind, state, reason, rows } = one;
    assert.deepEqual({ name, kind, state, reason, rows }, {
      name: "one",
      kind: "native",
      state: "unsupported",
      reason: "no BTF",
      rows: 3,
    });
    assert.equal(one.tables[0].name, "thing");
    assert.equal(one.cost.last_tick_seconds, 0.001);
  });
});

Deno.test("metricsServer answers HEAD without a body and refuses other methods", async () => {
  await withServer({}, async ({ server, url }) => {
    const full = await (await fetch(`${url}/metrics`)).text();
    const head = await exchange(server, GET.replace("GET", "HEAD").replace("1.1", "1.0"));
    assert.match(head, new RegExp(`content-length: ${full.length}\r\n`));
    assert.match(head, /\r\n\r\n$/);
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const answer = await fetch(`${url}/metrics`, { method });
      assert.equal(answer.status, 405);
      assert.equal(answer.headers.get("allow"), "GET, HEAD");
      await answer.body?.cancel();
    }
    const posted = await fetch(`${url}/metrics`, { method: "POST", body: "a".repeat(1 << 20) });
    assert.equal(posted.status, 405);
    assert.match(await posted.text(), /Only GET, HEAD/);
    const missing = await fetch(`${url}/constructor`);
    assert.equal(missing.status, 404);
    assert.match(await missing.text(), /There are: \/ \/metrics \/healthz \/probes/);
    const { answers } = server.stats();
    assert.deepEqual(answers.find(({ code }) => code === 405), {
      path: "/metrics",
      code: 405,
      count: 5,
    });
    assert.deepEqual(answers.find(({ code }) => code === 404), {
      path: "other",
      code: 404,
      count: 1,
    });
  });
});

Deno.test("metricsServer keeps a connection for further requests, also when they come at once", async () => {
  await withServer({}, async ({ server }) => {
    const conn = await open(server, GET + GET.replace("GET", "HEAD"));
    await conn.write(
      new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    );
    const text = await rest(conn);
    assert.equal(text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, 3);
    assert.match(text, /connection: close\r\n\r\nok\n$/);
    assert.equal(server.stats().connections.accepted, 1);
  });
});

Deno.test("metricsServer survives garbage and says what is wrong", async () => {
  await withServer({}, async ({ server, url }) => {
    assert.match(await exchange(server, "\0\x01\x02garbage\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.match(await exchange(server, "GET / HTTP/9.9\r\n\r\n"), /^HTTP\/1\.1 505 /);
    assert.match(await exchange(server, "GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 .*No Host/s);
    assert.match(
      await exchange(server, `GET / HTTP/1.1\r\nX: ${"a".repeat(100_000)}`),
      /^HTTP\/1\.1 431 /,
    );
    (await open(server, "GET /metr")).close();
    (await open(server)).close();
    const random = new Uint8Array(5000);
    for (let n = 0; n < 50; n++) {
      crypto.getRandomValues(random);
      const conn = await open(server);
      await conn.write(random.subarray(0, n * 100));
      conn.close();
    }
    assert.equal(await (await fetch(`${url}/healthz`)).text(), "ok\n");
  });
});

Deno.test("metricsServer answers 50 clients at once from one encoding", async () => {
  await withServer({ rows: 10_000 }, async ({ url, snapshot, server }) => {
    const pages = await Promise.all(
      Array.from({ length: 50 }, async () => await (await fetch(`${url}/metrics`)).text()),
    );
    assert.ok(pages.every((page) => page === pages[0]));
    assert.equal(snapshot.stats.pages, 1);
    assert.equal(server.stats().connections.refused, 0);
  });
});

Deno.test("metricsServer cuts off clients that never finish a request", async () => {
  await withServer({ limits: { headMs: 100, idleMs: 100 } }, async ({ server }) => {
    const slow = await open(server, "GET /metrics HT");
    const silent = await open(server);
    assert.equal(await rest(slow), "");
    assert.equal(await rest(silent), "");
    assert.equal(server.stats().connections.timedOut, 1);
    assert.equal(server.stats().connections.open, 0);
  });
});

Deno.test("metricsServer gives the place of the longest waiting client to a new one", async () => {
  await withServer({ limits: { connections: 10 } }, async ({ server, url }) => {
    const waiting = [];
    for (let n = 0; n < 30; n++) waiting.push(await open(server, n % 2 ? "GET /" : ""));
    assert.equal(await (await fetch(`${url}/healthz`)).text(), "ok\n");
    const { open: held, evicted, refused } = server.stats().connections;
    assert.ok(held <= 10);
    assert.ok(evicted >= 20);
    assert.equal(refused, 0);
    for (const conn of waiting) conn.close();
  });
});

Deno.test("metricsServer refuses with 503 when all connections are being answered", async () => {
  const limits = { connections: 3, answerMs: 60_000 };
  await withServer({ rows: LARGE_ROWS, limits }, async ({ server }) => {
    const busy = [];
    for (let n = 0; n < 3; n++) {
      const conn = await open(server, GET);
      await conn.read(new Uint8Array(1000));
      busy.push(conn);
    }
    const answer = await exchange(server, GET);
    assert.match(answer, /^HTTP\/1\.1 503 /);
    assert.equal(server.stats().connections.refused, 1);
    assert.equal(server.stats().answers.find(({ code }) => code === 503)?.count, 1);
    for (const conn of busy) conn.close();
    await until(() => server.stats().connections.open === 0);
    assert.match(await exchange(server, GET.replace("1.1", "1.0")), /^HTTP\/1\.1 200 /);
  });
});

Deno.test("metricsServer closes at once what waits for a request", async () => {
  const before = openFds();
  const clients: Deno.Conn[] = [];
  await withServer({}, async ({ server }) => {
    for (const text of ["", "GET /me"]) clients.push(await open(server, text));
    await until(() => server.stats().connections.open === 2);
    await server.close(60_000);
  });
  for (const conn of clients) conn.close();
  assert.equal(openFds(), before);
});

Deno.test("metricsServer lets an answer under way end when it closes", async () => {
  await withServer({ rows: LARGE_ROWS }, async ({ server }) => {
    const conn = await open(server, GET);
    await conn.read(new Uint8Array(1));
    const closing = server.close(10_000);
    const text = await rest(conn);
    assert.match(text, /name="399999",hostname="here"} 399999\n$/);
    await closing;
  });
});

Deno.test("metricsServer answers 500 and reports when it fails itself", async () => {
  const failures: unknown[] = [];
  const probes = () => {
    throw new Error("broken");
  };
  await withServer({ probes, failures }, async ({ url }) => {
    const answer = await fetch(`${url}/probes`);
    assert.equal(answer.status, 500);
    assert.doesNotMatch(await answer.text(), /broken/);
    assert.equal(failures.length, 1);
    assert.equal((await (await fetch(`${url}/metrics`)).text()).length > 0, true);
  });
});

Deno.test("metricsServer throws AddressInUse for a taken port", async () => {
  await withServer({}, ({ server }) => {
    const again = () =>
      metricsServer({
        hostname: HOSTNAME,
        port: server.port,
        snapshot: new Snapshot({ store: storeOf(1) }),
        probes: () => [],
        events: () => "[]",
        build: { version: "", deno: "", libbpf: "" },
        failed: () => {},
      });
    assert.throws(again, AddressInUse);
    return Promise.resolve();
  });
});

Deno.test("metricsServer speaks TLS, and to who does not it says nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { cert, key } = await selfSigned(folder);
    await withServer({ tls: { cert, key } }, async ({ server }) => {
      assert.doesNotMatch(await exchange(server, GET), /HTTP/);
      const client = Deno.createHttpClient({ caCerts: [cert] });
      const answer = await fetch(`https://localhost:${server.port}/healthz`, { client });
      assert.equal(await answer.text(), "ok\n");
      client.close();
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
