// SPDX-License-Identifier: MulanPSL-2.0
/**
 * PostgreSQL, protocol 3: simple and extended queries, function calls, COPY, errors. A request is what the server
 * answers with one ReadyForQuery: a simple query, or all up to a Sync. SQL is not read.
 */
import { BAD, type FrameReader, Frames, MORE } from "../frames.ts";
import type { Fault, Pairing } from "../pairing.ts";
import type { Chunk, Conversation, Protocol } from "../protocol.ts";

/** Type and length. */
const HEADER_BYTES = 5;
const STARTUP_BYTES = 8;
const MAX_STARTUP = 10_000;
const MAX_MESSAGE = 2 ** 30;
const VERSION_3 = 3;
const CANCEL = 80877102;
const TLS = 80877103;
const GSS = 80877104;

const REQUESTS = new Set("QPBEDCSFHXdcfp");
/** What comes at any time, and is no answer. */
const ASIDES = new Set("NSAK");
const RESPONSES = new Set("RSKZT12345DCInsEGHWVNAtcdv");

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!) >>> 0;
}

/** Bytes of the message of one of these types at `at`. */
function messageBytes(
  bytes: Uint8Array,
  at: number,
  end: number,
  types: ReadonlySet<string>,
): number {
  if (!types.has(typeAt(bytes, at))) return BAD;
  if (at + HEADER_BYTES > end) return MORE;
  const length = uint32(bytes, at + 1);
  return length < 4 || length > MAX_MESSAGE ? BAD : length + 1;
}

function typeAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at]!);
}

/** Bytes of a message that has no type; BAD if it is none. */
function startupBytes(bytes: Uint8Array, at: number, end: number): number {
  if (at + STARTUP_BYTES > end) return MORE;
  const length = uint32(bytes, at);
  const code = uint32(bytes, at + 4);
  if (length < STARTUP_BYTES || length > MAX_STARTUP) return BAD;
  return code >> 16 === VERSION_3 || (code >= CANCEL && code <= GSS) ? length : BAD;
}

class PgsqlConversation implements Conversation {
  readonly #pairing: Pairing;
  readonly #requests: Frames;
  readonly #responses: Frames;
  /** When the request began that no Sync has ended yet; NaN: there is none. */
  #begun = NaN;
  #executes = false;
  /** The server answers with one byte whether it takes an encrypted connection. */
  #offered = false;
  /** First type of the answer that has begun. */
  #answer = "";
  #fault: Fault = "";
  /** An answer cannot be read to its end; it ends when somebody asks again. */
  #deaf = false;

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
    this.#requests = new Frames(this.#readRequest);
    this.#responses = new Frames(this.#readResponse);
  }

  request(chunk: Chunk): void {
    if (this.#requests.take(chunk)) return;
    // The Sync is most likely in what is not known: the only doubt is whether more is behind it.
    if (Number.isNaN(this.#begun)) this.#pairing.missedRequests();
    else this.#ask("Execute", this.#begun);
  }

  response(chunk: Chunk): void {
    if (this.#offered) return this.#readOffer(chunk);
    if (this.#deaf && this.#pairing.waiting === 0) return;
    this.#deaf = false;
    if (this.#responses.take(chunk)) return;
    this.#deaf = true;
    // With one request under way there is no doubt whose answer this is.
    if (this.#pairing.waiting === 1 && this.#answer !== "") this.#answered(chunk.time);
    else this.#pairing.missedResponses(chunk.time);
    this.#answer = "";
    this.#fault = "";
  }

  readonly #readRequest: FrameReader = (bytes, at, end, time) => {
    if (bytes[at] === 0) {
      const startup = startupBytes(bytes, at, end);
      if (startup <= 0) return startup;
      const code = uint32(bytes, at + 4);
      if (code === TLS || code === GSS) this.#offered = true;
      return startup;
    }
    const size = messageBytes(bytes, at, end, REQUESTS);
    if (size <= 0) return size;
    this.#note(typeAt(bytes, at), time);
    return size;
  };

  #note(type: string, time: number): void {
    switch (type) {
      case "p": // passwords
      case "X":
      case "d": // rows of a COPY, which a query has begun
      case "c":
      case "f":
        return;
      case "Q":
        return this.#ask("Query", time);
      case "F":
        return this.#ask("FunctionCall", time);
    }
    if (Number.isNaN(this.#begun)) this.#begun = time;
    if (type === "E") this.#executes = true;
    if (type === "S") this.#ask(this.#executes ? "Execute" : "Prepare", this.#begun);
  }

  #ask(operation: string, time: number): void {
    this.#begun = NaN;
    this.#executes = false;
    this.#pairing.asked(operation, time);
  }

  readonly #readResponse: FrameReader = (bytes, at, end, time) => {
    const size = messageBytes(bytes, at, end, RESPONSES);
    if (size <= 0) return size;
    const type = typeAt(bytes, at);
    const nobody = this.#pairing.waiting === 0 && Number.isNaN(this.#begun);
    if (nobody || (this.#answer === "" && ASIDES.has(type))) return size;
    if (this.#answer === "") this.#answer = type;
    if (type === "E") this.#fault = "server";
    if (type === "Z") this.#answered(time);
    return size;
  };

  #answered(time: number): void {
    this.#pairing.answered(time, this.#fault, this.#answer);
    this.#answer = "";
    this.#fault = "";
  }

  #readOffer({ bytes, start, length }: Chunk): void {
    this.#offered = false;
    const answer = typeAt(bytes, start);
    if (length !== 1 || answer !== "N") this.#pairing.ended = true;
  }
}

/** A startup message, or a query: nothing else is sure enough. */
function guess({ bytes, start, end, length }: Chunk): "request" | undefined {
  if (end - start < STARTUP_BYTES) return undefined;
  if (bytes[start] === 0) {
    return startupBytes(bytes, start, end) === length ? "request" : undefined;
  }
  const type = typeAt(bytes, start);
  const size = uint32(bytes, start + 1) + 1;
  if (type === "Q") return size === length && size > HEADER_BYTES ? "request" : undefined;
  // Extended: Parse or Bind, with more behind it.
  if ((type !== "P" && type !== "B") || size >= length || start + size >= end) return undefined;
  return "BDES".includes(typeAt(bytes, start + size)) ? "request" : undefined;
}

const pgsql: Protocol = {
  name: "pgsql",
  guess,
  converse: (pairing) => new PgsqlConversation(pairing),
};
export default pgsql;
