// SPDX-License-Identifier: MulanPSL-2.0
/** The tcp probe with a store of its own, and TCP connections of this process for it to see. */
import assert from "node:assert/strict";
import type { BpfProbe, RunningProbe } from "../../src/core/probe.ts";
import type { Store } from "../../src/core/store.ts";
import type { Table } from "../../src/core/table.ts";
import tcp from "../../src/probes/tcp.ts";
import { histogramOf, type Numbers, numbersOf, tableOf, tableRows } from "../table_rows.ts";
import { type ProbeOptions, ProbeRig } from "./probe_rig.ts";

export const UP_BYTES = 97;
export const DOWN_BYTES = 53;

export interface Link {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
}

export interface RigOptions extends ProbeOptions {
  /** Before the probe starts, as most of a host's listeners have. */
  readonly listenFirst?: boolean;
  readonly hostname?: string;
  /** Instead of the tcp probe as it is. */
  readonly probeOf?: BpfProbe;
}

export class Rig implements AsyncDisposable {
  readonly links: Link[] = [];
  #listens = true;

  private constructor(
    readonly probe: ProbeRig,
    readonly listener: Deno.TcpListener,
  ) {}

  static async start(
    { listenFirst = false, hostname = "127.0.0.1", probeOf = tcp, ...options }: RigOptions = {},
  ): Promise<Rig> {
    const listen = () => Deno.listen({ hostname, port: 0 });
    const early = listenFirst ? listen() : undefined;
    const probe = await ProbeRig.start(probeOf, options);
    return new Rig(probe, early ?? listen());
  }

  get store(): Store {
    return this.probe.store;
  }

  get running(): RunningProbe {
    return this.probe.running;
  }

  get port(): number {
    return this.listener.addr.port;
  }

  table(name: string): Table {
    return tableOf(this.store, name);
  }

  async connect(): Promise<Link> {
    const { hostname, port } = this.listener.addr;
    const [client, server] = await Promise.all([
      Deno.connect({ hostname, port }),
      this.listener.accept(),
    ]);
    const link = { client, server };
    this.links.push(link);
    return link;
  }

  tick(now: number): Promise<void> {
    return this.probe.tick(now);
  }

  /** Rows of our server port: label text to metrics, histograms by their columns. */
  rows(name = "tcp_tx_rx", port = this.port): Map<string, Numbers> {
    const table = this.table(name);
    const rows = [...tableRows(table, `server_port="${port}"`)];
    return new Map(rows.map(({ slot, labels }) => [labels, numbersOf(table, slot)]));
  }

  /** The only row of our server port whose labels have this text. */
  row(name: string, label: string, port = this.port): Numbers {
    const rows = [...this.rows(name, port)].filter(([labels]) => labels.includes(label));
    assert.equal(rows.length, 1, `rows with ${label} in ${name}: ${rows.map(([text]) => text)}`);
    return rows[0]![1];
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

  /** Counts of a histogram: of each bucket, and the sum of its values. */
  histogram(
    name: string,
    label: string,
    metric: string,
  ): { counts: readonly number[]; sum: number } {
    const table = this.table(name);
    const [row] = tableRows(table, label, `server_port="${this.port}"`);
    assert.ok(row, `no row with ${label} in ${name}`);
    const { buckets, sum } = histogramOf(table, row.slot, metric);
    return { counts: buckets, sum };
  }

  closeListener(): void {
    if (!this.#listens) return;
    this.#listens = false;
    this.listener.close();
  }

  stop(): Promise<void> {
    return this.probe.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeAll();
    this.closeListener();
    await this.probe[Symbol.asyncDispose]();
  }
}

export function labelText(port: number, role: number): string {
  return `{tgid="${Deno.pid}",role="${role}",client_ip="127.0.0.1",server_ip="127.0.0.1",` +
    `client_port="0",server_port="${port}",protocol="2"}`;
}

export async function readExactly(connection: Deno.TcpConn, bytes: number): Promise<void> {
  const buffer = new Uint8Array(bytes);
  for (let left = bytes; left > 0;) {
    const count = await connection.read(buffer.subarray(0, left));
    if (count === null) throw new Error("connection ended early");
    left -= count;
  }
}

export async function exchange({ client, server }: Link): Promise<void> {
  await client.write(new Uint8Array(UP_BYTES));
  await readExactly(server, UP_BYTES);
  await server.write(new Uint8Array(DOWN_BYTES));
  await readExactly(client, DOWN_BYTES);
}

/** Sockets of the port that are neither listening (0A) nor in time-wait (06). */
export function living(port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1).filter((line) => {
    const [, local, remote, state] = line.trim().split(/\s+/);
    return (local?.endsWith(suffix) || remote?.endsWith(suffix)) && state !== "0A" &&
      state !== "06";
  }).length;
}
