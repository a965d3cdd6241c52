// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The body of a request that brings a batch of messages to one partition: Kafka's Produce of versions 3 to 7, with a
 * record batch of format 2. Everything is written once, into memory that is used again: kafkajs makes several buffers
 * for each message and copies the batch five times, which was most of the memory of an agent that sends to Kafka.
 */
import { Buffer } from "node:buffer";
import type { Scratch } from "./scratch.ts";

export interface Batch {
  readonly topic: string;
  readonly partition: number;
  readonly acks: number;
  /** Time that the broker waits for its replicas, in ms. */
  readonly timeout: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  /** Unix time in ms. */
  readonly time: number;
  readonly key: Uint8Array;
  readonly values: readonly Uint8Array[];
  /** Adds the header `repeated: true` to each message. */
  readonly repeated: boolean;
  /** Kafka's number of a codec, and what compresses the records; without, they stay as they are. */
  readonly codec: number;
  readonly compress: ((records: Buffer) => Promise<Uint8Array>) | undefined;
}

const MAGIC = 2;
/** Of a batch, up to the checksum, and from there up to the records. */
const HEAD_BYTES = 21;
const ATTRIBUTES_BYTES = 40;
const NO_HEADERS = Buffer.of(0);
/** One header: its number, the length of the name, the name, the length of the value, the value. */
const REPEATED = Buffer.concat([
  Buffer.of(2, 16),
  Buffer.from("repeated"),
  Buffer.of(8),
  Buffer.from("true"),
]);

/** Memory that is used again. */
export interface BatchMemory {
  /** Of records that are to be compressed. */
  readonly records: Scratch;
  readonly frames: Scratch;
}

/** The body stands behind `room` bytes of the frame, which is lent by `frames`. */
export async function produceFrame(
  batch: Batch,
  { records, frames }: BatchMemory,
  room: number,
): Promise<Buffer> {
  const topic = Buffer.from(batch.topic);
  const before = 2 + 2 + 4 + 4 + 2 + topic.length + 4 + 4 + 4;
  const recordsAt = room + before + HEAD_BYTES + ATTRIBUTES_BYTES;
  if (batch.compress === undefined) {
    const frame = frames.lend(recordsAt + recordsSize(batch));
    writeRecords(batch, frame, recordsAt);
    writeBody(batch, topic, frame.subarray(room));
    return frame;
  }
  const plain = records.lend(recordsSize(batch));
  let packed;
  try {
    writeRecords(batch, plain, 0);
    packed = await batch.compress(plain);
  } finally {
    records.giveBack(plain);
  }
  const frame = frames.lend(recordsAt + packed.length);
  frame.set(packed, recordsAt);
  writeBody(batch, topic, frame.subarray(room));
  return frame;
}

/** All that stands in front of the records, which are there already. */
function writeBody(batch: Batch, topic: Buffer, body: Buffer): void {
  let at = body.writeInt16BE(-1, 0); // no transaction
  at = body.writeInt16BE(batch.acks, at);
  at = body.writeInt32BE(batch.timeout, at);
  at = body.writeInt32BE(1, at); // topics
  at = body.writeInt16BE(topic.length, at);
  at += topic.copy(body, at);
  at = body.writeInt32BE(1, at); // partitions
  at = body.writeInt32BE(batch.partition, at);
  at = body.writeInt32BE(body.length - at - 4, at);
  writeHead(batch, body.subarray(at));
}

/** All of a batch but its records. */
function writeHead(batch: Batch, bytes: Buffer): void {
  const { values, time } = batch;
  let at = bytes.writeBigInt64BE(0n, 0); // the broker knows the offset
  at = bytes.writeInt32BE(bytes.length - 12, at); // of what follows
  at = bytes.writeInt32BE(0, at); // the broker knows the epoch of its leader
  at = bytes.writeInt8(MAGIC, at);
  at = bytes.writeInt16BE(batch.codec, HEAD_BYTES);
  at = bytes.writeInt32BE(values.length - 1, at);
  at = bytes.writeBigInt64BE(BigInt(time), at);
  at = bytes.writeBigInt64BE(BigInt(time), at);
  at = bytes.writeBigInt64BE(batch.producerId, at);
  at = bytes.writeInt16BE(batch.producerEpoch, at);
  at = bytes.writeInt32BE(batch.firstSequence, at);
  bytes.writeInt32BE(values.length, at);
  bytes.writeUInt32BE(crc32c(bytes.subarray(HEAD_BYTES)), HEAD_BYTES - 4);
}

/** What all records have, beside number, lengths and value. */
function sameOf({ key, repeated }: Batch) {
  const headers = repeated ? REPEATED : NO_HEADERS;
  const keyed = Buffer.concat([varint(key.length), key]);
  return { headers, keyed, bytes: 2 + keyed.length + headers.length };
}

function recordBytes(same: number, value: Uint8Array, i: number): number {
  return same + varintBytes(i) + varintBytes(value.length) + value.length;
}

function recordsSize(batch: Batch): number {
  const { values } = batch;
  const same = sameOf(batch).bytes;
  let size = 0;
  for (let i = 0; i < values.length; i++) {
    const record = recordBytes(same, values[i]!, i);
    size += varintBytes(record) + record;
  }
  return size;
}

function writeRecords(batch: Batch, bytes: Buffer, start: number): void {
  const { values } = batch;
  const same = sameOf(batch);
  const { headers, keyed } = same;
  let at = start;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    at = writeVarint(bytes, at, recordBytes(same.bytes, value, i));
    bytes[at++] = 0; // no attributes
    bytes[at++] = 0; // the time of the batch
    at = writeVarint(bytes, at, i);
    bytes.set(keyed, at);
    at += keyed.length;
    at = writeVarint(bytes, at, value.length);
    bytes.set(value, at);
    at += value.length;
    bytes.set(headers, at);
    at += headers.length;
  }
}

/** Castagnoli's checksum, which Kafka has and zlib has not. */
const CRC32C = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

function crc32c(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC32C[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Numbers that are not negative, below 2^30, as Kafka's zigzag. */
function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value * 2;
  for (; rest > 127; rest >>>= 7) bytes[at++] = rest & 127 | 128;
  bytes[at++] = rest;
  return at;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value * 2; rest > 127; rest >>>= 7) count++;
  return count;
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
