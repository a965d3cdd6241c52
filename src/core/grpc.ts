// SPDX-License-Identifier: MulanPSL-2.0
/**
 * As much of HTTP/2 as a question to a gRPC service needs: one message there, one back, one question after the other.
 * Headers are sent without compression, and those of answers are not read: a service that refuses sends no message.
 */

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
} as const;
const END_STREAM = 1;
const ACK = 1;
const END_HEADERS = 4;
const PADDED = 8;
const HEAD_BYTES = 9;
/** Its length stands in front of a message, behind a byte that says whether it is compressed. */
const PREFIX_BYTES = 5;
const SETTING = { tableSize: 1, push: 2, streamWindow: 4 } as const;
/** So that nobody has to wait for more room. */
const WINDOW = 0x3fff_ffff;
const MAX_FRAME_BYTES = 16384;
const encoder = new TextEncoder();

function frame(type: number, flags: number, stream: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length * 256 + type);
  bytes[4] = flags;
  view.setUint32(5, stream);
  bytes.set(body, HEAD_BYTES);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** What a client says first. */
export function grpcHello(): Uint8Array<ArrayBuffer> {
  const settings = new DataView(new ArrayBuffer(18));
  const wanted = [[SETTING.tableSize, 0], [SETTING.push, 0], [SETTING.streamWindow, WINDOW]];
  wanted.forEach(([name, value], i) => {
    settings.setUint16(i * 6, name!);
    settings.setUint32(i * 6 + 2, value!);
  });
  const window = new DataView(new ArrayBuffer(4));
  window.setUint32(0, WINDOW);
  return joined(
    encoder.encode(PREFACE),
    frame(FRAME.settings, 0, 0, new Uint8Array(settings.buffer)),
    frame(FRAME.window, 0, 0, new Uint8Array(window.buffer)),
  );
}

/** Texts of up to 126 bytes. */
export type GrpcMetadata = Readonly<Record<string, string>>;

/** A question; `stream` is 1, 3, 5 and so on. */
export function grpcQuestion(
  stream: number,
  path: string,
  metadata: GrpcMetadata,
  message: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const headers = {
    ":method": "POST",
    ":scheme": "http",
    ":path": path,
    ":authority": "localhost",
    "content-type": "application/grpc",
    te: "trailers",
    ...metadata,
  };
  const body = new Uint8Array(PREFIX_BYTES + message.length);
  new DataView(body.buffer).setUint32(1, message.length);
  body.set(message, PREFIX_BYTES);
  if (body.length > MAX_FRAME_BYTES) throw new RangeError("The question is too long");
  return joined(
    frame(FRAME.headers, END_HEADERS, stream, joined(...Object.entries(headers).map(literal))),
    frame(FRAME.data, END_STREAM, stream, body),
  );
}

/** A header that is to be remembered nowhere. */
function literal([name, value]: readonly [string, string]): Uint8Array {
  const [key, text] = [encoder.encode(name), encoder.encode(value)];
  if (key.length > 126 || text.length > 126) throw new RangeError(`Header "${name}" is too long`);
  return Uint8Array.of(0, key.length, ...key, text.length, ...text);
}

/** Takes what a service says, and finds the message that answers a question. */
export class GrpcAnswers {
  /** The answer to the present question is complete. */
  ended = false;
  readonly #maxBytes: number;
  #stream = 0;
  #rest: Uint8Array = new Uint8Array();
  #body: Uint8Array = new Uint8Array();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  expect(stream: number): void {
    this.#stream = stream;
    this.#body = new Uint8Array();
    this.ended = false;
  }

  /** The message; undefined when the service refused to give one. */
  get message(): Uint8Array | undefined {
    const body = this.#body;
    if (body.length < PREFIX_BYTES || body[0] !== 0) return undefined;
    const size = new DataView(body.buffer, body.byteOffset).getUint32(1);
    return body.length < PREFIX_BYTES + size
      ? undefined
      : body.subarray(PREFIX_BYTES, PREFIX_BYTES + size);
  }

  /** Gives what has to be said in return. Throws TypeError when this is no gRPC service, or it breaks off. */
  take(chunk: Uint8Array): Uint8Array<ArrayBuffer> {
    const bytes = joined(this.#rest, chunk);
    const view = new DataView(bytes.buffer);
    const replies: Uint8Array[] = [];
    let at = 0;
    while (at + HEAD_BYTES <= bytes.length) {
      const word = view.getUint32(at);
      const size = word >>> 8;
      if (size > MAX_FRAME_BYTES) throw new TypeError("the answer is no HTTP/2");
      if (at + HEAD_BYTES + size > bytes.length) break;
      const body = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + size);
      const stream = view.getUint32(at + 5) & 0x7fff_ffff;
      const reply = this.#frame(word & 0xff, bytes[at + 4]!, stream, body);
      if (reply !== undefined) replies.push(reply);
      at += HEAD_BYTES + size;
    }
    this.#rest = bytes.subarray(at);
    return joined(...replies);
  }

  #frame(type: number, flags: number, stream: number, body: Uint8Array): Uint8Array | undefined {
    const answered = (flags & ACK) !== 0;
    if (type === FRAME.settings && !answered) {
      return frame(FRAME.settings, ACK, 0, new Uint8Array());
    }
    if (type === FRAME.ping && !answered) return frame(FRAME.ping, ACK, 0, body);
    if (type === FRAME.goAway) throw new TypeError("the service breaks off");
    if (stream === 0 || stream !== this.#stream) return undefined;
    if (type === FRAME.reset) this.ended = true;
    if (type !== FRAME.data && type !== FRAME.headers) return undefined;
    if (type === FRAME.data) this.#add((flags & PADDED) === 0 ? body : unpadded(body));
    if ((flags & END_STREAM) !== 0) this.ended = true;
    return undefined;
  }

  #add(data: Uint8Array): void {
    if (this.#body.length + data.length > this.#maxBytes) {
      throw new TypeError(`the answer has more than ${this.#maxBytes} bytes`);
    }
    this.#body = joined(this.#body, data);
  }
}

function unpadded(body: Uint8Array): Uint8Array {
  return body.subarray(1, Math.max(1, body.length - body[0]!));
}
