// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The compiled program with all its default probes on a host where nothing else goes on: those that
 * tests/kernel/vm.sh boots. So the counters of the whole host are exact, and rows must equal them.
 */
import assert from "node:assert/strict";
import { type Agent, memTotalKb, until, withAgent } from "../e2e/run_agent.ts";

const CONNECTIONS = 211;
const UP_BYTES = 97;
const DOWN_BYTES = 53;
const SETTINGS = { ingress: { interval: 0.5 }, extend_probes: [] };
const PATIENCE_MS = 180_000;

interface Probe {
  readonly name: string;
  readonly state: string;
  readonly reason?: string;
}

async function probes({ port }: Agent): Promise<Probe[]> {
  const response = await fetch(`http://127.0.0.1:${port}/probes`);
  return await response.json();
}

async function allRun(agent: Agent): Promise<Probe[]> {
  return await until("all probes started", async () => {
    const found = await probes(agent);
    return found.every(({ state }) => state !== "starting") ? found : undefined;
  }, PATIENCE_MS);
}

/** Counters of /proc/net/snmp and /proc/net/netstat: TcpActiveOpens. */
function counters(file: string): Record<string, number> {
  const found: Record<string, number> = {};
  const lines = Deno.readTextFileSync(`/proc/net/${file}`).trim().split("\n");
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [group, ...names] = lines[i]!.split(" ");
    const values = lines[i + 1]!.split(" ").slice(1);
    for (const [at, name] of names.entries()) {
      found[group!.replace(":", "") + name] = Number(values[at]);
    }
  }
  return found;
}

async function exactly(connection: Deno.Conn, bytes: number): Promise<void> {
  const buffer = new Uint8Array(bytes);
  for (let left = bytes; left > 0;) {
    const count = await connection.read(buffer.subarray(0, left));
    if (count === null) throw new Error("connection ended early");
    left -= count;
  }
}

async function shortConnection(listener: Deno.TcpListener): Promise<void> {
  const { port } = listener.addr;
  const [client, server] = await Promise.all([
    Deno.connect({ hostname: "127.0.0.1", port }),
    listener.accept(),
  ]);
  await client.write(new Uint8Array(UP_BYTES));
  await exactly(server, UP_BYTES);
  await server.write(new Uint8Array(DOWN_BYTES));
  await exactly(client, DOWN_BYTES);
  client.close();
  server.close();
}

/** Sum over the rows of the server port and role. */
async function sum(agent: Agent, metric: string, port: number, role: string): Promise<number> {
  const rows = await agent.rows(`gala_gopher_${metric}`);
  return rows.filter(({ labels }) => labels.role === role && labels.server_port === String(port))
    .reduce((total, { value }) => total + value, 0);
}

async function countsConnections(agent: Agent): Promise<void> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const before = counters("snmp");
  for (let i = 0; i < CONNECTIONS; i++) await shortConnection(listener);
  const after = counters("snmp");
  listener.close();
  const opened = (name: string) => after[name]! - before[name]!;
  assert.deepEqual([opened("TcpActiveOpens"), opened("TcpPassiveOpens")], [
    CONNECTIONS,
    CONNECTIONS,
  ]);
  const seen = async () => ({
    served: await sum(agent, "tcp_service_opened_total", port, "server"),
    called: await sum(agent, "tcp_service_opened_total", port, "client"),
    closed: await sum(agent, "tcp_service_closed_total", port, "server"),
    up: await sum(agent, "tcp_link_rx_bytes", port, "0"),
    down: await sum(agent, "tcp_link_rx_bytes", port, "1"),
  });
  const wanted = {
    served: CONNECTIONS,
    called: CONNECTIONS,
    closed: CONNECTIONS,
    up: CONNECTIONS * UP_BYTES,
    down: CONNECTIONS * DOWN_BYTES,
  };
  let last = await seen();
  await until("the counts", async () => {
    last = await seen();
    return last.down >= wanted.down && last.closed >= wanted.closed ? true : undefined;
  }).catch(async (error) => {
    const losses = (await agent.rows("gala_gopher_agent_bpf_program_missed_runs_total"))
      .filter(({ value }) => value > 0);
    assert.deepEqual(last, wanted, `${error}\n${JSON.stringify(losses)}\n${agent.log()}`);
  });
  assert.deepEqual(last, wanted);
  const endpoint = (await agent.rows("gala_gopher_endpoint_passive_open"))
    .find(({ labels }) => labels.s_port === String(port));
  assert.equal(endpoint?.value, CONNECTIONS);
}

async function equalsFiles(agent: Agent): Promise<void> {
  const us = await until("our own row", async () => {
    const rows = await agent.rows("gala_gopher_proc_fd_count");
    return rows.find(({ labels }) => labels.tgid === String(Deno.pid));
  }, PATIENCE_MS);
  assert.ok(us.value > 3);
  const only = async (metric: string) => (await agent.rows(metric)).map(({ value }) => value);
  assert.deepEqual(await only("gala_gopher_mem_total_kB"), [memTotalKb()]);
  const boot = Number(/^btime (\d+)$/m.exec(Deno.readTextFileSync("/proc/stat"))![1]);
  assert.deepEqual(await only("gala_gopher_kernel_boot_time_seconds"), [boot]);
  const cpus = Deno.readTextFileSync("/proc/stat").match(/^cpu\d+ /gm)!.length;
  assert.equal((await only("gala_gopher_cpu_user_total_second")).length, cpus);
  const stat = Deno.readTextFileSync("/proc/self/stat").replace(/^.*\) /, "").split(" ");
  assert.equal(us.labels.start_time, stat[19]);
}

Deno.test("gala-gopher on this kernel, as it comes", async (test) => {
  await withAgent({ settings: SETTINGS }, async (agent) => {
    const resting = (await allRun(agent))
      .filter(({ state }) => state !== "running" && state !== "stopped"); // off by default
    const run = async (name: string, work: () => void | Promise<void>) => {
      assert.ok(await test.step(name, work));
    };
    await run("runs all its default probes", () => {
      assert.deepEqual(resting.map(({ name, state, reason }) => [name, state, reason]), []);
    });
    await run(
      "counts 211 connections as the kernel's own counters do",
      () => countsConnections(agent),
    );
    await run("has native rows equal to the kernel's files", () => equalsFiles(agent));
  });
});
