// SPDX-License-Identifier: MulanPSL-2.0
/** The parts of OTLP's JSON that metrics and log records share: attributes, and what says whose they are. */

/** Names that OpenTelemetry has for the labels that every row carries. */
const OF_RESOURCE: Readonly<Record<string, string>> = {
  machine_id: "host.id",
  hostname: "host.name",
};
const SCOPE = `"scope":{"name":"gala-gopher"}`;

export type Json = string | number | boolean | null | readonly Json[] | { [name: string]: Json };

/** `{"key":"pid","value":{"stringValue":"1"}}` for each, with commas between. What is nested becomes its JSON. */
export function attributesJson(pairs: Readonly<Record<string, Json>>): string {
  return Object.entries(pairs)
    .filter(([, value]) => value !== "" && value !== null)
    .map(([key, value]) => `{"key":${JSON.stringify(key)},"value":${anyValue(value)}}`)
    .join(",");
}

export function anyValue(value: Json): string {
  if (typeof value === "boolean") return `{"boolValue":${value}}`;
  if (typeof value === "number") return `{"doubleValue":${value}}`;
  return `{"stringValue":${
    JSON.stringify(typeof value === "string" ? value : JSON.stringify(value))
  }}`;
}

export interface Envelope {
  readonly before: string;
  readonly after: string;
}

/** What stands around the records of one host: `constants` are the labels that every row carries. */
export function envelopes(constants: Readonly<Record<string, string>>) {
  const named = Object.entries(constants).map((
    [name, value],
  ) => [OF_RESOURCE[name] ?? name, value]);
  const resource = `{"attributes":[${
    attributesJson({ "service.name": "gala-gopher", ...Object.fromEntries(named) })
  }]}`;
  const around = (kind: string, records: string): Envelope => ({
    before: `{"resource${kind}":[{"resource":${resource},"scope${kind}":[{${SCOPE},"${records}":[`,
    after: "]}]}]}",
  });
  return { metric: around("Metrics", "metrics"), event: around("Logs", "logRecords") };
}
