// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Time and memory of one exposition page, ours beside prom-client with the same data in the same run.
 * Run: deno run --allow-all --v8-flags=--expose-gc tests/bench/exposition_bench.ts
 */
import { Gauge, Registry } from "prom-client";
import { Store } from "../../src/core/store.ts";
import { gauge } from "../../src/core/declare.ts";
import { ByteWriter } from "../../src/egress/byte_writer.ts";
import { Exposition } from "../../src/egress/exposition.ts";

const RUNS = 15;
const METRICS = ["tx_bytes", "rx_bytes", "retran_packets", "srtt_us", "sk_err"];
const KEYS = ["tgid", "client_ip", "server_ip", "server_port", "protocol"];
const LABELS = ["comm"];
const CONSTANTS = { machine_id: "4bf1b4a6f4b04d0f9a61c3c1ae1d6a51", hostname: "host-17.example" };

/** Mostly integers, some with up to three decimals, some of any length: as real metrics are. */
function valueOf(row: number, metric: number): number {
  const n = row * 7919 + metric * 104729;
  if (metric === 3) return n % 1000 / 1000 + row;
  return metric === 4 && row % 5 === 0 ? n / 977 : n * 31 % 1e10;
}

function labelsOf(row: number): string[] {
  const ip = `10.${row >> 16 & 255}.${row >> 8 & 255}.${row & 255}`;
  return [String(1000 + row), ip, "192.168.100.7", "5432", "2", "postgres"];
}

function ourStore(series: number): Store {
  const rows = series / METRICS.length;
  const store = new Store(
    { maxTables: 8, maxRows: rows, maxFields: 64, timeoutMs: 60000 },
    CONSTANTS,
  );
  const metrics = Object.fromEntries(METRICS.map((name) => [name, gauge(`The ${name}.`, "count")]));
  const table = store.add("tcp_link", "tcp", {
    entity: "tcp_link",
    version: "1.0.0",
    keys: KEYS,
    labels: LABELS,
    metrics,
  });
  for (let row = 0; row < rows; row++) {
    const slot = table.row(labelsOf(row), 0);
    METRICS.forEach((_, column) => table.set(slot, column, valueOf(row, column)));
  }
  return store;
}

function promRegistry(series: number): Registry {
  const registry = new Registry();
  const labelNames = [...KEYS, ...LABELS, ...Object.keys(CONSTANTS)];
  METRICS.forEach((metric, column) => {
    const name = `gala_gopher_tcp_link_${metric}`;
    const promGauge = new Gauge({
      name,
      help: `The ${metric}.`,
      labelNames,
      registers: [registry],
    });
    for (let row = 0; row < series / METRICS.length; row++) {
      promGauge
        .labels(...labelsOf(row), ...Object.values(CONSTANTS))
        .set(valueOf(row, column));
    }
  });
  return registry;
}

async function medianMs(work: () => Promise<unknown>): Promise<string> {
  for (let run = 0; run < 5; run++) await work();
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return times[RUNS >> 1]!.toFixed(2);
}

/** Bytes that the heap and the array buffers grow by in one call, as a mean over many without a collection. */
async function allocatedBytes(work: () => Promise<unknown>): Promise<number> {
  const collect = (globalThis as { gc?: () => void }).gc;
  if (collect === undefined) throw new Error("start with --v8-flags=--expose-gc");
  const calls = 5;
  const taken: number[] = [];
  for (let run = 0; run < 11; run++) {
    collect();
    const before = Deno.memoryUsage();
    for (let call = 0; call < calls; call++) await work();
    const after = Deno.memoryUsage();
    taken.push((after.heapUsed + after.external - before.heapUsed - before.external) / calls);
  }
  taken.sort((a, b) => a - b);
  return taken[taken.length >> 1]!;
}

const rows = [];
for (const series of [1_000, 10_000, 50_000]) {
  const exposition = new Exposition(ourStore(series));
  const writer = new ByteWriter();
  const encode = () => {
    writer.length = 0;
    return exposition.encode("text", writer);
  };
  const registry = promRegistry(series);
  const ours = await medianMs(encode);
  const prom = await medianMs(() => registry.metrics());
  const lines = new TextDecoder().decode(writer.written).trim().split("\n");
  const samples = (text: string[]) => text.filter((line) => line !== "" && line[0] !== "#").sort();
  const theirs = samples((await registry.metrics()).split("\n"));
  const same = samples(lines).join("\n") === theirs.join("\n");
  rows.push({
    series,
    "page KB": Math.round(writer.length / 1024),
    "ours ms": Number(ours),
    "prom-client ms": Number(prom),
    ratio: Number((Number(prom) / Number(ours)).toFixed(1)),
    "ours allocates KB": Math.round(await allocatedBytes(encode) / 1024),
    "same samples": same,
  });
}
console.table(rows);
