// SPDX-License-Identifier: MulanPSL-2.0
/**
 * Where a function of x86-64 returns: its instructions are walked by their lengths, for a probe in the middle of an
 * instruction would destroy the program. A return probe of the kernel would change the stack instead.
 */

const LEGACY_PREFIXES = new Set([0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, 0xf0]);
const OPERAND_SIZE = 0x66;
const ADDRESS_SIZE = 0x67;
const RETURNS = new Set([0xc2, 0xc3]);
const INVALID = -1;

/** What follows an opcode: a ModRM byte, and so many bytes of an immediate operand. */
interface Form {
  readonly modrm: boolean;
  readonly immediate: number;
}

/** Where an instruction stands in its function's code. */
export interface CodePlace {
  readonly at: number;
  readonly length: number;
  readonly isReturn: boolean;
}

/** The instructions of a function; undefined if one is not understood or the last one does not end where the code ends. */
export function codePlaces(code: Uint8Array): CodePlace[] | undefined {
  const places: CodePlace[] = [];
  let at = 0;
  while (at < code.length) {
    const { length, isReturn } = instructionAt(code, at);
    if (length <= 0 || at + length > code.length) return undefined;
    places.push({ at, length, isReturn });
    at += length;
  }
  return places;
}

/** Offsets of the returns in the code of a function; undefined if the code is not understood. */
export function returnOffsets(code: Uint8Array): number[] | undefined {
  return codePlaces(code)?.filter(({ isReturn }) => isReturn).map(({ at }) => at);
}

interface Instruction {
  readonly length: number;
  readonly isReturn: boolean;
}

const NOT_UNDERSTOOD: Instruction = { length: INVALID, isReturn: false };

function instructionAt(code: Uint8Array, start: number): Instruction {
  let at = start;
  let operand16 = false;
  let address32 = false;
  while (LEGACY_PREFIXES.has(code[at]!)) {
    operand16 ||= code[at] === OPERAND_SIZE;
    address32 ||= code[at] === ADDRESS_SIZE;
    at++;
  }
  let wide = false;
  if ((code[at]! & 0xf0) === 0x40) wide = (code[at++]! & 8) !== 0;
  const opcode = code[at++]!;
  const width = { operandBytes: operand16 && !wide ? 2 : 4, wide, address32 };
  const vector = vectorForm(code, opcode, at);
  if (vector !== undefined) return ended(code, start, vector.at, vector.form);
  if (opcode !== 0x0f) {
    const form = oneByteForm(opcode, code[at] ?? 0, width);
    if (form === undefined) return NOT_UNDERSTOOD;
    return { ...ended(code, start, at, form), isReturn: RETURNS.has(opcode) };
  }
  const second = code[at++]!;
  if (second === 0x38) return ended(code, start, at + 1, { modrm: true, immediate: 0 });
  if (second === 0x3a) return ended(code, start, at + 1, { modrm: true, immediate: 1 });
  return ended(code, start, at, twoByteForm(second));
}

/** VEX and EVEX: prefix bytes that hold the map of the opcode, and the opcode. */
function vectorForm(
  code: Uint8Array,
  prefix: number,
  at: number,
): { at: number; form: Form } | undefined {
  if (prefix === 0xc5) return { at: at + 2, form: mapForm(1, code[at + 1]!) };
  if (prefix === 0xc4) return { at: at + 3, form: mapForm(code[at]! & 31, code[at + 2]!) };
  if (prefix === 0x62) return { at: at + 4, form: mapForm(code[at]! & 7, code[at + 3]!) };
  return undefined;
}

function mapForm(map: number, opcode: number): Form {
  if (map === 1) return twoByteForm(opcode);
  return { modrm: true, immediate: map === 3 ? 1 : 0 };
}

function ended(code: Uint8Array, start: number, at: number, form: Form): Instruction {
  const end = at + (form.modrm ? modrmBytes(code, at) : 0) + form.immediate;
  return { length: end - start, isReturn: false };
}

