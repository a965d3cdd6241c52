// SPDX-License-Identifier: MulanPSL-2.0
/**
 * HTTP/1.x. An operation is a method; nothing else of a request is read but the length of its body. Where a head is
 * longer than what is known of it, the message is taken to last until its sender's turn comes again.
 */
import { findByte } from "../find_byte.ts";
import { NameIndex } from "../name_index.ts";
import type { Pairing } from "../pairing.ts";
import type { Chunk, Conversation, Protocol } from "../protocol.ts";

const METHODS = [
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE"],
  ...["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "PURGE"],
];
const methods = new NameIndex(METHODS);
const MAX_METHOD = 12;
const SPACE = 32;
const CR = 13;
const LF = 10;
const SLASH = 47;
const ZERO = 48;
/** "HTTP/1.1 200" */
const STATUS_BYTES = 12;
const STATUS_AT = 9;
/** No body is larger that we care for: 2^53 bytes. */
const MAX_DIGITS = 15;

/** The method of the request that begins there; undefined: none does. */
function methodAt(bytes: Uint8Array, at: number, end: number): string | undefined {
  const first = bytes[at]!;
  if (first < 65 || first > 90) return undefined;
  let name = 1;
  while (name < MAX_METHOD && at + name < end && bytes[at + name] !== SPACE) name++;
  const target = bytes[at + name + 1];
  if (bytes[at + name] !== SPACE || at + name + 1 >= end) return undefined;
  // A path, "*", a host with port, or a whole URL.
  if (target !== SLASH && target !== 42 && !isWord(target!)) return undefined;
  const method = methods.find(bytes, at, name);
  return method !== undefined && bytes[at] === method.charCodeAt(0) ? method : undefined;
}

function isWord(byte: number): boolean {
  return (byte >= ZERO && byte <= 57) || ((byte | 32) >= 97 && (byte | 32) <= 122);
}

const MARK_BYTES = 96;

/** Of method and target, as far as they are known in any case. */
function markOf(bytes: Uint8Array, at: number, end: number): number {
  const last = Math.min(end, at + MARK_BYTES);
  let mark = 0;
  for (let i = at, words = 0; i < last; i++) {
    const byte = bytes[i]!;
    if (byte === CR || byte === LF || (byte === SPACE && ++words === 2)) break;
    mark = Math.imul(mark, 31) + byte | 0;
  }
  return mark;
}

const PREFIX = new TextEncoder().encode("HTTP/1.");

/** The status of the response that begins there; 0: none does. */
function statusAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + STATUS_BYTES > end) return 0;
  for (let i = 0; i < PREFIX.length; i++) if (bytes[at + i] !== PREFIX[i]) return 0;
  let status = 0;
  for (let i = STATUS_AT; i < STATUS_BYTES; i++) {
    const digit = bytes[at + i]! - ZERO;
    if (digit < 0 || digit > 9) return 0;
    status = status * 10 + digit;
  }
  return status >= 100 && status <= 599 ? status : 0;
}

interface Head {
  /** Bytes of the head; NaN: its end is not known. */
  bytes: number;
  /** Bytes of the body; NaN: not known. `fallback` where the head says nothing. */
  body: number;
}

const head: Head = { bytes: NaN, body: NaN };
const LENGTH = new TextEncoder().encode("content-length:");
const ENCODING = new TextEncoder().encode("transfer-encoding:");

/** Reads the head at `at` into `head`. */
function readHead(bytes: Uint8Array, at: number, end: number, fallback: number): void {
  head.bytes = NaN;
  head.body = fallback;
  for (
    let lf = findByte(bytes, LF, at, end);
    lf >= 0;
    lf = findByte(bytes, LF, lf + 1, end)
  ) {
    const line = lf + 1;
    if (line + 1 >= end) return;
    if (bytes[line] === CR && bytes[line + 1] === LF) {
      head.bytes = line + 2 - at;
      return;
    }
    if (startsWith(bytes, line, end, LENGTH)) {
      head.body = lengthAt(bytes, line + LENGTH.length, end);
    }
    if (startsWith(bytes, line, end, ENCODING)) head.body = NaN;
  }
}

