// SPDX-License-Identifier: MulanPSL-2.0
/** A growing byte buffer that writes text pieces and numbers without making strings or objects. */
import { Buffer } from "node:buffer";

const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const OPENING = 0x7b;

/** Longest number in text: sign, 17 digits, point, exponent of 5, and up to 6 zeros after the point. */
export const MAX_NUMBER_BYTES = 32;

const NINE_DIGITS = 1e9;
/** Up to here every integer is exact, and so are its thousandths' digits below. */
const MAX_EXACT = Number.MAX_SAFE_INTEGER;

/** Tens and ones of 0 to 99. */
const TENS = Uint8Array.from({ length: 100 }, (_, n) => ZERO + Math.floor(n / 10));
const ONES = Uint8Array.from({ length: 100 }, (_, n) => ZERO + n % 10);

const encoder = new TextEncoder();

export class ByteWriter {
  /** Valid up to `length`; replaced when it grows. */
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity = 65536) {
    this.bytes = new Uint8Array(capacity);
  }

  /** What was written; shares memory with the writer. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const wanted = this.length + count;
    if (wanted <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(wanted, this.bytes.length * 2));
    larger.set(this.written);
    this.bytes = larger;
  }

  append(piece: Uint8Array): void {
    this.reserve(piece.length);
    this.bytes.set(piece, this.length);
    this.length += piece.length;
  }

  text(text: string): void {
    this.reserve(text.length * 3); // the most that UTF-8 needs
    this.length += encoder.encodeInto(text, this.bytes.subarray(this.length)).written;
  }

  number(value: number): void {
    this.reserve(MAX_NUMBER_BYTES);
    this.length = writeNumber(this.bytes, this.length, value);
  }

  /** One line of the exposition: name, labels, number. */
  sample(name: Uint8Array, labels: Uint8Array, value: number): void {
    this.reserve(name.length + labels.length + MAX_NUMBER_BYTES + 2);
    const bytes = this.bytes;
    let at = this.length;
    bytes.set(name, at);
    at += name.length;
    bytes.set(labels, at);
    at += labels.length;
    bytes[at++] = 0x20;
    at = writeNumber(bytes, at, value);
    bytes[at++] = 0x0a;
    this.length = at;
  }

  /** The same with one label more: `last` is `,le="1"}`, and stands in place of the closing bracket. */
  sampleWith(name: Uint8Array, labels: Uint8Array, last: Uint8Array, value: number): void {
    this.reserve(name.length + labels.length + last.length + MAX_NUMBER_BYTES + 2);
    const bytes = this.bytes;
    let at = this.length;
    bytes.set(name, at);
    at += name.length;
    bytes.set(labels, at);
    at += Math.max(labels.length - 1, 0);
    bytes.set(last, at);
    if (labels.length === 0) bytes[at] = OPENING;
    at += last.length;
    bytes[at++] = 0x20;
    at = writeNumber(bytes, at, value);
    bytes[at++] = 0x0a;
    this.length = at;
  }
}

/** UTF-8 of a text that stays: cut from a larger piece, for a piece of its own takes 200 bytes more. */
export function lastingText(text: string): Uint8Array {
  return Buffer.from(text);
}

/** Writes a number so that reading it back gives the same number, and returns where it ended; needs 32 bytes. */
export function writeNumber(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  if (value < 0) {
    bytes[at++] = MINUS;
    rest = -value;
  }
  if (Number.isInteger(rest) && rest <= MAX_EXACT) return writeInteger(bytes, at, rest);
  const scaled = Math.round(rest * 1000);
  if (scaled <= MAX_EXACT && scaled / 1000 === rest) return writeThousandths(bytes, at, scaled);
  if (rest === Infinity) return writeText(bytes, start, value > 0 ? "+Inf" : "-Inf");
  return writeText(bytes, start, String(value));
}

function writeInteger(bytes: Uint8Array, start: number, value: number): number {
  if (value < NINE_DIGITS) {
    const end = start + digitsOf(value);
    writeDigits(bytes, end, value);
    return end;
  }
  const high = Math.floor(value / NINE_DIGITS);
  const middle = start + digitsOf(high);
  const end = middle + 9;
  bytes.fill(ZERO, middle, end);
  writeDigits(bytes, middle, high);
  writeDigits(bytes, end, value - high * NINE_DIGITS);
  return end;
}

function writeThousandths(bytes: Uint8Array, start: number, scaled: number): number {
  const whole = Math.floor(scaled / 1000);
  const thousandths = scaled - whole * 1000;
  let at = writeInteger(bytes, start, whole);
  const hundredths = (thousandths / 10) | 0;
  const last = thousandths - hundredths * 10;
  bytes[at++] = POINT;
  bytes[at++] = TENS[hundredths]!;
  if (last === 0 && ONES[hundredths] === ZERO) return at;
  bytes[at++] = ONES[hundredths]!;
  if (last !== 0) bytes[at++] = ZERO + last;
  return at;
}

/** Writes an integer below 10^9 so that it ends before `end`. */
function writeDigits(bytes: Uint8Array, end: number, value: number): void {
  let at = end;
  let rest = value | 0;
  while (rest >= 100) {
    const hundreds = (rest / 100) | 0;
    const pair = rest - hundreds * 100;
    bytes[--at] = ONES[pair]!;
    bytes[--at] = TENS[pair]!;
    rest = hundreds;
  }
  bytes[--at] = ONES[rest]!;
  if (rest >= 10) bytes[--at] = TENS[rest]!;
}

function digitsOf(value: number): number {
  if (value < 100) return value < 10 ? 1 : 2;
  if (value < 10000) return value < 1000 ? 3 : 4;
  if (value < 1000000) return value < 100000 ? 5 : 6;
  if (value < 100000000) return value < 10000000 ? 7 : 8;
  return 9;
}

function writeText(bytes: Uint8Array, start: number, text: string): number {
  let at = start;
  for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
  return at;
}
