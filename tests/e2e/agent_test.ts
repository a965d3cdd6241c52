// SPDX-License-Identifier: MulanPSL-2.0
/** The compiled program as a whole: values of all three kinds of probes, checked against what the test itself did. */
import assert from "node:assert/strict";
import { type Agent, EXAMPLE, memTotalKb, parseRows, until, withAgent } from "./run_agent.ts";

const HOSTNAME = "127.0.0.1";
const CONNECTIONS = 23;
const SHORT = 31;
const UP = 101;
const DOWN = 53;
const INTERVAL = { ingress: { interval: 0.5 } };

async function exchange(from: Deno.Conn, to: Deno.Conn, bytes: number): Promise<void> {
  await from.write(new Uint8Array(bytes));
  const buffer = new Uint8Array(bytes);
  for (let seen = 0; seen < bytes;) {
    const count = await to.read(buffer);
    assert.ok(count !== null, "connection ended early");
    seen += count;
  }
}

type Pair = [client: Deno.Conn, server: Deno.Conn];

async function openPair(listener: Deno.TcpListener): Promise<Pair> {
  const accepted = listener.accept();
  const client = await Deno.connect({ hostname: HOSTNAME, port: listener.addr.port });
  const server = await accepted;
  await exchange(client, server, UP);
  await exchange(server, client, DOWN);
  return [client, server];
}

function closePair([client, server]: Pair): void {
  client.close();
  server.close();
}

/** Payload as sums over all rows of this port: client sent, client received, server sent, server received. */
async function payload(agent: Agent, port: number): Promise<number[]> {
  const page = await agent.page();
  const sum = (direction: string, role: string) => {
    let total = 0;
    for (const { labels, value } of parseRows(page, `gala_gopher_tcp_link_${direction}_bytes`)) {
      if (labels.server_port === String(port) && labels.role === role) total += value;
    }
    return total;
  };
  return [sum("tx", "1"), sum("rx", "1"), sum("tx", "0"), sum("rx", "0")];
}

function expected(connections: number): number[] {
  const [up, down] = [connections * UP, connections * DOWN];
  return [up, down, down, up];
}

async function ticks(agent: Agent): Promise<number> {
  const rows = await agent.rows("gala_gopher_agent_probe_ticks_total");
  return rows.find(({ labels }) => labels.probe === "tcp")?.value ?? 0;
}

/** Waits for the sums, and that two more readings leave them as they are. */
async function checkPayload(agent: Agent, port: number, connections: number): Promise<void> {
  const wanted = expected(connections);
  let seen: number[] = [];
  await until(`${wanted} bytes`, async () => {
    seen = await payload(agent, port);
    return seen.every((sum, index) => sum >= wanted[index]!) || undefined;
  }).catch((error) => assert.deepEqual(seen, wanted, String(error)));
  const before = await ticks(agent);
  await until("two more readings", async () => await ticks(agent) >= before + 2 || undefined);
  assert.deepEqual(await payload(agent, port), wanted);
}

async function probeRuns(agent: Agent, probe: string): Promise<void> {
  await until(`${probe} runs`, () => agent.log().includes(`Probe "${probe}" runs`) || undefined);
}

Deno.test("gala-gopher serves values of native, eBPF and external probes in one run", async () => {
  const settings = { ...INTERVAL, extend_probes: [{ name: "example", command: EXAMPLE }] };
  await withAgent({ settings }, async (agent) => {
    const [memory, ...more] = await agent.rows("gala_gopher_mem_total_kB");
    assert.deepEqual(more, []);
    assert.equal(memory!.value, memTotalKb());
    const cpus = Deno.readTextFileSync("/proc/stat").match(/^cpu\d+ /gm)!.length;
    const cpuRows = await agent.rows("gala_gopher_cpu_user_total_second");
    assert.deepEqual(
      cpuRows.map(({ labels }) => labels.cpu_num).sort(),
      Array.from({ length: cpus }, (_, cpu) => String(cpu)).sort(),
    );
    const example = await until("example's row", async () => {
      const rows = await agent.rows("gala_gopher_example_memory_usage");
      return rows.length > 0 ? rows : undefined;
    });
    assert.equal(example.length, 1);
    assert.equal(example[0]!.labels.key_name, Deno.hostname());
    assert.ok(example[0]!.value > 0 && example[0]!.value < 100, `${example[0]!.value} %`);
    const links = await until("a row of tcp", async () => {
      const rows = await agent.rows("gala_gopher_tcp_link_tx_bytes");
      return rows.find(({ labels }) => labels.server_port === String(agent.port));
    });
    assert.equal(links.labels.server_ip, HOSTNAME);
  });
});

Deno.test("gala-gopher counts the payload of living, closed and short connections exactly", async () => {
  const settings = { ...INTERVAL, probes: [{ name: "tcp", switch: "on" }] };
  await withAgent({ settings }, async (agent) => {
    await probeRuns(agent, "tcp");
    const listener = Deno.listen({ hostname: HOSTNAME, port: 0 });
    const { port } = listener.addr;
    const pairs: Pair[] = [];
    try {
      while (pairs.length < CONNECTIONS) pairs.push(await openPair(listener));
      await checkPayload(agent, port, CONNECTIONS);
      for (const pair of pairs.splice(0)) closePair(pair);
      for (let n = 0; n < SHORT; n++) closePair(await openPair(listener));
      await checkPayload(agent, port, CONNECTIONS + SHORT);
    } finally {
      for (const pair of pairs) closePair(pair);
      listener.close();
    }
  });
});

Deno.test("gala-gopher serves 50 clients at once", async () => {
  await withAgent({ settings: { probes: [{ name: "system_meminfo" }] } }, async (agent) => {
    const conns: Deno.Conn[] = [];
    for (let n = 0; n < 50; n++) {
      conns.push(await Deno.connect({ hostname: HOSTNAME, port: agent.port }));
    }
    const request = new TextEncoder().encode("GET /metrics HTTP/1.0\r\n\r\n");
    await Promise.all(conns.map((conn) => conn.write(request)));
    const answers = await Promise.all(conns.map((conn) => new Response(conn.readable).text()));
    for (const answer of answers) {
      assert.match(answer, /^HTTP\/1\.1 200 /);
      assert.equal(parseRows(answer, "gala_gopher_mem_total_kB")[0]?.value, memTotalKb());
    }
  });
});
