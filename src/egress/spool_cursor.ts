// SPDX-License-Identifier: MulanPSL-2.0
/** The file that tells how far a queue of the spool was sent; it outlives the process. */
import { join } from "node:path";
import { crc32 } from "node:zlib";

const CURSOR = "cursor";
const CURSOR_BYTES = 24;

/** How far a queue was sent. */
export interface SpoolCursor {
  /** Number of the oldest segment. */
  readonly segment: number;
  readonly offset: number;
  /** Sending up to there had begun, so it may have arrived; 0: nothing was being sent. */
  readonly attempted: number;
}

export async function writeCursor(folder: string, cursor: SpoolCursor): Promise<void> {
  const bytes = new Uint8Array(CURSOR_BYTES + 4);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, cursor.segment);
  view.setFloat64(8, cursor.offset);
  view.setFloat64(16, cursor.attempted);
  view.setUint32(CURSOR_BYTES, crc32(bytes.subarray(0, CURSOR_BYTES)));
  const path = join(folder, CURSOR);
  using file = await Deno.open(path, { write: true, create: true, mode: 0o600 });
  await file.write(bytes);
}

/** Undefined if there is none, or a broken one. */
export async function readCursor(folder: string): Promise<SpoolCursor | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await Deno.readFile(join(folder, CURSOR));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  if (bytes.length !== CURSOR_BYTES + 4) return undefined;
  const view = new DataView(bytes.buffer);
  if (view.getUint32(CURSOR_BYTES) !== crc32(bytes.subarray(0, CURSOR_BYTES))) return undefined;
  return {
    segment: view.getFloat64(0),
    offset: view.getFloat64(8),
    attempted: view.getFloat64(16),
  };
}