/** Whether a header's name stands there, in any case. */
function startsWith(bytes: Uint8Array, at: number, end: number, name: Uint8Array): boolean {
  if (at + name.length > end) return false;
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[at + i]!;
    if ((byte >= 65 && byte <= 90 ? byte | 32 : byte) !== name[i]) return false;
  }
  return true;
}

function lengthAt(bytes: Uint8Array, at: number, end: number): number {
  let next = at;
  while (next < end && bytes[next] === SPACE) next++;
  let number = 0;
  const first = next;
  for (; next < end && bytes[next] !== CR; next++) {
    const digit = bytes[next]! - ZERO;
    if (digit < 0 || digit > 9 || next - first >= MAX_DIGITS) return NaN;
    number = number * 10 + digit;
  }
  return next === first || next >= end ? NaN : number;
}

/** What one side has yet to send of its present message: a number of bytes, or NaN where that is not known. */
interface Lane {
  rest: number;
}

class HttpConversation implements Conversation {
  readonly #pairing: Pairing;
  readonly #requests: Lane = { rest: 0 };
  readonly #responses: Lane = { rest: 0 };
  /** Whether the other side has answered since the last request. */
  #turned = true;

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
  }

  request(chunk: Chunk): void {
    const lane = this.#requests;
    if (Number.isNaN(lane.rest)) {
      if (methodAt(chunk.bytes, chunk.start, chunk.end) === undefined) return;
      // It may be the next request, or what a body begins with.
      if (!this.#turned) return this.#pairing.missedRequests();
      lane.rest = 0;
    }
    this.#take(lane, chunk, this.#beginRequest, () => this.#pairing.missedRequests());
  }

  response(chunk: Chunk): void {
    const lane = this.#responses;
    if (Number.isNaN(lane.rest)) {
      if (this.#pairing.waiting === 0) return;
      if (statusAt(chunk.bytes, chunk.start, chunk.end) === 0) return;
      lane.rest = 0;
    }
    this.#take(
      lane,
      chunk,
      this.#beginResponse,
      () => this.#pairing.missedResponses(chunk.time),
    );
  }

  /** Walks from message to message; `begin` gives the bytes of one, NaN where that is not known, 0 for none. */
  #take(
    lane: Lane,
    { bytes, start, end, length, time }: Chunk,
    begin: (bytes: Uint8Array, at: number, end: number, time: number) => number,
    miss: () => void,
  ): void {
    let done = 0;
    for (;;) {
      const skipped = Math.min(lane.rest, length - done);
      lane.rest -= skipped;
      done += skipped;
      if (done >= length) return;
      const size = start + done < end ? begin(bytes, start + done, end, time) : 0;
      lane.rest = size === 0 ? NaN : size;
      if (size === 0) miss();
      if (Number.isNaN(lane.rest)) return;
    }
  }

  readonly #beginRequest = (bytes: Uint8Array, at: number, end: number, time: number): number => {
    const method = methodAt(bytes, at, end);
    if (method === undefined) return 0;
    this.#turned = false;
    this.#pairing.asked(method, time, markOf(bytes, at, end));
    readHead(bytes, at, end, 0);
    return head.bytes + head.body;
  };

  readonly #beginResponse = (bytes: Uint8Array, at: number, end: number, time: number): number => {
    const status = statusAt(bytes, at, end);
    if (status === 0) return 0;
    const method = this.#pairing.next;
    readHead(bytes, at, end, NaN);
    if (status < 200 && status !== 101) return head.bytes; // the answer itself comes later
    this.#turned = true;
    const fault = status >= 500 ? "server" : status >= 400 ? "client" : "";
    this.#pairing.answered(time, fault, String(status));
    if (status === 101 || (method === "CONNECT" && status < 300)) this.#pairing.ended = true;
    const bare = method === "HEAD" || status === 204 || status === 304;
    return bare ? head.bytes : head.bytes + head.body;
  };
}

const http: Protocol = {
  name: "http",
  hasCodes: true,
  guess({ bytes, start, end }) {
    if (methodAt(bytes, start, end) !== undefined) return "request";
    return statusAt(bytes, start, end) > 0 ? "response" : undefined;
  },
  converse: (pairing) => new HttpConversation(pairing),
};
export default http;
