// SPDX-License-Identifier: MulanPSL-2.0
/**
 * DNS, on UDP and TCP. An operation is the type of what is asked, of a fixed list; names are not kept. A response has
 * its request's number and question, so that order does not matter.
 */
import { BAD, type FrameReader, Frames, MORE } from "../frames.ts";
import type { Fault, Pairing } from "../pairing.ts";
import type { Chunk, Conversation, Datagram, Protocol, Side } from "../protocol.ts";

const HEADER_BYTES = 12;
/** Of a message on TCP. */
const LENGTH_BYTES = 2;
/** Of a question behind its name: type and class. */
const TYPE_BYTES = 4;
const MAX_LABEL = 63;
const MAX_NAME = 255;
const MAX_CLASS = 255;
/** Type and class of a question are known when so many bytes are, or they are taken not to be. */
const ENOUGH_BYTES = 100;
const HASHES = 2 ** 20;

const TYPES: Readonly<Record<number, string>> = {
  1: "A",
  2: "NS",
  5: "CNAME",
  6: "SOA",
  12: "PTR",
  13: "HINFO",
  15: "MX",
  16: "TXT",
  28: "AAAA",
  29: "LOC",
  33: "SRV",
  35: "NAPTR",
  39: "DNAME",
  43: "DS",
  44: "SSHFP",
  46: "RRSIG",
  47: "NSEC",
  48: "DNSKEY",
  50: "NSEC3",
  51: "NSEC3PARAM",
  52: "TLSA",
  59: "CDS",
  60: "CDNSKEY",
  64: "SVCB",
  65: "HTTPS",
  99: "SPF",
  251: "IXFR",
  252: "AXFR",
  255: "ANY",
  256: "URI",
  257: "CAA",
};
const OTHER = "OTHER";
const OPCODES: Readonly<Record<number, string>> = { 2: "STATUS", 4: "NOTIFY", 5: "UPDATE" };
const QUERY = 0;
const CODES = [
  ...["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"],
  ...["YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"],
];
/** What was asked, or who asked, is the reason. */
const CLIENT_FAULTS: ReadonlySet<string> = new Set(["FORMERR", "NXDOMAIN", "REFUSED", "NOTAUTH"]);

type Message = { -readonly [Name in keyof Datagram]: Datagram[Name] };

/** The message that was read last. */
const message: Message = { side: "request", number: 0, operation: "", fault: "", code: "" };

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}

/** Bytes of the name at `at`; MORE if its end is not known, BAD if it is none. */
function nameBytes(bytes: Uint8Array, at: number, end: number): number {
  for (let next = at; next < end;) {
    const label = bytes[next]!;
    next += 1 + label;
    if (label === 0) return next - at;
    if (label > MAX_LABEL || next - at > MAX_NAME) return BAD;
  }
  return MORE;
}

/** Reads the message of `length` bytes at `at`, of which those up to `end` are known; false: it is none. */
function readMessage(bytes: Uint8Array, at: number, end: number, length: number): boolean {
  if (length < HEADER_BYTES || at + HEADER_BYTES > end) return false;
  const flags = uint16(bytes, at + 2);
  const opcode = flags >> 11 & 15;
  const isResponse = flags >> 15 === 1;
  const questions = uint16(bytes, at + 4);
  // Without a question there is nothing to know it by; nobody asks two.
  if ((flags & 0x40) !== 0 || questions !== 1) return false;
  if (opcode !== QUERY && OPCODES[opcode] === undefined) return false;
  if (!isResponse && opcode === QUERY && uint16(bytes, at + 6) !== 0) return false;
  const name = at + HEADER_BYTES;
  const size = nameBytes(bytes, name, Math.min(end, at + length));
  if (size === BAD || (size === MORE && end - at >= length)) return false;
  const type = name + size;
  const isTyped = size > 0 && type + TYPE_BYTES <= end;
  if (isTyped && uint16(bytes, type + 2) > MAX_CLASS) return false;
  message.side = isResponse ? "response" : "request";
  message.operation = OPCODES[opcode] ??
    (isTyped ? TYPES[uint16(bytes, type)] ?? OTHER : OTHER);
  const until = isTyped ? type + TYPE_BYTES : Math.min(end, name + ENOUGH_BYTES);
  message.number = uint16(bytes, at) * HASHES + hashOf(bytes, name, until);
  message.code = isResponse ? CODES[flags & 15] ?? OTHER : "";
  message.fault = faultOf(message.code);
  return true;
}

function faultOf(code: string): Fault {
  if (code === "" || code === "NOERROR") return "";
  return CLIENT_FAULTS.has(code) ? "client" : "server";
}

function hashOf(bytes: Uint8Array, at: number, end: number): number {
  let hash = 7;
  for (let i = at; i < end; i++) hash = Math.imul(hash, 31) + bytes[i]! | 0;
  return (hash ^ hash >>> 12) & (HASHES - 1);
}

class DnsConversation implements Conversation {
  readonly #pairing: Pairing;
  readonly #requests: Frames;
  readonly #responses: Frames;
  /** What was answered last. */
  #answered = NaN;

  constructor(pairing: Pairing) {
    this.#pairing = pairing;
    this.#requests = new Frames(this.#readFrame);
    this.#responses = new Frames(this.#readFrame);
  }

  request(chunk: Chunk): void {
    if (!this.#requests.take(chunk)) this.#pairing.missedRequests();
  }

  response(chunk: Chunk): void {
    this.#responses.take(chunk); // who is not answered waits on, and is counted in the end
  }

  readonly #readFrame: FrameReader = (bytes, at, end, time) => {
    if (at + LENGTH_BYTES > end) return MORE;
    const length = uint16(bytes, at);
    const start = at + LENGTH_BYTES;
    if (end - start < Math.min(length, ENOUGH_BYTES)) return MORE;
    if (!readMessage(bytes, start, end, length)) return BAD;
    const { side, number, operation, fault, code } = message;
    if (side === "request") {
      if (number === this.#answered) this.#answered = NaN;
      this.#pairing.askedAs(number, operation, time);
    } // A zone comes in many responses with the same number.
    else if (number !== this.#answered) {
      this.#answered = number;
      this.#pairing.answeredAs(number, time, fault, code);
    }
    return LENGTH_BYTES + length;
  };
}

function guess({ bytes, start, end, length }: Chunk): Side | undefined {
  if (start + LENGTH_BYTES > end) return undefined;
  const size = uint16(bytes, start);
  if (size + LENGTH_BYTES !== length) return undefined;
  if (!readMessage(bytes, start + LENGTH_BYTES, end, size)) return undefined;
  return message.side;
}

const dns: Protocol = {
  name: "dns",
  hasCodes: true,
  guess,
  converse: (pairing) => new DnsConversation(pairing),
  datagram: ({ bytes, start, end, length }) =>
    readMessage(bytes, start, end, length) ? message : undefined,
};
export default dns;
