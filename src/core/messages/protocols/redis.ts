// SPDX-License-Identifier: MulanPSL-2.0
/** Redis: RESP 2 and 3, pipelines, pushes. An operation is a command's name, of a fixed list; arguments are not read. */
import { findByte } from "../find_byte.ts";
import { BAD, type FrameReader, Frames, MORE, REST } from "../frames.ts";
import type { Pairing } from "../pairing.ts";
import type { Chunk, Conversation, Protocol } from "../protocol.ts";
import { NameIndex } from "../name_index.ts";
import { OTHER_COMMAND, redisCommand } from "../redis_commands.ts";

const CR = 13;
const LF = 10;
const ZERO = 48;
const MINUS = 45;
const STAR = 42;
const DOLLAR = 36;
/** A header's line: type, sign and up to 20 digits, CR and LF. */
const MAX_HEADER = 24;
const MAX_ELEMENTS = 1 << 20;
const MAX_BYTES = 2 ** 32;
/** The longest name of a command is shorter. */
const MAX_NAME = 32;
/** From then on what the server says is no answer, or there are more answers than requests. */
const ENDING: ReadonlySet<string> = new Set(
  ["PSYNC", "SYNC", "MONITOR", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE"]
    .concat(["PUNSUBSCRIBE", "SUNSUBSCRIBE"]),
);
/** CLIENT REPLY takes answers away. */
const CLIENT = "CLIENT";
const REPLY = new NameIndex(["REPLY"]);

/** The number of a header's line, and the bytes of the line. */
const header = { number: 0, bytes: 0 };

/** Reads `$123\r\n` into `header`: its bytes, MORE or BAD. */
function readHeader(bytes: Uint8Array, at: number, end: number): number {
  let next = at + 1;
  const negative = bytes[next] === MINUS;
  if (negative) next++;
  let number = 0;
  const digits = next;
  for (; next < end; next++) {
    const digit = bytes[next]! - ZERO;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
  }
  if (next - at > MAX_HEADER) return BAD;
  if (next + 1 >= end) return next >= end || bytes[next] === CR ? MORE : BAD;
  if (next === digits || bytes[next] !== CR || bytes[next + 1] !== LF) return BAD;
  if (number > MAX_BYTES) return BAD;
  header.number = negative ? -number : number;
  header.bytes = next + 2 - at;
  return header.bytes;
}

/** Bytes of the line at `at`; MORE if its end is not known. */
function lineBytes(bytes: Uint8Array, at: number, end: number): number {
  const lf = findByte(bytes, LF, at, end);
  return lf < 0 ? MORE : lf + 1 - at;
}

function isLetter(byte: number): boolean {
  return (byte | 32) >= 97 && (byte | 32) <= 122;
}

class RedisConversation implements Conversation {
  readonly #pairing: Pairing;
  readonly #requests: Frames;
  readonly #responses: Frames;
  /** Parts of the present request, and elements of the present response, that have yet to come. */
  #parts = 0;
  #named = false;
  /** The command, if its next part is of interest. */
  #command = "";
  #elements = 0;
  /** Responses that cannot be read have begun; they end when somebody asks again. */
  #deaf = false;

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
    this.#requests = new Frames(this.#readRequest);
    this.#responses = new Frames(this.#readResponse);
  }

  request(chunk: Chunk): void {
    if (this.#requests.take(chunk)) return;
    this.#parts = 0;
    this.#pairing.missedRequests();
  }

  response(chunk: Chunk): void {
    if (this.#deaf && this.#pairing.waiting === 0) return;
    this.#deaf = false;
    if (this.#responses.take(chunk)) return;
    this.#elements = 0;
    this.#deaf = true;
    this.#pairing.missedResponses(chunk.time);
  }

  readonly #readRequest: FrameReader = (bytes, at, end, time) => {
    if (this.#parts === 0) return this.#begin(bytes, at, end, time);
    if (bytes[at] !== DOLLAR) return BAD;
    const line = readHeader(bytes, at, end);
    if (line <= 0) return line;
    const { number } = header;
    if (number < 0) return BAD;
    const known = Math.min(number, MAX_NAME);
    if (!this.#named || this.#command !== "") {
      if (at + line + known > end) return MORE;
      const length = number > MAX_NAME ? 0 : number;
      if (!this.#named) this.#ask(redisCommand(bytes, at + line, length), time);
      else this.#readOption(bytes, at + line, length);
    }
    this.#parts--;
    return line + number + 2;
  };

  #begin(bytes: Uint8Array, at: number, end: number, time: number): number {
    if (bytes[at] !== STAR) return this.#beginInline(bytes, at, end, time);
    const line = readHeader(bytes, at, end);
    if (line <= 0) return line;
    if (header.number > MAX_ELEMENTS) return BAD;
    this.#parts = Math.max(0, header.number);
    this.#named = false;
    this.#command = "";
    return line;
  }

  /** `PING\r\n`, as people type it. */
  #beginInline(bytes: Uint8Array, at: number, end: number, time: number): number {
    const line = lineBytes(bytes, at, end);
    const first = bytes[at]!;
    if (first === CR || first === LF) return line;
    if (!isLetter(first)) return BAD;
    if (line === MORE) return MORE;
    let name = 0;
    while (name < MAX_NAME && bytes[at + name]! > 32) name++;
    this.#ask(redisCommand(bytes, at, name), time);
    return line;
  }

  #readOption(bytes: Uint8Array, at: number, length: number): void {
    this.#command = "";
    if (REPLY.find(bytes, at, length) !== undefined) this.#pairing.ended = true;
  }

  #ask(command: string, time: number): void {
    this.#named = true;
    if (command === CLIENT) this.#command = command;
    if (ENDING.has(command)) this.#pairing.ended = true;
    this.#pairing.asked(command, time);
  }

  readonly #readResponse: FrameReader = (bytes, at, end, time) => {
    const isTop = this.#elements === 0;
    const type = String.fromCharCode(bytes[at]!);
    const size = this.#sizeOf(type, bytes, at, end);
    if (size === MORE || size < 0) return size;
    if (isTop && type !== ">" && type !== "|") {
      const isError = type === "-" || type === "!";
      this.#pairing.answered(time, isError ? "server" : "", type);
    }
    // Attributes stand before an element, and take the place of none.
    const left = type === "|" ? this.#elements : Math.max(0, this.#elements - 1);
    this.#elements = left + elementsInside(type);
    return size;
  };

  /** Bytes of an element without those inside of it. */
  #sizeOf(type: string, bytes: Uint8Array, at: number, end: number): number {
    header.number = 0;
    switch (type) {
      case "+":
      case "-":
      case ":":
      case "_":
      case ",":
      case "#":
      case "(": {
        const line = lineBytes(bytes, at, end);
        // A long text of an error or a status has no length in front of it: it ends the chunk.
        return line === MORE && end - at >= 64 ? REST : line;
      }
      case "$":
      case "!":
      case "=": {
        const line = readHeader(bytes, at, end);
        if (line <= 0) return line;
        return header.number < 0 ? line : line + header.number + 2;
      }
      case "*":
      case "%":
      case "~":
      case ">":
      case "|": {
        const line = readHeader(bytes, at, end);
        return line > 0 && header.number > MAX_ELEMENTS ? BAD : line;
      }
      default:
        return BAD;
    }
  }
}

/** Of the element whose header was read last. */
function elementsInside(type: string): number {
  const count = Math.max(0, header.number);
  switch (type) {
    case "*":
    case "~":
    case ">":
      return count;
    case "%":
    case "|":
      return 2 * count;
    default:
      return 0;
  }
}

/** `*3\r\n$3\r\nSET\r\n`: an array whose first part is the name of a command. */
function guess({ bytes, start, end }: Chunk): "request" | undefined {
  if (bytes[start] !== STAR) return undefined;
  const array = readHeader(bytes, start, end);
  if (array <= 0 || header.number < 1 || header.number > MAX_ELEMENTS) return undefined;
  const at = start + array;
  if (bytes[at] !== DOLLAR) return undefined;
  const part = readHeader(bytes, at, end);
  if (part <= 0 || header.number < 1 || header.number > MAX_NAME) return undefined;
  const name = at + part;
  if (name + header.number > end) return undefined;
  return redisCommand(bytes, name, header.number) === OTHER_COMMAND ? undefined : "request";
}

const redis: Protocol = {
  name: "redis",
  guess,
  converse: (pairing) => new RedisConversation(pairing),
};
export default redis;
