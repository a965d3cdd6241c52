// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a row costs on its way out, with 9 labels and 8 metrics: encoded, into log files, into a real Kafka broker
 * (scripts/test.sh kafka brings it), at full speed and at 5,000 rows every 5 s; and ten minutes' worth of rows of which
 * the broker misses half. Run: deno run -A tests/bench/egress_bench.ts [encode] [logs] [kafka] [paced] [away]
 */
import process from "node:process";
import { counter, gauge, table } from "../../src/core/declare.ts";
import { Store } from "../../src/core/store.ts";
import type { Table } from "../../src/core/table.ts";
import { ByteWriter } from "../../src/egress/byte_writer.ts";
import { LogFiles, numberedFiles } from "../../src/egress/log_files.ts";
import type { LineSink } from "../../src/egress/line_sink.ts";
import { Outputs } from "../../src/egress/outputs.ts";
import { jsonRows } from "../../src/egress/json_rows.ts";
import { kafkaRows } from "../../src/egress/kafka_rows.ts";
import type { RowForm } from "../../src/egress/row_form.ts";
import { textRows } from "../../src/egress/text_rows.ts";
import { Brokers } from "../kafka/broker.ts";
import { startSending } from "../kafka/sending.ts";

const ROWS = 5000;
const CONSTANTS = { machine_id: "3d1219c7c4c5404aaa1f6d2a48adfda4", hostname: "node1" };
const SPEC = table({
  entity: "tcp_link",
  keys: ["tgid", "role", "client_ip", "server_ip", "client_port", "server_port", "protocol"],
  labels: ["comm", "container_id"],
  metrics: {
    rx_bytes: counter("b", "bytes"),
    tx_bytes: counter("b", "bytes"),
    segs_in: counter("s", "segments"),
    segs_out: counter("s", "segments"),
    retran_packets: counter("p", "packets"),
    srtt: gauge("t", "us"),
    rcv_rtt: gauge("t", "us"),
    ratio: gauge("r", "ratio"),
  },
});

class Rows {
  readonly store: Store;
  readonly #table: Table;
  #round = 0;

  constructor() {
    const limits = { maxTables: 1, maxRows: ROWS, maxFields: 64, timeoutMs: 1e9 };
    this.store = new Store(limits, CONSTANTS);
    this.#table = this.store.add("tcp_tx_rx", "bench", SPEC);
    this.renew();
  }

  /** Writes every row anew, as a probe's tick would. */
  renew(): void {
    const round = ++this.#round;
    for (let i = 0; i < ROWS; i++) {
      const address = `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`;
      const labels = [`${4000 + i}`, "0", address, "10.0.0.2", "0", "6379", "2", "redis", "c0ffee"];
      const slot = this.#table.row(labels, round);
      for (let column = 0; column < 7; column++) {
        this.#table.set(slot, column, round * (1000 + i + column));
      }
      this.#table.set(slot, 7, round / 7);
    }
  }

  get table(): Table {
    return this.#table;
  }
}

/** CPU time in us and wall time in ms since the last call. */
function meter(): () => { cpu: number; ms: number; rss: number } {
  let before = process.cpuUsage();
  let start = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(before);
    const ms = performance.now() - start;
    before = process.cpuUsage();
    start = performance.now();
    return { cpu: user + system, ms, rss: process.memoryUsage().rss / 1e6 };
  };
}

function report(
  what: string,
  rows: number,
  { cpu, ms, rss }: ReturnType<ReturnType<typeof meter>>,
) {
  const perRow = (cpu / rows).toFixed(2).padStart(8);
  const perSecond = Math.round(rows / ms * 1000).toLocaleString("en").padStart(11);
  console.log(
    `${what.padEnd(34)} ${perRow} us CPU a row ${perSecond} rows/s, RSS ${rss.toFixed(0)} MB`,
  );
}

function encode(): void {
  const rows = new Rows();
  const slots = Int32Array.from({ length: 500 }, (_, i) => i);
  const { table } = rows;
  const columns = table.metricNames.map((_, i) => table.values(i));
  const forms: Record<string, RowForm> = {
    kafka: kafkaRows(CONSTANTS),
    json: jsonRows(CONSTANTS),
    logs: textRows(),
  };
  for (const [name, form] of Object.entries(forms)) {
    const out = new ByteWriter();
    let lap = meter();
    for (let round = 0; round < 600; round++) {
      if (round === 200) lap = meter();
      out.length = 0;
      form.write(out, { table, slots, columns }, 1656060384400);
    }
    report(`encode ${name} (${Math.round(out.length / 500)} B a row)`, 400 * 500, lap());
  }
}

function outputs(rows: Rows, sink: LineSink, form: RowForm): Outputs {
  return new Outputs({
    store: rows.store,
    channels: [{ kind: "metric", name: "bench", sink, form }],
    intervalMs: 1e9,
    clock: Date.now,
    failed: (error) => {
      throw error;
    },
  });
}

