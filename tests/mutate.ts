// SPDX-License-Identifier: MulanPSL-2.0
/** Spoils texts for fuzz tests; the same seed gives the same texts, so that a failure can be repeated. */

/** Numbers from 0 up to, but without, `limit`. */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % limit;
  };
}

const SPECIAL = [
  "\n",
  "\t",
  " ",
  ":",
  "\0",
  "-1",
  "18446744073709551616",
  "9".repeat(400),
  "../..",
  "NaN",
  "1e308",
  "0x7f",
  "cpu",
  "Tcp:",
];

/** `text` with one to four of: a byte changed, bytes cut out, doubled or inserted, the rest cut off. */
export function mutate(text: string, random: (limit: number) => number): Uint8Array {
  return mutateBytes(new TextEncoder().encode(text), random);
}

/** The same for what is no text. */
export function mutateBytes(
  whole: Uint8Array<ArrayBuffer>,
  random: (limit: number) => number,
): Uint8Array<ArrayBuffer> {
  let bytes = whole;
  for (let changes = 1 + random(4); changes > 0; changes--) bytes = change(bytes, random);
  return bytes;
}

function change(
  bytes: Uint8Array<ArrayBuffer>,
  random: (limit: number) => number,
): Uint8Array<ArrayBuffer> {
  const at = random(bytes.length + 1);
  const end = Math.min(bytes.length, at + random(40));
  switch (random(6)) {
    case 0: {
      const copy = bytes.slice();
      if (at < copy.length) copy[at] = random(256);
      return copy;
    }
    case 1:
      return join(bytes.subarray(0, at), bytes.subarray(end));
    case 2:
      return join(bytes.subarray(0, end), bytes.subarray(at));
    case 3:
      return bytes.slice(0, at);
    case 4: {
      const noise = new Uint8Array(random(20)).map(() => random(256));
      return join(bytes.subarray(0, at), noise, bytes.subarray(at));
    }
    default: {
      const special = new TextEncoder().encode(SPECIAL[random(SPECIAL.length)]!);
      return join(bytes.subarray(0, at), special, bytes.subarray(at));
    }
  }
}

function join(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
