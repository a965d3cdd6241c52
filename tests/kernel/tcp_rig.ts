// SPDX-License-Identifier: MulanPSL-2.0
/** The tcp probe with a store of its own, and TCP connections of this process for it to see. */
import assert from "node:assert/strict";
import type { RunningProbe, SettingValue } from "../../src/core/probe.ts";
import { Store } from "../../src/core/store.ts";
import type { Table } from "../../src/core/table.ts";
import { probeSettings } from "../../src/manager/probe_settings.ts";
import tcp from "../../src/probes/tcp.ts";
import { startBpf } from "../../src/sys/bpf_runner.ts";
import { openInstalled, probeBytes } from "./test_object.ts";

export const UP_BYTES = 97;
export const DOWN_BYTES = 53;
export const TIMEOUT_MS = 1000;
const POLLS = 1000;

export interface Link {
  readonly client: Deno.TcpConn;
  readonly server: Deno.TcpConn;
}

export interface RigOptions {
  /** Before the probe starts, as most of a host's listeners have. */
  readonly listenFirst?: boolean;
  readonly hostname?: string;
  readonly maxRows?: number;
  readonly settings?: Readonly<Record<string, SettingValue>>;
  readonly tables?: readonly string[];
}

export const DEFAULT_TABLES = Object.keys(tcp.tables).filter((name) => tcp.tables[name]!.on);

export class Rig implements AsyncDisposable {
  readonly links: Link[] = [];
  #stopped = false;
  #listens = true;

  private constructor(
    readonly store: Store,
    readonly running: RunningProbe,
    readonly listener: Deno.TcpListener,
    readonly end: () => void,
  ) {}

  static async start({
    listenFirst = false,
    hostname = "127.0.0.1",
    maxRows = 4096,
    settings = {},
    tables = DEFAULT_TABLES,
  }: RigOptions = {}): Promise<Rig> {
    const limits = { maxTables: 32, maxRows, maxFields: 64, timeoutMs: TIMEOUT_MS };
    const store = new Store(limits, {});
    const bytes = await probeBytes("tcp");
    const listen = () => Deno.listen({ hostname, port: 0 });
    const early = listenFirst ? listen() : undefined;
    const libbpf = openInstalled();
    const running = await startBpf(tcp, {
      store,
      libbpf,
      image: () => bytes,
      settings: probeSettings(settings, { file: "test" }),
      tablesOff: new Set(Object.keys(tcp.tables).filter((name) => !tables.includes(name))),
      log: () => {},
    });
    return new Rig(store, running, early ?? listen(), () => libbpf[Symbol.dispose]());
  }

  get port(): number {
    return this.listener.addr.port;
  }

  table(name: string): Table {
    return [...this.store.tables].find((table) => table.name === name)!;
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

  async tick(now: number): Promise<void> {
    await this.running.tick!(now);
  }

  /** Rows of our server port: label text to metrics, histograms by their columns. */
  rows(name = "tcp_tx_rx", port = this.port): Map<string, Record<string, number>> {
    const table = this.table(name);
    const found = new Map<string, Record<string, number>>();
    for (let slot = 0; slot < table.slots; slot++) {
      if (!table.isRow(slot)) continue;
      const labels = new TextDecoder().decode(table.labelText(slot));
      if (!labels.includes(`server_port="${port}"`)) continue;
      const numbers = table.metricNames.map((
        metric,
      ) => [metric, table.get(slot, table.column(metric))]);
      found.set(labels, Object.fromEntries(numbers));
    }
    return found;
  }

  /** The only row of our server port whose labels have this text. */
  row(name: string, label: string, port = this.port): Record<string, number> {
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
  histogram(name: string, label: string, metric: string): { counts: number[]; sum: number } {
    const table = this.table(name);
    const spec = table.spec.metrics[metric];
    assert.ok(spec?.type === "histogram");
    for (let slot = 0; slot < table.slots; slot++) {
      const labels = new TextDecoder().decode(table.labelText(slot));
      if (!table.isRow(slot) || !labels.includes(label)) continue;
      if (!labels.includes(`server_port="${this.port}"`)) continue;
      const first = table.column(metric);
      const buckets = spec.bounds.length + 1;
      const counts = Array.from({ length: buckets }, (_, i) => table.get(slot, first + i));
      return { counts, sum: table.get(slot, first + buckets) };
    }
    assert.fail(`no row with ${label} in ${name}`);
  }

  closeListener(): void {
    if (!this.#listens) return;
    this.#listens = false;
    this.listener.close();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.running.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closeAll();
    this.closeListener();
    await this.stop();
    this.end();
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

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < POLLS; i++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 10));
  }
  assert.fail(`never: ${what}`);
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