async function logs(folder: string): Promise<void> {
  for (const [name, form] of [["logs", textRows()], ["json", jsonRows(CONSTANTS)]] as const) {
    const rows = new Rows();
    const changed = (text: string) => console.log(text);
    const sink = new LogFiles({
      folder: `${folder}/${name}`,
      naming: numberedFiles("gopher_metrics"),
      totalBytes: 100e6,
      changed,
    });
    const out = outputs(rows, sink, form);
    await out.tick(); // the first reading only remembers
    const renewing = renewCost(rows);
    const lap = meter();
    let count = 0;
    while (count < 600_000) {
      rows.renew();
      await out.tick();
      count += ROWS;
    }
    await out.close();
    const { cpu, ...rest } = lap();
    report(`channel ${name}, to files`, count, { ...rest, cpu: cpu - renewing * count });
    console.log(
      `${"".padEnd(34)} written ${sink.stats.lines}, lost ${JSON.stringify(sink.stats.losses)}`,
    );
  }
}

/** CPU time in us that the bench itself takes to write a row into the table. */
function renewCost(rows: Rows): number {
  const lap = meter();
  for (let i = 0; i < 20; i++) rows.renew();
  return lap().cpu / 20 / ROWS;
}

async function withBroker(
  folder: string,
  work: (brokers: Brokers) => Promise<void>,
): Promise<void> {
  await Deno.mkdir(folder);
  await using brokers = await Brokers.prepare(folder);
  await brokers.start();
  await work(brokers);
}

async function kafka(folder: string): Promise<void> {
  await withBroker(folder, async (brokers) => {
    for (const compression of ["none", "gzip", "snappy", "lz4", "zstd"] as const) {
      const topics = { metric: `rows-${compression}`, event: "events" };
      await brokers.createTopic(topics.metric);
      const options = { brokers: [brokers.addresses], compression };
      const sending = await startSending(`${folder}/spool`, topics, options);
      const rows = new Rows();
      const out = outputs(rows, sending.outboxes.metric, kafkaRows(CONSTANTS));
      await out.tick();
      const renewing = renewCost(rows);
      let lap = meter();
      let count = 0;
      for (let round = 0; round < 30; round++) {
        if (round === 10) {
          lap = meter();
          count = 0;
        }
        rows.renew();
        await out.tick();
        await sending.empty();
        count += ROWS;
      }
      const { cpu, ...rest } = lap();
      report(`kafka ${compression}, table to broker`, count, {
        ...rest,
        cpu: cpu - renewing * count,
      });
      await sending.close();
    }
  });
}

const PACED_MS = 5000;

async function paced(folder: string): Promise<void> {
  await withBroker(folder, async (brokers) => {
    const topics = { metric: "paced", event: "events" };
    await brokers.createTopic(topics.metric);
    const sending = await startSending(`${folder}/spool`, topics, { brokers: [brokers.addresses] });
    const rows = new Rows();
    const out = outputs(rows, sending.outboxes.metric, kafkaRows(CONSTANTS));
    await out.tick();
    const renewing = renewCost(rows);
    const round = async () => {
      rows.renew();
      await out.tick();
      await new Promise((done) => setTimeout(done, PACED_MS));
    };
    await round();
    const lap = meter();
    for (let i = 0; i < 8; i++) await round();
    const { cpu, ms, rss } = lap();
    const own = cpu - renewing * ROWS * 8;
    const share = (own / ms / 10).toFixed(2);
    console.log(`5,000 rows every 5 s: ${share} % of a core, RSS ${rss.toFixed(0)} MB`);
    await sending.empty();
    await sending.close();
  });
}

/** 3 million rows, as 5,000 a second for ten minutes, as fast as they go: the broker misses the middle half. */
async function away(folder: string): Promise<void> {
  await withBroker(folder, async (brokers) => {
    const topics = { metric: "away", event: "away-events" };
    await brokers.createTopic(topics.metric);
    await brokers.createTopic(topics.event);
    const options = { brokers: [brokers.addresses], compression: "zstd" as const };
    const sending = await startSending(`${folder}/spool`, topics, options, 2e9);
    const rows = new Rows();
    const out = outputs(rows, sending.outboxes.metric, kafkaRows(CONSTANTS));
    await out.tick();
    const lap = meter();
    let most = 0;
    const rounds = 600;
    for (let round = 0; round < rounds; round++) {
      if (round === rounds / 4) await brokers.kill();
      if (round === rounds * 3 / 4) await brokers.start();
      rows.renew();
      await out.tick();
      sending.push("event", [`{"n":${round}}`]);
      most = Math.max(most, process.memoryUsage().rss / 1e6);
      // What waits in memory is bounded; here nothing may be lost to that bound.
      while (sending.outboxes.metric.stats.queuedBytes > 30e6) {
        await new Promise((done) => setTimeout(done, 5));
      }
    }
    const spooled = sending.outboxes.metric.stats.spooledBytes! / 1e6;
    await sending.empty();
    report("ten minutes' rows, half away", rounds * ROWS, lap());
    const { metric, event } = sending.outboxes;
    console.log(JSON.stringify({ metric: metric.stats, event: event.stats, most, spooled }));
    console.log(sending.said.join("\n"));
    await sending.close();
  });
}

const PARTS: Record<string, (folder: string) => void | Promise<void>> = {
  encode,
  logs,
  kafka,
  paced,
  away,
};

if (import.meta.main) {
  const folder = await Deno.makeTempDir({ prefix: "gala-gopher-bench-" });
  try {
    const wanted = Deno.args.length > 0 ? Deno.args : Object.keys(PARTS);
    for (const name of wanted) await PARTS[name]!(`${folder}/${name}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
