// SPDX-License-Identifier: MulanPSL-2.0
/** Memory that is used again and again, for things of which there is one at a time. */
import { Buffer } from "node:buffer";

export class Scratch {
  #buffer: Buffer | undefined;
  #lent = false;

  constructor(readonly maxBytes: number) {}

  /** The memory is the caller's until `giveBack`. */
  lend(bytes: number): Buffer {
    if (this.#lent || bytes > this.maxBytes) return Buffer.allocUnsafeSlow(bytes);
    this.#buffer ??= Buffer.allocUnsafeSlow(this.maxBytes);
    this.#lent = true;
    return this.#buffer.subarray(0, bytes);
  }

  giveBack({ buffer }: Buffer): void {
    if (buffer === this.#buffer?.buffer) this.#lent = false;
  }
}
