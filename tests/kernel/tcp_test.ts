// SPDX-License-Identifier: MulanPSL-2.0
/** The tcp probe on the running kernel, from sockets of this process to rows of the store. */
import assert from "node:assert/strict";
import tcp from "../../src/probes/tcp.ts";
import { assertGone, heldBy, type Ids } from "../held_in_kernel.ts";
import { TIMEOUT_MS } from "./probe_rig.ts";
import { DOWN_BYTES, exchange, living, Rig, UP_BYTES } from "./tcp_rig.ts";
import { until } from "../until.ts";

const CONNECTIONS = 211;

async function bpftool(...args: string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await new Deno.Command("bpftool", { args: ["-j", ...args] }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function ofKind(kind: "prog" | "link" | "map", held: Ids) {
  return (await bpftool(kind, "show")).filter(({ id }) => held.has(`${kind} ${id}`));
}

/** Entries of our tcp_link map in the kernel that are about the port. */
async function mapEntries(port: number): Promise<number> {
  const maps = (await ofKind("map", heldBy(Deno.pid))).filter(({ name }) => name === "tcp_link");
  assert.equal(maps.length, 1);
  const entries = await bpftool("map", "dump", "id", String(maps[0]!.id));
  return entries.filter((entry) => JSON.stringify(entry).includes(`"server_port":${port},`)).length;
}

for (const listenFirst of [false, true]) {
  const when = listenFirst ? "an older" : "a younger";
  Deno.test(`tcp adds up 211 living connections of ${when} listener exactly, and only once`, async () => {
    await using rig = await Rig.start({ listenFirst });
    for (let i = 0; i < CONNECTIONS; i++) await exchange(await rig.connect());
    await rig.tick(1);
    rig.assertTotals(CONNECTIONS * UP_BYTES, CONNECTIONS * DOWN_BYTES);
    const before = rig.rows();
    await rig.tick(2);
    assert.deepEqual(rig.rows(), before);
    await exchange(rig.links[0]!);
    await rig.tick(3);
    rig.assertTotals((CONNECTIONS + 1) * UP_BYTES, (CONNECTIONS + 1) * DOWN_BYTES);
    rig.closeAll();
    await until("all sockets closed", () => living(rig.port) === 0);
    await rig.tick(4);
    rig.assertTotals((CONNECTIONS + 1) * UP_BYTES, (CONNECTIONS + 1) * DOWN_BYTES);
    const { table_full, ring_drop } = rig.running.losses!();
    assert.deepEqual([table_full, ring_drop], [0, 0]);
  });
}

for (const first of ["client", "server"] as const) {
  Deno.test(`tcp adds up 211 connections that came and went between readings, ${first} first`, async () => {
    await using rig = await Rig.start();
    for (let i = 0; i < CONNECTIONS; i++) {
      const link = await rig.connect();
      await exchange(link);
      rig.links.pop();
      const second = first === "client" ? "server" : "client";
      link[first].close();
      assert.equal(await link[second].read(new Uint8Array(1)), null);
      link[second].close();
    }
    await until("all sockets closed", () => living(rig.port) === 0);
    await rig.tick(1);
    rig.assertTotals(CONNECTIONS * UP_BYTES, CONNECTIONS * DOWN_BYTES);
    await rig.tick(2);
    rig.assertTotals(CONNECTIONS * UP_BYTES, CONNECTIONS * DOWN_BYTES);
  });
}

Deno.test("tcp counters never fall while connections open and close", async () => {
  await using rig = await Rig.start();
  let before = new Map<string, Record<string, number>>();
  for (let round = 1; round <= 31; round++) {
    for (let i = 0; i < 5; i++) await exchange(await rig.connect());
    for (const { client, server } of rig.links.splice(0, 3)) {
      client.close();
      server.close();
    }
    await rig.tick(round);
    const now = rig.rows();
    for (const [labels, numbers] of before) {
      for (const [metric, value] of Object.entries(numbers)) {
        const present = now.get(labels)![metric]!;
        assert.ok(present >= value, `${metric} fell from ${value} to ${present} for ${labels}`);
      }
    }
    before = now;
  }
  rig.closeAll();
  await until("all sockets closed", () => living(rig.port) === 0);
  await rig.tick(32);
  rig.assertTotals(155 * UP_BYTES, 155 * DOWN_BYTES);
});

Deno.test("tcp rows live as long as a connection, then leave the table and the kernel's map", async () => {
  await using rig = await Rig.start();
  await exchange(await rig.connect());
  for (const now of [1000, 1000 + TIMEOUT_MS, 1000 + 2 * TIMEOUT_MS]) {
    await rig.tick(now);
    rig.store.sweep(now + 1);
    rig.assertTotals(UP_BYTES, DOWN_BYTES);
  }
  assert.equal(await mapEntries(rig.port), 2);
  rig.closeAll();
  await until("all sockets closed", () => living(rig.port) === 0);
  await rig.tick(4000); // the last word of the closed sockets
  await rig.tick(4001);
  rig.store.sweep(4001 + 2 * TIMEOUT_MS);
  assert.equal(rig.rows().size, 0);
  await rig.tick(4002 + 2 * TIMEOUT_MS);
  assert.equal(rig.rows().size, 0);
  assert.equal(await mapEntries(rig.port), 0);
  await exchange(await rig.connect());
  await rig.tick(4003 + 2 * TIMEOUT_MS);
  rig.assertTotals(UP_BYTES, DOWN_BYTES);
});

Deno.test("tcp leaves no program, link, map or table behind when it stops", async () => {
  await using rig = await Rig.start();
  const held = heldBy(Deno.pid);
  const programs =
    Object.keys(tcp.layout.programs).filter((name) => !name.includes("delay")).length;
  const hooks = rig.running.hooks!();
  const lacking = hooks.filter(({ state }) => state !== "attached").length; // on older kernels
  assert.equal((await ofKind("prog", held)).length, programs - lacking);
  assert.equal((await ofKind("link", held)).length, hooks.length - lacking);
  assert.ok((await ofKind("map", held)).length >= 4);
  await rig.stop();
  assert.deepEqual([...rig.store.tables], []);
  await assertGone(held);
});
