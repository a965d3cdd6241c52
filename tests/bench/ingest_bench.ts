// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a line of an external probe costs, with ten fields: parsed from memory, and from a child's pipe into the table,
 * from one probe and from ten at once; and what a probe with 1,000 lines a second costs. Beside it, in the same run,
 * `awk` splitting the same lines. Run: deno run -A --v8-flags=--expose-gc tests/bench/ingest_bench.ts
 */
import process from "node:process";
import { Store } from "../../src/core/store.ts";
import { Child } from "../../src/ingest/child.ts";
import { addIngestTable } from "../../src/ingest/ingest_table.ts";
import { LineReader } from "../../src/ingest/line_reader.ts";
import { parseMeta } from "../../src/ingest/meta.ts";
import { type Output, polledOutput, streamOutput } from "../../src/ingest/output.ts";
import { pumpOutput } from "../../src/ingest/output_pump.ts";
import { ReadingTurns } from "../../src/ingest/reading_turns.ts";
import { Watchdog } from "../../src/ingest/watchdog.ts";
import { QuietPipes } from "../../src/sys/quiet_pipes.ts";
import { cpuMs, median } from "./measure.ts";

const RUNS = 11;
const LINES = 100_000;
const PROBES = 10;
const TOGETHER_RUNS = 3;
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

function neverYaml(): never {
  throw new Error("no YAML here");
}

function newReader(): LineReader {
  const limits = { maxTables: 1, maxRows: 2 * ROWS, maxFields: 64, timeoutMs: 60_000 };
  const store = new Store(limits, { machine_id: "m", hostname: "h" });
  const tables = parseMeta(meta(), "bench.meta", neverYaml)
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

function parseAll(bytes: Uint8Array, reader: LineReader): number {
  const start = performance.now();
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    reader.feed(bytes.subarray(at, at + CHUNK_BYTES), start);
  }
  return performance.now() - start;
}

const pipes = new QuietPipes();
/** `OUTPUT=stream`: as the runtime reads it, to compare. */
const BY_STREAM = Deno.env.get("OUTPUT") === "stream";

function stdoutOf({ pid, stdout }: Child): Output {
  if (BY_STREAM) return streamOutput(stdout);
  const pipe = pipes.stdoutOf(pid);
  if (pipe === undefined) throw new Error("no pipe");
  stdout.cancel();
  return polledOutput(pipe);
}

/** Reads the output of a program to its end. */
async function readChild(
  program: string,
  args: readonly string[],
  watchdog: Watchdog,
  turns: ReadingTurns,
): Promise<number> {
  const reader = newReader();
  const child = new Child({ program, args, workingDirectory: "/", watchdog });
  const take = (chunk: Uint8Array) => reader.feed(chunk, 0);
  const pumps = [
    pumpOutput(stdoutOf(child), { chunkBytes: CHUNK_BYTES, turns, take }),
    pumpOutput(streamOutput(child.stderr), { chunkBytes: 4096, turns, take: () => {} }),
  ];
  await child.run();
  // As the supervisor does it: the end of the child is told, that of its output is looked for.
  child.ended.then(() => pumps.forEach((pump) => pump.hurry()));
  await Promise.all([child.ended, ...pumps.map((pump) => pump.done)]);
  await child.clear();
  return reader.rows;
}

interface Usage {
  readonly cpu: number;
  readonly wall: number;
  /** Most of it that was seen, above what was there before. */
  readonly memoryMb: number;
}

/** What this process uses while the work goes on, from the pipes to the tables. */
async function measure(work: () => Promise<void>): Promise<Usage> {
  (globalThis as { gc?: () => void }).gc?.();
  const before = process.memoryUsage().rss;
  let most = before;
  const timer = setInterval(() => most = Math.max(most, process.memoryUsage().rss), 50);
  const wall = performance.now();
  const cpu = cpuMs();
  await work();
  clearInterval(timer);
  const used = { cpu: cpuMs() - cpu, wall: performance.now() - wall };
  return { ...used, memoryMb: (most - before) / 1e6 };
}

/** That many probes at once, each with all lines of the file. */
function readPipes(file: string, probes: number, watchdog: Watchdog): Promise<Usage> {
  const turns = new ReadingTurns();
  return measure(async () => {
    const reading = Array.from(
      { length: probes },
      () => readChild("/bin/cat", [file], watchdog, turns),
    );
    for (const rows of await Promise.all(reading)) {
      if (rows !== LINES) throw new Error(`${rows} rows instead of ${LINES}`);
    }
  });
}

const PACE_SECONDS = 5;
const PACE_LINES = 1000;
/** Prints PACE_LINES a second in as many writes. */
const paced = (writes: number) =>
  `use Time::HiRes qw(sleep time); $| = 1; my $t = time;
  for my $i (1 .. ${PACE_SECONDS} * ${writes}) {
    print "|tcp_link|4711|10.0.0.1|10.0.0.2|6379|redis-server|$i|1|2|3|4|\\n" x (${PACE_LINES} / ${writes});
    my $rest = $t + $i / ${writes} - time; sleep $rest if $rest > 0;
  }`;

/** CPU in hundredths of a core while a probe prints PACE_LINES a second, in so many writes; see pace_bench.ts too. */
async function pace(writes: number, watchdog: Watchdog): Promise<number> {
  const script = writes === 0 ? `sleep ${PACE_SECONDS}` : paced(writes);
  const { cpu, wall } = await measure(async () => {
    const rows = await readChild("/usr/bin/perl", ["-e", script], watchdog, new ReadingTurns());
    const wanted = writes === 0 ? 0 : PACE_SECONDS * PACE_LINES;
    if (rows !== wanted) throw new Error(`${rows} rows instead of ${wanted}`);
  });
  return cpu / wall * 100;
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

function report(what: string, milliseconds: readonly number[], lines = LINES): void {
  const perLine = median(milliseconds) * 1000 / lines;
  const range = [Math.min(...milliseconds), Math.max(...milliseconds)]
    .map((value) => (value * 1000 / lines).toFixed(2));
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
  const piped: Usage[] = [];
  const together: Usage[] = [];
  const split: number[] = [];
  const reader = newReader();
  parseAll(bytes, reader);
  for (let run = 0; run < RUNS; run++) {
    parsed.push(parseAll(bytes, reader));
    piped.push(await readPipes(file, 1, watchdog));
    if (run < TOGETHER_RUNS) together.push(await readPipes(file, PROBES, watchdog));
    split.push(await awk(file));
  }
  console.log(`${LINES} lines of ${FIELDS.length} fields, ${ROWS} rows, median of ${RUNS} runs`);
  report("memory to table", parsed);
  report("pipe to table, CPU of the agent", piped.map(({ cpu }) => cpu));
  report("pipe to table, wall clock (half of it pauses)", piped.map(({ wall }) => wall));
  report(
    `${PROBES} probes at once, CPU of the agent`,
    together.map(({ cpu }) => cpu),
    LINES * PROBES,
  );
  report(`${PROBES} probes at once, wall clock`, together.map(({ wall }) => wall), LINES * PROBES);
  const memory = median(together.map(({ memoryMb }) => memoryMb)).toFixed(1);
  console.log(`${PROBES} probes at once, memory above that of one: ${memory} MB`);
  report("awk, file to array, wall clock", split);
  for (const writes of [0, 1, 10, PACE_LINES]) {
    const what = writes === 0
      ? "a silent probe"
      : `${PACE_LINES} lines/s in ${writes} writes a second`;
    console.log(`${what}: ${(await pace(writes, watchdog)).toFixed(2)} % of a core`);
  }
} finally {
  await Deno.remove(file);
}
