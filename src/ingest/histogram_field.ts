// SPDX-License-Identifier: MulanPSL-2.0
/** The original's histogram in a line: `<n> <bound1> <count1> ... <boundn> <countn> <sum> <max>`, counts cumulative. */

export interface LineHistogram {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  /** Values of each range, not cumulative; one for each bound. */
  readonly counts: readonly number[];
  readonly sum: number;
  readonly max: number;
}

/** The original's longest such field has 256 characters: no room for more. */
const MAX_BUCKETS = 64;
const BLANKS_REGEXP = /[ \t]+/;
const NUMBER_REGEXP = /^-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;

/** Undefined: the text is no histogram. */
export function readHistogram(text: string): LineHistogram | undefined {
  const words = text.trim().split(BLANKS_REGEXP);
  if (!words.every((word) => NUMBER_REGEXP.test(word))) return undefined;
  const [buckets = NaN, ...rest] = words.map(Number);
  if (!Number.isInteger(buckets) || buckets < 1 || buckets > MAX_BUCKETS) return undefined;
  if (rest.length !== 2 * buckets + 2 || !rest.every(Number.isFinite)) return undefined;
  const bounds: number[] = [];
  const counts: number[] = [];
  let before = 0;
  for (let i = 0; i < buckets; i++) {
    const bound = rest[2 * i]!;
    const upTo = rest[2 * i + 1]!;
    if (i > 0 && bound <= bounds[i - 1]!) return undefined;
    if (!Number.isInteger(upTo) || upTo < before) return undefined;
    bounds.push(bound);
    counts.push(upTo - before);
    before = upTo;
  }
  return { bounds, counts, sum: rest.at(-2)!, max: rest.at(-1)! };
}
