// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { counter, gauge, table as declare } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import type { Table, TableSpec } from "../core/table.ts";
import { ByteWriter } from "./byte_writer.ts";
import { metadataJson } from "./metadata_json.ts";
import { jsonRows } from "./json_rows.ts";
import { kafkaRows } from "./kafka_rows.ts";
import { textRows } from "./text_rows.ts";
import type { RowForm } from "./row_form.ts";

const CONSTANTS = { machine_id: "4ad4", hostname: "node1" };
const NOW = 1656060384400;
const decoder = new TextDecoder();

const LINK = declare({
  entity: "tcp_link",
  keys: ["tgid", "role"],
  labels: ["comm"],
  metrics: { rx_bytes: counter("Bytes.", "bytes"), srtt: gauge("Round trip.", "us") },
});

function links(spec: TableSpec = LINK): Table {
  const limits = { maxTables: 10, maxRows: 100, maxFields: 10, timeoutMs: 1000 };
  return new Store(limits, CONSTANTS).add("tcp_tx_rx", "tcp", spec);
}

/** The lines for these rows: labels, then the numbers of both metrics. */
function lines(form: RowForm, rows: readonly (readonly [string[], number, number])[], spec = LINK) {
  const table = links(spec);
  const slots = rows.map(([labels, ...numbers]) => {
    const slot = table.row(labels, 1);
    numbers.forEach((number, column) => table.set(slot, column, number));
    return slot;
  });
  const out = new ByteWriter();
  const columns = [table.values(0), table.values(1)];
  const count = form.write(out, { table, slots: Int32Array.from(slots), columns }, NOW);
  assert.equal(count, rows.length);
  return decoder.decode(out.written);
}

Deno.test("kafkaRows writes the original's object: members, order, spaces, every value a string", () => {
  assert.equal(
    lines(kafkaRows(CONSTANTS), [[["1234", "0", "nginx"], 4096, 1.5]]),
    '{"timestamp": 1656060384400, "machine_id": "4ad4", "hostname": "node1", "entity_name": "tcp_link", ' +
      '"tgid": "1234", "role": "0", "comm": "nginx", "rx_bytes": "4096", "srtt": "1.5"}\n',
  );
});

Deno.test("kafkaRows writes (null) for what is not known, and escapes labels", () => {
  const text = lines(kafkaRows(CONSTANTS), [[["1", 'a"\\\n', ""], NaN, 0], [
    ["2", "é", "x"],
    1,
    2,
  ]]);
  assert.deepEqual(text.trim().split("\n").map((line) => JSON.parse(line)), [
    {
      timestamp: NOW,
      ...CONSTANTS,
      entity_name: "tcp_link",
      tgid: "1",
      role: 'a"\\\n',
      comm: "(null)",
      rx_bytes: "(null)",
      srtt: "0",
    },
    {
      timestamp: NOW,
      ...CONSTANTS,
      entity_name: "tcp_link",
      tgid: "2",
      role: "é",
      comm: "x",
      rx_bytes: "1",
      srtt: "2",
    },
  ]);
});

Deno.test("kafkaRows keeps the order of fields in which a .meta file mixes labels and metrics", () => {
  const fields = ["rx_bytes", "tgid", "comm", "srtt", "role"];
  assert.equal(
    lines(kafkaRows({}), [[["7", "1", "sh"], 3, 4]], { ...LINK, fields } as typeof LINK),
    '{"timestamp": 1656060384400, "entity_name": "tcp_link", "rx_bytes": "3", "tgid": "7", "comm": "sh", ' +
      '"srtt": "4", "role": "1"}\n',
  );
});

Deno.test("kafkaRows shows a label that has changed", () => {
  const table = links();
  const form = kafkaRows({});
  const out = new ByteWriter();
  for (const comm of ["old", "new"]) {
    const slots = Int32Array.of(table.row(["1", "0", comm], 1));
    form.write(out, { table, slots, columns: [table.values(0), table.values(1)] }, NOW);
  }
  assert.match(decoder.decode(out.written), /"old".*\n.*"new"/);
});

