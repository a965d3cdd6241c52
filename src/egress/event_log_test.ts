// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import type { Event } from "../core/event.ts";
import { EventLog } from "./event_log.ts";

const EVENT: Event = {
  entity: "thread",
  id: "12302",
  metric: "off_cpu_ns",
  severity: "WARN",
  severityNumber: 13,
  body: "Sun Aug 21 21:22:25 2022 WARN Entity(12302) Process(a) was off CPU",
  labels: { PID: "12302" },
};

function setUp(machineId = "4ad4") {
  const clock = { now: 1661088145000 };
  const sent: string[] = [];
  const log = new EventLog({
    machineId,
    timeoutMs: 600_000,
    clock: () => clock.now,
    send: (json) => sent.push(json),
  });
  return { clock, sent, log };
}

Deno.test("EventLog writes an event as the original, for its older and newer consumers", () => {
  const { log, sent } = setUp();
  assert.equal(log.report(EVENT), true);
  assert.deepEqual(sent, [
    '{"Timestamp":1661088145000,"event_id":"1661088145000_4ad4_thread_12302","Attributes":{' +
    '"entity_id":"4ad4_thread_12302","event_id":"1661088145000_4ad4_thread_12302","event_type":"sys",' +
    '"event_state":"begin"},"Resource":{"metrics":"gala_gopher_thread_off_cpu_ns",' +
    '"metric":"gala_gopher_thread_off_cpu_ns","labels":{"Host":"4ad4","PID":"12302"}},' +
    '"SeverityText":"WARN","SeverityNumber":13,"Body":"' + EVENT.body + '"}',
  ]);
});

Deno.test("EventLog cleans the id, and leaves a full metric name as it is", () => {
  const { log, sent } = setUp("");
  log.report({ ...EVENT, entity: "fs", id: "/var/lib", metric: "gala_gopher_fs_UsePer" });
  const { Attributes, Resource } = JSON.parse(sent[0]!);
  assert.equal(Attributes.entity_id, "fs_:var:lib");
  assert.deepEqual(Resource, {
    metrics: "gala_gopher_fs_UsePer",
    metric: "gala_gopher_fs_UsePer",
    labels: { PID: "12302" },
  });
});

Deno.test("EventLog leaves out repeats within the time-out and counts them, but no other metric and no end", () => {
  const { log, sent, clock } = setUp();
  assert.equal(log.report(EVENT), true);
  clock.now += 599_999;
  assert.equal(log.report(EVENT), false);
  assert.equal(log.report({ ...EVENT, metric: "iowait_us" }), true);
  assert.equal(log.report({ ...EVENT, severity: "INFO" }, "end"), true);
  assert.equal(log.report(EVENT), false);
  clock.now += 1;
  assert.equal(log.report(EVENT), true);
  assert.equal(sent.length, 4);
  assert.deepEqual(log.counts(), [
    { entity: "thread", severity: "WARN", reported: 3, suppressed: 2 },
    { entity: "thread", severity: "INFO", reported: 1, suppressed: 0 },
  ]);
  const shown = JSON.parse(log.latest());
  assert.deepEqual(shown.map(({ repeats }: { repeats: number }) => repeats), [2, 0, 0, 0]);
  assert.equal(shown[2].Attributes.event_state, "end");
});

Deno.test("EventLog sends an event again when the clock was set back a day", () => {
  const { log, clock } = setUp();
  log.report(EVENT);
  clock.now -= 86_400_000;
  assert.equal(log.report(EVENT), true);
});

Deno.test("EventLog keeps the last 1,000, and counts a flood of entities together", () => {
  const { log, sent } = setUp();
  assert.equal(log.latest(), "[]");
  for (let i = 0; i < 5003; i++) log.report({ ...EVENT, entity: `e${i}` });
  assert.equal(sent.length, 5003);
  const shown = JSON.parse(log.latest());
  assert.equal(shown.length, 1000);
  assert.equal(shown[999].Attributes.entity_id, "4ad4_e5002_12302");
  const counts = log.counts();
  assert.equal(counts.length, 257);
  assert.equal(counts.find(({ entity }) => entity === "others")?.reported, 5003 - 256);
});

Deno.test("EventLog passes a finished record on", () => {
  const { log, sent } = setUp();
  log.pass('{"Body":"b"}', "INFO");
  assert.deepEqual(sent, ['{"Body":"b"}']);
  assert.deepEqual(JSON.parse(log.latest()), [{ Body: "b", repeats: 0 }]);
  assert.equal(log.counts()[0]?.entity, "log");
});
