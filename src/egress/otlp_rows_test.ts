// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { counter, gauge, table as declare } from "../core/declare.ts";
import { Store } from "../core/store.ts";
import { ByteWriter } from "./byte_writer.ts";
import { otlpEvent } from "./otlp_event.ts";
import { envelopes } from "./otlp_json.ts";
import { otlpRows } from "./otlp_rows.ts";

const NOW = 1656060384400;
const CONSTANTS = { machine_id: "4ad4", hostname: 'a"b' };

Deno.test("otlpRows writes a metric a line, with a point for each row that has a value", () => {
  const limits = { maxTables: 10, maxRows: 100, maxFields: 20, timeoutMs: 1000 };
  const spec = declare({
    entity: "tcp_link",
    keys: ["tgid"],
    labels: ["comm"],
    metrics: {
      rx_bytes: counter("Bytes.", "bytes"),
      load: gauge("Load.", "percent"),
      srtt: { type: "histogram", help: "Round trip.", unit: "us", bounds: [50, 100] },
      unknown: gauge("Never known.", "us"),
    },
  });
  const table = new Store(limits, CONSTANTS).add("tcp_tx_rx", "tcp", spec);
  const slots = [["1", 'é"'], ["2", ""]].map((labels) => table.row(labels, 1));
  for (const [column, value] of [4096, 1.5, 3, 4, 5, 1310].entries()) {
    table.set(slots[0]!, column, value);
  }
  table.set(slots[1]!, 0, 7);
  const out = new ByteWriter();
  // The increase since the last reading, which is not what goes out.
  const columns = Array.from({ length: table.columns }, () => new Float64Array(10));
  assert.equal(otlpRows().write(out, { table, slots: Int32Array.from(slots), columns }, NOW), 3);
  const time = { timeUnixNano: "1656060384400000000" };
  const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
  const first = { ...time, attributes: [text("tgid", "1"), text("comm", 'é"')] };
  const second = { ...time, attributes: [text("tgid", "2")] };
  const lines = new TextDecoder().decode(out.written).trim().split("\n");
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    {
      name: "gala_gopher_tcp_link_rx_bytes",
      description: "Bytes.",
      unit: "By",
      sum: {
        aggregationTemporality: 2,
        isMonotonic: true,
        dataPoints: [{ ...first, asDouble: 4096 }, { ...second, asDouble: 7 }],
      },
    },
    {
      name: "gala_gopher_tcp_link_load",
      description: "Load.",
      unit: "%",
      gauge: { dataPoints: [{ ...first, asDouble: 1.5 }] },
    },
    {
      name: "gala_gopher_tcp_link_srtt",
      description: "Round trip.",
      unit: "us",
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{
          ...first,
          count: "12",
          sum: 1310,
          bucketCounts: ["3", "4", "5"],
          explicitBounds: [50, 100],
        }],
      },
    },
  ]);
});

Deno.test("otlpEvent makes a log record of an event, and of a log line with any attributes", () => {
  const event = {
    Timestamp: NOW,
    event_id: "1_e",
    Attributes: { entity_id: "e", event_id: "1_e", event_type: "sys", event_state: "begin" },
    Resource: { metrics: "m", metric: "m", labels: { Host: "4ad4", PID: "7" } },
    SeverityText: "WARN",
    SeverityNumber: 13,
    Body: "bad\n",
  };
  const record = JSON.parse(otlpEvent(JSON.stringify(event)));
  const { attributes, ...rest } = record;
  assert.deepEqual(rest, {
    timeUnixNano: "1656060384400000000",
    observedTimeUnixNano: "1656060384400000000",
    severityNumber: 13,
    severityText: "WARN",
    body: { stringValue: "bad\n" },
  });
  const values = attributes.map((
    { key, value }: { key: string; value: { stringValue: string } },
  ) => [key, value.stringValue]);
  assert.deepEqual(Object.fromEntries(values), {
    metric: "m",
    Host: "4ad4",
    PID: "7",
    ...event.Attributes,
  });
  const line = {
    ...event,
    Attributes: { n: 1.5, yes: true, list: [1, "a"], none: null },
    Resource: {},
  };
  assert.deepEqual(JSON.parse(otlpEvent(JSON.stringify(line))).attributes, [
    { key: "n", value: { doubleValue: 1.5 } },
    { key: "yes", value: { boolValue: true } },
    { key: "list", value: { stringValue: '[1,"a"]' } },
  ]);
});

Deno.test("envelopes name the host as OpenTelemetry does", () => {
  const { metric, event } = envelopes(CONSTANTS);
  for (
    const [{ before, after }, kind, records] of [
      [metric, "Metrics", "metrics"],
      [event, "Logs", "logRecords"],
    ] as const
  ) {
    const [{ resource, [`scope${kind}`]: [{ [records]: found }] }] = JSON.parse(
      `${before}1,2${after}`,
    )[`resource${kind}`];
    assert.deepEqual(found, [1, 2]);
    assert.deepEqual(resource.attributes.map(({ key }: { key: string }) => key), [
      "service.name",
      "host.id",
      "host.name",
    ]);
    assert.equal(resource.attributes[2].value.stringValue, 'a"b');
  }
});
