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
    list(name, form, allowed) {
      const parts = String(values[name] ?? "").split(",").map((part) => part.trim())
        .filter((part) => part !== "");
      if (!parts.every((part) => form.test(part))) throw wrong(name, allowed);
      return parts;
    },
    fileText(name) {
      const path = values[name] ?? "";
      if (path === "") return "";
      if (typeof path !== "string" || !path.startsWith("/")) throw wrong(name, "an absolute path");
      return readText(path, (reason) => {
        throw new ConfigError(`setting "${name}": cannot read "${path}": ${reason}`, place);
      });
    },
  };
}

/** Far above any list of names. */
const MAX_FILE_BYTES = 1 << 20;

function readText(path: string, refuse: (reason: string) => never): string {
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) refuse("it is no file");
    if (size > MAX_FILE_BYTES) refuse(`it has ${size} bytes, ${MAX_FILE_BYTES} are read at most`);
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof ConfigError || !(error instanceof Error)) throw error;
    return refuse(error.message);
  }
}

/**
 * Settings that stand in the original's form, as `-w FILE -l warn`: what `options` gives a name to. What is said in
 * `settings` too counts there.
 */
export function settingsOfParam(
  param: string,
  options: Readonly<Record<string, string>>,
): Record<string, string> {
  const words = param.split(/\s+/);
  const found: Record<string, string> = {};
  for (const [at, word] of words.entries()) {
    const name = /^-\w$/.test(word) ? options[word.slice(1)] : undefined;
    const value = words[at + 1];
    if (name !== undefined && value !== undefined) found[name] = value;
  }
  return found;
}