Deno.test("jsonRows writes the original's line for the channel json, without what is not known", () => {
  assert.equal(
    lines(jsonRows(CONSTANTS), [[["1234", "0", ""], 4096, 1.5], [["1", "1", "c"], NaN, 2]]),
    '{"timestamp":1656060384400,"entity_name":"tcp_link","table_name":"tcp_tx_rx","labels":{"tgid":"1234",' +
      '"role":"0","machine_id":"4ad4","hostname":"node1"},"metrics":{"rx_bytes":"4096","srtt":"1.5"},"histos":{}}\n' +
      '{"timestamp":1656060384400,"entity_name":"tcp_link","table_name":"tcp_tx_rx","labels":{"tgid":"1",' +
      '"role":"1","comm":"c","machine_id":"4ad4","hostname":"node1"},"metrics":{"srtt":"2"},"histos":{}}\n',
  );
});

Deno.test("textRows writes Prometheus text with the time, and an empty line behind the table", () => {
  assert.equal(
    lines(textRows(), [[["1234", "0", ""], 4096, NaN]]),
    'gala_gopher_tcp_link_rx_bytes{tgid="1234",role="0",machine_id="4ad4",hostname="node1"} 4096 1656060384400\n\n',
  );
});

const WAITS: TableSpec = {
  entity: "tcp_link",
  version: "1.0.0",
  keys: ["tgid"],
  labels: [],
  metrics: {
    rtt: { type: "histogram", bounds: [50, 100], help: "Round trips.", unit: "us" },
    rtt_max: { type: "gauge", help: "Longest.", unit: "us" },
    segs: { type: "counter", help: "Segments.", unit: "segments" },
  },
};

function histogramLines(form: RowForm): string[] {
  const table = links(WAITS);
  const slots = ["7", "8"].map((tgid) => table.row([tgid], 1));
  [10, 8, 2, 1310, 160, 5].forEach((value, column) => table.set(slots[0]!, column, value));
  table.set(slots[1]!, 5, 1);
  const columns = Array.from({ length: table.columns }, (_, i) => table.values(i));
  const out = new ByteWriter();
  form.write(out, { table, slots: Int32Array.from(slots), columns }, 1);
  return decoder.decode(out.written).trimEnd().split("\n");
}

Deno.test("kafkaRows writes a histogram as probes print it, with the largest value as a part of it", () => {
  assert.deepEqual(histogramLines(kafkaRows({})), [
    '{"timestamp": 1, "entity_name": "tcp_link", "tgid": "7", "rtt": "2 50 10 100 18 1310 160", "segs": "5"}',
    '{"timestamp": 1, "entity_name": "tcp_link", "tgid": "8", "rtt": "(null)", "segs": "1"}',
  ]);
});

Deno.test("jsonRows writes histograms apart, as numbers", () => {
  const [first, second] = histogramLines(jsonRows({})).map((line) => JSON.parse(line));
  assert.deepEqual(first.histos, { rtt: { 50: 10, 100: 18, count: 20, sum: 1310, max: 160 } });
  assert.deepEqual(first.metrics, { segs: "5" });
  assert.deepEqual(second.histos, {});
});

Deno.test("textRows writes histograms with the original's names", () => {
  const labels = (le: string) => `{tgid="7",machine_id="4ad4",hostname="node1"${le}}`;
  assert.deepEqual(histogramLines(textRows()).slice(0, 6), [
    `gala_gopher_tcp_link_rtt${labels(',le="50"')} 10 1`,
    `gala_gopher_tcp_link_rtt${labels(',le="100"')} 18 1`,
    `gala_gopher_tcp_link_rtt${labels(',le="+Inf"')} 20 1`,
    `gala_gopher_tcp_link_rtt_sum${labels("")} 1310 1`,
    `gala_gopher_tcp_link_rtt_max${labels("")} 160 1`,
    `gala_gopher_tcp_link_segs${labels("")} 5 1`,
  ]);
});

Deno.test("metadataJson writes the original's description of a table", () => {
  assert.equal(
    metadataJson(links(), Object.keys(CONSTANTS), 1655888408000),
    '{"timestamp": 1655888408000, "meta_name": "tcp_tx_rx", "entity_name": "tcp_link", "version": "1.0.0", ' +
      '"keys": ["machine_id", "tgid", "role"], "labels": ["hostname", "comm"], "metrics": ["rx_bytes", "srtt"]}',
  );
});
