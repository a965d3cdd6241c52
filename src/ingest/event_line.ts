// SPDX-License-Identifier: MulanPSL-2.0
/** Event and log lines of third-party probes, in the older and the newer form of the original. */
import { type Event, type Severity, SEVERITY_NUMBERS } from "../core/event.ts";

export type RecordKind = "event" | "log";

/** Where a severity stands among the parts tells which form a line has. */
const OLD_SEVERITY = 5;
const NEW_SEVERITY = 11;
const NEW_LABELS = ["PID", "COMM", "IP", "ContainerID", "POD", "Device"] as const;
const FIRST_NEW_LABEL = 5;
const ENTITY_REGEXP = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const MAX_BODY_CHARACTERS = 4096;

/**
 * `|event|entity|id|metric|SEV|number|body|`, or with `pid|comm|ip|container|pod|device` before the severity.
 * Undefined for what is neither.
 */
export function parseEventLine(line: string): Event | undefined {
  const parts = line.split("|");
  const at = isSeverity(parts[OLD_SEVERITY]) ? OLD_SEVERITY : NEW_SEVERITY;
  const [, , entity = "", id = "", metric = ""] = parts;
  const severity = parts[at];
  if (!isSeverity(severity) || parts.length < at + 3) return undefined;
  const severityNumber = SEVERITY_NUMBERS[severity];
  if (parts[at + 1] !== String(severityNumber)) return undefined;
  if (!ENTITY_REGEXP.test(entity) || !ENTITY_REGEXP.test(metric)) return undefined;
  const labels: Record<string, string> = {};
  for (const [i, name] of at === NEW_SEVERITY ? NEW_LABELS.entries() : []) {
    const value = parts[FIRST_NEW_LABEL + i]!;
    if (value !== "") labels[name] = value;
  }
  const body = parts.slice(at + 2).join("|").replace(/\|$/, "").slice(0, MAX_BODY_CHARACTERS);
  return { entity, id, metric, severity, severityNumber, body, labels };
}

function isSeverity(text: string | undefined): text is Severity {
  return text !== undefined && Object.hasOwn(SEVERITY_NUMBERS, text);
}

const LOG_REGEXP =
  /^\|log\|(\d{1,15})\|"?([A-Z]{1,10}\d?)"?\|(\d{1,2})\|(\{.*\})\|(\{.*\})\|(".*")\|?$/;

/** `|log|ms|"SEV"|number|{resource}|{attributes}|"body"|` as the JSON that goes out; undefined for what is not that. */
export function logLineJson(
  line: string,
  host: Readonly<Record<"machine_id" | "hostname", string>>,
): { readonly json: string; readonly severity: string } | undefined {
  const [, time, severity, number, resource, attributes, body] = LOG_REGEXP.exec(line) ?? [];
  if (severity === undefined) return undefined;
  try {
    const named = { "host.id": host.machine_id, "host.name": host.hostname };
    const record = {
      Timestamp: Number(time),
      SeverityText: severity,
      SeverityNumber: Number(number),
      Resource: { ...JSON.parse(resource!), ...named },
      Attributes: JSON.parse(attributes!),
      Body: JSON.parse(body!),
    };
    return { json: JSON.stringify(record), severity };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const NO_HOST = { machine_id: "", hostname: "" };

/** Tells a good record from one that nobody can make sense of. */
export function isRecord(kind: RecordKind, line: string): boolean {
  return (kind === "log" ? logLineJson(line, NO_HOST) : parseEventLine(line)) !== undefined;
}