/** ModRM itself, SIB and displacement. */
function modrmBytes(code: Uint8Array, at: number): number {
  const modrm = code[at]!;
  const mode = modrm >> 6;
  const memory = modrm & 7;
  if (mode === 3) return 1;
  const displacement = mode === 1 ? 1 : mode === 2 ? 4 : 0;
  if (memory === 4) {
    const far = mode === 0 && (code[at + 1]! & 7) === 5;
    return 2 + (far ? 4 : displacement);
  }
  return 1 + (mode === 0 && memory === 5 ? 4 : displacement);
}

interface Width {
  readonly operandBytes: number;
  readonly wide: boolean;
  readonly address32: boolean;
}

const PLAIN: Form = { modrm: false, immediate: 0 };
const BYTE: Form = { modrm: false, immediate: 1 };
const MODRM: Form = { modrm: true, immediate: 0 };
const MODRM_BYTE: Form = { modrm: true, immediate: 1 };

const within = (value: number, first: number, last: number) => value >= first && value <= last;

function oneByteForm(opcode: number, next: number, width: Width): Form | undefined {
  const { operandBytes } = width;
  if (opcode < 0x40) {
    const low = opcode & 7;
    if (low > 5) return undefined;
    return low < 4 ? MODRM : { modrm: false, immediate: low === 4 ? 1 : operandBytes };
  }
  if (within(opcode, 0xb8, 0xbf)) return { modrm: false, immediate: width.wide ? 8 : operandBytes };
  if (within(opcode, 0xa0, 0xa3)) return { modrm: false, immediate: width.address32 ? 4 : 8 };
  if (opcode === 0xf6) return (next >> 3 & 7) < 2 ? MODRM_BYTE : MODRM;
  if (opcode === 0xf7) return { modrm: true, immediate: (next >> 3 & 7) < 2 ? operandBytes : 0 };
  return fixedForm(opcode, operandBytes);
}

/** One-byte opcodes of 0x50 and more whose form does not depend on what surrounds them. */
function fixedForm(opcode: number, operandBytes: number): Form | undefined {
  switch (opcode) {
    case 0x68:
    case 0xa9:
      return { modrm: false, immediate: operandBytes };
    case 0x69:
    case 0x81:
    case 0xc7:
      return { modrm: true, immediate: operandBytes };
    case 0x6a:
    case 0xa8:
    case 0xcd:
    case 0xeb:
      return BYTE;
    case 0x6b:
    case 0x80:
    case 0x83:
    case 0xc0:
    case 0xc1:
    case 0xc6:
      return MODRM_BYTE;
    case 0xc2:
    case 0xca:
      return { modrm: false, immediate: 2 };
    case 0xc8:
      return { modrm: false, immediate: 3 };
    case 0xe8:
    case 0xe9:
      return { modrm: false, immediate: 4 };
    case 0x63:
    case 0xfe:
    case 0xff:
      return MODRM;
    case 0x60:
    case 0x61:
    case 0x82:
    case 0x9a:
    case 0xce:
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xea:
      return undefined;
  }
  if (within(opcode, 0x70, 0x7f) || within(opcode, 0xb0, 0xb7)) return BYTE;
  if (within(opcode, 0xe0, 0xe7)) return BYTE;
  if (within(opcode, 0x84, 0x8f) || within(opcode, 0xd0, 0xd3) || within(opcode, 0xd8, 0xdf)) {
    return MODRM;
  }
  return PLAIN;
}

const TWO_BYTE_PLAIN = new Set([
  ...[0x05, 0x06, 0x07, 0x08, 0x09, 0x0b, 0x0e, 0x77, 0xa0, 0xa1, 0xa2, 0xa8, 0xa9, 0xaa],
  ...[0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x37],
]);
const TWO_BYTE_IMMEDIATE = new Set([
  ...[0x70, 0x71, 0x72, 0x73, 0xa4, 0xac, 0xba, 0xc2, 0xc4, 0xc5, 0xc6],
]);

function twoByteForm(opcode: number): Form {
  if (within(opcode, 0x80, 0x8f)) return { modrm: false, immediate: 4 };
  if (TWO_BYTE_PLAIN.has(opcode) || within(opcode, 0xc8, 0xcf)) return PLAIN;
  return TWO_BYTE_IMMEDIATE.has(opcode) ? MODRM_BYTE : MODRM;
}
