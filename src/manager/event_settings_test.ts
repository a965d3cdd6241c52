// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { ConfigError } from "../core/errors.ts";
import { eventSettings } from "./event_settings.ts";

const PLACE = { file: "f" };
const OFF = {
  report_event: false,
  latency_thr: 0,
  jitter_thr: 0,
  drops_thr: 0,
  res_upper_thr: 0,
  res_lower_thr: 0,
};

Deno.test("eventSettings are off unless the probe's settings say otherwise", () => {
  assert.deepEqual(eventSettings({ param: "", settings: {}, place: PLACE }), OFF);
  const settings = { report_event: 1, res_upper_thr: 80, other: "x" };
  assert.deepEqual(eventSettings({ param: "", settings, place: PLACE }), {
    ...OFF,
    report_event: true,
    res_upper_thr: 80,
  });
});

Deno.test("eventSettings reads the arguments of the original's probes, and settings go before them", () => {
  const param = "-t 5 -w /opt/task.conf -l warn -T20 -J 7 -D 30 -U 80 -L 5 -P 7";
  assert.deepEqual(eventSettings({ param, settings: { drops_thr: 1 }, place: PLACE }), {
    report_event: true,
    latency_thr: 20,
    jitter_thr: 7,
    drops_thr: 1,
    res_upper_thr: 80,
    res_lower_thr: 5,
  });
});

Deno.test("eventSettings refuses numbers out of range", () => {
  for (const settings of [{ res_upper_thr: 101 }, { drops_thr: -1 }, { report_event: "yes" }]) {
    assert.throws(() => eventSettings({ param: "", settings, place: PLACE }), ConfigError);
  }
});
