// SPDX-License-Identifier: MulanPSL-2.0
/**
 * The body of a request that brings a batch of messages to one partition: Kafka's Produce of versions 3 to 7, with a
 * record batch of format 2. Everything is written once, into one piece of its size: kafkajs makes several buffers for
 * each message and copies the batch five times, which was most of the memory of an agent that sends to Kafka.
 */
import { Buffer } from "node:buffer";

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

export async function produceBody(batch: Batch): Promise<Buffer> {
  const topic = Buffer.from(batch.topic);
  const records = batch.compress === undefined
    ? undefined
    : await batch.compress(recordsOf(batch, 0));
  const before = 2 + 2 + 4 + 4 + 2 + topic.length + 4 + 4 + 4;
  const batchAt = before + HEAD_BYTES + ATTRIBUTES_BYTES;
  const body = records === undefined
    ? recordsOf(batch, batchAt)
    : Buffer.allocUnsafe(batchAt + records.length);
  if (records !== undefined) body.set(records, batchAt);
  let at = body.writeInt16BE(-1, 0); // no transaction
  at = body.writeInt16BE(batch.acks, at);
  at = body.writeInt32BE(batch.timeout, at);
  at = body.writeInt32BE(1, at); // topics
  at = body.writeInt16BE(topic.length, at);
  at += topic.copy(body, at);
  at = body.writeInt32BE(1, at); // partitions
  at = body.writeInt32BE(batch.partition, at);
  at = body.writeInt32BE(body.length - before, at);
  writeHead(batch, body.subarray(at));
  return body;
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

/** The records, behind `room` bytes. */
function recordsOf({ key, values, repeated }: Batch, room: number): Buffer {
  const headers = repeated ? REPEATED : NO_HEADERS;
  const keyed = Buffer.concat([varint(key.length), key]);
  const same = 2 + keyed.length + headers.length;
  const sizeOf = (value: Uint8Array, i: number) =>
    same + varintBytes(i) + varintBytes(value.length) + value.length;
  let size = room;
  for (let i = 0; i < values.length; i++) {
    const record = sizeOf(values[i]!, i);
    size += varintBytes(record) + record;
  }
  const bytes = Buffer.allocUnsafe(size);
  let at = room;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    at = writeVarint(bytes, at, sizeOf(value, i));
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
  return bytes;
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
