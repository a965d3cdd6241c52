// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Events on their way out: repeats left out and counted, the last ones kept for `/events`, each written as the
 * original does. Its consumers look for `Resource.metrics` (older) or `Resource.metric` (newer): both are there.
 */
import { cleanEntityId, type Event, type EventState } from "../core/event.ts";
import { METRIC_PREFIX } from "../core/store.ts";

export interface EventLogOptions {
  /** Identifies the host in entity ids; may be empty. */
  readonly machineId: string;
  /** Time for which another event of the same entity and metric is left out. */
  readonly timeoutMs: number;
  /** Unix time in ms. */
  readonly clock: () => number;
  readonly send: (json: string) => void;
}

export interface EventCount {
  readonly entity: string;
  readonly severity: string;
  readonly reported: number;
  /** Repeats that were left out. */
  readonly suppressed: number;
}

type Counting = { -readonly [Field in keyof EventCount]: EventCount[Field] };

interface Kept {
  readonly json: string;
  repeats: number;
}

interface Heard {
  readonly at: number;
  readonly kept: Kept;
}

const MAX_KEPT = 1000;
/** Conditions whose repeats are known; beyond, the oldest is forgotten, and at worst repeated. */
const MAX_HEARD = 4096;
/** Pairs of entity and severity that are counted apart; a probe may name any entity. */
const MAX_COUNTS = 256;
const OTHERS = "others";

export class EventLog {
  readonly #options: EventLogOptions;
  readonly #kept: Kept[] = [];
  readonly #heard = new Map<string, Heard>();
  readonly #counts = new Map<string, Counting>();

  constructor(options: EventLogOptions) {
    this.#options = options;
  }

  /** Sends the event unless it repeats one of the last `timeoutMs`. Says whether it was sent. */
  report(event: Event, state: EventState = "begin"): boolean {
    const { clock, timeoutMs } = this.#options;
    const now = clock();
    const count = this.#countOf(event.entity, event.severity);
    const key = `${event.entity}\0${event.id}\0${event.metric}`;
    const before = this.#heard.get(key);
    // The clock may have been set back.
    const repeated = before !== undefined && Math.abs(now - before.at) < timeoutMs;
    if (state === "begin" && repeated) {
      before.kept.repeats++;
      count.suppressed++;
      return false;
    }
    const kept = this.#send(this.#render(event, state, now));
    count.reported++;
    if (state === "begin") this.#hear(key, { at: now, kept });
    return true;
  }

  /** Sends a record that has its final form already: a log line of OpenTelemetry. */
  pass(json: string, severity: string): void {
    this.#countOf("log", severity).reported++;
    this.#send(json);
  }

  /** The last events, oldest first, as a JSON array; each says how many repeats of it were left out. */
  latest(): string {
    const items = this.#kept.map(({ json, repeats }) =>
      `${json.slice(0, -1)},"repeats":${repeats}}`
    );
    return `[${items.join(",\n")}]`;
  }

  counts(): readonly EventCount[] {
    return [...this.#counts.values()];
  }

  #render(event: Event, state: EventState, now: number): string {
    const { machineId } = this.#options;
    const { entity, id, metric, severity, severityNumber, body, labels } = event;
    const parts = [machineId, entity, id].filter((part) => part !== "");
    const entityId = cleanEntityId(parts.join("_"));
    const eventId = `${now}_${entityId}`;
    const prefix = `${METRIC_PREFIX}${entity}_`;
    const name = metric.startsWith(METRIC_PREFIX) ? metric : prefix + metric;
    const host = machineId === "" ? {} : { Host: machineId };
    return JSON.stringify({
      Timestamp: now,
      event_id: eventId,
      Attributes: { entity_id: entityId, event_id: eventId, event_type: "sys", event_state: state },
      Resource: { metrics: name, metric: name, labels: { ...host, ...labels } },
      SeverityText: severity,
      SeverityNumber: severityNumber,
      Body: body,
    });
  }

  #send(json: string): Kept {
    const kept = { json, repeats: 0 };
    if (this.#kept.length === MAX_KEPT) this.#kept.shift();
    this.#kept.push(kept);
    this.#options.send(json);
    return kept;
  }

  #hear(key: string, heard: Heard): void {
    this.#heard.delete(key);
    if (this.#heard.size >= MAX_HEARD) this.#heard.delete(this.#heard.keys().next().value!);
    this.#heard.set(key, heard);
  }

  #countOf(entity: string, severity: string): Counting {
    const key = `${entity}\0${severity}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return known;
    if (this.#counts.size >= MAX_COUNTS && entity !== OTHERS) {
      return this.#countOf(OTHERS, severity);
    }
    const count = { entity, severity, reported: 0, suppressed: 0 };
    this.#counts.set(key, count);
    return count;
  }
}
