// SPDX-License-Identifier: MulanPSL-2.0
/**
 * CPU of one reading of the tcp and endpoint probes with many open connections, beside ss in the same run.
 * Run: deno run --allow-all tests/bench/tcp_bench.ts [connections=5000], as root. Each connection is two sockets.
 */
import process from "node:process";
import type { BpfProbe } from "../../src/core/probe.ts";
import endpoint from "../../src/probes/endpoint.ts";
import tcp from "../../src/probes/tcp.ts";
import { ProbeRig } from "../kernel/probe_rig.ts";

const ROUNDS = 9;
const MAX_ROWS = 32768;

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** CPU of a command with its children, as the shell tells it. */
async function commandMs(command: string): Promise<number> {
  const script = `TIMEFORMAT='%U %S'; time ${command} >/dev/null`;
  const { stderr } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  const [user = NaN, system = NaN] = new TextDecoder().decode(stderr).trim().split(" ").map(Number);
  return (user + system) * 1000;
}

async function open(listener: Deno.TcpListener, connections: number): Promise<Deno.Conn[]> {
  const { port } = listener.addr;
  const held: Deno.Conn[] = [];
  for (let i = 0; i < connections; i++) {
    held.push(
      ...await Promise.all([
        Deno.connect({ hostname: "127.0.0.1", port }),
        listener.accept(),
      ]),
    );
  }
  return held;
}

interface Case {
  readonly name: string;
  readonly probe: BpfProbe;
  readonly tables?: readonly string[];
  readonly settings?: Readonly<Record<string, boolean>>;
}

const CASES: readonly Case[] = [
  { name: "tcp, default tables", probe: tcp },
  { name: "tcp, a row for each socket", probe: tcp, settings: { report_cport: true } },
  { name: "tcp, tcp_tx_rx only", probe: tcp, tables: ["tcp_tx_rx"] },
  { name: "tcp, tcp_metric (histograms)", probe: tcp, tables: ["tcp_metric"] },
  { name: "endpoint, default tables", probe: endpoint },
];

async function measure({ probe, tables, settings = {} }: Case) {
  await using rig = await ProbeRig.start(probe, { maxRows: MAX_ROWS, settings, tables });
  const times: number[] = [];
  let now = 0;
  for (let round = 0; round < ROUNDS + 3; round++) {
    const before = cpuMs();
    await rig.tick(now += 5000);
    if (round >= 3) times.push(cpuMs() - before);
  }
  const rows = [...rig.store.tables].map((table) => table.rows);
  return { cpu: median(times), worst: Math.max(...times), rows: Math.max(...rows) };
}

const connections = Number(Deno.args[0] ?? 5000);
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const held = await open(listener, connections);
const results = [];
for (const it of CASES) {
  const { cpu, worst, rows } = await measure(it);
  results.push({
    what: it.name,
    "CPU ms": Number(cpu.toFixed(1)),
    "worst ms": Number(worst.toFixed(1)),
    "us a socket": Number((cpu * 1000 / held.length).toFixed(2)),
    rows,
  });
}
for (const command of ["ss -tiem", "ss -tiepm"]) {
  const times: number[] = [];
  for (let round = 0; round < 3; round++) times.push(await commandMs(command));
  results.push({ what: command, "CPU ms": median(times), "worst ms": Math.max(...times) });
}
console.log(`${held.length} established sockets, median of ${ROUNDS} readings`);
console.table(results);
for (const connection of [...held, listener]) connection.close();
