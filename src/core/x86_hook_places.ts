// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Where to hook a function of x86-64 at little cost. The kernel emulates a few instructions (push, jumps, calls) and lets
 * the processor step over any other with two exceptions, which costs 16 to 19 us in a virtual machine instead of 0.7. So
 * a hook stands at the first such instruction that still has the arguments, and at the last one that has the result.
 */
import { type CodePlace, codePlaces } from "./x86_returns.ts";

export interface HookPlaces {
  readonly entry: number;
  readonly returns: readonly number[];
}

/** Undefined if the code is not understood, or never returns. */
export function hookPlaces(code: Uint8Array): HookPlaces | undefined {
  const places = codePlaces(code);
  if (places === undefined) return undefined;
  const targets = new Set(places.flatMap((place) => targetOf(code, place) ?? []));
  const returns = places.flatMap(({ isReturn }, i) =>
    isReturn ? [returnPlace(code, places, i, targets)] : []
  );
  if (returns.length === 0) return undefined;
  return { entry: entryPlace(code, places, targets), returns: [...new Set(returns)] };
}

/** Bytes that an instruction may begin with that leaves the arguments alone: endbr64, the stack's frame and guard. */
const KEEPS_ARGUMENTS = [
  [0xf3, 0x0f, 0x1e, 0xfa],
  [0x48, 0x83, 0xec],
  [0x48, 0x81, 0xec],
  [0x64, 0x48, 0x8b, 0x04, 0x25],
  [0x48, 0x89, 0x44, 0x24],
  [0x48, 0x89, 0x84, 0x24],
  [0x48, 0x89, 0xe5],
  [0x31, 0xc0],
  [0x85, 0xd2],
  [0x48, 0x85, 0xd2],
  [0x85, 0xff],
  [0x48, 0x85, 0xff],
];

function entryPlace(
  code: Uint8Array,
  places: readonly CodePlace[],
  targets: ReadonlySet<number>,
): number {
  for (const place of places) {
    // What is jumped back to would be passed more than once.
    if (place.at > 0 && targets.has(place.at)) return 0;
    if (isEmulated(code, place)) return place.at;
    if (!KEEPS_ARGUMENTS.some((bytes) => startsWith(code, place.at, bytes))) return 0;
  }
  return 0;
}

/** The same for the result: registers that are restored or wiped, and the stack's frame. */
function keepsResult(code: Uint8Array, { at, length }: CodePlace): boolean {
  const [first, second = 0] = code.subarray(at, at + length);
  if (length === 1) return (first! > 0x58 && first! <= 0x5f) || first === 0xc9;
  if (length === 2 && first === 0x41) return second >= 0x58 && second <= 0x5f;
  if (length === 2 && first === 0x31) return isWiped(second) && second !== 0xc0;
  if (length === 3 && first === 0x45 && second === 0x31) return isWiped(code[at + 2]!);
  return [[0x48, 0x83, 0xc4], [0x48, 0x81, 0xc4], [0x48, 0x8d, 0x65], [0xc5, 0xf8, 0x77]]
    .some((bytes) => startsWith(code, at, bytes));
}

/** XOR of a register with itself. */
function isWiped(modrm: number): boolean {
  return modrm >> 6 === 3 && (modrm >> 3 & 7) === (modrm & 7);
}

function returnPlace(
  code: Uint8Array,
  places: readonly CodePlace[],
  index: number,
  targets: ReadonlySet<number>,
): number {
  const { at } = places[index]!;
  for (let i = index; i > 0 && !targets.has(places[i]!.at); i--) {
    const before = places[i - 1]!;
    if (isConditionalJump(code, before)) return before.at;
    if (!keepsResult(code, before)) return at;
  }
  return at;
}

function isConditionalJump(code: Uint8Array, { at, length }: CodePlace): boolean {
  return (length === 2 && code[at]! >> 4 === 7) ||
    (length === 6 && code[at] === 0x0f && code[at + 1]! >> 4 === 8);
}

function isEmulated(code: Uint8Array, place: CodePlace): boolean {
  const { at, length } = place;
  const first = code[at]!;
  if (isConditionalJump(code, place)) return true;
  if (length === 1) return (first >= 0x50 && first <= 0x57) || first === 0x90;
  if (length === 2) {
    return first === 0xeb || (first === 0x41 && code[at + 1]! >> 3 === 0x50 >> 3);
  }
  return length === 5 && (first === 0xe8 || first === 0xe9);
}

/** Where a jump goes to. */
function targetOf(code: Uint8Array, place: CodePlace): number | undefined {
  const { at, length } = place;
  const next = at + length;
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  if (length === 2 && (code[at] === 0xeb || code[at]! >> 4 === 7)) {
    return next + view.getInt8(at + 1);
  }
  const isNear = (length === 5 && code[at] === 0xe9) || isConditionalJump(code, place);
  return isNear ? next + view.getInt32(next - 4, true) : undefined;
}

function startsWith(code: Uint8Array, at: number, bytes: readonly number[]): boolean {
  return bytes.every((byte, i) => code[at + i] === byte);
}
