// SPDX-License-Identifier: MulanPSL-2.0
/** Reads a BPF map in batches into reused buffers. Owns no fd: the map belongs to its object. */
import type { MapLayout } from "../core/layout.ts";
import { ERRNO } from "./errno.ts";
import { ABI } from "./kernel_abi.ts";
import type { Libbpf } from "./libbpf.ts";
import { roundUp8 } from "./map_memory.ts";
import { ValueDecoder } from "./value_decoder.ts";

/** More rows at a time save nothing to speak of, and each map keeps the room for them. */
const CHUNK_ROWS = 256;
/** On many CPUs a row is large: then fewer rows at a time. */
const CHUNK_BYTES = 256 * 1024;
const MIN_CHUNK_ROWS = 16;
/** The kernel's cursor is 4 bytes for a hash, and a key for other maps. */
const MIN_CURSOR_BYTES = 8;
const NO_BATCH: ReadonlySet<number> = new Set([ERRNO.EINVAL, ERRNO.EOPNOTSUPP, ERRNO.ENOTSUPP]);

/** One row of a reading; the same object for each row, valid until the visitor returns. */
export interface Row {
  /** The key starts at `keyOffset` of `keys`. */
  readonly keys: Uint8Array;
  readonly keyOffset: number;
  /** Numeric fields of the value in the order of `MapReader.numberNames`, per-CPU copies added up; decoded when asked for. */
  readonly numbers: Float64Array;
  /** One of them, without the others. */
  number(index: number): number;
  /** The value's bytes (the first copy, if per CPU) start at `valueOffset` of `values`. */
  readonly values: Uint8Array;
  readonly valueOffset: number;
}

export class MapReader {
  readonly keySize: number;
  /** Rows fetched by one system call; grows when a hash bucket is larger. */
  chunkRows: number;
  readonly #libbpf: Libbpf;
  readonly #decoder: ValueDecoder;
  /** Bytes of a value with its per-CPU copies. */
  readonly #valueBytes: number;
  readonly #count = new Uint32Array(1);
  readonly #row: ChunkRow;
  #cursor: Uint8Array<ArrayBuffer>;
  #nextCursor: Uint8Array<ArrayBuffer>;
  #keys: Uint8Array<ArrayBuffer>;
  #values: Uint8Array<ArrayBuffer>;
  #batches = true;

