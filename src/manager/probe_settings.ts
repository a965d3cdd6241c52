// SPDX-License-Identifier: MulanPSL-2.0
/** A probe's view of its `settings` in the configuration: each value checked against what the probe asks for. */
import { ConfigError, type Place } from "../core/errors.ts";
import type { Settings, SettingValue } from "../core/probe.ts";

const FLAGS: ReadonlyMap<SettingValue, boolean> = new Map<SettingValue, boolean>([
  [true, true],
  [1, true],
  [false, false],
  [0, false],
]);

export function probeSettings(
  values: Readonly<Record<string, SettingValue>>,
  place: Place,
): Settings {
  const wrong = (name: string, allowed: string) =>
    new ConfigError(`setting "${name}" is ${JSON.stringify(values[name])}`, place, allowed);
  return {
    number(name, fallback, min = -Infinity, max = Infinity) {
      const value = values[name] ?? fallback;
      if (typeof value === "number" && value >= min && value <= max) return value;
      throw wrong(name, `a number from ${min} to ${max}`);
    },
    text(name, fallback) {
      const value = values[name] ?? fallback;
      if (typeof value === "string") return value;
      throw wrong(name, "a text");
    },
    flag(name, fallback) {
      const value = FLAGS.get(values[name] ?? fallback);
      if (value !== undefined) return value;
      throw wrong(name, "true or false");
    },
    pattern(name, fallback) {
      const value = values[name] ?? fallback;
      try {
        if (typeof value === "string") return new RegExp(value);
      } catch {
        // It is said below what is wrong with it.
      }
      throw wrong(name, "a regular expression");
    },
  };
}
