// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a protocol of requests and responses is to the agent. A protocol is one file in `protocols` with a default
 * export; the build lists them (src/gen/protocols.ts).
 */
import type { Fault, Pairing } from "./pairing.ts";

/** What one side sent in one piece, of which the first bytes are known. The same object each time. */
export interface Chunk {
  readonly bytes: Uint8Array;
  /** The known bytes are `bytes[start]` up to, but without, `bytes[end]`. */
  readonly start: number;
  readonly end: number;
  /** All bytes of the piece, known or not. */
  readonly length: number;
  /** Monotonic, in ns: when a received piece arrived, or a sent one was sent. */
  readonly time: number;
}

/** One connection. What follows from its bytes is told to its pairing. */
export interface Conversation {
  request(chunk: Chunk): void;
  response(chunk: Chunk): void;
}

/** Who sent a chunk. */
export type Side = "request" | "response";

/** What one datagram is about. */
export interface Datagram {
  readonly side: Side;
  /** By which a response names its request: less than 2^36. */
  readonly number: number;
  readonly operation: string;
  /** Of a response. */
  readonly fault: Fault;
  readonly code: string;
}

export interface Protocol {
  /** As the label `protocol` has it. */
  readonly name: string;
  /** Whether the chunk can only be the start of what this side of a connection says; undefined: it is not known. */
  guess(chunk: Chunk): Side | undefined;
  converse(pairing: Pairing): Conversation;
  /** Whether codes of answers are a small set of names, to be counted one by one. */
  readonly hasCodes?: boolean;
  /** Of a protocol that also speaks in datagrams: undefined if this is none of it. The same object each time. */
  datagram?(chunk: Chunk): Datagram | undefined;
}
