// SPDX-License-Identifier: MulanPSL-2.0
/** The channels to Kafka that the configuration names: an outbox for each kind, one spool and one sender for all. */
import { messageOf } from "../core/errors.ts";
import type { KafkaOptions } from "../egress/kafka_client.ts";
import { LineSender, sinkTo } from "../egress/line_sender.ts";
import { Outbox, type OutboxOptions } from "../egress/outbox.ts";
import type { Channel, OutputKind } from "../egress/outputs.ts";
import { kafkaRows } from "../egress/kafka_rows.ts";
import { Spool } from "../egress/spool.ts";
import { channelsOf, type Config } from "../manager/schema.ts";
import { tlsOf } from "./tls_files.ts";

/** A broker takes 1 MiB unless told otherwise; half of it costs no more CPU time, and less memory. */
const MAX_BATCH_BYTES = 500_000;
const MB = 1e6;
/** The least important first. */
const KINDS = ["metric", "meta", "event"] as const satisfies readonly OutputKind[];

export interface OpenKafka {
  readonly channels: readonly Channel[];
  /** Resolves when what comes is safe: the spool is open. */
  start(): Promise<void>;
  close(): Promise<void>;
}

/** Undefined where no channel is Kafka. Opens nothing before the start. */
export function openKafka(
  config: Config,
  constants: Readonly<Record<string, string>>,
  changed: OutboxOptions["changed"],
): OpenKafka | undefined {
  const kinds = KINDS.filter((kind) => channelsOf(config[kind].out_channel).includes("kafka"));
  if (kinds.length === 0) return undefined;
  const { kafka } = config;
  const spool = Promise.withResolvers<Spool | undefined>();
  const outboxes = kinds.map((kind) =>
    new Outbox({
      kind,
      durable: kind === "event",
      spool: spool.promise,
      maxBytes: kafka.queue_buffering_max_kbytes * 1000,
      maxLines: kafka.queue_buffering_max_messages,
      wake: () => sender.wake(),
      changed,
    })
  );
  const sender: LineSender = new LineSender({
    place: "Kafka",
    carrier: async () => {
      const options = kafkaOptions(config, constants);
      return (await import("../egress/kafka_client.ts")).kafkaClient(options);
    },
    streams: outboxes.map((outbox, i) => {
      const target = config[kinds[i]!].kafka_topic;
      return { outbox, target, called: `topic "${target}"` };
    }).toReversed(),
    maxMessages: kafka.batch_num_messages,
    maxBytes: MAX_BATCH_BYTES,
    lingerMs: kafka.queue_buffering_max_ms,
    changed,
  });
  return {
    channels: outboxes.map((outbox, i) => channelTo(outbox, kinds[i]!, constants)),
    start: async () => {
      spool.resolve(await openSpool(config, changed));
      sender.start();
    },
    close: async () => {
      const opened = await spool.promise;
      await sender.close();
      await opened?.close();
    },
  };
}

function channelTo(
  outbox: Outbox,
  kind: OutputKind,
  constants: Readonly<Record<string, string>>,
): Channel {
  const channel = { kind, name: "kafka", sink: sinkTo(outbox) };
  return kind === "metric" ? { ...channel, form: kafkaRows(constants) } : channel;
}

async function openSpool(
  { kafka }: Config,
  changed: OutboxOptions["changed"],
): Promise<Spool | undefined> {
  const { spool_dir: folder, spool_max_size: size } = kafka;
  if (folder === "") return undefined;
  try {
    return await Spool.open({ folder, maxBytes: size * MB, kinds: KINDS });
  } catch (error) {
    const reason = messageOf(error);
    changed(`Cannot open the spool "${folder}", so what waits is only in memory: ${reason}`, false);
    return undefined;
  }
}

function kafkaOptions(
  { kafka }: Config,
  constants: Readonly<Record<string, string>>,
): KafkaOptions {
  const brokers = kafka.kafka_broker.split(",")
    .map((broker) => /:\d+$/.test(broker) ? broker : `${broker}:9092`);
  const { compression_codec: codec, sasl_mechanism: mechanism } = kafka;
  const { sasl_username: username, sasl_password: password } = kafka;
  return {
    brokers,
    compression: codec,
    key: constants.machine_id || constants.hostname || "gala-gopher",
    ...(kafka.ssl === "on" ? { tls: tlsOf(kafka) } : {}),
    ...(mechanism === "" ? {} : { sasl: { mechanism, username, password } }),
  };
}
