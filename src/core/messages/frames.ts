// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Follows the frames in what one side of a connection says, of which only the first bytes of each chunk are known. A
 * frame is something whose first bytes tell its length, so that the bytes behind need not be known. Memory: the first
 * bytes of a frame that was cut, at most HELD_BYTES.
 */
import type { Chunk } from "./protocol.ts";

/** More bytes are needed. */
export const MORE = 0;
/** This is no frame. */
export const BAD = -1;
/** The frame ends with the chunk, as far as can be known. */
export const REST = Infinity;

/** Reads the frame at `at`, of which the bytes up to `end` are known: gives all its bytes, or one of the above. */
export type FrameReader = (bytes: Uint8Array, at: number, end: number, time: number) => number;

const HELD_BYTES = 256;

export class Frames {
  readonly #read: FrameReader;
  /** Bytes of the present frame that have yet to come. */
  #skip = 0;
  #held = new Uint8Array(0);
  /** When the bytes that are held came. */
  #heldTime = 0;

  constructor(read: FrameReader) {
    this.#read = read;
  }

  /** False: what follows cannot be known; the next chunk is then taken to begin with a frame. */
  take(chunk: Chunk): boolean {
    let done = this.#held.length > 0 ? this.#join(chunk) : 0;
    const known = chunk.end - chunk.start;
    for (;;) {
      if (done < 0) return this.#lose();
      const skipped = Math.min(this.#skip, chunk.length - done);
      this.#skip -= skipped;
      done += skipped;
      if (done >= chunk.length) return true;
      if (done >= known) return this.#lose();
      const bytes = this.#read(chunk.bytes, chunk.start + done, chunk.end, chunk.time);
      if (bytes === MORE) return this.#hold(chunk, done);
      this.#skip = bytes === REST ? chunk.length - done : bytes;
      if (bytes < 0) return this.#lose();
    }
  }

  forget(): void {
    this.#lose();
  }

  /** Reads a frame whose first bytes came before; gives how many bytes of the chunk that took, BAD if it is lost. */
  #join(chunk: Chunk): number {
    const held = this.#held;
    const taken = Math.min(chunk.end - chunk.start, HELD_BYTES - held.length);
    const joined = new Uint8Array(held.length + taken);
    joined.set(held);
    joined.set(chunk.bytes.subarray(chunk.start, chunk.start + taken), held.length);
    const bytes = this.#read(joined, 0, joined.length, this.#heldTime);
    if (bytes === MORE) {
      if (taken < chunk.length || joined.length === HELD_BYTES) return BAD;
      this.#held = joined;
      return chunk.length;
    }
    this.#held = new Uint8Array(0);
    if (bytes === REST) return chunk.length;
    if (bytes < held.length) return BAD;
    this.#skip = bytes - held.length;
    return 0;
  }

  #hold(chunk: Chunk, done: number): boolean {
    const rest = chunk.length - done;
    if (chunk.end - chunk.start < chunk.length || rest >= HELD_BYTES) return this.#lose();
    this.#held = chunk.bytes.slice(chunk.start + done, chunk.end);
    this.#heldTime = chunk.time;
    return true;
  }

  #lose(): false {
    this.#skip = 0;
    this.#held = new Uint8Array(0);
    return false;
  }
}
