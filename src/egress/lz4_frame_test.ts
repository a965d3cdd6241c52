// SPDX-License-Identifier: MulanPSL-2.0
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { lz4Frame } from "./lz4_frame.ts";

/** Reads a frame by the description of its format. */
function unpack(frame: Buffer): Buffer {
  assert.equal(frame.readUInt32LE(0), 0x184d2204);
  const parts: Buffer[] = [];
  let at = 7;
  for (;;) {
    const size = frame.readUInt32LE(at);
    at += 4;
    if (size === 0) break;
    const bytes = frame.subarray(at, at + (size & 0x7fffffff));
    at += bytes.length;
    parts.push(size > 0x7fffffff ? bytes : unpackBlock(bytes));
  }
  assert.equal(at, frame.length);
  return Buffer.concat(parts);
}

function unpackBlock(block: Buffer): Buffer {
  const out: number[] = [];
  let at = 0;
  const length = (nibble: number) => {
    let sum = nibble;
    for (let more = nibble === 15; more;) {
      const byte = block[at++]!;
      sum += byte;
      more = byte === 255;
    }
    return sum;
  };
  for (;;) {
    const token = block[at++]!;
    for (let left = length(token >> 4); left > 0; left--) out.push(block[at++]!);
    if (at === block.length) return Buffer.from(out);
    const offset = block.readUInt16LE(at);
    at += 2;
    assert.ok(offset > 0 && offset <= out.length);
    for (let left = length(token & 15) + 4; left > 0; left--) out.push(out[out.length - offset]!);
  }
}

/** The same numbers every time. */
function noise(count: number): Buffer {
  let state = 4711;
  return Buffer.from(Array.from({ length: count }, () => {
    state = Math.imul(state, 1103515245) + 12345;
    return state >>> 16 & 255;
  }));
}

const ROWS = Buffer.from(
  Array.from({ length: 3000 }, (_, i) => `{"entity_name": "tcp_link", "tgid": "${i * 7}"}`).join(),
);

Deno.test("lz4Frame gives back what it was given, of any length and kind", () => {
  const kinds = [noise(200_000), ROWS, Buffer.alloc(200_000), Buffer.concat([ROWS, noise(999)])];
  const lengths = [0, 1, 4, 5, 12, 13, 16, 17, 300, 65_535, 65_536, 65_537, 131_072, 150_001];
  for (const kind of kinds) {
    for (const length of [...lengths, kind.length]) {
      const bytes = kind.subarray(0, length);
      assert.ok(unpack(lz4Frame(bytes)).equals(bytes), `${length}`);
    }
  }
});

Deno.test("lz4Frame makes rows a fraction of their size, and noise not larger than a head for each block", () => {
  assert.ok(lz4Frame(ROWS).length < ROWS.length / 3);
  assert.equal(lz4Frame(noise(100_000)).length, 100_000 + 7 + 2 * 4 + 4);
});
