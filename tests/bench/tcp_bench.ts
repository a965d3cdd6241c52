// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What the tcp and endpoint probes cost: CPU of a reading with many open connections, beside ss in the same run; and
 * of each short connection. What a server pays is in tcp_server_bench.ts.
 * Run: deno run --allow-all tests/bench/tcp_bench.ts [connections=5000], as root. Each connection is two sockets.
 */
import type { BpfProbe } from "../../src/core/probe.ts";
import endpoint from "../../src/probes/endpoint.ts";
import tcp from "../../src/probes/tcp.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";
import { cpuMs, median } from "./measure.ts";

const ROUNDS = 9;
const MAX_ROWS = 32768;

/** CPU of a command with its children, as the shell tells it. */
async function commandMs(command: string): Promise<number> {
  const script = `TIMEFORMAT='%U %S'; time ${command} >/dev/null`;
  const { stderr } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  const [user = NaN, system = NaN] = new TextDecoder().decode(stderr).trim().split(" ").map(Number);
  return (user + system) * 1000;
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const held: Deno.TcpConn[] = [];

async function open(connections: number): Promise<void> {
  const { port } = listener.addr;
  for (let i = 0; i < connections; i++) {
    held.push(
      ...await Promise.all([
        Deno.connect({ hostname: "127.0.0.1", port }),
        listener.accept(),
      ]),
    );
  }
}

async function useAll(): Promise<void> {
  for (const connection of held) await connection.write(new Uint8Array(3));
}

interface Case {
  readonly name: string;
  /** What happens before each reading. */
  readonly before?: () => Promise<void>;
  readonly probe: BpfProbe;
  readonly tables?: readonly string[];
  readonly settings?: Readonly<Record<string, boolean>>;
}

const CASES: readonly Case[] = [
  { name: "tcp, default tables", probe: tcp },
  { name: "tcp, 20 new connections, owners sought", probe: tcp, before: () => open(20) },
  { name: "tcp, a row for each socket", probe: tcp, settings: { report_cport: true } },
  { name: "tcp, tcp_tx_rx only", probe: tcp, tables: ["tcp_tx_rx"] },
  { name: "tcp, tcp_metric (histograms)", probe: tcp, tables: ["tcp_metric"] },
  { name: "endpoint, default tables", probe: endpoint },
  { name: "tcp, each connection in use", probe: tcp, before: useAll }, // last: what it writes stays unread
];

async function measure({ probe, tables, settings = {}, before }: Case) {
  await using rig = await ProbeRig.start(probe, { maxRows: MAX_ROWS, settings, tables });
  const times: number[] = [];
  let now = 0;
  for (let round = 0; round < ROUNDS + 3; round++) {
    await before?.();
    const start = cpuMs();
    await rig.tick(now += 5000);
    if (round >= 3) times.push(cpuMs() - start);
  }
  const rows = [...rig.store.tables].map((table) => table.rows);
  return { cpu: median(times), worst: Math.max(...times), rows: Math.max(...rows) };
}

const connections = Number(Deno.args[0] ?? 5000);
await open(connections);
const sockets = held.length;
const results = [];
for (const it of CASES) {
  const { cpu, worst, rows } = await measure(it);
  results.push({
    what: it.name,
    "CPU ms": Number(cpu.toFixed(1)),
    "worst ms": Number(worst.toFixed(1)),
    "us a socket": Number((cpu * 1000 / sockets).toFixed(2)),
    rows,
  });
}
for (const command of ["ss -tiem", "ss -tiepm"]) {
  const times: number[] = [];
  for (let round = 0; round < 3; round++) times.push(await commandMs(command));
  results.push({ what: command, "CPU ms": median(times), "worst ms": Math.max(...times) });
}
console.log(`${sockets} established sockets, median of ${ROUNDS} readings`);
console.table(results);
for (const connection of [...held, listener]) connection.close();

const SHORT = 5003;
const AT_ONCE = 20;
const STATS = "/proc/sys/kernel/bpf_stats_enabled";

async function shortConnections(): Promise<void> {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr;
  const serving = (async () => {
    for (let i = 0; i < SHORT; i++) {
      const connection = await server.accept();
      connection.write(new Uint8Array(50)).then(() => connection.close());
    }
  })();
  let left = SHORT;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      using client = await Deno.connect({ hostname: "127.0.0.1", port });
      while (await client.read(new Uint8Array(50)) !== null);
    }
  }));
  await serving;
  server.close();
}

/** Nanoseconds that our programs run for each connection, both of its ends. */
async function measureShort(): Promise<void> {
  const before = Deno.readTextFileSync(STATS);
  Deno.writeTextFileSync(STATS, "1");
  try {
    for (const probe of [tcp, endpoint]) {
      await using rig = await ProbeRig.start(probe);
      await rig.tick(1);
      const start = rig.running.cost!();
      await shortConnections();
      const spent = rig.running.cost!().map(({ program, runs, nanoseconds }, i) => ({
        program,
        "runs a connection": Number(((runs - start[i]!.runs) / SHORT).toFixed(2)),
        "ns a connection": Math.round((nanoseconds - start[i]!.nanoseconds) / SHORT),
      }));
      console.table(spent.filter((it) => it["ns a connection"] > 0));
    }
  } finally {
    Deno.writeTextFileSync(STATS, before);
  }
}

await measureShort();
