// SPDX-License-Identifier: MulanPSL-2.0
/** Messages on every kernel that can be had: of clients and servers in this process, which need no other program. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import messages from "../../src/probes/messages.ts";
import { withFolder } from "../e2e/run_agent.ts";
import { observing, testBoth } from "./message_rig.ts";
import { ProbeRig } from "./probe_rig.ts";

const REQUESTS = 23;
const FAILURES = 5;
const CLIENTS = 3;
const encoder = new TextEncoder();
/** Recursion desired; one question: x.test A IN. */
const QUESTION = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0x78, 4, 0x74, 0x65, 0x73, 0x74, 0, 0, 1, 0, 1];
/** A response to that question, without an answer. */
const ANSWER_FLAGS = [0x81, 0x80];
type Both = Deno.TcpListener | Deno.UnixListener;

async function serve(listener: Both): Promise<void> {
  for await (const connection of listener) void answer(connection);
}

async function answer(connection: Deno.Conn): Promise<void> {
  const bytes = new Uint8Array(4096);
  while (await connection.read(bytes) !== null) await connection.write(encoder.encode("+PONG\r\n"));
  connection.close();
}

async function ask(connecting: Promise<Deno.Conn>): Promise<void> {
  const connection = await connecting;
  const bytes = new Uint8Array(64);
  for (let i = 0; i < REQUESTS; i++) {
    await connection.write(encoder.encode("*1\r\n$4\r\nPING\r\n"));
    await connection.read(bytes);
  }
  connection.close();
}

/** So many requests and answers on either side, and nothing was lost. */
function assertCounts(rig: ProbeRig, count: number, ...labels: readonly string[]): void {
  for (const role of ["server", "client"]) {
    const own = [`l7_role="${role}"`, ...labels];
    assert.equal(rig.sum("l7_rpc_api", "req_count", ...own), count, own.join());
    assert.equal(rig.sum("l7_rpc_api", "resp_count", ...own), count, own.join());
  }
  const { ring_drop, unpaired_messages } = rig.running.losses!();
  assert.deepEqual([ring_drop, unpaired_messages], [0, 0]);
}

async function talk(listener: Both, connect: () => Promise<Deno.Conn>): Promise<void> {
  const serving = serve(listener);
  await Promise.all(Array.from({ length: CLIENTS }, () => ask(connect())));
  listener.close();
  await serving;
}

Deno.test("messages counts both sides of a connection, from the source that the kernel has", async () => {
  await using rig = await ProbeRig.start(messages, observing(Deno.pid));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  await talk(listener, () => Deno.connect({ hostname: "127.0.0.1", port }));
  await rig.tick(1);
  assertCounts(rig, CLIENTS * REQUESTS, `server_port="${port}"`, 'api="PING"');
  // Every program of the source is attached, and none failed that should have worked.
  const { source } = rig.running.facts!();
  const states = rig.running.hooks!().map(({ state }) => state);
  assert.ok(!states.includes("failed"), String(source));
  const release = Deno.osRelease().split(".").map(Number);
  const isNew = release[0]! > 6 || (release[0] === 6 && release[1]! >= 16);
  assert.equal(source, isNew ? "sockets" : "calls");
});

testBoth("messages counts a web server's requests by method, and those that failed", async () => {
  await using rig = await ProbeRig.start(messages, observing(Deno.pid));
  const respond = ({ url }: Request) =>
    new Response("x".repeat(3000), { status: url.endsWith("/gone") ? 404 : 200 });
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, respond);
  const { port } = server.addr;
  const request = async (path: string, method: string) =>
    await (await fetch(`http://127.0.0.1:${port}/${path}`, { method })).arrayBuffer();
  for (let i = 0; i < REQUESTS; i++) await request("here", "GET");
  for (let i = 0; i < FAILURES; i++) await request("gone", "POST");
  await server.shutdown();
  await rig.tick(1);
  const label = `server_port="${port}"`;
  assertCounts(rig, REQUESTS, label, 'api="GET"');
  assertCounts(rig, FAILURES, label, 'api="POST"');
  const failed = rig.sum("l7_rpc_api", "err_count", label, 'l7_role="server"');
  assert.equal(failed, FAILURES);
});

Deno.test("messages counts both sides of a Unix socket", () =>
  withFolder(async (folder) => {
    await using rig = await ProbeRig.start(messages, observing(Deno.pid, { sockets: "unix" }));
    const path = `${folder}/socket`;
    await talk(
      Deno.listen({ transport: "unix", path }),
      () => Deno.connect({ transport: "unix", path }),
    );
    await rig.tick(1);
    assertCounts(rig, CLIENTS * REQUESTS, 'api="PING"');
  }));

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

Deno.test("messages counts both sides of DNS on UDP", async () => {
  await using rig = await ProbeRig.start(messages, observing(Deno.pid, { sockets: "udp" }));
  const [server, client] = [await bound(), await bound()];
  server.on("message", (question: Uint8Array, { address, port }) => {
    const answer = Uint8Array.from(question);
    answer.set(ANSWER_FLAGS, 2);
    server.send(answer, port, address);
  });
  const { port } = server.address();
  for (let id = 0; id < REQUESTS; id++) {
    const answered = once(client, "message");
    client.send(Uint8Array.of(0, id, ...QUESTION), port, "127.0.0.1");
    await answered;
  }
  await Promise.all([server, client].map((socket) => (socket.close(), once(socket, "close"))));
  await rig.tick(1);
  assertCounts(rig, REQUESTS, 'protocol="dns"', 'api="A"');
});
