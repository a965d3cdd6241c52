// SPDX-License-Identifier: MulanPSL-2.0
/** Parser of the libconfig grammar, as the original's `gala-gopher.conf` and `.meta` files use it. */
import { ConfigError } from "./errors.ts";

export type LibconfigNode = LibconfigGroup | LibconfigList | LibconfigScalar;

/** `{ ... }`, and the file itself. */
export interface LibconfigGroup {
  readonly kind: "group";
  readonly entries: ReadonlyMap<string, LibconfigEntry>;
  readonly line: number;
  readonly column: number;
}

/** `( ... )`, and `[ ... ]`, which holds scalars of one type only. */
export interface LibconfigList {
  readonly kind: "list";
  readonly items: readonly LibconfigNode[];
  readonly line: number;
  readonly column: number;
}

export interface LibconfigScalar {
  readonly kind: "scalar";
  readonly value: string | number | boolean;
  readonly line: number;
  readonly column: number;
}

/** A setting; line and column are those of its name. */
export interface LibconfigEntry {
  readonly node: LibconfigNode;
  readonly line: number;
  readonly column: number;
}

/** Far above any real file; they bound memory and stack. */
export const MAX_LIBCONFIG_CHARACTERS = 1 << 20;
export const MAX_LIBCONFIG_DEPTH = 32;

