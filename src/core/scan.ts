// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Reads the text of /proc and /sys as bytes: words and numbers of a line, without a string or an array per value.
 *
 * Made for text that may be cut short or garbled: nothing throws, every method stays inside the bytes and inside its
 * line, and what is not surely a number is NaN. So is a number that ends where the text ends: the kernel closes every
 * line, and the rest of such a number may be missing.
 */

const NEWLINE = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
/** 2^64 has 20 digits; frequencies and loads have some behind the dot. */
const MAX_DIGITS = 24;
const MAX_HEX_DIGITS = 16;

const NOTHING = new Uint8Array(0);

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const COLON = 0x3a;
export const EQUALS = 0x3d;
export const SLASH = 0x2f;

/** A word to compare with. */
export function word(text: string): Uint8Array {
  return encoder.encode(text);
}

export class Scanner {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** The word found last. */
  #start = 0;
  #end = 0;

  /** Starts at the first line of `bytes`. */
  over(bytes: Uint8Array): this {
    this.#bytes = bytes;
    this.#at = this.#start = this.#end = 0;
    return this;
  }

  /** Whether no line is left. */
  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Goes to the next line. False: the line was the last and lacks its newline, so it may be cut short. */
  nextLine(): boolean {
    const newline = this.#bytes.indexOf(NEWLINE, this.#at);
    this.#at = newline < 0 ? this.#bytes.length : newline + 1;
    return newline >= 0;
  }

  /** Finds the next word of the line. */
  word(): boolean {
    this.#start = this.#skipBlanks();
    this.#skipWord();
    this.#end = this.#at;
    return this.#end > this.#start;
  }

  /** Finds the text of the line up to `byte`, without the blanks around it, and goes behind `byte`. */
  field(byte: number): boolean {
    const bytes = this.#bytes;
    const start = this.#skipBlanks();
    let at = start;
    while (at < bytes.length && bytes[at] !== byte && bytes[at] !== NEWLINE) at++;
    if (at >= bytes.length || bytes[at] !== byte) return false;
    this.#at = at + 1;
    while (at > start && isBlank(bytes[at - 1]!)) at--;
    this.#start = start;
    this.#end = at;
    return at > start;
  }

  /** Of the word found last; words of one hash may differ. */
  get hash(): number {
    return hashOf(this.#end - this.#start, this.isEmpty ? 0 : this.#bytes[this.#end - 1]!);
  }

  /** The rest of the line as text. */
  rest(): string {
    const newline = this.#bytes.indexOf(NEWLINE, this.#at);
    return decoder.decode(
      this.#bytes.subarray(this.#at, newline < 0 ? this.#bytes.length : newline),
    );
  }

  /** Whether no word was found. */
  get isEmpty(): boolean {
    return this.#end === this.#start;
  }

  /** Whether the word found last is `expected`. */
  is(expected: Uint8Array): boolean {
    return this.#end - this.#start === expected.length && this.#startsWith(expected);
  }

  /** The whole number that follows `prefix` in the word found last: 12 for `cpu12` and `cpu`. */
  numberAfter(prefix: Uint8Array): number {
    const digits = this.#end - this.#start - prefix.length;
    if (digits < 1 || digits > MAX_DIGITS || !this.#startsWith(prefix)) return NaN;
    let value = 0;
    for (let at = this.#end - digits; at < this.#end; at++) {
      const digit = this.#bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) return NaN;
      value = value * 10 + digit;
    }
    return value;
  }

  /** The word found last as a whole number without sign; NaN when it is none. */
  wholeNumber(): number {
    return this.numberAfter(NOTHING);
  }

  /** The word found last. */
  text(): string {
    return decoder.decode(this.#bytes.subarray(this.#start, this.#end));
  }

  /** The next word of the line as a decimal number, exact up to 2^53; NaN when it is none, or there is no word. */
  number(): number {
    const bytes = this.#bytes;
    let at = this.#skipBlanks();
    const negative = at < bytes.length && bytes[at] === MINUS;
    if (negative) at++;
    const start = at;
    let value = 0;
    let dot = -1;
    for (; at < bytes.length; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit >= 0 && digit <= 9) value = value * 10 + digit;
      else if (bytes[at] === DOT && dot < 0 && at > start) dot = at;
      else break;
    }
    this.#at = at;
    const digits = at - start;
    if (digits < 1 || digits > MAX_DIGITS || dot === at - 1 || !this.#wordEnds()) {
      return this.#none();
    }
    if (dot >= 0) value /= 10 ** (at - 1 - dot);
    return negative ? -value : value;
  }

  /** The next word of the line as a hexadecimal number without sign or prefix; NaN as in `number`. */
  hex(): number {
    const bytes = this.#bytes;
    const start = this.#skipBlanks();
    let value = 0;
    let at = start;
    for (; at < bytes.length; at++) {
      const digit = hexDigit(bytes[at]!);
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    this.#at = at;
    const digits = at - start;
    return digits < 1 || digits > MAX_HEX_DIGITS || !this.#wordEnds() ? this.#none() : value;
  }

  #none(): number {
    this.#skipWord();
    return NaN;
  }

  #wordEnds(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const byte = this.#bytes[this.#at]!;
    return byte === NEWLINE || isBlank(byte);
  }

  #startsWith(prefix: Uint8Array): boolean {
    for (let i = 0; i < prefix.length; i++) {
      if (this.#bytes[this.#start + i] !== prefix[i]) return false;
    }
    return true;
  }

  #skipBlanks(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < bytes.length && isBlank(bytes[at]!)) at++;
    this.#at = at;
    return at;
  }

  #skipWord(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < bytes.length && bytes[at] !== NEWLINE && !isBlank(bytes[at]!)) at++;
    this.#at = at;
  }
}

function hashOf(length: number, last: number): number {
  return length << 8 | last;
}

const NONE: readonly number[] = [];

/** Tells which of some known words was found; quick when they come in the given order, as lines of a file do. */
export class WordList {
  readonly #words: readonly Uint8Array[];
  /** Indexes of the words with a hash: most words that are not among them have one of none. */
  readonly #byHash = new Map<number, number[]>();
  #next = 0;

  constructor(words: readonly string[]) {
    this.#words = words.map(word);
    this.#words.forEach((bytes, i) => {
      const hash = hashOf(bytes.length, bytes.at(-1) ?? 0);
      const others = this.#byHash.get(hash);
      if (others === undefined) this.#byHash.set(hash, [i]);
      else others.push(i);
    });
  }

  /** Index of the word that `scan` found last, or -1. */
  indexOf(scan: Scanner): number {
    const next = this.#words[this.#next];
    if (next !== undefined && scan.is(next)) return this.#next++;
    for (const index of this.#byHash.get(scan.hash) ?? NONE) {
      if (!scan.is(this.#words[index]!)) continue;
      this.#next = index + 1;
      return index;
    }
    return -1;
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB;
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  if (byte >= 0x61 && byte <= 0x66) return byte - 0x57;
  if (byte >= 0x41 && byte <= 0x46) return byte - 0x37;
  return -1;
}
