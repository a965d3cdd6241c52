// SPDX-License-Identifier: MulanPSL-2.0
/** Checks that concern several keys, and the finished configuration with all defaults. */
import { type Draft, type Given, keysOf } from "./config_check.ts";
import type { Findings } from "./config_findings.ts";
import {
  channelsOf,
  type Config,
  type KnownProbe,
  PROBE_KEYS,
  type ProbeConfig,
  SECTIONS,
  type Sections,
} from "./schema.ts";

/** Stands for the file where there is none. */
export const BUILT_IN = "built-in defaults";

/** What no key alone can tell. */
export function checkTogether(draft: Draft, findings: Findings): void {
  for (const section of ["web_server", "rest_api_server"]) checkTls(section, draft.given, findings);
  checkKafka(draft.given, findings);
  for (const section of ["kafka", "otlp"]) {
    checkPair(section, "cert_file", "key_file", draft.given, findings);
  }
  const lines = new Map<string, number | undefined>();
  for (const { name, place } of [...draft.probes ?? [], ...draft.extendProbes ?? []]) {
    if (lines.has(name)) {
      const problem = `duplicate probe "${name}", first in line ${lines.get(name)}`;
      findings.add(problem, place, "each name once in probes and extend_probes together");
    } else lines.set(name, place.line);
  }
}

function checkTls(section: string, given: Given, findings: Findings): void {
  const auth = given.get(`${section}.ssl_auth`);
  if (auth?.value !== "on") return;
  for (const name of ["private_key", "cert_file"]) {
    if (given.get(`${section}.${name}`)?.value) continue;
    findings.add(`${section}.ssl_auth is "on" without ${name}`, auth.place, "on with both files");
  }
  const authority = given.get(`${section}.ca_file`);
  // Serving everybody where a client certificate is asked for would be worse than not to start.
  if (authority?.value && keysOf(section).ca_file?.note === undefined) {
    findings.add(
      `${section}.ca_file: client certificates are not checked yet`,
      authority.place,
      '""',
    );
  }
}

function checkPair(
  section: string,
  name: string,
  other: string,
  given: Given,
  findings: Findings,
): void {
  const one = given.get(`${section}.${name}`);
  if (!one?.value || given.get(`${section}.${other}`)?.value) return;
  findings.add(`${section}.${name} without ${other}`, one.place, "both");
}

function checkKafka(given: Given, findings: Findings): void {
  const value = (name: string) => given.get(`kafka.${name}`)?.value || "";
  for (const kind of ["metric", "event", "meta"]) {
    const channel = given.get(`${kind}.out_channel`);
    if (channel === undefined || !channelsOf(String(channel.value)).includes("kafka")) continue;
    if (value("kafka_broker") !== "") continue;
    const problem = `${kind}.out_channel names kafka, but kafka.kafka_broker is empty`;
    findings.add(problem, channel.place, "kafka with a broker");
  }
  for (const other of ["sasl_username", "sasl_password"]) {
    checkPair("kafka", "sasl_mechanism", other, given, findings);
  }
}

export function buildConfig(
  draft: Draft,
  origin: string | undefined,
  known: readonly KnownProbe[],
  findings: Findings,
): Config {
  const { given, probes, extendProbes } = draft;
  for (const [label, { value, place }] of given) {
    const [section = "", name = ""] = label.split(".");
    const key = keysOf(section)[name]!;
    if (value === key.default) continue;
    if (key.note !== undefined) findings.warn(place, `${label} has no effect: ${key.note}`);
  }
  const sections = Object.entries(SECTIONS).map(([section, { keys }]) => {
    const values = Object.entries(keys).map(([name, key]) => {
      return [name, given.get(`${section}.${name}`)?.value ?? key.default];
    });
    return [section, Object.fromEntries(values)];
  });
  return {
    // Made from the same table as the type, whose values were checked against it.
    ...Object.fromEntries(sections) as Sections,
    probes: probes ?? known.map(defaultProbe),
    extend_probes: extendProbes ?? [],
    origin,
    warnings: findings.warnings,
  };
}

function defaultProbe({ name, on }: KnownProbe): ProbeConfig {
  const values = Object.entries(PROBE_KEYS).map(([key, { default: value }]) => [key, value]);
  return {
    ...Object.fromEntries(values),
    name,
    switch: on ? "on" : "off",
    place: { file: BUILT_IN },
  };
}
