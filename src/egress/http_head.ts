// SPDX-License-Identifier: MulanPSL-2.0
/** Heads of HTTP/1.1 messages: what a request asks for, and how an answer begins. */

export interface HttpRequest {
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** By lower-case name; values of repeated names are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>;
  /** Whether the client expects the connection to stay open. */
  readonly keepAlive: boolean;
}

/** The request cannot be understood; `status` is what to answer. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

const REQUEST_LINE_REGEXP = /^([A-Z]{1,20}) ([\x21-\x7e]{1,2048}) HTTP\/(\d)\.(\d)$/;
const ABSOLUTE_REGEXP = /^https?:\/\/[^/?#]*/i;
const HEADER_REGEXP = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/;
// deno-lint-ignore no-control-regex
const CONTROL_REGEXP = /[\x00-\x08\x0a-\x1f\x7f]/;

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  505: "HTTP Version Not Supported",
};

const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

/** Where the empty line after the headers ends, or -1 if it is not there yet; looks from `from` on. */
export function endOfHead(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0x0a, from); at >= 0; at = bytes.indexOf(0x0a, at + 1)) {
    if (at >= 3 && bytes[at - 1] === 0x0d && bytes[at - 2] === 0x0a && bytes[at - 3] === 0x0d) {
      return at + 1;
    }
  }
  return -1;
}

/** Reads the head of a request, empty line included. Throws BadRequest. */
export function parseRequest(head: Uint8Array): HttpRequest {
  const [requestLine = "", ...lines] = decoder.decode(head.subarray(0, -4)).split("\r\n");
  const [, method, target, major, minor] = REQUEST_LINE_REGEXP.exec(requestLine) ?? [];
  if (method === undefined || target === undefined) {
    throw new BadRequest(400, "The request line is not one of HTTP/1.1");
  }
  if (major !== "1") throw new BadRequest(505, "Only HTTP/1.1 is spoken here");
  const headers = parseHeaders(lines);
  if (minor !== "0" && !headers.has("host")) throw new BadRequest(400, "No Host header");
  const hasBody = headers.has("transfer-encoding") ||
    (headers.get("content-length") ?? "0") !== "0";
  const connection = (headers.get("connection") ?? "").toLowerCase();
  return {
    method,
    path: target.replace(ABSOLUTE_REGEXP, "").replace(/[?#].*/, "") || "/",
    headers,
    // A body is never read, so what follows it cannot be found.
    keepAlive: minor !== "0" && !connection.includes("close") && !hasBody,
  };
}

function parseHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = HEADER_REGEXP.exec(line) ?? [];
    if (name === undefined || value === undefined || CONTROL_REGEXP.test(value)) {
      throw new BadRequest(400, "A header is not `name: value`");
    }
    const key = name.toLowerCase();
    const former = headers.get(key);
    headers.set(key, former === undefined ? value : `${former}, ${value}`);
  }
  return headers;
}

/** Head of an answer, empty line included. */
export function renderAnswerHead(
  status: number,
  headers: Readonly<Record<string, string>>,
): Uint8Array {
  let text = `HTTP/1.1 ${status} ${REASONS[status] ?? "Unknown"}\r\n`;
  for (const [name, value] of Object.entries(headers)) text += `${name}: ${value}\r\n`;
  return encoder.encode(`${text}\r\n`);
}
