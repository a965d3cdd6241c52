// SPDX-License-Identifier: MulanPSL-2.0
/** Finds one of a fixed list of names in bytes, whatever their case, without making a text of them. */

export class NameIndex {
  readonly #byHash = new Map<number, string[]>();

  /** `names` are in upper case. */
  constructor(names: readonly string[]) {
    const encoder = new TextEncoder();
    for (const name of names) {
      const bytes = encoder.encode(name);
      const hash = hashOf(bytes, 0, bytes.length);
      const same = this.#byHash.get(hash);
      if (same === undefined) this.#byHash.set(hash, [name]);
      else same.push(name);
    }
  }

  find(bytes: Uint8Array, at: number, length: number): string | undefined {
    const names = this.#byHash.get(hashOf(bytes, at, length));
    return names?.find((name) => isSame(name, bytes, at, length));
  }
}

function upper(byte: number): number {
  return byte >= 97 && byte <= 122 ? byte - 32 : byte;
}

function hashOf(bytes: Uint8Array, at: number, length: number): number {
  let hash = length;
  for (let i = 0; i < length; i++) hash = Math.imul(hash, 31) + upper(bytes[at + i]!) | 0;
  return hash;
}

function isSame(name: string, bytes: Uint8Array, at: number, length: number): boolean {
  if (name.length !== length) return false;
  for (let i = 0; i < length; i++) {
    if (name.charCodeAt(i) !== upper(bytes[at + i]!)) return false;
  }
  return true;
}
