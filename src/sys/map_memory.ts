// SPDX-License-Identifier: MulanPSL-2.0
/** How much kernel memory a BPF map takes, from its layout: known before anything is loaded. */
import type { MapLayout } from "../core/layout.ts";

/** `struct htab_elem` without key and value. */
const HASH_ELEMENT_BYTES = 48;
/** One `struct bucket`; there are as many buckets as entries, rounded up to a power of two. */
const BUCKET_BYTES = 16;
const POINTER_BYTES = 8;
const PAGE_BYTES = 4096;
/** What a ring needs beside its data: consumer and producer position, and the kernel's own page. */
const RING_PAGES = 3;

/** Bytes of a value for one CPU: the kernel rounds up to 8. */
export function roundUp8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** Bytes of a map when it is full; `cpus` are the possible ones. */
export function mapBytes({ type, maxEntries, key, value }: MapLayout, cpus: number): number {
  const keyBytes = roundUp8(key.size);
  const valueBytes = roundUp8(value.size);
  const hash = HASH_ELEMENT_BYTES + keyBytes;
  const buckets = bucketBytes(maxEntries);
  switch (type) {
    case "ringbuf":
      return maxEntries + RING_PAGES * PAGE_BYTES;
    case "array":
      return valueBytes * maxEntries;
    case "percpu_array":
      return (valueBytes * cpus + POINTER_BYTES) * maxEntries;
    case "percpu_hash":
      return (hash + POINTER_BYTES + valueBytes * cpus) * maxEntries + buckets;
    case "hash":
    case "other":
      return (hash + valueBytes) * maxEntries + buckets;
  }
}

/** The least that a map takes before it has a row: those of hash maps may be made as they come. */
export function emptyMapBytes(layout: MapLayout, cpus: number): number {
  const isHash = layout.type !== "ringbuf" && !layout.type.endsWith("array");
  return isHash ? bucketBytes(layout.maxEntries) : mapBytes(layout, cpus);
}

function bucketBytes(maxEntries: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, maxEntries))) * BUCKET_BYTES;
}
