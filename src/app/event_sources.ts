// SPDX-License-Identifier: MulanPSL-2.0
/** Where events come from: thresholds of tables, the system log, and lines of third-party probes. */
import { stackOf } from "../core/errors.ts";
import type { Event, EventSettings } from "../core/event.ts";
import type { Store } from "../core/store.ts";
import { EventLog } from "../egress/event_log.ts";
import { ThresholdWatch } from "../egress/threshold_watch.ts";
import { logLineJson, parseEventLine, type RecordKind } from "../ingest/event_line.ts";
import { eventSettings } from "../manager/event_settings.ts";
import type { Logger } from "../manager/log.ts";
import type { Config } from "../manager/schema.ts";

export interface EventSourcesOptions {
  readonly config: Config;
  readonly store: Store;
  readonly log: Logger;
  readonly send: (json: string) => void;
}

export class EventSources {
  readonly events: EventLog;
  readonly #options: EventSourcesOptions;
  readonly #watch: ThresholdWatch;
  #settings: ReadonlyMap<string, EventSettings>;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Throws ConfigError for settings of a probe that do not fit. */
  constructor(options: EventSourcesOptions) {
    const { config, store, send } = options;
    this.#options = options;
    this.events = new EventLog({
      machineId: store.constantLabels.machine_id ?? "",
      timeoutMs: config.event.timeout * 1000,
      clock: Date.now,
      send,
    });
    this.#settings = settingsOf(config);
    this.#watch = new ThresholdWatch({
      store,
      events: this.events,
      settingsOf: (probe) => this.#settings.get(probe),
      clock: Date.now,
    });
  }

  /** Begins to judge tables, once a reading of the probes. */
  start(): void {
    const check = () => {
      this.#watch.check().catch((error) => {
        this.#options.log("error", `Thresholds: ${stackOf(error)}`);
      });
    };
    check();
    this.#timer = setInterval(check, this.#options.config.ingress.interval * 1000);
  }

  /** Takes the settings of a new configuration. Throws as the constructor does. */
  configure(config: Config): void {
    this.#settings = settingsOf(config);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  report(event: Event): void {
    this.events.report(event);
  }

  /** Takes a record of a third-party probe. */
  record(kind: RecordKind, line: string): void {
    const { machine_id = "", hostname = "" } = this.#options.store.constantLabels;
    // Bad ones have been refused, and counted, where they were read.
    const event = kind === "event" ? parseEventLine(line) : undefined;
    if (event !== undefined) this.events.report(event);
    const entry = kind === "log" ? logLineJson(line, { machine_id, hostname }) : undefined;
    if (entry !== undefined) this.events.pass(entry.json, entry.severity);
  }
}

function settingsOf({ probes }: Config): ReadonlyMap<string, EventSettings> {
  return new Map(probes.map((probe) => [probe.name, eventSettings(probe)]));
}
