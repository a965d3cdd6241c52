// SPDX-License-Identifier: MulanPSL-2.0
/**
 * MySQL and MariaDB. A command is a packet with number 0, and its answer begins with the next one of the server. SQL is
 * not read.
 */
import { BAD, type FrameReader, Frames, MORE } from "../frames.ts";
import type { Pairing } from "../pairing.ts";
import type { Chunk, Conversation, Protocol, Side } from "../protocol.ts";

/** Length, 3 bytes, and the packet's number. */
const HEADER_BYTES = 4;
const NUMBER_AT = 3;
const GREETING = 10;
const COM_QUIT = 1;
const COM_QUERY = 3;
const COM_BINLOG_DUMP = 18;
/** By the command's byte; commands without an answer have no name. */
const COMMANDS: Readonly<Record<number, string>> = {
  2: "InitDB",
  3: "Query",
  4: "FieldList",
  8: "Shutdown",
  9: "Statistics",
  10: "ProcessInfo",
  12: "ProcessKill",
  13: "Debug",
  14: "Ping",
  17: "ChangeUser",
  22: "Prepare",
  23: "Execute",
  26: "StmtReset",
  27: "SetOption",
  28: "Fetch",
  31: "ResetConnection",
};
const ERROR = 255;
/** Of an SSL request, which is a login that ends before the name: capabilities, size, character set, filler. */
const SSL_REQUEST_BYTES = 32;
const CLIENT_SSL = 0x800;

function packetBytes(bytes: Uint8Array, at: number): number {
  return bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16;
}

class MysqlConversation implements Conversation {
  readonly #pairing: Pairing;
  readonly #requests: Frames;
  readonly #responses: Frames;
  /** An answer has begun; what follows belongs to it until the next command. */
  #answered = true;

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
    this.#requests = new Frames(this.#readRequest);
    this.#responses = new Frames(this.#readResponse);
  }

  request(chunk: Chunk): void {
    if (!this.#requests.take(chunk)) this.#pairing.missedRequests();
  }

  response(chunk: Chunk): void {
    // Behind the first packet of an answer only the next command tells where a packet begins.
    if (this.#answered) return;
    if (this.#responses.take(chunk)) return;
    if (!this.#answered) this.#pairing.missedResponses(chunk.time);
    this.#answered = true;
  }

  readonly #readRequest: FrameReader = (bytes, at, end, time) => {
    if (at + HEADER_BYTES >= end) return MORE;
    const length = packetBytes(bytes, at);
    const number = bytes[at + NUMBER_AT]!;
    if (length === 0 && number === 0) return BAD;
    if (number === 0) this.#ask(bytes[at + HEADER_BYTES]!, time);
    else if (number === 1 && length === SSL_REQUEST_BYTES) {
      const low = bytes[at + HEADER_BYTES]! | (bytes[at + HEADER_BYTES + 1] ?? 0) << 8;
      if ((low & CLIENT_SSL) !== 0) this.#pairing.ended = true;
    }
    return HEADER_BYTES + length;
  };

  #ask(command: number, time: number): void {
    if (command === COM_BINLOG_DUMP || command === COM_QUIT) this.#pairing.ended = true;
    const operation = COMMANDS[command];
    if (operation === undefined) return;
    // Only the next command tells where an answer ends: of two that come at once none can be told from the other.
    if (this.#pairing.waiting > 0) {
      this.#pairing.missedResponses(time);
      this.#pairing.missedRequests();
    }
    this.#pairing.asked(operation, time);
    this.#answered = false;
    this.#responses.forget();
  }

  readonly #readResponse: FrameReader = (bytes, at, end, time) => {
    if (at + HEADER_BYTES >= end) return MORE;
    const length = packetBytes(bytes, at);
    if (!this.#answered) {
      const isError = bytes[at + HEADER_BYTES] === ERROR;
      this.#answered = true;
      this.#pairing.answered(time, isError ? "server" : "", isError ? "ERR" : "OK");
    }
    return HEADER_BYTES + length;
  };
}

function guess({ bytes, start, end, length }: Chunk): Side | undefined {
  if (end - start < HEADER_BYTES + 2 || bytes[start + NUMBER_AT] !== 0) return undefined;
  if (packetBytes(bytes, start) + HEADER_BYTES !== length) return undefined;
  const [first, second] = [bytes[start + HEADER_BYTES]!, bytes[start + HEADER_BYTES + 1]!];
  // A version begins with a digit, a query with a letter, a blank, a bracket or a comment.
  if (first === GREETING) return second >= 48 && second <= 57 ? "response" : undefined;
  const isText = second >= 32 && second < 127;
  return first === COM_QUERY && isText ? "request" : undefined;
}

const mysql: Protocol = {
  name: "mysql",
  guess,
  converse: (pairing) => new MysqlConversation(pairing),
};
export default mysql;
