// SPDX-License-Identifier: MulanPSL-2.0
/** The only file that knows kafkajs. It is imported when Kafka is configured, and not before. */
import { messageOf } from "../core/errors.ts";
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import kafkajs, { type Message, type Producer, type SASLOptions } from "kafkajs";
// @ts-types="./kafkajs_broker.d.ts"
import Broker from "kafkajs/src/broker/index.js";
// @ts-types="./kafkajs_request_queue.d.ts"
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import type { Carrier, Carrying, SendFailure } from "./line_sender.ts";

const { CompressionCodecs, CompressionTypes, Kafka, Partitioners, logLevel } = kafkajs;

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly compression: "none" | "gzip" | "snappy" | "zstd";
  /** Key of every message: the lines of a host stay in one partition, and so in order. */
  readonly key: string;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  };
}

const TYPES: Readonly<Record<KafkaOptions["compression"], number>> = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  zstd: CompressionTypes.ZSTD,
};

/** A connection that does not come about in this time does not come about. */
const CONNECT_MS = 5000;
const REQUEST_MS = 15_000;
/** The broker waits this long for replicas; its answer then still arrives in time. */
const REPLICAS_MS = 10_000;
/** Within one call; then the sender begins anew with another connection. */
const RETRIES = 3;

/**
 * kafkajs 2.2.4 asks for a timer after every answer, also when nothing waits and nobody throttles: then with a time in
 * the past, of which the runtime warns. Who has nothing to wait for needs no timer.
 */
const PENDING_CHECK_MS = 10;
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const wait = this.throttledUntil - Date.now();
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, wait > 0 ? wait : PENDING_CHECK_MS);
};

/**
 * Messages that may be stored without our knowing. kafkajs tries several times and tells the last error only: a first
 * attempt without an answer, then a refusal, looks like a refusal.
 */
const IN_DOUBT = new WeakSet<readonly Message[]>();
const produce = Broker.prototype.produce;
Broker.prototype.produce = async function (this: Broker, request) {
  try {
    return await produce.call(this, request);
  } catch (error) {
    if (!tellsNotStored(error)) {
      for (const { partitions } of request.topicData) {
        for (const { messages } of partitions) IN_DOUBT.add(messages);
      }
    }
    throw error;
  }
};

const compressZstd = promisify(zstdCompress);
const decompressZstd = promisify(zstdDecompress);
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compressZstd(buffer),
  decompress: (buffer: Buffer) => decompressZstd(buffer),
});
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async ({ buffer }: { buffer: Buffer }) =>
    Buffer.from((await snappy()).compress(buffer)),
  decompress: async (buffer: Buffer) => Buffer.from((await snappy()).uncompress(buffer)),
});

async function snappy() {
  // @ts-types="./snappyjs.d.ts"
  return (await import("snappyjs")).default;
}

export function kafkaClient(options: KafkaOptions): Carrier {
  const kafka = new Kafka({
    clientId: "gala-gopher",
    brokers: [...options.brokers],
    ...(options.tls === undefined ? {} : { ssl: options.tls }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl as SASLOptions }),
    connectionTimeout: CONNECT_MS,
    authenticationTimeout: CONNECT_MS,
    requestTimeout: REQUEST_MS,
    retry: { retries: RETRIES, initialRetryTime: 100, maxRetryTime: 1000 },
    logLevel: logLevel.NOTHING, // the sender says what is wrong, once
  });
  return {
    connect: async () => {
      const producer = kafka.producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        idempotent: true,
        maxInFlightRequests: 1,
        allowAutoTopicCreation: true,
      });
      try {
        await producer.connect();
      } catch (error) {
        await producer.disconnect().catch(() => {});
        throw error;
      }
      return producing(producer, options);
    },
    failureOf,
  };
}

/**
 * kafkajs groups messages by partition with a `reduce` that copies the whole group for each message: 10,000 messages
 * make 400 MB of garbage. All of ours have one key, so the partition of the first is that of all.
 */
function groupAtOnce(
  this: readonly Message[],
  group: (groups: Record<string, Message[]>, message: Message) => Record<string, Message[]>,
): Record<string, Message[]> {
  const [partition] = Object.keys(group({}, this[0]!));
  return { [partition!]: this as Message[] };
}

function producing(producer: Producer, { compression, key }: KafkaOptions): Carrying {
  const keyBytes = Buffer.from(key);
  return {
    send: async (topic, values, repeated) => {
      const headers = repeated ? { repeated: "true" } : undefined;
      const messages = values.map((value): Message => {
        const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
        return headers === undefined
          ? { key: keyBytes, value: bytes }
          : { key: keyBytes, value: bytes, headers };
      });
      Object.defineProperty(messages, "reduce", { value: groupAtOnce });
      const type = TYPES[compression];
      try {
        await producer.send({ topic, acks: -1, timeout: REPLICAS_MS, compression: type, messages });
      } catch (error) {
        throw IN_DOUBT.has(messages) ? new InDoubt(error) : error;
      }
      return undefined;
    },
    close: () => producer.disconnect(),
  };
}

const TOO_LARGE = ["MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE"];
/** Concern one topic; with the others all may be well. */
const OF_TOPIC = [
  "UNKNOWN_TOPIC_OR_PARTITION",
  "TOPIC_AUTHORIZATION_FAILED",
  "INVALID_TOPIC_EXCEPTION",
  "LEADER_NOT_AVAILABLE",
  "NOT_ENOUGH_REPLICAS",
  "INVALID_REQUIRED_ACKS",
];

/** An error of kafkajs, and nobody knows whether the messages are stored. */
class InDoubt extends Error {
  constructor(cause: unknown) {
    super("", { cause });
  }
}

/** A broker that answers with an error has not stored anything, but for these. */
function tellsNotStored(error: unknown): boolean {
  const type = typeOf(error);
  return type !== "" && !["REQUEST_TIMED_OUT", "NOT_ENOUGH_REPLICAS_AFTER_APPEND"].includes(type);
}

function typeOf(error: unknown): string {
  return error instanceof Error && "type" in error ? String(error.type) : "";
}

/** What an error of kafkajs means; it wraps the telling one in others. */
function failureOf(error: unknown): SendFailure {
  const inDoubt = error instanceof InDoubt;
  let reason = messageOf(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const type = typeOf(cause);
    if (cause.message !== "") reason = cause.message;
    if (TOO_LARGE.includes(type)) return { kind: "too_large", inDoubt, reason };
    if (OF_TOPIC.includes(type)) return { kind: "target", inDoubt, reason };
  }
  return { kind: "connection", inDoubt, reason };
}
