// SPDX-License-Identifier: MulanPSL-2.0
/** The channels to an OpenTelemetry collector: an outbox for metrics, one for events, and one sender for both. */
import { LineSender, sinkTo } from "../egress/line_sender.ts";
import type { OtlpOptions } from "../egress/otlp_client.ts";
import { otlpEvent } from "../egress/otlp_event.ts";
import { envelopes } from "../egress/otlp_json.ts";
import { otlpRows } from "../egress/otlp_rows.ts";
import { Outbox, type OutboxOptions } from "../egress/outbox.ts";
import type { Channel } from "../egress/outputs.ts";
import { channelsOf, type Config } from "../manager/schema.ts";
import { tlsOf } from "./tls_files.ts";

/** The most important first. */
const KINDS = ["event", "metric"] as const;
const TARGETS = { event: "/v1/logs", metric: "/v1/metrics" } as const;
/** Before compression; collectors take some megabytes. */
const MAX_REQUEST_BYTES = 1_000_000;
/** Events that come together go together. */
const LINGER_MS = 100;

export interface OpenOtlp {
  readonly channels: readonly Channel[];
  start(): void;
  close(): Promise<void>;
}

/** Undefined where no channel is OTLP. Opens nothing before the start. */
export function openOtlp(
  config: Config,
  constants: Readonly<Record<string, string>>,
  changed: OutboxOptions["changed"],
): OpenOtlp | undefined {
  const kinds = KINDS.filter((kind) => channelsOf(config[kind].out_channel).includes("otlp"));
  if (kinds.length === 0) return undefined;
  const streams = kinds.map((kind) => ({
    outbox: new Outbox({
      kind,
      durable: false,
      spool: Promise.resolve(undefined),
      maxBytes: config.otlp.queue_max_kbytes * 1000,
      maxLines: Infinity,
      wake: () => sender.wake(),
      changed,
    }),
    target: TARGETS[kind],
    called: TARGETS[kind],
  }));
  const sender: LineSender = new LineSender({
    place: "OpenTelemetry collector",
    carrier: async () => {
      const options = otlpOptions(config, constants);
      return (await import("../egress/otlp_client.ts")).otlpClient(options);
    },
    streams,
    maxMessages: Infinity,
    maxBytes: MAX_REQUEST_BYTES,
    lingerMs: LINGER_MS,
    changed,
  });
  const forms = { metric: { form: otlpRows() }, event: { eventForm: otlpEvent } };
  return {
    channels: streams.map(({ outbox }, i): Channel => (
      { kind: kinds[i]!, name: "otlp", sink: sinkTo(outbox), ...forms[kinds[i]!] }
    )),
    start: () => sender.start(),
    close: () => sender.close(),
  };
}

function otlpOptions(
  { otlp }: Config,
  constants: Readonly<Record<string, string>>,
): OtlpOptions {
  const { metric, event } = envelopes(constants);
  return {
    endpoint: otlp.endpoint.replace(/\/+$/, ""),
    headers: headersOf(otlp.headers),
    gzip: otlp.compression === "gzip",
    timeoutMs: otlp.timeout * 1000,
    tls: tlsOf(otlp),
    envelopes: { [TARGETS.metric]: metric, [TARGETS.event]: event },
  };
}

function headersOf(text: string): Record<string, string> {
  const pairs = text.split(",").filter((pair) => pair.trim() !== "").map((pair) => {
    const [name = "", ...value] = pair.split("=");
    return [name.trim(), value.join("=").trim()];
  });
  return Object.fromEntries(pairs);
}
