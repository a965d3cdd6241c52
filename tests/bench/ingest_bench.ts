// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a line of an external probe costs, with ten fields: parsed from memory, and from a child's pipe into the table.
 * Beside it, in the same run, `awk` splitting the same lines. Run: deno run -A tests/bench/ingest_bench.ts
 */
import process from "node:process";
import { Store } from "../../src/core/store.ts";
import { Child } from "../../src/ingest/child.ts";
import { addIngestTable } from "../../src/ingest/ingest_table.ts";
import { LineReader } from "../../src/ingest/line_reader.ts";
import { parseMeta } from "../../src/ingest/meta.ts";
import { pumpOutput } from "../../src/ingest/output_pump.ts";
import { Watchdog } from "../../src/ingest/watchdog.ts";

const RUNS = 11;
const LINES = 100_000;
const ROWS = 1000;
const CHUNK_BYTES = 65536;
const FIELDS = [
  "key",
  "key",
  "key",
  "key",
  "label",
  "counter",
  "counter",
  "gauge",
  "gauge",
  "gauge",
];

function meta(): string {
  const fields = FIELDS.map((type, i) => `{ description: "d", type: "${type}", name: "f${i}" }`);
  return `version = "1"; measurements: ( { table_name: "tcp_link", entity_name: "tcp_link",` +
    `fields: ( ${fields.join()} ) } )`;
}

function newReader(): LineReader {
  const limits = { maxTables: 1, maxRows: 2 * ROWS, maxFields: 64, timeoutMs: 60_000 };
  const store = new Store(limits, { machine_id: "m", hostname: "h" });
  const tables = parseMeta(meta(), "bench.meta")
    .map((table) => addIngestTable(store, "bench", table));
  return new LineReader(tables, { record: () => {}, text: () => {} });
}

function text(): Uint8Array {
  const lines = Array.from({ length: LINES }, (_, i) => {
    const row = i % ROWS;
    return `|tcp_link|${4000 + row}|10.0.${row >> 8}.${row & 255}|10.0.0.2|6379|redis-server|` +
      `${i * 4096}|${i * 128}|${(row / 7).toFixed(3)}|${row}|0|\n`;
  });
  return new TextEncoder().encode(lines.join(""));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

function parseAll(bytes: Uint8Array, reader: LineReader): number {
  const start = performance.now();
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    reader.feed(bytes.subarray(at, at + CHUNK_BYTES), start);
  }
  return performance.now() - start;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** CPU of this process, from the pipe to the table. */
async function readPipe(file: string, watchdog: Watchdog): Promise<{ cpu: number; wall: number }> {
  const reader = newReader();
  const wall = performance.now();
  const cpu = cpuMs();
  const child = new Child({ program: "/bin/cat", args: [file], workingDirectory: "/", watchdog });
  const pumps = [
    pumpOutput(child.stdout, CHUNK_BYTES, (chunk) => reader.feed(chunk, wall)),
    pumpOutput(child.stderr, 4096, () => {}),
  ];
  await Promise.all([child.ended, ...pumps.map((pump) => pump.done)]);
  await child.clear();
  if (reader.rows !== LINES) throw new Error(`${reader.rows} rows instead of ${LINES}`);
  return { cpu: cpuMs() - cpu, wall: performance.now() - wall };
}

const AWK =
  `{ key = $3 SUBSEP $4 SUBSEP $5 SUBSEP $6; for (i = 8; i <= 12; i++) v[key, i] = $i + 0 }`;

async function awk(file: string): Promise<number> {
  const start = performance.now();
  const args = ["-F|", AWK, file];
  const { success } = await new Deno.Command("awk", { args }).output();
  if (!success) throw new Error("awk failed");
  return performance.now() - start;
}

function report(what: string, milliseconds: readonly number[]): void {
  const perLine = median(milliseconds) * 1000 / LINES;
  const range = [Math.min(...milliseconds), Math.max(...milliseconds)]
    .map((value) => (value * 1000 / LINES).toFixed(2));
  console.log(
    `${what}: ${perLine.toFixed(2)} us a line [${range.join("..")}], ` +
      `${Math.round(1e6 / perLine)} lines/s`,
  );
}

const bytes = text();
const file = await Deno.makeTempFile();
await Deno.writeFile(file, bytes);
try {
  await using watchdog = new Watchdog(console.error);
  const parsed: number[] = [];
  const piped: { cpu: number; wall: number }[] = [];
  const split: number[] = [];
  const reader = newReader();
  parseAll(bytes, reader);
  for (let run = 0; run < RUNS; run++) {
    parsed.push(parseAll(bytes, reader));
    piped.push(await readPipe(file, watchdog));
    split.push(await awk(file));
  }
  console.log(`${LINES} lines of ${FIELDS.length} fields, ${ROWS} rows, median of ${RUNS} runs`);
  report("memory to table", parsed);
  report("pipe to table, CPU of the agent", piped.map(({ cpu }) => cpu));
  report("pipe to table, wall clock (half of it pauses)", piped.map(({ wall }) => wall));
  report("awk, file to array, wall clock", split);
} finally {
  await Deno.remove(file);
}
