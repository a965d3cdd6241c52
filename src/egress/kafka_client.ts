// SPDX-License-Identifier: MulanPSL-2.0
/** The only file that knows kafkajs. It is imported when Kafka is configured, and not before. */
import { messageOf } from "../core/errors.ts";
import { Buffer } from "node:buffer";
import { promisify } from "node:util";
import { gzip, zstdCompress } from "node:zlib";
import kafkajs, { type Message, type Producer, type SASLOptions } from "kafkajs";
// @ts-types="./kafkajs_broker.d.ts"
import Broker, { type ProduceRequest } from "kafkajs/src/broker/index.js";
// @ts-types="./kafkajs_request_queue.d.ts"
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { Unsupported } from "../core/errors.ts";
import { type BatchMemory, produceFrame } from "./kafka_batch.ts";
import { HEAD_ROOM, KafkaSockets } from "./kafka_sockets.ts";
import type { Carrier, Carrying, SendFailure } from "./line_sender.ts";
import { Scratch } from "./scratch.ts";

const { Kafka, Partitioners, logLevel } = kafkajs;

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly compression: "none" | "gzip" | "snappy" | "lz4" | "zstd";
  /** Key of every message: the lines of a host stay in one partition, and so in order. */
  readonly key: string;
  /** An answer that has not come after this does not come; the default is for a network. */
  readonly requestMs?: number;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  };
}

/** Kafka's numbers of codecs, and what they are. */
const CODECS: Readonly<
  Record<KafkaOptions["compression"], readonly [number, ((bytes: Buffer) => Promise<Uint8Array>)?]>
> = {
  none: [0],
  gzip: [1, promisify(gzip)],
  snappy: [2, async (bytes) => (await snappy()).compress(bytes)],
  lz4: [3, async (bytes) => (await import("./lz4_frame.ts")).lz4Frame(bytes)],
  zstd: [4, promisify(zstdCompress)],
};

/** A connection that does not come about in this time does not come about. */
const CONNECT_MS = 5000;
const REQUEST_MS = 15_000;
/** The broker waits this long for replicas; its answer then still arrives in time. */
const REPLICAS_MS = 10_000;
/** Within one call; then the sender begins anew with another connection. */
export const RETRIES = 3;
/** After this a producer goes without having heard of what it sent last. */
const DISCONNECT_MS = 200;
/** A batch with all that Kafka adds to its lines; one long line may need more, for once. */
export const SCRATCH_BYTES = 640 << 10;

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

/** What a call of `send` brings. kafkajs knows only how many messages there are, and their key. */
interface Sending {
  readonly key: Buffer;
  readonly values: readonly Uint8Array[];
  readonly repeated: boolean;
  readonly compression: KafkaOptions["compression"];
  readonly sockets: KafkaSockets;
  readonly memory: BatchMemory;
  /**
   * It may be stored without our knowing. kafkajs tries several times and tells the last error only: a first attempt
   * without an answer, then a refusal, looks like a refusal.
   */
  inDoubt: boolean;
}

const SENDINGS = new WeakMap<readonly Message[], Sending>();
/** Before, messages had another form. */
const FIRST_VERSION = 3;
const produce = Broker.prototype.produce;

/** kafkajs does all but the writing of the messages: it would need most of the memory and of the CPU time. */
Broker.prototype.produce = async function (this: Broker, request) {
  const [{ topic, partitions }] = request.topicData as [ProduceRequest["topicData"][number]];
  const [{ partition, firstSequence, messages }] = partitions as [typeof partitions[number]];
  const sending = SENDINGS.get(messages)!;
  const [codec, compress] = CODECS[sending.compression];
  const encode = async () => {
    const { acks, timeout, producerEpoch } = request;
    const producerId = BigInt(String(request.producerId));
    const where = { topic, partition, firstSequence, acks, timeout, producerId, producerEpoch };
    const { sockets, memory } = sending;
    const batch = { ...sending, ...where, time: Date.now(), codec, compress };
    const frame = await produceFrame(batch, memory, HEAD_ROOM);
    const body = sockets.standIn(frame, () => memory.frames.giveBack(frame));
    return { buf: body, buffer: body };
  };
  const lookupRequest: Broker["lookupRequest"] = (key, versions) => (wanted) => {
    const protocol = this.lookupRequest(key, versions)(wanted);
    const { apiVersion } = protocol.request;
    if (apiVersion < FIRST_VERSION) throw new Unsupported("Kafka is older than 0.11");
    protocol.request.encode = encode;
    return protocol;
  };
  try {
    return await produce.call(
      Object.create(this, { lookupRequest: { value: lookupRequest } }),
      request,
    );
  } catch (error) {
    if (!tellsNotStored(error)) sending.inDoubt = true;
    throw error;
  }
};

