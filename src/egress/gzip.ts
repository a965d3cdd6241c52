// SPDX-License-Identifier: MulanPSL-2.0
/** gzip in pieces: nothing else waits for more than one piece (64 KB: up to 1.5 ms). A single piece needs no stream. */
import { createGzip, gzipSync } from "node:zlib";
import { setImmediate } from "node:timers/promises";

const PIECE_BYTES = 65536;
/** A page shrinks to a tenth; the higher levels only take longer. */
const LEVEL = 1;

export async function gzip(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  if (bytes.length <= PIECE_BYTES) return new Uint8Array(gzipSync(bytes, { level: LEVEL }));
  const stream = createGzip({ level: LEVEL, chunkSize: PIECE_BYTES });
  const chunks: Uint8Array[] = [];
  let length = 0;
  const ended = new Promise<void>((resolve, reject) => {
    stream.on("data", (chunk: Uint8Array) => {
      chunks.push(chunk);
      length += chunk.length;
    });
    stream.on("end", resolve);
    stream.on("error", reject);
  });
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    await new Promise((resolve) => stream.write(piece, resolve));
    await setImmediate();
  }
  stream.end();
  await ended;
  stream.close();
  return joined(chunks, length);
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
