// SPDX-License-Identifier: MulanPSL-2.0
/** Shape of the memory that kernel and agent share. `src/gen/layouts.ts` is generated in these terms. */

/**
 * One member of a C struct. Numbers are little-endian integers; `bytes` is a byte array, `array` one of unsigned
 * integers of 4 or 8 bytes.
 */
export interface Field {
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly kind: "unsigned" | "signed" | "bytes" | "array";
  /** Bytes of an array's element. */
  readonly element?: number;
}

export interface Struct {
  /** Bytes, padding included. */
  readonly size: number;
  readonly fields: Readonly<Record<string, Field>>;
}

export interface MapLayout {
  readonly type: "hash" | "percpu_hash" | "array" | "percpu_array" | "ringbuf" | "other";
  readonly maxEntries: number;
  readonly key: Struct;
  readonly value: Struct;
}

/** What one BPF object (`bpf/<probe>.bpf.c`) contains. */
export interface ObjectLayout {
  /** File name inside the executable: `tcp.bpf.o`. */
  readonly object: string;
  readonly maps: Readonly<Record<string, MapLayout>>;
  /** Records that programs write to a ring or an iterator: struct names ending in `_event` or `_record`. */
  readonly records: Readonly<Record<string, Struct>>;
  /** `const volatile` globals, which are set before loading; bytes of each. */
  readonly constants: Readonly<Record<string, Field>>;
  /** Program name to ELF section (`tp_btf/inet_sock_set_state`). */
  readonly programs: Readonly<Record<string, string>>;
}
