// SPDX-License-Identifier: MulanPSL-2.0
/**
 * One record of the spool: a head (magic, length, lines, flags, length of the lines, checksum), then whole lines,
 * compressed where they are many.
 */
import { promisify } from "node:util";
import { crc32, zstdCompress, zstdCompressSync, zstdDecompress } from "node:zlib";

const MAGIC = 0x47475331;
export const HEAD_BYTES = 24;
const SUM_AT = 20;
const REPEATED_FLAG = 1;
const COMPRESSED_FLAG = 2;
const MAX_RECORD_BYTES = 64 << 20;
/** Less is not worth it; many rows become a tenth. */
const MIN_COMPRESSED_BYTES = 2048;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export interface RecordHead {
  readonly lines: number;
  readonly flags: number;
  /** Of the lines, before they were compressed. */
  readonly rawBytes: number;
  readonly end: number;
}

/** The head of the record at `at`; undefined if there is none, or a broken one. */
export function recordAt(bytes: Uint8Array, at: number): RecordHead | undefined {
  if (at + HEAD_BYTES > bytes.length) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEAD_BYTES);
  const length = view.getUint32(4);
  const end = at + HEAD_BYTES + length;
  if (view.getUint32(0) !== MAGIC || length > MAX_RECORD_BYTES || end > bytes.length) {
    return undefined;
  }
  const sum = crc32(bytes.subarray(at + HEAD_BYTES, end), crc32(bytes.subarray(at, at + SUM_AT)));
  if (sum !== view.getUint32(SUM_AT)) return undefined;
  return { lines: view.getUint32(8), flags: view.getUint32(12), rawBytes: view.getUint32(16), end };
}

/** What the record at the start of `bytes` takes, as far as its head is there. */
export function lengthOfRecord(bytes: Uint8Array): number {
  if (bytes.length < HEAD_BYTES) return HEAD_BYTES;
  return HEAD_BYTES + new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);
}

export async function packRecord(
  bytes: Uint8Array,
  lines: number,
  repeated: boolean,
): Promise<Uint8Array> {
  const stored = bytes.length < MIN_COMPRESSED_BYTES ? bytes : await compress(bytes);
  return recordOf(bytes.length, stored, lines, repeated);
}

/** The same without a wait, for a few lines. */
export function packRecordNow(bytes: Uint8Array, lines: number): Uint8Array {
  const stored = bytes.length < MIN_COMPRESSED_BYTES ? bytes : zstdCompressSync(bytes);
  return recordOf(bytes.length, stored, lines, false);
}

function recordOf(
  rawBytes: number,
  stored: Uint8Array,
  lines: number,
  repeated: boolean,
): Uint8Array {
  const compressed = rawBytes >= MIN_COMPRESSED_BYTES;
  const record = new Uint8Array(HEAD_BYTES + stored.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, stored.length);
  view.setUint32(8, lines);
  view.setUint32(12, (repeated ? REPEATED_FLAG : 0) | (compressed ? COMPRESSED_FLAG : 0));
  view.setUint32(16, rawBytes);
  record.set(stored, HEAD_BYTES);
  view.setUint32(SUM_AT, crc32(stored, crc32(record.subarray(0, SUM_AT))));
  return record;
}

/** The lines of the records at the start of `bytes`, at least of one; undefined if that is broken. */
export async function unpackRecords(bytes: Uint8Array, maxBytes: number) {
  const pieces: Uint8Array[] = [];
  let [at, lines, size, flags] = [0, 0, 0, 0];
  for (let record = recordAt(bytes, at); record !== undefined; record = recordAt(bytes, at)) {
    const first = pieces.length === 0;
    if (!first && size + record.rawBytes > maxBytes) break;
    // A record that may have arrived goes alone: the others are not marked for its sake.
    if (!first && (record.flags & REPEATED_FLAG) !== (flags & REPEATED_FLAG)) break;
    const stored = bytes.subarray(at + HEAD_BYTES, record.end);
    flags = record.flags;
    pieces.push((flags & COMPRESSED_FLAG) === 0 ? stored : await decompress(stored));
    size += record.rawBytes;
    lines += record.lines;
    at = record.end;
  }
  if (at === 0) return undefined;
  return { bytes: joined(pieces), lines, repeated: (flags & REPEATED_FLAG) !== 0, size: at };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
