// SPDX-License-Identifier: MulanPSL-2.0
/** What a probe's entry in the configuration says of events: its settings, or the arguments of the original's probes. */
import { type EventSettings, type Threshold, THRESHOLDS } from "../core/event.ts";
import { probeSettings } from "./probe_settings.ts";
import { EVENT_SETTINGS, type ProbeConfig } from "./schema.ts";

const ARGUMENTS: Readonly<Record<string, Threshold>> = {
  T: "latency_thr",
  J: "jitter_thr",
  D: "drops_thr",
  U: "res_upper_thr",
  L: "res_lower_thr",
};
const ARGUMENT_REGEXP = /-([A-Za-z])\s*([^\s-]\S*)?/g;

/** Throws ConfigError for a setting that is not a number of its range. */
export function eventSettings(
  { param, settings, place }: Omit<ProbeConfig, "name" | "switch" | "tables">,
): EventSettings {
  const values = probeSettings(EVENT_SETTINGS, { ...fromArguments(param), ...settings }, place);
  const limits = THRESHOLDS.map((name) => [name, values.number(name)]);
  return {
    ...Object.fromEntries(limits) as Record<Threshold, number>,
    report_event: values.flag("report_event"),
  };
}

function fromArguments(param: string): Record<string, number | boolean> {
  const given: Record<string, number | boolean> = {};
  for (const [, letter = "", value = ""] of param.matchAll(ARGUMENT_REGEXP)) {
    if (letter === "l") given.report_event = true;
    const name = ARGUMENTS[letter];
    if (name !== undefined && /^\d+$/.test(value)) given[name] = Number(value);
  }
  return given;
}
