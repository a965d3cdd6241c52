// SPDX-License-Identifier: MulanPSL-2.0
/** Reads a decimal number from bytes without making a string, in the common case. */

const BLANK = 32;
const TAB = 9;
const PLUS = 43;
const MINUS = 45;
const POINT = 46;
const ZERO = 48;

/** Up to 15 digits and 10^22 are exact in a 64-bit float, so one division rounds correctly. */
const EXACT_DIGITS = 15;
const POWERS = Float64Array.from({ length: 16 }, (_, exponent) => Number(`1e${exponent}`));

/** What printf, Python and Java print where there is no number; the original's own word is "(null)". */
const ABSENT_REGEXP = /^(?:\(null\)|[-+]?(?:nan|inf|infinity))$/i;
const NUMBER_REGEXP = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;

/** Stands for a text that is no number; a caller that sees it must not use it as one. */
export const BAD_NUMBER = Infinity;

/** The number in `bytes`, NaN for "not known" (also infinity, which is no measurement), or BAD_NUMBER. */
export function readNumber(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  let last = end;
  while (at < last && (bytes[at] === BLANK || bytes[at] === TAB)) at++;
  while (at < last && (bytes[last - 1] === BLANK || bytes[last - 1] === TAB)) last--;
  if (at === last) return NaN;
  const first = at;
  const negative = bytes[at] === MINUS;
  if (negative || bytes[at] === PLUS) at++;
  if (last - at > EXACT_DIGITS + 1) return readSlowly(bytes, first, last);
  let digits = 0;
  let mantissa = 0;
  let fraction = -1;
  for (; at < last; at++) {
    const byte = bytes[at]!;
    const digit = byte - ZERO;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digits++;
      if (fraction >= 0) fraction++;
    } else if (byte === POINT && fraction < 0) {
      fraction = 0;
    } else {
      return readSlowly(bytes, first, last);
    }
  }
  if (digits === 0 || digits > EXACT_DIGITS) return readSlowly(bytes, first, last);
  const value = fraction > 0 ? mantissa / POWERS[fraction]! : mantissa;
  return negative ? -value : value;
}

/** Longer than any number that a program prints; "%f" of the largest double has 316 characters. */
const MAX_NUMBER_BYTES = 400;

function readSlowly(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > MAX_NUMBER_BYTES) return BAD_NUMBER;
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
  if (!NUMBER_REGEXP.test(text)) return ABSENT_REGEXP.test(text) ? NaN : BAD_NUMBER;
  const value = Number(text);
  return Number.isFinite(value) ? value : BAD_NUMBER;
}
