// SPDX-License-Identifier: MulanPSL-2.0
/** Settings of events for tests. */
import { type EventSettings, type Threshold, THRESHOLDS } from "../src/core/event.ts";

/** Events are on, with these thresholds; all others are off. */
export function eventSettings(
  thresholds: Readonly<Partial<Record<Threshold, number>>> = {},
): EventSettings {
  const off = Object.fromEntries(THRESHOLDS.map((name) => [name, 0]));
  return { ...off as Record<Threshold, number>, ...thresholds, report_event: true };
}
