// SPDX-License-Identifier: MulanPSL-2.0
/** The channels that the configuration names, opened. */
import { stackOf } from "../core/errors.ts";
import type { Store } from "../core/store.ts";
import { type FileNaming, fileWithBackup, LogFiles, numberedFiles } from "../egress/log_files.ts";
import type { OutboxOptions } from "../egress/outbox.ts";
import { type Channel, Outputs } from "../egress/outputs.ts";
import { jsonRows } from "../egress/json_rows.ts";
import { textRows } from "../egress/text_rows.ts";
import type { RowForm } from "../egress/row_form.ts";
import type { Logger } from "../manager/log.ts";
import { channelsOf, type Config } from "../manager/schema.ts";
import { openKafka } from "./open_kafka.ts";
import { openOtlp } from "./open_otlp.ts";

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
  /** Begins to send; resolves when events are safe as soon as they are handed over. */
  readonly start: () => Promise<void>;
  /** Sends what is new for the last time, within a second. */
  readonly close: () => Promise<void>;
}

export function openOutputs(config: Config, store: Store, log: Logger): OpenOutputs {
  const constants = store.constantLabels;
  const changed: OutboxOptions["changed"] = (text, works) => log(works ? "info" : "error", text);
  const files = openFiles(config, constants, changed);
  const kafka = openKafka(config, constants, changed);
  const otlp = openOtlp(config, constants, changed);
  const outputs = new Outputs({
    store,
    channels: [...files, ...kafka?.channels ?? [], ...otlp?.channels ?? []],
    intervalMs: config.egress.interval * 1000,
    clock: Date.now,
    failed: (error) => log("error", `Output: ${stackOf(error)}`),
  });
  let started = false;
  return {
    outputs,
    reopen: () => files.forEach(({ sink }) => sink.reopen()),
    start: async () => {
      started = true;
      outputs.start();
      otlp?.start();
      await kafka?.start();
    },
    close: async () => {
      // An agent that never ran, as that of doctor, leaves nothing behind.
      if (!started) return;
      await outputs.close();
      await Promise.all([kafka?.close(), otlp?.close()]);
    },
  };
}

type FileChannel = Channel & { readonly sink: LogFiles };

function openFiles(
  { metric, event, meta, logs }: Config,
  constants: Readonly<Record<string, string>>,
  changed: OutboxOptions["changed"],
): FileChannel[] {
  const open = (folder: string, naming: FileNaming, totalBytes: number) =>
    new LogFiles({ folder, naming, totalBytes, changed });
  const forms = channelsOf(metric.out_channel).filter((name) => Object.hasOwn(FORMS, name));
  const channels = forms.map((name): FileChannel => {
    // The original's name; where both are on, the second needs one of its own.
    const file = name === "json" && forms.length > 1 ? "gopher_metrics_json" : "gopher_metrics";
    const total = logs.metric_total_size * MB / forms.length;
    const sink = open(logs.metric_dir, numberedFiles(file), total);
    return { kind: "metric", name, form: FORMS[name]!(constants), sink };
  });
  const name = "logs";
  if (channelsOf(event.out_channel).includes(name)) {
    const sink = open(logs.event_dir, numberedFiles("gopher_event"), TOTAL_BYTES);
    channels.push({ kind: "event", name, sink });
  }
  if (channelsOf(meta.out_channel).includes(name)) {
    const sink = open(logs.meta_dir, fileWithBackup("gopher_meta.log"), TOTAL_BYTES);
    channels.push({ kind: "meta", name, sink });
  }
  return channels;
}
