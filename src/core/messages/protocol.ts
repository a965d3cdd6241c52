// SPDX-License-Identifier: MulanPSL-2.0
/**
 * What a protocol of requests and responses is to the agent. A protocol is one file in `protocols` with a default
 * export; the build lists them (src/gen/protocols.ts).
 */
import type { Pairing } from "./pairing.ts";

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

export interface Protocol {
  /** As the label `protocol` has it. */
  readonly name: string;
  /** Whether the chunk can only be the start of what this side of a connection says; undefined: it is not known. */
  guess(chunk: Chunk): Side | undefined;
  converse(pairing: Pairing): Conversation;
}
