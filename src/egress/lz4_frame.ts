// SPDX-License-Identifier: MulanPSL-2.0
/**
 * LZ4 frames, as Kafka stores them: independent blocks of 64 KB without checksums. Packages for it at npm are native,
 * or have not been touched for years; compressing is simple, and nothing here needs to be read back.
 */
import { Buffer } from "node:buffer";

/** Magic number, version 1 with independent blocks, blocks of 64 KB, and the checksum of these two bytes. */
const HEAD = Buffer.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82);
const BLOCK_BYTES = 65_536;
const SIZE_BYTES = 4;
/** In the size of a block: it is stored as it was. */
const AS_IT_WAS = 0x80000000;
const MIN_MATCH = 4;
/** A block ends with this many bytes as they are, and no match begins later than that before its end. */
const LAST_LITERALS = 5;
const LAST_MATCH = 12;
const MAX_NIBBLE = 15;
const HASH_BITS = 14;
/** Where four bytes were seen last, by their hash. What an earlier block or call left there is not in this block. */
const seen = new Int32Array(1 << HASH_BITS);

export function lz4Frame(bytes: Uint8Array): Buffer {
  const blocks = Math.ceil(bytes.length / BLOCK_BYTES);
  // A block that grows is stored as it was, but it is tried in place.
  const grown = BLOCK_BYTES / 255 + 16;
  const out = Buffer.allocUnsafe(
    Math.ceil(HEAD.length + bytes.length + blocks * SIZE_BYTES + grown + SIZE_BYTES),
  );
  seen.fill(-1);
  let at = HEAD.copy(out);
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const to = Math.min(from + BLOCK_BYTES, bytes.length);
    const start = at + SIZE_BYTES;
    let end = compressBlock(bytes, from, to, out, start);
    const stored = end - start >= to - from;
    if (stored) {
      out.set(bytes.subarray(from, to), start);
      end = start + to - from;
    }
    out.writeUInt32LE((end - start + (stored ? AS_IT_WAS : 0)) >>> 0, at);
    at = end;
  }
  return out.subarray(0, out.writeUInt32LE(0, at));
}

/** Gives where the block ends in `out`. */
function compressBlock(
  bytes: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  start: number,
): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = start;
  let anchor = from;
  for (let i = from; i <= to - LAST_MATCH;) {
    const four = view.getUint32(i, true);
    const hash = Math.imul(four, 2654435761) >>> (32 - HASH_BITS);
    const earlier = seen[hash]!;
    seen[hash] = i;
    if (earlier < from || i - earlier >= BLOCK_BYTES || view.getUint32(earlier, true) !== four) {
      i += 1 + (i - anchor >> 6); // ever faster where nothing repeats
      continue;
    }
    let length = MIN_MATCH;
    while (i + length < to - LAST_LITERALS && bytes[earlier + length] === bytes[i + length]) {
      length++;
    }
    at = writeLiterals(bytes, anchor, i, length - MIN_MATCH, out, at);
    out[at++] = i - earlier & 255;
    out[at++] = i - earlier >> 8;
    if (length - MIN_MATCH >= MAX_NIBBLE) at = writeRest(out, at, length - MIN_MATCH - MAX_NIBBLE);
    i += length;
    anchor = i;
  }
  return writeLiterals(bytes, anchor, to, 0, out, at);
}

/** Both lengths, and the bytes that stand for themselves. */
function writeLiterals(
  bytes: Uint8Array,
  from: number,
  to: number,
  match: number,
  out: Uint8Array,
  start: number,
): number {
  let at = start;
  const count = to - from;
  out[at++] = Math.min(count, MAX_NIBBLE) << 4 | Math.min(match, MAX_NIBBLE);
  if (count >= MAX_NIBBLE) at = writeRest(out, at, count - MAX_NIBBLE);
  for (let i = from; i < to; i++) out[at++] = bytes[i]!;
  return at;
}

function writeRest(out: Uint8Array, start: number, length: number): number {
  let at = start;
  let rest = length;
  for (; rest >= 255; rest -= 255) out[at++] = 255;
  out[at++] = rest;
  return at;
}
