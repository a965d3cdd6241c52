// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { logLineJson, parseEventLine } from "./event_line.ts";

const HOST = { machine_id: "m", hostname: "h" };

Deno.test("parseEventLine reads the older form", () => {
  const body = "Sun Aug 21 21:22:25 2022 WARN Entity(x) TCP backlog queue drops(5).";
  assert.deepEqual(
    parseEventLine(`|event|tcp_link|1_0_10.0.0.1_10.0.0.2_0_80_2|backlog_drops|WARN|13|${body}|`),
    {
      entity: "tcp_link",
      id: "1_0_10.0.0.1_10.0.0.2_0_80_2",
      metric: "backlog_drops",
      severity: "WARN",
      severityNumber: 13,
      body,
      labels: {},
    },
  );
});

Deno.test("parseEventLine reads the newer form, with the labels that are not empty", () => {
  const event = parseEventLine("|event|nic|eth0|tx_dropped|7|sh||c1|p1|eth0|FATAL|21|a | b|");
  assert.deepEqual(event, {
    entity: "nic",
    id: "eth0",
    metric: "tx_dropped",
    severity: "FATAL",
    severityNumber: 21,
    body: "a | b",
    labels: { PID: "7", COMM: "sh", ContainerID: "c1", POD: "p1", Device: "eth0" },
  });
});

Deno.test("parseEventLine refuses what is neither", () => {
  for (
    const line of [
      "|event|",
      "|event|nic|eth0|tx_dropped|LOUD|13|body|",
      "|event|nic|eth0|tx_dropped|WARN|25|body|",
      "|event|nic|eth0|tx_dropped|WARN|13",
      "|event|n/c|eth0|tx_dropped|WARN|13|body|",
      '|event|nic|eth0|a"b|WARN|13|body|',
      "|event|nic|eth0|tx_dropped||||||eth0|WARN|thirteen|body|",
    ]
  ) assert.equal(parseEventLine(line), undefined, line);
});

Deno.test("logLineJson names the host in the record of OpenTelemetry, whatever bars its texts have", () => {
  const line = '|log|1661088145000|"INFO"|9|{"process.pid":7}|{"a":"x|y"}|"one | {two}"|';
  assert.deepEqual(logLineJson(line, HOST), {
    json: '{"Timestamp":1661088145000,"SeverityText":"INFO","SeverityNumber":9,"Resource":{' +
      '"process.pid":7,"host.id":"m","host.name":"h"},"Attributes":{"a":"x|y"},"Body":"one | {two}"}',
    severity: "INFO",
  });
  for (const bad of ['|log|x|"INFO"|9|{}|{}|"b"|', '|log|1|"INFO"|9|{|{}|"b"|', "|log|1|"]) {
    assert.equal(logLineJson(bad, HOST), undefined, bad);
  }
});
