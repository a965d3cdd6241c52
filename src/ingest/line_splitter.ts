// SPDX-License-Identifier: MulanPSL-2.0
/** Cuts a byte stream into lines. Memory: one line of the largest allowed length, however long the input's are. */

/** The original's own limit. */
export const MAX_LINE_BYTES = 8191;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

export interface LineHandlers {
  /** The bytes from `start` to `end`, without newline and CR; valid until the handler returns. */
  line(bytes: Uint8Array, start: number, end: number): void;
  /** The start of a line that was longer than allowed; the rest of it is not seen. */
  tooLong(bytes: Uint8Array, start: number, end: number): void;
  /** The input ended without a newline. */
  unfinished(bytes: Uint8Array, start: number, end: number): void;
}

export class LineSplitter {
  readonly #handlers: LineHandlers;
  /** Start of a line whose end has not come yet. */
  readonly #held = new Uint8Array(MAX_LINE_BYTES);
  #heldBytes = 0;
  /** Inside a line that is too long: everything up to the next newline is dropped. */
  #dropping = false;

  constructor(handlers: LineHandlers) {
    this.#handlers = handlers;
  }

  feed(chunk: Uint8Array): void {
    let start = 0;
    while (start < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline < 0) {
        if (!this.#dropping) this.#hold(chunk, start, chunk.length);
        return;
      }
      if (this.#dropping) this.#dropping = false;
      else if (this.#heldBytes === 0) this.#emit(chunk, start, newline);
      else if (this.#hold(chunk, start, newline)) {
        const end = this.#heldBytes;
        this.#heldBytes = 0;
        this.#emit(this.#held, 0, end);
      } else this.#dropping = false;
      start = newline + 1;
    }
  }

  /** The input has ended. */
  end(): void {
    const end = this.#heldBytes;
    this.#heldBytes = 0;
    this.#dropping = false;
    if (end > 0) this.#handlers.unfinished(this.#held, 0, end);
  }

  #emit(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > MAX_LINE_BYTES) {
      this.#handlers.tooLong(bytes, start, start + MAX_LINE_BYTES);
      return;
    }
    const last = end > start && bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    this.#handlers.line(bytes, start, last);
  }

  /** Adds to the held start of a line; false when that makes it too long, and it was reported. */
  #hold(chunk: Uint8Array, start: number, end: number): boolean {
    const room = MAX_LINE_BYTES - this.#heldBytes;
    const part = chunk.subarray(start, Math.min(end, start + room));
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes += part.length;
    if (end - start <= room) return true;
    this.#heldBytes = 0;
    this.#dropping = true;
    this.#handlers.tooLong(this.#held, 0, MAX_LINE_BYTES);
    return false;
  }
}
