// SPDX-License-Identifier: MulanPSL-2.0
/** Takes an HTTP/1.x answer apart that was read to its end. */

export interface HttpReply {
  readonly status: number;
  readonly body: Uint8Array;
}

const HEAD_LIMIT = 16 * 1024;
const STATUS_REGEXP = /^HTTP\/1\.[01] (\d{3})(?: |$)/;
const LENGTH_REGEXP = /^content-length:[ \t]*(\d{1,15})[ \t]*$/im;
const CHUNKED_REGEXP = /^transfer-encoding:.*\bchunked[ \t]*$/im;
const SIZE_REGEXP = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i;
const CR = 0x0d;
const LF = 0x0a;

const decoder = new TextDecoder("latin1");

/** Undefined when it is no HTTP, or cut short. */
export function httpReply(bytes: Uint8Array): HttpReply | undefined {
  const end = endOfHead(bytes);
  if (end < 0) return undefined;
  const head = decoder.decode(bytes.subarray(0, end)).replaceAll("\r\n", "\n");
  const status = STATUS_REGEXP.exec(head)?.[1];
  if (status === undefined) return undefined;
  const rest = bytes.subarray(end);
  const body = CHUNKED_REGEXP.test(head) ? joinChunks(rest) : ofLength(rest, head);
  return body === undefined ? undefined : { status: Number(status), body };
}

function endOfHead(bytes: Uint8Array): number {
  const limit = Math.min(bytes.length, HEAD_LIMIT);
  for (let at = 3; at < limit; at++) {
    if (
      bytes[at] === LF && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR
    ) return at + 1;
  }
  return -1;
}

function ofLength(rest: Uint8Array, head: string): Uint8Array | undefined {
  const length = LENGTH_REGEXP.exec(head)?.[1];
  if (length === undefined) return rest;
  return rest.length < Number(length) ? undefined : rest.subarray(0, Number(length));
}

function joinChunks(rest: Uint8Array): Uint8Array | undefined {
  // What is joined is never longer than what was received.
  const joined = new Uint8Array(rest.length);
  let size = 0;
  let at = 0;
  for (;;) {
    const newline = rest.indexOf(LF, at);
    if (newline < 1 || rest[newline - 1] !== CR) return undefined;
    const digits = SIZE_REGEXP.exec(decoder.decode(rest.subarray(at, newline - 1)))?.[1];
    if (digits === undefined) return undefined;
    const length = parseInt(digits, 16);
    if (length === 0) return joined.subarray(0, size);
    at = newline + 1;
    if (at + length + 2 > rest.length) return undefined;
    joined.set(rest.subarray(at, at + length), size);
    size += length;
    at += length + 2;
  }
}