  constructor(
    libbpf: Libbpf,
    readonly fd: number,
    readonly name: string,
    readonly layout: MapLayout,
    chunkRows?: number,
  ) {
    const perCpu = layout.type === "percpu_hash" || layout.type === "percpu_array";
    const stride = perCpu ? roundUp8(layout.value.size) : layout.value.size;
    const copies = perCpu ? libbpf.cpus : 1;
    this.#libbpf = libbpf;
    this.keySize = layout.key.size;
    this.#valueBytes = stride * copies;
    this.#decoder = new ValueDecoder(layout.value, stride, copies);
    this.#cursor = new Uint8Array(Math.max(this.keySize, MIN_CURSOR_BYTES));
    this.#nextCursor = new Uint8Array(this.#cursor.length);
    const fitting = Math.max(MIN_CHUNK_ROWS, Math.floor(CHUNK_BYTES / this.#valueBytes));
    this.chunkRows = chunkRows ?? Math.min(CHUNK_ROWS, layout.maxEntries, fitting);
    this.#keys = new Uint8Array(this.chunkRows * this.keySize);
    this.#values = new Uint8Array(this.chunkRows * this.#valueBytes);
    this.#row = new ChunkRow(this.#decoder, this.#keys, this.#values);
  }

  get numberNames(): readonly string[] {
    return this.#decoder.names;
  }

  /** Whether the kernel reads this map in batches; known after the first reading. */
  get batches(): boolean {
    return this.#batches;
  }

  /** Position of a field in `Row.numbers`; of an array's first element, which the others follow. */
  indexOf(field: string): number {
    const { kind } = this.layout.value.fields[field] ?? {};
    const index = this.numberNames.indexOf(kind === "array" ? `${field}[0]` : field);
    if (index < 0) throw new TypeError(`Map "${this.name}" has no number "${field}"`);
    return index;
  }

  /** Calls `visit` for each row and gives their number. Throws KernelError. */
  read(visit: (row: Row) => void): number {
    return this.#batches ? this.#readBatches(visit) : this.#readKeyByKey(visit);
  }

  #readBatches(visit: (row: Row) => void): number {
    const { bpf } = this.#libbpf;
    let rows = 0;
    let first = true;
    for (;;) {
      this.#count[0] = this.chunkRows;
      const from = first ? null : this.#cursor;
      const error = -bpf.bpf_map_lookup_batch(
        this.fd,
        from,
        this.#nextCursor,
        this.#keys,
        this.#values,
        this.#count,
        null,
      );
      if (error === ERRNO.ENOSPC) { // a bucket is larger than the chunk: the same place again, with more room
        this.#grow();
        continue;
      }
      if (first && NO_BATCH.has(error)) {
        this.#batches = false;
        return this.#readKeyByKey(visit);
      }
      if (error !== 0 && error !== ERRNO.ENOENT) throw this.#failure("read", error);
      const count = this.#count[0]!;
      for (let i = 0; i < count; i++) visit(this.#rowAt(i));
      rows += count;
      if (error === ERRNO.ENOENT) return rows;
      [this.#cursor, this.#nextCursor] = [this.#nextCursor, this.#cursor];
      first = false;
    }
  }

  /** For maps without batch operations. Ends at the map's size even if keys come and go. */
  #readKeyByKey(visit: (row: Row) => void): number {
    const { bpf } = this.#libbpf;
    let rows = 0;
    let from: Uint8Array<ArrayBuffer> | null = null;
    for (let steps = 0; steps < this.layout.maxEntries * 2; steps++) {
      const end = -bpf.bpf_map_get_next_key(this.fd, from, this.#nextCursor);
      if (end === ERRNO.ENOENT) return rows;
      if (end !== 0) throw this.#failure("read", end);
      [this.#cursor, this.#nextCursor] = [this.#nextCursor, this.#cursor];
      from = this.#cursor;
      this.#keys.set(from.subarray(0, this.keySize));
      const error = -bpf.bpf_map_lookup_elem(this.fd, from, this.#values);
      if (error === ERRNO.ENOENT) continue; // gone in between
      if (error !== 0) throw this.#failure("read", error);
      visit(this.#rowAt(0));
      rows++;
    }
    return rows;
  }

  /** The row with this key; valid until the next call of any method. */
  lookup(key: Uint8Array<ArrayBuffer>): Row | undefined {
    this.#checkKey(key);
    const error = -this.#libbpf.bpf.bpf_map_lookup_elem(this.fd, key, this.#values);
    return this.#found("look up", key, error);
  }

  lookupAndDelete(key: Uint8Array<ArrayBuffer>): Row | undefined {
    this.#checkKey(key);
    const error = -this.#libbpf.bpf.bpf_map_lookup_and_delete_elem(this.fd, key, this.#values);
    return this.#found("look up", key, error);
  }

  /** `value` has all per-CPU copies, each rounded up to 8 bytes. */
  update(key: Uint8Array<ArrayBuffer>, value: Uint8Array<ArrayBuffer>): void {
    this.#checkKey(key);
    if (value.length !== this.#valueBytes) {
      throw new RangeError(
        `Value of map "${this.name}" has ${this.#valueBytes} bytes, got ${value.length}`,
      );
    }
    const flags = BigInt(ABI.BPF_ANY);
    const error = -this.#libbpf.bpf.bpf_map_update_elem(this.fd, key, value, flags);
    if (error !== 0) throw this.#failure("update", error);
  }

  /** False: there was no such row. */
  delete(key: Uint8Array<ArrayBuffer>): boolean {
    this.#checkKey(key);
    const error = -this.#libbpf.bpf.bpf_map_delete_elem(this.fd, key);
    if (error !== 0 && error !== ERRNO.ENOENT) throw this.#failure("delete from", error);
    return error === 0;
  }

  /** Deletes the first `count` keys of `keys`; those that are gone already do not matter. */
  deleteBatch(keys: Uint8Array<ArrayBuffer>, count: number): void {
    if (keys.length < count * this.keySize) {
      throw new RangeError(`Got ${keys.length} bytes for ${count} keys of map "${this.name}"`);
    }
    let done = 0;
    while (done < count) {
      const rest = keys.subarray(done * this.keySize, count * this.keySize);
      this.#count[0] = count - done;
      const error = -this.#libbpf.bpf.bpf_map_delete_batch(this.fd, rest, this.#count, null);
      if (error === 0) return;
      if (NO_BATCH.has(error)) {
        for (; done < count; done++) {
          this.delete(keys.subarray(done * this.keySize, (done + 1) * this.keySize));
        }
        return;
      }
      if (error !== ERRNO.ENOENT) throw this.#failure("delete from", error);
      done += this.#count[0]! + 1; // the kernel stopped at a key that is gone: go on behind it
    }
  }

  #found(operation: string, key: Uint8Array, error: number): Row | undefined {
    if (error === ERRNO.ENOENT) return undefined;
    if (error !== 0) throw this.#failure(operation, error);
    this.#keys.set(key);
    return this.#rowAt(0);
  }

  #rowAt(index: number): Row {
    this.#row.at(index * this.keySize, index * this.#valueBytes);
    return this.#row;
  }

  #grow(): void {
    if (this.chunkRows >= this.layout.maxEntries * 2) throw this.#failure("read", ERRNO.ENOSPC);
    this.chunkRows *= 2;
    this.#keys = new Uint8Array(this.chunkRows * this.keySize);
    this.#values = new Uint8Array(this.chunkRows * this.#valueBytes);
    this.#row.moveTo(this.#keys, this.#values);
  }

  #checkKey(key: Uint8Array): void {
    if (key.length !== this.keySize) {
      throw new RangeError(
        `Key of map "${this.name}" has ${this.keySize} bytes, got ${key.length}`,
      );
    }
  }

  #failure(operation: string, errno: number) {
    return this.#libbpf.failure(operation, this.name, errno);
  }
}

class ChunkRow implements Row {
  keyOffset = 0;
  valueOffset = 0;
  readonly #decoder: ValueDecoder;
  readonly #numbers: Float64Array;
  #view: DataView;
  #isDecoded = false;

  constructor(
    decoder: ValueDecoder,
    public keys: Uint8Array<ArrayBuffer>,
    public values: Uint8Array<ArrayBuffer>,
  ) {
    this.#decoder = decoder;
    this.#numbers = new Float64Array(decoder.names.length);
    this.#view = new DataView(values.buffer);
  }

  get numbers(): Float64Array {
    if (!this.#isDecoded) {
      this.#isDecoded = true;
      this.#decoder.decode(this.#view, this.valueOffset, this.#numbers);
    }
    return this.#numbers;
  }

  number(index: number): number {
    return this.#decoder.one(this.#view, this.valueOffset, index);
  }

  at(keyOffset: number, valueOffset: number): void {
    this.keyOffset = keyOffset;
    this.valueOffset = valueOffset;
    this.#isDecoded = false;
  }

  moveTo(keys: Uint8Array<ArrayBuffer>, values: Uint8Array<ArrayBuffer>): void {
    this.keys = keys;
    this.values = values;
    this.#view = new DataView(values.buffer);
  }
}
