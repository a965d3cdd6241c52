// SPDX-License-Identifier: MulanPSL-2.0
/** Messages on every kernel that can be had: of a client and a server in this process, which need no other program. */
import assert from "node:assert/strict";
import messages from "../../src/probes/messages.ts";
import { observing } from "./message_rig.ts";
import { ProbeRig } from "./probe_rig.ts";

const REQUESTS = 23;
const CLIENTS = 3;
const encoder = new TextEncoder();

async function serve(listener: Deno.TcpListener): Promise<void> {
  for await (const connection of listener) void answer(connection);
}

async function answer(connection: Deno.Conn): Promise<void> {
  const bytes = new Uint8Array(4096);
  while (await connection.read(bytes) !== null) await connection.write(encoder.encode("+PONG\r\n"));
  connection.close();
}

async function ask(port: number): Promise<void> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const bytes = new Uint8Array(64);
  for (let i = 0; i < REQUESTS; i++) {
    await connection.write(encoder.encode("*1\r\n$4\r\nPING\r\n"));
    await connection.read(bytes);
  }
  connection.close();
}

Deno.test("messages counts both sides of a connection, from the source that the kernel has", async () => {
  await using rig = await ProbeRig.start(messages, observing(Deno.pid));
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = serve(listener);
  await Promise.all(Array.from({ length: CLIENTS }, () => ask(listener.addr.port)));
  listener.close();
  await serving;
  await rig.tick(1);
  for (const role of ["server", "client"]) {
    const labels = [`server_port="${listener.addr.port}"`, `l7_role="${role}"`, 'api="PING"'];
    assert.equal(rig.sum("l7_rpc_api", "req_count", ...labels), CLIENTS * REQUESTS, role);
    assert.equal(rig.sum("l7_rpc_api", "resp_count", ...labels), CLIENTS * REQUESTS, role);
  }
  const { ring_drop, unpaired_messages } = rig.running.losses!();
  assert.deepEqual([ring_drop, unpaired_messages], [0, 0]);
  // Every program of the source is attached, and none failed that should have worked.
  const { source } = rig.running.facts!();
  const states = rig.running.hooks!().map(({ state }) => state);
  assert.ok(!states.includes("failed"), String(source));
  const release = Deno.osRelease().split(".").map(Number);
  const isNew = release[0]! > 6 || (release[0] === 6 && release[1]! >= 16);
  assert.equal(source, isNew ? "sockets" : "calls");
});
