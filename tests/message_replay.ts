// SPDX-License-Identifier: MulanPSL-2.0
/** Plays recorded connections to a protocol. tests/fixtures/messages has what real clients and servers said. */
import { type MessageSink, Pairing } from "../src/core/messages/pairing.ts";
import type { Chunk, Protocol, Side } from "../src/core/messages/protocol.ts";

export interface Piece {
  readonly side: Side;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of which `bytes` are the first. */
  readonly length: number;
}

const encoder = new TextEncoder();

/** A piece of text of which all is known. */
export function said(side: Side, text: string): Piece {
  const bytes = encoder.encode(text);
  return { side, bytes, length: bytes.length };
}

/** Bytes that came in one piece and are all known. */
export function chunkOf(bytes: Uint8Array, time: number): Chunk {
  return { bytes, start: 0, end: bytes.length, length: bytes.length, time };
}

export interface Capture {
  readonly name: string;
  readonly protocol: string;
  readonly pieces: readonly Piece[];
}

interface Recorded {
  readonly name: string;
  readonly protocol: string;
  readonly chunks: readonly (readonly [Side, string, number])[];
}

export async function captures(protocol: string): Promise<Capture[]> {
  const path = new URL("fixtures/messages/captures.json", import.meta.url);
  const recorded: Recorded[] = JSON.parse(await Deno.readTextFile(path));
  return recorded.filter((capture) => capture.protocol === protocol).map((capture) => ({
    name: capture.name,
    protocol,
    pieces: capture.chunks.map(([side, text, length]) => ({
      side,
      bytes: Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
      length,
    })),
  }));
}

export interface Told {
  readonly asked: string[];
  /** Operation, latency, and the answer's fault and code. */
  readonly answered: (readonly [string, number, string, string])[];
  /** Side, topic and number of messages. */
  readonly carried: (readonly [string, string, number])[];
  unpaired: number;
  ended: boolean;
  waiting: number;
}

/** What a protocol makes of the pieces, each a second after the other, of which no more than `known(i)` bytes are known. */
export function replay(
  protocol: Protocol,
  pieces: readonly Piece[],
  known: (i: number) => number = () => 128,
): Told {
  const told: Told = {
    asked: [],
    answered: [],
    carried: [],
    unpaired: 0,
    ended: false,
    waiting: 0,
  };
  const sink: MessageSink = {
    asked: (operation) => told.asked.push(operation),
    answered: (...what) => told.answered.push(what),
    unpaired: (count) => told.unpaired += count,
    carried: (...what) => told.carried.push(what),
  };
  const pairing = new Pairing(sink);
  const conversation = protocol.converse(pairing);
  pieces.forEach(({ side, bytes, length }, i) => {
    // As in the ring, other bytes stand around.
    const start = 3;
    const around = new Uint8Array(bytes.length + 9).fill(10);
    around.set(bytes, start);
    const end = start + Math.min(bytes.length, known(i));
    if (side === "request") pairing.turn();
    conversation[side]({ bytes: around, start, end, length, time: i * 1000 });
  });
  told.ended = pairing.ended;
  told.waiting = pairing.waiting;
  return told;
}

/** The same bytes in smaller pieces; only where all of them are known. */
export function cut(pieces: readonly Piece[], sizes: (i: number) => number): Piece[] {
  return pieces.flatMap((piece, i) => {
    if (piece.bytes.length < piece.length) return [piece];
    const parts: Piece[] = [];
    for (let at = 0; at < piece.length;) {
      const bytes = piece.bytes.slice(at, at + Math.max(1, sizes(i)));
      parts.push({ side: piece.side, bytes, length: bytes.length });
      at += bytes.length;
    }
    return parts;
  });
}
