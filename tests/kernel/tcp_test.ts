// SPDX-License-Identifier: MulanPSL-2.0
/** The tcp probe on the running kernel, from sockets of this process to rows of the store. */
import assert from "node:assert/strict";
import type { RunningProbe } from "../../src/core/probe.ts";
import { Store } from "../../src/core/store.ts";
import type { Table } from "../../src/core/table.ts";
import { probeSettings } from "../../src/manager/probe_settings.ts";
import tcp from "../../src/probes/tcp.ts";
import { startBpf } from "../../src/sys/bpf_runner.ts";
import { openInstalled, probeBytes } from "./test_object.ts";

const CONNECTIONS = 211;
const UP_BYTES = 97;
const DOWN_BYTES = 53;
const TIMEOUT_MS = 1000;
const POLLS = 1000;

interface Link {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
}

class Rig implements AsyncDisposable {
  readonly links: Link[] = [];
  #stopped = false;

  private constructor(
    readonly store: Store,
    readonly running: RunningProbe,
    readonly listener: Deno.TcpListener,
    readonly end: () => void,
  ) {}

  /** `listen`: before the probe starts, as most of a host's listeners have. */
  static async start({ listenFirst = false } = {}): Promise<Rig> {
    const limits = { maxTables: 9, maxRows: 4096, maxFields: 32, timeoutMs: TIMEOUT_MS };
    const store = new Store(limits, {});
    const bytes = await probeBytes("tcp");
    const listen = () => Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const early = listenFirst ? listen() : undefined;
    const libbpf = openInstalled();
    const running = await startBpf(tcp, {
      store,
      libbpf,
      image: () => bytes,
      settings: probeSettings({}, { file: "test" }),
      log: () => {},
    });
    return new Rig(store, running, early ?? listen(), () => libbpf[Symbol.dispose]());
  }

  get port(): number {
    return this.listener.addr.port;
  }

  get table(): Table {
    return [...this.store.tables].find(({ name }) => name === "tcp_tx_rx")!;
  }

  async connect(): Promise<Link> {
    const { port } = this;
    const [client, server] = await Promise.all([
      Deno.connect({ hostname: "127.0.0.1", port }),
      this.listener.accept(),
    ]);
    const link = { client, server };
    this.links.push(link);
    return link;
  }

  async tick(now: number): Promise<void> {
    await this.running.tick!(now);
  }

  /** Rows of our server port: label text to metrics. */
  rows(): Map<string, Record<string, number>> {
    const { table, port } = this;
    const found = new Map<string, Record<string, number>>();
    for (let slot = 0; slot < table.slots; slot++) {
      if (!table.isRow(slot)) continue;
      const labels = new TextDecoder().decode(table.labelText(slot));
      if (!labels.includes(`server_port="${port}"`)) continue;
      const numbers = table.metricNames.map((name, i) => [name, table.get(slot, i)]);
      found.set(labels, Object.fromEntries(numbers));
    }
    return found;
  }

  /** Demands one row a role, with these totals of payload. */
  assertTotals(up: number, down: number): void {
    const payload = [...this.rows()].map(([labels, { rx_bytes, tx_bytes }]) =>
      [labels, { rx_bytes, tx_bytes }] as const
    );
    assert.deepEqual(
      new Map(payload),
      new Map([
        [labelText(this.port, 0), { rx_bytes: up, tx_bytes: down }],
        [labelText(this.port, 1), { rx_bytes: down, tx_bytes: up }],
      ]),
    );
  }

  closeAll(): void {
    for (const { client, server } of this.links.splice(0)) {
      client.close();
      server.close();
    }
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.running.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeAll();
    this.listener.close();
    await this.stop();
    this.end();
  }
}

function labelText(port: number, role: number): string {
  return `{tgid="${Deno.pid}",role="${role}",client_ip="127.0.0.1",server_ip="127.0.0.1",` +
    `client_port="0",server_port="${port}",protocol="2"}`;
}

async function readExactly(connection: Deno.TcpConn, bytes: number): Promise<void> {
  const buffer = new Uint8Array(bytes);
  for (let left = bytes; left > 0;) {
    const count = await connection.read(buffer.subarray(0, left));
    if (count === null) throw new Error("connection ended early");
    left -= count;
  }
}

async function exchange({ client, server }: Link): Promise<void> {
  await client.write(new Uint8Array(UP_BYTES));
  await readExactly(server, UP_BYTES);
  await server.write(new Uint8Array(DOWN_BYTES));
  await readExactly(client, DOWN_BYTES);
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < POLLS; i++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.fail(`never: ${what}`);
}

/** Sockets of the port that are neither listening (0A) nor in time-wait (06). */
function living(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1).filter((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    return (local?.endsWith(suffix) || remote?.endsWith(suffix)) && state !== "0A" &&
      state !== "06";
  }).length;
}

/** Values of a field in /proc/self/fdinfo: ids of what this process holds in the kernel. */
function heldIds(field: string): number[] {
  const ids: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/fdinfo")) {
    let info: string;
    try {
      info = Deno.readTextFileSync(`/proc/self/fdinfo/${name}`);
    } catch {
      continue; // the folder's own descriptor
    }
    const id = info.match(new RegExp(`^${field}:\\s+(\\d+)`, "m"))?.[1];
    if (id !== undefined) ids.push(Number(id));
  }
  return ids;
}

async function bpftool(...args: string[]): Promise<Record<string, unknown>[]> {
  const { stdout } = await new Deno.Command("bpftool", { args: ["-j", ...args] }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function ofIds(kind: "prog" | "link" | "map", ids: readonly number[]) {
  return (await bpftool(kind, "show")).filter(({ id }) => ids.includes(Number(id)));
}

/** Entries of our tcp_link map in the kernel that are about the port. */
async function mapEntries(port: number): Promise<number> {
  const maps = (await ofIds("map", heldIds("map_id"))).filter(({ name }) => name === "tcp_link");
  assert.equal(maps.length, 1);
  const entries = await bpftool("map", "dump", "id", String(maps[0]!.id));
  return entries.filter((entry) => JSON.stringify(entry).includes(`"server_port":${port},`)).length;
}

for (const listenFirst of [false, true]) {
  const when = listenFirst ? "older" : "younger";
  Deno.test(`tcp adds up 211 living connections of a ${when} listener exactly, and only once`, async () => {
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
    assert.deepEqual(rig.running.losses!(), { table_full: 0, ring_drop: 0 });
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
  const kinds = { prog: heldIds("prog_id"), link: heldIds("link_id"), map: heldIds("map_id") };
  assert.equal((await ofIds("prog", kinds.prog)).length, 3);
  assert.equal((await ofIds("link", kinds.link)).length, 3);
  assert.ok((await ofIds("map", kinds.map)).length >= 4);
  await rig.stop();
  assert.deepEqual([...rig.store.tables], []);
  for (const kind of ["prog", "link", "map"] as const) {
    await until(`no ${kind} left`, async () => (await ofIds(kind, kinds[kind])).length === 0);
  }
});
