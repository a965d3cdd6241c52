// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Reads a BPF ring buffer in place, by mapping it: one page that tells the kernel what is consumed, one page that
 * tells what is produced, then the data twice in a row, so that a record never breaks at the end.
 *
 * A record is a header of 8 bytes (length with two flag bits, page offset) and the data, rounded up to 8.
 */
import type { RecordPortion } from "../core/probe.ts";
import { ABI } from "./kernel_abi.ts";
import type { Libbpf } from "./libbpf.ts";

const HEADER_BYTES = ABI.BPF_RINGBUF_HDR_SZ;
/** The program still writes this record. */
const BUSY_BIT = ABI.BPF_RINGBUF_BUSY_BIT;
/** The program gave the record up. */
const DISCARD_BIT = ABI.BPF_RINGBUF_DISCARD_BIT;
const LENGTH_MASK = DISCARD_BIT - 1;
/** A reading ends after so many records, even if programs produce faster than we read. */
const DRAIN_LIMIT = 100_000;
/** Room is given back to the programs after so many records. */
const PORTION_RECORDS = 256;
const MAP_FAILED = BigInt.asUintN(64, BigInt(ABI["(long)MAP_FAILED"]));

export type RingPortion = RecordPortion;

type Pages = NonNullable<Deno.PointerValue>;

export class RingReader {
  /** Records that programs gave up after reserving. */
  discarded = 0;
  readonly #libbpf: Libbpf;
  readonly #dataBytes: number;
  readonly #portion: { -readonly [Name in keyof RingPortion]: RingPortion[Name] };
  /** Only for its effect on the order of loads: on x86-64 they are in order anyway, on aarch64 not. */
  readonly #fence = new Int32Array(1);
  #consumerPages: Pages | null;
  #producerPages: Pages | null;
  #consumer: BigUint64Array;
  #producer: BigUint64Array;

  /** `dataBytes` is the ring's `max_entries`. Throws KernelError. */
  constructor(libbpf: Libbpf, fd: number, readonly name: string, dataBytes: number) {
    const { pageSize } = libbpf;
    const producerBytes = pageSize + 2 * dataBytes;
    this.#libbpf = libbpf;
    this.#dataBytes = dataBytes;
    this.#consumerPages = map(libbpf, fd, name, pageSize, ABI.PROT_READ | ABI.PROT_WRITE, 0);
    try {
      this.#producerPages = map(libbpf, fd, name, producerBytes, ABI.PROT_READ, pageSize);
    } catch (error) {
      libbpf.libc.munmap(this.#consumerPages, BigInt(pageSize));
      throw error;
    }
    const { getArrayBuffer } = Deno.UnsafePointerView;
    const produced = getArrayBuffer(this.#producerPages, producerBytes);
    this.#consumer = new BigUint64Array(getArrayBuffer(this.#consumerPages, 8));
    this.#producer = new BigUint64Array(produced, 0, 1);
    this.#portion = {
      count: 0,
      offsets: new Int32Array(PORTION_RECORDS),
      lengths: new Int32Array(PORTION_RECORDS),
      bytes: new Uint8Array(produced, pageSize),
      words: new Uint32Array(produced, pageSize),
    };
  }

  /** Bytes that are reserved or written and not yet read: how full the ring is. */
  get backlogBytes(): number {
    if (this.#consumerPages === null) return 0;
    return Number(this.produced - this.consumed);
  }

  /** Bytes that were ever reserved in the ring. */
  get produced(): bigint {
    return Atomics.load(this.#producer, 0);
  }

  /** Bytes that were ever read. */
  get consumed(): bigint {
    return Atomics.load(this.#consumer, 0);
  }

  /** Calls `visit` for each complete record, of which it takes no more than `limit`; gives their number. */
  drain(
    visit: (bytes: Uint8Array, offset: number, length: number) => void,
    limit = DRAIN_LIMIT,
  ): number {
    return this.drainPortions(({ count, offsets, lengths, bytes }) => {
      for (let i = 0; i < count; i++) visit(bytes, offsets[i]!, lengths[i]!);
    }, limit);
  }

  /**
   * The same by up to 256 records at a time, for rings that are read fast. A record being written ends the reading
   * until the next call. What was handed to a visitor that throws counts as read.
   */
  drainPortions(visit: (portion: RingPortion) => void, limit = DRAIN_LIMIT): number {
    if (this.#consumerPages === null) throw new TypeError(`Ring "${this.name}" is closed`);
    let records = 0;
    while (records < limit) {
      const position = this.consumed;
      const taken = this.#scan(position, Math.min(limit - records, PORTION_RECORDS));
      if (taken === 0) break;
      try {
        if (this.#portion.count > 0) visit(this.#portion);
      } finally {
        Atomics.store(this.#consumer, 0, position + BigInt(taken));
      }
      records += this.#portion.count;
    }
    return records;
  }

  /** Notes the complete records from `position`; gives the bytes they take in the ring, with discarded ones. */
  #scan(position: bigint, limit: number): number {
    const { offsets, lengths, words } = this.#portion;
    const mask = this.#dataBytes - 1;
    const start = Number(position & BigInt(mask));
    const reserved = Number(this.produced - position);
    const end = start + Math.min(reserved, this.#dataBytes);
    let next = start;
    let count = 0;
    while (next < end && count < limit) {
      const at = next & mask;
      const header = words[at >> 2]!;
      if ((header & BUSY_BIT) !== 0) break;
      const length = header & LENGTH_MASK;
      next += (length + HEADER_BYTES + 7) & ~7;
      if ((header & DISCARD_BIT) !== 0) {
        this.discarded++;
        continue;
      }
      offsets[count] = at + HEADER_BYTES;
      lengths[count] = length;
      count++;
    }
    this.#portion.count = count;
    // A program writes a record before its header says so; so its header has to be read before the record.
    Atomics.add(this.#fence, 0, 1);
    return next - start;
  }

  [Symbol.dispose](): void {
    if (this.#consumerPages === null || this.#producerPages === null) return;
    const { munmap } = this.#libbpf.libc;
    const { pageSize } = this.#libbpf;
    // A view of unmapped memory would crash the process.
    this.#consumer = new BigUint64Array(0);
    this.#producer = new BigUint64Array(0);
    this.#portion.words = new Uint32Array(0);
    this.#portion.bytes = new Uint8Array(0);
    munmap(this.#consumerPages, BigInt(pageSize));
    munmap(this.#producerPages, BigInt(pageSize + 2 * this.#dataBytes));
    this.#consumerPages = null;
    this.#producerPages = null;
  }
}

function map(
  libbpf: Libbpf,
  fd: number,
  name: string,
  bytes: number,
  protection: number,
  offset: number,
): Pages {
  const { mmap } = libbpf.libc;
  const pages = mmap(null, BigInt(bytes), protection, ABI.MAP_SHARED, fd, BigInt(offset));
  const failed = pages === null || Deno.UnsafePointer.value(pages) === MAP_FAILED;
  if (failed) throw libbpf.lastFailure("map", name);
  return pages;
}