async function snappy() {
  // @ts-types="./snappyjs.d.ts"
  return (await import("snappyjs")).default;
}

export interface KafkaClient extends Carrier {
  /** Bytes given to connections that the system has not taken: those of one batch, once for each attempt. */
  readonly waitingBytes: number;
}

export function kafkaClient(options: KafkaOptions): KafkaClient {
  const open = new Set<KafkaSockets>();
  const memory = { records: new Scratch(SCRATCH_BYTES), frames: new Scratch(SCRATCH_BYTES) };
  return {
    connect: async () => {
      const sockets = new KafkaSockets();
      open.add(sockets);
      const producer = producerOf(options, sockets);
      const close = () => disconnect(producer, sockets).finally(() => open.delete(sockets));
      try {
        await producer.connect();
      } catch (error) {
        await close().catch(() => {});
        throw error;
      }
      return { ...producing(producer, { ...options, sockets, memory }), close };
    },
    failureOf,
    get waitingBytes() {
      return [...open].reduce((sum, { waitingBytes }) => sum + waitingBytes, 0);
    },
  };
}

function producerOf(options: KafkaOptions, { create }: KafkaSockets): Producer {
  const kafka = new Kafka({
    clientId: "gala-gopher",
    socketFactory: create,
    brokers: [...options.brokers],
    ...(options.tls === undefined ? {} : { ssl: options.tls }),
    ...(options.sasl === undefined ? {} : { sasl: options.sasl as SASLOptions }),
    connectionTimeout: CONNECT_MS,
    authenticationTimeout: CONNECT_MS,
    requestTimeout: options.requestMs ?? REQUEST_MS,
    retry: { retries: RETRIES, initialRetryTime: 100, maxRetryTime: 1000 },
    logLevel: logLevel.NOTHING, // the sender says what is wrong, once
  });
  return kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: true,
  });
}

/** kafkajs waits for every answer that it has been promised, also from a broker that hangs. */
async function disconnect(producer: Producer, sockets: KafkaSockets): Promise<void> {
  const late = setTimeout(() => sockets.destroy(), DISCONNECT_MS);
  try {
    await producer.disconnect();
  } finally {
    clearTimeout(late);
    sockets.destroy();
  }
}

/**
 * kafkajs groups messages by partition with a `reduce` that copies the whole group for each message. All of ours have
 * one key, so the partition of the first is that of all.
 */
function groupAtOnce(
  this: readonly Message[],
  group: (groups: Record<string, Message[]>, message: Message) => Record<string, Message[]>,
): Record<string, Message[]> {
  const [partition] = Object.keys(group({}, this[0]!));
  return { [partition!]: this as Message[] };
}

type ProducingOptions = KafkaOptions & Pick<Sending, "sockets" | "memory">;

function producing(producer: Producer, options: ProducingOptions): Pick<Carrying, "send"> {
  const { compression, sockets, memory } = options;
  const message = { key: Buffer.from(options.key), value: "" };
  return {
    send: async (topic, values, repeated) => {
      const batch = { key: message.key, values, repeated, compression };
      const sending = { ...batch, sockets, memory, inDoubt: false };
      const messages = new Array<Message>(values.length).fill(message);
      Object.defineProperty(messages, "reduce", { value: groupAtOnce });
      SENDINGS.set(messages, sending);
      try {
        await producer.send({ topic, acks: -1, timeout: REPLICAS_MS, messages });
      } catch (error) {
        throw sending.inDoubt ? new InDoubt(error) : error;
      }
      return undefined;
    },
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
