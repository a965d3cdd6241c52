// SPDX-License-Identifier: MulanPSL-2.0
/** The environment variables of the original's container, which override the file. */
import type { Place } from "../core/errors.ts";
import { type Given, show } from "./config_check.ts";
import type { Findings } from "./config_findings.ts";
import { SECTIONS } from "./schema.ts";
import { acceptValue, describeAllowed, type Keys, type SimpleKey } from "../core/setting_key.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

interface Conversion {
  readonly convert: (text: string) => string;
  readonly allowed?: string;
}

const BROKER: Conversion = {
  convert: (text) => /:\d+$/.test(text) ? text : `${text}:9092`,
};

const CONVERSIONS: Readonly<Record<string, Conversion>> = {
  // The first spelling is the original's.
  GOPHER_KAKFA_SERVER: BROKER,
  GOPHER_KAFKA_SERVER: BROKER,
  GOPHER_REST_AUTH: {
    convert: (text) => ({ yes: "on", no: "off" })[text] ?? `${text} (not yes or no)`,
    allowed: "yes or no",
  },
};

/** Tells where a container finds the host, which a file may know better. */
const WEAK: ReadonlySet<string> = new Set(["GOPHER_HOST_PATH"]);

/** Adds what the environment sets to what the file gave. An empty variable counts as not set. */
export function applyEnvironment(given: Given, environment: Environment, findings: Findings): void {
  for (const [section, { keys }] of Object.entries(SECTIONS)) {
    for (const [name, key] of Object.entries(keys as Keys)) {
      const variable = key.env?.find((candidate) => environment[candidate]);
      if (variable === undefined || key.kind === "map") continue;
      const label = `${section}.${name}`;
      if (WEAK.has(variable) && given.has(label)) continue;
      const place = { file: `environment variable ${variable}` };
      const value = readVariable(variable, environment[variable]!, label, key, place, findings);
      if (value !== undefined) given.set(label, { value, place });
    }
  }
  if (environment.GOPHER_PROBES_INIT) {
    const place = { file: "environment variable GOPHER_PROBES_INIT" };
    findings.warn(place, "has no effect: no control of probes at run time yet");
  }
}

function readVariable(
  variable: string,
  text: string,
  label: string,
  key: SimpleKey,
  place: Place,
  findings: Findings,
): string | number | boolean | undefined {
  const conversion = CONVERSIONS[variable];
  const converted = conversion?.convert(text) ?? text;
  const isNumber = key.kind === "integer" || key.kind === "number";
  const value = isNumber && /^-?\d+(?:\.\d+)?$/.test(converted) ? Number(converted) : converted;
  const accepted = acceptValue(key, value);
  if (accepted === undefined) {
    findings.add(`${label} is ${show(text)}`, place, conversion?.allowed ?? describeAllowed(key));
  }
  return accepted;
}
