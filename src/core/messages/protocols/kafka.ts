// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Kafka. An operation is the name of an API; a response has its request's number. Of what is produced and fetched, the
 * first topic of a request is read, and of its first partition how many messages it is about.
 */
import { ByteCursor } from "../byte_cursor.ts";
import { BAD, type FrameReader, Frames, MORE } from "../frames.ts";
import {
  API_VERSIONS,
  errorOffset,
  FETCH,
  type KafkaApi,
  kafkaApi,
  METADATA,
  PRODUCE,
} from "../kafka_apis.ts";
import type { Fault, Pairing } from "../pairing.ts";
import type { Chunk, Conversation, Protocol } from "../protocol.ts";

const SIZE_BYTES = 4;
/** Size, API, version and number. */
const HEADER_BYTES = 12;
/** Size, number and, if it has one, the error at its usual place. */
const RESPONSE_BYTES = 24;
/** That of Produce stands behind the topic's name. */
const PRODUCED_BYTES = 64;
const MAX_SIZE = 2 ** 30;
const MAX_VERSION = 30;
const MAX_CLIENT_ID = 100;
const MAX_TOPIC = 249;
const ID_BYTES = 16;
/** From these versions on a topic is named by its id. */
const PRODUCE_BY_ID = 13;
const FETCH_BY_ID = 13;
/** Batches of records tell how many they are since this format. */
const COUNTED = 2;
/** From a batch's start. */
const MAGIC_AT = 16;
const LAST_AT = 23;
/** Partitions whose offset is remembered, and ids whose name is. */
const MAX_KNOWN = 256;
/** The broker's own, or such as go away by themselves. */
const SERVER_ERRORS: ReadonlySet<number> = new Set(
  [-1, 2, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 41, 56, 72, 84, 88, 89],
);
const NO_ANSWER = 0;

/** What a response must be read with. */
interface Asked {
  readonly api: KafkaApi;
  readonly key: number;
  readonly version: number;
}

/** Names of topics by their ids: they are the same on all connections of a cluster. */
const topicNames = new Map<string, string>();
const cursor = new ByteCursor();

function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  if (map.size >= MAX_KNOWN && !map.has(key)) map.delete(map.keys().next().value!);
  map.set(key, value);
}

/** The length of a list or a text. */
function lengthAt(isCompact: boolean, size: 2 | 4): number {
  return isCompact ? cursor.varint() - 1 : cursor.int(size);
}

/** Passes a text by; one that is not there has the length -1. */
function skipText(isCompact: boolean): void {
  const length = lengthAt(isCompact, 2);
  cursor.skip(length === -1 ? 0 : length);
}

function topicAt(isCompact: boolean, byId: boolean): string | undefined {
  if (byId) {
    const id = cursor.id(ID_BYTES);
    return id === undefined ? undefined : topicNames.get(id) ?? "";
  }
  const length = lengthAt(isCompact, 2);
  return length > 0 && length <= MAX_TOPIC ? cursor.text(length) : undefined;
}