const BLANK_REGEXP = /(?:[ \t\r\n\f\v]+|#[^\n]*|\/\/[^\n]*|\/\*[^]*?\*\/)+/y;
const NAME_REGEXP = /[A-Za-z*][-A-Za-z0-9_*]*/y;
const HEX_REGEXP = /0[xX][0-9A-Fa-f]+(?=L{0,2}(?![\w.]))/y;
const INTEGER_REGEXP = /[-+]?\d+(?=L{0,2}(?![\w.]))/y;
const FLOAT_REGEXP = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])/y;
const SUFFIX_REGEXP = /L{0,2}/y;
const WORD_REGEXP = /[-+\w.*@]{1,40}/y;
const PLAIN_TEXT_REGEXP = /[^"\\\0]+/y;
const HEX_PAIR_REGEXP = /[0-9A-Fa-f]{2}/y;

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

interface Reader {
  readonly text: string;
  readonly file: string;
  /** Offset at which each line starts. */
  readonly lineStarts: readonly number[];
  at: number;
}

interface Position {
  line: number;
  column: number;
}

/** Reads a whole file; every failure is a ConfigError with line and column. */
export function parseLibconfig(text: string, file: string): LibconfigGroup {
  if (text.length > MAX_LIBCONFIG_CHARACTERS) {
    const problem = `file has ${text.length} characters`;
    throw new ConfigError(problem, { file }, `up to ${MAX_LIBCONFIG_CHARACTERS} characters`);
  }
  const reader: Reader = { text, file, lineStarts: lineStartsOf(text), at: 0 };
  skipBlank(reader);
  const entries = readSettings(reader, 0);
  if (reader.at < text.length) fail(reader, `unexpected ${found(reader)}`, "a setting name");
  return { kind: "group", entries, line: 1, column: 1 };
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function positionOf(reader: Reader, offset: number): Position {
  let low = 0;
  let high = reader.lineStarts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (reader.lineStarts[middle]! <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - reader.lineStarts[low]! + 1 };
}

function fail(reader: Reader, problem: string, allowed?: string, offset = reader.at): never {
  throw new ConfigError(problem, { file: reader.file, ...positionOf(reader, offset) }, allowed);
}

function match(reader: Reader, pattern: RegExp): string | undefined {
  pattern.lastIndex = reader.at;
  const text = pattern.exec(reader.text)?.[0];
  if (text !== undefined) reader.at += text.length;
  return text;
}

/** What stands here, for messages. */
function found(reader: Reader): string {
  if (reader.at >= reader.text.length) return "end of file";
  WORD_REGEXP.lastIndex = reader.at;
  const word = WORD_REGEXP.exec(reader.text)?.[0];
  return JSON.stringify(word ?? String.fromCodePoint(reader.text.codePointAt(reader.at)!));
}

function skipBlank(reader: Reader): void {
  match(reader, BLANK_REGEXP);
  if (reader.text.startsWith("/*", reader.at)) fail(reader, `comment is not closed`, `"*/"`);
  if (reader.text[reader.at] === "@") {
    fail(reader, `${found(reader)} is not supported`, "all settings in one file");
  }
}

function take(reader: Reader, characters: string): boolean {
  const character = reader.text[reader.at];
  if (character === undefined || !characters.includes(character)) return false;
  reader.at++;
  skipBlank(reader);
  return true;
}

function readSettings(reader: Reader, depth: number): Map<string, LibconfigEntry> {
  const entries = new Map<string, LibconfigEntry>();
  for (;;) {
    const start = reader.at;
    const name = match(reader, NAME_REGEXP);
    if (name === undefined) return entries;
    const position = positionOf(reader, start);
    if (booleanOf(name) !== undefined) fail(reader, `"${name}" as a name`, "a setting name", start);
    const former = entries.get(name);
    if (former !== undefined) {
      fail(reader, `duplicate "${name}", first in line ${former.line}`, "each name once", start);
    }
    skipBlank(reader);
    if (!take(reader, "=:")) {
      fail(reader, `unexpected ${found(reader)} after "${name}"`, `"=" or ":"`);
    }
    entries.set(name, { node: readValue(reader, depth), ...position });
    skipBlank(reader);
    take(reader, ";,");
  }
}

function readValue(reader: Reader, depth: number): LibconfigNode {
  if (depth >= MAX_LIBCONFIG_DEPTH) {
    fail(reader, "nested too deeply", `up to ${MAX_LIBCONFIG_DEPTH} levels`);
  }
  const start = reader.at;
  const position = positionOf(reader, start);
  if (take(reader, "{")) {
    const entries = readSettings(reader, depth + 1);
    close(reader, "}", "a setting name", start);
    return { kind: "group", entries, ...position };
  }
  if (take(reader, "(")) {
    const items = readItems(reader, ")", () => readValue(reader, depth + 1));
    close(reader, ")", `","`, start);
    return { kind: "list", items, ...position };
  }
  if (take(reader, "[")) {
    const items = readItems(reader, "]", () => readScalar(reader));
    close(reader, "]", `","`, start);
    const other = items.find((item) => typeof item.value !== typeof items[0]!.value);
    if (other !== undefined) {
      const place = { file: reader.file, line: other.line, column: other.column };
      throw new ConfigError("array mixes types", place, `${typeof items[0]!.value}s only`);
    }
    return { kind: "list", items, ...position };
  }
  return readScalar(reader);
}

function close(reader: Reader, bracket: string, otherwise: string, start: number): void {
  if (reader.text[reader.at] === bracket) {
    reader.at++;
    return;
  }
  const { line } = positionOf(reader, start);
  const opened = `"${reader.text[start]}" of line ${line}`;
  fail(reader, `unexpected ${found(reader)} in ${opened}`, `${otherwise} or "${bracket}"`);
}

/** Values with a comma between them; libconfig allows one more at the end. */
function readItems<Item>(reader: Reader, bracket: string, readItem: () => Item): Item[] {
  const items: Item[] = [];
  while (reader.at < reader.text.length && reader.text[reader.at] !== bracket) {
    items.push(readItem());
    skipBlank(reader);
    if (!take(reader, ",")) break;
  }
  return items;
}

function readScalar(reader: Reader): LibconfigScalar {
  const start = reader.at;
  const position = positionOf(reader, start);
  if (reader.text[start] === '"') {
    return { kind: "scalar", value: readStrings(reader), ...position };
  }
  const number = readNumber(reader);
  if (number !== undefined) return { kind: "scalar", value: number, ...position };
  const word = match(reader, NAME_REGEXP);
  const value = word === undefined ? undefined : booleanOf(word);
  if (value === undefined) {
    reader.at = start;
    fail(reader, `unexpected ${found(reader)}`, `a string in "", a number, true or false`);
  }
  return { kind: "scalar", value, ...position };
}

function booleanOf(word: string): boolean | undefined {
  const lower = word.toLowerCase();
  return lower === "true" ? true : lower === "false" ? false : undefined;
}

function readNumber(reader: Reader): number | undefined {
  const start = reader.at;
  const whole = match(reader, HEX_REGEXP) ?? match(reader, INTEGER_REGEXP);
  if (whole !== undefined) {
    match(reader, SUFFIX_REGEXP);
    if (!Number.isSafeInteger(Number(whole))) {
      fail(reader, `number ${whole.slice(0, 40)} is too large`, "up to 9007199254740991", start);
    }
    return Number(whole);
  }
  const float = match(reader, FLOAT_REGEXP);
  if (float !== undefined && !Number.isFinite(Number(float))) {
    fail(reader, `number ${float.slice(0, 40)} is too large`, "up to 1.79e308", start);
  }
  return float === undefined ? undefined : Number(float);
}

/** One string, or several in a row, which libconfig joins. */
function readStrings(reader: Reader): string {
  const parts: string[] = [];
  while (reader.text[reader.at] === '"') {
    const start = reader.at++;
    while (reader.text[reader.at] !== '"') {
      const plain = match(reader, PLAIN_TEXT_REGEXP);
      if (plain !== undefined) parts.push(plain);
      else if (reader.text[reader.at] === "\\") parts.push(readEscape(reader));
      else if (reader.at < reader.text.length) fail(reader, "NUL character", "text");
      else fail(reader, "string is not closed", `'"'`, start);
    }
    reader.at++;
    skipBlank(reader);
  }
  return parts.join("");
}

function readEscape(reader: Reader): string {
  const start = reader.at++;
  const letter = reader.text[reader.at] ?? "";
  const escape = Object.hasOwn(ESCAPES, letter) ? ESCAPES[letter] : undefined;
  if (escape !== undefined) {
    reader.at++;
    return escape;
  }
  // libconfig leaves the backslash of any other letter in the text: shell commands rely on it.
  if (letter !== "x") return "\\";
  reader.at++;
  const code = Number.parseInt(match(reader, HEX_PAIR_REGEXP) ?? "", 16);
  // A C string ends at 0, and above 127 the byte would be half a character.
  if (!(code > 0 && code < 128)) fail(reader, `bad escape "\\x"`, "\\x01 to \\x7F", start);
  return String.fromCharCode(code);
}
