// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Private memory of the compiled agent with 5,000 rows of an external probe every 5 s, of 9 labels and 8 metrics: as
 * they go to nothing, to files, to a real Kafka broker, and to one that hangs in the middle third (scripts/test.sh
 * kafka brings it). Run: deno run -A tests/bench/egress_memory_bench.ts [SECONDS] [VARIANT...]
 */
import { Brokers } from "../kafka/broker.ts";
import { withAgent, withFolder } from "../e2e/run_agent.ts";
import { median, memoryOf, pause } from "./measure.ts";

const ROWS = 5000;
const KEYS = [
  "tgid",
  "role",
  "client_ip",
  "server_ip",
  "client_port",
  "server_port",
  "protocol",
  "comm",
  "container_id",
];
const COUNTERS = ["rx_bytes", "tx_bytes", "segs_in", "segs_out", "retran_packets"];
const GAUGES = ["srtt", "rcv_rtt", "ratio"];
/** All rows at once, as the original's probes print at the end of their period. */
const PROBE = `BEGIN { for (n = 1;; n++) {
for (i = 0; i < ${ROWS}; i++) print "|tcp_link|" 4000 + i "|0|10.0." int(i / 256) "." i % 256 \
  "|10.0.0.2|0|6379|2|redis|c0ffee|" n * 1000 + i "|" n * 2000 + i "|" n * 7 "|" n * 5 "|" n "|" i "|" n / 7 "|" n / 3 "|"
fflush(); system("sleep 5") } }
`;

function meta(): string {
  const typed = (type: string, names: readonly string[]) =>
    names.map((name) => `{ description: "d", type: "${type}", name: "${name}" }`);
  const fields = [
    ...typed("key", KEYS.slice(0, 7)),
    ...typed("label", KEYS.slice(7)),
    ...typed("counter", COUNTERS),
    ...typed("gauge", GAUGES),
  ];
  return `version = "1"; measurements: ( { table_name: "tcp_link", entity_name: "tcp_link",` +
    `fields: ( ${fields.join()} ) } )`;
}

interface Variant {
  readonly channel: string;
  readonly meta?: string;
  readonly codec: string;
  readonly hangs: boolean;
}

const VARIANTS = {
  nothing: { channel: "web_server", codec: "none", hangs: false },
  files: { channel: "web_server,logs", codec: "none", hangs: false },
  "kafka, meta only": { channel: "web_server", meta: "kafka", codec: "none", hangs: false },
  kafka: { channel: "web_server,kafka", codec: "none", hangs: false },
  "kafka, zstd": { channel: "web_server,kafka", codec: "zstd", hangs: false },
  "kafka, hanging": { channel: "web_server,kafka", codec: "none", hangs: true },
} satisfies Record<string, Variant>;

async function measure(
  { channel, meta = "", codec, hangs }: Variant,
  seconds: number,
  folder: string,
  brokers: Brokers,
): Promise<readonly number[]> {
  const settings = {
    metric: { out_channel: channel },
    meta: { out_channel: meta },
    logs: { metric_dir: `${folder}/logs` },
    imdb: { max_records_num: ROWS },
    kafka: {
      kafka_broker: brokers.addresses,
      spool_dir: `${folder}/spool`,
      compression_codec: codec,
    },
    probes: [{ name: "system_meminfo" }],
    extend_probes: [{
      name: "tcp_link",
      command: `awk -f ${folder}/probe.awk`,
      meta: `${folder}/tcp_link.meta`,
    }],
  };
  const seen: number[] = [];
  await withAgent({ settings }, async ({ pid }) => {
    const end = performance.now() + seconds * 1000;
    let paused = false;
    for (let left = seconds; left > 0; left = (end - performance.now()) / 1000) {
      const wanted = hangs && left < seconds * 2 / 3 && left > seconds / 3;
      if (wanted !== paused) brokers.signal(wanted ? "SIGSTOP" : "SIGCONT");
      paused = wanted;
      seen.push(memoryOf(pid).anon);
      await pause(100);
    }
  });
  return seen;
}

if (import.meta.main) {
  const [seconds = "30", ...wanted] = Deno.args;
  await withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/probe.awk`, PROBE);
    await Deno.writeTextFile(`${folder}/tcp_link.meta`, meta());
    await using brokers = await Brokers.prepare(folder);
    await brokers.start();
    for (const [name, variant] of Object.entries<Variant>(VARIANTS)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      const seen = await measure(variant, Number(seconds), folder, brokers);
      const figures = [Math.max(...seen), median(seen)].map((value) => value.toFixed(1));
      console.log(`${name.padEnd(16)} RssAnon, MB, most / median: ${figures.join(" / ")}`);
    }
  });
}
