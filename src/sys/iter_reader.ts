// SPDX-License-Identifier: MulanPSL-2.0
/** Runs a BPF iterator and hands out the fixed-size records that it writes. The link belongs to its object. */
import { ERRNO } from "./errno.ts";
import type { Libbpf } from "./libbpf.ts";

/**
 * The kernel fills 32 KiB at a time; a smaller buffer made iter/tcp skip sockets (seen with 4 KiB). One read gives
 * whole records, but a rest is carried over all the same.
 */
const BUFFER_BYTES = 64 * 1024;
/** EAGAIN means: a million elements passed without a record. */
const MAX_RETRIES = 1000;

export class IterReader {
  /** The last read's records, as words: `offset / 4` of the visitor's offset. */
  readonly words: Uint32Array<ArrayBuffer>;
  readonly #libbpf: Libbpf;
  readonly #buffer: Uint8Array<ArrayBuffer>;

  /** `recordBytes`: 0 for an iterator that writes nothing. */
  constructor(
    libbpf: Libbpf,
    readonly linkFd: number,
    readonly name: string,
    readonly recordBytes: number,
  ) {
    this.#libbpf = libbpf;
    this.#buffer = new Uint8Array(recordBytes === 0 ? 4096 : BUFFER_BYTES);
    this.words = new Uint32Array(this.#buffer.buffer);
  }

  /** Runs the iterator once; calls `visit` for each record and gives their number. Throws KernelError. */
  read(visit?: (bytes: Uint8Array, offset: number) => void): number {
    return this.drain(this.create(), visit);
  }

  /** A run of the iterator, for `drain`; of sockets, one over those of this thread's network namespace. */
  create(): number {
    const fd = this.#libbpf.bpf.bpf_iter_create(this.linkFd);
    if (fd < 0) throw this.#libbpf.failure("run", this.name, -fd);
    return fd;
  }

  /** Reads a run to its end and closes it. */
  drain(fd: number, visit?: (bytes: Uint8Array, offset: number) => void): number {
    try {
      return this.#drain(fd, visit);
    } finally {
      this.#libbpf.libc.close(fd);
    }
  }

  /** Runs the iterator up to its first record. */
  readFirst(fd: number): void {
    try {
      this.#fill(fd, this.#buffer.length - 1); // room for one byte: the kernel stops when that is filled
    } finally {
      this.#libbpf.libc.close(fd);
    }
  }

  #drain(fd: number, visit?: (bytes: Uint8Array, offset: number) => void): number {
    let records = 0;
    let rest = 0;
    for (;;) {
      const count = this.#fill(fd, rest);
      if (count === 0) break;
      const end = rest + count;
      if (this.recordBytes === 0) {
        throw new TypeError(`Iterator "${this.name}" wrote ${end} bytes, is said to write none`);
      }
      let offset = 0;
      for (; offset + this.recordBytes <= end; offset += this.recordBytes) {
        visit?.(this.#buffer, offset);
        records++;
      }
      this.#buffer.copyWithin(0, offset, end);
      rest = end - offset;
    }
    if (rest !== 0) {
      throw new TypeError(
        `Iterator "${this.name}" left ${rest} bytes, its record has ${this.recordBytes}`,
      );
    }
    return records;
  }

  /** Reads behind the first `rest` bytes; 0 at the end. */
  #fill(fd: number, rest: number): number {
    const room = rest === 0 ? this.#buffer : this.#buffer.subarray(rest);
    for (let retries = 0;; retries++) {
      const count = Number(this.#libbpf.libc.read(fd, room, BigInt(room.length)));
      if (count >= 0) return count;
      const errno = this.#libbpf.errno();
      const again = errno === ERRNO.EAGAIN || errno === ERRNO.EINTR;
      if (!again || retries >= MAX_RETRIES) {
        throw this.#libbpf.failure("read", this.name, errno);
      }
    }
  }
}
