// SPDX-License-Identifier: MulanPSL-2.0
/** Where the byte stands from `at` up to, but without, `end`; -1: nowhere. Short ranges of a long ring are searched. */
export function findByte(bytes: Uint8Array, byte: number, at: number, end: number): number {
  for (let i = at; i < end; i++) if (bytes[i] === byte) return i;
  return -1;
}
