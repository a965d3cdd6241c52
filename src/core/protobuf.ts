// SPDX-License-Identifier: MulanPSL-2.0
/** As much of Protocol Buffers as strings in messages need. Nothing here throws on bad bytes: they end the message. */

export interface ProtoField {
  readonly number: number;
  /** Empty for a field that is a number. */
  readonly bytes: Uint8Array;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;
const SIZES: Readonly<Record<number, number>> = { [FIXED64]: 8, [FIXED32]: 4 };
/** More than any length has; longer numbers are of no interest. */
const MAX_VARINT_BYTES = 10;
/** Of an entry of a map. */
const [KEY, VALUE] = [1, 2];
const NOTHING = new Uint8Array();
const decoder = new TextDecoder();

/** The fields of a message, in their order, up to the first that is cut short. */
export function protoFields(message: Uint8Array): ProtoField[] {
  const fields: ProtoField[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = message[at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (at < message.length) {
    const tag = varint();
    const [number, type] = [Math.floor(tag / 8), tag % 8];
    if (type === VARINT) {
      if (Number.isNaN(varint())) break;
      fields.push({ number, bytes: new Uint8Array() });
      continue;
    }
    const size = type === LENGTH ? varint() : SIZES[type] ?? NaN;
    if (!(at + size <= message.length)) break;
    fields.push({ number, bytes: message.subarray(at, at + size) });
    at += size;
  }
  return fields;
}

/** The first field of this number; empty when there is none. */
export function protoFirst(fields: readonly ProtoField[], number: number): Uint8Array {
  return fields.find((field) => field.number === number)?.bytes ?? NOTHING;
}

/** The same as a text. */
export function protoTextOf(fields: readonly ProtoField[], number: number): string {
  return decoder.decode(protoFirst(fields, number));
}

/** A map of texts, whose entries are messages of a key and a value. */
export function protoMap(fields: readonly ProtoField[], number: number): Record<string, string> {
  const entries = fields.filter((field) => field.number === number)
    .map(({ bytes }) => protoFields(bytes))
    .map((entry) => [protoTextOf(entry, KEY), protoTextOf(entry, VALUE)]);
  return Object.fromEntries(entries);
}

/** A message of one field, which is a text of less than 128 bytes. */
export function protoText(number: number, text: string): Uint8Array<ArrayBuffer> {
  return protoMessage(number, new TextEncoder().encode(text));
}

/** A message of one field, which is a message of less than 128 bytes. */
export function protoMessage(number: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.length > 0x7f || number > 15) throw new RangeError(`Field ${number} is too long`);
  return Uint8Array.of(number * 8 + LENGTH, bytes.length, ...bytes);
}
