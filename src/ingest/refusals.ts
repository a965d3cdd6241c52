// SPDX-License-Identifier: MulanPSL-2.0
/** What was wrong with the lines of one probe: a count for each reason, and the last bad lines to look at. */

/** For people who write a probe. */
export const REASON_TEXTS = {
  too_long: "longer than 8191 bytes",
  unfinished: "the output ended within the line: each ends with a newline",
  nul: "has a NUL byte",
  control_character: "has a control character",
  not_utf8: "is not UTF-8",
  unknown_table: "starts with the name of no table in the meta",
  too_many_fields: "has more fields than the meta",
  too_few_fields: "has fewer fields than the meta; the first that is missing is",
  empty_first_field: "the first field may not be empty:",
  bad_number: "this field is a metric, but its text is no number:",
  bad_histogram: "this field is no histogram <n> <bound> <count> ... <sum> <max>:",
  other_bounds: "this histogram has other bounds than before:",
  bad_event:
    "is no event: |event|entity|id|metric|[pid|comm|ip|container|pod|device|]SEVERITY|number|text|",
  bad_log: 'is no log record: |log|milliseconds|"SEVERITY"|number|{resource}|{attributes}|"text"|',
} as const;

export type RefusalReason = keyof typeof REASON_TEXTS;

export interface BadLine {
  readonly reason: RefusalReason;
  /** The field at fault, where it is one. */
  readonly field?: string;
  /** Start of the line, with everything that does not print as `\xNN`. */
  readonly text: string;
}

const MAX_LINES = 20;
const MAX_CHARACTERS = 200;
const MAX_CHARACTER_BYTES = 4;

export class Refusals {
  readonly #counts = new Map<RefusalReason, number>();
  readonly #lines: BadLine[] = [];

  refuse(reason: RefusalReason, bytes: Uint8Array, start: number, end: number, field?: string) {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    const text = visibleText(bytes.subarray(start, end));
    if (this.#lines.length === MAX_LINES) this.#lines.shift();
    this.#lines.push(field === undefined ? { reason, text } : { reason, field, text });
  }

  /** Refused lines by reason; reasons that never came are left out. */
  get counts(): Readonly<Partial<Record<RefusalReason, number>>> {
    return Object.fromEntries(this.#counts);
  }

  /** The last bad lines, oldest first. */
  get lines(): readonly BadLine[] {
    return [...this.#lines];
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const HIDDEN_REGEXP = /[\p{C}\p{Zl}\p{Zp}\uFFFD]/gu;

/** Text of at most `longest` characters that is safe in a terminal and in a log. */
export function visibleText(bytes: Uint8Array, longest = MAX_CHARACTERS): string {
  const part = bytes.subarray(0, characterStart(bytes, longest * MAX_CHARACTER_BYTES));
  const decoded = decoder.decode(part);
  const text = decoded.includes("\uFFFD")
    ? Array.from(part, byteText).join("")
    : decoded.replaceAll(HIDDEN_REGEXP, escapeCharacter);
  if (text.length <= longest && part.length === bytes.length) return text;
  // toWellFormed: the cut may halve a character outside the basic plane.
  return `${text.slice(0, longest - 3).toWellFormed()}...`;
}

/** `offset`, or the start of the character that it would cut. */
function characterStart(bytes: Uint8Array, offset: number): number {
  if (offset >= bytes.length) return bytes.length;
  let start = offset;
  while (start > offset - MAX_CHARACTER_BYTES && (bytes[start]! & 0xc0) === 0x80) start--;
  return start;
}

function byteText(byte: number): string {
  const printable = byte >= 32 && byte < 127;
  return printable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  return code < 256 ? byteText(code) : `\\u{${code.toString(16)}}`;
}
