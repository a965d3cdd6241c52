// SPDX-License-Identifier: MulanPSL-2.0
/** What every protocol must hold to, over recorded connections and spoiled ones. */
import assert from "node:assert/strict";
import { mutateBytes, randomNumbers } from "../../../../tests/mutate.ts";
import {
  type Capture,
  captures,
  cut,
  type Piece,
  replay,
} from "../../../../tests/message_replay.ts";
import type { Protocol } from "../protocol.ts";
import dns from "./dns.ts";
import http from "./http.ts";
import kafka from "./kafka.ts";
import mysql from "./mysql.ts";
import pgsql from "./pgsql.ts";
import redis from "./redis.ts";

const PROTOCOLS: readonly Protocol[] = [redis, http, pgsql, mysql, kafka, dns];
/** Their answers name their requests, and need not come in order. */
const NUMBERED: ReadonlySet<Protocol> = new Set([dns, kafka]);
const MUTATIONS = 100_000;
const FORGETTINGS = 3000;

const guessOf = (protocol: Protocol, { bytes, length }: Piece) =>
  protocol.guess({ bytes, start: 0, end: Math.min(bytes.length, 128), length, time: 0 });

for (const protocol of PROTOCOLS) {
  const { name } = protocol;

  Deno.test(`${name} is guessed from the first piece of each recorded connection, and no other is`, async () => {
    for (const other of PROTOCOLS) {
      for (const { pieces } of await captures(other.name)) {
        const guessed = guessOf(protocol, pieces[0]!);
        assert.equal(guessed, other === protocol ? pieces[0]!.side : undefined, other.name);
      }
    }
  });

  Deno.test(`${name} reads recorded connections the same however they are cut`, async () => {
    for (const capture of await captures(name)) {
      const whole = replay(protocol, capture.pieces, () => 256);
      for (const size of cutsOf(name)) {
        const told = replay(protocol, cut(capture.pieces, () => size), () => 256);
        assert.deepEqual(told.asked, whole.asked, `${capture.name} by ${size}`);
        const kinds = told.answered.map(([operation, , fault, code]) => [operation, fault, code]);
        const wanted = whole.answered.map(([operation, , fault, code]) => [operation, fault, code]);
        assert.deepEqual(kinds, wanted, `${capture.name} by ${size}`);
      }
    }
  });

  Deno.test(`${name} pairs none wrongly when it knows less of the bytes`, async () => {
    const random = randomNumbers(7);
    for (const { pieces } of await captures(name)) {
      const truth = pairsOf(replay(protocol, pieces, () => 256));
      for (let i = 0; i < FORGETTINGS; i++) {
        const told = replay(protocol, pieces, () => 16 + random(112));
        for (const pair of pairsOf(told)) assert.ok(truth.has(pair), pair);
      }
    }
  });

  Deno.test(`${name} bears ${MUTATIONS} spoiled connections`, async () => {
    const recorded = await captures(name);
    const random = randomNumbers(11);
    for (let i = 0; i < MUTATIONS; i++) {
      const { pieces } = recorded[i % recorded.length]!;
      assertSane(protocol, spoil(pieces, random), () => random(129));
    }
  });
}

/** HTTP has no frames: its head is read from the chunk that it begins. */
function cutsOf(name: string): readonly number[] {
  return name === "http" ? [256] : [1, 2, 3, 7, 61];
}

function pairsOf({ answered }: ReturnType<typeof replay>): Set<string> {
  return new Set(answered.map(([operation, latency]) => `${operation} after ${latency}`));
}

function spoil(pieces: Capture["pieces"], random: (limit: number) => number): Piece[] {
  const from = random(pieces.length);
  const some = pieces.slice(from, from + 8);
  const at = random(some.length);
  return some.map((piece, i) => {
    if (i !== at) return piece;
    const bytes = mutateBytes(piece.bytes, random);
    const length = random(4) === 0 ? bytes.length + random(1 << 16) : bytes.length;
    return { side: random(8) === 0 ? "response" : piece.side, bytes, length };
  });
}

/** Nothing is answered that was not asked, and nothing twice. */
function assertEachOnce(asked: readonly string[], answered: readonly string[]): void {
  const left = [...asked];
  for (const name of answered) {
    const at = left.indexOf(name);
    assert.ok(at >= 0, name);
    left.splice(at, 1);
  }
}

function assertSane(protocol: Protocol, pieces: readonly Piece[], known: () => number): void {
  for (const piece of pieces) guessOf(protocol, piece);
  const { asked, answered, waiting } = replay(protocol, pieces, known);
  assert.ok(answered.length + waiting <= asked.length);
  if (NUMBERED.has(protocol)) return assertEachOnce(asked, answered.map(([name]) => name));
  let next = 0;
  for (const [operation, latency] of answered) {
    assert.ok(latency >= 0);
    while (asked[next] !== operation && next < asked.length) next++;
    assert.ok(next++ < asked.length, "answers come in the order of the requests");
  }
}
