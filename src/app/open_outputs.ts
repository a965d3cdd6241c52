// SPDX-License-Identifier: MulanPSL-2.0
/** The channels that the configuration names, opened. */
import type { Store } from "../core/store.ts";
import { type FileNaming, fileWithBackup, LogFiles, numberedFiles } from "../egress/log_files.ts";
import { type Channel, Outputs } from "../egress/outputs.ts";
import { jsonRows, type RowForm, textRows } from "../egress/row_forms.ts";
import type { Logger } from "../manager/log.ts";
import { channelsOf, type Config } from "../manager/schema.ts";
import { openKafka } from "./open_kafka.ts";

/** Of the event files together, and of the metadata files: as the original. */
const TOTAL_BYTES = 100e6;
const MB = 1e6;

/** Of the channels for metrics that are files. */
const FORMS: Readonly<Record<string, (constants: Readonly<Record<string, string>>) => RowForm>> = {
  logs: textRows,
  json: jsonRows,
};

export interface OpenOutputs {
  readonly outputs: Outputs;
  /** Opens all files anew: somebody has moved them away. */
  readonly reopen: () => void;
  /** Begins to send. */
  readonly start: () => void;
  /** Sends what is new for the last time, within a second. */
  readonly close: () => Promise<void>;
}

export function openOutputs(config: Config, store: Store, log: Logger): OpenOutputs {
  const { logs } = config;
  const kafka = openKafka(config, store.constantLabels, log);
  const files: LogFiles[] = [];
  const open = (folder: string, naming: FileNaming, totalBytes: number) => {
    const changed = (text: string, works: boolean) => log(works ? "info" : "error", text);
    const file = new LogFiles({ folder, naming, totalBytes, changed });
    files.push(file);
    return file;
  };
  const channels: Channel[] = [];
  const metric = channelsOf(config.metric.out_channel).filter((name) => Object.hasOwn(FORMS, name));
  for (const name of metric) {
    // The original's name; where both are on, the second needs one of its own.
    const file = name === "json" && metric.length > 1 ? "gopher_metrics_json" : "gopher_metrics";
    const total = logs.metric_total_size * MB / metric.length;
    const sink = open(logs.metric_dir, numberedFiles(file), total);
    channels.push({ kind: "metric", name, form: FORMS[name]!(store.constantLabels), sink });
  }
  if (kafka !== undefined) channels.push(...kafka.channels);
  for (const name of channelsOf(config.event.out_channel)) {
    if (name !== "logs") continue;
    const sink = open(logs.event_dir, numberedFiles("gopher_event"), TOTAL_BYTES);
    channels.push({ kind: "event", name, sink });
  }
  for (const name of channelsOf(config.meta.out_channel)) {
    if (name !== "logs") continue;
    const sink = open(logs.meta_dir, fileWithBackup("gopher_meta.log"), TOTAL_BYTES);
    channels.push({ kind: "meta", name, sink });
  }
  const outputs = new Outputs({
    store,
    channels,
    intervalMs: config.egress.interval * 1000,
    clock: Date.now,
    failed: (error) => log("error", `Output: ${error instanceof Error ? error.stack : error}`),
  });
  return {
    outputs,
    reopen: () => files.forEach((file) => file.reopen()),
    start: () => {
      outputs.start();
      kafka?.start();
    },
    close: async () => {
      await outputs.close();
      await kafka?.close();
    },
  };
}
