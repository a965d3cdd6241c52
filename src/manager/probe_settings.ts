// SPDX-License-Identifier: MulanPSL-2.0
/** A probe's view of its `settings` in the configuration: each value checked against what the probe declares. */
import { ConfigError, type Place } from "../core/errors.ts";
import type { Settings, SettingValue } from "../core/probe.ts";
import { acceptValue, describeAllowed, type Keys, partsOf } from "../core/setting_key.ts";

/** `keys` are what the probe declares; another name is its own mistake, a RangeError. */
export function probeSettings(
  keys: Keys,
  values: Readonly<Record<string, SettingValue>>,
  place: Place,
): Settings {
  const valueOf = (name: string): SettingValue => {
    const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
    if (key === undefined || key.kind === "map") throw new RangeError(`No setting "${name}"`);
    const given = values[name] ?? key.default;
    const value = acceptValue(key, given);
    if (value !== undefined) return value;
    const problem = `setting "${name}" is ${JSON.stringify(given)}`;
    throw new ConfigError(problem, place, describeAllowed(key));
  };
  return {
    number: (name) => Number(valueOf(name)),
    text: (name) => String(valueOf(name)),
    flag: (name) => valueOf(name) === true,
    pattern: (name) => new RegExp(String(valueOf(name))),
    list: (name) => partsOf(String(valueOf(name))),
    fileText(name) {
      const path = String(valueOf(name));
      if (path === "") return "";
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
 * Settings that stand in the original's form, as `-w FILE -l warn`: what `options` gives a name to. They count more than
 * `settings`, in which the file that comes along has every name.
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
