// SPDX-License-Identifier: MulanPSL-2.0
/** Events: anomalies that a threshold or a third-party probe finds. Severities are those of OpenTelemetry. */

export const SEVERITY_NUMBERS = { INFO: 9, WARN: 13, ERROR: 17, FATAL: 21 } as const;
export type Severity = keyof typeof SEVERITY_NUMBERS;

export interface Event {
  /** Kind of thing, as in metric names. */
  readonly entity: string;
  /** Which one, without host and kind. */
  readonly id: string;
  /** Name of the metric, without prefix and entity. */
  readonly metric: string;
  readonly severity: Severity;
  readonly severityNumber: number;
  readonly body: string;
  /** What else is known: PID, COMM, IP, ContainerID, POD, Device. */
  readonly labels: Readonly<Record<string, string>>;
}

/** How a condition goes on: it began, or it is over. */
export type EventState = "begin" | "end";

/** The limits that a probe's settings name; 0 switches one off. */
export const THRESHOLDS = [
  "latency_thr",
  "jitter_thr",
  "drops_thr",
  "res_upper_thr",
  "res_lower_thr",
] as const;
export type Threshold = typeof THRESHOLDS[number];

export type EventSettings = Readonly<Record<Threshold, number>> & {
  /** Whether the probe reports events at all. */
  readonly report_event: boolean;
};

/** When a metric is an anomaly. Counters are judged by their increase over the period. */
export interface EventRule {
  /** What the number is, as the start of a sentence. */
  readonly says: string;
  /** The setting that the number must not pass; 0: any number but nought is an anomaly. */
  readonly above?: Exclude<Threshold, "res_lower_thr"> | 0;
  /** The setting that the number must not fall below. */
  readonly below?: "res_lower_thr";
}

/**
 * Milliseconds, in which `latency_thr` and `jitter_thr` are given, and percent, in which `res_..._thr` are, to the unit of
 * a metric.
 */
const FACTORS: Readonly<Record<string, number>> = {
  ns: 1e6,
  us: 1e3,
  ms: 1,
  s: 1e-3,
  seconds: 1e-3,
  ratio: 0.01,
};

/** What is wrong with the value, as a sentence without full stop; undefined if nothing is. */
export function judge(
  rule: EventRule,
  value: number,
  unit: string,
  settings: EventSettings,
): string | undefined {
  const shown = (number: number) =>
    `${Number(number.toFixed(2))}${unit === "percent" ? "%" : ` ${unit}`}`;
  const { says, above, below } = rule;
  if (above === 0 && value > 0) return `${says}: ${shown(value)}`;
  if (above !== undefined && above !== 0) {
    const limit = settings[above] * (FACTORS[unit] ?? 1);
    if (limit > 0 && value > limit) return `${says} is ${shown(value)}, above ${shown(limit)}`;
  }
  const least = below === undefined ? 0 : settings[below] * (FACTORS[unit] ?? 1);
  return value < least ? `${says} is ${shown(value)}, below ${shown(least)}` : undefined;
}

const MAX_ID_CHARACTERS = 254;
const FOREIGN_REGEXP = /[^A-Za-z0-9_\-:.@()+,=;$!*'%]/g;

/** The documented form of an entity's id: other characters become ":", and it ends after 254. */
export function cleanEntityId(id: string): string {
  return id.slice(0, MAX_ID_CHARACTERS).replace(FOREIGN_REGEXP, ":");
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const MAX_BODY_CHARACTERS = 512;

/** `Sun Aug 21 21:22:25 2022 WARN Entity(12302) text`, in local time. */
export function eventBody(now: number, severity: Severity, id: string, text: string): string {
  const date = new Date(now);
  const two = (number: number) => String(number).padStart(2, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":");
  const day = `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${
    String(date.getDate()).padStart(2)
  }`;
  const body = `${day} ${time} ${date.getFullYear()} ${severity} Entity(${id}) ${text}`;
  return body.slice(0, MAX_BODY_CHARACTERS);
}
