// SPDX-License-Identifier: MulanPSL-2.0
/** One file of a queue of the spool: a row of records (spool_record.ts), of which the first may be sent already. */
import { HEAD_BYTES, lengthOfRecord, recordAt, unpackRecords } from "./spool_record.ts";

export interface Segment {
  readonly path: string;
  readonly number: number;
  /** Whole records end here. */
  size: number;
  /** Sent up to here. */
  offset: number;
  /** Lines behind the offset. */
  lines: number;
}

/** Finds the whole records of a segment; false if something else follows them. */
export async function scanSegment(segment: Segment): Promise<boolean> {
  const bytes = await Deno.readFile(segment.path);
  let at = 0;
  while (at < bytes.length) {
    const record = recordAt(bytes, at);
    if (record === undefined) break;
    if (at >= segment.offset) segment.lines += record.lines;
    at = record.end;
  }
  segment.size = at;
  segment.offset = Math.min(segment.offset, at);
  return at === bytes.length;
}

export function writeRecordNow(file: Deno.FsFile, size: number, record: Uint8Array): void {
  let done = 0;
  try {
    while (done < record.length) done += file.writeSync(record.subarray(done));
  } catch (error) {
    file.truncateSync(size);
    throw error;
  }
}

export async function writeRecord(
  file: Deno.FsFile,
  size: number,
  record: Uint8Array,
): Promise<void> {
  let done = 0;
  try {
    while (done < record.length) done += await file.write(record.subarray(done));
  } catch (error) {
    await file.truncate(size); // a full disk has room to become smaller
    throw error;
  }
}

/** Lines from the segment's offset up to `end`, at least those of a record; undefined if that is broken. */
export async function readRecords(segment: Segment, end: number, maxBytes: number) {
  using file = await Deno.open(segment.path);
  const { offset } = segment;
  const bytes = await readAt(file, offset, Math.min(end - offset, maxBytes + HEAD_BYTES));
  const first = lengthOfRecord(bytes);
  if (first <= bytes.length) return await unpackRecords(bytes, maxBytes);
  return await unpackRecords(await readAt(file, offset, Math.min(first, end - offset)), maxBytes);
}

async function readAt(file: Deno.FsFile, offset: number, length: number) {
  const bytes = new Uint8Array(length);
  await file.seek(offset, Deno.SeekMode.Start);
  let done = 0;
  while (done < length) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) break;
    done += count;
  }
  return bytes.subarray(0, done);
}
