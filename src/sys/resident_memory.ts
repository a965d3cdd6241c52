// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Gives back memory that lies idle: clean file pages of the executable, and free heap of the C library. Pages that are
 * used again are mapped from the page cache, some at a time at about a microsecond. Measured: 15 MB less resident.
 */
import { ABI } from "./kernel_abi.ts";
import type { Libbpf } from "./libbpf.ts";

const MIN_KILOBYTES = 512;
const MAPPING_REGEXP = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ (\d+)/;
const HEAP_REGEXP = /^.* \[heap\]$/m;
const TRIM_EVERY_MS = 60_000;
/**
 * Around a page of code that is needed the kernel maps 16, needed or not, but never beyond the mapping. In mappings of
 * four pages a reading makes 7 to 10 MB resident rather than 15; they cost 1 MB in the kernel and 0.8 ms each time.
 */
const STRIPE_BYTES = 16_384n;
/** Takes some 50 ms, so every five minutes; see scripts/build.sh for why V8 does not do it by itself. */
const COLLECT_EVERY_MS = 300_000;
/** The first time after the start sooner: by then all is compiled that will be, and what only the start needed is old. */
const COLLECT_AGAIN_MS = 45_000;
/** Under load V8 lets garbage pile up by the hundred megabytes rather than to look for it; so much more is too much. */
const GROWN_BYTES = 16e6;

interface Span {
  readonly start: bigint;
  readonly bytes: bigint;
}

interface Mapping extends Span {
  /** Of the kind that is needed here and there, not of one that lies idle as a whole. */
  readonly code: boolean;
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
    found.push({
      start: from,
      bytes: BigInt(`0x${end}`) - from,
      code: access!.includes("x"),
    });
  }
  return found;
}

/** Every second stripe of a mapping: marked unlike its neighbours, it and they are mappings of their own. */
export function* stripes({ start, bytes }: Span): Generator<Span> {
  const end = start + bytes;
  for (let at = start - start % STRIPE_BYTES + STRIPE_BYTES; at < end; at += 2n * STRIPE_BYTES) {
    yield { start: at, bytes: at + STRIPE_BYTES > end ? end - at : STRIPE_BYTES };
  }
}

export class IdleMemory {
  readonly #libc: Libbpf["libc"];
  readonly #collect: () => void;
  readonly #anonymousBytes: () => number;
  /** After the last collection. */
  #leftBytes = 0;
  #mappings: readonly Mapping[] | undefined;
  #trimmedAt = -Infinity;
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
    if (now - this.#trimmedAt >= TRIM_EVERY_MS) {
      this.#trimmedAt = now;
      this.#libc.malloc_trim(0n);
    }
    this.#mappings ??= this.#stripedMappings();
    for (const mapping of this.#mappings) this.#advise(mapping, ABI.MADV_DONTNEED);
  }

  /** The executable stays where it is, so one look, of 2 ms, is enough; a second one would find the stripes. */
  #stripedMappings(): readonly Mapping[] {
    const mappings = cleanFileMappings(Deno.readTextFileSync("/proc/self/smaps"));
    for (const mapping of mappings) {
      if (!mapping.code) continue;
      // A core file has no code of the executable anyway, so the mark changes nothing else. Where the kernel refuses it
      // (vm.max_map_count) what is left stays one mapping.
      for (const stripe of stripes(mapping)) {
        if (this.#advise(stripe, ABI.MADV_DONTDUMP) !== 0) break;
      }
    }
    return mappings;
  }

  #advise({ start, bytes }: Span, advice: number): number {
    return this.#libc.madvise(Deno.UnsafePointer.create(start), bytes, advice);
  }
}
