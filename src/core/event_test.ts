// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { eventSettings } from "../../tests/event_settings.ts";
import { cleanEntityId, eventBody, judge } from "./event.ts";

const OFF = eventSettings();
const USE = { above: "res_upper_thr", below: "res_lower_thr", says: "Use" } as const;

Deno.test("cleanEntityId keeps what the documented rule allows, and turns all else into a colon", () => {
  const allowed = "aZ09_-:.@()+,=;$!*'%";
  assert.equal(cleanEntityId(allowed), allowed);
  assert.equal(cleanEntityId('/dev/sda 1"é\n'), ":dev:sda:1:::");
  assert.equal(cleanEntityId("x".repeat(300)).length, 254);
});

Deno.test("judge finds a value above or below its limit, and nothing where the limit is 0", () => {
  const settings = { ...OFF, res_upper_thr: 80, res_lower_thr: 10 };
  assert.equal(judge(USE, 80.456, "percent", settings), "Use is 80.46%, above 80%");
  assert.equal(judge(USE, 80, "percent", settings), undefined);
  assert.equal(judge(USE, 10, "percent", settings), undefined);
  assert.equal(judge(USE, 9, "percent", settings), "Use is 9%, below 10%");
  assert.equal(judge(USE, 100, "percent", OFF), undefined);
  assert.equal(judge(USE, NaN, "percent", settings), undefined);
});

Deno.test("judge takes latency_thr as milliseconds whatever the unit of the metric", () => {
  const rule = { above: "latency_thr", says: "Round trip" } as const;
  const settings = { ...OFF, latency_thr: 20 };
  for (const [unit, factor] of [["ns", 1e6], ["us", 1e3], ["ms", 1], ["seconds", 1e-3]] as const) {
    assert.equal(judge(rule, 20 * factor, unit, settings), undefined, unit);
    assert.match(judge(rule, 21 * factor, unit, settings) ?? "", /^Round trip is .*, above /, unit);
  }
});

Deno.test("judge takes percent for a hundredth where the metric is a ratio", () => {
  const settings = { ...OFF, res_upper_thr: 80 };
  assert.equal(judge(USE, 0.8, "ratio", settings), undefined);
  assert.equal(judge(USE, 0.81, "ratio", settings), "Use is 0.81 ratio, above 0.8 ratio");
});

Deno.test("judge with the limit 0 in the rule finds any number but nought, whatever the settings", () => {
  const rule = { above: 0, says: "Out of memory" } as const;
  assert.equal(judge(rule, 0, "count", OFF), undefined);
  assert.equal(judge(rule, 2, "count", OFF), "Out of memory: 2 count");
});

Deno.test("eventBody begins as the original's: local time, severity, entity", () => {
  const first = new Date(2022, 7, 1, 21, 2, 5).getTime();
  assert.equal(
    eventBody(first, "WARN", "eth0", "drops"),
    "Mon Aug  1 21:02:05 2022 WARN Entity(eth0) drops",
  );
  assert.equal(eventBody(first, "WARN", "x".repeat(999), "").length, 512);
});
