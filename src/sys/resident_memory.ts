// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Gives back memory that lies idle: clean file pages of the executable, and free heap of the C library. Pages that are
 * used again are mapped from the page cache, 16 at a time at about a microsecond. Measured: 15 MB less resident.
 */
import { ABI } from "./kernel_abi.ts";
import type { Libbpf } from "./libbpf.ts";

const MIN_KILOBYTES = 512;
const MAPPING_REGEXP = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)/;
const HEAP_REGEXP = /^.* \[heap\]$/m;
/** To look for the mappings takes 2 ms. */
const LOOK_EVERY_MS = 60_000;
/** Takes some 50 ms, so every five minutes; see scripts/build.sh for why V8 does not do it by itself. */
const COLLECT_EVERY_MS = 300_000;
/** The first time after the start sooner: by then all is compiled that will be, and what only the start needed is old. */
const COLLECT_AGAIN_MS = 45_000;
/** Under load V8 lets garbage pile up by the hundred megabytes rather than to look for it; so much more is too much. */
const GROWN_BYTES = 16e6;

interface Mapping {
  readonly start: bigint;
  readonly bytes: bigint;
}

/**
 * Parts of the executable that are large and have no page of our own: `text` is that of /proc/self/smaps. The kernel
 * puts the executable below the heap, where it stays; what is mapped above may be gone and its place taken.
 */
export function cleanFileMappings(text: string): Mapping[] {
  const found: Mapping[] = [];
  const heap = text.search(HEAP_REGEXP);
  if (heap < 0) return found;
  for (const part of text.slice(0, heap).split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)) {
    const [, start, end, access, inode] = MAPPING_REGEXP.exec(part) ?? [];
    if (start === undefined || inode === "0" || access!.includes("w")) continue;
    const kilobytes = (name: string) =>
      Number(part.match(new RegExp(`^${name}:\\s+(\\d+)`, "m"))?.[1]);
    // Relocated data is read-only too, but its pages are ours alone: dropping them would lose the relocations. Dirty
    // pages that are not anonymous are of a file just written, such as a new build: the page cache keeps them.
    if (kilobytes("Anonymous") !== 0) continue;
    if (!(kilobytes("Rss") >= MIN_KILOBYTES)) continue;
    const from = BigInt(`0x${start}`);
    found.push({ start: from, bytes: BigInt(`0x${end}`) - from });
  }
  return found;
}

export class IdleMemory {
  readonly #libc: Libbpf["libc"];
  readonly #collect: () => void;
  readonly #anonymousBytes: () => number;
  /** After the last collection. */
  #leftBytes = 0;
  #mappings: readonly Mapping[] = [];
  #lookedAt = -Infinity;
  #collectAt = -Infinity;
  #collections = 0;

  /** `collect` makes V8 give up what is not used any more; `anonymousBytes` is the private memory of the process. */
  constructor(
    { libc }: Pick<Libbpf, "libc">,
    collect = () => {},
    anonymousBytes: () => number = () => 0,
  ) {
    this.#libc = libc;
    this.#collect = collect;
    this.#anonymousBytes = anonymousBytes;
  }

  /** To be called after work; `now` is monotonic, in ms. */
  giveBack(now: number): void {
    const grown = this.#anonymousBytes() - this.#leftBytes > GROWN_BYTES;
    if (grown || now >= this.#collectAt) {
      this.#collectAt = now + (this.#collections++ === 0 ? COLLECT_AGAIN_MS : COLLECT_EVERY_MS);
      this.#collect();
      this.#libc.malloc_trim(0n);
      this.#leftBytes = this.#anonymousBytes();
    }
    if (now - this.#lookedAt >= LOOK_EVERY_MS) {
      this.#lookedAt = now;
      this.#mappings = cleanFileMappings(Deno.readTextFileSync("/proc/self/smaps"));
      this.#libc.malloc_trim(0n);
    }
    for (const { start, bytes } of this.#mappings) {
      this.#libc.madvise(Deno.UnsafePointer.create(start), bytes, ABI.MADV_DONTNEED);
    }
  }
}