class KafkaConversation implements Conversation {
  readonly #pairing: Pairing;
  readonly #requests: Frames;
  readonly #responses: Frames;
  readonly #asked = new Map<number, Asked>();
  /** The next message that is fetched, by topic and partition. */
  readonly #offsets = new Map<string, number>();

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
    this.#requests = new Frames(this.#readRequest);
    this.#responses = new Frames(this.#readResponse);
  }

  request(chunk: Chunk): void {
    if (!this.#requests.take(chunk)) this.#pairing.missedRequests();
  }

  response(chunk: Chunk): void {
    this.#responses.take(chunk); // who is not answered waits on, and is counted in the end
  }

  readonly #readRequest: FrameReader = (bytes, at, end, time) => {
    if (at + HEADER_BYTES > end) return MORE;
    const size = cursor.set(bytes, at, end).int(4);
    const [key, version, number] = [cursor.int(2), cursor.int(2), cursor.int(4)];
    const api = kafkaApi(key);
    if (size < HEADER_BYTES - SIZE_BYTES || size > MAX_SIZE) return BAD;
    if (api === undefined || version < 0 || version > MAX_VERSION) return BAD;
    const isCompact = version >= api.compact;
    skipText(false);
    if (isCompact) cursor.varint(); // tags: nobody sends any
    const { name } = api;
    if (key === PRODUCE && this.#readProduce(version, isCompact) === NO_ANSWER) {
      this.#pairing.told(name);
    } else {
      if (key === FETCH) this.#readFetch(version, isCompact);
      remember(this.#asked, number, { api, key, version });
      this.#pairing.askedAs(number, name, time);
    }
    return SIZE_BYTES + size;
  };

  /** Gives how many brokers must have it before there is an answer. */
  #readProduce(version: number, isCompact: boolean): number {
    if (version >= 3) skipText(isCompact); // transaction
    const acknowledged = cursor.int(2);
    cursor.int(4); // patience
    const topics = lengthAt(isCompact, 4);
    const topic = topicAt(isCompact, version >= PRODUCE_BY_ID);
    const partitions = lengthAt(isCompact, 4);
    cursor.int(4); // partition
    lengthAt(isCompact, 4);
    const batch = cursor.at;
    cursor.skip(MAGIC_AT);
    if (!(topics > 0 && partitions > 0) || cursor.int(1) !== COUNTED) return acknowledged;
    cursor.at = batch + LAST_AT;
    const count = cursor.int(4) + 1; // the last message's offset from the first one's
    if (topic !== undefined && count > 0) this.#pairing.carried("Producer", topic, count);
    return acknowledged;
  }

  #readFetch(version: number, isCompact: boolean): void {
    if (version < 15) cursor.int(4); // replica
    cursor.skip(4 + 4 + (version >= 3 ? 4 : 0) + (version >= 4 ? 1 : 0) + (version >= 7 ? 8 : 0));
    const topics = lengthAt(isCompact, 4);
    const topic = topicAt(isCompact, version >= FETCH_BY_ID);
    const partitions = lengthAt(isCompact, 4);
    const partition = cursor.int(4);
    if (version >= 9) cursor.int(4); // epoch
    const offset = cursor.int(8);
    if (!(topics > 0 && partitions > 0 && offset >= 0) || topic === undefined) return;
    const place = `${partition} ${topic}`;
    const before = this.#offsets.get(place) ?? offset;
    remember(this.#offsets, place, offset);
    if (offset > before) this.#pairing.carried("Consumer", topic, offset - before);
  }

  readonly #readResponse: FrameReader = (bytes, at, end, time) => {
    if (at + SIZE_BYTES > end) return MORE;
    const size = cursor.set(bytes, at, end).int(4);
    if (size < SIZE_BYTES || size > MAX_SIZE) return BAD;
    if (end - at < Math.min(SIZE_BYTES + size, RESPONSE_BYTES)) return MORE;
    const number = cursor.int(4);
    const asked = this.#asked.get(number);
    const isDeep = asked?.key === PRODUCE && end - at < Math.min(SIZE_BYTES + size, PRODUCED_BYTES);
    if (isDeep) return MORE;
    this.#asked.delete(number);
    const error = asked === undefined ? NaN : this.#errorOf(asked);
    const fault: Fault = !error ? "" : SERVER_ERRORS.has(error) ? "server" : "client";
    this.#pairing.answeredAs(number, time, fault, Number.isNaN(error) ? "" : String(error));
    return SIZE_BYTES + size;
  };

  /** NaN: it is not known. */
  #errorOf({ api, key, version }: Asked): number {
    const isCompact = version >= api.compact;
    if (isCompact && key !== API_VERSIONS) cursor.varint();
    if (key === METADATA) this.#readTopicName(version, isCompact);
    if (key === PRODUCE) return this.#producedError(version, isCompact);
    cursor.skip(errorOffset(api, version));
    return cursor.int(2);
  }

  #producedError(version: number, isCompact: boolean): number {
    const topics = lengthAt(isCompact, 4);
    if (version >= PRODUCE_BY_ID) cursor.skip(ID_BYTES);
    else skipText(isCompact);
    const partitions = lengthAt(isCompact, 4);
    cursor.int(4);
    const error = cursor.int(2);
    return topics > 0 && partitions > 0 ? error : NaN;
  }

  /** The first topic's name and id, if they are among the bytes that are known. */
  #readTopicName(version: number, isCompact: boolean): void {
    if (version < 10) return;
    const { at } = cursor;
    cursor.int(4); // patience
    for (let brokers = cursor.varint() - 1; brokers > 0 && cursor.isGood; brokers--) {
      cursor.int(4);
      skipText(isCompact); // host
      cursor.int(4);
      skipText(isCompact); // rack
      cursor.varint();
    }
    skipText(isCompact); // cluster
    cursor.int(4); // controller
    const topics = cursor.varint() - 1;
    cursor.int(2); // error
    const name = topics > 0 ? topicAt(isCompact, false) : undefined;
    const id = cursor.id(ID_BYTES);
    if (name !== undefined && id !== undefined) remember(topicNames, id, name);
    cursor.at = at;
  }
}

/** A request that begins as Kafka's do, whose client says who it is in readable letters. */
function guess({ bytes, start, end, length }: Chunk): "request" | undefined {
  if (start + HEADER_BYTES + 2 > end) return undefined;
  const size = cursor.set(bytes, start, end).int(4);
  const [key, version, number] = [cursor.int(2), cursor.int(2), cursor.int(4)];
  if (kafkaApi(key) === undefined || version < 0 || version > MAX_VERSION) return undefined;
  if (number < 0 || size + SIZE_BYTES < length || size > MAX_SIZE) return undefined;
  const client = cursor.int(2);
  if (client < -1 || client > MAX_CLIENT_ID || client + 10 > size) return undefined;
  for (let i = 0; i < client; i++) {
    const byte = bytes[cursor.at + i]!;
    if (cursor.at + i >= end || byte <= 32 || byte >= 127) return undefined;
  }
  return "request";
}

const kafka: Protocol = {
  name: "kafka",
  hasCodes: true,
  guess,
  converse: (pairing) => new KafkaConversation(pairing),
};
export default kafka;
