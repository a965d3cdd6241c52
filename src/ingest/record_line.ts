// SPDX-License-Identifier: MulanPSL-2.0
/** Whether an event or log line of an external probe has the form of the original, v1 or master. */

export type RecordKind = "event" | "log";

/** `|event|entity|id|metric|SEV|number|body|`, and with pid, comm, ip, container, pod and device before the severity. */
const EVENT_PARTS: readonly number[] = [7, 13];
/** OpenTelemetry's numbers. */
const SEVERITIES: ReadonlyMap<string, string> = new Map([
  ["INFO", "9"],
  ["WARN", "13"],
  ["ERROR", "17"],
  ["FATAL", "21"],
]);
/** Time, severity, its number, resource, attributes and body; a bar may stand inside the last three. */
const LOG_REGEXP = /^\|log\|\d{1,16}\|"[A-Z]+\d?"\|\d{1,2}\|\{.*\}\|\{.*\}\|".*"\|?$/;

/** Tells a good record from one that nobody can make sense of. */
export function isRecord(kind: RecordKind, line: string): boolean {
  return kind === "log" ? LOG_REGEXP.test(line) : isEvent(line);
}

function isEvent(line: string): boolean {
  const parts = line.slice(1, line.endsWith("|") ? -1 : undefined).split("|");
  if (!EVENT_PARTS.includes(parts.length)) return false;
  const [, entity, , metric] = parts;
  const [severity, number] = parts.slice(-3);
  return entity !== "" && metric !== "" && SEVERITIES.get(severity!) === number;
}
